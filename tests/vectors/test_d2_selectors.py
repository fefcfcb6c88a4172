"""Vectors D2 (21-32): label selectors; those the API refuses are in tests/kube."""

from worlds import World, fixture, namespace, pod, policy

DENIED = "deny ingress np-implicit-deny"
BY_RULE = "allow ingress np-rule"


def from_pods(selector: str) -> dict:
    return policy("x", f"{{podSelector: {{}}, ingress: [{{from: [{{podSelector: {selector}}}]}}]}}")


def from_namespaces(selector: str) -> dict:
    spec = f"{{podSelector: {{}}, ingress: [{{from: [{{namespaceSelector: {selector}}}]}}]}}"
    return policy("x", spec)


def test_d2_021_not_in_matches_where_the_key_is_missing(world: World) -> None:
    rule = from_pods("{matchExpressions: [{key: env, operator: NotIn, values: [prod]}]}")
    world.check(rule, {"x/b -> x/a tcp/80": BY_RULE})
    prod = fixture(pod("x/b", "10.0.0.2", labels={"pod": "b", "env": "prod"}))
    world.check(rule, {"x/b -> x/a tcp/80": DENIED}, prod)


def test_d2_022_does_not_exist_matches_where_the_key_is_missing(world: World) -> None:
    rule = from_pods("{matchExpressions: [{key: env, operator: DoesNotExist}]}")
    world.check(rule, {"x/b -> x/a tcp/80": BY_RULE})
    empty = fixture(pod("x/b", "10.0.0.2", labels={"env": ""}))
    world.check(rule, {"x/b -> x/a tcp/80": DENIED}, empty)


def test_d2_023_empty_value_does_not_match_a_missing_key(world: World) -> None:
    world.check(from_pods('{matchLabels: {tier: ""}}'), {"x/b -> x/a tcp/80": DENIED})


def test_d2_024_empty_value_matches_an_empty_label(world: World) -> None:
    objects = fixture(pod("x/b", "10.0.0.2", labels={"pod": "b", "tier": ""}))
    world.check(from_pods('{matchLabels: {tier: ""}}'), {"x/b -> x/a tcp/80": BY_RULE}, objects)


def test_d2_028_contradiction_matches_nothing(world: World) -> None:
    rule = from_pods(
        "{matchLabels: {a: x}, matchExpressions: [{key: a, operator: NotIn, values: [x]}]}"
    )
    for labels in ({}, {"a": "x"}, {"a": "y"}):
        objects = fixture(pod("x/b", "10.0.0.2", labels=labels))
        world.check(rule, {"x/b -> x/a tcp/80": DENIED}, objects)


def test_d2_029_name_label_is_there_without_labels(world: World) -> None:
    bare = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "y"}}
    rule = from_namespaces("{matchLabels: {kubernetes.io/metadata.name: y}}")
    world.check(rule, {"y/a -> x/a tcp/80": BY_RULE, "z/c -> x/a tcp/80": DENIED}, fixture(bare))


def test_d2_030_name_label_overrides_the_manifest(world: World) -> None:
    lying = namespace("y", **{"kubernetes.io/metadata.name": "foo"})
    rule = from_namespaces("{matchLabels: {kubernetes.io/metadata.name: y}}")
    world.check(rule, {"y/a -> x/a tcp/80": BY_RULE}, fixture(lying))
    rule = from_namespaces("{matchLabels: {kubernetes.io/metadata.name: foo}}")
    world.check(rule, {"y/a -> x/a tcp/80": DENIED}, fixture(lying))


def test_d2_031_labels_of_an_absent_namespace_are_unknown(world: World) -> None:
    rule = from_namespaces("{matchLabels: {team: y}}")
    objects = fixture(without=("y",))
    unknown = "unknown ingress namespace-labels-unknown"
    world.check(rule, {"y/a -> x/a tcp/80": unknown}, objects)
    answer = world.answer(rule, "y/a -> x/a tcp/80", objects)
    assert answer.ingress == ("unknown", "namespace-labels-unknown", "x/p", 0)
    named = {"missing_namespace": "name-label-only"}
    world.check(rule, {"y/a -> x/a tcp/80": DENIED}, objects, named)


def test_d2_032_not_in_matches_a_namespace_without_the_key(world: World) -> None:
    rule = from_namespaces("{matchExpressions: [{key: team, operator: NotIn, values: [x]}]}")
    world.check(rule, {"z/c -> x/a tcp/80": BY_RULE, "x/b -> x/a tcp/80": DENIED})
