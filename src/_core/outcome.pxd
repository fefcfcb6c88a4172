# A flow to be judged by itself, what it comes to, and the codes of both.
from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef enum:
    NO_ENDPOINT = 0xFFFFFFFF
    ALLOW = 0
    DENY = 1
    UNKNOWN = 2

cdef enum:
    # Reason + 1 (netpol.model.verdict.Reason).
    NO_POD_ENDPOINT = 1
    LOOPBACK = 2
    SELF_TRAFFIC = 3
    REPLY = 4
    NEIGHBOUR_DISCOVERY = 5
    NOT_ISOLATED = 7
    SERVICE_BACKEND_DEPENDENT = 15
    SERVICE_NO_ENDPOINTS = 16
    AMBIGUOUS_IP = 17
    UNKNOWN_PORT = 19
    UNKNOWN_PROTOCOL = 20
    # Decision ids of merged sides: order of netpol.compiler.rows.decisions.MERGE_REASONS, plus 1.
    MERGED_AMBIGUOUS_IP = 1
    MERGED_SERVICE_BACKEND_DEPENDENT = 2
    MERGED_SERVICE_NO_ENDPOINTS = 3
    MERGED_UNKNOWN_PORT = 4
    MERGED_UNKNOWN_PROTOCOL = 5
    MERGED_SOURCE_NAT = 6
    MERGED_SERVICE_NAT_ORDER = 7
    MERGED_POSSIBLE_NODE_GATEWAY = 8
    # Then WHOLE_FLOW_REASONS.
    WHOLE_LOOPBACK = 9
    WHOLE_SELF_TRAFFIC = 10
    WHOLE_REPLY = 11
    WHOLE_NEIGHBOUR_DISCOVERY = 12
    NOTE_OWN_NODE_UNKNOWN = 32
    # Bits of netpol.compiler.addresses.services.Way.
    WAY_CLUSTER_IP = 1
    WAY_OUTSIDE_LOCAL = 2
    WAY_OUTSIDE = 4
    WAY_HOST_PORT = 8
    WAY_NODE_PORT_LOCAL = 16
    WAY_NODE_PORT = 32
    WAY_PROXY = 64
    WAYS_SERVICE = 7             # translated before policies look
    WAYS_NODE = 56               # translated where they arrive (A15.9)
    LOCAL_ENTRY = 128            # netpol.compiler.pack.servicetables
    # netpol.model.evidence.Evidence.
    EGRESS_DIALLED = 1
    INGRESS_SEEN = 2
    ORDER_NOTE = 128             # in ``special`` of results: note service-nat-order (A15.11)
    # Switch node_port_egress.
    EGRESS_SEES_EITHER = 0
    EGRESS_SEES_NODE = 1
    EGRESS_SEES_BACKEND = 2
    RULE_ALLOWS = 4
    NO_PROTOCOL = 255

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
