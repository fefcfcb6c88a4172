"""Vectors D8 (89-98): lifecycle and identity."""

import datetime

from worlds import World, fixture, pod, policy

DENIED = "deny ingress np-implicit-deny"
BY_RULE = "allow ingress np-rule"
DENY_IN = "{podSelector: {}, policyTypes: [Ingress]}"


def from_pods(label: str) -> dict:
    selector = f"{{matchLabels: {{pod: {label}}}}}"
    return policy("x", f"{{podSelector: {{}}, ingress: [{{from: [{{podSelector: {selector}}}]}}]}}")


def at(text: str) -> int:
    return int(datetime.datetime.fromisoformat(text).timestamp()) * 1_000_000_000


def finished(address: str, end: str | None = "2026-03-01T11:00:00Z") -> dict:
    state = {"terminated": {"finishedAt": end}} if end else {}
    return pod(
        "x/job",
        address,
        labels={"pod": "job"},
        phase="Succeeded",
        startTime="2026-03-01T10:00:00Z",
        containerStatuses=[{"name": "main", "state": state}],
    )


def test_d8_089_terminal_pod_gives_its_address_up(world: World) -> None:
    objects = fixture(finished("10.0.0.2"))
    world.check(from_pods("b"), {"x/b -> x/a tcp/80": BY_RULE}, objects)
    world.check(from_pods("job"), {"x/b -> x/a tcp/80": DENIED}, objects)


def test_d8_090_address_of_a_terminal_pod_is_outside(world: World) -> None:
    answer = world.answer(from_pods("job"), "10.0.0.9 -> x/a tcp/80", fixture(finished("10.0.0.9")))
    assert str(answer) == DENIED
    assert "stale-pod-ip" in answer.notes


def test_d8_091_flow_time_within_the_pods_life(world: World) -> None:
    objects = fixture(finished("10.0.0.9"))
    rule, asked = from_pods("job"), "10.0.0.9 -> x/a tcp/80"
    first, last = at("2026-03-01T10:00:00+00:00"), at("2026-03-01T11:00:00+00:00")
    for time, expected in (
        (first - 1, DENIED),
        (first, BY_RULE),
        (last - 1, BY_RULE),
        (last, DENIED),
    ):
        world.check(rule, {asked: expected}, objects, time=time)
    ended_unknown = fixture(finished("10.0.0.9", None))
    world.check(rule, {asked: DENIED}, ended_unknown, time=first)


def test_d8_092_terminating_pod_is_still_itself(world: World) -> None:
    going = pod("x/b", "10.0.0.2", labels={"pod": "b"}, deletionTimestamp="2026-03-01T10:00:00Z")
    world.check(from_pods("b"), {"x/b -> x/a tcp/80": BY_RULE}, fixture(going))
    world.check(policy("x", DENY_IN), {"y/a -> x/b tcp/80": DENIED}, fixture(going))


def test_d8_093_pending_pod_with_an_address_is_governed(world: World) -> None:
    waiting = pod("x/b", "10.0.0.2", labels={"pod": "b"}, phase="Pending")
    world.check(policy("x", DENY_IN), {"y/a -> x/b tcp/80": DENIED}, fixture(waiting))


def test_d8_094_both_families_are_one_pod(world: World) -> None:
    dual = pod("x/b", "10.0.0.2", "fd00::2", labels={"pod": "b"})
    world.check(from_pods("b"), {"fd00::2 -> x/a6 tcp/80": BY_RULE}, fixture(dual))
    world.check(from_pods("a"), {"fd00::2 -> x/a6 tcp/80": DENIED}, fixture(dual))


def test_d8_095_single_pod_ip_is_enough(world: World) -> None:
    single = pod("x/b", labels={"pod": "b"}, podIP="10.0.0.2", podIPs=None)
    world.check(policy("x", DENY_IN), {"y/a -> x/b tcp/80": DENIED}, fixture(single))


def test_d8_096_two_pods_on_one_address_that_differ(world: World) -> None:
    twin = pod("x/twin", "10.0.0.2", labels={"pod": "twin"})
    world.check(
        from_pods("b"), {"x/b -> x/a tcp/80": "unknown ingress ambiguous-ip"}, fixture(twin)
    )
    world.check(from_pods("a"), {"x/b -> x/a tcp/80": DENIED}, fixture(twin))
    world.check(policy("x", "ingress: [{}]"), {"x/b -> x/a tcp/80": BY_RULE}, fixture(twin))


def test_d8_097_neither_end_is_a_pod(world: World) -> None:
    world.check(policy("x", DENY_IN), {"ext -> n1 tcp/80": "allow none no-pod-endpoint"})


def test_d8_098_unknown_address_is_outside(world: World) -> None:
    spec = "{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}"
    world.check(policy("x", spec), {"10.9.9.9 -> x/a tcp/80": DENIED})
