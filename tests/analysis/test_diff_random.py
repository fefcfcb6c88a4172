"""On random worlds and changes, a diff says of every flow what the reference evaluator says."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import asdict, fields
from typing import Any

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import netpol
from drawing import draw_worlds
from netpol.flows.columns.normalise import batch_from
from netpol.kube.policies import PolicySet, policies_from_objects
from netpol.kube.snapshot import Snapshot
from netpol.model.batch import FlowBatch
from netpol.model.flow import Flow
from netpol.model.switches import Switches
from netpol.model.verdict import Side, Verdict
from netpol.questions.diff.diff import Diff, diff
from netpol.questions.diff.groups import Kind, kind_of
from netpol.reference import ReferenceEvaluator
from netpol.run.sums import Weight
from strategies import Case, Choices, cases
from worlds import Object, load

Identity = tuple[str, str, str]
random_changes = draw_worlds(160)


def identity(item: Object) -> Identity:
    meta = item["metadata"]
    space = (meta.get("namespace") or "default") if item["kind"] == "NetworkPolicy" else ""
    return item["kind"], space, meta["name"]


def changed(case: Case, other: Case, pick: Choices) -> list[Object]:
    """Give the policies of a case with up to three of them removed, added or given another spec."""
    policies = {identity(item): item for item in copy.deepcopy(case.policies)}
    for number in range(pick.between(1, 3)):
        what = pick.of("change", "remove", "add")
        if what == "add" and other.policies:
            item = copy.deepcopy(pick.of(*other.policies))
            if item["kind"] != "BaselineAdminNetworkPolicy":  # there is but one
                item["metadata"]["name"] = f"added{number}"
            policies[identity(item)] = item
        elif policies:
            key = pick.of(*policies)
            alike = [one for one in other.policies if one["kind"] == key[0]]
            if what == "remove":
                del policies[key]
            elif alike:
                spec = copy.deepcopy(pick.of(*alike).get("spec"))
                policies[key] = {**policies[key], "spec": spec}
    return list(policies.values())


def relabelled(case: Case, pick: Choices) -> list[Object]:
    """Give the cluster, one in three times with a pod that has another's labels."""
    objects = copy.deepcopy(case.objects)
    pods = [item for item in objects if item["kind"] == "Pod"]
    if len(pods) > 1 and pick.rarely(3):
        pick.of(*pods)["metadata"]["labels"] = pick.of(*pods)["metadata"]["labels"]
    return objects


class Judge:
    """What the reference evaluator says, in the words a diff compares by.

    ``was`` and ``now`` are the policies before and after; those judged by are of either.
    """

    def __init__(
        self, policies: PolicySet, snapshot: Snapshot, switches: Switches, was: Specs, now: Specs
    ) -> None:
        self._reference = ReferenceEvaluator(policies, snapshot, switches)
        self._specs = specs(policies)
        self._was, self._now = was, now

    def __call__(self, flow: Flow) -> tuple[Verdict, Any, Any]:
        outcome = self._reference.judge(flow)
        return (
            outcome.verdict,
            self._decider(outcome.egress, outcome.side & Side.EGRESS, "egress"),
            self._decider(outcome.ingress, outcome.side & Side.INGRESS, "ingress"),
        )

    def _decider(self, side: Any, decides: int, name: str) -> Any:
        if not decides or side.policy is None:
            return None
        own, was = self._specs[side.policy], self._was.get(side.policy)
        rule = side.rule
        if rule is not None and was is not None and was != own and own == self._now[side.policy]:
            rule = place_before(was[name], own[name], rule)
        return side.policy, rule


Specs = dict[str, Any]


def specs(policies: PolicySet) -> Specs:
    """Give the specs of policies as plain data, with lists of rules."""
    return {
        one.label: {"egress": [], "ingress": [], **without_none(one.policy.spec)}
        for one in (*policies.policies, *policies.cluster_policies)
    }


def without_none(spec: Any) -> dict[str, Any]:
    plain = msgspec.to_builtins(spec) or {}
    return {key: value for key, value in plain.items() if value is not None}


def place_before(was: list[Any], now: list[Any], rule: int) -> Any:
    """Give where a rule stood before: the same one's place, or if edited, its predecessor's."""
    unlike_was, unlike_now = list(range(len(was))), []
    for place, one in enumerate(now):
        same = next((k for k in unlike_was if was[k] == one), None)
        if same is None:
            unlike_now.append(place)
            continue
        unlike_was.remove(same)
        if place == rule:
            return same
    if len(unlike_was) == len(unlike_now):
        return unlike_was[unlike_now.index(rule)]
    return "new", rule


