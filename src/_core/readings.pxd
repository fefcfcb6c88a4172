# What NAT may have shown each side of a pair (A15): every reading judged, unknown if they differ.
#
# R10, R11 and R28 to R33 of docs/semantics.md; netpol.reference.nat says the same slowly.
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from netpol._core.layout cimport (
    LINK_ALTERNATIVES, LINK_ALTERNATIVE_COUNT, LINK_COLUMNS, PART_COLUMNS, PART_EGRESS_CIDR,
    PART_INGRESS_CIDR,
)
from netpol._core.outcome cimport (
    ALLOW, EGRESS_DIALLED, EGRESS_SEES_BACKEND, EGRESS_SEES_NODE, INGRESS_SEEN,
    MERGED_POSSIBLE_NODE_GATEWAY, MERGED_SERVICE_NAT_ORDER, MERGED_SOURCE_NAT, NO_ENDPOINT,
    NO_POD_ENDPOINT, SELF_TRAFFIC, VERDICT_MASK, WAYS_NODE, WAYS_SERVICE, WAY_CLUSTER_IP,
    WAY_NODE_PORT, WAY_OUTSIDE, WAY_PROXY, WHOLE_SELF_TRAFFIC, Case, Outcome,
)
from netpol._core.pairs cimport (
    Identity, Way, allow_flow, candidate, candidate_count, combine, egress_of, first_alternative,
    ingress_of, load_identity, settle, verdict_of,
)
from netpol._core.plain cimport IS_ALONE, IS_AMBIGUOUS, port_class, port_place
from netpol._core.sides cimport flags_of, side_decision
from netpol._core.tables cimport View

cdef struct Readings:
    size_t count
    uint32_t first             # decision that stands if all agree
    uint8_t verdict
    bint differ
    bint gateway               # the first end may be the subject's own node, which differs


cdef inline void read_decision(
    const View* v, const Case* c, Readings* r, uint32_t decision
) noexcept nogil:
    if c.touched != NULL:
        c.touched[decision] = 1
    if r.count == 0:
        r.first = decision
        r.verdict = verdict_of(v, decision)
    elif verdict_of(v, decision) != r.verdict:
        r.differ = True
    r.count += 1


cdef inline bint own_gateway(
    const View* v, const Identity* end, const Identity* subject, Identity* node
) noexcept nogil:
    """Give the subject's node, if an address without an owner may be its gateway (A11.5)."""
    cdef const uint32_t* link
    cdef size_t i
    if end.pod or end.is_node or end.endpoint == NO_ENDPOINT or subject.node == 0:
        return False
    if not flags_of(v, end.endpoint) & IS_ALONE:
        return False
    link = v.links + LINK_COLUMNS * <size_t> end.endpoint
    for i in range(link[LINK_ALTERNATIVE_COUNT]):
        load_identity(v, v.alternatives[link[LINK_ALTERNATIVES] + i], node)
        if node.node == subject.node:
            return True
    return False


cdef inline void read_egress(
    const View* v, const Case* c, Readings* r, const Identity* client, const Identity* peer,
    uint32_t ports, bint hairpin
) noexcept nogil:
    cdef Identity node
    cdef bint is_first = r.count == 0
    read_decision(v, c, r, egress_of(v, client, peer, ports, hairpin))
    if own_gateway(v, peer, client, &node):
        read_decision(v, c, r, egress_of(v, client, &node, ports, False))
        r.gateway |= is_first and r.differ


cdef inline void read_ingress(
    const View* v, const Case* c, Readings* r, const Identity* peer, const Identity* server,
    uint32_t ports, bint hairpin
) noexcept nogil:
    cdef Identity node
    cdef bint is_first = r.count == 0
    read_decision(v, c, r, ingress_of(v, peer, server, ports, hairpin))
    if own_gateway(v, peer, server, &node):
        read_decision(v, c, r, ingress_of(v, &node, server, ports, False))
        r.gateway |= is_first and r.differ


cdef inline uint32_t agreed(const Readings* r, uint32_t merged) noexcept nogil:
    if not r.differ:
        return r.first
    return MERGED_POSSIBLE_NODE_GATEWAY if r.gateway else merged


cdef inline void as_nobody(const View* v, uint32_t endpoint, Identity* out) noexcept nogil:
    """Give the identity of an address that the cluster does not know."""
    if flags_of(v, endpoint) & IS_AMBIGUOUS:  # all have the address
        endpoint = v.alternatives[first_alternative(v, endpoint)]
    out.src_record = NULL
    out.dst_record = NULL
    out.egress_row = out.ingress_row = 0
    out.egress_label = out.ingress_label = 0
    out.egress_cidr = v.parts[PART_COLUMNS * <size_t> endpoint + PART_EGRESS_CIDR]
    out.ingress_cidr = v.parts[PART_COLUMNS * <size_t> endpoint + PART_INGRESS_CIDR]
    out.pod = out.node = 0
    out.endpoint = NO_ENDPOINT
    out.is_node = False


# --- egress ---------------------------------------------------------------------------------------


