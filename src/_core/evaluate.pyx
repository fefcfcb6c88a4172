"""The staged kernel: columns of flows in, verdicts and one decision id a side out.

Work goes in stages over blocks of flows, so that the loads of a block overlap instead of waiting
for each other: addresses to endpoints, endpoints to rows and columns, cells to runs, runs to
decisions.
Flows that need more than one plain pair (services, ambiguous owners, NAT, self traffic, ICMP
errors) are finished by ``judge``.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from netpol._core.addresses cimport lookup_v4, lookup_wide
from netpol._core.judge cimport (
    ALLOW, Case, NO_ENDPOINT, Outcome, SELF_TRAFFIC, WHOLE_SELF_TRAFFIC, case_notes, judge,
)
from netpol._core.sides cimport paged_run
from netpol._core.tables cimport (
    CompiledTables, FAST_EGRESS_CELL, FAST_EGRESS_COLUMN, FAST_EGRESS_PORTS, FAST_FLAGS,
    FAST_INGRESS_CELL, FAST_INGRESS_COLUMN, FAST_INGRESS_PORTS, FAST_NODE, IS_AMBIGUOUS,
    IS_LOOPBACK, IS_MULTI, IS_NODE, IS_POD, IS_SERVICE, IS_TIMED, LINK_NOTES, LINK_SEGMENT_COUNT,
    LINK_SEGMENTS, NO_COLUMN, OWN_NODE_COLUMN, PART_EGRESS_CIDR, PART_EGRESS_LABEL,
    PART_EGRESS_ROW, PART_INGRESS_CIDR, PART_INGRESS_LABEL, PART_INGRESS_ROW, PART_POD, View,
)

cdef extern from "intrinsics.h" nogil:
    void NETPOL_PREFETCH(const void* address)
    bint NETPOL_UNLIKELY(bint condition)

cdef extern from "string.h" nogil:
    int memcmp(const void* a, const void* b, size_t n)
    void* memset(void* target, int value, size_t n)

cdef enum:
    BLOCK = 1024
    NOTE_OWN_NODE_UNKNOWN = 32
    IS_EXTRA = 128               # beside EndpointFlag, in the flags of a row

cdef int64_t NO_TIME = -9223372036854775807 - 1


# --- stage 1: addresses ---------------------------------------------------------------------------


cdef void resolve(
    const View* v, const uint8_t* column, size_t width, size_t start, size_t count, uint32_t* out
) noexcept nogil:
    cdef const uint32_t* narrow = <const uint32_t*> column + start
    cdef const uint32_t* root = v.v4_root
    cdef const uint32_t* blocks = v.v4_blocks
    cdef const uint32_t* fast = v.fast
    cdef uint32_t endpoint
    cdef size_t i
    if width == 4:
        for i in range(count):
            endpoint = lookup_v4(root, blocks, narrow[i])
            NETPOL_PREFETCH(&fast[8 * <size_t> endpoint])
            out[i] = endpoint
    else:
        for i in range(count):
            endpoint = lookup_wide(v, column + 16 * (start + i))
            NETPOL_PREFETCH(&fast[8 * <size_t> endpoint])
            out[i] = endpoint


cdef inline uint32_t at_time(const View* v, uint32_t endpoint, int64_t time) noexcept nogil:
    """Who held a timed address then: the last segment that begins no later (A13.4)."""
    cdef const uint32_t* link = v.links + 8 * <size_t> endpoint
    cdef const int64_t* starts = v.segment_starts + link[LINK_SEGMENTS]
    cdef size_t low = 0
    cdef size_t high = link[LINK_SEGMENT_COUNT]
    cdef size_t middle
    while high - low > 1:
        middle = (low + high) >> 1
        if starts[middle] <= time:
            low = middle
        else:
            high = middle
    return v.segment_values[link[LINK_SEGMENTS] + low]


cdef void apply_times(
    const View* v, const int64_t* time, size_t count, uint32_t* endpoints
) noexcept nogil:
    cdef size_t i
    for i in range(count):
        if time[i] != NO_TIME and v.fast[8 * <size_t> endpoints[i] + FAST_FLAGS] & IS_TIMED:
            endpoints[i] = at_time(v, endpoints[i], time[i])


cdef inline uint8_t special_flags(uint32_t s, uint32_t d, bint same) noexcept nogil:
    """Not 0 where the endpoints alone ask for judging the flow by itself."""
    return <uint8_t> (
        ((s | d) & (IS_LOOPBACK | IS_AMBIGUOUS | IS_MULTI)) | (d & IS_SERVICE)
        | (s & IS_POD if same else 0)
    )


# --- stages 2 and 3: one plain pair each side -----------------------------------------------------


cdef inline bint own_node(const uint32_t* subject, const uint32_t* peer) noexcept nogil:
    return (
        (peer[FAST_FLAGS] & IS_NODE) != 0 and peer[FAST_NODE] != 0
        and peer[FAST_NODE] == subject[FAST_NODE]
    )


cdef void classify(
    const View* v, const Columns* c, size_t start, size_t count, uint32_t* classes
) noexcept nogil:
    """Ports to classes, in two passes: the lookup is 384 KiB, most of the second-level cache."""
    cdef const uint32_t* base = v.slot_base
    cdef const uint32_t* mask = v.slot_mask
    cdef const uint32_t* first = v.slot_first
    cdef const uint16_t* lookup = v.port_lookup
    cdef const uint8_t* protocol = c.protocol + start
    cdef const uint16_t* dport = c.dport + start
    cdef uint32_t place, slot
    cdef size_t i
    if c.dport_known != NULL:
        for i in range(count):
            slot = protocol[i] + (0 if c.dport_known[start + i] else 256)
            classes[i] = first[slot] + lookup[base[slot] + (dport[i] & mask[slot])]
        return
    for i in range(count):
        place = base[protocol[i]] + (dport[i] & mask[protocol[i]])
        NETPOL_PREFETCH(&lookup[place])
        classes[i] = place
    for i in range(count):
        classes[i] = first[protocol[i]] + lookup[classes[i]]


ctypedef fused cell_t:
    uint16_t
    uint32_t


cdef void dense_runs(
    const View* v, size_t count, const uint32_t* classes, const uint32_t* src,
    const uint32_t* dst, uint32_t* egress, uint32_t* ingress, uint8_t* verdict, uint8_t* flags,
    const cell_t* egress_cells, const cell_t* ingress_cells,
) noexcept nogil:
    """Cells by (row, column), runs by local port class: decisions and verdicts.

    Everything that two endpoint records tell is read in one pass, and the next finds its cells
    prefetched.
    """
    cdef uint16_t egress_local[BLOCK]
    cdef uint16_t ingress_local[BLOCK]
    # Locals, since the compiler must assume that storing a result may change what ``v`` holds.
    cdef const uint32_t* fast = v.fast
    cdef const uint16_t* port_maps = v.port_maps
    cdef const uint32_t* runs = v.runs
    cdef const uint8_t* info = v.decision_info
    cdef uint32_t e, g
    cdef uint8_t both
    cdef uint32_t egress_own = v.egress.own_column
    cdef uint32_t ingress_own = v.ingress.own_column
    cdef const uint32_t* s
    cdef const uint32_t* d
    cdef uint32_t egress_column, ingress_column, ports, cell
    cdef size_t i
    for i in range(count):
        s = fast + 8 * <size_t> src[i]
        d = fast + 8 * <size_t> dst[i]
        ports = classes[i]
        egress_column = d[FAST_EGRESS_COLUMN]
        ingress_column = s[FAST_INGRESS_COLUMN]
        if NETPOL_UNLIKELY((s[FAST_FLAGS] | d[FAST_FLAGS]) & IS_NODE):
            if egress_own != NO_COLUMN and own_node(s, d):
                egress_column = egress_own
            if ingress_own != NO_COLUMN and own_node(d, s):
                ingress_column = ingress_own
        cell = s[FAST_EGRESS_CELL] + egress_column
        NETPOL_PREFETCH(&egress_cells[cell])
        egress[i] = cell
        cell = d[FAST_INGRESS_CELL] + ingress_column
        NETPOL_PREFETCH(&ingress_cells[cell])
        ingress[i] = cell
        egress_local[i] = port_maps[s[FAST_EGRESS_PORTS] + ports]
        ingress_local[i] = port_maps[d[FAST_INGRESS_PORTS] + ports]
        flags[i] = special_flags(s[FAST_FLAGS], d[FAST_FLAGS], src[i] == dst[i])
    for i in range(count):
        e = runs[egress_cells[egress[i]] + egress_local[i]]
        g = runs[ingress_cells[ingress[i]] + ingress_local[i]]
        egress[i] = e
        ingress[i] = g
        both = (info[e] | info[g]) & 3
        # Bit 0 is deny, bit 1 unknown: deny wins (C5).
        verdict[i] = 1 if both & 1 else both


cdef inline uint32_t visible_cidr(
    const View* v, const uint32_t* part, uint32_t flags, uint32_t cidr
) noexcept nogil:
    """A CIDR peer may be set to ignore pods, or pods and nodes (R20)."""
    if v.hide_pod_cidr and (part[PART_POD] or (v.hide_node_cidr and flags & IS_NODE)):
        return 0
    return cidr


cdef void paged_runs(
    const View* v, size_t count, const uint32_t* classes, const uint32_t* src,
    const uint32_t* dst, uint32_t* egress, uint32_t* ingress, uint8_t* flags,
) noexcept nogil:
    """The same from the paged tables; on return ``egress`` and ``ingress`` index runs."""
    cdef const uint32_t* s
    cdef const uint32_t* d
    cdef const uint32_t* fs
    cdef const uint32_t* fd
    cdef uint32_t label, ports
    cdef size_t i
    for i in range(count):
        s = v.parts + 8 * <size_t> src[i]
        d = v.parts + 8 * <size_t> dst[i]
        NETPOL_PREFETCH(&v.egress.rows[4 * <size_t> s[PART_EGRESS_ROW]])
        NETPOL_PREFETCH(&v.egress.label_pages[
            s[PART_EGRESS_ROW] * v.egress.label_width + (d[PART_EGRESS_LABEL] >> 4)])
        NETPOL_PREFETCH(&v.ingress.rows[4 * <size_t> d[PART_INGRESS_ROW]])
        NETPOL_PREFETCH(&v.ingress.label_pages[
            d[PART_INGRESS_ROW] * v.ingress.label_width + (s[PART_INGRESS_LABEL] >> 4)])
    for i in range(count):
        s = v.parts + 8 * <size_t> src[i]
        d = v.parts + 8 * <size_t> dst[i]
        fs = v.fast + 8 * <size_t> src[i]
        fd = v.fast + 8 * <size_t> dst[i]
        ports = classes[i]
        label = d[PART_EGRESS_LABEL]
        if v.egress.own_exempt and own_node(fs, fd):
            label = OWN_NODE_COLUMN
        egress[i] = v.port_maps[fs[FAST_EGRESS_PORTS] + ports] + paged_run(
            v, &v.egress, s[PART_EGRESS_ROW], label,
            visible_cidr(v, d, fd[FAST_FLAGS], d[PART_EGRESS_CIDR]))
        label = s[PART_INGRESS_LABEL]
        if v.ingress.own_exempt and own_node(fd, fs):
            label = OWN_NODE_COLUMN
        ingress[i] = v.port_maps[fd[FAST_INGRESS_PORTS] + ports] + paged_run(
            v, &v.ingress, d[PART_INGRESS_ROW], label,
            visible_cidr(v, s, fs[FAST_FLAGS], s[PART_INGRESS_CIDR]))
        NETPOL_PREFETCH(&v.runs[egress[i]])
        NETPOL_PREFETCH(&v.runs[ingress[i]])
        flags[i] = special_flags(fs[FAST_FLAGS], fd[FAST_FLAGS], src[i] == dst[i])


cdef void decide(
    const View* v, size_t count, uint32_t* egress, uint32_t* ingress, uint8_t* verdict,
) noexcept nogil:
    """Runs to decisions and verdicts, after ``paged_runs``."""
    cdef const uint32_t* runs = v.runs
    cdef const uint8_t* info = v.decision_info
    cdef uint32_t e, g
    cdef size_t i
    cdef uint8_t both
    for i in range(count):
        e = runs[egress[i]]
        g = runs[ingress[i]]
        egress[i] = e
        ingress[i] = g
        both = (info[e] | info[g]) & 3
        # Bit 0 is deny, bit 1 unknown: deny wins (C5).
        verdict[i] = 1 if both & 1 else both


# --- stage 4: what needs judging one by one -------------------------------------------------------


cdef inline bint same_address(
    const uint8_t* a, const uint8_t* b, size_t width, size_t i
) noexcept nogil:
    return memcmp(a + width * i, b + width * i, width) == 0


cdef inline bint is_absent(const uint8_t* column, size_t width, size_t i) noexcept nogil:
    """An address of all zeros in an optional column means "not recorded"."""
    cdef size_t k
    for k in range(width):
        if column[width * i + k]:
            return False
    return True


cdef inline bint has_extras(const Columns* c) noexcept nogil:
    """Whether any column is there that may take a plain pair off the fast path."""
    return (
        c.icmp_type != NULL or c.src_seen != NULL or c.original_dst != NULL
        or c.src_hint != NULL or c.dst_hint != NULL or c.width == 16
    )


cdef bint is_extra(
    const View* v, const Columns* c, size_t i, uint32_t src, uint32_t dst
) noexcept nogil:
    """Whether a row's further columns ask for judging it alone."""
    if c.width == 16 and v.parts[8 * <size_t> src + PART_POD] != 0:
        # A dual-stack pod has an endpoint a family; a record may name one of each.
        if v.parts[8 * <size_t> src + PART_POD] == v.parts[8 * <size_t> dst + PART_POD]:
            return True
    if c.icmp_type != NULL and (c.protocol[i] == 1 or c.protocol[i] == 58):
        return True
    # Translation matters where a pod's ingress may have seen another source (R10, R11), or where a
    # pod reaches itself through a service, which equal endpoints tell. Half the records of a
    # conntrack dump are translated; judging each alone would cost four times a plain pair.
    if v.fast[8 * <size_t> dst + FAST_FLAGS] & IS_POD:
        if c.src_seen != NULL and not is_absent(c.src_seen, c.width, i):
            if not same_address(c.src, c.src_seen, c.width, i):
                return True
        elif c.original_dst != NULL:
            if not same_address(c.dst, c.original_dst, c.width, i):
                return True
            if c.original_dport != NULL and c.original_dport[i] != c.dport[i]:
                return True
    if c.src_hint != NULL and c.src_hint[i]:
        return True
    return c.dst_hint != NULL and c.dst_hint[i] != 0


