"""The exhaustive diff against judging every pair of addresses on every port, and its proofs."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import netpol
from analysis.support import (
    Who,
    direct,
    first_addresses,
    holds,
    judged_pairs,
    owners_of,
    random_worlds,
)
from bench import shapes
from netpol.cli.diff_exhaustive import exhaustively
from netpol.compiler.addresses.identities import V4_MAPPED, Identities
from netpol.engine.endpoints import EndpointKind
from netpol.model.errors import CapacityError, ConfigError
from netpol.model.verdict import Verdict
from netpol.questions.allpairs.portsets import join_ports
from netpol.questions.diff.exhaustive import Change, exhaustive_diff
from strategies import MOST_POLICIES, POLICY_BYTES, Case, cases, policies_of
from worlds import adapt_engine, load, namespace, node, pod, policy, service

OTHERS = st.tuples(
    st.binary(min_size=POLICY_BYTES * MOST_POLICIES + 1, max_size=POLICY_BYTES * MOST_POLICIES + 1),
    st.integers(0, 3),
)


def engines_of(case: Case, other: tuple[bytes, int]) -> tuple[Any, Any, Any]:
    """Give two engines of one world: other policies, some of them, more, or the same turned."""
    drawn, way = other
    second = {
        0: [*policies_of(drawn), *case.policies[-2:]],
        1: case.policies[1:],
        2: [*case.policies, *policies_of(drawn)[:1]],
        3: case.policies[::-1],
    }[way]
    names = [(item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"])
             for item in second]  # fmt: skip
    second = [item for index, item in enumerate(second) if names[index] not in names[:index]]
    chosen = {name: getattr(case.switches, name) for name in case.switches.__dataclass_fields__}
    found = []
    for policies in (case.policies, second):
        loaded, snapshot = load(policies, case.objects, case.dns)
        found.append(netpol.compile(loaded, snapshot, **chosen))
    return (*found, snapshot)


def brute(engines: Any, who: list[Who]) -> dict[tuple[Who, Who], dict[tuple[int, int], list[int]]]:
    """Give the port classes that two engines judge otherwise, by pair and by the two verdicts."""
    pairs, numbers, (before, after) = judged_pairs(engines, who)
    found: Any = defaultdict(lambda: defaultdict(list))
    for row, column in np.argwhere(before != after).tolist():
        key = int(before[row, column]), int(after[row, column])
        found[pairs[row]][key].append(numbers[column])
    return found


def is_of(change: Change, pair: tuple[Who, Who]) -> bool:
    sides = zip(
        pair, (change.src, change.dst), (change.src_networks, change.dst_networks), strict=True
    )
    return all(
        one.name == name and (one.kind != "external" or holds(networks, one.address))
        for one, name, networks in sides
    )


@pytest.mark.long
@random_worlds
@given(cases(flows=0), OTHERS)
def test_it_finds_what_judging_everything_finds(case: Case, other: tuple[bytes, int]) -> None:
    case.objects = direct(case.objects)
    before, after, snapshot = engines_of(case, other)
    found = exhaustive_diff(before, after, top=10_000)
    who = owners_of(case, snapshot, first_addresses((before, after)))
    expected = brute((before, after), who)
    identities = Identities.of(snapshot, case.switches)
    shared = any(
        len(owners) > 1 or address in identities.pods_at
        for address, owners in identities.nodes_at.items()
    )
    ports = join_ports((before, after))
    assert len(found.changes) == found.distinct
    # Shared nodes cannot be asked about, and addresses of a node that are alike count once.
    told: Any = defaultdict(set)
    for change in found.changes:
        verdicts = (int(change.before.verdict), int(change.after.verdict))
        for pair, differing in expected.items():
            if is_of(change, pair) and verdicts in differing:
                mask = np.zeros(len(ports), bool)
                mask[differing[verdicts]] = True
                if ports.words(mask) == change.ports:
                    told[change].add(pair)
        pods = not {"external"} & {change.src, change.dst}
        if pods and "node/" not in change.src + change.dst:
            assert change.pairs == len(told[change]), change
        assert told[change] or shared, change
        for place, networks in enumerate((change.src_networks, change.dst_networks)):
            # Every class of external addresses that is named differs, for some pod.
            for one in who:
                if one.kind == "external" and holds(networks, one.address):
                    assert any(pair[place] == one for pair in told[change]), (change, one)
    missed = set(expected) - set().union(*told.values())
    assert not missed
    pairs = sum(a.kind == b.kind == "pod" for a, b in expected)
    assert found.pod_pairs == pairs
    assert not found.proven or not found.changes


@random_worlds
@given(cases(), OTHERS)
def test_what_is_proven_holds_for_every_flow(case: Case, other: tuple[bytes, int]) -> None:
    before, after, _ = engines_of(case, other)
    if exhaustive_diff(before, after).proven:
        flows = [flow for flow in case.flows if not (flow.src_pod or flow.dst_pod)]
        flows = [flow for flow in flows if flow.dport is not None and flow.protocol is not None]
        answers = [adapt_engine(engine, flows) for engine in (before, after)]
        for flow, first, second in zip(flows, *answers, strict=True):
            assert first.verdict == second.verdict, flow


CLUSTER = [
    namespace("x"),
    node("n1", "192.168.0.1"),
    pod("x/a", "10.0.0.1", labels={"app": "a"}),
    pod("x/b", "10.0.0.2", labels={"app": "b"}),
    pod("x/c", "10.0.0.3", labels={"app": "c"}),
]
TOGETHER = """
podSelector: {}
ingress:
- from: [{podSelector: {matchLabels: {app: a}}}, {podSelector: {matchLabels: {app: b}}}]
  ports: [{port: 80}, {port: 443}]
