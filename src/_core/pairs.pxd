# Who an end is, and what one side says to another (C5), looked up in the cells or the row tables.
#
# All is inline, so that the C compiler keeps identities in registers. Instructions a flow behind
# NAT, and of one whose pods the log names, with bodies moved to a module: ``allow_flow`` alone 1 %
# and 4 % more, ``candidate`` 8 % and 5 %, both and ``load_identity`` 10 % and 8 %.
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from netpol._core.layout cimport (
    HAIRPIN_COLUMN, LINK_ALTERNATIVES, LINK_ALTERNATIVE_COUNT, LINK_COLUMNS, OWN_NODE_COLUMN,
    PART_COLUMNS, PART_EGRESS_CIDR, PART_EGRESS_LABEL, PART_EGRESS_ROW, PART_INGRESS_CIDR,
    PART_INGRESS_LABEL, PART_INGRESS_ROW, PART_NODE, PART_POD, POD_AS_NODE, POD_COLUMNS,
    POD_EGRESS_LABEL, POD_EGRESS_ROW, POD_INGRESS_LABEL, POD_INGRESS_ROW, POD_NODE,
)
from netpol._core.outcome cimport (
    ALLOW, DENY, NO_ENDPOINT, RULE_ALLOWS, SIDE_EGRESS, SIDE_INGRESS, SIDE_NONE, UNKNOWN,
    VERDICT_MASK, Outcome,
)
from netpol._core.plain cimport (
    CELL_DECISION_MASK, IS_AMBIGUOUS, IS_LOOPBACK, IS_NODE, RECORD_COLUMN, RECORD_COLUMNS,
    RECORD_COLUMN_MASK, cell_decision,
)
from netpol._core.sides cimport flags_of, side_decision
from netpol._core.tables cimport SideView, View

cdef struct Identity:
    const uint32_t* src_record  # the endpoint's; NULL where the log names the pod
    const uint32_t* dst_record
    uint32_t egress_row
    uint32_t egress_label
    uint32_t egress_cidr
    uint32_t ingress_row
    uint32_t ingress_label
    uint32_t ingress_cidr
    uint32_t pod               # + 1, 0 if not a pod
    uint32_t node              # + 1, 0 if none or not known
    uint32_t endpoint          # NO_ENDPOINT where the log names the pod
    bint is_node

cdef struct Way:               # how a pair was reached
    uint8_t protocol
    uint16_t port
    bint port_known
    bint via_service
    bint at_front              # recorded at the service's address, so perhaps before translation
    uint32_t ways              # a bit for each services.Way that may lead here
    uint32_t front             # endpoint that was dialled, where there is a way
    uint16_t front_port
    bint front_v4


cdef inline uint8_t verdict_of(const View* v, uint32_t decision) noexcept nogil:
    return v.decision_info[decision] & VERDICT_MASK


cdef inline uint8_t combine(uint8_t egress_info, uint8_t ingress_info) noexcept nogil:
    """DENY if any side denies, else UNKNOWN if any is unknown, else ALLOW (C5)."""
    cdef uint8_t e = egress_info & VERDICT_MASK
    cdef uint8_t i = ingress_info & VERDICT_MASK
    if e == DENY or i == DENY:
        return DENY
    if e == UNKNOWN or i == UNKNOWN:
        return UNKNOWN
    return ALLOW


cdef inline uint8_t side_of(uint8_t verdict, uint8_t e, uint8_t i) noexcept nogil:
    """Which sides decided: those with the verdict, or for ALLOW those a rule allowed (C3.2)."""
    if verdict == ALLOW:
        return (SIDE_EGRESS if e & RULE_ALLOWS else SIDE_NONE) | (
            SIDE_INGRESS if i & RULE_ALLOWS else SIDE_NONE)
    return (SIDE_EGRESS if (e & VERDICT_MASK) == verdict else SIDE_NONE) | (
        SIDE_INGRESS if (i & VERDICT_MASK) == verdict else SIDE_NONE)


