# The kernel for other parts of the core: columns of flows in, verdicts and decision ids out.
from libc.stdint cimport uint16_t, uint32_t

from netpol._core.columns cimport Columns, Results
from netpol._core.tables cimport CompiledTables, View

cdef void evaluate_all(const View* v, const Columns* c, size_t n, const Results* r) noexcept nogil

cdef void note_all(
    const View* v, const Columns* c, size_t n, const uint32_t* src, const uint32_t* dst,
    uint16_t* notes,
) noexcept nogil

# Check the size of each column (names as ``evaluate`` takes them) and take its address.
cdef int fill_columns(Columns* c, CompiledTables tables, size_t n, dict columns) except -1
