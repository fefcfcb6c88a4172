# Address -> endpoint id, from the prefix tables (netpol.compiler.pack.prefixes).
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from netpol._core.layout cimport SLOT_COLUMNS, SLOT_ENDPOINT, SLOT_HIGH, SLOT_LOW
from netpol._core.tables cimport View

cdef extern from *:
    """
    #define NETPOL_POINTER 0x80000000u /* = netpol.compiler.layout.POINTER */
    #define NETPOL_EMPTY_SLOT 0xffffffffu /* = netpol.compiler.layout.EMPTY_SLOT */
    #define NETPOL_MAPPED 0xffff00000000u /* = netpol.compiler.addresses.identities.V4_MAPPED */
    """
    const uint32_t POINTER "NETPOL_POINTER"        # of an entry of the trie: its rest is a block
    const uint32_t EMPTY_SLOT "NETPOL_EMPTY_SLOT"  # in place of an endpoint of the hash
    const uint64_t MAPPED "NETPOL_MAPPED"          # low half of ::ffff:0.0.0.0

cdef enum:  # = netpol.compiler.layout
    BLOCK_ENTRIES = 256          # of the trie
    V6_PROBES = 8

cdef enum:  # private
    BUCKET_SLOTS = 2
    BUCKET = BUCKET_SLOTS * SLOT_COLUMNS  # words


cdef inline uint32_t lookup_v4(
    const uint32_t* root, const uint32_t* blocks, uint32_t address
) noexcept nogil:
    """Three-level direct trie, 16-8-8 bits."""
    cdef uint32_t entry = root[address >> 16]
    if entry & POINTER:
        entry = blocks[<uint32_t> (entry << 8) | ((address >> 8) & 0xFF)]
        if entry & POINTER:
            entry = blocks[<uint32_t> (entry << 8) | (address & 0xFF)]
    return entry


cdef inline uint64_t mix_v6(uint64_t high, uint64_t low, uint64_t seed) noexcept nogil:
    """Mix an address as ``netpol.compiler.shared.hashing.hash_address`` does."""
    cdef uint64_t mixed = (high ^ seed) * <uint64_t> 0x9E3779B97F4A7C15
    mixed = (mixed ^ (mixed >> 32) ^ low) * <uint64_t> 0xD6E8FEB86659FD93
    return mixed ^ (mixed >> 29)


cdef inline uint64_t bucket_v6(const View* v, uint64_t high, uint64_t low) noexcept nogil:
    """Where the hash of known addresses begins to look for one."""
    return mix_v6(high, low, v.v6_seed) & v.v6_mask


cdef inline bint is_mapped(uint64_t high, uint64_t low) noexcept nogil:
    return (high == 0) & ((low >> 32) == 0xFFFF)  # no branch: families may be mixed


cdef inline uint64_t known_v6(
    const uint64_t* entry, uint64_t high, uint64_t low
) noexcept nogil:
    """Give the endpoint + 1 if the bucket has the address, else 0.

    Without branches: which entry has it cannot be predicted. The key of an empty slot is
    IPv4-mapped, so it is never looked up.
    """
    cdef const uint64_t* other = entry + SLOT_COLUMNS
    cdef uint64_t first = (entry[SLOT_HIGH] ^ high) | (entry[SLOT_LOW] ^ low)
    cdef uint64_t second = (other[SLOT_HIGH] ^ high) | (other[SLOT_LOW] ^ low)
    return ((entry[SLOT_ENDPOINT] + 1) & (0 - <uint64_t> (first == 0))) | (
        (other[SLOT_ENDPOINT] + 1) & (0 - <uint64_t> (second == 0)))


cdef inline uint32_t lookup_v6(
    const View* v, uint64_t bucket, uint64_t high, uint64_t low
) noexcept nogil:
    """Known addresses by hash (compile bounds the probes), others by their region."""
    cdef const uint64_t* entry = v.v6_hash + BUCKET * bucket
    cdef uint64_t found = known_v6(entry, high, low)
    # Where the bucket is full, it may be in the next.
    while found == 0 and entry[SLOT_COLUMNS + SLOT_ENDPOINT] != EMPTY_SLOT:
        bucket = (bucket + 1) & v.v6_mask
        entry = v.v6_hash + BUCKET * bucket
        found = known_v6(entry, high, low)
    return <uint32_t> (found - 1) if found else region_v6(v, high, low)


cdef inline uint32_t region_v6(const View* v, uint64_t high, uint64_t low) noexcept nogil:
    """Halve the region starts, without a branch on the outcome."""
    cdef size_t base = 0
    cdef size_t count = v.v6_count
    cdef size_t half
    cdef const uint64_t* start
    while count > 1:
        half = count >> 1
        start = v.v6_starts + 2 * (base + half)
        base += half & (0 - <size_t> (
            (start[0] < high) | ((start[0] == high) & (start[1] <= low))))
        count -= half
    return v.v6_values[base]