cdef inline void settle(
    const View* v, uint32_t egress, uint32_t ingress, Outcome* out
) noexcept nogil:
    cdef uint8_t e = v.decision_info[egress]
    cdef uint8_t i = v.decision_info[ingress]
    out.egress = egress
    out.ingress = ingress
    out.verdict = combine(e, i)
    out.side = side_of(out.verdict, e, i)
    out.special = 0
    out.order_note = False


cdef inline void allow_flow(
    uint8_t special, uint32_t decision, const Identity* s, const Identity* d, Outcome* out
) noexcept nogil:
    """Allow the flow as a whole; the sides that are pods say why (R14)."""
    out.verdict = ALLOW
    out.side = SIDE_NONE
    out.special = special
    out.order_note = False
    out.egress = decision if s.pod else 0
    out.ingress = decision if d.pod else 0


cdef inline void to_seen_cidr(const View* v, Identity* out) noexcept nogil:
    """Give the CIDR columns as peers see them of a pod or a node (R20, B4.4)."""
    if out.pod:
        out.egress_cidr = v.egress.pod_cidr[out.egress_cidr]
        out.ingress_cidr = v.ingress.pod_cidr[out.ingress_cidr]
    elif out.is_node:
        out.egress_cidr = v.egress.node_cidr[out.egress_cidr]
        out.ingress_cidr = v.ingress.node_cidr[out.ingress_cidr]


cdef inline void load_identity(const View* v, uint32_t endpoint, Identity* out) noexcept nogil:
    cdef const uint32_t* part = v.parts + PART_COLUMNS * <size_t> endpoint
    out.src_record = v.plain.src_records + RECORD_COLUMNS * <size_t> endpoint
    out.dst_record = v.plain.dst_records + RECORD_COLUMNS * <size_t> endpoint
    out.egress_row = part[PART_EGRESS_ROW]
    out.egress_label = part[PART_EGRESS_LABEL]
    out.egress_cidr = part[PART_EGRESS_CIDR]
    out.ingress_row = part[PART_INGRESS_ROW]
    out.ingress_label = part[PART_INGRESS_LABEL]
    out.ingress_cidr = part[PART_INGRESS_CIDR]
    out.pod = part[PART_POD]
    out.node = part[PART_NODE]
    out.endpoint = endpoint
    # A pod is no node, and its flags would be one more cache line.
    out.is_node = out.pod == 0 and (flags_of(v, endpoint) & IS_NODE) != 0
    to_seen_cidr(v, out)


# --- candidates of an address ---------------------------------------------------------------------


cdef inline uint32_t first_alternative(const View* v, uint32_t endpoint) noexcept nogil:
    """Give the place of the first of who an ambiguous endpoint may be."""
    return v.links[LINK_COLUMNS * <size_t> endpoint + LINK_ALTERNATIVES]


cdef inline size_t candidate_count(const View* v, uint32_t endpoint, uint32_t hint) noexcept nogil:
    if hint == 0 and flags_of(v, endpoint) & IS_AMBIGUOUS:
        return v.links[LINK_COLUMNS * <size_t> endpoint + LINK_ALTERNATIVE_COUNT]
    return 1