cdef inline uint32_t resolve_one(
    const View* v, const uint8_t* column, size_t width, size_t i, const int64_t* time
) noexcept nogil:
    cdef uint32_t endpoint
    resolve(v, column, width, i, 1, &endpoint)
    if time != NULL:
        apply_times(v, time + i, 1, &endpoint)
    return endpoint


cdef inline bint is_v4(const Columns* c, size_t i) noexcept nogil:
    cdef const uint8_t* p
    cdef size_t k
    if c.width == 4:
        return True
    p = c.dst + 16 * i
    for k in range(10):
        if p[k]:
            return False
    return p[10] == 0xFF and p[11] == 0xFF


cdef Case case_of(
    const View* v, const Columns* c, size_t i, uint32_t src, uint32_t dst
) noexcept nogil:
    cdef Case case
    case.src = src
    case.dst = dst
    case.src_hint = c.src_hint[i] if c.src_hint != NULL else 0
    case.dst_hint = c.dst_hint[i] if c.dst_hint != NULL else 0
    case.protocol = c.protocol[i]
    case.dport = c.dport[i]
    case.dport_known = c.dport_known == NULL or c.dport_known[i] != 0
    case.icmp_type = c.icmp_type[i] if c.icmp_type != NULL else 255
    case.v4 = is_v4(c, i)
    case.via_service = False
    case.dialled = NO_ENDPOINT
    case.dialled_port = 0
    case.dialled_port_known = False
    case.seen = NO_ENDPOINT
    case.seen_differs = False
    if c.original_dst != NULL:
        case.dialled = resolve_one(v, c.original_dst, c.width, i, c.time)
        case.via_service = not same_address(c.dst, c.original_dst, c.width, i)
        if c.original_dport != NULL:
            case.dialled_port = c.original_dport[i]
            case.dialled_port_known = True
            if case.dport_known and case.dialled_port != case.dport:
                case.via_service = True
    if c.src_seen != NULL and not is_absent(c.src_seen, c.width, i):
        case.seen = resolve_one(v, c.src_seen, c.width, i, c.time)
        case.seen_differs = not same_address(c.src, c.src_seen, c.width, i)
    return case


