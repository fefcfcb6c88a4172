"""The flag, tail and end of a line."""

from libc.stdint cimport uint8_t

from netpol._core.conntrack_cursor cimport Cursor
from netpol._core.conntrack_row cimport Row


cdef int flag(Cursor *c, Row *row) noexcept nogil
cdef int tail(Cursor *c, Row *row) noexcept nogil
cdef int month_index(const uint8_t *p) noexcept nogil
cdef int weekday_index(const uint8_t *p) noexcept nogil