cdef inline void candidate(
    const View* v, uint32_t endpoint, uint32_t hint, size_t index, Identity* out
) noexcept nogil:
    """Give the index-th identity; a pod that the log names beats the address (R5)."""
    cdef const uint32_t* pod
    if flags_of(v, endpoint) & IS_LOOPBACK:  # C2: before any hint
        hint = 0
    if hint == 0:
        if flags_of(v, endpoint) & IS_AMBIGUOUS:
            endpoint = v.alternatives[first_alternative(v, endpoint) + index]
        load_identity(v, endpoint, out)
        return
    if flags_of(v, endpoint) & IS_AMBIGUOUS:  # for the CIDR columns of the address
        endpoint = v.alternatives[first_alternative(v, endpoint)]
    load_identity(v, endpoint, out)
    out.egress_cidr = v.parts[PART_COLUMNS * <size_t> endpoint + PART_EGRESS_CIDR]
    out.ingress_cidr = v.parts[PART_COLUMNS * <size_t> endpoint + PART_INGRESS_CIDR]
    out.src_record = NULL
    out.dst_record = NULL
    out.endpoint = NO_ENDPOINT
    pod = v.pod_parts + POD_COLUMNS * <size_t> (hint - 1)
    out.is_node = pod[POD_AS_NODE] != 0
    out.pod = 0 if out.is_node else hint
    out.node = pod[POD_NODE]
    out.egress_row = 0 if out.is_node else pod[POD_EGRESS_ROW]
    out.egress_label = 0 if out.is_node else pod[POD_EGRESS_LABEL]
    out.ingress_row = 0 if out.is_node else pod[POD_INGRESS_ROW]
    out.ingress_label = 0 if out.is_node else pod[POD_INGRESS_LABEL]
    to_seen_cidr(v, out)


# --- one pair -------------------------------------------------------------------------------------


cdef inline uint32_t peer_label(
    const SideView* s, uint32_t label, const Identity* subject, const Identity* peer, bint hairpin
) noexcept nogil:
    if hairpin:
        return HAIRPIN_COLUMN if s.hairpin_exempt else label
    if s.own_column and peer.is_node and peer.node != 0 and peer.node == subject.node:
        return OWN_NODE_COLUMN
    return label


cdef inline bint is_dense(
    const View* v, const Identity* s, const Identity* d, bint hairpin
) noexcept nogil:
    """Whether the cells know the pair: half the loads of the row tables."""
    return v.dense and s.src_record != NULL and d.src_record != NULL and not hairpin


cdef inline uint32_t egress_of(
    const View* v, const Identity* source, const Identity* target, uint32_t ports, bint hairpin
) noexcept nogil:
    cdef uint32_t label
    if hairpin and v.egress.hairpin_rows[source.egress_row]:
        return side_decision(
            v, &v.egress, v.egress.hairpin_rows[source.egress_row], target.egress_label,
            target.egress_cidr, ports)
    label = peer_label(&v.egress, target.egress_label, source, target, hairpin)
    if is_dense(v, source, target, hairpin):
        return CELL_DECISION_MASK & cell_decision(
            &v.plain, v.plain.egress_index, source.src_record,
            v.plain.egress_own + (target.dst_record[RECORD_COLUMN] & v.plain.egress_own_mask)
            if label == OWN_NODE_COLUMN
            else target.dst_record[RECORD_COLUMN] & RECORD_COLUMN_MASK, ports)
    return side_decision(
        v, &v.egress, source.egress_row, label, target.egress_cidr, ports)


cdef inline uint32_t ingress_of(
    const View* v, const Identity* source, const Identity* target, uint32_t ports, bint hairpin
) noexcept nogil:
    cdef uint32_t label
    if hairpin and v.ingress.hairpin_rows[target.ingress_row]:
        return side_decision(
            v, &v.ingress, v.ingress.hairpin_rows[target.ingress_row], source.ingress_label,
            source.ingress_cidr, ports)
    label = peer_label(&v.ingress, source.ingress_label, target, source, hairpin)
    if is_dense(v, source, target, hairpin):
        return CELL_DECISION_MASK & cell_decision(
            &v.plain, v.plain.ingress_index, target.dst_record,
            v.plain.ingress_own + (source.src_record[RECORD_COLUMN] & v.plain.ingress_own_mask)
            if label == OWN_NODE_COLUMN
            else source.src_record[RECORD_COLUMN] & RECORD_COLUMN_MASK, ports)
    return side_decision(
        v, &v.ingress, target.ingress_row, label, source.ingress_cidr, ports)