cdef void judge_row(
    const View* v, const Columns* c, size_t i, uint32_t src, uint32_t dst, const Results* r
) noexcept nogil:
    cdef Case case = case_of(v, c, i, src, dst)
    cdef Outcome outcome
    judge(v, &case, &outcome)
    r.verdict[i] = outcome.verdict
    r.special[i] = outcome.special
    r.egress[i] = outcome.egress
    r.ingress[i] = outcome.ingress


cdef void evaluate_all(const View* v, const Columns* c, size_t n, const Results* r) noexcept nogil:
    cdef uint8_t flags[BLOCK]
    cdef uint32_t classes[BLOCK]
    cdef uint32_t* src
    cdef uint32_t* dst
    cdef bint extras = has_extras(c)
    cdef uint16_t special[BLOCK + 1]
    cdef size_t start = 0
    cdef size_t count, i, k, found
    while start < n:
        count = n - start
        if count > BLOCK:
            count = BLOCK
        src = r.src_endpoint + start
        dst = r.dst_endpoint + start
        resolve(v, c.src, c.width, start, count, src)
        resolve(v, c.dst, c.width, start, count, dst)
        if c.time != NULL:
            apply_times(v, c.time + start, count, src)
            apply_times(v, c.time + start, count, dst)
        classify(v, c, start, count, classes)
        if v.dense and v.narrow:
            dense_runs[uint16_t](
                v, count, classes, src, dst, r.egress + start, r.ingress + start,
                r.verdict + start, flags,
                <const uint16_t*> v.egress.cells, <const uint16_t*> v.ingress.cells)
        elif v.dense:
            dense_runs[uint32_t](
                v, count, classes, src, dst, r.egress + start, r.ingress + start,
                r.verdict + start, flags,
                <const uint32_t*> v.egress.cells, <const uint32_t*> v.ingress.cells)
        else:
            paged_runs(v, count, classes, src, dst, r.egress + start, r.ingress + start, flags)
            decide(v, count, r.egress + start, r.ingress + start, r.verdict + start)
        memset(r.special + start, 0, count)
        if extras:
            for i in range(count):
                if is_extra(v, c, start + i, src[i], dst[i]):
                    flags[i] |= IS_EXTRA
        found = 0
        for i in range(count):  # without a branch: which rows are special is not predictable
            special[found] = <uint16_t> i
            found += flags[i] != 0
        for k in range(found):
            i = special[k]
            # A pod to its own address, and nothing else about it (A10.1, R12).
            if flags[i] == IS_POD and c.original_dst == NULL:
                r.verdict[start + i] = ALLOW
                r.special[start + i] = SELF_TRAFFIC
                r.egress[start + i] = WHOLE_SELF_TRAFFIC
                r.ingress[start + i] = WHOLE_SELF_TRAFFIC
            else:
                judge_row(v, c, start + i, src[i], dst[i], r)
        start += count


