"""Vectors D4 (41-53): ipBlock; those the API refuses are in tests/kube."""

from worlds import World, policy

DENIED = "deny ingress np-implicit-deny"
DENIED_OUT = "deny egress np-implicit-deny"
BY_RULE = "allow ingress np-rule"
BY_RULE_OUT = "allow egress np-rule"


def ingress_from(block: str) -> dict:
    return policy("x", f"{{podSelector: {{}}, ingress: [{{from: [{{ipBlock: {block}}}]}}]}}")


def egress_to(block: str, name: str = "p") -> dict:
    spec = f"{{podSelector: {{}}, policyTypes: [Egress], egress: [{{to: [{{ipBlock: {block}}}]}}]}}"
    return policy("x", spec, name)


def test_d4_041_block_holds_a_pod_address(world: World) -> None:
    world.check(egress_to("{cidr: 10.0.1.1/32}"), {"x/a -> y/a tcp/80": BY_RULE_OUT})
    for scope in ("non-pod", "non-cluster"):
        switches = {"ipblock_scope": scope}
        denied = {"x/a -> y/a tcp/80": DENIED_OUT}
        world.check(egress_to("{cidr: 10.0.1.1/32}"), denied, switches=switches)


def test_d4_042_except_leaves_out(world: World) -> None:
    world.check(
        egress_to("{cidr: 10.0.0.0/16, except: [10.0.1.1/32]}"),
        {"x/a -> y/a tcp/80": DENIED_OUT, "x/a -> y/b tcp/80": BY_RULE_OUT},
    )


def test_d4_043_except_binds_its_own_block_only(world: World) -> None:
    both = [
        egress_to("{cidr: 10.0.0.0/16, except: [10.0.1.1/32]}"),
        egress_to("{cidr: 10.0.1.1/32}", "q"),
    ]
    world.check(both, {"x/a -> y/a tcp/80": BY_RULE_OUT})
    answer = world.answer(both, "x/a -> y/a tcp/80")
    assert answer.egress == ("allow", "np-rule", "x/q", 0)


def test_d4_044_whole_range_holds_pods_and_outside(world: World) -> None:
    world.check(
        ingress_from("{cidr: 0.0.0.0/0}"),
        {"y/a -> x/a tcp/80": BY_RULE, "ext -> x/a tcp/80": BY_RULE},
    )


def test_d4_045_families_never_match_across(world: World) -> None:
    world.check(ingress_from("{cidr: 0.0.0.0/0}"), {"ext6 -> x/a6 tcp/80": DENIED})
    world.check(ingress_from("{cidr: '::/0'}"), {"ext -> x/a tcp/80": DENIED})
    world.check(ingress_from("{cidr: '::/0'}"), {"ext6 -> x/a6 tcp/80": BY_RULE})


def test_d4_046_host_bits_are_masked_off(world: World) -> None:
    world.check(
        ingress_from("{cidr: 10.0.0.5/24}"),
        {"x/b -> x/a tcp/80": BY_RULE, "y/a -> x/a tcp/80": DENIED},
    )


def test_d4_047_leading_zeros_are_decimal(world: World) -> None:
    world.check(
        ingress_from("{cidr: 010.0.0.0/8}"),
        {"ext -> x/a tcp/80": DENIED, "y/a -> x/a tcp/80": BY_RULE},
    )


def test_d4_048_mapped_prefix_is_the_v4_prefix(world: World) -> None:
    world.check(
        ingress_from("{cidr: '::ffff:10.0.0.0/104'}"),
        {"y/a -> x/a tcp/80": BY_RULE, "ext -> x/a tcp/80": DENIED},
    )


def test_d4_051_mapped_flow_address_is_the_v4_pod(world: World) -> None:
    spec = """
    podSelector: {}
    ingress:
    - from: [{namespaceSelector: {matchLabels: {team: y}}, podSelector: {matchLabels: {pod: a}}}]
    """
    world.check(policy("x", spec), {"::ffff:10.0.1.1 -> x/a tcp/80": BY_RULE})
    world.check(ingress_from("{cidr: 10.0.1.1/32}"), {"::ffff:10.0.1.1 -> x/a tcp/80": BY_RULE})


def test_d4_052_block_holds_a_node_address(world: World) -> None:
    rule = ingress_from("{cidr: 192.168.0.2/32}")
    world.check(rule, {"n2 -> x/a tcp/80": BY_RULE})
    world.check(rule, {"n2 -> x/a tcp/80": BY_RULE}, switches={"ipblock_scope": "non-pod"})
    world.check(rule, {"n2 -> x/a tcp/80": DENIED}, switches={"ipblock_scope": "non-cluster"})


def test_d4_053_overlapping_excepts(world: World) -> None:
    rule = ingress_from("{cidr: 8.0.0.0/8, except: [8.8.0.0/16, 8.8.8.0/24]}")
    world.check(rule, {"ext -> x/a tcp/80": DENIED, "8.9.0.1 -> x/a tcp/80": BY_RULE})
