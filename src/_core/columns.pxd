# Columns of flows and of results as raw pointers; NULL where a column is absent.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

cdef extern from *:
    """
    #define NETPOL_NO_TIME INT64_MIN /* = netpol.model.batch.NO_TIME */
    """
    const int64_t NO_TIME "NETPOL_NO_TIME"  # time not recorded

cdef enum:  # = netpol.flows.formats.table.directions
    EPHEMERAL = 32768            # lowest port Linux gives to clients by default

cdef struct Columns:
    const uint8_t* src          # n * width bytes
    const uint8_t* dst
    const uint8_t* original_dst
    const uint8_t* src_seen
    size_t width                # 4 or 16
    const uint8_t* protocol
    const uint16_t* sport       # NO_SPORT where it is not known, or the record a reply's
    const uint16_t* dport
    const uint8_t* dport_known
    const uint16_t* original_dport
    const uint8_t* icmp_type
    const int64_t* time
    const uint32_t* src_hint
    const uint32_t* dst_hint
    const uint8_t* evidence
    bint is_dump                # conntrack records: what is not translated proves it (A15.9)

cdef struct Results:
    uint8_t* verdict
    uint8_t* special
    uint32_t* egress
    uint32_t* ingress
    uint32_t* src_endpoint
    uint32_t* dst_endpoint


cdef inline void shift_columns(Columns* c, size_t start) noexcept nogil:
    """Let the columns begin at a row."""
    c.src += c.width * start
    c.dst += c.width * start
    c.protocol += start
    c.dport += start
    if c.original_dst != NULL:
        c.original_dst += c.width * start
    if c.src_seen != NULL:
        c.src_seen += c.width * start
    if c.dport_known != NULL:
        c.dport_known += start
    if c.original_dport != NULL:
        c.original_dport += start
    if c.sport != NULL:
        c.sport += start
    if c.icmp_type != NULL:
        c.icmp_type += start
    if c.time != NULL:
        c.time += start
    if c.src_hint != NULL:
        c.src_hint += start
    if c.dst_hint != NULL:
        c.dst_hint += start
    if c.evidence != NULL:
        c.evidence += start
