# Addresses of a block of flows to endpoints.
from libc.stdint cimport uint8_t, uint32_t

from netpol._core.columns cimport Columns
from netpol._core.tables cimport View

cdef void resolve(
    const View* v, const Columns* c, const uint8_t* column, size_t start, size_t count,
    const uint32_t* records, uint32_t* out
) noexcept nogil
