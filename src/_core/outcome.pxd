# A flow to be judged by itself, what it comes to, and the codes of both.
from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef enum:  # private
    NO_ENDPOINT = 0xFFFFFFFF

cdef enum:  # = netpol.model.verdict.Verdict
    ALLOW = 0
    DENY = 1
    UNKNOWN = 2

cdef enum:  # = len(netpol.model.verdict.Verdict)
    VERDICTS = 3

cdef enum:  # = netpol.model.verdict.Side as SIDE_*; two bits
    SIDE_NONE = 0
    SIDE_EGRESS = 1
    SIDE_INGRESS = 2
    SIDE_BOTH = 3

cdef enum:  # = len(netpol.model.verdict.Side)
    SIDES = 4

cdef enum:  # = netpol.model.verdict.Reason + 1: in ``special``, where 0 says that a side tells
    NO_POD_ENDPOINT = 1
    LOOPBACK = 2
    SELF_TRAFFIC = 3
    REPLY = 4
    NEIGHBOUR_DISCOVERY = 5
    DEFAULT_ALLOW = 6
    NOT_ISOLATED = 7
    NP_RULE = 8
    NP_IMPLICIT_DENY = 9
    OWN_NODE = 10
    NP_HAIRPIN = 11
    CNP_ACCEPT = 12
    CNP_DENY = 13
    CNP_FAIL_CLOSED = 14
    SERVICE_BACKEND_DEPENDENT = 15
    SERVICE_NO_ENDPOINTS = 16
    AMBIGUOUS_IP = 17
    AMBIGUOUS_PRIORITY = 18
    UNKNOWN_PORT = 19
    UNKNOWN_PROTOCOL = 20
    NAMESPACE_LABELS_UNKNOWN = 21
    DNS_UNKNOWN = 22
    SOURCE_NAT = 23
    NODES_UNKNOWN = 24
    SERVICE_NAT_ORDER = 25
    POSSIBLE_NODE_GATEWAY = 26

cdef enum:  # = netpol.compiler.layout.Reserved
    NOT_A_POD = 0
    MERGED_AMBIGUOUS_IP = 1
    MERGED_SERVICE_BACKEND_DEPENDENT = 2
    MERGED_SERVICE_NO_ENDPOINTS = 3
    MERGED_UNKNOWN_PORT = 4
    MERGED_UNKNOWN_PROTOCOL = 5
    MERGED_SOURCE_NAT = 6
    MERGED_SERVICE_NAT_ORDER = 7
    MERGED_POSSIBLE_NODE_GATEWAY = 8
    WHOLE_LOOPBACK = 9
    WHOLE_SELF_TRAFFIC = 10
    WHOLE_REPLY = 11
    WHOLE_NEIGHBOUR_DISCOVERY = 12

cdef enum:  # = netpol.model.verdict.Note as NOTE_*; bits
    NOTE_STALE_POD_IP = 1
    NOTE_IN_PODCIDR = 2
    NOTE_POSSIBLE_NODE_GATEWAY = 4
    NOTE_UNSPECIFIED_PROTOCOL = 8
    NOTE_UNSPECIFIED_ADDRESS_CLASS = 16
    NOTE_OWN_NODE_UNKNOWN = 32
    NOTE_SNAPSHOT_AGE = 64
    NOTE_RELATED_ICMP = 128
    NOTE_AMBIGUOUS_PRIORITY = 256
    NOTE_SERVICE_NAT_ORDER = 512
    NOTE_OWN_NODE_EGRESS = 1024
    NOTE_MAYBE_REPLY = 2048

cdef enum:  # = netpol.compiler.layout
    FIRST_RULES = 13             # decisions below it are reserved
    NOTE_SETS = 4096             # every set of notes is below it
    # Of decision_info, beside a verdict.
    VERDICT_MASK = 3
    RULE_ALLOWS = 4
    TIED = 8
    OWN_NODE_DENIED = 16
    NO_REASON = 255
    ORDER_NOTE = 128             # in ``special`` of results: note service-nat-order (A15.11)
    LOCAL_ENTRY = 128            # beside ways of an entry
    # Switch node_port_egress.
    EGRESS_SEES_EITHER = 0
    EGRESS_SEES_NODE = 1
    EGRESS_SEES_BACKEND = 2

cdef enum:  # = 1 << netpol.compiler.addresses.services.Way as WAY_*
    WAY_CLUSTER_IP = 1
    WAY_OUTSIDE_LOCAL = 2
    WAY_OUTSIDE = 4
    WAY_HOST_PORT = 8
    WAY_NODE_PORT_LOCAL = 16
    WAY_NODE_PORT = 32
    WAY_PROXY = 64

cdef enum:  # = len(netpol.compiler.addresses.services.Way)
    WAYS = 7

cdef enum:  # private
    WAYS_SERVICE = WAY_CLUSTER_IP | WAY_OUTSIDE_LOCAL | WAY_OUTSIDE  # before policies look
    WAYS_NODE = WAY_HOST_PORT | WAY_NODE_PORT_LOCAL | WAY_NODE_PORT  # where they arrive (A15.9)

cdef enum:  # = netpol.model.evidence.Evidence
    EGRESS_DIALLED = 1
    INGRESS_SEEN = 2

cdef enum:
    NO_PROTOCOL = 255  # = netpol.model.batch.UNKNOWN_PROTOCOL

cdef struct Case:
    uint32_t src               # endpoint ids, times already applied
    uint32_t dst
    uint32_t src_hint          # pod index + 1 that the log names, 0 if none
    uint32_t dst_hint
    uint32_t dialled           # endpoint of original_dst, NO_ENDPOINT if not recorded
    uint32_t seen              # endpoint of src_seen, NO_ENDPOINT if not recorded
    uint16_t dialled_port
    bint dialled_port_known
    bint seen_differs          # src_seen is another address than src
    bint via_service           # original_dst or its port differ from dst (R12)
    bint v4
    bint dialled_v4
    uint8_t evidence
    uint8_t protocol
    uint8_t icmp_type
    uint16_t dport
    bint dport_known
    uint8_t* touched           # [decisions], 1 for what any reading comes to; NULL: not asked for

cdef struct Outcome:
    uint8_t verdict
    uint8_t side               # bit 1 egress, bit 2 ingress, as netpol.model.verdict.Side
    uint8_t special            # Reason + 1 of the whole flow, 0 if a side's decision tells
    bint order_note            # note service-nat-order
    uint32_t egress
    uint32_t ingress
