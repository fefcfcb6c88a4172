# One side of one pair of endpoints -> decision id, from the paged tables.
from libc.stdint cimport uint32_t

from netpol._core.plain cimport RECORD_COLUMN, RECORD_FLAG_SHIFT
from netpol._core.tables cimport PAGE_MASK, PAGE_SHIFT, ROW_SPLIT, SideView, View


cdef inline uint32_t flags_of(const View* v, uint32_t endpoint) noexcept nogil:
    """Give the endpoint's ``EndpointFlag``."""
    return v.plain.dst_records[4 * <size_t> endpoint + RECORD_COLUMN] >> RECORD_FLAG_SHIFT


cdef inline uint32_t strip_run(
    const SideView* s, uint32_t strip, uint32_t cidr
) noexcept nogil:
    """Give the place in the runs that a strip has for a CIDR column: its last piece from there."""
    cdef uint32_t low = s.strips[strip]
    cdef uint32_t high = s.strips[strip + 1]
    cdef uint32_t middle
    while high - low > 1:
        middle = low + (high - low) // 2
        if s.pieces[2 * <size_t> middle] <= cidr:
            low = middle
        else:
            high = middle
    return s.pieces[2 * <size_t> low + 1]


cdef inline uint32_t paged_run(
    const View* v, const SideView* s, uint32_t row, uint32_t label, uint32_t cidr, uint32_t ports
) noexcept nogil:
    """Give the place in the runs for (row, label column, CIDR column, port class)."""
    cdef const uint32_t* head = s.rows + 4 * <size_t> row
    cdef size_t label_page = s.label_pages[row * s.label_width + (label >> PAGE_SHIFT)]
    cdef size_t cidr_page = s.cidr_pages[row * s.cidr_width + (cidr >> PAGE_SHIFT)]
    cdef uint32_t label_local = v.pages[(label_page << PAGE_SHIFT) | (label & PAGE_MASK)]
    cdef uint32_t cidr_local = v.pages[(cidr_page << PAGE_SHIFT) | (cidr & PAGE_MASK)]
    if head[3] & ROW_SPLIT:
        return strip_run(
            s, s.pairs[head[0] + label_local * head[1] + v.port_maps[head[2] + ports]], cidr)
    return s.pairs[head[0] + label_local * head[1] + cidr_local] + v.port_maps[head[2] + ports]


cdef inline uint32_t side_decision(
    const View* v, const SideView* s, uint32_t row, uint32_t label, uint32_t cidr, uint32_t ports
) noexcept nogil:
    """Give the decision id; ``ports`` is a program port class."""
    return v.runs[paged_run(v, s, row, label, cidr, ports)]
