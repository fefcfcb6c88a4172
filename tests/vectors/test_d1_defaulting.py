"""Vectors D1 (1-20): defaulting and emptiness; those the API refuses are in tests/kube."""

from worlds import ADDRESSES, World, fixture, namespace, pod, policy

DENIED = "deny ingress np-implicit-deny"
DENIED_OUT = "deny egress np-implicit-deny"
OPEN = "allow none not-isolated"
BY_RULE = "allow ingress np-rule"


def test_d1_001_empty_pod_selector_alone_isolates_ingress(world: World) -> None:
    only = policy("X", "podSelector: {}")
    world.check(only, {"Y/a -> X/a tcp/80": DENIED})
    assert world.answer(only, "Y/a -> X/a tcp/80").ingress == (
        "deny",
        "np-implicit-deny",
        "X/p",
        None,
    )


def test_d1_002_empty_pod_selector_alone_leaves_egress_open(world: World) -> None:
    world.check(policy("X", "podSelector: {}"), {"X/a -> ext tcp/443": OPEN})


def test_d1_003_absent_and_empty_spec_isolate_ingress(world: World) -> None:
    for spec in (None, "{}"):
        world.check(policy("X", spec), {"Y/a -> X/a tcp/80": DENIED, "X/a -> ext tcp/443": OPEN})


def test_d1_004_empty_egress_list_does_not_isolate_egress(world: World) -> None:
    for egress in ("[]", "null"):
        world.check(
            policy("X", f"{{podSelector: {{}}, egress: {egress}}}"), {"X/a -> ext tcp/443": OPEN}
        )


def test_d1_005_allow_all_egress_without_types_isolates_ingress_too(world: World) -> None:
    world.check(
        policy("X", "{podSelector: {}, egress: [{}]}"),
        {"X/a -> ext tcp/443": "allow egress np-rule", "Y/a -> X/a tcp/80": DENIED},
    )


def test_d1_006_egress_type_without_rules_isolates_egress_only(world: World) -> None:
    world.check(
        policy("X", "{podSelector: {}, policyTypes: [Egress]}"),
        {"X/a -> ext tcp/443": DENIED_OUT, "Y/a -> X/a tcp/80": OPEN},
    )


def test_d1_007_ingress_rules_are_inert_without_the_ingress_type(world: World) -> None:
    spec = """
    podSelector: {}
    policyTypes: [Egress]
    ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}]}]
    """
    world.check(policy("X", spec), {"Y/a -> X/a tcp/80": OPEN})


def test_d1_008_egress_rules_are_inert_without_the_egress_type(world: World) -> None:
    spec = """
    podSelector: {}
    policyTypes: [Ingress]
    egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]
    """
    world.check(policy("X", spec), {"X/a -> ext tcp/443": OPEN})


def test_d1_009_empty_ingress_list_denies(world: World) -> None:
    world.check(
        policy("X", "{podSelector: {}, policyTypes: [Ingress], ingress: []}"),
        {"Y/a -> X/a tcp/80": DENIED},
    )


def test_d1_010_empty_rule_allows_every_protocol(world: World) -> None:
    world.check(
        policy("X", "{podSelector: {}, ingress: [{}]}"),
        {"ext -> X/a tcp/80": BY_RULE, "ext -> X/a icmp": BY_RULE},
    )


def test_d1_011_empty_from_and_null_ports_are_no_constraint(world: World) -> None:
    world.check(
        policy("X", "{podSelector: {}, ingress: [{from: [], ports: null}]}"),
        {"Z/c -> X/a tcp/80": BY_RULE},
    )


def test_d1_013_empty_port_element_is_all_tcp(world: World) -> None:
    world.check(
        policy("X", "{podSelector: {}, ingress: [{ports: [{}]}]}"),
        {"Y/a -> X/a tcp/9999": BY_RULE, "Y/a -> X/a udp/9999": DENIED},
    )


def test_d1_014_protocol_alone_is_all_its_ports(world: World) -> None:
    world.check(
        policy("X", "{podSelector: {}, ingress: [{ports: [{protocol: UDP}]}]}"),
        {"Y/a -> X/a tcp/80": DENIED, "Y/a -> X/a udp/1": BY_RULE},
    )


def test_d1_015_repeated_policy_type_counts_once(world: World) -> None:
    world.check(
        policy("X", "{podSelector: {}, policyTypes: [Ingress, Ingress]}"),
        {"Y/a -> X/a tcp/80": DENIED, "X/a -> ext tcp/443": OPEN},
    )


def test_d1_017_policy_without_namespace_is_in_default(world: World) -> None:
    objects = fixture(namespace("default"), pod("default/p", "10.0.0.77"))
    answer = world.answer(policy(None, "podSelector: {}"), "Y/a -> 10.0.0.77 tcp/80", objects)
    assert str(answer) == DENIED
    assert answer.policy == "default/p"
    world.check(policy(None, "podSelector: {}"), {"Y/a -> X/a tcp/80": OPEN}, objects)


def test_d1_020_null_rule_is_the_empty_rule(world: World) -> None:
    world.check(policy("X", "{podSelector: {}, ingress: [null]}"), {"Z/c -> X/a tcp/80": BY_RULE})


def test_the_fixture_is_the_one_of_the_specification() -> None:
    held = {p["status"]["podIPs"][0]["ip"] for p in fixture() if p["kind"] == "Pod"}
    assert held == {ADDRESSES[name] for name in ("X/a", "X/b", "Y/a", "Y/b", "Z/c", "X/h")}