cdef inline bint is_own(const View* v, uint32_t front, const Identity* client) noexcept nogil:
    """Whether a dialled node is certainly the client's own, which translates first (A15.9)."""
    cdef Identity node
    cdef size_t i
    if client.node == 0:
        return False
    for i in range(candidate_count(v, front, 0)):
        candidate(v, front, 0, i, &node)
        if node.is_node and node.node != client.node:
            return False
    return True


cdef inline void read_fronts(
    const View* v, const Case* c, const Way* way, const Identity* client, bint nodes_only,
    Readings* r
) noexcept nogil:
    """Read egress at whoever has the address that was dialled."""
    cdef uint32_t ports = port_class(&v.plain, port_place(way.protocol, way.front_port, True))
    cdef Identity front
    cdef size_t i
    for i in range(candidate_count(v, way.front, 0)):
        candidate(v, way.front, 0, i, &front)
        if front.is_node or not nodes_only:
            read_egress(v, c, r, client, &front, ports, False)


cdef inline bint is_others(const View* v, uint32_t front, const Identity* client) noexcept nogil:
    """Whether a dialled node is certainly another than the client's."""
    cdef Identity node
    cdef size_t i
    if client.node == 0:
        return False
    for i in range(candidate_count(v, front, 0)):
        candidate(v, front, 0, i, &node)
        if node.is_node and node.node == client.node:
            return False
    return True


cdef inline bint backend_matters(
    const View* v, const Case* c, const Way* way, const Identity* client
) noexcept nogil:
    """Whether egress policies may have seen the server itself."""
    if way.ways == 0 or way.ways & WAYS_SERVICE:
        return True
    if not way.ways & WAYS_NODE or c.evidence & EGRESS_DIALLED:
        return False
    return v.node_port_egress != EGRESS_SEES_NODE or not is_others(v, way.front, client)


cdef inline uint32_t egress_side(
    const View* v, const Case* c, const Way* way, const Identity* client, const Identity* server,
    uint32_t ports, bint hairpin
) noexcept nogil:
    """Judge egress at every end that the client's policies may have seen (A15.9, A15.10).

    ``server`` is NULL for a service without backends, none of which may matter.
    """
    cdef Readings r
    cdef bint proven = (c.evidence & EGRESS_DIALLED) != 0
    r.count = 0
    r.differ = r.gateway = False
    if server != NULL and backend_matters(v, c, way, client):
        read_egress(v, c, &r, client, server, ports, hairpin)
    if way.ways & WAY_PROXY:
        read_fronts(v, c, way, client, False, &r)
    if way.ways & WAYS_NODE and (proven or (
        v.node_port_egress != EGRESS_SEES_BACKEND and not is_own(v, way.front, client)
    )):
        read_fronts(v, c, way, client, True, &r)
    return agreed(&r, MERGED_SERVICE_NAT_ORDER)


cdef inline bint order_matters(
    const View* v, const Way* way, const Identity* s, const Identity* d, uint32_t egress,
    uint32_t ingress
) noexcept nogil:
    """Whether policies that see the service's address would say otherwise (A15.3, A15.11)."""
    cdef const uint8_t* info = v.decision_info
    cdef uint32_t ports
    cdef uint8_t seen
    cdef Identity front
    if not way.ways & WAYS_SERVICE or s.pod == 0:
        return False
    if d.pod == 0 and not d.is_node and verdict_of(v, egress) != ALLOW:
        return True  # it may not be subject to ipBlocks at all
    ports = port_class(&v.plain, port_place(way.protocol, way.front_port, True))
    as_nobody(v, way.front, &front)
    seen = info[side_decision(v, &v.egress, s.egress_row, 0, front.egress_cidr, ports)]
    if combine(seen, info[ingress]) == combine(info[egress], info[ingress]):
        return False
    if d.pod == 0:
        return True
    return (info[side_decision(v, &v.egress, s.egress_row, 0, 0, ports)] ^ seen) & VERDICT_MASK != 0


# --- ingress --------------------------------------------------------------------------------------


cdef inline void read_nodes(
    const View* v, const Case* c, bint v4, const Identity* server, uint32_t ports, Readings* r
) noexcept nogil:
    """Read ingress from every node of a family: those alike by one, the server's own by itself."""
    cdef size_t family = 0 if v4 else 1
    cdef Identity node
    cdef size_t i
    for i in range(v.node_sample_count[family]):
        load_identity(v, v.node_samples[family][i], &node)
        if server.node == 0 or node.node != server.node:
            read_ingress(v, c, r, &node, server, ports, False)
    if server.node:
        for i in range(v.node_starts[family][server.node - 1], v.node_starts[family][server.node]):
            load_identity(v, v.node_endpoints[i], &node)
            read_ingress(v, c, r, &node, server, ports, False)


cdef inline bint goes_straight(const View* v, const Identity* client) noexcept nogil:
    """Whether a node's port is translated where the connection begins, and no node masquerades."""
    return client.pod != 0 and v.node_port_egress == EGRESS_SEES_BACKEND


