"""Takes endpoints and ports of a block of flows, gives what ``plain`` gives, by the row tables.

Used where cells would exceed their limit: a pair costs twice the loads, most of them dependent.
"""

from libc.stdint cimport uint8_t, uint32_t

from netpol._core.layout cimport (
    OWN_NODE_COLUMN, PAGE_SHIFT, PART_COLUMNS, PART_EGRESS_CIDR, PART_EGRESS_LABEL, PART_EGRESS_ROW,
    PART_INGRESS_CIDR, PART_INGRESS_LABEL, PART_INGRESS_ROW, PART_NODE, PART_POD, ROW_COLUMNS,
)
from netpol._core.outcome cimport DENY, VERDICT_MASK
from netpol._core.plain cimport (
    RECORD_COLUMN, RECORD_COLUMNS, RECORD_NODE, Block, may_be_special, port_class, port_place,
)
from netpol._core.portability cimport prefetch
from netpol._core.sides cimport paged_run
from netpol._core.tables cimport SideView, View


cdef inline uint32_t visible_cidr(
    const SideView* side, const uint32_t* part, bint is_node, uint32_t cidr
) noexcept nogil:
    """Give the CIDR column as peers see it of a pod or a node (R20, B4.4)."""
    if part[PART_POD]:
        return side.pod_cidr[cidr]
    return side.node_cidr[cidr] if is_node else cidr


cdef inline void prefetch_side(
    const SideView* side, uint32_t row, uint32_t label
) noexcept nogil:
    prefetch(&side.rows[ROW_COLUMNS * <size_t> row])
    prefetch(&side.label_pages[row * side.label_width + (label >> PAGE_SHIFT)])


cdef size_t paged_pairs(
    const View* v, const Block* f, size_t count, uint32_t* special
) noexcept nogil:
    """Judge a block; give how many rows ``special`` (room for 16 more than the block) lists."""
    cdef const uint32_t* s
    cdef const uint32_t* d
    cdef uint32_t src_flags, dst_flags, label, ports, verdict
    cdef const uint8_t* info = v.decision_info
    cdef bint same_node, from_node, to_node
    cdef size_t i
    cdef size_t found = 0
    for i in range(count):
        s = v.parts + PART_COLUMNS * <size_t> f.src[i]
        d = v.parts + PART_COLUMNS * <size_t> f.dst[i]
        prefetch_side(&v.egress, s[PART_EGRESS_ROW], d[PART_EGRESS_LABEL])
        prefetch_side(&v.ingress, d[PART_INGRESS_ROW], s[PART_INGRESS_LABEL])
    for i in range(count):
        s = v.parts + PART_COLUMNS * <size_t> f.src[i]
        d = v.parts + PART_COLUMNS * <size_t> f.dst[i]
        src_flags = v.plain.src_records[RECORD_COLUMNS * <size_t> f.src[i] + RECORD_COLUMN]
        dst_flags = v.plain.dst_records[RECORD_COLUMNS * <size_t> f.dst[i] + RECORD_COLUMN]
        from_node = src_flags & RECORD_NODE
        to_node = dst_flags & RECORD_NODE
        same_node = s[PART_NODE] == d[PART_NODE]
        ports = port_class(&v.plain, port_place(
            f.protocol[i], f.dport[i], f.dport_known == NULL or f.dport_known[i] != 0))
        label = d[PART_EGRESS_LABEL]
        if v.egress.own_column and to_node and same_node and d[PART_NODE]:
            label = OWN_NODE_COLUMN
        f.egress[i] = paged_run(
            v, &v.egress, s[PART_EGRESS_ROW], label,
            visible_cidr(&v.egress, d, to_node, d[PART_EGRESS_CIDR]), ports)
        label = s[PART_INGRESS_LABEL]
        if v.ingress.own_column and from_node and same_node and s[PART_NODE]:
            label = OWN_NODE_COLUMN
        f.ingress[i] = paged_run(
            v, &v.ingress, d[PART_INGRESS_ROW], label,
            visible_cidr(&v.ingress, s, from_node, s[PART_INGRESS_CIDR]), ports)
        prefetch(&v.runs[f.egress[i]])
        prefetch(&v.runs[f.ingress[i]])
        special[found] = <uint32_t> i
        found += may_be_special(f, i, src_flags, dst_flags, same_node) != 0
    for i in range(count):  # deny (1) beats unknown (2) beats allow (C5)
        f.egress[i] = v.runs[f.egress[i]]
        f.ingress[i] = v.runs[f.ingress[i]]
        verdict = (info[f.egress[i]] | info[f.ingress[i]]) & VERDICT_MASK
        f.verdict[i] = <uint8_t> (DENY if verdict & DENY else verdict)
    return found
