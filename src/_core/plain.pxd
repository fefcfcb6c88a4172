# Plain pairs of a block: endpoints and ports in, decisions and verdicts out, odd rows listed.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from "plain.h" nogil:
    enum:
        NETPOL_BLOCK
        NETPOL_OTHER_PORTS
        NETPOL_DECISION
        NETPOL_EXTRA
        NETPOL_TRANSLATED
        NETPOL_DIALLED
        NETPOL_HAS_AVX512
    uint32_t NETPOL_POD
    uint32_t NETPOL_NODE
    uint32_t NETPOL_SERVICE
    uint32_t NETPOL_ALONE

    ctypedef struct Plain "netpol_plain":
        const uint32_t* v4_root
        const uint32_t* v4_blocks
        const uint32_t* src_records
        const uint32_t* dst_records
        const uint32_t* egress_index
        const uint32_t* ingress_index
        const void* pages
        const uint32_t* runs
        const void* maps
        const void* ports
        uint32_t classes
        uint32_t egress_own
        uint32_t ingress_own
        uint32_t egress_own_mask
        uint32_t ingress_own_mask
        uint32_t narrow

    ctypedef struct Block "netpol_block":
        const uint8_t* protocol
        const uint16_t* dport
        const uint8_t* dport_known
        const uint8_t* extra
        const uint32_t* src
        const uint32_t* dst
        uint32_t* egress
        uint32_t* ingress
        uint8_t* verdict
        uint32_t both_pods

    uint64_t netpol_be64(const uint8_t* p)
    void NETPOL_PREFETCH(const void* address)
    bint NETPOL_UNLIKELY(bint condition)


cdef enum:
    # Words of src_records and dst_records; "other" is the side judged at the other end.
    RECORD_CELLS = 0
    RECORD_RUNS = 1
    RECORD_COLUMN = 2            # of the other side, below the endpoint's flags
    RECORD_MAP = 3               # port map, below the node
    RECORD_FLAG_SHIFT = 24
    RECORD_COLUMN_MASK = 0xFFFFFF
    PAGE_CELLS = 64
    PAGE_CELL_SHIFT = 6


cdef inline uint32_t port_place(uint32_t protocol, uint32_t port, bint known) noexcept nogil:
    """Give the place in the port table: ports of TCP, UDP and SCTP, then protocols."""
    if known:
        if protocol == 6:
            return port
        if protocol == 17:
            return 65536 + port
        if protocol == 132:
            return 131072 + port
        return NETPOL_OTHER_PORTS + protocol
    return NETPOL_OTHER_PORTS + 256 + protocol


cdef inline uint32_t port_class(const Plain* t, uint32_t place) noexcept nogil:
    """Give the port class of a place."""
    if t.narrow:
        return (<const uint16_t*> t.ports)[place]
    return (<const uint32_t*> t.ports)[place]


cdef inline uint32_t cell_decision(
    const Plain* t, const uint32_t* index, const uint32_t* record, uint32_t column,
    uint32_t port
) noexcept nogil:
    """Give the decision, with the verdict above it, of one record's side for a column."""
    cdef uint32_t cell = record[RECORD_CELLS] + column
    cdef size_t place = (<size_t> index[cell >> PAGE_CELL_SHIFT] << PAGE_CELL_SHIFT) | (
        cell & (PAGE_CELLS - 1))
    cdef size_t entry = <size_t> (record[RECORD_MAP] & 0xFFFF) * t.classes + port
    if t.narrow:
        return t.runs[record[RECORD_RUNS] + (<const uint16_t*> t.maps)[entry]
                      + (<const uint8_t*> t.pages)[place]]
    return t.runs[record[RECORD_RUNS] + (<const uint32_t*> t.maps)[entry]
                  + (<const uint16_t*> t.pages)[place]]


cdef inline uint32_t may_be_special(
    const Block* f, size_t i, uint32_t src_flags, uint32_t dst_flags, bint same_node
) noexcept nogil:
    """Not 0 where the row is, or may be, no plain pair (evaluate.pyx decides); no branches."""
    cdef uint32_t same = 0 - <uint32_t> (f.src[i] == f.dst[i])
    cdef uint32_t odd = ((src_flags | dst_flags) & NETPOL_ALONE) | (dst_flags & NETPOL_SERVICE)
    odd |= src_flags & NETPOL_POD & same
    odd |= src_flags & dst_flags & f.both_pods & (0 - <uint32_t> same_node)
    if f.extra != NULL:
        odd |= f.extra[i] & NETPOL_EXTRA
        odd |= dst_flags & NETPOL_POD & (0 - <uint32_t> ((f.extra[i] & NETPOL_TRANSLATED) != 0))
        odd |= ~dst_flags & NETPOL_POD & (0 - <uint32_t> ((f.extra[i] & NETPOL_DIALLED) != 0))
    return odd


cdef void resolve_v4(
    const Plain* t, const uint32_t* addresses, size_t count, const uint32_t* records,
    uint32_t* out
) noexcept nogil

cdef size_t plain_pairs(
    const Plain* t, const Block* f, size_t count, uint32_t* special
) noexcept nogil
