# The scanner's columns, for other parts of the core.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from netpol._core.conntrack_row cimport N_CAUSES, Row

cdef enum:  # private
    MAX_ERRORS = 64              # recorded a call; all are counted

cdef struct Columns:
    uint32_t *orig_src
    uint32_t *orig_dst
    uint32_t *reply_src
    uint32_t *reply_dst
    uint8_t *orig_src_wide
    uint8_t *orig_dst_wide
    uint8_t *reply_src_wide
    uint8_t *reply_dst_wide
    uint16_t *orig_sport
    uint16_t *orig_dport
    uint16_t *reply_sport
    uint16_t *reply_dport
    uint8_t *protocol
    uint8_t *icmp_type
    uint8_t *icmp_code
    uint64_t *packets
    uint64_t *bytes
    uint16_t *flags
    uint8_t *event
    uint8_t *state
    uint16_t *zone_orig
    uint16_t *zone_reply
    int64_t *time
    int64_t *delta_time
    int64_t *start
    int64_t *line


cdef struct Error:
    int64_t line
    int64_t offset
    int64_t length
    int cause


cdef class Scanner:
    cdef readonly dict columns
    cdef readonly Py_ssize_t rows
    cdef readonly Py_ssize_t capacity
    cdef readonly int64_t lines
    cdef readonly int64_t blank
    cdef readonly int64_t notices
    cdef readonly int64_t repaired
    cdef readonly int64_t expectations
    cdef int64_t _counts[N_CAUSES]
    cdef Error _errors[MAX_ERRORS]
    cdef int _n_errors
    cdef bint _fast
    cdef bint _prefixed  # look for a log's prefix before the fast parser
    cdef bint _skipping  # inside a line that is too long
    cdef Columns _to
    cdef tuple _kept
    cdef Row _row
    cdef uint8_t *_joined
    cdef const uint8_t *_begin
    cdef bint _final
    cdef object _busy

    cdef int claim(self) except -1
    cdef int _take_pointers(self) except -1
    cdef const uint8_t *_scan(self, const uint8_t *p, const uint8_t *end) noexcept nogil
    cdef const uint8_t *_careful(self, const uint8_t *p, const uint8_t *end) noexcept nogil
    cdef const uint8_t *_line_done(self, const uint8_t *stop, bint terminated) noexcept nogil
    cdef bint _take(self, const uint8_t *p, Py_ssize_t length, int cause) noexcept nogil
    cdef void _fail(self, const uint8_t *p, Py_ssize_t length, int cause) noexcept nogil
    cdef const uint8_t *_mixed_in(
        self, const uint8_t *p, const uint8_t *notice, const uint8_t *stop, const uint8_t *end
    ) noexcept nogil
    cdef bint _join(
        self, const uint8_t *head, const uint8_t *head_end,
        const uint8_t *rest, const uint8_t *rest_end, bint terminated, bint numbered, bint logged
    ) noexcept nogil
    cdef void _widen(self) noexcept nogil
