"""Vectors D11: what NAT shows each side (A11.5, A11.6, A15.8 to A15.13)."""

import pytest

from netpol.model.evidence import Evidence
from worlds import Object, World, endpoint_slice, fixture, node, pod, policy, service

DENIED = "deny ingress np-implicit-deny"
DENIED_OUT = "deny egress np-implicit-deny"
BY_RULE = "allow ingress np-rule"
BY_RULE_OUT = "allow egress np-rule"
OPEN = "allow none not-isolated"
OWN_NODE = "allow none own-node"
SOURCE_NAT = "unknown ingress source-nat"
NAT_ORDER = "unknown egress service-nat-order"
GATEWAY = "unknown ingress possible-node-gateway"
DENY_IN = "{podSelector: {}, policyTypes: [Ingress]}"
DENY_OUT = "{podSelector: {}, policyTypes: [Egress]}"
VIP, BALANCER = "10.96.0.99", "203.0.113.50"


def open_to(direction: str, *cidrs: str) -> str:
    """Give a policy spec that lets its pods talk to some ranges alone, in one direction."""
    side, peers = ("ingress", "from") if direction == "ingress" else ("egress", "to")
    listed = ", ".join(f"{{ipBlock: {{cidr: {cidr}}}}}" for cidr in cidrs)
    kind = side.capitalize()
    return f"{{podSelector: {{}}, policyTypes: [{kind}], {side}: [{{{peers}: [{listed}]}}]}}"


def backed(*addresses: str, port: int = 80, nodes: tuple[str, ...] = (), **spec: object) -> list:
    """Give a fixture with a service x/front of some endpoints, 80 -> ``port``."""
    status = spec.pop("status", None)
    front = service("x/front", VIP, {"port": 80, "targetPort": port, "nodePort": 30080}, **spec)
    if status is not None:
        front["status"] = status
    endpoints = [{"addresses": [address]} for address in addresses]
    for endpoint, name in zip(endpoints, nodes, strict=False):
        endpoint["nodeName"] = name
    return fixture(front, endpoint_slice("x/front", "one", [{"port": port}], *endpoints))


# --- A11.5: gateways ------------------------------------------------------------------------------


def test_a11_5_a_gateway_is_the_node_or_nobody(world: World) -> None:
    deny = policy("x", DENY_IN)
    answer = world.answer(deny, "10.0.0.254 -> x/a tcp/80")
    assert str(answer) == GATEWAY
    assert "possible-node-gateway" in answer.notes
    named = {"node_addresses": (("n1", "10.0.0.254"),)}
    world.check(deny, {"10.0.0.254 -> x/a tcp/80": OWN_NODE}, switches=named)


def test_a11_5_what_both_readings_say_is_certain(world: World) -> None:
    asked = "10.0.0.254 -> x/a tcp/80"
    world.check(policy("x", open_to("ingress", "10.0.0.0/8")), {asked: BY_RULE})
    world.check(policy("x", DENY_IN), {asked: DENIED}, switches={"own_node_ingress": "enforce"})


def test_a11_5_is_about_the_pods_own_node_alone(world: World) -> None:
    world.check(policy("y", DENY_IN), {"10.0.0.254 -> y/a tcp/80": DENIED})
    world.check(policy("y", DENY_IN), {"10.0.1.254 -> y/a tcp/80": GATEWAY})


def test_a11_5_a_finished_pods_address_is_no_gateway(world: World) -> None:
    objects = fixture(pod("x/old", "10.0.0.9", phase="Succeeded"))
    answer = world.answer(policy("x", DENY_IN), "10.0.0.9 -> x/a tcp/80", objects)
    assert str(answer) == DENIED
    assert answer.notes == ("stale-pod-ip", "in-podcidr")


def test_a11_5_towards_a_gateway(world: World) -> None:
    deny, asked = policy("x", DENY_OUT), "x/a -> 10.0.0.254 tcp/10250"
    world.check(deny, {asked: DENIED_OUT})
    opened = {"own_node_egress": "allow"}
    world.check(deny, {asked: "unknown egress possible-node-gateway"}, switches=opened)


# --- A11.6: egress to the own node ----------------------------------------------------------------


def test_a11_6_denied_towards_the_own_node_is_noted(world: World) -> None:
    deny = policy("x", DENY_OUT)
    own = world.answer(deny, "x/a -> n1 tcp/10250")
    assert (str(own), own.notes) == (DENIED_OUT, ("own-node-egress",))
    assert world.answer(deny, "x/a -> n2 tcp/10250").notes == ()
    allowed = world.answer(policy("x", open_to("egress", "192.168.0.0/24")), "x/a -> n1 tcp/10250")
    assert (str(allowed), allowed.notes) == (BY_RULE_OUT, ())
    assert world.answer(deny, "x/a -> n1 icmp").notes == ("unspecified-protocol", "own-node-egress")