"""
APART = """
podSelector: {}
ingress:
- from: [{podSelector: {matchExpressions: [{key: app, operator: In, values: [b, a]}]}}]
  ports: [{port: 443}]
- from: [{podSelector: {matchLabels: {app: a}}}]
  ports: [{port: 80}]
- from: [{podSelector: {matchLabels: {app: b}}}]
  ports: [{port: 80, endPort: 80}]
"""


def engine_of(*specs: str, objects: Any = CLUSTER, **switches: Any) -> Any:
    policies = [policy("x", spec, f"p{number}") for number, spec in enumerate(specs)]
    return netpol.compile(*load(policies, objects), **switches)


def test_rules_written_apart_are_proven_equal() -> None:
    found = exhaustive_diff(engine_of(TOGETHER), engine_of(APART))
    assert found.proven
    assert found.changes == ()
    assert (found.differing, found.sides, found.unrecorded) == (0, False, False)
    assert found.classes > 0


def test_one_port_less_is_found_and_who_decided() -> None:
    [change] = exhaustive_diff(
        engine_of(TOGETHER), engine_of(APART.replace("{app: a}", "{app: z}"))
    ).changes[:1]
    assert not change.src_networks
    assert [str(ports) for ports in change.ports] == ["80/tcp"]
    assert (change.src, change.before.verdict, change.after.verdict) == (
        "x/a", Verdict.ALLOW, Verdict.DENY,
    )  # fmt: skip
    [credit] = change.before.credits
    assert (credit.policy, credit.rule) == ("x/p0", 0)
    [credit] = change.after.credits
    assert (credit.policy, credit.rule) == ("x/p0", None)


def test_external_addresses_are_told_as_networks() -> None:
    closed = (
        "{podSelector: {matchLabels: {app: a}}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}"
    )
    wider = closed.replace("10.0.0.0/8", "10.0.0.0/7")
    [change] = exhaustive_diff(engine_of(closed), engine_of(wider)).changes
    assert (change.src, change.src_networks, change.dst) == ("external", ("11.0.0.0/8",), "x/a")
    assert change.everything
    assert change.pairs == 1


def test_a_side_that_differs_behind_the_other_is_not_proven() -> None:
    nobody = "{podSelector: {}, policyTypes: [Egress, Ingress]}"
    found = exhaustive_diff(
        engine_of(nobody),
        engine_of(
            nobody, "{podSelector: {matchLabels: {app: a}}, ingress: [{from: [{podSelector: {}}]}]}"
        ),
    )
    assert not found.changes
    assert (found.proven, found.sides) == (False, True)


def test_a_service_without_backends_tells_no_policy_from_some() -> None:
    port = {"port": 80, "protocol": "TCP"}
    cluster = [*CLUSTER, service("x/s", "10.96.0.1", port, selector={"app": "none"})]
    idle = "{podSelector: {matchLabels: {app: none}}}"
    flows = {"src": ["10.0.0.1"], "dst": ["10.96.0.1"], "protocol": ["tcp"], "dport": [80]}
    engines = engine_of(objects=cluster), engine_of(idle, objects=cluster)
    first, second = (int(engine.evaluate(flows).verdict[0]) for engine in engines)
    assert first != second
    found = exhaustive_diff(*engines)
    assert (found.proven, found.changes) == (False, ())
    assert exhaustive_diff(engine_of(), engine_of(idle)).proven


def test_a_pod_and_its_own_node_are_looked_at_by_themselves() -> None:
    closed = "{podSelector: {matchLabels: {app: a}}}"
    other = node("n2", "192.168.0.2")
    engines = [engine_of(*specs, objects=[*CLUSTER, other]) for specs in ((), (closed,))]
    sources = {change.src for change in exhaustive_diff(*engines).changes}
    assert sources == {"external", "node/n2", "x/b", "x/c"}
    enforced = [
        engine_of(*specs, objects=[*CLUSTER, other], own_node_ingress="enforce")
        for specs in ((), (closed,))
    ]
    assert "node/n1" in {change.src for change in exhaustive_diff(*enforced).changes}


def test_other_pods_are_refused() -> None:
    with pytest.raises(ConfigError, match="one snapshot"):
        exhaustive_diff(engine_of(TOGETHER), engine_of(TOGETHER, objects=CLUSTER[:-1]))


def test_a_budget_is_kept() -> None:
    with pytest.raises(CapacityError, match="kinds of subjects"):
        exhaustive_diff(engine_of(TOGETHER), engine_of(APART), memory_budget=16)


def test_what_the_command_takes_as_found() -> None:
    budget = 1 << 30
    closed = "{podSelector: {matchLabels: {app: a}}}"
    outcome = exhaustively(engine_of(), engine_of(closed), top=3, memory_budget=budget)
    assert outcome.found == {"newly-denied"}
    assert b"x/a" in outcome.render(io.StringIO())
    same = exhaustively(
        engine_of(closed), engine_of(closed), output="json", top=3, memory_budget=budget
    )
    assert same.found == set()
    assert json.loads(same.render(io.StringIO()))["equivalent"]
    nobody = "{podSelector: {}, policyTypes: [Egress, Ingress]}"
    more = "{podSelector: {matchLabels: {app: a}}, ingress: [{from: [{podSelector: {}}]}]}"
    unsure = exhaustively(engine_of(nobody), engine_of(nobody, more), top=3, memory_budget=budget)
    assert {"newly-denied", "newly-allowed", "newly-unknown"} < unsure.found
    other = exhaustively(engine_of(TOGETHER), engine_of(APART), top=3, memory_budget=budget)
    assert other.found == {"other-rule"}


@pytest.mark.long
@pytest.mark.parametrize("shape", shapes.SHAPES)
def test_it_agrees_with_flows_of_a_large_world(shape: str) -> None:
    world = shapes.make_world("small", shape, seed=5)
    left = replace(world.policies, policies=world.policies.policies[::2])
    before, after = (netpol.compile(one, world.snapshot) for one in (world.policies, left))
    found = exhaustive_diff(before, after, top=1 << 20)
    assert len(found.changes) == found.distinct
    changes = defaultdict(list)
    for change in found.changes:
        changes[change.src, change.dst].append(change)
    flows = shapes.make_flows(world, 20_000)
    first, second = before.evaluate(flows), after.evaluate(flows)
    kinds = before.endpoints.kind[first.dst_endpoint]
    differing = np.flatnonzero((first.verdict != second.verdict) & (kinds != EndpointKind.SERVICE))
    assert len(differing) > 100
    names = before.endpoints.workload
    for row in differing.tolist():
        src, dst = (names[ends[row]] for ends in (first.src_endpoint, first.dst_endpoint))
        verdicts = int(first.verdict[row]), int(second.verdict[row])
        assert any(
            (change.before.verdict, change.after.verdict) == verdicts
            and is_told(change, int(flows.protocol[row]), int(flows.dport[row]))
            and all(
                not networks or holds(networks, V4_MAPPED | int(ends[row]))
                for networks, ends in (
                    (change.src_networks, flows.src),
                    (change.dst_networks, flows.dst),
                )
            )
            for change in changes[src, dst]
        ), (src, dst, verdicts)


def is_told(change: Change, protocol: int, port: int) -> bool:
    name = {6: "tcp", 17: "udp", 132: "sctp", 1: "icmp", 58: "ipv6-icmp"}.get(protocol, "other")
    return any(
        item.protocol == name
        and (item.ranges is None or any(a <= port <= b for a, b in item.ranges))
        for item in change.ports
    )
