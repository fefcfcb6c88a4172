# Exact sums of 64-bit weights: by small numbers, and by keys of three words.
from libc.stdint cimport uint32_t, uint64_t

from netpol._core.portability cimport unlikely

cdef extern from *:
    """
    #define NETPOL_HALF ((uint64_t)1 << 63) /* private */
    """
    const uint64_t HALF "NETPOL_HALF"

cdef enum:  # private
    KEY_WORDS = 3

cdef struct Weights:
    const uint64_t* flows        # NULL: 1 each
    const uint64_t* packets      # NULL: none
    const uint64_t* bytes

cdef struct Sum:
    uint64_t flows
    uint64_t packets
    uint64_t bytes
    uint32_t carried[3]          # how often each passed 2^63; the rest stays below that
    uint32_t padding

cdef struct Entry:               # one cache line
    uint64_t key[KEY_WORDS]
    Sum sum


cdef inline void settle(Sum* to) noexcept nogil:
    """Bring every part below 2^63 again."""
    to.carried[0] += <uint32_t> (to.flows >> 63)
    to.carried[1] += <uint32_t> (to.packets >> 63)
    to.carried[2] += <uint32_t> (to.bytes >> 63)
    to.flows &= HALF - 1
    to.packets &= HALF - 1
    to.bytes &= HALF - 1


cdef inline void add_small(
    Sum* to, uint64_t flows, uint64_t packets, uint64_t octets
) noexcept nogil:
    """Add a row of weights below 2^63, which no part of a sum can overflow by."""
    cdef uint64_t top
    to.flows += flows
    top = to.flows
    to.packets += packets
    top |= to.packets
    to.bytes += octets
    top |= to.bytes
    if unlikely(top >= HALF):
        settle(to)


cdef inline void add_row(
    Sum* to, uint64_t flows, uint64_t packets, uint64_t octets
) noexcept nogil:
    """Add any row: counters may be all ones."""
    if unlikely((flows | packets | octets) >= HALF):
        to.carried[0] += <uint32_t> (flows >> 63)
        to.carried[1] += <uint32_t> (packets >> 63)
        to.carried[2] += <uint32_t> (octets >> 63)
        flows &= HALF - 1
        packets &= HALF - 1
        octets &= HALF - 1
    add_small(to, flows, packets, octets)


cdef inline void add_to(Sum* to, const Weights* w, size_t i) noexcept nogil:
    """Add row ``i``'s weight."""
    add_row(
        to, 1 if w.flows == NULL else w.flows[i], 0 if w.packets == NULL else w.packets[i],
        0 if w.bytes == NULL else w.bytes[i])


cdef tuple in_order(object one, object other)


cdef class Histogram:
    cdef readonly size_t size
    cdef object _lock
    cdef Sum* sums


cdef class Groups:
    cdef readonly size_t limit
    cdef object _lock
    cdef Entry* entries
    cdef uint32_t* slots         # entry + 1, 0 where empty
    cdef size_t count
    cdef size_t room
    cdef size_t mask
    cdef Sum rest

    cdef bint reserve(self, size_t more) noexcept nogil
    cdef Sum* find(self, const uint64_t* key, uint64_t hash_) noexcept nogil
    cdef void _merge(self, Groups other) noexcept nogil


cdef inline uint64_t hash_key(uint64_t a, uint64_t b, uint64_t c) noexcept nogil:
    cdef uint64_t mixed = a * <uint64_t> 0x9E3779B97F4A7C15
    mixed = ((mixed ^ (mixed >> 32)) + b) * <uint64_t> 0xD6E8FEB86659FD93
    mixed = ((mixed ^ (mixed >> 32)) + c) * <uint64_t> 0x9E3779B97F4A7C15
    return mixed ^ (mixed >> 29)


cdef int take_weights(Weights* weights, size_t n, flows, packets, bytes_) except -1
