# One side of one pair of endpoints -> decision id, from the paged tables.
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from netpol._core.tables cimport (
    HAIRPIN_COLUMN, OWN_NODE_COLUMN, PAGE_MASK, PAGE_SHIFT, SideView, View,
)


cdef inline uint32_t port_class(
    const View* v, uint32_t protocol, uint32_t port, bint known
) noexcept nogil:
    cdef uint32_t slot = protocol + (0 if known else 256)
    return v.slot_first[slot] + v.port_lookup[v.slot_base[slot] + (port & v.slot_mask[slot])]


cdef inline uint32_t paged_run(
    const View* v, const SideView* s, uint32_t row, uint32_t label, uint32_t cidr
) noexcept nogil:
    """Give the base of the run of decisions for (row, label column, CIDR column)."""
    cdef const uint32_t* head = s.rows + 4 * <size_t> row
    cdef size_t label_page = s.label_pages[row * s.label_width + (label >> PAGE_SHIFT)]
    cdef size_t cidr_page = s.cidr_pages[row * s.cidr_width + (cidr >> PAGE_SHIFT)]
    cdef uint32_t label_local = v.pages[(label_page << PAGE_SHIFT) | (label & PAGE_MASK)]
    cdef uint32_t cidr_local = v.pages[(cidr_page << PAGE_SHIFT) | (cidr & PAGE_MASK)]
    return s.pairs[head[0] + label_local * head[1] + cidr_local]


cdef inline uint32_t side_decision(
    const View* v, const SideView* s, uint32_t row, uint32_t label, uint32_t cidr, uint32_t ports
) noexcept nogil:
    """Give the decision id; ``ports`` is a program port class."""
    cdef uint32_t run = paged_run(v, s, row, label, cidr)
    return v.runs[run + v.port_maps[s.rows[4 * <size_t> row + 2] + ports]]
