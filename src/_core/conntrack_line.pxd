"""The careful parser of one line."""

from libc.stdint cimport uint8_t

from netpol._core.conntrack_row cimport Row


cdef int parse_line(
    const uint8_t *begin, const uint8_t *end, bint terminated, Row *row
) noexcept nogil
cdef const uint8_t *find_notice(const uint8_t *begin, const uint8_t *end) noexcept nogil
cdef bint is_blank(const uint8_t *begin, const uint8_t *end) noexcept nogil
cdef const uint8_t *skip_number(const uint8_t *p, const uint8_t *end) noexcept nogil
cdef const uint8_t *skip_prefix(const uint8_t *p, const uint8_t *end) noexcept nogil
cdef uint8_t state_code(const uint8_t *p, size_t length) noexcept nogil
