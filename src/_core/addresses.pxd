# Address -> endpoint id, from the prefix tables (netpol.compiler.prefixes).
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from netpol._core.plain cimport NETPOL_PREFETCH
from netpol._core.tables cimport View

cdef enum:
    EMPTY_SLOT = 0xFFFFFFFF


cdef inline uint32_t lookup_v4(
    const uint32_t* root, const uint32_t* blocks, uint32_t address
) noexcept nogil:
    """Three-level direct trie, 16-8-8 bits."""
    cdef uint32_t entry = root[address >> 16]
    if entry & 0x80000000U:
        entry = blocks[<uint32_t> (entry << 8) | ((address >> 8) & 0xFF)]
        if entry & 0x80000000U:
            entry = blocks[<uint32_t> (entry << 8) | (address & 0xFF)]
    return entry


cdef inline uint64_t load_be64(const uint8_t* p) noexcept nogil:
    cdef uint64_t value = 0
    cdef int i
    for i in range(8):
        value = (value << 8) | p[i]
    return value


cdef inline uint64_t slot_v6(const View* v, uint64_t high, uint64_t low) noexcept nogil:
    """Where the hash of known addresses begins to look for one."""
    cdef uint64_t mixed = (high ^ v.v6_seed) * <uint64_t> 0x9E3779B97F4A7C15
    mixed = (mixed ^ (mixed >> 32) ^ low) * <uint64_t> 0xD6E8FEB86659FD93
    return (mixed ^ (mixed >> 29)) & v.v6_mask


cdef inline bint is_mapped(uint64_t high, uint64_t low) noexcept nogil:
    return high == 0 and (low >> 32) == 0xFFFF


cdef inline void prefetch_wide(const View* v, const uint8_t* p) noexcept nogil:
    """Prefetch what ``lookup_wide`` reads first."""
    cdef uint64_t high = load_be64(p)
    cdef uint64_t low = load_be64(p + 8)
    if not is_mapped(high, low):
        NETPOL_PREFETCH(v.v6_hash + 4 * slot_v6(v, high, low))


cdef inline uint32_t lookup_v6(const View* v, uint64_t high, uint64_t low) noexcept nogil:
    """Known addresses by hash (compile bounds the probes), others by halving the region starts."""
    cdef uint64_t slot = slot_v6(v, high, low)
    cdef const uint64_t* entry = v.v6_hash + 4 * slot
    while entry[2] != EMPTY_SLOT:
        if entry[0] == high and entry[1] == low:
            return <uint32_t> entry[2]
        slot = (slot + 1) & v.v6_mask
        entry = v.v6_hash + 4 * slot
    cdef size_t base = 0
    cdef size_t count = v.v6_count
    cdef size_t half
    cdef const uint64_t* start
    while count > 1:
        half = count >> 1
        start = v.v6_starts + 2 * (base + half)
        if start[0] < high or (start[0] == high and start[1] <= low):
            base += half
        count -= half
    return v.v6_values[base]


cdef inline uint32_t lookup_wide(const View* v, const uint8_t* p) noexcept nogil:
    """A 16-byte address in network order; IPv4 stands mapped."""
    cdef uint64_t high = load_be64(p)
    cdef uint64_t low = load_be64(p + 8)
    if is_mapped(high, low):
        return lookup_v4(v.plain.v4_root, v.plain.v4_blocks, <uint32_t> low)
    return lookup_v6(v, high, low)
