"""Vectors D9 (99-111): services, NAT, replies, other protocols."""

from worlds import World, endpoint_slice, fixture, policy, service

DENIED = "deny ingress np-implicit-deny"
DENIED_OUT = "deny egress np-implicit-deny"
OPEN = "allow none not-isolated"
BY_RULE = "allow ingress np-rule"
DENY_IN = "{podSelector: {}, policyTypes: [Ingress]}"
DENY_ALL = "{podSelector: {}, policyTypes: [Ingress, Egress]}"
VIP = "10.96.0.99"


def front(*addresses: str, selector: str = "a", **spec: str) -> list[dict]:
    """Give a service y/front 80 -> 8080 with ready endpoints at some addresses."""
    target = {"port": 80, "targetPort": 8080}
    ready = {"conditions": {"ready": True}}
    return [
        service("y/front", VIP, target, selector={"pod": selector}, **spec),
        endpoint_slice(
            "y/front",
            "front-1",
            [{"port": 8080}],
            *({"addresses": [a], **ready} for a in addresses),
        ),
    ]


def ingress_ports(listed: str) -> dict:
    return policy("y", f"{{podSelector: {{}}, ingress: [{{ports: {listed}}}]}}")


def test_d9_099_service_port_is_not_the_pods_port(world: World) -> None:
    dialled = {"original_dst": VIP, "original_dport": 80}
    objects = fixture(*front("10.0.1.1"))
    rule = ingress_ports("[{port: 80}]")
    world.check(rule, {"x/a -> y/a tcp/8080": DENIED}, objects, **dialled)
    world.check(rule, {f"x/a -> {VIP} tcp/80": DENIED}, objects)


def test_d9_100_target_port_is_the_pods_port(world: World) -> None:
    dialled = {"original_dst": VIP, "original_dport": 80}
    objects = fixture(*front("10.0.1.1"))
    rule = ingress_ports("[{port: 8080}]")
    world.check(rule, {"x/a -> y/a tcp/8080": BY_RULE}, objects, **dialled)
    world.check(rule, {f"x/a -> {VIP} tcp/80": BY_RULE}, objects)


def test_d9_101_all_backends_allowed(world: World) -> None:
    objects = fixture(*front("10.0.1.1", "10.0.1.2"))
    world.check(policy("y", "ingress: [{}]"), {f"x/a -> {VIP} tcp/80": BY_RULE}, objects)
    world.check(policy("x", DENY_IN), {f"x/a -> {VIP} tcp/80": OPEN}, objects)


def test_d9_102_backends_differ(world: World) -> None:
    objects = fixture(*front("10.0.1.1", "10.0.1.2"))
    deny = policy("y", "{podSelector: {matchLabels: {pod: b}}}")
    answer = world.answer(deny, f"x/a -> {VIP} tcp/80", objects)
    assert str(answer) == "unknown ingress service-backend-dependent"
    assert answer.egress == ("allow", "not-isolated", None, None)
    assert answer.ingress == ("unknown", "service-backend-dependent", None, None)


def test_d9_102_no_backend_is_unknown(world: World) -> None:
    answer = world.answer(policy("y", DENY_IN), f"x/a -> {VIP} tcp/80", fixture(*front()))
    assert (answer.verdict, answer.reason) == ("unknown", "service-no-endpoints")
    assert str(world.answer([], f"x/a -> {VIP} tcp/80", fixture(*front()))) == OPEN


def test_d9_103_block_does_not_hold_the_service_address(world: World) -> None:
    spec = """
    podSelector: {}
    policyTypes: [Egress]
    egress: [{to: [{ipBlock: {cidr: 10.96.0.10/32}}]}]
    """
    world.check(policy("x", spec), {"x/b -> svc-a tcp/80": DENIED_OUT})
    dialled = {"original_dst": "10.96.0.10", "original_dport": 80}
    world.check(policy("x", spec), {"x/b -> x/a tcp/80": DENIED_OUT}, **dialled)


def test_d9_104_headless_service_is_plain_pod_traffic(world: World) -> None:
    headless = service(
        "y/headless", "None", {"port": 80, "targetPort": 8080}, selector={"pod": "a"}
    )
    objects = fixture(headless)
    world.check(ingress_ports("[{port: 80}]"), {"x/a -> y/a tcp/80": BY_RULE}, objects)
    world.check(ingress_ports("[{port: 80}]"), {"x/a -> y/a tcp/8080": DENIED}, objects)


