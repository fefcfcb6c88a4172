# Plain pairs by the row tables alone, where the cells would not fit.
from libc.stdint cimport uint32_t

from netpol._core.plain cimport Block
from netpol._core.tables cimport View

cdef size_t paged_pairs(
    const View* v, const Block* f, size_t count, uint32_t* special
) noexcept nogil