def test_a11_6_holds_behind_a_service(world: World) -> None:
    answer = world.answer(policy("x", DENY_OUT), f"x/a -> {VIP} tcp/80", backed("192.168.0.1"))
    assert (str(answer), answer.notes) == (DENIED_OUT, ("own-node-egress",))


# --- A15.8: a client from outside at a ClusterIP --------------------------------------------------


def test_a15_8_a_client_from_outside_is_masqueraded(world: World) -> None:
    asked = f"ext -> {VIP} tcp/80"
    rule = policy("x", open_to("ingress", "8.8.8.8/32"))
    world.check(rule, {asked: SOURCE_NAT}, backed("10.0.0.1"))
    both = policy("x", open_to("ingress", "8.8.8.8/32", "192.168.0.0/24"))
    world.check(both, {asked: BY_RULE}, backed("10.0.0.1"))
    # No node is let in but the pod's own, which is exempt.
    world.check(policy("x", DENY_IN), {asked: SOURCE_NAT}, backed("10.0.0.1"))
    strict = {"own_node_ingress": "enforce"}
    world.check(policy("x", DENY_IN), {asked: DENIED}, backed("10.0.0.1"), switches=strict)


def test_a15_8_pods_and_nodes_keep_their_address(world: World) -> None:
    rule = policy("x", open_to("ingress", "10.0.1.1/32", "192.168.0.2/32"))
    asked = {f"y/a -> {VIP} tcp/80": BY_RULE, f"n2 -> {VIP} tcp/80": BY_RULE}
    world.check(rule, asked, backed("10.0.0.1"))


def test_a15_8_holds_for_a_flow_recorded_behind_the_service(world: World) -> None:
    rule = policy("x", open_to("ingress", "8.8.8.8/32"))
    dialled = {"original_dst": VIP, "original_dport": 80}
    world.check(rule, {"ext -> x/a tcp/80": SOURCE_NAT}, backed("10.0.0.1"), **dialled)
    seen = {"src_seen": "8.8.8.8"}
    world.check(rule, {"ext -> x/a tcp/80": BY_RULE}, backed("10.0.0.1"), **dialled, **seen)


# --- A15.9: ports of nodes ------------------------------------------------------------------------

TO_PODS = "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}}]}]}"
TO_NODES = open_to("egress", "192.168.0.0/24")


@pytest.mark.parametrize("spec", [TO_PODS, TO_NODES])
def test_a15_9_another_nodes_port_is_the_node_or_the_backend(world: World, spec: str) -> None:
    world.check(policy("y", spec), {"y/a -> n1 tcp/30080": NAT_ORDER}, backed("10.0.0.1"))


def test_a15_9_the_own_nodes_port_is_the_backend(world: World) -> None:
    asked = "y/a -> n2 tcp/30080"
    world.check(policy("y", TO_PODS), {asked: BY_RULE_OUT}, backed("10.0.0.1"))
    world.check(policy("y", TO_NODES), {asked: DENIED_OUT}, backed("10.0.0.1"))


def test_a15_9_the_node_is_seen_with_its_own_port(world: World) -> None:
    spec = """
    podSelector: {}
    policyTypes: [Egress]
    egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: 30080}, {port: 80}]}]
    """
    world.check(policy("y", spec), {"y/a -> n1 tcp/30080": BY_RULE_OUT}, backed("10.0.0.1"))
    only = spec.replace("{port: 30080}, ", "")
    world.check(policy("y", only), {"y/a -> n1 tcp/30080": NAT_ORDER}, backed("10.0.0.1"))


def test_a15_9_without_the_clients_node_both_are_read(world: World) -> None:
    objects = [*backed("10.0.0.1"), pod("y/lost", "10.0.1.7", node=None)]
    asked = "10.0.1.7 -> n1 tcp/30080"
    world.check(policy("y", TO_PODS), {asked: NAT_ORDER}, objects)


