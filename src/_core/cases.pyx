"""Takes rows of flow columns and their endpoints, gives cases for ``judge`` and notes.

Also tells which rows are plain pairs after all: the block kernels list every row that may not be.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcmp, memset

from netpol._core.columns cimport Columns
from netpol._core.conntrack_row cimport NO_ICMP
from netpol._core.judge cimport case_notes
from netpol._core.layout cimport PART_COLUMNS, PART_POD
from netpol._core.outcome cimport EGRESS_DIALLED, NO_ENDPOINT, Case
from netpol._core.plain cimport (
    DIALLED, EXTRA, IS_ALONE, IS_AMBIGUOUS, IS_LOOPBACK, IS_NOTED, IS_POD, IS_SERVICE, TRANSLATED,
)
from netpol._core.resolve cimport resolve
from netpol._core.sides cimport flags_of
from netpol._core.tables cimport View


cdef inline bint same_address(
    const uint8_t* a, const uint8_t* b, size_t width, size_t i
) noexcept nogil:
    if width == 4:
        return (<const uint32_t*> a)[i] == (<const uint32_t*> b)[i]
    return memcmp(a + width * i, b + width * i, width) == 0


cdef inline bint is_absent(const uint8_t* column, size_t width, size_t i) noexcept nogil:
    """An address of all zeros in an optional column means "not recorded"."""
    cdef size_t k
    if width == 4:
        return (<const uint32_t*> column)[i] == 0
    for k in range(width):
        if column[width * i + k]:
            return False
    return True


cdef inline uint32_t pod_of(const View* v, uint32_t endpoint) noexcept nogil:
    return v.parts[PART_COLUMNS * <size_t> endpoint + PART_POD]


cdef bint has_extras(const Columns* c) noexcept nogil:
    """Whether any column is there that may take a plain pair off the fast path."""
    return (
        c.icmp_type != NULL or c.src_seen != NULL or c.original_dst != NULL
        or c.src_hint != NULL or c.dst_hint != NULL
    )


cdef inline bint is_icmp(const Columns* c, size_t i) noexcept nogil:
    return c.protocol[i] == 1 or c.protocol[i] == 58


cdef inline bint is_hinted(const Columns* c, size_t i) noexcept nogil:
    return (c.src_hint != NULL and c.src_hint[i] != 0) or (
        c.dst_hint != NULL and c.dst_hint[i] != 0)


cdef inline bint is_dialled(const Columns* c, size_t i) noexcept nogil:
    """Whether the client dialled another address or port than the server's."""
    if c.original_dst == NULL:
        return False
    if not same_address(c.dst, c.original_dst, c.width, i):
        return True
    return c.original_dport != NULL and c.original_dport[i] != c.dport[i]


cdef inline bint is_node_port(const View* v, const Columns* c, size_t i) noexcept nogil:
    """Whether the dialled port may be one that is not translated before egress policies look."""
    cdef uint16_t port
    if c.original_dport == NULL:
        return False
    port = c.original_dport[i]
    return v.node_ports[port >> 3] >> (port & 7) & 1


cdef inline bint is_translated(const Columns* c, size_t i) noexcept nogil:
    """Whether the server may have seen another source.

    With the source that the server saw on record, what was dialled does not say so (R11): a pod
    that reaches itself through a service has equal endpoints.
    """
    if c.src_seen != NULL and not is_absent(c.src_seen, c.width, i):
        return not same_address(c.src, c.src_seen, c.width, i)
    return is_dialled(c, i)


cdef void mark_extras(
    const View* v, const Columns* c, size_t start, size_t count, uint8_t* extra
) noexcept nogil:
    """Give what of EXTRA, TRANSLATED and DIALLED further columns make of rows."""
    cdef const uint32_t* src = <const uint32_t*> c.src + start
    cdef const uint32_t* dst = <const uint32_t*> c.dst + start
    cdef const uint32_t* seen
    cdef const uint32_t* dialled
    cdef const uint16_t* asked
    cdef const uint16_t* port
    cdef uint32_t differs, hidden
    cdef size_t i
    if c.width == 4 and c.src_seen != NULL:
        seen = <const uint32_t*> c.src_seen + start
        if c.original_dst == NULL or c.original_dport == NULL:
            for i in range(count):
                extra[i] = <uint8_t> (TRANSLATED * ((seen[i] != src[i]) & (seen[i] != 0)))
        else:  # what a conntrack dump always has: no branches
            dialled = <const uint32_t*> c.original_dst + start
            asked = c.original_dport + start
            port = c.dport + start
            for i in range(count):
                differs = (dialled[i] != dst[i]) | (asked[i] != port[i])
                hidden = (seen[i] != src[i]) & (seen[i] != 0) | differs & (seen[i] == 0)
                extra[i] = <uint8_t> (TRANSLATED * hidden | DIALLED * differs)
            if v.has_node_ports:
                for i in range(count):
                    if extra[i] & DIALLED and is_node_port(v, c, start + i):
                        extra[i] |= EXTRA
            mark_odd(c, start, count, extra)
            return
    elif c.src_seen != NULL or c.original_dst != NULL:
        for i in range(count):
            extra[i] = <uint8_t> (TRANSLATED * is_translated(c, start + i))
    else:
        memset(extra, 0, count)
    if c.original_dst != NULL:
        for i in range(count):
            if is_dialled(c, start + i):
                extra[i] |= DIALLED
                mark_dialled(v, c, start + i, is_translated(c, start + i), &extra[i])
    mark_odd(c, start, count, extra)