cdef inline void read_dialled_nodes(
    const View* v, const Case* c, const Way* way, const Identity* server, uint32_t ports,
    Readings* r
) noexcept nogil:
    cdef Identity node
    cdef size_t i
    for i in range(candidate_count(v, way.front, 0)):
        candidate(v, way.front, 0, i, &node)
        if node.is_node:
            read_ingress(v, c, r, &node, server, ports, False)


cdef inline void read_balancers(
    const View* v, const Case* c, const Way* way, const Identity* server, uint32_t ports,
    Readings* r
) noexcept nogil:
    """Read ingress from a balancer, which may have any address outside (A15.10)."""
    cdef size_t family = 0 if way.front_v4 else 1
    cdef Identity balancer
    cdef size_t i
    as_nobody(v, way.front, &balancer)
    read_ingress(v, c, r, &balancer, server, ports, False)
    for i in range(v.outside_count[family]):
        load_identity(v, v.outside[family][i], &balancer)
        read_ingress(v, c, r, &balancer, server, ports, False)


cdef inline void read_recorded(
    const View* v, const Case* c, const Identity* server, uint32_t ports, Readings* r
) noexcept nogil:
    """Read ingress from whoever has the recorded address."""
    cdef Identity other
    cdef size_t i
    for i in range(candidate_count(v, c.seen, 0)):
        candidate(v, c.seen, 0, i, &other)
        read_ingress(v, c, r, &other, server, ports, False)


cdef inline bint is_elsewhere(
    const View* v, const Case* c, const Identity* server
) noexcept nogil:
    """Whether another node than the server's put the recorded source there, so before it (R32)."""
    cdef Identity other
    cdef size_t i
    if server.node == 0:
        return False
    for i in range(candidate_count(v, c.seen, 0)):
        candidate(v, c.seen, 0, i, &other)
        if not other.is_node or other.node == server.node:
            return False
    return True


cdef inline void read_sources(
    const View* v, const Case* c, const Way* way, const Identity* s, const Identity* server,
    uint32_t ports, Readings* r
) noexcept nogil:
    """Read ingress from every source that the server may have seen (A15.5, R10, R11)."""
    cdef bint recorded = c.seen != NO_ENDPOINT
    cdef bint before = way.at_front and c.evidence & EGRESS_DIALLED
    if recorded and c.evidence & INGRESS_SEEN:
        read_recorded(v, c, server, ports, r)
        return
    if recorded and not before:
        if not c.seen_differs or not is_elsewhere(v, c, server):
            read_ingress(v, c, r, s, server, ports, False)
        if c.seen_differs:
            read_recorded(v, c, server, ports, r)
        return
    if way.ways != WAY_PROXY:
        read_ingress(v, c, r, s, server, ports, False)
    if recorded and c.seen_differs:
        read_recorded(v, c, server, ports, r)
    if way.ways & WAY_NODE_PORT and not goes_straight(v, s):
        read_dialled_nodes(v, c, way, server, ports, r)
    if way.ways & WAY_PROXY:
        read_balancers(v, c, way, server, ports, r)
    if way.ways & (WAY_OUTSIDE | WAY_PROXY) or (
        way.ways & WAY_CLUSTER_IP and s.pod == 0 and not s.is_node
    ):
        read_nodes(v, c, way.front_v4, server, ports, r)


cdef inline uint32_t ingress_side(
    const View* v, const Case* c, const Way* way, const Identity* s, const Identity* server,
    uint32_t ports, bint hairpin
) noexcept nogil:
    """Judge ingress for every source that the server may have seen."""
    cdef Readings r
    r.count = 0
    r.differ = r.gateway = False
    if hairpin:  # R12; another node may still masquerade it (A15.9)
        read_ingress(v, c, &r, s, server, ports, True)
        if way.ways & WAY_NODE_PORT and not goes_straight(v, s) and not is_own(
            v, way.front, server
        ):
            read_dialled_nodes(v, c, way, server, ports, &r)
    else:
        read_sources(v, c, way, s, server, ports, &r)
    return agreed(&r, MERGED_SOURCE_NAT)


# --- one pair -------------------------------------------------------------------------------------


cdef inline void pair(
    const View* v, const Case* c, const Way* way, const Identity* s, const Identity* d,
    Outcome* out,
) noexcept nogil:
    """One identity to one identity (C5 eval_pair)."""
    cdef uint32_t ports, egress, ingress
    cdef bint hairpin = s.pod != 0 and s.pod == d.pod
    if s.pod == 0 and d.pod == 0:
        allow_flow(NO_POD_ENDPOINT, 0, s, d, out)  # A9.4
        return
    if hairpin and not way.via_service:
        allow_flow(SELF_TRAFFIC, WHOLE_SELF_TRAFFIC, s, d, out)  # A10.1
        return
    if way.ways == WAY_PROXY:  # it comes back from elsewhere
        hairpin = False
    ports = port_class(&v.plain, port_place(way.protocol, way.port, way.port_known))
    egress = egress_side(v, c, way, s, d, ports, hairpin) if s.pod else 0
    ingress = ingress_side(v, c, way, s, d, ports, hairpin) if d.pod else 0
    settle(v, egress, ingress, out)
    out.order_note = order_matters(v, way, s, d, egress, ingress)