def test_a15_9_a_record_that_still_names_the_node_settles_it(world: World) -> None:
    proven = {"evidence": Evidence.EGRESS_DIALLED, "src_seen": "10.0.1.1"}
    asked = "y/a -> n1 tcp/30080"
    world.check(policy("y", TO_PODS), {asked: DENIED_OUT}, backed("10.0.0.1"), **proven)
    world.check(policy("y", TO_NODES), {asked: BY_RULE_OUT}, backed("10.0.0.1"), **proven)
    # What the server saw is not settled by that: the dialled node translates later.
    rule = policy("x", open_to("ingress", "10.0.1.0/24"))
    deny_own = {"own_node_ingress": "enforce"}
    world.check(rule, {asked: SOURCE_NAT}, backed("10.0.0.1"), switches=deny_own, **proven)


def test_a15_9_merged_records_keep_the_proof(world: World) -> None:
    merged = {"original_dst": "192.168.0.1", "original_dport": 30080}
    asked = "y/a -> x/a tcp/80"
    world.check(policy("y", TO_PODS), {asked: NAT_ORDER}, backed("10.0.0.1"), **merged)
    merged["evidence"] = Evidence.EGRESS_DIALLED
    world.check(policy("y", TO_PODS), {asked: DENIED_OUT}, backed("10.0.0.1"), **merged)


def test_a15_9_what_is_known_of_an_implementation_settles_it(world: World) -> None:
    asked = "y/a -> n1 tcp/30080"
    for seen, verdict in (("node", DENIED_OUT), ("backend", BY_RULE_OUT)):
        chosen = {"node_port_egress": seen}
        world.check(policy("y", TO_PODS), {asked: verdict}, backed("10.0.0.1"), switches=chosen)
    # Translated where it begins, a connection is not masqueraded on its way; other clients' are.
    strict = {"node_port_egress": "backend", "own_node_ingress": "enforce"}
    rule = policy("x", open_to("ingress", "10.0.1.1/32", "8.8.8.8/32"))
    world.check(rule, {asked: BY_RULE}, backed("10.0.0.1"), switches=strict)
    world.check(rule, {"ext -> n1 tcp/30080": SOURCE_NAT}, backed("10.0.0.1"), switches=strict)
    # The own node translates first, whatever is known of others.
    known = {"node_port_egress": "node"}
    own = "y/a -> n2 tcp/30080"
    world.check(policy("y", TO_PODS), {own: BY_RULE_OUT}, backed("10.0.0.1"), switches=known)
    lost = [*backed("10.0.0.1"), pod("y/lost", "10.0.1.7", node=None)]
    world.check(policy("y", TO_PODS), {"10.0.1.7 -> n1 tcp/30080": NAT_ORDER}, lost, switches=known)


def host_port() -> list[Object]:
    listening = {
        "containers": [{"name": "m", "ports": [{"containerPort": 9100, "hostPort": 9000}]}]
    }
    return fixture(pod("x/metrics", "10.0.0.7", **listening))


def test_a15_9_host_ports_keep_the_client(world: World) -> None:
    asked = "y/a -> n1 tcp/9000"
    world.check(policy("y", TO_PODS), {asked: NAT_ORDER}, host_port())
    world.check(policy("x", open_to("ingress", "10.0.1.1/32")), {asked: BY_RULE}, host_port())
    world.check(policy("x", open_to("ingress", "192.168.0.0/24")), {asked: DENIED}, host_port())


def test_a15_9_a_pod_that_reaches_itself_through_another_node(world: World) -> None:
    asked = "x/a -> n2 tcp/30080"
    world.check(policy("x", DENY_IN), {asked: SOURCE_NAT}, backed("10.0.0.1"))
    # Through its own node nothing but the hairpin is possible.
    world.check(policy("x", DENY_IN), {"x/a -> n1 tcp/30080": "allow none np-hairpin"},
                backed("10.0.0.1"))  # fmt: skip


# --- A15.10: load balancers that nodes do not translate -------------------------------------------


def balanced(mode: str | None, *addresses: str) -> list[Object]:
    ingress = {"ip": BALANCER, **({"ipMode": mode} if mode else {})}
    return backed(*addresses, type="LoadBalancer", status={"loadBalancer": {"ingress": [ingress]}})


@pytest.mark.parametrize("mode", [None, "VIP"])
def test_a15_10_nodes_translate_most_balancers(world: World, mode: str | None) -> None:
    asked = f"y/a -> {BALANCER} tcp/80"
    world.check(policy("y", TO_PODS), {asked: BY_RULE_OUT}, balanced(mode, "10.0.0.1"))