cdef void note_all(
    const View* v, const Columns* c, size_t n, const uint32_t* src, const uint32_t* dst,
    uint16_t* notes,
) noexcept nogil:
    cdef Case case
    cdef size_t i
    cdef bint extras = has_extras(c)
    cdef uint32_t s, d
    for i in range(n):
        s = v.fast[8 * <size_t> src[i] + FAST_FLAGS]
        d = v.fast[8 * <size_t> dst[i] + FAST_FLAGS]
        if special_flags(s, d, src[i] == dst[i]) or (
            extras and is_extra(v, c, i, src[i], dst[i])
        ):
            case = case_of(v, c, i, src[i], dst[i])
            notes[i] = <uint16_t> case_notes(v, &case)
        else:
            notes[i] = <uint16_t> (
                (v.links[8 * <size_t> src[i] + LINK_NOTES] & ~<uint32_t> NOTE_OWN_NODE_UNKNOWN)
                | v.links[8 * <size_t> dst[i] + LINK_NOTES]
            )


# --- the public entry -----------------------------------------------------------------------------


cdef const uint8_t* _bytes(object array, size_t n, size_t width, str name) except? NULL:
    """Check one column's size and give its first byte; NULL for an absent or empty one."""
    cdef const uint8_t[::1] view
    if array is None or n == 0:
        return NULL
    if array.nbytes != n * width or not array.flags.c_contiguous:
        raise ValueError(f"column {name}: expected {n} rows of {width} bytes")
    view = array.reshape(-1).view("uint8")
    return &view[0]


