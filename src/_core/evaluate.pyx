"""The kernel: columns of flows in, verdicts and one decision id a side out.

Work goes block by block: addresses to endpoints (``resolve``), endpoints and ports to decisions of
plain pairs (``plain``, or ``paged`` without cells). Both list the rows that may need more than one
plain pair: flows to services are judged here by the few replicas that differ; ambiguous owners,
NAT, self traffic, ICMP errors and hints go one by one to ``judge``.
"""

import numpy as np

from cpython.buffer cimport (
    PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer,
)
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memset

from netpol._core.cases cimport (
    case_of, has_extras, is_plain, mark_extras, note_rows, resolve_one,
)
from netpol._core.columns cimport EPHEMERAL, Columns, Results
from netpol._core.judge cimport judge
from netpol._core.layout cimport LINK_COLUMNS, PART_COLUMNS, PART_EGRESS_CIDR, PART_EGRESS_ROW
from netpol._core.outcome cimport (
    ALLOW, NOTE_MAYBE_REPLY, ORDER_NOTE, SELF_TRAFFIC, VERDICT_MASK, WHOLE_SELF_TRAFFIC, Case,
    Outcome,
)
from netpol._core.paged cimport paged_pairs
from netpol._core.plain cimport (
    DIALLED, EXTRA, IS_AMBIGUOUS, IS_NOTED, IS_POD, IS_TIMED, KERNEL_BLOCK, RECORD_COLUMNS,
    RECORD_POD, Block, plain_pairs, port_class, port_place,
)
from netpol._core.portability cimport prefetch
from netpol._core.replicas cimport judge_service
from netpol._core.resolve cimport resolve
from netpol._core.sides cimport flags_of, side_decision
from netpol._core.tables cimport CompiledTables, View

cdef object _ARRAY = np.ndarray

cdef uint32_t MINOR_FLAGS = IS_NOTED | IS_TIMED  # private: they leave self traffic what it is


cdef inline void judge_row(
    const View* v, const Columns* c, size_t i, uint32_t src, uint32_t dst, const Results* r
) noexcept nogil:
    cdef Case case = case_of(v, c, i, src, dst)
    cdef Outcome outcome
    judge(v, &case, &outcome)
    r.verdict[i] = outcome.verdict
    r.special[i] = outcome.special | (ORDER_NOTE if outcome.order_note else 0)
    r.egress[i] = outcome.egress
    r.ingress[i] = outcome.ingress


cdef inline void judge_special(
    const View* v, const Columns* c, bint extras, size_t i, const Results* r
) noexcept nogil:
    """Judge a row that may be no plain pair; its plain answer stands if it is one."""
    cdef uint32_t src = r.src_endpoint[i]
    cdef uint32_t dst = r.dst_endpoint[i]
    # A pod to its own address, and nothing else about it (A10.1, R12).
    if src == dst and not extras and flags_of(v, dst) & ~MINOR_FLAGS == IS_POD:
        r.verdict[i] = ALLOW
        r.special[i] = SELF_TRAFFIC
        r.egress[i] = WHOLE_SELF_TRAFFIC
        r.ingress[i] = WHOLE_SELF_TRAFFIC
    elif not is_plain(v, c, i, src, dst) and not judge_service(v, c, i, r):
        judge_row(v, c, i, src, dst, r)


cdef inline void prefetch_special(const View* v, size_t i, const Results* r) noexcept nogil:
    """Prefetch what finding a service reads first; the rest follows from it."""
    prefetch(v.links + LINK_COLUMNS * <size_t> r.dst_endpoint[i])
    prefetch(v.parts + PART_COLUMNS * <size_t> r.src_endpoint[i])