def test_a15_10_egress_is_judged_at_a_proxys_address(world: World) -> None:
    asked = f"y/a -> {BALANCER} tcp/80"
    world.check(policy("y", TO_PODS), {asked: DENIED_OUT}, balanced("Proxy", "10.0.0.1"))
    outside = policy("y", open_to("egress", "203.0.113.0/24"))
    world.check(outside, {asked: BY_RULE_OUT}, balanced("Proxy", "10.0.0.1"))
    # Whether there is a backend is the balancer's business.
    world.check(policy("y", TO_PODS), {asked: DENIED_OUT}, balanced("Proxy"))
    world.check(outside, {asked: "unknown ingress service-no-endpoints"}, balanced("Proxy"))


def test_a15_10_what_a_server_sees_of_a_proxy_is_not_recorded(world: World) -> None:
    asked = f"y/a -> {BALANCER} tcp/80"
    objects = balanced("Proxy", "10.0.0.1")
    world.check(policy("x", DENY_IN), {asked: SOURCE_NAT}, objects)
    near = policy("x", open_to("ingress", "203.0.113.0/24", "192.168.0.0/24"))
    world.check(near, {asked: SOURCE_NAT}, objects)
    world.check(policy("x", open_to("ingress", "0.0.0.0/0")), {asked: BY_RULE}, objects)
    strict = {"own_node_ingress": "enforce"}
    world.check(policy("x", DENY_IN), {asked: DENIED}, objects, switches=strict)


def test_a15_10_a_pod_that_reaches_itself_through_a_proxy_is_no_hairpin(world: World) -> None:
    asked = f"x/a -> {BALANCER} tcp/80"
    strict = {"own_node_ingress": "enforce"}
    objects = balanced("Proxy", "10.0.0.1")
    world.check(policy("x", DENY_IN), {asked: DENIED}, objects, switches=strict)


# --- A15.11: services whose endpoints are no pods -------------------------------------------------


def noted(world: World, spec: str, objects: list[Object], **more: object) -> tuple[str, bool]:
    answer = world.answer(policy("y", spec), f"y/a -> {VIP} tcp/80", objects, **more)
    return str(answer), "service-nat-order" in answer.notes


def test_a15_11_endpoints_outside_are_judged_and_noted(world: World) -> None:
    objects = backed("8.8.8.8")
    assert noted(world, open_to("egress", "8.8.8.0/24"), objects) == (BY_RULE_OUT, True)
    assert noted(world, open_to("egress", f"{VIP}/32"), objects) == (DENIED_OUT, True)
    assert noted(world, open_to("egress", "0.0.0.0/0"), objects) == (BY_RULE_OUT, False)
    # It may not be subject to ipBlocks at all.
    assert noted(world, DENY_OUT, objects) == (DENIED_OUT, True)


def test_a15_11_nodes_behind_a_service(world: World) -> None:
    objects = backed("192.168.0.1", port=6443)
    assert noted(world, open_to("egress", f"{VIP}/32"), objects) == (DENIED_OUT, True)
    assert noted(world, TO_NODES, objects) == (BY_RULE_OUT, True)
    assert noted(world, DENY_OUT, objects) == (DENIED_OUT, False)


def test_a15_11_pods_are_noted_only_where_a_block_names_the_service(world: World) -> None:
    objects = backed("10.0.0.1")
    assert noted(world, open_to("egress", f"{VIP}/32"), objects) == (DENIED_OUT, True)
    assert noted(world, TO_PODS, objects) == (BY_RULE_OUT, False)
    assert noted(world, DENY_OUT, objects) == (DENIED_OUT, False)
    ports = "{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 80}]}]}"
    assert noted(world, ports, backed("10.0.0.1", port=8080)) == (DENIED_OUT, False)


def test_a15_11_no_note_where_the_flow_is_denied_anyway(world: World) -> None:
    policies = [policy("y", open_to("egress", f"{VIP}/32")), policy("x", DENY_IN, name="q")]
    answer = world.answer(policies, f"y/a -> {VIP} tcp/80", backed("10.0.0.1"))
    assert (str(answer), answer.notes) == ("deny both np-implicit-deny", ())


def test_a15_11_holds_for_a_flow_recorded_behind_the_service(world: World) -> None:
    rule = policy("y", open_to("egress", "8.8.8.0/24"))
    dialled = {"original_dst": VIP, "original_dport": 80}
    answer = world.answer(rule, "y/a -> ext tcp/80", backed("8.8.8.8"), **dialled)
    assert (str(answer), answer.notes) == (BY_RULE_OUT, ("service-nat-order",))


# --- A15.12: internalTrafficPolicy: Local ---------------------------------------------------------

BACKENDS = ("10.0.0.1", "10.0.1.1")


def local(*addresses: str, nodes: tuple[str, ...]) -> list[Object]:
    return backed(*addresses, nodes=nodes, internalTrafficPolicy="Local")


