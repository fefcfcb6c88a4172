"""Takes flows and what was judged of them, gives sums by outcome, decision, note and pair.

One pass over a batch: what a verdict's reason and side are, which notes a flow has, and the key of
its pair are worked out here row by row, as netpol.engine.verdicts says, and summed at once.
"""

from threading import RLock

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from netpol._core.columns cimport NO_TIME, Columns, shift_columns
from netpol._core.evaluate cimport fill_columns, note_all
from netpol._core.lengths cimport need
from netpol._core.outcome cimport (
    ALLOW, NOTE_AMBIGUOUS_PRIORITY, NOTE_OWN_NODE_EGRESS, NOTE_RELATED_ICMP, NOTE_SERVICE_NAT_ORDER,
    NOTE_SETS, NOTE_SNAPSHOT_AGE, NO_REASON, ORDER_NOTE, SIDES, SIDE_EGRESS, SIDE_INGRESS, VERDICTS,
)
from netpol._core.plain cimport RECORD_COLUMNS
from netpol._core.portability cimport prefetch
from netpol._core.sums cimport (
    Groups, Histogram, Sum, Weights, add_row, hash_key, in_order, take_weights,
)
from netpol._core.tables cimport CompiledTables

cdef enum:  # = netpol.compiler.layout
    # Of a decision, beside a bit for each verdict it decides.
    FACT_OWN_NODE = 64
    FACT_TIED = 128
    FACT_REASON_SHIFT = 8
    FACT_LOUDNESS_SHIFT = 16
    # Of a protocol.
    PROTOCOL_HAS_PORTS = 1
    PROTOCOL_NOTE_SHIFT = 1
    # Of a pair's key.
    HALF_SHIFT = 32
    PAIR_PROTOCOL_SHIFT = 16
    PAIR_HAS_PORT_SHIFT = 24
    PAIR_OUTCOME_SHIFT = 25

cdef enum:  # = netpol.compiler.layout.PairWord as PAIR_*
    PAIR_ENDS = 0
    PAIR_WHAT = 1
    PAIR_DECIDED = 2

cdef enum:  # private: from a bit to its note
    TIED_TO_NOTE = NOTE_AMBIGUOUS_PRIORITY // FACT_TIED
    OWN_NODE_TO_NOTE = NOTE_OWN_NODE_EGRESS // FACT_OWN_NODE
    ORDER_TO_NOTE = NOTE_SERVICE_NAT_ORDER // ORDER_NOTE

cdef uint32_t ALL_BITS = 0xFFFFFFFF  # private

ctypedef fused code_t:
    uint8_t
    uint32_t

# The weights of a block whose flows have none: a branch for each at every row costs more.
cdef uint64_t ONES[BLOCK]
cdef uint64_t ZEROS[BLOCK]
for _row in range(BLOCK):
    ONES[_row] = 1
    ZEROS[_row] = 0

cdef inline uint32_t outcome_of(
    const Facts* f, uint32_t verdict, uint32_t special, uint32_t egress, uint32_t ingress
) noexcept nogil:
    """Give (verdict * reasons + reason) * SIDES + side; see ``Verdicts.reason`` and ``side``.

    No branches: the order of verdicts cannot be predicted.
    """
    cdef uint32_t e = f.decisions[egress]
    cdef uint32_t g = f.decisions[ingress]
    cdef uint32_t by_egress = e >> verdict & 1
    cdef uint32_t by_ingress = g >> verdict & 1
    cdef uint32_t is_allow = verdict == ALLOW
    cdef uint32_t louder = (e >> FACT_LOUDNESS_SHIFT) <= (g >> FACT_LOUDNESS_SHIFT)
    cdef uint32_t pick_egress = (is_allow & louder) | ((is_allow ^ 1) & by_egress)
    cdef uint32_t reason = (g ^ ((e ^ g) & (0 - pick_egress))) >> FACT_REASON_SHIFT & 0xFF
    reason = 0 if reason == NO_REASON else reason
    special &= ORDER_NOTE - 1
    reason = special - 1 if special else reason
    return (verdict * f.reasons + reason) * SIDES + (
        SIDE_EGRESS * by_egress + SIDE_INGRESS * by_ingress)


