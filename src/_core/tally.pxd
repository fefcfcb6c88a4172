# The sums of a replay, for other parts of the core: judged columns in.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from netpol._core.columns cimport Columns
from netpol._core.sums cimport Groups, Histogram, Weights
from netpol._core.tables cimport CompiledTables

cdef enum:  # private
    BLOCK = 1024                 # rows added at once

cdef struct Judged:
    const uint8_t* verdict
    const uint8_t* special
    const uint32_t* egress
    const uint32_t* ingress
    const uint32_t* src
    const uint32_t* dst

cdef struct Facts:
    const uint32_t* decisions
    const uint32_t* workloads
    const uint16_t* protocols
    int64_t newest
    uint32_t reasons


# Check the size and the values of each result (names as ``evaluate`` gives them), take its address.
cdef int take_judged(
    Judged* j, size_t n, dict results, size_t specials, size_t decisions, size_t endpoints
) except -1


cdef class Tally:
    cdef readonly Histogram outcomes
    cdef readonly Histogram egress
    cdef readonly Histogram ingress
    cdef readonly Histogram notes
    cdef readonly Groups pairs
    cdef CompiledTables _tables
    cdef Facts _facts
    cdef tuple _kept
    cdef object _lock

    cdef bint _add(self, Columns* c, Weights* w, Judged* j, size_t n) noexcept nogil
    cdef bint add_block(
        self, const Columns* c, const Weights* w, const Judged* j, size_t count
    ) noexcept nogil