def test_a15_12_only_the_clients_node_serves(world: World) -> None:
    deny = policy("x", DENY_IN)
    objects = local(*BACKENDS, nodes=("n1", "n2"))
    world.check(deny, {f"x/b -> {VIP} tcp/80": DENIED, f"y/b -> {VIP} tcp/80": OPEN}, objects)
    asked = {f"y/b -> {VIP} tcp/80": "unknown ingress service-backend-dependent"}
    world.check(deny, asked, backed(*BACKENDS, nodes=("n1", "n2")))


def test_a15_12_no_endpoint_on_the_clients_node(world: World) -> None:
    objects = local("10.0.0.1", nodes=("n1",))
    asked = {f"y/b -> {VIP} tcp/80": "unknown both service-no-endpoints"}
    world.check(policy("x", DENY_IN), asked, objects)


def test_a15_12_draining_endpoints_are_tried_among_the_local_ones(world: World) -> None:
    objects = local(*BACKENDS, nodes=("n1", "n2"))
    objects[-1]["endpoints"][0]["conditions"] = {
        "ready": False, "serving": True, "terminating": True,
    }  # fmt: skip
    deny = policy("x", DENY_IN)
    world.check(deny, {f"x/b -> {VIP} tcp/80": DENIED, f"y/b -> {VIP} tcp/80": OPEN}, objects)


def test_a15_12_a_client_on_no_known_node_may_reach_all(world: World) -> None:
    objects = local(*BACKENDS, nodes=("n1", "n2"))
    asked = f"ext -> {VIP} tcp/80"
    strict = {"own_node_ingress": "enforce"}
    verdict = {asked: "unknown ingress service-backend-dependent"}
    world.check(policy("x", DENY_IN), verdict, objects, switches=strict)


def test_a15_12_is_about_cluster_ips_alone(world: World) -> None:
    objects = local(*BACKENDS, nodes=("n1", "n2"))
    asked = {"y/b -> n2 tcp/30080": "unknown ingress service-backend-dependent"}
    strict = {"own_node_ingress": "enforce"}
    world.check(policy("x", DENY_IN), asked, objects, switches=strict)


# --- A15.13: evidence -----------------------------------------------------------------------------


def test_a15_13_what_the_servers_node_recorded_is_what_it_saw(world: World) -> None:
    rule = policy("x", open_to("ingress", "8.8.8.8/32"))
    asked = "ext -> x/a tcp/80"
    # An address that no object names: a tunnel's, say.
    dialled = {"original_dst": "192.168.0.2", "original_dport": 30080, "src_seen": "172.30.0.9"}
    world.check(rule, {asked: SOURCE_NAT}, backed("10.0.0.1"), **dialled)
    proven = {**dialled, "evidence": Evidence.INGRESS_SEEN}
    world.check(rule, {asked: DENIED}, backed("10.0.0.1"), **proven)
    tunnel = policy("x", open_to("ingress", "172.30.0.9/32"))
    world.check(tunnel, {asked: BY_RULE}, backed("10.0.0.1"), **proven)


def test_a15_13_another_nodes_address_was_put_there_before(world: World) -> None:
    rule = policy("x", open_to("ingress", "8.8.8.8/32"))
    dialled = {"original_dst": "192.168.0.2", "original_dport": 30080, "src_seen": "192.168.0.2"}
    world.check(rule, {"ext -> x/a tcp/80": DENIED}, backed("10.0.0.1"), **dialled)


def test_a15_13_a_proof_of_one_side_says_nothing_of_the_other(world: World) -> None:
    asked = "y/a -> x/a tcp/80"
    dialled = {"original_dst": "192.168.0.1", "original_dport": 30080, "src_seen": "192.168.0.1"}
    proven = {**dialled, "evidence": Evidence.INGRESS_SEEN}
    world.check(policy("y", TO_PODS), {asked: NAT_ORDER}, backed("10.0.0.1"), **proven)


def test_a15_13_evidence_of_a_reply_is_dropped_with_its_addresses(world: World) -> None:
    more = {"is_reply": True, "sport": 80, "evidence": Evidence.INGRESS_SEEN}
    world.check(policy("x", DENY_IN), {"x/a -> ext tcp/51000": "deny ingress reply"}, **more)


def test_overlapping_pod_ranges_are_all_read(world: World) -> None:
    wide = node("n3", "192.168.0.3", pod_cidr="10.0.0.0/16")
    world.check(policy("x", DENY_IN), {"10.0.0.254 -> x/a tcp/80": GATEWAY}, fixture(wide))
