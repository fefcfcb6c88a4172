"""The flag, tail and end of a line."""

from netpol._core.conntrack_cursor cimport Cursor
from netpol._core.conntrack_row cimport Row


cdef int flag(Cursor *c, Row *row) noexcept nogil
cdef int tail(Cursor *c, Row *row) noexcept nogil