cdef inline bint order_may_matter(
    const View* v, const Columns* c, size_t i, const Results* r
) noexcept nogil:
    """Whether an address peer gives the dialled address another verdict than the flow's."""
    cdef const uint8_t* info = v.decision_info
    cdef uint32_t row = v.parts[PART_COLUMNS * <size_t> r.src_endpoint[i] + PART_EGRESS_ROW]
    cdef uint32_t front, cidr, ports
    cdef uint8_t seen
    if c.original_dport == NULL:
        return False
    front = resolve_one(v, c, c.original_dst, i)
    if flags_of(v, front) & IS_AMBIGUOUS:
        return True
    cidr = v.parts[PART_COLUMNS * <size_t> front + PART_EGRESS_CIDR]
    if cidr == 0:
        return False
    ports = port_class(&v.plain, port_place(c.protocol[i], c.original_dport[i], True))
    seen = info[side_decision(v, &v.egress, row, 0, cidr, ports)] & VERDICT_MASK
    if seen == info[r.egress[i]] & VERDICT_MASK:
        return False
    return seen != info[side_decision(v, &v.egress, row, 0, 0, ports)] & VERDICT_MASK


cdef void note_order(
    const View* v, const Columns* c, const uint8_t* extra, size_t start, size_t count,
    const Results* r
) noexcept nogil:
    """Judge flows recorded behind a service again where a note depends on its address (A15.3).

    An address peer that allows cannot change an allowed flow, which most flows are. Judging a row
    that was no plain pair a second time gives the same.
    """
    cdef uint16_t rows[KERNEL_BLOCK]
    cdef size_t i, k, row, found = 0
    for i in range(count):
        rows[found] = <uint16_t> i
        found += ((extra[i] & (DIALLED | EXTRA)) == DIALLED) & (
            (r.verdict[start + i] != ALLOW) | v.order_always
        ) & v.names_fronts[r.src_endpoint[start + i]]
    for k in range(found):
        row = start + rows[k]
        if v.decision_info[r.egress[row]] & VERDICT_MASK == ALLOW and not v.order_always:
            continue
        if order_may_matter(v, c, row, r):
            judge_row(v, c, row, r.src_endpoint[row], r.dst_endpoint[row], r)


cdef void evaluate_all(const View* v, const Columns* c, size_t n, const Results* r) noexcept nogil:
    cdef uint32_t special[KERNEL_BLOCK + 16]
    cdef uint8_t extra[KERNEL_BLOCK]
    cdef bint extras = has_extras(c)
    cdef Block block
    cdef size_t start = 0
    cdef size_t count, found, k
    while start < n:
        count = min(n - start, <size_t> KERNEL_BLOCK)
        resolve(v, c, c.src, start, count, v.plain.src_records, r.src_endpoint + start)
        resolve(v, c, c.dst, start, count, v.plain.dst_records, r.dst_endpoint + start)
        if extras:
            mark_extras(v, c, start, count, extra)
        block.protocol = c.protocol + start
        block.dport = c.dport + start
        block.dport_known = c.dport_known + start if c.dport_known != NULL else NULL
        block.extra = extra if extras else NULL
        block.src = r.src_endpoint + start
        block.dst = r.dst_endpoint + start
        block.egress = r.egress + start
        block.ingress = r.ingress + start
        block.verdict = r.verdict + start
        block.both_pods = RECORD_POD if c.width == 16 else 0
        if v.dense:
            found = plain_pairs(&v.plain, &block, count, special)
        else:
            found = paged_pairs(v, &block, count, special)
        memset(r.special + start, 0, count)
        for k in range(found):
            prefetch_special(v, start + special[k], r)
        for k in range(found):
            judge_special(v, c, extras, start + special[k], r)
        if v.fronts_named and extras and c.original_dst != NULL:
            note_order(v, c, extra, start, count, r)
        start += count


cdef void note_all(
    const View* v, const Columns* c, size_t n, const uint32_t* src, const uint32_t* dst,
    uint16_t* notes,
) noexcept nogil:
    note_rows(v, c, n, src, dst, notes)
    if c.sport != NULL:
        note_answers(c, n, notes)