def node_port(policy_name: str) -> list[dict]:
    port = {"port": 80, "targetPort": 80, "nodePort": 30080}
    return fixture(
        service(
            "x/svc-a",
            "10.96.0.10",
            port,
            selector={"pod": "a"},
            type="NodePort",
            externalTrafficPolicy=policy_name,
        )
    )


def test_d9_105_node_port_hides_the_client(world: World) -> None:
    spec = "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 8.8.8.8/32}}]}]}"
    asked = "ext -> n2 tcp/30080"
    unknown = {asked: "unknown ingress source-nat"}
    world.check(policy("x", spec), unknown, node_port("Cluster"))
    world.check(policy("x", spec), {asked: BY_RULE}, node_port("Local"))
    # The server's own node is exempt, so on n1 both readings allow.
    world.check(policy("x", spec), {"ext -> n1 tcp/30080": BY_RULE}, node_port("Cluster"))
    world.check(policy("x", DENY_IN), {asked: DENIED}, node_port("Cluster"))


def test_d9_105_recorded_source_replaces_the_guess(world: World) -> None:
    spec = "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 8.8.8.8/32}}]}]}"
    asked = "ext -> x/a tcp/80"
    dialled = {"original_dst": "192.168.0.2", "original_dport": 30080}
    unknown = {asked: "unknown ingress source-nat"}
    allowed = {asked: BY_RULE}
    rule = policy("x", spec)
    world.check(rule, unknown, node_port("Cluster"), **dialled)
    # n2 put its address there before the packet came to n1 (R32); on n1 itself the order is open.
    world.check(rule, {asked: DENIED}, node_port("Local"), **dialled, src_seen="192.168.0.2")
    strict = {"own_node_ingress": "enforce"}
    seen = {"src_seen": "192.168.0.1"}
    world.check(rule, unknown, node_port("Local"), switches=strict, **dialled, **seen)
    world.check(rule, allowed, node_port("Cluster"), **dialled, src_seen="8.8.8.8")
    world.check(rule, allowed, node_port("Local"), **dialled)


def test_d9_106_reply_is_judged_as_what_it_answers(world: World) -> None:
    deny = policy("x", DENY_IN)
    reply = {"is_reply": True, "sport": 443}
    world.check(deny, {"ext -> x/a tcp/51000": "allow none reply"}, **reply)
    world.check(deny, {"x/a -> ext tcp/51000": "deny ingress reply"}, **reply)


def test_d9_107_icmp_meets_portless_rules(world: World) -> None:
    spec = "{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}]}]}"
    world.check(policy("x", spec), {"x/b -> x/a icmp": BY_RULE, "y/a -> x/a icmp": DENIED})
    answer = world.answer(policy("x", spec), "x/b -> x/a icmp")
    assert "unspecified-protocol" in answer.notes


def test_d9_108_icmp_never_meets_a_rule_with_ports(world: World) -> None:
    spec = """
    podSelector: {}
    ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}], ports: [{port: 80}]}]
    """
    world.check(policy("x", spec), {"x/b -> x/a icmp": DENIED})
    unknown = {"x/b -> x/a icmp": "unknown ingress unknown-protocol"}
    world.check(policy("x", spec), unknown, switches={"other_protocols": "unknown"})


def test_d9_109_neighbour_discovery_is_never_filtered(world: World) -> None:
    deny = policy("x", DENY_ALL)
    asked = "ext6 -> x/a6 icmpv6"
    for kind in range(133, 138):
        world.check(deny, {asked: "allow none neighbour-discovery"}, icmp_type=kind)
    for kind in (132, 138, 128):
        world.check(deny, {asked: DENIED}, icmp_type=kind)


def test_d9_110_gre_is_denied_by_default(world: World) -> None:
    deny = policy("x", DENY_IN)
    asked = "y/a -> x/a gre"
    world.check(deny, {asked: DENIED})
    world.check(deny, {asked: "allow none default-allow"}, switches={"other_protocols": "ignore"})
    unknown = {"other_protocols": "unknown"}
    world.check(deny, {asked: "unknown ingress unknown-protocol"}, switches=unknown)
    answer = world.answer(deny, asked, switches=unknown)
    assert answer.ingress == ("unknown", "unknown-protocol", "x/p", None)


def test_d9_111_icmp_errors_belong_to_a_connection(world: World) -> None:
    answer = world.answer(policy("x", DENY_ALL), "ext -> x/a icmp", icmp_type=3, icmp_code=4)
    assert str(answer) == "allow none reply"
    assert "related-icmp" in answer.notes
    six = world.answer(policy("x", DENY_ALL), "ext6 -> x/a6 icmpv6", icmp_type=2)
    assert str(six) == "allow none reply"
