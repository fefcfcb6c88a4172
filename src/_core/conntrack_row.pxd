"""One conntrack record as a C struct, and the codes its fields carry."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from netpol._core.columns cimport NO_TIME


cdef struct Address:
    uint32_t v4  # host order; valid if not wide
    bint wide  # IPv6, and not v4-mapped
    bint colons  # written as IPv6
    uint8_t v6[16]  # network order; valid if colons


cdef struct Tuple:
    Address src
    Address dst
    uint16_t sport  # ICMP: the identifier; GRE: the source key
    uint16_t dport  # GRE: the destination key
    uint8_t icmp_type
    uint8_t icmp_code
    uint64_t packets
    uint64_t bytes


cdef struct Row:
    Tuple orig
    Tuple reply
    int64_t time  # ns since the epoch, NO_TIME if not printed
    int64_t delta_time  # seconds, -1 if not printed
    int64_t start  # seconds of a zoneless local clock, NO_TIME if not printed
    uint16_t zone_orig
    uint16_t zone_reply
    uint16_t flags
    uint8_t protocol
    uint8_t state
    uint8_t event


cdef enum Flag:  # = netpol.flows.formats.conntrack.scan_codes.RecordFlag
    UNREPLIED = 1
    ASSURED = 2
    OFFLOAD = 4
    HW_OFFLOAD = 8
    ACCT = 16
    WIDE = 32
    USERSPACE = 64


cdef enum Event:  # = netpol.flows.formats.conntrack.scan_codes.Event as EVENT_*
    EVENT_NONE = 0
    EVENT_NEW = 1
    EVENT_UPDATE = 2
    EVENT_DESTROY = 3


# Why a line is no record. The spellings are CAUSES in conntrack.pyx, in this order.
cdef enum Cause:  # private
    OK = 0
    NOT_CONNTRACK = 1
    BAD_TIMESTAMP = 2
    BAD_PROTOCOL = 3
    BAD_TIMEOUT = 4
    BAD_STATE = 5
    BAD_SRC = 6
    BAD_DST = 7
    BAD_PORT = 8
    BAD_ICMP = 9
    BAD_GRE_KEY = 10
    BAD_ZONE = 11
    BAD_COUNTER = 12
    BAD_FAMILY = 13
    NO_REPLY_TUPLE = 14
    BAD_TAIL = 15
    TRUNCATED = 16
    BINARY = 17
    TOO_LONG = 18
    MIXED_IN = 19
    N_CAUSES = 20  # = len(netpol._core.conntrack.CAUSES)
    EXPECTATION = 20  # no error either: another table's line


cdef enum:
    NO_ICMP = 255  # = netpol.model.batch.NO_ICMP


cdef inline void clear_row(Row *row) noexcept nogil:
    """Set what a line may leave out."""
    row.time = NO_TIME
    row.delta_time = -1
    row.start = NO_TIME
    row.zone_orig = 0
    row.zone_reply = 0
    row.flags = 0
    row.state = 0
    row.event = EVENT_NONE
    clear_tuple(&row.orig)
    clear_tuple(&row.reply)


cdef inline void clear_tuple(Tuple *t) noexcept nogil:
    """Set what a tuple may leave out."""
    t.sport = 0
    t.dport = 0
    t.icmp_type = NO_ICMP
    t.icmp_code = NO_ICMP
    t.packets = 0
    t.bytes = 0
