# Plain pairs of a block: endpoints and ports in, decisions and verdicts out, odd rows listed.
from libc.stdint cimport uint8_t, uint16_t, uint32_t


cdef extern from "plain.h" nogil:
    enum:
        KERNEL_BLOCK "NETPOL_BLOCK"
        # Columns of src_records and dst_records; "other" is the side judged at the other end.
        RECORD_CELLS "NETPOL_RECORD_CELLS"
        RECORD_RUNS "NETPOL_RECORD_RUNS"
        RECORD_COLUMN "NETPOL_RECORD_COLUMN"   # of the other side, below the endpoint's flags
        RECORD_MAP "NETPOL_RECORD_MAP"         # port map, below the node
        RECORD_COLUMNS "NETPOL_RECORD_COLUMNS"
        RECORD_COLUMN_MASK "NETPOL_RECORD_COLUMN_MASK"
        RECORD_FLAG_SHIFT "NETPOL_RECORD_FLAG_SHIFT"
        RECORD_MAP_MASK "NETPOL_RECORD_MAP_MASK"
        RECORD_NODE_SHIFT "NETPOL_RECORD_NODE_SHIFT"
        UNKNOWN_NODE "NETPOL_UNKNOWN_NODE"
        # Flags of an endpoint, and those that plain pairs ask for as they stand in a record.
        IS_POD "NETPOL_IS_POD"
        IS_NODE "NETPOL_IS_NODE"
        IS_LOOPBACK "NETPOL_IS_LOOPBACK"
        IS_AMBIGUOUS "NETPOL_IS_AMBIGUOUS"
        IS_SERVICE "NETPOL_IS_SERVICE"
        IS_TIMED "NETPOL_IS_TIMED"
        IS_ALONE "NETPOL_IS_ALONE"
        IS_NOTED "NETPOL_IS_NOTED"
        RECORD_POD "NETPOL_RECORD_POD"
        RECORD_NODE "NETPOL_RECORD_NODE"
        RECORD_SERVICE "NETPOL_RECORD_SERVICE"
        RECORD_ALONE "NETPOL_RECORD_ALONE"
        PAGE_CELLS "NETPOL_PAGE_CELLS"
        PAGE_CELL_SHIFT "NETPOL_PAGE_CELL_SHIFT"
        CELL_DECISION_MASK "NETPOL_CELL_DECISION_MASK"
        CELL_VERDICT_SHIFT "NETPOL_CELL_VERDICT_SHIFT"
        PORTS "NETPOL_PORTS"
        OTHER_PORTS "NETPOL_OTHER_PORTS"
        NO_PORT "NETPOL_NO_PORT"
        PORT_PLACES "NETPOL_PORT_PLACES"
        # Why a record's further columns may take it off the plain path.
        EXTRA "NETPOL_EXTRA"
        TRANSLATED "NETPOL_TRANSLATED"
        DIALLED "NETPOL_DIALLED"
    const uint32_t NO_COLUMN "NETPOL_NO_COLUMN"

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


cdef inline uint32_t port_place(uint32_t protocol, uint32_t port, bint known) noexcept nogil:
    """Give the place in the port table: ports of TCP, UDP and SCTP, then protocols."""
    if known:
        if protocol == 6:
            return port
        if protocol == 17:
            return PORTS + port
        if protocol == 132:
            return 2 * PORTS + port
        return OTHER_PORTS + protocol
    return OTHER_PORTS + NO_PORT + protocol


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
    cdef size_t entry = <size_t> (record[RECORD_MAP] & RECORD_MAP_MASK) * t.classes + port
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
    cdef uint32_t odd = ((src_flags | dst_flags) & RECORD_ALONE) | (dst_flags & RECORD_SERVICE)
    odd |= src_flags & RECORD_POD & same
    odd |= src_flags & dst_flags & f.both_pods & (0 - <uint32_t> same_node)
    if f.extra != NULL:
        odd |= f.extra[i] & EXTRA
        odd |= dst_flags & RECORD_POD & (0 - <uint32_t> ((f.extra[i] & TRANSLATED) != 0))
        odd |= ~dst_flags & RECORD_POD & (0 - <uint32_t> ((f.extra[i] & DIALLED) != 0))
    return odd


cdef void resolve_v4(
    const Plain* t, const uint32_t* addresses, size_t count, const uint32_t* records,
    uint32_t* out
) noexcept nogil

cdef size_t plain_pairs(
    const Plain* t, const Block* f, size_t count, uint32_t* special
) noexcept nogil
