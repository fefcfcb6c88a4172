"""What a collector of logs puts before a line."""

from libc.stdint cimport uint8_t


cdef const uint8_t *skip_log_prefix(const uint8_t *p, const uint8_t *end) noexcept nogil
