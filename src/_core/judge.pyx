"""Judges one flow by the decision procedure C5 and C6, with readings R8-R14, on the tables.

The staged kernel hands over what is not one plain endpoint talking to another. Everything ends in
``pair``: one identity to one identity, each side looked up in the cells or the paged tables.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from netpol._core.plain cimport (
    NETPOL_DECISION, RECORD_COLUMN, RECORD_COLUMN_MASK, cell_decision, port_class, port_place,
)
from netpol._core.sides cimport flags_of, side_decision
from netpol._core.tables cimport (
    HAIRPIN_COLUMN, IS_AMBIGUOUS, IS_LOOPBACK, IS_NODE, IS_SERVICE, LINK_ALTERNATIVE_COUNT,
    LINK_ALTERNATIVES, LINK_NODE_PORT_GROUP, LINK_NOTES, LINK_OWN_GROUP, OWN_NODE_COLUMN,
    POD_COLUMNS,
    PART_EGRESS_CIDR, PART_EGRESS_LABEL, PART_EGRESS_ROW, PART_INGRESS_CIDR, PART_INGRESS_LABEL,
    PART_INGRESS_ROW, PART_NODE, PART_POD, SideView, View,
)

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
    bint is_node

cdef struct Way:               # how a pair was reached
    uint8_t protocol
    uint16_t port
    bint port_known
    bint via_service
    int source_nat
    uint32_t dialled           # endpoint whose nodes NAT_DIALLED_NODE may show

cdef struct Merge:
    size_t count
    Outcome first
    bint same_verdict
    bint same_side
    bint same_egress           # verdict of that side
    bint same_ingress


cdef inline uint8_t combine(uint8_t egress_info, uint8_t ingress_info) noexcept nogil:
    """DENY if any side denies, else UNKNOWN if any is unknown, else ALLOW (C5)."""
    cdef uint8_t e = egress_info & 3
    cdef uint8_t i = ingress_info & 3
    if e == DENY or i == DENY:
        return DENY
    if e == UNKNOWN or i == UNKNOWN:
        return UNKNOWN
    return ALLOW


cdef inline uint8_t side_of(uint8_t verdict, uint8_t e, uint8_t i) noexcept nogil:
    """Which sides decided: those with the verdict, or for ALLOW those a rule allowed (C3.2)."""
    if verdict == ALLOW:
        return (1 if e & RULE_ALLOWS else 0) | (2 if i & RULE_ALLOWS else 0)
    return (1 if (e & 3) == verdict else 0) | (2 if (i & 3) == verdict else 0)


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


cdef inline void allow_flow(
    uint8_t special, uint32_t decision, const Identity* s, const Identity* d, Outcome* out
) noexcept nogil:
    """Allow the flow as a whole; the sides that are pods say why (R14)."""
    out.verdict = ALLOW
    out.side = 0
    out.special = special
    out.egress = decision if s.pod else 0
    out.ingress = decision if d.pod else 0


cdef inline void load_identity(const View* v, uint32_t endpoint, Identity* out) noexcept nogil:
    cdef const uint32_t* part = v.parts + 8 * <size_t> endpoint
    out.src_record = v.plain.src_records + 4 * <size_t> endpoint
    out.dst_record = v.plain.dst_records + 4 * <size_t> endpoint
    out.egress_row = part[PART_EGRESS_ROW]
    out.egress_label = part[PART_EGRESS_LABEL]
    out.egress_cidr = part[PART_EGRESS_CIDR]
    out.ingress_row = part[PART_INGRESS_ROW]
    out.ingress_label = part[PART_INGRESS_LABEL]
    out.ingress_cidr = part[PART_INGRESS_CIDR]
    out.pod = part[PART_POD]
    out.node = part[PART_NODE]
    # A pod is no node, and its flags would be one more cache line.
    out.is_node = out.pod == 0 and (flags_of(v, endpoint) & IS_NODE) != 0
    hide_cidr(v, out)


cdef inline void hide_cidr(const View* v, Identity* out) noexcept nogil:
    """Give the CIDR columns as peers see them of a pod or a node (R20, B4.4)."""
    if out.pod:
        out.egress_cidr = v.egress.pod_cidr[out.egress_cidr]
        out.ingress_cidr = v.ingress.pod_cidr[out.ingress_cidr]
    elif out.is_node:
        out.egress_cidr = v.egress.node_cidr[out.egress_cidr]
        out.ingress_cidr = v.ingress.node_cidr[out.ingress_cidr]


# --- candidates of an address ---------------------------------------------------------------------


cdef inline size_t candidate_count(const View* v, uint32_t endpoint, uint32_t hint) noexcept nogil:
    if hint == 0 and flags_of(v, endpoint) & IS_AMBIGUOUS:
        return v.links[8 * <size_t> endpoint + LINK_ALTERNATIVE_COUNT]
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
            endpoint = v.alternatives[v.links[8 * <size_t> endpoint + LINK_ALTERNATIVES] + index]
        load_identity(v, endpoint, out)
        return
    if flags_of(v, endpoint) & IS_AMBIGUOUS:  # for the CIDR columns of the address
        endpoint = v.alternatives[v.links[8 * <size_t> endpoint + LINK_ALTERNATIVES]]
    load_identity(v, endpoint, out)
    out.egress_cidr = v.parts[8 * <size_t> endpoint + PART_EGRESS_CIDR]
    out.ingress_cidr = v.parts[8 * <size_t> endpoint + PART_INGRESS_CIDR]
    out.src_record = NULL
    out.dst_record = NULL
    pod = v.pod_parts + POD_COLUMNS * <size_t> (hint - 1)
    out.is_node = pod[5] != 0
    out.pod = 0 if out.is_node else hint
    out.node = pod[4]
    out.egress_row = 0 if out.is_node else pod[0]
    out.egress_label = 0 if out.is_node else pod[1]
    out.ingress_row = 0 if out.is_node else pod[2]
    out.ingress_label = 0 if out.is_node else pod[3]
    hide_cidr(v, out)


# --- one pair -------------------------------------------------------------------------------------


cdef inline uint32_t peer_label(
    const SideView* s, uint32_t label, const Identity* subject, const Identity* peer, bint hairpin
) noexcept nogil:
    if hairpin:
        return HAIRPIN_COLUMN if s.hairpin_exempt else label
    if s.own_exempt and peer.is_node and peer.node != 0 and peer.node == subject.node:
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
        return NETPOL_DECISION & cell_decision(
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
        return NETPOL_DECISION & cell_decision(
            &v.plain, v.plain.ingress_index, target.dst_record,
            v.plain.ingress_own + (source.src_record[RECORD_COLUMN] & v.plain.ingress_own_mask)
            if label == OWN_NODE_COLUMN
            else source.src_record[RECORD_COLUMN] & RECORD_COLUMN_MASK, ports)
    return side_decision(
        v, &v.ingress, target.ingress_row, label, source.ingress_cidr, ports)


cdef uint32_t ingress_readings(
    const View* v, const Case* c, const Way* way, const Identity* target, uint32_t ports,
    uint32_t ingress,
) noexcept nogil:
    """Judge ingress for every source the server may have seen; they must agree (R10, R11)."""
    cdef uint8_t verdict = v.decision_info[ingress] & 3
    cdef uint32_t endpoint = NO_ENDPOINT
    cdef bint nodes_only = False
    cdef size_t i, first, last
    cdef Identity other
    if c.seen != NO_ENDPOINT:
        if c.seen_differs:
            endpoint = c.seen
    elif way.source_nat == NAT_DIALLED_NODE:
        endpoint = way.dialled
        nodes_only = True
    elif way.source_nat == NAT_ANY_NODE:
        first = 0 if c.v4 else v.node_split
        last = v.node_split if c.v4 else v.node_count
        for i in range(first, last):
            load_identity(v, v.node_endpoints[i], &other)
            if v.decision_info[ingress_of(v, &other, target, ports, False)] & 3 != verdict:
                return MERGED_SOURCE_NAT
        return ingress
    if endpoint == NO_ENDPOINT:
        return ingress
    for i in range(candidate_count(v, endpoint, 0)):
        candidate(v, endpoint, 0, i, &other)
        if nodes_only and not other.is_node:
            continue
        if v.decision_info[ingress_of(v, &other, target, ports, False)] & 3 != verdict:
            return MERGED_SOURCE_NAT
    return ingress


cdef void pair(
    const View* v, const Case* c, const Way* way, const Identity* s, const Identity* d,
    Outcome* out,
) noexcept nogil:
    """One identity to one identity (C5 eval_pair)."""
    cdef uint32_t ports, egress, ingress
    cdef bint hairpin
    if s.pod == 0 and d.pod == 0:
        allow_flow(NO_POD_ENDPOINT, 0, s, d, out)  # A9.4
        return
    hairpin = s.pod != 0 and s.pod == d.pod
    if hairpin and not way.via_service:
        allow_flow(SELF_TRAFFIC, WHOLE_SELF_TRAFFIC, s, d, out)  # A10.1
        return
    ports = port_class(&v.plain, port_place(way.protocol, way.port, way.port_known))
    egress = egress_of(v, s, d, ports, hairpin)
    ingress = ingress_of(v, s, d, ports, hairpin)
    if d.pod != 0 and not hairpin:
        ingress = ingress_readings(v, c, way, d, ports, ingress)
    settle(v, egress, ingress, out)


# --- merging --------------------------------------------------------------------------------------


cdef inline void merge_add(const View* v, Merge* m, const Outcome* item) noexcept nogil:
    if m.count == 0:
        m.first = item[0]
        m.same_verdict = m.same_side = m.same_egress = m.same_ingress = True
    else:
        if item.verdict != m.first.verdict:
            m.same_verdict = False
        if item.side != m.first.side:
            m.same_side = False
        if v.decision_info[item.egress] & 3 != v.decision_info[m.first.egress] & 3:
            m.same_egress = False
        if v.decision_info[item.ingress] & 3 != v.decision_info[m.first.ingress] & 3:
            m.same_ingress = False
    m.count += 1


cdef inline void merge_end(
    const View* v, const Merge* m, bint sides_too, uint8_t special, uint32_t merged, Outcome* out
) noexcept nogil:
    """Agreement gives the first outcome; otherwise unknown, agreeing sides kept (R13, R14)."""
    out[0] = m.first
    if m.same_verdict and (m.same_side or not sides_too or m.first.verdict == ALLOW):
        return
    out.verdict = UNKNOWN
    out.special = special
    if not m.same_egress:
        out.egress = merged
    if not m.same_ingress:
        out.ingress = merged
    out.side = side_of(UNKNOWN, v.decision_info[out.egress], v.decision_info[out.ingress])


# --- services -------------------------------------------------------------------------------------


cdef inline size_t first_key(const View* v, uint64_t key) noexcept nogil:
    """Give the index of the first service key not below ``key``."""
    cdef size_t low = 0
    cdef size_t high = v.service_count
    cdef size_t middle
    while low < high:
        middle = (low + high) >> 1
        if v.service_keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low


cdef size_t find_service(
    const View* v, uint32_t endpoint, uint8_t protocol, uint16_t port
) noexcept nogil:
    """Give the entry of (address, protocol, port), or service_count if it is no service port."""
    cdef const uint32_t* link = v.links + 8 * <size_t> endpoint
    cdef uint64_t key, slot
    cdef size_t index, i
    cdef uint32_t groups[2]
    groups[0] = link[LINK_OWN_GROUP]
    groups[1] = link[LINK_NODE_PORT_GROUP]
    for i in range(2):
        if groups[i] != 0:
            key = (<uint64_t> groups[i] << 24) | (<uint64_t> protocol << 16) | port
            slot = key * 0x9E3779B97F4A7C15ULL
            slot = (slot ^ (slot >> 32)) & v.service_mask
            while v.service_slots[slot]:
                index = v.service_slots[slot] - 1
                if v.service_keys[index] == key:
                    return index
                slot = (slot + 1) & v.service_mask
    return v.service_count


cdef void add_backends(
    const View* v, const Case* c, size_t entry, Way way, const Identity* s, Merge* m
) noexcept nogil:
    cdef const uint32_t* e = v.service_entries + 3 * entry
    cdef Identity d
    cdef Outcome item
    cdef size_t i
    cdef uint32_t judged = s.pod  # pod of the backend judged last; as if the source's for none
    # Replicas of one workload come out alike, and most services are that. Only a hairpin, or a node
    # as source (or as what the server saw), can tell them apart.
    cdef bint alike = not s.is_node and not c.seen_differs
    way.via_service = True
    way.port_known = True
    for i in range(e[0], e[0] + e[1]):
        if (
            alike and i > e[0] and v.backend_alike[i]
            and v.backend_pods[i] != s.pod and judged != s.pod
        ):
            m.count += 1
            continue
        load_identity(v, v.backend_endpoints[i], &d)
        way.port = v.backend_ports[i]
        way.source_nat = v.backend_source_nat[i]
        pair(v, c, &way, s, &d, &item)
        merge_add(v, m, &item)
        judged = v.backend_pods[i]


cdef void expand(
    const View* v, const Case* c, size_t entry, const Way* way, const Identity* s, Outcome* out
) noexcept nogil:
    """VIP expansion (C6, R8)."""
    cdef Merge m
    m.count = 0
    add_backends(v, c, entry, way[0], s, &m)
    if m.count:
        merge_end(v, &m, False, SERVICE_BACKEND_DEPENDENT, MERGED_SERVICE_BACKEND_DEPENDENT, out)
    elif v.no_policies:  # C7.1: whoever the backend is, nothing isolates it
        allow_flow(NOT_ISOLATED, 0, s, s, out)
        out.egress = side_decision(v, &v.egress, s.egress_row, 0, 0, 0)
    else:
        out.verdict = UNKNOWN
        out.special = SERVICE_NO_ENDPOINTS
        out.egress = MERGED_SERVICE_NO_ENDPOINTS if s.pod else 0
        out.ingress = MERGED_SERVICE_NO_ENDPOINTS
        out.side = (1 if s.pod else 0) | 2


cdef inline bint compatible(const View* v, const Case* c, size_t entry) noexcept nogil:
    """Whether a service port may be the one meant, going by what is recorded."""
    cdef uint64_t key = v.service_keys[entry]
    if c.protocol != NO_PROTOCOL and ((key >> 16) & 0xFF) != c.protocol:
        return False
    return not c.dport_known or (key & 0xFFFF) == c.dport


cdef size_t next_possible(const View* v, const Case* c, size_t* group, size_t index) noexcept nogil:
    """Walk the service ports the flow may mean, own group first; service_count at the end.

    Start with ``group[0] == 0`` and any index; then pass what it gave, plus 1.
    """
    cdef const uint32_t* link = v.links + 8 * <size_t> c.dst
    cdef uint32_t wanted
    while group[0] <= 2:
        if group[0] == 0:
            group[0] = 1
            index = first_key(v, <uint64_t> link[LINK_OWN_GROUP] << 24)
        wanted = link[LINK_OWN_GROUP if group[0] == 1 else LINK_NODE_PORT_GROUP]
        while wanted and index < v.service_count and (v.service_keys[index] >> 24) == wanted:
            if compatible(v, c, index):
                return index
            index += 1
        group[0] += 1
        index = first_key(v, <uint64_t> link[LINK_NODE_PORT_GROUP] << 24)
    return v.service_count


cdef void add_possible_backends(
    const View* v, const Case* c, const Way* way, const Identity* s, Merge* m
) noexcept nogil:
    """Add the backends of every service port that an unrecorded port or protocol may mean (R9)."""
    cdef Way other = way[0]
    cdef size_t group = 0
    cdef size_t index = next_possible(v, c, &group, 0)
    while index < v.service_count:
        other.protocol = <uint8_t> ((v.service_keys[index] >> 16) & 0xFF)
        other.dialled = c.dst
        add_backends(v, c, index, other, s, m)
        index = next_possible(v, c, &group, index + 1)


cdef void uncertain(
    const View* v, const Case* c, const Way* way, const Identity* s, Outcome* out
) noexcept nogil:
    """A service address whose port or protocol is not recorded (R9)."""
    cdef Merge m
    cdef Identity d
    cdef Outcome item
    cdef size_t i
    m.count = 0
    for i in range(candidate_count(v, c.dst, 0)):
        candidate(v, c.dst, 0, i, &d)
        pair(v, c, way, s, &d, &item)
        merge_add(v, &m, &item)
    add_possible_backends(v, c, way, s, &m)
    if way.protocol == NO_PROTOCOL:
        merge_end(v, &m, False, UNKNOWN_PROTOCOL, MERGED_UNKNOWN_PROTOCOL, out)
    else:
        merge_end(v, &m, False, UNKNOWN_PORT, MERGED_UNKNOWN_PORT, out)


# --- the whole flow -------------------------------------------------------------------------------


cdef bint settled_at_once(
    const View* v, const Case* c, size_t entry, Outcome* out
) noexcept nogil:
    """Neighbour discovery (A17.4), ICMP errors (A17.3, R18) and loopback (A10.2)."""
    cdef uint8_t kind = c.icmp_type
    cdef uint32_t decision = 0
    cdef uint8_t special = 0
    cdef Identity s, d
    if c.protocol == 58 and 133 <= kind <= 137:
        special, decision = NEIGHBOUR_DISCOVERY, WHOLE_NEIGHBOUR_DISCOVERY
    elif c.protocol == 58 and 1 <= kind <= 4:
        special, decision = REPLY, WHOLE_REPLY
    elif c.protocol == 1 and (kind == 3 or kind == 4 or kind == 5 or kind == 11 or kind == 12):
        special, decision = REPLY, WHOLE_REPLY
    elif (flags_of(v, c.src) | flags_of(v, c.dst)) & IS_LOOPBACK:
        special, decision = LOOPBACK, WHOLE_LOOPBACK
    else:
        return False
    candidate(v, c.src, c.src_hint, 0, &s)
    if entry < v.service_count and v.service_entries[3 * entry + 1]:
        load_identity(v, v.backend_endpoints[v.service_entries[3 * entry]], &d)
    else:
        candidate(v, c.dst, c.dst_hint, 0, &d)
    allow_flow(special, decision, &s, &d, out)
    return True


cdef inline bint is_uncertain(const Case* c) noexcept nogil:
    if c.protocol == NO_PROTOCOL:
        return True
    return not c.dport_known and (c.protocol == 6 or c.protocol == 17 or c.protocol == 132)


cdef void one_source(
    const View* v, const Case* c, const Way* way, size_t entry, const Identity* s, Merge* m
) noexcept nogil:
    cdef Outcome item
    cdef Identity d
    cdef size_t i
    cdef size_t group = 0
    if entry < v.service_count:
        expand(v, c, entry, way, s, &item)
        merge_add(v, m, &item)
        return
    if c.dst_hint == 0 and flags_of(v, c.dst) & IS_SERVICE and is_uncertain(c):
        if next_possible(v, c, &group, 0) < v.service_count:
            uncertain(v, c, way, s, &item)
            merge_add(v, m, &item)
            return
    for i in range(candidate_count(v, c.dst, c.dst_hint)):
        candidate(v, c.dst, c.dst_hint, i, &d)
        pair(v, c, way, s, &d, &item)
        merge_add(v, m, &item)


cdef void judge(const View* v, const Case* c, Outcome* result) noexcept nogil:
    """Give the outcome of one flow in the initiator's direction."""
    cdef Way way
    cdef Merge m
    cdef Identity s
    cdef size_t i
    cdef size_t entry = v.service_count
    cdef size_t dialled
    if c.dst_hint == 0 and flags_of(v, c.dst) & IS_SERVICE and not is_uncertain(c):
        entry = find_service(v, c.dst, c.protocol, c.dport)
    if settled_at_once(v, c, entry, result):
        return
    way.protocol = c.protocol
    way.port = c.dport
    way.port_known = c.dport_known
    way.via_service = c.via_service
    way.source_nat = NAT_NONE
    way.dialled = c.dst
    if entry == v.service_count and c.via_service and c.dialled_port_known:
        if flags_of(v, c.dialled) & IS_SERVICE:  # R10 for a flow recorded behind its service
            dialled = find_service(v, c.dialled, c.protocol, c.dialled_port)
            if dialled < v.service_count:
                way.source_nat = v.service_entries[3 * dialled + 2]
                way.dialled = c.dialled
    m.count = 0
    for i in range(candidate_count(v, c.src, c.src_hint)):
        candidate(v, c.src, c.src_hint, i, &s)
        one_source(v, c, &way, entry, &s, &m)
    merge_end(v, &m, True, AMBIGUOUS_IP, MERGED_AMBIGUOUS_IP, result)


