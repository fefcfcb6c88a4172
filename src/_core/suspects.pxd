# Records that look turned round, for other parts of the core.
from libc.stdint cimport uint8_t, uint16_t, uint64_t


cdef class Suspects:
    cdef object _lock
    cdef uint8_t* _served        # [3, 65536]
    cdef uint64_t* _odd          # [3, 65536]

    cdef void add_rows(
        self, const uint8_t* protocol, const uint16_t* client, const uint16_t* server, size_t n
    ) noexcept nogil
