# What compilers and machines differ in, for every part of the core.
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef extern from "portability.h" nogil:
    void prefetch "NETPOL_PREFETCH"(const void* address)
    bint unlikely "NETPOL_UNLIKELY"(bint condition)
    uint64_t be64 "netpol_be64"(const uint8_t* p)
    uint64_t load64 "netpol_load64"(const uint8_t* p)
    uint32_t load32 "netpol_load32"(const uint8_t* p)
