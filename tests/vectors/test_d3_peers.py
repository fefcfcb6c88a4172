"""Vectors D3 (33-40): peers; the one the API refuses is in tests/kube."""

from worlds import World, policy

DENIED = "deny ingress np-implicit-deny"
BY_RULE = "allow ingress np-rule"


def ingress_from(peers: str) -> dict:
    return policy("x", f"{{podSelector: {{}}, ingress: [{{from: {peers}}}]}}")


def test_d3_033_both_selectors_in_one_element_are_anded(world: World) -> None:
    peers = "[{namespaceSelector: {matchLabels: {team: y}}, podSelector: {matchLabels: {pod: b}}}]"
    world.check(ingress_from(peers), {"y/a -> x/a tcp/80": DENIED, "y/b -> x/a tcp/80": BY_RULE})


def test_d3_034_two_elements_are_ored(world: World) -> None:
    peers = (
        "[{namespaceSelector: {matchLabels: {team: y}}}, {podSelector: {matchLabels: {pod: b}}}]"
    )
    world.check(
        ingress_from(peers),
        {
            "y/a -> x/a tcp/80": BY_RULE,
            "x/b -> x/a tcp/80": BY_RULE,
            "z/c -> x/a tcp/80": DENIED,
        },
    )


def test_d3_035_pod_selector_alone_is_the_policys_namespace(world: World) -> None:
    peers = "[{podSelector: {matchLabels: {pod: b}}}]"
    world.check(ingress_from(peers), {"y/b -> x/a tcp/80": DENIED, "x/b -> x/a tcp/80": BY_RULE})


def test_d3_036_empty_pod_selector_is_the_whole_namespace(world: World) -> None:
    world.check(
        ingress_from("[{podSelector: {}}]"),
        {"x/b -> x/a tcp/80": BY_RULE, "y/a -> x/a tcp/80": DENIED},
    )


def test_d3_037_empty_namespace_selector_is_all_pods_but_nothing_outside(world: World) -> None:
    world.check(
        ingress_from("[{namespaceSelector: {}}]"),
        {"z/c -> x/a tcp/80": BY_RULE, "ext -> x/a tcp/80": DENIED},
    )


def test_d3_038_empty_namespace_selector_is_no_node(world: World) -> None:
    world.check(ingress_from("[{namespaceSelector: {}}]"), {"n2 -> x/a tcp/80": DENIED})


def test_d3_040_policy_reaches_its_own_namespace_only(world: World) -> None:
    deny = policy("y", "podSelector: {matchLabels: {pod: a}}")
    world.check(deny, {"z/c -> x/a tcp/80": "allow none not-isolated", "z/c -> y/a tcp/80": DENIED})
