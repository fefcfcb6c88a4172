"""Takes endpoints and ports of a block of flows, gives decisions and verdicts of plain pairs.

A plain pair is one endpoint talking to another with nothing else to consider. Work goes in stages
over the block, each prefetching what the next one loads: records, index, page, run. Rows that may
be no plain pair are listed for the caller; their plain answer stands unless it judges otherwise.
``plain.h`` has the same stages for 16 rows at a time, chosen once at import where they pay.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t

from netpol._core.addresses cimport lookup_v4
from netpol._core.outcome cimport DENY
from netpol._core.portability cimport prefetch, unlikely


cdef extern from "plain.h" nogil:
    int use_avx512 "netpol_use_avx512"()
    void resolve_avx512 "netpol_resolve_avx512"(
        const Plain* t, const uint32_t* addresses, size_t count, const uint32_t* records,
        uint32_t* out)
    size_t plain_avx512 "netpol_plain_avx512"(
        const Plain* t, const Block* f, size_t count, uint32_t* special)

ctypedef fused page_t:
    uint8_t
    uint16_t

ctypedef fused map_t:
    uint16_t
    uint32_t

cdef bint _gathers = use_avx512()

SIMD = "avx512" if _gathers else "off"


def set_simd(bint wanted):
    """Choose the kernels by CPU again, or keep to the portable ones; for tests. Gives ``SIMD``."""
    global _gathers, SIMD
    _gathers = wanted and use_avx512()
    SIMD = "avx512" if _gathers else "off"
    return SIMD


cdef void resolve_v4(
    const Plain* t, const uint32_t* addresses, size_t count, const uint32_t* records,
    uint32_t* out
) noexcept nogil:
    """IPv4 addresses to endpoints; ``records`` is what will be read of them next."""
    cdef size_t whole = 0
    if _gathers:
        whole = count - count % 16
        resolve_avx512(t, addresses, whole, records, out)
    if whole != count:
        resolve_portable(t, addresses + whole, count - whole, records, out + whole)


cdef size_t plain_pairs(
    const Plain* t, const Block* f, size_t count, uint32_t* special
) noexcept nogil:
    """Judge a block; give how many rows ``special`` (room for 16 more than the block) lists."""
    cdef size_t whole = 0
    cdef size_t found = 0
    if _gathers:
        whole = count - count % 16
        found = plain_avx512(t, f, whole, special)
    if whole == count:
        return found
    if t.narrow:
        return plain_rows[uint8_t, uint16_t](
            t, f, whole, count, <const uint8_t*> t.pages, <const uint16_t*> t.maps,
            <const uint16_t*> t.ports, special, found)
    return plain_rows[uint16_t, uint32_t](
        t, f, whole, count, <const uint16_t*> t.pages, <const uint32_t*> t.maps,
        <const uint32_t*> t.ports, special, found)


cdef void resolve_portable(
    const Plain* t, const uint32_t* addresses, size_t count, const uint32_t* records,
    uint32_t* out
) noexcept nogil:
    cdef const uint32_t* root = t.v4_root
    cdef const uint32_t* blocks = t.v4_blocks
    cdef uint32_t endpoint
    cdef size_t i
    for i in range(count):
        endpoint = lookup_v4(root, blocks, addresses[i])
        prefetch(&records[RECORD_COLUMNS * <size_t> endpoint])
        out[i] = endpoint


# ``port_place`` as a table: a branch on the protocol could not be predicted.
cdef uint32_t PLACE_BASE[2 * NO_PORT]
cdef uint32_t PLACE_MASK[2 * NO_PORT]


cdef void fill_places() noexcept:
    cdef uint32_t slot
    for slot in range(2 * NO_PORT):
        PLACE_BASE[slot] = port_place(slot % NO_PORT, 0, slot < NO_PORT)
        PLACE_MASK[slot] = port_place(slot % NO_PORT, PORTS - 1, slot < NO_PORT) - PLACE_BASE[slot]


fill_places()


cdef void classify(
    const Block* f, size_t first, size_t last, const map_t* ports, uint32_t* classes
) noexcept nogil:
    """Ports to classes, in two passes: the lookup is 384 KiB, most of the second-level cache."""
    cdef uint32_t place, slot
    cdef size_t i
    if f.dport_known == NULL:
        for i in range(first, last):
            slot = f.protocol[i]
            place = PLACE_BASE[slot] + (f.dport[i] & PLACE_MASK[slot])
            prefetch(&ports[place])
            classes[i] = place
    else:
        for i in range(first, last):
            slot = f.protocol[i] + (NO_PORT if f.dport_known[i] == 0 else 0)
            place = PLACE_BASE[slot] + (f.dport[i] & PLACE_MASK[slot])
            prefetch(&ports[place])
            classes[i] = place
    for i in range(first, last):
        classes[i] = ports[classes[i]]


cdef size_t plain_rows(
    const Plain* t, const Block* f, size_t first, size_t last, const page_t* pages,
    const map_t* maps, const map_t* ports, uint32_t* special, size_t found
) noexcept nogil:
    # Locals, since the compiler must assume that storing a result may change what ``t`` holds.
    cdef uint32_t egress_cell[KERNEL_BLOCK]
    cdef uint32_t ingress_cell[KERNEL_BLOCK]
    cdef uint32_t classes[KERNEL_BLOCK]
    cdef uint32_t* egress = f.egress
    cdef uint32_t* ingress = f.ingress
    cdef const uint32_t* egress_index = t.egress_index
    cdef const uint32_t* ingress_index = t.ingress_index
    cdef const uint32_t* runs = t.runs
    cdef const uint32_t* s
    cdef const uint32_t* d
    cdef uint32_t e, g, verdict, src_word, dst_word, nodes
    cdef uint32_t class_count = t.classes
    cdef bint same_node
    cdef size_t i
    classify(f, first, last, ports, classes)
    for i in range(first, last):  # records to cells and runs
        s = t.src_records + RECORD_COLUMNS * <size_t> f.src[i]
        d = t.dst_records + RECORD_COLUMNS * <size_t> f.dst[i]
        src_word = s[RECORD_COLUMN]
        dst_word = d[RECORD_COLUMN]
        nodes = s[RECORD_MAP] ^ d[RECORD_MAP]
        same_node = nodes <= RECORD_MAP_MASK
        e = dst_word & RECORD_COLUMN_MASK
        g = src_word & RECORD_COLUMN_MASK
        if unlikely(same_node):
            if dst_word & RECORD_NODE and t.egress_own != NO_COLUMN:
                e = t.egress_own + (e & t.egress_own_mask)
            if src_word & RECORD_NODE and t.ingress_own != NO_COLUMN:
                g = t.ingress_own + (g & t.ingress_own_mask)
        e += s[RECORD_CELLS]
        g += d[RECORD_CELLS]
        prefetch(&egress_index[e >> PAGE_CELL_SHIFT])
        prefetch(&ingress_index[g >> PAGE_CELL_SHIFT])
        egress_cell[i] = e
        ingress_cell[i] = g
        egress[i] = s[RECORD_RUNS] + maps[
            <size_t> (s[RECORD_MAP] & RECORD_MAP_MASK) * class_count + classes[i]]
        ingress[i] = d[RECORD_RUNS] + maps[
            <size_t> (d[RECORD_MAP] & RECORD_MAP_MASK) * class_count + classes[i]]
        special[found] = <uint32_t> i
        found += may_be_special(f, i, src_word, dst_word, same_node) != 0
    for i in range(first, last):  # pages
        e = egress_cell[i]
        g = ingress_cell[i]
        e = (egress_index[e >> PAGE_CELL_SHIFT] << PAGE_CELL_SHIFT) | (e & (PAGE_CELLS - 1))
        g = (ingress_index[g >> PAGE_CELL_SHIFT] << PAGE_CELL_SHIFT) | (g & (PAGE_CELLS - 1))
        prefetch(&pages[e])
        prefetch(&pages[g])
        egress_cell[i] = e
        ingress_cell[i] = g
    for i in range(first, last):  # cells
        e = egress[i] + pages[egress_cell[i]]
        g = ingress[i] + pages[ingress_cell[i]]
        prefetch(&runs[e])
        prefetch(&runs[g])
        egress[i] = e
        ingress[i] = g
    for i in range(first, last):  # decisions; deny (1) beats unknown (2) beats allow (C5)
        e = runs[egress[i]]
        g = runs[ingress[i]]
        egress[i] = e & CELL_DECISION_MASK
        ingress[i] = g & CELL_DECISION_MASK
        verdict = (e | g) >> CELL_VERDICT_SHIFT
        f.verdict[i] = <uint8_t> (DENY if verdict & DENY else verdict)
    return found
