"""Judges one flow by the decision procedure C5 and C6, with readings R8-R14, on the tables.

The staged kernel hands over what is not one plain endpoint talking to another: here it becomes
pairs of identities, of every owner of an address and every backend of a service (``pairs``).
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from netpol._core.layout cimport (
    ENTRY_BACKENDS, ENTRY_BACKEND_COUNT, ENTRY_COLUMNS, ENTRY_WAYS, LINK_COLUMNS,
    LINK_NODE_PORT_GROUP, LINK_NOTES, LINK_OWN_GROUP, LOCAL_ENTRY_SHIFT, POD_COLUMNS, POD_NOTES,
    SERVICE_GROUP_SHIFT, SERVICE_PROTOCOL_SHIFT,
)
from netpol._core.outcome cimport (
    ALLOW, AMBIGUOUS_IP, LOCAL_ENTRY, LOOPBACK, MERGED_AMBIGUOUS_IP,
    MERGED_SERVICE_BACKEND_DEPENDENT, MERGED_SERVICE_NO_ENDPOINTS, MERGED_UNKNOWN_PORT,
    MERGED_UNKNOWN_PROTOCOL, NEIGHBOUR_DISCOVERY, NOTE_OWN_NODE_UNKNOWN, NOT_ISOLATED, NO_ENDPOINT,
    NO_PROTOCOL, REPLY, SERVICE_BACKEND_DEPENDENT, SERVICE_NO_ENDPOINTS, UNKNOWN, UNKNOWN_PORT,
    UNKNOWN_PROTOCOL, WHOLE_LOOPBACK, WHOLE_NEIGHBOUR_DISCOVERY, WHOLE_REPLY, Case, Outcome,
)
from netpol._core.pairs cimport (
    Identity, Way, allow_flow, candidate, candidate_count, first_alternative, load_identity, settle,
    side_of, verdict_of,
)
from netpol._core.plain cimport IS_AMBIGUOUS, IS_LOOPBACK, IS_SERVICE
from netpol._core.readings cimport backend_matters, egress_side, pair
from netpol._core.sides cimport flags_of, side_decision
from netpol._core.tables cimport View


# --- merging --------------------------------------------------------------------------------------


cdef struct Merge:
    size_t count
    Outcome first
    bint order_note            # of any
    bint same_verdict
    bint same_side
    bint same_egress           # verdict of that side
    bint same_ingress


cdef void merge_add(const View* v, Merge* m, const Outcome* item) noexcept nogil:
    if m.count == 0:
        m.first = item[0]
        m.same_verdict = m.same_side = m.same_egress = m.same_ingress = True
        m.order_note = item.order_note
    else:
        if item.verdict != m.first.verdict:
            m.same_verdict = False
        if item.side != m.first.side:
            m.same_side = False
        if verdict_of(v, item.egress) != verdict_of(v, m.first.egress):
            m.same_egress = False
        if verdict_of(v, item.ingress) != verdict_of(v, m.first.ingress):
            m.same_ingress = False
        m.order_note |= item.order_note
    m.count += 1


cdef void merge_end(
    const View* v, const Merge* m, bint sides_too, uint8_t special, uint32_t merged, Outcome* out
) noexcept nogil:
    """Agreement gives the first outcome; otherwise unknown, agreeing sides kept (R13, R14)."""
    out[0] = m.first
    out.order_note = m.order_note
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
    cdef const uint32_t* link = v.links + LINK_COLUMNS * <size_t> endpoint
    cdef uint64_t key, slot
    cdef size_t index, i
    cdef uint32_t groups[2]
    groups[0] = link[LINK_OWN_GROUP]
    groups[1] = link[LINK_NODE_PORT_GROUP]
    for i in range(2):
        if groups[i] != 0:
            key = (
                <uint64_t> groups[i] << SERVICE_GROUP_SHIFT
                | <uint64_t> protocol << SERVICE_PROTOCOL_SHIFT | port
            )
            slot = key * 0x9E3779B97F4A7C15ULL
            slot = (slot ^ (slot >> 32)) & v.service_mask
            while v.service_slots[slot]:
                index = v.service_slots[slot] - 1
                if v.service_keys[index] == key:
                    return index
                slot = (slot + 1) & v.service_mask
    return v.service_count


cdef size_t local_entry(const View* v, size_t entry, uint32_t node) noexcept nogil:
    """Give the entry for a client on ``node`` (+ 1; 0 if that is not known) (A15.12)."""
    cdef size_t low = 0
    cdef size_t high = v.local_count
    cdef size_t middle
    cdef uint64_t key = <uint64_t> entry << LOCAL_ENTRY_SHIFT
    if node == 0 or not v.service_entries[ENTRY_COLUMNS * entry + ENTRY_WAYS] & LOCAL_ENTRY:
        return entry
    while low < high:  # the last that is not above the key: its node's, or what is for all others
        middle = (low + high) >> 1
        if v.service_locals[middle] <= (key | node):
            low = middle + 1
        else:
            high = middle
    if v.service_locals[low - 1] == (key | node):
        return v.service_count + low - 1
    low, high = 0, low
    while low < high:
        middle = (low + high) >> 1
        if v.service_locals[middle] < key:
            low = middle + 1
        else:
            high = middle
    return v.service_count + low


cdef inline uint32_t entry_ways(const View* v, size_t entry) noexcept nogil:
    """Give a bit for each way that leads through an entry."""
    return v.service_entries[ENTRY_COLUMNS * entry + ENTRY_WAYS] & ~<uint32_t> LOCAL_ENTRY


cdef void add_backends(
    const View* v, const Case* c, size_t entry, Way way, const Identity* s, Merge* m
) noexcept nogil:
    cdef const uint32_t* e = v.service_entries + ENTRY_COLUMNS * entry
    cdef Identity d
    cdef Outcome item
    cdef size_t first = e[ENTRY_BACKENDS]
    cdef size_t i
    cdef uint32_t judged = s.pod  # pod of the backend judged last, first the source's
    # Replicas of one workload come out alike, and most services have no other backends. Only a
    # hairpin, or a source (also as the server saw it) that may be a node, can tell them apart.
    cdef bint alike = s.pod != 0 and c.seen == NO_ENDPOINT
    way.via_service = True
    way.at_front = True
    way.port_known = True
    for i in range(first, first + e[ENTRY_BACKEND_COUNT]):
        if (
            alike and i > first and v.backend_alike[i]
            and v.backend_pods[i] != s.pod and judged != s.pod
        ):
            m.count += 1
            continue
        load_identity(v, v.backend_endpoints[i], &d)
        way.port = v.backend_ports[i]
        way.ways = <uint32_t> 1 << v.backend_ways[i]
        pair(v, c, &way, s, &d, &item)
        merge_add(v, m, &item)
        judged = v.backend_pods[i]


cdef void expand(
    const View* v, const Case* c, size_t entry, const Way* way, const Identity* s, Outcome* out
) noexcept nogil:
    """VIP expansion (C6, R8)."""
    cdef Merge m
    m.count = 0
    entry = local_entry(v, entry, s.node)
    add_backends(v, c, entry, way[0], s, &m)
    if m.count:
        merge_end(v, &m, False, SERVICE_BACKEND_DEPENDENT, MERGED_SERVICE_BACKEND_DEPENDENT, out)
    elif v.no_policies:  # C7.1: whoever the backend is, nothing isolates it
        allow_flow(NOT_ISOLATED, 0, s, s, out)
        out.egress = side_decision(v, &v.egress, s.egress_row, 0, 0, 0)
    else:
        no_endpoints(v, c, entry, way[0], s, out)


cdef void no_endpoints(
    const View* v, const Case* c, size_t entry, Way way, const Identity* s, Outcome* out
) noexcept nogil:
    """A service without backends: what egress sees may still be known (A15.9, A15.10)."""
    cdef uint32_t egress = 0
    way.ways = entry_ways(v, entry)
    if s.pod:
        egress = MERGED_SERVICE_NO_ENDPOINTS
        if not backend_matters(v, c, &way, s):
            egress = egress_side(v, c, &way, s, NULL, 0, False)
    settle(v, egress, MERGED_SERVICE_NO_ENDPOINTS, out)
    if out.verdict == UNKNOWN:
        out.special = SERVICE_NO_ENDPOINTS


cdef inline bint compatible(const View* v, const Case* c, size_t entry) noexcept nogil:
    """Whether a service port may be the one meant, going by what is recorded."""
    cdef uint64_t key = v.service_keys[entry]
    if c.protocol != NO_PROTOCOL and ((key >> SERVICE_PROTOCOL_SHIFT) & 0xFF) != c.protocol:
        return False
    return not c.dport_known or (key & 0xFFFF) == c.dport


cdef size_t next_possible(const View* v, const Case* c, size_t* group, size_t index) noexcept nogil:
    """Walk the service ports the flow may mean, own group first; service_count at the end.

    Start with ``group[0] == 0`` and any index; then pass what it gave, plus 1.
    """
    cdef const uint32_t* link = v.links + LINK_COLUMNS * <size_t> c.dst
    cdef uint32_t wanted
    while group[0] <= 2:
        if group[0] == 0:
            group[0] = 1
            index = first_key(v, <uint64_t> link[LINK_OWN_GROUP] << SERVICE_GROUP_SHIFT)
        wanted = link[LINK_OWN_GROUP if group[0] == 1 else LINK_NODE_PORT_GROUP]
        while wanted and index < v.service_count:
            if v.service_keys[index] >> SERVICE_GROUP_SHIFT != wanted:
                break
            if compatible(v, c, index):
                return index
            index += 1
        group[0] += 1
        index = first_key(v, <uint64_t> link[LINK_NODE_PORT_GROUP] << SERVICE_GROUP_SHIFT)
    return v.service_count


cdef inline void set_front(Way* way, uint32_t endpoint, uint16_t port, bint v4) noexcept nogil:
    way.front = endpoint
    way.front_port = port
    way.front_v4 = v4


cdef void add_possible_backends(
    const View* v, const Case* c, const Way* way, const Identity* s, Merge* m
) noexcept nogil:
    """Add the backends of every service port that an unrecorded port or protocol may mean (R9)."""
    cdef Way other = way[0]
    cdef size_t group = 0
    cdef size_t index = next_possible(v, c, &group, 0)
    while index < v.service_count:
        other.protocol = <uint8_t> ((v.service_keys[index] >> SERVICE_PROTOCOL_SHIFT) & 0xFF)
        set_front(&other, c.dst, <uint16_t> (v.service_keys[index] & 0xFFFF), c.v4)
        add_backends(v, c, local_entry(v, index, s.node), other, s, m)
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
    cdef size_t first
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
    if entry < v.service_count and v.service_entries[
        ENTRY_COLUMNS * entry + ENTRY_BACKEND_COUNT
    ]:
        first = v.service_entries[ENTRY_COLUMNS * entry + ENTRY_BACKENDS]
        load_identity(v, v.backend_endpoints[first], &d)
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
    way.ways = 0
    way.at_front = False
    set_front(&way, c.dst, c.dport, c.v4)
    if entry == v.service_count and c.via_service and c.dialled_port_known:
        if flags_of(v, c.dialled) & IS_SERVICE:  # R10 for a flow recorded behind its service
            dialled = find_service(v, c.dialled, c.protocol, c.dialled_port)
            if dialled < v.service_count:
                way.ways = entry_ways(v, dialled)
                set_front(&way, c.dialled, c.dialled_port, c.dialled_v4)
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
        return v.pod_parts[POD_COLUMNS * <size_t> (hint - 1) + POD_NOTES]
    if flags_of(v, endpoint) & IS_AMBIGUOUS:
        endpoint = v.alternatives[first_alternative(v, endpoint) + index]
    return v.links[LINK_COLUMNS * <size_t> endpoint + LINK_NOTES]


cdef uint32_t backend_notes(const View* v, size_t entry) noexcept nogil:
    cdef const uint32_t* e = v.service_entries + ENTRY_COLUMNS * entry
    cdef uint32_t notes = 0
    cdef size_t endpoint, i
    for i in range(e[ENTRY_BACKEND_COUNT]):
        endpoint = v.backend_endpoints[e[ENTRY_BACKENDS] + i]
        notes |= v.links[LINK_COLUMNS * endpoint + LINK_NOTES]
    return notes


cdef uint32_t possible_notes(const View* v, const Case* c, uint32_t node) noexcept nogil:
    """Notes of every backend that an unrecorded port or protocol may mean (R9)."""
    cdef uint32_t notes = 0
    cdef size_t group = 0
    cdef size_t index = next_possible(v, c, &group, 0)
    while index < v.service_count:
        notes |= backend_notes(v, local_entry(v, index, node))
        index = next_possible(v, c, &group, index + 1)
    return notes


cdef uint32_t case_notes(const View* v, const Case* c) noexcept nogil:
    """Give what is noted of every identity either end may have."""
    cdef uint32_t notes = 0
    cdef size_t entry, i
    cdef Identity source
    for i in range(candidate_count(v, c.src, c.src_hint)):
        notes |= candidate_notes(v, c.src, c.src_hint, i) & ~<uint32_t> NOTE_OWN_NODE_UNKNOWN
    if c.dst_hint == 0 and flags_of(v, c.dst) & IS_SERVICE:
        entry = v.service_count
        if not is_uncertain(c):
            entry = find_service(v, c.dst, c.protocol, c.dport)
        for i in range(candidate_count(v, c.src, c.src_hint)):
            candidate(v, c.src, c.src_hint, i, &source)
            if is_uncertain(c):
                notes |= possible_notes(v, c, source.node)
            elif entry < v.service_count:
                notes |= backend_notes(v, local_entry(v, entry, source.node))
        if entry < v.service_count:
            return notes
    for i in range(candidate_count(v, c.dst, c.dst_hint)):
        notes |= candidate_notes(v, c.dst, c.dst_hint, i)
    return notes