cdef uint8_t* _out(object array, size_t n, size_t width, str name) except? NULL:
    cdef uint8_t[::1] view
    if n == 0:
        return NULL
    if array.nbytes != n * width or not array.flags.c_contiguous:
        raise ValueError(f"result {name}: expected {n} rows of {width} bytes")
    view = array.view("uint8")
    return &view[0]


cdef int fill_columns(Columns* c, CompiledTables tables, size_t n, dict columns) except -1:
    """Check every column once and take its address."""
    cdef size_t width = 16 if columns["src"].ndim == 2 else 4
    for name in ("src_hint", "dst_hint"):
        hint = columns.get(name)
        if hint is not None and n and int(hint.max()) > tables.view.pod_count:
            raise ValueError(f"column {name}: no such pod")
    c.width = width
    c.src = _bytes(columns["src"], n, width, "src")
    c.dst = _bytes(columns["dst"], n, width, "dst")
    c.original_dst = _bytes(columns.get("original_dst"), n, width, "original_dst")
    c.src_seen = _bytes(columns.get("src_seen"), n, width, "src_seen")
    c.protocol = _bytes(columns["protocol"], n, 1, "protocol")
    c.dport = <const uint16_t*> _bytes(columns["dport"], n, 2, "dport")
    c.dport_known = _bytes(columns.get("dport_known"), n, 1, "dport_known")
    c.original_dport = <const uint16_t*> _bytes(
        columns.get("original_dport"), n, 2, "original_dport")
    c.icmp_type = _bytes(columns.get("icmp_type"), n, 1, "icmp_type")
    c.time = <const int64_t*> _bytes(columns.get("time"), n, 8, "time")
    c.src_hint = <const uint32_t*> _bytes(columns.get("src_hint"), n, 4, "src_hint")
    c.dst_hint = <const uint32_t*> _bytes(columns.get("dst_hint"), n, 4, "dst_hint")
    return 0