cdef void note_answers(const Columns* c, size_t n, uint16_t* notes) noexcept nogil:
    """Note records that go from a server's port to a client's, as answers do (A16.1).

    Without branches, so that it is done for many rows at a time.
    """
    cdef const uint8_t* protocol = c.protocol
    cdef const uint16_t* sport = c.sport
    cdef const uint16_t* dport = c.dport
    cdef uint16_t odd
    cdef size_t i
    for i in range(n):
        odd = (protocol[i] == 6) | (protocol[i] == 17) | (protocol[i] == 132)
        odd &= (sport[i] < EPHEMERAL) & (dport[i] >= EPHEMERAL)
        notes[i] |= odd * NOTE_MAYBE_REPLY
    if c.dport_known != NULL:
        for i in range(n):
            if not c.dport_known[i]:
                notes[i] &= <uint16_t> ~NOTE_MAYBE_REPLY


cdef uint8_t* _memory(object array, size_t n, size_t width, int writable, str name) except NULL:
    """Give where the bytes of an array are, ``n`` times ``width`` of them.

    The size is the buffer's: a subclass may override the array's attributes.
    """
    cdef Py_buffer view
    cdef size_t size
    cdef uint8_t* found
    if not isinstance(array, _ARRAY) or (writable and type(array) is not _ARRAY):
        raise ValueError(f"{name}: no NumPy array")
    PyObject_GetBuffer(array, &view, PyBUF_WRITABLE if writable else PyBUF_SIMPLE)
    found, size = <uint8_t*> view.buf, <size_t> view.len
    PyBuffer_Release(&view)
    if size // width != n or size % width:
        raise ValueError(f"{name}: {size} bytes, expected {n} rows of {width} bytes")
    if width != 16 and <size_t> found % width:
        raise ValueError(f"{name}: not aligned")
    return found


cdef const uint8_t* _needed(object array, size_t n, size_t width, str name) except? NULL:
    """Do as ``_bytes`` for a column that every batch has."""
    if array is None:
        raise ValueError(f"column {name}: missing")
    return _bytes(array, n, width, name)


cdef const uint8_t* _bytes(object array, size_t n, size_t width, str name) except? NULL:
    """Check one column's size and give its first byte; NULL for an absent or empty one.

    The caller has to keep the column while it uses the address.
    """
    if array is None or n == 0:
        return NULL
    return _memory(array, n, width, False, name)


cdef uint8_t* _out(object array, size_t n, size_t width, str name) except? NULL:
    if n == 0:
        return NULL
    if type(array) is _ARRAY and array.dtype.hasobject:
        raise ValueError(f"{name}: not for objects")
    return _memory(array, n, width, True, name)


cdef int fill_columns(Columns* c, CompiledTables tables, size_t n, dict columns) except -1:
    """Check every column once and take its address."""
    if columns["src"] is None:
        raise ValueError("column src: missing")
    cdef size_t width = 16 if columns["src"].ndim == 2 else 4
    for name in ("src_hint", "dst_hint"):
        hint = columns.get(name)
        if hint is None or n == 0:
            continue
        if hint.dtype != np.uint32 or int(hint.max()) > tables.view.pod_count:
            raise ValueError(f"column {name}: no such pod")
    c.width = width
    c.src = _needed(columns["src"], n, width, "src")
    c.dst = _needed(columns["dst"], n, width, "dst")
    c.original_dst = _bytes(columns.get("original_dst"), n, width, "original_dst")
    c.src_seen = _bytes(columns.get("src_seen"), n, width, "src_seen")
    c.protocol = _needed(columns["protocol"], n, 1, "protocol")
    c.sport = <const uint16_t*> _bytes(columns.get("sport"), n, 2, "sport")
    c.dport = <const uint16_t*> _needed(columns["dport"], n, 2, "dport")
    c.dport_known = _bytes(columns.get("dport_known"), n, 1, "dport_known")
    c.original_dport = <const uint16_t*> _bytes(
        columns.get("original_dport"), n, 2, "original_dport")
    c.icmp_type = _bytes(columns.get("icmp_type"), n, 1, "icmp_type")
    c.time = <const int64_t*> _bytes(columns.get("time"), n, 8, "time")
    c.src_hint = <const uint32_t*> _bytes(columns.get("src_hint"), n, 4, "src_hint")
    c.dst_hint = <const uint32_t*> _bytes(columns.get("dst_hint"), n, 4, "dst_hint")
    c.evidence = _bytes(columns.get("evidence"), n, 1, "evidence")
    c.is_dump = False
    return 0