cdef inline void mark_dialled(
    const View* v, const Columns* c, size_t i, bint unseen, uint8_t* extra
) noexcept nogil:
    if unseen:
        extra[0] |= TRANSLATED
    if is_node_port(v, c, i):
        extra[0] |= EXTRA


cdef inline void mark_odd(
    const Columns* c, size_t start, size_t count, uint8_t* extra
) noexcept nogil:
    """Add EXTRA for ICMP and for ends that the log names."""
    cdef size_t i
    if c.icmp_type != NULL:
        for i in range(count):
            if is_icmp(c, start + i):
                extra[i] |= EXTRA
    if c.src_hint != NULL or c.dst_hint != NULL:
        for i in range(count):
            if is_hinted(c, start + i):
                extra[i] |= EXTRA


cdef bint is_plain(
    const View* v, const Columns* c, size_t i, uint32_t src, uint32_t dst
) noexcept nogil:
    """Whether nothing but the two endpoints and the port decides the row."""
    cdef uint32_t s = flags_of(v, src)
    cdef uint32_t d = flags_of(v, dst)
    if (s | d) & (IS_LOOPBACK | IS_AMBIGUOUS | IS_ALONE) or d & IS_SERVICE:
        return False
    if src == dst and s & IS_POD:
        return False
    if c.width == 16 and s & IS_POD:
        # A dual-stack pod has an endpoint a family; a record may name one of each.
        if pod_of(v, src) == pod_of(v, dst):
            return False
    if c.icmp_type != NULL and is_icmp(c, i):
        return False
    if d & IS_POD and is_translated(c, i):
        return False
    if is_dialled(c, i) and (not d & IS_POD or is_node_port(v, c, i)):
        return False
    return not is_hinted(c, i)


cdef bint is_direct(const Columns* c, size_t i) noexcept nogil:
    """Whether the row is a recorded port of TCP, UDP or SCTP, without translation or hints."""
    cdef uint8_t protocol = c.protocol[i]
    if protocol != 6 and protocol != 17 and protocol != 132:
        return False
    if c.dport_known != NULL and not c.dport_known[i]:
        return False
    return c.src_seen == NULL and c.original_dst == NULL and not is_hinted(c, i)


cdef uint32_t resolve_one(
    const View* v, const Columns* c, const uint8_t* column, size_t i
) noexcept nogil:
    cdef uint32_t endpoint
    resolve(v, c, column, i, 1, v.plain.src_records, &endpoint)
    return endpoint


cdef inline bint is_v4(const Columns* c, const uint8_t* column, size_t i) noexcept nogil:
    cdef const uint8_t* p
    cdef size_t k
    if c.width == 4:
        return True
    p = column + 16 * i
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
    case.icmp_type = c.icmp_type[i] if c.icmp_type != NULL else NO_ICMP
    case.v4 = is_v4(c, c.dst, i)
    case.dialled_v4 = case.v4
    case.evidence = c.evidence[i] if c.evidence != NULL else 0
    case.via_service = False
    case.dialled = NO_ENDPOINT
    case.dialled_port = 0
    case.dialled_port_known = False
    case.seen = NO_ENDPOINT
    case.seen_differs = False
    case.touched = NULL
    if c.original_dst != NULL:
        case.dialled = resolve_one(v, c, c.original_dst, i)
        case.via_service = not same_address(c.dst, c.original_dst, c.width, i)
        if c.original_dport != NULL:
            case.dialled_port = c.original_dport[i]
            case.dialled_port_known = True
            if case.dport_known and case.dialled_port != case.dport:
                case.via_service = True
        case.dialled_v4 = is_v4(c, c.original_dst, i)
        if c.is_dump and not case.via_service:
            case.evidence |= EGRESS_DIALLED
    if c.src_seen != NULL and not is_absent(c.src_seen, c.width, i):
        case.seen = resolve_one(v, c, c.src_seen, i)
        case.seen_differs = not same_address(c.src, c.src_seen, c.width, i)
    return case


cdef void note_rows(
    const View* v, const Columns* c, size_t n, const uint32_t* src, const uint32_t* dst,
    uint16_t* notes,
) noexcept nogil:
    """Give what is noted of whom either end may be; most endpoints have no note."""
    cdef Case case
    cdef size_t i
    cdef uint32_t s, d
    cdef bint hints = c.src_hint != NULL or c.dst_hint != NULL
    for i in range(n):
        s = flags_of(v, src[i])
        d = flags_of(v, dst[i])
        if ((s | d) & (IS_NOTED | IS_AMBIGUOUS)) | (d & IS_SERVICE) or (
            hints and is_hinted(c, i)
        ):
            case = case_of(v, c, i, src[i], dst[i])
            notes[i] = <uint16_t> case_notes(v, &case)
        else:
            notes[i] = 0
