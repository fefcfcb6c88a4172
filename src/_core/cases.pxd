# One row of flow columns as a case for ``judge``, and which rows need that.
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from netpol._core.columns cimport Columns
from netpol._core.outcome cimport Case
from netpol._core.tables cimport View

cdef bint has_extras(const Columns* c) noexcept nogil

cdef void mark_extras(
    const View* v, const Columns* c, size_t start, size_t count, uint8_t* extra
) noexcept nogil

cdef bint is_plain(
    const View* v, const Columns* c, size_t i, uint32_t src, uint32_t dst
) noexcept nogil

cdef bint is_direct(const Columns* c, size_t i) noexcept nogil

cdef uint32_t resolve_one(
    const View* v, const Columns* c, const uint8_t* column, size_t i
) noexcept nogil

cdef Case case_of(
    const View* v, const Columns* c, size_t i, uint32_t src, uint32_t dst
) noexcept nogil

cdef void note_rows(
    const View* v, const Columns* c, size_t n, const uint32_t* src, const uint32_t* dst,
    uint16_t* notes,
) noexcept nogil
