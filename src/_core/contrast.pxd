# What two engines judge differently, for other parts of the core: judged columns in.
from libc.stdint cimport uint32_t

from netpol._core.sums cimport Histogram, Weights
from netpol._core.tables cimport CompiledTables
from netpol._core.tally cimport Judged


cdef class Contrast:
    cdef readonly Histogram verdicts
    cdef CompiledTables _first
    cdef CompiledTables _second
    cdef tuple _kept
    cdef object _lock
    cdef const uint32_t* _first_marks
    cdef const uint32_t* _second_marks
    cdef size_t _first_decisions
    cdef size_t _second_decisions

    cdef size_t add_rows(
        self, const Weights* w, const Judged* a, const Judged* b, size_t first, size_t count,
        uint32_t* rows
    ) noexcept nogil
