"""Who decides, in the exhaustive diff: every pair and port, the reference and flow diffs agree."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import netpol
from analysis.support import (
    Who,
    as_text,
    direct,
    first_addresses,
    holds,
    owners_of,
    random_worlds,
    verdicts_of_pairs,
)
from analysis.test_diff_random import Judge, specs
from analysis.test_exhaustive import CLUSTER, OTHERS, TOGETHER, engine_of, engines_of
from bench import shapes
from netpol.compiler.addresses.identities import Identities
from netpol.flows.columns.normalise import batch_from
from netpol.model.flow import Flow
from netpol.model.verdict import Side, Verdict
from netpol.questions.allpairs.portsets import join_ports
from netpol.questions.diff.changes import changes_between, compiled_with
from netpol.questions.diff.deciders import Deciders
from netpol.questions.diff.diff import diff
from netpol.questions.diff.exhaustive import Change, Part, exhaustive_diff
from netpol.questions.diff.groups import Kind, kind_of
from netpol.questions.replay.replay import credits_of
from strategies import Case, cases
from worlds import load, policy

#: Each judges every pair of a world by hand: half a minute together.
pytestmark = pytest.mark.long

Told = tuple[Verdict, Any, Verdict, Any]  # verdict and credits before, then after


class Brute(NamedTuple):
    """What two engines say of every pair on every port, flow by flow."""

    pairs: list[tuple[Who, Who]]
    numbers: list[int]
    judged: list[Any]
    unlike: Any  # bool[pairs, ports]

    def told(self, row: int, column: int) -> Told:
        place = row * len(self.numbers) + column
        found: list[Any] = []
        for one in self.judged:
            side = int(one.side[place])
            deciders = credits_of(
                one.engine,
                int(one.egress[place]) if side & Side.EGRESS else 0,
                int(one.ingress[place]) if side & Side.INGRESS else 0,
            )
            found += [Verdict(one.verdict[place]), deciders]
        return tuple(found)  # type: ignore[return-value]

    def differing(self) -> dict[tuple[Verdict, Verdict], dict[int, dict[Told, list[int]]]]:
        """Give by verdicts, pair and who decides the port classes that differ."""
        found: Any = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
        for row, column in np.argwhere(self.unlike).tolist():
            told = self.told(row, column)
            found[told[0], told[2]][row][told].append(self.numbers[column])
        return found


def brute(engines: Any, who: list[Who]) -> Brute:
    pairs, numbers, judged = verdicts_of_pairs(engines, who)
    if not pairs:
        return Brute(pairs, numbers, judged, np.zeros((0, len(numbers)), bool))
    said = marks_of(engines, *judged)
    unlike = (said[0] != said[1]).any(axis=0).reshape(len(pairs), -1)
    return Brute(pairs, numbers, judged, unlike)


def marks_of(engines: Any, *judged: Any) -> list[np.ndarray[Any, Any]]:
    """Give verdict and deciders of both sides of each flow, int64[3, n], by each engine."""
    marks = Deciders(*engines)
    found = []
    for one in judged:
        table, verdict = marks(one.engine).astype(np.int64), one.verdict.astype(np.int64)
        found.append(np.stack([verdict, table[verdict, one.egress], table[verdict, one.ingress]]))
    return found


def is_in(change: Change, part: Part, pair: tuple[Who, Who]) -> bool:
    networks = part.src_networks, part.dst_networks
    return all(
        one.name == name and (one.kind != "external" or holds(held, one.address))
        for one, name, held in zip(pair, (change.src, change.dst), networks, strict=True)
    )


def told_by(part: Part) -> Told:
    return part.before.verdict, part.before.credits, part.after.verdict, part.after.credits


def shares_nodes(case: Case, snapshot: Any) -> bool:
    identities = Identities.of(snapshot, case.switches)
    return any(
        len(owners) > 1 or address in identities.pods_at
        for address, owners in identities.nodes_at.items()
    )


@random_worlds
@given(cases(flows=0), OTHERS)
def test_who_decides_is_what_judging_everything_finds(case: Case, other: tuple[bytes, int]) -> None:
    case.objects = direct(case.objects)
    before, after, snapshot = engines_of(case, other)
    found = exhaustive_diff(before, after, top=10_000, other_rule=True)
    assert found.other_rules is not None
    everything = brute((before, after), owners_of(case, snapshot, first_addresses((before, after))))
    expected = everything.differing()
    ports = join_ports((before, after))
    shared = shares_nodes(case, snapshot)

    def words(numbers: list[int]) -> Any:
        mask = np.zeros(len(ports), bool)
        mask[numbers] = True
        return ports.words(mask)

    missed = {
        (verdicts, row, told)
        for verdicts, rows in expected.items()
        for row, parts in rows.items()
        for told in parts
    }
    for change in (*found.changes, *found.other_rules.changes):
        verdicts = change.before.verdict, change.after.verdict
        assert change.kind is kind_of(*verdicts)
        pairs_of_part = []
        for part in change.parts:
            mine = {
                row
                for row, parts in expected[verdicts].items()
                if words([number for held in parts.values() for number in held]) == change.ports
                and words(parts.get(told_by(part), [])) == part.ports
                and is_in(change, part, everything.pairs[row])
            }
            assert mine or shared, (change, part)
            missed -= {(verdicts, row, told_by(part)) for row in mine}
            if (
                "external" not in (change.src, change.dst)
                and "node/" not in change.src + change.dst
            ):
                assert part.pairs == len(mine), (change, part)
            pairs_of_part.append(mine)
        assert max(part.pairs for part in change.parts) <= change.pairs
        check_responsible(everything, before, after, change, pairs_of_part)
    assert not missed
    rules = {row for (a, b), rows in expected.items() if a == b for row in rows}
    both_pods = {row for row in rules if {one.kind for one in everything.pairs[row]} == {"pod"}}
    assert found.kinds[Kind.OTHER_RULE] >= len(both_pods)
    assert bool(found.kinds[Kind.OTHER_RULE]) == bool(rules) or shared
    for kind in set(Kind) - {Kind.OTHER_RULE}:
        is_there = any(rows for verdicts, rows in expected.items() if kind_of(*verdicts) is kind)
        assert bool(found.kinds[kind]) == is_there or shared


def check_responsible(
    everything: Brute, before: Any, after: Any, change: Change, pairs_of_part: list[set[int]]
) -> None:
    """Make the first change that is named alone, and judge its pairs again."""
    named = [
        (part, rows)
        for part, rows in zip(change.parts, pairs_of_part, strict=True)
        if part.responsible is not None and rows
    ][:1]
    for part, rows in named:
        [single] = [
            one
            for one in changes_between(before.source, after.source)
            if one.change == part.responsible
        ]
        alone = compiled_with(before.source, [single], 1 << 30, netpol.Clusters())
        third = alone.evaluate(everything.judged[0].batch)
        first, second, third = marks_of((before, after), *everything.judged, third)
        settled = third[0] == second[0]
        settled &= (first[0] != second[0]) | (third == second).all(axis=0)
        settled = settled.reshape(len(everything.pairs), -1)
        inside = everything.unlike[sorted(rows)]
        told = np.array(
            [[everything.told(row, column) == told_by(part) if unlike else False
              for column, unlike in enumerate(line)]
             for row, line in zip(sorted(rows), inside.tolist(), strict=True)]
        )  # fmt: skip
        assert settled[sorted(rows)][told].all(), (change, part)


@random_worlds
@given(cases(flows=0), OTHERS, st.randoms(use_true_random=False))
def test_judging_everything_is_what_the_reference_evaluator_says(
    case: Case, other: tuple[bytes, int], random: Any
) -> None:
    case.objects = direct(case.objects)
    before, after, snapshot = engines_of(case, other)
    ends = owners_of(case, snapshot, first_addresses((before, after)))
    everything = brute((before, after), ends)
    loaded = [engine.source[0] for engine in (before, after)]
    was, now = map(specs, loaded)
    first, second = (Judge(one, snapshot, case.switches, was, now) for one in loaded)
    ports = join_ports((before, after))
    count = everything.unlike.size
    for place in random.sample(range(count), min(count, 60)):
        row, column = divmod(place, len(everything.numbers))
        protocol, port = ports.example(everything.numbers[column])
        src, dst = everything.pairs[row]
        flow = Flow(
            src=str(as_text(src.address)), dst=str(as_text(dst.address)), protocol=protocol,
            dport=port or 0, src_pod=src.hint or None, dst_pod=dst.hint or None,
        )  # fmt: skip
        one, two = first(flow), second(flow)
        assert bool(everything.unlike[row, column]) == (one != two), flow
        assert [one[0], two[0]] == [Verdict(each.verdict[place]) for each in everything.judged]


def changed_world(shape: str) -> tuple[Any, Any, Any]:
    """Give two engines: one policy less, one with its rules turned round, one by another name."""
    world = shapes.make_world("small", shape, seed=3)
    policies = list(world.policies.policies)
    turned = next(p for p in policies[5:] if len(p.policy.spec.ingress or ()) > 1)
    moved = msgspec.structs.replace
    spec = moved(turned.policy.spec, ingress=turned.policy.spec.ingress[::-1])
    other = [
        one._replace(policy=moved(one.policy, spec=spec)) if one is turned else one
        for one in policies[1:]
    ]
    named = other[0].policy
    meta = moved(named.metadata, name="another-name")
    other[0] = other[0]._replace(policy=moved(named, metadata=meta))
    after = replace(world.policies, policies=tuple(other))
    before, second = (netpol.compile(one, world.snapshot) for one in (world.policies, after))
    return world, before, second


class Kinds:
    """Takes what a flow diff writes; keeps the kind of each flow by its line."""

    def __init__(self) -> None:
        self.found: dict[int, str] = {}

    def write(self, part: Any) -> None:
        lines = part.differing.first.batch.line.tolist()
        for line, kind in zip(lines, part.to_arrow()["kind"].to_pylist(), strict=True):
            self.found[line] = kind


@pytest.mark.parametrize("shape", shapes.SHAPES)
def test_the_flow_diff_says_the_same_of_every_pair_of_a_change(shape: str) -> None:
    world, before, after = changed_world(shape)
    found = exhaustive_diff(before, after, top=100_000, other_rule=True)
    assert found.other_rules is not None
    changes = [
        change
        for change in (*found.changes, *found.other_rules.changes)
        if not {"external"} & {change.src, change.dst} and "node/" not in change.src + change.dst
    ]
    assert {Kind.OTHER_RULE} < {change.kind for change in changes}
    pods = defaultdict(list)
    for pod, workload in before.tables.meta["pods"]:
        pods[workload].append(pod)
    addresses = {
        f"{pod.metadata.namespace}/{pod.metadata.name}": pod.status.pod_ip
        for pod in world.snapshot.pods
        if not pod.spec.host_network
    }
    ports = join_ports((before, after))
    numbers = np.flatnonzero(ports.recorded).tolist()
    examples = [ports.example(number) for number in numbers]
    rng = np.random.default_rng(1)
    chosen = rng.permutation(len(changes))[:40].tolist()
    by_pair = defaultdict(list)
    for change in changes:
        by_pair[change.src, change.dst].append(change)
    for src, dst in {(changes[index].src, changes[index].dst) for index in chosen}:
        ends = [
            (addresses[a], addresses[b])
            for a in pods[src]
            for b in pods[dst]
            if a != b and a in addresses and b in addresses
        ]
        assert ends
        batch = batch_from(
            {
                "src": [a for a, _ in ends for _ in examples],
                "dst": [b for _, b in ends for _ in examples],
                "protocol": np.array([p for p, _ in examples] * len(ends), np.uint8),
                "dport": np.array([d or 0 for _, d in examples] * len(ends), np.uint16),
            }
        )
        batch.line = np.arange(len(batch))
        kinds = Kinds()
        diff(before, after, batch, writers=[kinds], jobs=1, tried=0)
        masks: dict[tuple[str, Any], int] = defaultdict(int)
        for pair in range(len(ends)):
            lines = range(pair * len(examples), (pair + 1) * len(examples))
            said = [kinds.found.get(line) for line in lines]
            for kind in set(said) - {None}:
                mask = np.zeros(len(ports), bool)
                mask[[number for number, one in zip(numbers, said, strict=True) if one == kind]] = 1
                masks[kind, ports.words(mask)] += 1
        told: dict[tuple[str, Any], int] = defaultdict(int)
        for change in by_pair[src, dst]:
            told[change.kind, change.ports] += change.pairs
        assert told == masks, (src, dst)


FROM_A = "{podSelector: {matchLabels: {app: b}}, ingress: [{from: [{podSelector: {}}]}, {}]}"


def test_another_policy_is_no_other_verdict() -> None:
    before = engine_of(TOGETHER)
    found = exhaustive_diff(before, engine_of(TOGETHER, TOGETHER), other_rule=True)
    assert found.proven
    assert found.kinds[Kind.OTHER_RULE] == 0  # the first policy is credited as it was
    after = netpol.compile(*load_named("other"))
    found = exhaustive_diff(before, after, other_rule=True)
    assert found.proven
    assert found.other_rules is not None
    # Everybody may be denied by another policy; two of the pods are allowed by one.
    kinds = {(one.before.verdict, one.after.verdict) for one in found.other_rules.changes}
    assert kinds == {(Verdict.DENY,) * 2, (Verdict.ALLOW,) * 2}
    assert found.kinds[Kind.OTHER_RULE] > 6
    for change in found.other_rules.changes:
        for part in change.parts:
            assert [one.policy for one in part.before.credits] == ["x/p0"]
            assert [one.policy for one in part.after.credits] == ["x/other"]
            assert part.responsible is None  # it takes both: one removed, the other added
    assert exhaustive_diff(before, after).other_rules is None


def load_named(name: str) -> Any:
    return load([policy("x", TOGETHER, name)], CLUSTER)


def test_a_rule_that_only_moved_is_the_same_one() -> None:
    turned = FROM_A.replace("{from: [{podSelector: {}}]}, {}", "{}, {from: [{podSelector: {}}]}")
    found = exhaustive_diff(engine_of(FROM_A), engine_of(turned), other_rule=True)
    assert found.proven
    assert found.kinds[Kind.OTHER_RULE] == 2  # from a and c: now by the rule that was second
    assert found.other_rules is not None
    [one, other] = found.other_rules.changes
    assert {one.src, other.src} == {"x/a", "x/c"}
    [part] = one.parts
    assert part.responsible is not None
    assert part.responsible.text == "changed NetworkPolicy x/p0"
    assert (part.before.credits[0].rule, part.after.credits[0].rule) == (0, 0)


def test_a_rule_behind_a_denial_is_not_proven_to_be_no_matter() -> None:
    nobody = "{podSelector: {}, policyTypes: [Egress, Ingress]}"
    one = "{podSelector: {matchLabels: {app: a}}, ingress: [{from: [{podSelector: {}}]}, {}]}"
    turned = one.replace("{from: [{podSelector: {}}]}, {}", "{}, {from: [{podSelector: {}}]}")
    cluster = [*CLUSTER]
    found = exhaustive_diff(
        engine_of(nobody, one, objects=cluster), engine_of(nobody, turned, objects=cluster)
    )
    assert found.proven
    assert (found.kinds[Kind.OTHER_RULE] > 0) is not found.rule_sides


def test_parts_tell_ports_decided_by_unlike_rules_apart() -> None:
    two = """
podSelector: {matchLabels: {app: b}}
ingress:
- {from: [{podSelector: {}}], ports: [{port: 80}]}
- {from: [{podSelector: {}}], ports: [{port: 443}]}
"""
    closed = "{podSelector: {matchLabels: {app: b}}}"
    found = exhaustive_diff(engine_of(two), engine_of(closed))
    [change] = [one for one in found.changes if one.src == "x/a"]
    assert [str(ports) for ports in change.ports] == ["80,443/tcp"]
    told = {str(part.ports[0]): part.before.credits[0].rule for part in change.parts}
    assert told == {"80/tcp": 0, "443/tcp": 1}
    assert {part.place[1] for part in change.parts} != {None}
    texts = {part.responsible.text for part in change.parts if part.responsible}
    assert texts == {"changed NetworkPolicy x/p0"}