def numbered(flows: list[Flow]) -> list[FlowBatch]:
    """Give batches of flows that lack the same fields; ``line`` is the place among all flows."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for index, one in enumerate(flows):
        lacking = tuple(f.name for f in fields(one) if getattr(one, f.name) in (None, False))
        groups.setdefault(lacking, []).append(index)
    batches = []
    for rows in groups.values():
        batch = batch_from([flows[row] for row in rows])
        batch.line = np.array(rows)
        batches.append(batch)
    return batches


class Writer:
    def __init__(self) -> None:
        self.rows: dict[int, tuple[str, frozenset[str]]] = {}

    def write(self, part: Any) -> None:
        lines = part.differing.first.batch.line
        for place, row in enumerate(part.to_arrow().to_pylist()):
            words = row["responsible"]
            causes = frozenset(words.split(", ")) if words is not None else frozenset()
            self.rows[int(lines[place])] = row["kind"], causes


@random_changes
@given(cases(), cases(flows=1), st.binary(max_size=40))
def test_every_flow_is_classified_as_the_reference_evaluator_does(
    case: Case, other: Case, drawn: bytes
) -> None:
    pick = Choices(drawn)
    policies = changed(case, other, pick)
    objects = relabelled(case, pick)
    first = load(case.policies, case.objects, case.dns)
    second = load(policies, objects, case.dns)
    switches = asdict(case.switches)
    before, after = netpol.compile(*first, **switches), netpol.compile(*second, **switches)
    writer = Writer()
    found = diff(before, after, numbered(case.flows), top=10_000, writers=[writer], jobs=1)

    was, now = specs(first[0]), specs(second[0])
    judges = [Judge(*side, case.switches, was, now) for side in (first, second)]
    expected = {}
    for row, flow in enumerate(case.flows):
        one, two = (judge(flow) for judge in judges)
        if one != two:
            expected[row] = one, two
    kinds = {row: kind_of(one[0], two[0]) for row, (one, two) in expected.items()}
    assert {row: kind for row, (kind, _) in writer.rows.items()} == kinds
    check_responsible(case, found, writer, expected, policies, second[1], (was, now))
    check_sums(found, kinds, writer)


def check_responsible(
    case: Case,
    found: Diff,
    writer: Writer,
    expected: dict[int, Any],
    policies: list[Object],
    snapshot: Snapshot,
    both: tuple[Specs, Specs],
) -> None:
    """Make each change alone, and see what the reference evaluator then says."""
    was = {identity(item): item for item in case.policies}
    now = {identity(item): item for item in policies}
    own = load(case.policies, case.objects, case.dns)
    assert found.changes is not None
    sufficient: dict[int, set[str]] = {row: set() for row in expected}
    for one in found.changes:
        if one.change.what == "cluster":
            judge = Judge(own[0], snapshot, case.switches, *both)
        else:
            (key,) = {
                k for k in was | now if k[0] == one.change.kind and label(k) == one.change.label
            }
            only = [item for k, item in was.items() if k != key] + (
                [now[key]] if key in now else []
            )
            judge = Judge(policies_from_objects(copy.deepcopy(only)), own[1], case.switches, *both)
        for row, (first, second) in expected.items():
            third = judge(case.flows[row])
            if third == second or (first[0] != second[0] and third[0] == second[0]):
                sufficient[row].add(one.change.text)
    assert {row: causes for row, (_, causes) in writer.rows.items()} == sufficient


def label(key: Identity) -> str:
    return f"{key[1] or key[0]}/{key[2]}"


def check_sums(found: Diff, kinds: dict[int, Kind], writer: Writer) -> None:
    count = Counter(kinds.values())
    assert {kind: listed.total.flows for kind, listed in found.kinds.items()} == {
        kind: count[kind] for kind in Kind
    }
    assert found.total.flows == sum(weight.flows for weight in found.verdicts.values())
    for kind, listed in found.kinds.items():
        assert sum(group.weight.flows for group in listed.groups) == count[kind]
        assert (listed.others, listed.distinct) == (Weight(), len(listed.groups))
    alone: Counter[str] = Counter()
    for _, causes in writer.rows.values():
        alone.update(causes)
    assert {one.change.text: one.alone.flows for one in found.changes or () if one.alone} == {
        one.change.text: alone[one.change.text] for one in found.changes or ()
    }
    assert found.together.flows == sum(not causes for _, causes in writer.rows.values())