# --- notes ----------------------------------------------------------------------------------------


cdef uint32_t candidate_notes(
    const View* v, uint32_t endpoint, uint32_t hint, size_t index
) noexcept nogil:
    """Give what is noted of the index-th identity; see ``candidate``."""
    if hint and not flags_of(v, endpoint) & IS_LOOPBACK:
        return v.pod_parts[POD_COLUMNS * <size_t> (hint - 1) + 6]
    if flags_of(v, endpoint) & IS_AMBIGUOUS:
        endpoint = v.alternatives[v.links[8 * <size_t> endpoint + LINK_ALTERNATIVES] + index]
    return v.links[8 * <size_t> endpoint + LINK_NOTES]


cdef uint32_t backend_notes(const View* v, size_t entry) noexcept nogil:
    cdef const uint32_t* e = v.service_entries + 3 * entry
    cdef uint32_t notes = 0
    cdef size_t i
    for i in range(e[1]):
        notes |= v.links[8 * <size_t> v.backend_endpoints[e[0] + i] + LINK_NOTES]
    return notes


cdef uint32_t possible_notes(const View* v, const Case* c) noexcept nogil:
    """Notes of every backend that an unrecorded port or protocol may mean (R9)."""
    cdef uint32_t notes = 0
    cdef size_t group = 0
    cdef size_t index = next_possible(v, c, &group, 0)
    while index < v.service_count:
        notes |= backend_notes(v, index)
        index = next_possible(v, c, &group, index + 1)
    return notes


cdef uint32_t case_notes(const View* v, const Case* c) noexcept nogil:
    """Give what is noted of every identity either end may have."""
    cdef uint32_t notes = 0
    cdef size_t entry, i
    for i in range(candidate_count(v, c.src, c.src_hint)):
        notes |= candidate_notes(v, c.src, c.src_hint, i) & ~<uint32_t> NOTE_OWN_NODE_UNKNOWN
    if c.dst_hint == 0 and flags_of(v, c.dst) & IS_SERVICE:
        if is_uncertain(c):
            notes |= possible_notes(v, c)
        else:
            entry = find_service(v, c.dst, c.protocol, c.dport)
            if entry < v.service_count:
                return notes | backend_notes(v, entry)
    for i in range(candidate_count(v, c.dst, c.dst_hint)):
        notes |= candidate_notes(v, c.dst, c.dst_hint, i)
    return notes