cdef inline bint is_icmp_error(uint8_t protocol, uint8_t kind) noexcept nogil:
    """Whether the message is about another connection (R18)."""
    if protocol == 1:
        return kind == 3 or kind == 4 or kind == 5 or kind == 11 or kind == 12
    return protocol == 58 and 1 <= kind <= 4


cdef inline uint16_t icmp_note(const Columns* c, size_t i) noexcept nogil:
    """Give the note of a message about another connection; see ``Verdicts.notes``."""
    if c.icmp_type != NULL and is_icmp_error(c.protocol[i], c.icmp_type[i]):
        return NOTE_RELATED_ICMP
    return 0


cdef inline uint16_t time_note(const Facts* f, const Columns* c, size_t i) noexcept nogil:
    """Give the note of a flow older than the snapshot."""
    return NOTE_SNAPSHOT_AGE if c.time[i] != NO_TIME and c.time[i] < f.newest else 0


cdef inline void pair_key(
    const Facts* f, const Columns* c, const Judged* j, size_t i, uint32_t outcome, uint64_t* key
) noexcept nogil:
    """Give workloads; outcome, port and protocol; deciding decisions."""
    cdef uint32_t side = outcome % SIDES
    cdef uint64_t has_port = f.protocols[c.protocol[i]] & PROTOCOL_HAS_PORTS
    if c.dport_known != NULL and not c.dport_known[i]:
        has_port = 0
    key[PAIR_ENDS] = <uint64_t> f.workloads[j.src[i]] << HALF_SHIFT | f.workloads[j.dst[i]]
    key[PAIR_WHAT] = (
        <uint64_t> outcome << PAIR_OUTCOME_SHIFT | has_port << PAIR_HAS_PORT_SHIFT
        | <uint64_t> c.protocol[i] << PAIR_PROTOCOL_SHIFT
        | (c.dport[i] if has_port else 0)
    )
    key[PAIR_DECIDED] = <uint64_t> (j.egress[i] if side & SIDE_EGRESS else 0) << HALF_SHIFT | (
        j.ingress[i] if side & SIDE_INGRESS else 0)