def evaluate(CompiledTables tables, size_t n, dict columns, dict results):
    """Judge ``n`` flows. The GIL is released.

    Parameters
    ----------
    columns : name -> C-contiguous array or None. ``src``, ``dst``, and if present ``original_dst``
        and ``src_seen``: all uint32[n] or all uint8[n, 16]; ``protocol`` uint8[n]; ``dport`` and
        ``original_dport`` uint16[n]; ``dport_known`` bool[n]; ``icmp_type`` uint8[n]; ``time``
        int64[n]; ``src_hint``, ``dst_hint`` uint32[n], pod index + 1 or 0.
    results : name -> array to fill: ``verdict``, ``special`` uint8[n] (Reason + 1 of the flow, 0 if
        a side tells); ``egress``, ``ingress`` (decision ids), ``src_endpoint``, ``dst_endpoint``
        uint32[n].
    Raises
    ------
    ValueError
        If a column has another size, or a hint is out of bounds.
    """
    cdef Columns c
    cdef Results r
    fill_columns(&c, tables, n, columns)
    r.verdict = _out(results["verdict"], n, 1, "verdict")
    r.special = _out(results["special"], n, 1, "special")
    r.egress = <uint32_t*> _out(results["egress"], n, 4, "egress")
    r.ingress = <uint32_t*> _out(results["ingress"], n, 4, "ingress")
    r.src_endpoint = <uint32_t*> _out(results["src_endpoint"], n, 4, "src_endpoint")
    r.dst_endpoint = <uint32_t*> _out(results["dst_endpoint"], n, 4, "dst_endpoint")
    with nogil:
        evaluate_all(&tables.view, &c, n, &r)


def notes(CompiledTables tables, size_t n, dict columns, src_endpoint, dst_endpoint, out):
    """Fill ``out`` (uint16[n]) with the ``Note`` bits of who the ends of each flow may be.

    ``columns`` and the endpoints (uint32[n]) are what ``evaluate`` took and gave; raises alike.
    """
    cdef Columns c
    fill_columns(&c, tables, n, columns)
    endpoints = tables._arrays["endpoint_fast"].size // 8
    for name, array in (("src_endpoint", src_endpoint), ("dst_endpoint", dst_endpoint)):
        if n and int(array.max()) >= endpoints:
            raise ValueError(f"column {name}: no such endpoint")
    cdef const uint32_t* src = <const uint32_t*> _bytes(src_endpoint, n, 4, "src_endpoint")
    cdef const uint32_t* dst = <const uint32_t*> _bytes(dst_endpoint, n, 4, "dst_endpoint")
    cdef uint16_t* result = <uint16_t*> _out(out, n, 2, "notes")
    with nogil:
        note_all(&tables.view, &c, n, src, dst, result)
