# One side of one pair of endpoints -> decision id, from the paged tables.
from libc.stdint cimport uint32_t

from netpol._core.layout cimport (
    PAGE_MASK, PAGE_SHIFT, PIECE_COLUMN, PIECE_COLUMNS, PIECE_RUN, ROW_COLUMNS, ROW_FLAGS,
    ROW_PAIRS, ROW_PORT_MAP, ROW_WIDTH, SPLIT_ROW,
)
from netpol._core.plain cimport RECORD_COLUMN, RECORD_COLUMNS, RECORD_FLAG_SHIFT
from netpol._core.tables cimport SideView, View


cdef inline uint32_t flags_of(const View* v, uint32_t endpoint) noexcept nogil:
    """Give the endpoint's ``EndpointFlag``."""
    return v.plain.dst_records[
        RECORD_COLUMNS * <size_t> endpoint + RECORD_COLUMN] >> RECORD_FLAG_SHIFT


cdef inline uint32_t strip_run(
    const SideView* s, uint32_t strip, uint32_t cidr
) noexcept nogil:
    """Give the place in the runs that a strip has for a CIDR column: its last piece from there."""
    cdef uint32_t low = s.strips[strip]
    cdef uint32_t high = s.strips[strip + 1]
    cdef uint32_t middle
    while high - low > 1:
        middle = low + (high - low) // 2
        if s.pieces[PIECE_COLUMNS * <size_t> middle + PIECE_COLUMN] <= cidr:
            low = middle
        else:
            high = middle
    return s.pieces[PIECE_COLUMNS * <size_t> low + PIECE_RUN]


cdef inline uint32_t paged_run(
    const View* v, const SideView* s, uint32_t row, uint32_t label, uint32_t cidr, uint32_t ports
) noexcept nogil:
    """Give the place in the runs for (row, label column, CIDR column, port class)."""
    cdef const uint32_t* head = s.rows + ROW_COLUMNS * <size_t> row
    cdef size_t label_page = s.label_pages[row * s.label_width + (label >> PAGE_SHIFT)]
    cdef size_t cidr_page = s.cidr_pages[row * s.cidr_width + (cidr >> PAGE_SHIFT)]
    cdef uint32_t label_local = v.pages[(label_page << PAGE_SHIFT) | (label & PAGE_MASK)]
    cdef uint32_t cidr_local = v.pages[(cidr_page << PAGE_SHIFT) | (cidr & PAGE_MASK)]
    cdef uint32_t pair = head[ROW_PAIRS] + label_local * head[ROW_WIDTH]
    cdef uint32_t port_local = v.port_maps[head[ROW_PORT_MAP] + ports]
    if head[ROW_FLAGS] & SPLIT_ROW:
        return strip_run(s, s.pairs[pair + port_local], cidr)
    return s.pairs[pair + cidr_local] + port_local


cdef inline uint32_t side_decision(
    const View* v, const SideView* s, uint32_t row, uint32_t label, uint32_t cidr, uint32_t ports
) noexcept nogil:
    """Give the decision id; ``ports`` is a program port class."""
    return v.runs[paged_run(v, s, row, label, cidr, ports)]