cdef class Tally:
    """Sums over batches.

    Parameters
    ----------
    tables : CompiledTables
        What the flows are judged by.
    decisions : uint32[decisions]
        Bit v: decides a flow of verdict v | FACT_OWN_NODE | FACT_TIED | reason << 8 (255: none) |
        loudness << 16, 0 where an allowed flow's reason is taken from first.
    workloads : uint32[endpoints]
        A number for the workload of each endpoint.
    protocols : uint16[256]
        1 if the protocol has ports | notes << 1.
    reasons : int
        How many reasons there are.
    newest : int
        Latest time that the snapshot names, ns.
    limit : int
        Distinct pairs that are kept.

    Attributes
    ----------
    outcomes, egress, ingress, notes : Histogram
        By (verdict * reasons + reason) * 4 + side; by decision; by note bits.
    pairs : Groups
        Denied and unknown flows by workloads; outcome << 25 | has a port << 24 | protocol << 16 |
        port; egress decision << 32 | ingress decision (0 where the side did not decide).
    """

    def __cinit__(
        self, CompiledTables tables not None, const uint32_t[::1] decisions not None,
        const uint32_t[::1] workloads not None, const uint16_t[::1] protocols not None,
        uint32_t reasons, int64_t newest, size_t limit,
    ):
        # There is at least one endpoint and one decision.
        need("protocols", protocols.shape[0], 256)
        need(
            "workloads", workloads.shape[0], tables._arrays["src_records"].size // RECORD_COLUMNS)
        need("decisions", decisions.shape[0], tables._arrays["decision_info"].size)
        _check_reasons(decisions, reasons)
        self._tables = tables
        self._lock = RLock()
        self._kept = (decisions, workloads, protocols)
        self._facts.decisions = &decisions[0]
        self._facts.workloads = &workloads[0]
        self._facts.protocols = &protocols[0]
        self._facts.reasons = reasons
        self._facts.newest = newest
        self.outcomes = Histogram(VERDICTS * reasons * SIDES)
        self.egress = Histogram(decisions.shape[0])
        self.ingress = Histogram(decisions.shape[0])
        self.notes = Histogram(NOTE_SETS)
        self.pairs = Groups(limit)
        self.outcomes._lock = self.egress._lock = self.ingress._lock = self._lock
        self.notes._lock = self.pairs._lock = self._lock

    def merge(self, Tally other not None):
        """Add another's sums; both must be of the same engine."""
        first, second = in_order(self._lock, other._lock)
        with first, second:
            self.outcomes.merge(other.outcomes)
            self.egress.merge(other.egress)
            self.ingress.merge(other.ingress)
            self.notes.merge(other.notes)
            self.pairs.merge(other.pairs)

    def add(
        self, size_t n, dict columns not None, dict results not None, flows, packets, bytes_
    ):
        """Add ``n`` flows. The GIL is released.

        Parameters
        ----------
        columns, results : what ``evaluate`` took and gave, for the same tables.
        flows, packets, bytes_ : uint64[n] or None (1 flow each, no packets, no bytes).

        Raises
        ------
        ValueError
            A column is of another length, or a result is not one of these tables'.
        MemoryError
            There is no room for the pairs.
        """
        cdef Columns c
        cdef Weights w
        cdef Judged j
        cdef bint fits = True
        if n == 0:
            return
        columns, results = columns.copy(), results.copy()  # another thread may take arrays out
        fill_columns(&c, self._tables, n, columns)
        take_weights(&w, n, flows, packets, bytes_)
        take_judged(
            &j, n, results, self._facts.reasons + 1, self.egress.size, self._kept[1].shape[0])
        with self._lock, nogil:
            fits = self._add(&c, &w, &j, n)
        if not fits:
            raise MemoryError

    cdef bint _add(self, Columns* c, Weights* w, Judged* j, size_t n) noexcept nogil:
        cdef size_t count
        while n:
            count = min(n, <size_t> BLOCK)
            if not self.add_block(c, w, j, count):
                return False
            shift_columns(c, count)
            shift_weights(w, count)
            shift_judged(j, count)
            n -= count
        return True

    cdef bint add_block(
        self, const Columns* c, const Weights* w, const Judged* j, size_t count
    ) noexcept nogil:
        """Add up to BLOCK rows; pairs in stages, since most of them miss the cache.

        False where there is no memory for the pairs.
        """
        cdef uint16_t notes[BLOCK]
        cdef uint16_t rows[BLOCK]
        cdef uint32_t found[BLOCK]
        cdef uint64_t keys[BLOCK][3]
        cdef uint64_t hashes[BLOCK]
        # Locals, since the compiler must assume that adding to a sum changes where they point.
        cdef Facts facts = self._facts
        cdef Columns columns = c[0]
        cdef Judged judged = j[0]
        cdef Sum* outcomes = self.outcomes.sums
        cdef Sum* by_egress = self.egress.sums
        cdef Sum* by_ingress = self.ingress.sums
        cdef const uint64_t* flows_of = w.flows if w.flows != NULL else ONES
        cdef const uint64_t* packets_of = w.packets if w.packets != NULL else ZEROS
        cdef const uint64_t* octets_of = w.bytes if w.bytes != NULL else ZEROS
        cdef uint64_t flows, packets, octets
        cdef uint32_t outcome, egress, ingress
        cdef uint16_t bits
        cdef uint64_t slot
        cdef size_t i, k, wanted = 0
        note_all(&self._tables.view, c, count, judged.src, judged.dst, notes)
        for i in range(count):
            egress = judged.egress[i]
            ingress = judged.ingress[i]
            flows = flows_of[i]
            packets = packets_of[i]
            octets = octets_of[i]
            outcome = outcome_of(&facts, judged.verdict[i], judged.special[i], egress, ingress)
            found[i] = outcome
            add_row(&outcomes[outcome], flows, packets, octets)
            add_row(&by_egress[egress], flows, packets, octets)
            add_row(&by_ingress[ingress], flows, packets, octets)
            bits = notes[i] | facts.protocols[columns.protocol[i]] >> PROTOCOL_NOTE_SHIFT
            bits |= TIED_TO_NOTE * <uint16_t> (
                (facts.decisions[egress] | facts.decisions[ingress]) & FACT_TIED)
            bits |= OWN_NODE_TO_NOTE * <uint16_t> (facts.decisions[egress] & FACT_OWN_NODE)
            bits |= ORDER_TO_NOTE * <uint16_t> (judged.special[i] & ORDER_NOTE)
            if columns.time != NULL:
                bits |= time_note(&facts, &columns, i)
            if bits:  # as every ICMP message has
                bits |= icmp_note(&columns, i)
                add_row(&self.notes.sums[bits & (NOTE_SETS - 1)], flows, packets, octets)
            rows[wanted] = <uint16_t> i
            wanted += judged.verdict[i] != ALLOW
            prefetch(&facts.workloads[judged.src[i]])
            prefetch(&facts.workloads[judged.dst[i]])
        if not self.pairs.reserve(wanted):
            return False
        for k in range(wanted):
            i = rows[k]
            pair_key(&facts, &columns, &judged, i, found[i], keys[k])
            hashes[k] = hash_key(keys[k][0], keys[k][1], keys[k][2])
            prefetch(&self.pairs.slots[hashes[k] & self.pairs.mask])
        for k in range(wanted):
            slot = self.pairs.slots[hashes[k] & self.pairs.mask]
            if slot:
                prefetch(&self.pairs.entries[slot - 1])
        for k in range(wanted):
            i = rows[k]
            add_row(
                self.pairs.find(keys[k], hashes[k]), flows_of[i], packets_of[i], octets_of[i])
        return True


cdef int _check_reasons(const uint32_t[::1] decisions, uint32_t reasons) except -1:
    """Raise ``ValueError`` if a decision has a reason that there is no sum for."""
    cdef Py_ssize_t i
    cdef uint32_t reason
    if not 0 < reasons < NO_REASON:
        raise ValueError("reasons: from 1 to 254")
    for i in range(decisions.shape[0]):
        reason = decisions[i] >> FACT_REASON_SHIFT & 0xFF
        if reason != NO_REASON and reason >= reasons:
            raise ValueError("decisions: no such reason")
    return 0


cdef int take_judged(
    Judged* j, size_t n, dict results, size_t specials, size_t decisions, size_t endpoints
) except -1:
    """Check what ``evaluate`` gave against how many of each there are, and take its address."""
    cdef const uint8_t[::1] verdict = results["verdict"]
    cdef const uint8_t[::1] special = results["special"]
    cdef const uint32_t[::1] egress = results["egress"]
    cdef const uint32_t[::1] ingress = results["ingress"]
    cdef const uint32_t[::1] src = results["src_endpoint"]
    cdef const uint32_t[::1] dst = results["dst_endpoint"]
    _below(verdict, n, ALL_BITS, VERDICTS, "verdict")
    _below(special, n, ORDER_NOTE - 1, specials, "special")
    _below(egress, n, ALL_BITS, decisions, "egress")
    _below(ingress, n, ALL_BITS, decisions, "ingress")
    _below(src, n, ALL_BITS, endpoints, "src_endpoint")
    _below(dst, n, ALL_BITS, endpoints, "dst_endpoint")
    j.verdict, j.special = &verdict[0], &special[0]
    j.egress, j.ingress = &egress[0], &ingress[0]
    j.src, j.dst = &src[0], &dst[0]
    return 0


cdef int _below(
    const code_t[::1] codes, size_t n, uint32_t bits, size_t limit, str name
) except -1:
    """Raise ``ValueError`` if there are not ``n`` codes, or one, of these bits, is too large."""
    cdef uint32_t most = 0
    cdef size_t i
    if <size_t> codes.shape[0] != n:
        need(f"result {name}", codes.shape[0], n)
    with nogil:
        for i in range(n):
            most = max(most, <uint32_t> codes[i] & bits)
    if n and most >= limit:
        raise ValueError(f"result {name}: not of these tables")
    return 0


cdef inline void shift_weights(Weights* w, size_t start) noexcept nogil:
    """Let the weights begin at a row."""
    if w.flows != NULL:
        w.flows += start
    if w.packets != NULL:
        w.packets += start
    if w.bytes != NULL:
        w.bytes += start


cdef inline void shift_judged(Judged* j, size_t start) noexcept nogil:
    """Let the results begin at a row."""
    j.verdict += start
    j.special += start
    j.egress += start
    j.ingress += start
    j.src += start
    j.dst += start
