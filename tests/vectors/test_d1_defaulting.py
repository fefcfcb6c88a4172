"""Vectors D1 (1-20): defaulting and emptiness; those the API refuses are in tests/kube."""

from worlds import ADDRESSES, World, fixture, load, namespace, pod, policy

DENIED = "deny ingress np-implicit-deny"
DENIED_OUT = "deny egress np-implicit-deny"
OPEN = "allow none not-isolated"
BY_RULE = "allow ingress np-rule"


def test_d1_001_empty_pod_selector_alone_isolates_ingress(world: World) -> None:
    only = policy("x", "podSelector: {}")
    world.check(only, {"y/a -> x/a tcp/80": DENIED})
    assert world.answer(only, "y/a -> x/a tcp/80").ingress == (
        "deny",
        "np-implicit-deny",
        "x/p",
        None,
    )


def test_d1_002_empty_pod_selector_alone_leaves_egress_open(world: World) -> None:
    world.check(policy("x", "podSelector: {}"), {"x/a -> ext tcp/443": OPEN})


def test_d1_003_absent_and_empty_spec_isolate_ingress(world: World) -> None:
    for spec in (None, "{}"):
        world.check(policy("x", spec), {"y/a -> x/a tcp/80": DENIED, "x/a -> ext tcp/443": OPEN})


def test_d1_004_empty_egress_list_does_not_isolate_egress(world: World) -> None:
    for egress in ("[]", "null"):
        world.check(
            policy("x", f"{{podSelector: {{}}, egress: {egress}}}"), {"x/a -> ext tcp/443": OPEN}
        )


def test_d1_005_allow_all_egress_without_types_isolates_ingress_too(world: World) -> None:
    world.check(
        policy("x", "{podSelector: {}, egress: [{}]}"),
        {"x/a -> ext tcp/443": "allow egress np-rule", "y/a -> x/a tcp/80": DENIED},
    )


def test_d1_006_egress_type_without_rules_isolates_egress_only(world: World) -> None:
    world.check(
        policy("x", "{podSelector: {}, policyTypes: [Egress]}"),
        {"x/a -> ext tcp/443": DENIED_OUT, "y/a -> x/a tcp/80": OPEN},
    )


def test_d1_007_ingress_rules_are_inert_without_the_ingress_type(world: World) -> None:
    spec = """
    podSelector: {}
    policyTypes: [Egress]
    ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}]}]
    """
    world.check(policy("x", spec), {"y/a -> x/a tcp/80": OPEN})


def test_d1_008_egress_rules_are_inert_without_the_egress_type(world: World) -> None:
    spec = """
    podSelector: {}
    policyTypes: [Ingress]
    egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]
    """
    world.check(policy("x", spec), {"x/a -> ext tcp/443": OPEN})


def test_d1_009_empty_ingress_list_denies(world: World) -> None:
    world.check(
        policy("x", "{podSelector: {}, policyTypes: [Ingress], ingress: []}"),
        {"y/a -> x/a tcp/80": DENIED},
    )


def test_d1_010_empty_rule_allows_every_protocol(world: World) -> None:
    world.check(
        policy("x", "{podSelector: {}, ingress: [{}]}"),
        {"ext -> x/a tcp/80": BY_RULE, "ext -> x/a icmp": BY_RULE},
    )


def test_d1_011_empty_from_and_null_ports_are_no_constraint(world: World) -> None:
    world.check(
        policy("x", "{podSelector: {}, ingress: [{from: [], ports: null}]}"),
        {"z/c -> x/a tcp/80": BY_RULE},
    )


def test_d1_013_empty_port_element_is_all_tcp(world: World) -> None:
    world.check(
        policy("x", "{podSelector: {}, ingress: [{ports: [{}]}]}"),
        {"y/a -> x/a tcp/9999": BY_RULE, "y/a -> x/a udp/9999": DENIED},
    )


def test_d1_014_protocol_alone_is_all_its_ports(world: World) -> None:
    world.check(
        policy("x", "{podSelector: {}, ingress: [{ports: [{protocol: UDP}]}]}"),
        {"y/a -> x/a tcp/80": DENIED, "y/a -> x/a udp/1": BY_RULE},
    )


def test_d1_015_repeated_policy_type_counts_once(world: World) -> None:
    world.check(
        policy("x", "{podSelector: {}, policyTypes: [Ingress, Ingress]}"),
        {"y/a -> x/a tcp/80": DENIED, "x/a -> ext tcp/443": OPEN},
    )


def test_d1_017_policy_without_namespace_is_in_default(world: World) -> None:
    objects = fixture(namespace("default"), pod("default/p", "10.0.0.77"))
    answer = world.answer(policy(None, "podSelector: {}"), "y/a -> 10.0.0.77 tcp/80", objects)
    assert str(answer) == DENIED
    assert answer.policy == "default/p"
    world.check(policy(None, "podSelector: {}"), {"y/a -> x/a tcp/80": OPEN}, objects)


def test_d1_020_null_rule_is_the_empty_rule(world: World) -> None:
    read, _ = load([policy("x", "{podSelector: {}, ingress: [null]}")], fixture())
    assert len(read.warnings) == 1
    world.check(policy("x", "{podSelector: {}, ingress: [null]}"), {"z/c -> x/a tcp/80": BY_RULE})


def test_the_fixture_is_the_one_of_the_specification() -> None:
    held = {p["status"]["podIPs"][0]["ip"] for p in fixture() if p["kind"] == "Pod"}
    assert held == {ADDRESSES[name] for name in ("x/a", "x/b", "y/a", "y/b", "z/c", "x/h")}
