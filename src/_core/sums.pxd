# Exact sums of 64-bit weights: by small numbers, and by keys of three words.
from libc.stdint cimport uint32_t, uint64_t

from netpol._core.plain cimport NETPOL_UNLIKELY

cdef struct Weights:
    const uint64_t* flows        # NULL: 1 each
    const uint64_t* packets      # NULL: none
    const uint64_t* bytes

cdef struct Sum:
    uint64_t flows
    uint64_t packets
    uint64_t bytes
    uint32_t carried[3]          # how often each passed 2^64
    uint32_t padding

cdef struct Entry:               # one cache line
    uint64_t key[3]
    Sum sum


cdef inline void add_row(
    Sum* to, uint64_t flows, uint64_t packets, uint64_t octets
) noexcept nogil:
    """Add one row: counters may be all ones, so any row may carry, but next to none does."""
    to.flows += flows
    to.packets += packets
    to.bytes += octets
    if NETPOL_UNLIKELY(to.flows < flows):
        to.carried[0] += 1
    if NETPOL_UNLIKELY(to.packets < packets):
        to.carried[1] += 1
    if NETPOL_UNLIKELY(to.bytes < octets):
        to.carried[2] += 1


cdef inline void add_to(Sum* to, const Weights* w, size_t i) noexcept nogil:
    """Add row ``i``'s weight."""
    add_row(
        to, 1 if w.flows == NULL else w.flows[i], 0 if w.packets == NULL else w.packets[i],
        0 if w.bytes == NULL else w.bytes[i])


cdef class Histogram:
    cdef readonly size_t size
    cdef Sum* sums


cdef class Groups:
    cdef readonly size_t limit
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
