"""Vectors D7 (74-88): isolation, sides, self, node, hostNetwork."""

from worlds import World, fixture, policy, service

DENIED = "deny ingress np-implicit-deny"
DENIED_OUT = "deny egress np-implicit-deny"
OPEN = "allow none not-isolated"
BY_RULE = "allow ingress np-rule"
DENY_ALL = "{podSelector: {}, policyTypes: [Ingress, Egress]}"
DENY_IN = "{podSelector: {}, policyTypes: [Ingress]}"
DENY_OUT = "{podSelector: {}, policyTypes: [Egress]}"


def test_d7_074_policies_add_up(world: World) -> None:
    both = [
        policy("x", DENY_IN, "deny"),
        policy(
            "x",
            "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: y}}}]}]}",
            "from-y",
        ),
    ]
    world.check(both, {"y/a -> x/a tcp/80": BY_RULE, "z/c -> x/a tcp/80": DENIED})
    world.check(both[::-1], {"y/a -> x/a tcp/80": BY_RULE, "z/c -> x/a tcp/80": DENIED})
    assert world.answer(both[::-1], "z/c -> x/a tcp/80").policy == "x/deny"


def test_d7_075_both_ends_must_allow(world: World) -> None:
    out = (
        "{podSelector: {}, policyTypes: [Egress],"
        " egress: [{to: [{namespaceSelector: {matchLabels: {team: y}}}]}]}"
    )
    both = [policy("x", out), policy("y", DENY_IN)]
    answer = world.answer(both, "x/a -> y/a tcp/80")
    assert str(answer) == DENIED
    assert answer.egress == ("allow", "np-rule", "x/p", 0)
    assert answer.ingress == ("deny", "np-implicit-deny", "y/p", None)


def test_d7_076_both_sides_deny(world: World) -> None:
    answer = world.answer([policy("y", DENY_IN), policy("x", DENY_OUT)], "x/a -> y/a tcp/80")
    assert str(answer) == "deny both np-implicit-deny"
    assert answer.policy == "x/p"
    assert answer.ingress.policy == "y/p"


def test_d7_077_directions_are_independent(world: World) -> None:
    world.check(policy("x", DENY_IN), {"x/a -> ext tcp/443": OPEN})


def test_d7_078_pod_reaches_itself(world: World) -> None:
    world.check(policy("x", DENY_ALL), {"x/a -> x/a tcp/80": "allow none self-traffic"})
    world.check(policy("x", DENY_ALL), {"x/a -> x/a6 tcp/80": "allow none self-traffic"})


def test_d7_079_loopback_is_never_filtered(world: World) -> None:
    loopback = "allow none loopback"
    world.check(
        policy("x", DENY_ALL),
        {
            "x/a -> 127.0.0.1 tcp/80": loopback,
            "127.0.0.9 -> x/a tcp/80": loopback,
            "::1 -> ::1 tcp/80": loopback,
        },
    )


def test_d7_080_pod_reaches_itself_through_its_service(world: World) -> None:
    asked = "x/a -> x/a tcp/80"
    dialled = {"original_dst": "10.96.0.10", "original_dport": 80}
    world.check(policy("x", DENY_ALL), {asked: "allow none np-hairpin"}, **dialled)
    enforce = {"np_service_hairpin": "enforce"}
    denied = {asked: "deny both np-implicit-deny"}
    world.check(policy("x", DENY_ALL), denied, switches=enforce, **dialled)
    alone = service("x/svc-a", "10.96.0.10", {"port": 80}, selector={"pod": "a"})
    world.check(
        policy("x", DENY_ALL), {"x/a -> svc-a tcp/80": "allow none np-hairpin"}, fixture(alone)
    )


def test_d7_081_replicas_are_different_pods(world: World) -> None:
    dialled = {"original_dst": "10.96.0.10", "original_dport": 80}
    world.check(policy("x", DENY_IN), {"x/a -> x/b tcp/8080": DENIED}, **dialled)
    world.check(
        policy("x", DENY_ALL), {"x/a -> x/b tcp/8080": "deny both np-implicit-deny"}, **dialled
    )


def test_d7_082_own_node_is_exempt_from_ingress(world: World) -> None:
    deny = policy("x", DENY_IN)
    world.check(deny, {"n1 -> x/a tcp/80": "allow none own-node", "n2 -> x/a tcp/80": DENIED})
    enforce = {"own_node_ingress": "enforce"}
    world.check(deny, {"n1 -> x/a tcp/80": DENIED}, switches=enforce)


def test_d7_083_own_node_is_not_exempt_from_egress(world: World) -> None:
    deny = policy("x", DENY_OUT)
    world.check(deny, {"x/a -> n1 tcp/10250": DENIED_OUT})
    world.check(
        deny,
        {"x/a -> n1 tcp/10250": "allow none own-node", "x/a -> n2 tcp/10250": DENIED_OUT},
        switches={"own_node_egress": "allow"},
    )


def test_d7_084_host_network_pod_is_its_node(world: World) -> None:
    deny = [policy("x", DENY_IN), policy("y", DENY_IN)]
    world.check(deny, {"x/h -> x/a tcp/80": "allow none own-node", "x/h -> y/a tcp/80": DENIED})


def test_d7_085_host_network_pod_is_not_selected(world: World) -> None:
    deny = policy("x", "{podSelector: {matchLabels: {pod: h}}, policyTypes: [Ingress]}")
    world.check(deny, {"x/b -> 192.168.0.1 tcp/9999": OPEN})


def test_d7_086_host_network_pod_is_no_selector_peer(world: World) -> None:
    spec = """
    podSelector: {}
    ingress:
    - from: [{namespaceSelector: {matchLabels: {team: x}}, podSelector: {matchLabels: {pod: h}}}]
    """
    world.check(policy("y", spec), {"x/h -> y/a tcp/80": DENIED})


def test_d7_087_block_holds_a_host_network_pod(world: World) -> None:
    spec = "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 192.168.0.1/32}}]}]}"
    world.check(policy("y", spec), {"x/h -> y/a tcp/80": BY_RULE})


def test_d7_088_unknown_address_in_a_pod_range_may_be_the_node(world: World) -> None:
    answer = world.answer(policy("x", DENY_IN), "10.0.0.254 -> x/a tcp/80")
    assert str(answer) == "unknown ingress possible-node-gateway"
    assert "possible-node-gateway" in answer.notes
    assert "in-podcidr" in answer.notes
    assert "stale-pod-ip" not in answer.notes
    world.check(policy("y", DENY_IN), {"10.0.0.254 -> y/a tcp/80": DENIED})
