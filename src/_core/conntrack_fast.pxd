"""The fast parser of well-formed common lines."""

from libc.stdint cimport uint8_t

from netpol._core.conntrack_row cimport Row

cdef enum:  # private
    # Bytes that have to be readable from the start of a line. The longest line taken: head 85,
    # twice a tuple of 131 (IPv6) and counters of 48, [UNREPLIED] 12, tail 126, look-ahead 46.
    FAST_MARGIN = 1024

cdef const uint8_t *parse_fast(const uint8_t *p, Row *row) noexcept nogil
