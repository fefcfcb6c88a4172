# Columns of flows and of results as raw pointers; NULL where a column is absent.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

cdef struct Columns:
    const uint8_t* src          # n * width bytes
    const uint8_t* dst
    const uint8_t* original_dst
    const uint8_t* src_seen
    size_t width                # 4 or 16
    const uint8_t* protocol
    const uint16_t* dport
    const uint8_t* dport_known
    const uint16_t* original_dport
    const uint8_t* icmp_type
    const int64_t* time
    const uint32_t* src_hint
    const uint32_t* dst_hint

cdef struct Results:
    uint8_t* verdict
    uint8_t* special
    uint32_t* egress
    uint32_t* ingress
    uint32_t* src_endpoint
    uint32_t* dst_endpoint