def evaluate(
    CompiledTables tables not None, size_t n, dict columns not None, dict results not None
):
    """Judge ``n`` flows. The GIL is released.

    Parameters
    ----------
    columns : name -> C-contiguous array or None. ``src``, ``dst``, and if present ``original_dst``
        and ``src_seen``: all uint32[n] or all uint8[n, 16]; ``protocol`` uint8[n]; ``sport``,
        ``dport`` and ``original_dport`` uint16[n]; ``dport_known`` bool[n]; ``icmp_type`` uint8[n];
        ``time`` int64[n]; ``src_hint``, ``dst_hint`` uint32[n], pod index + 1 or 0; ``evidence``
        uint8[n].
    results : name -> array to fill: ``verdict``, ``special`` uint8[n] (Reason + 1 of the flow, 0 if
        a side tells; | 128 for the note ``service-nat-order``); ``egress``, ``ingress`` (decision
        ids), ``src_endpoint``, ``dst_endpoint`` uint32[n].
    Raises
    ------
    ValueError
        If a column has another size, or a hint is out of bounds.
    """
    cdef Columns c
    cdef Results r
    columns, results = columns.copy(), results.copy()  # another thread may take arrays out
    fill_columns(&c, tables, n, columns)
    r.verdict = _out(results["verdict"], n, 1, "verdict")
    r.special = _out(results["special"], n, 1, "special")
    r.egress = <uint32_t*> _out(results["egress"], n, 4, "egress")
    r.ingress = <uint32_t*> _out(results["ingress"], n, 4, "ingress")
    r.src_endpoint = <uint32_t*> _out(results["src_endpoint"], n, 4, "src_endpoint")
    r.dst_endpoint = <uint32_t*> _out(results["dst_endpoint"], n, 4, "dst_endpoint")
    with nogil:
        evaluate_all(&tables.view, &c, n, &r)


cdef const uint32_t* _endpoints(
    CompiledTables tables, size_t n, object ids, str name
) except? NULL:
    if ids is None:
        raise ValueError(f"column {name}: missing")
    endpoints = tables._arrays["src_records"].size // RECORD_COLUMNS
    if n and (ids.dtype != np.uint32 or int(ids.max()) >= endpoints):
        raise ValueError(f"column {name}: no such endpoint")
    return <const uint32_t*> _bytes(ids, n, 4, name)


def notes(
    CompiledTables tables not None, size_t n, dict columns not None, src_endpoint, dst_endpoint,
    out,
):
    """Fill ``out`` (uint16[n]) with the ``Note`` bits of who the ends of each flow may be.

    ``columns`` and the endpoints (uint32[n]) are what ``evaluate`` took and gave; raises alike.
    """
    cdef Columns c
    columns = columns.copy()
    fill_columns(&c, tables, n, columns)
    cdef const uint32_t* src = _endpoints(tables, n, src_endpoint, "src_endpoint")
    cdef const uint32_t* dst = _endpoints(tables, n, dst_endpoint, "dst_endpoint")
    cdef uint16_t* result = <uint16_t*> _out(out, n, 2, "notes")
    with nogil:
        note_all(&tables.view, &c, n, src, dst, result)


def plain_rows(
    CompiledTables tables not None, size_t n, dict columns not None, src_endpoint, dst_endpoint
):
    """Give bool[n]: nothing but the two endpoints and the port decides the flow.

    What a side says of such a flow does not depend on what the other side says. ``columns`` and
    the endpoints (uint32[n]) are what ``evaluate`` took and gave; raises alike.
    """
    cdef Columns c
    cdef size_t i
    columns = columns.copy()
    fill_columns(&c, tables, n, columns)
    cdef const uint32_t* src = _endpoints(tables, n, src_endpoint, "src_endpoint")
    cdef const uint32_t* dst = _endpoints(tables, n, dst_endpoint, "dst_endpoint")
    out = np.empty(n, np.bool_)
    cdef uint8_t* result = _out(out, n, 1, "plain")
    with nogil:
        for i in range(n):
            result[i] = is_plain(&tables.view, &c, i, src[i], dst[i])
    return out
