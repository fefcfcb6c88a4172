"""Two sets of switches on the same flows: what differs, by how much, and which switch does it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given

import netpol
from drawing import draw_worlds
from netpol.flows.columns.normalise import batch_from
from netpol.flows.reader import open_flows
from netpol.model.batch import FlowBatch
from netpol.model.profiles import PROFILES, switches_of
from netpol.model.switches import Switches
from netpol.model.verdict import Reason, Verdict
from netpol.questions.compare.compare import Comparison, compare
from netpol.run.sums import Weight
from strategies import Case, cases
from worlds import load

DATA = Path(__file__).parent / "data" / "profiles"
ALLOW, DENY, UNKNOWN = Verdict


@pytest.fixture(scope="module")
def compile_with() -> Any:
    policies = netpol.read_policies(DATA / "policies.yaml")
    snapshot = netpol.read_snapshot(DATA / "cluster.yaml")
    return lambda switches: netpol.compile(policies, snapshot, **asdict(switches))


def profiles(compile_with: Any, before: str, after: str, **options: Any) -> Comparison:
    return compare(
        compile_with,
        switches_of(before),
        switches_of(after),
        open_flows(DATA / "flows.csv"),
        names=(before, after),
        **options,
    )


def test_changes_are_weighed(compile_with: Any) -> None:
    found = profiles(compile_with, "spec", "calico")
    assert found.total == Weight(1023, 0, 102_300)
    assert {pair: weight.flows for pair, weight in found.changes.items()} == {
        (ALLOW, ALLOW): 2 + 8 + 16 + 256,
        (ALLOW, DENY): 4,
        (DENY, ALLOW): 1 + 128,
        (DENY, DENY): 64 + 512,
        (UNKNOWN, UNKNOWN): 32,
    }
    assert found.differing == Weight(133, 0, 13_300)
    assert (found.policies, found.pods, found.reader.records) == (3, 6, 10)
    assert (found.has_bytes, found.has_packets) == (True, False)


def test_a_pair_says_what_decided_before_and_after(compile_with: Any) -> None:
    pair = profiles(compile_with, "spec", "calico").pairs[0]
    assert (pair.before.src, pair.before.dst, pair.before.port) == ("back/e", "shop/d", 9000)
    assert pair.verdicts == (DENY, ALLOW)
    assert pair.weight == Weight(128, 0, 12_800)
    assert pair.before.reason is Reason.NP_IMPLICIT_DENY
    (denied,) = pair.before.credits
    assert (denied.policy, denied.rule, denied.side.label) == ("back/e", None, "egress")
    assert [(c.policy, c.rule) for c in pair.after.credits] == [("back/e", 0), ("shop/d", 0)]


def test_one_switch_several_that_each_suffice_or_several_together(compile_with: Any) -> None:
    there = profiles(compile_with, "calico", "cilium")
    assert [pair.switches for pair in there.pairs] == [
        ("ipblock_scope", "named_port_init"),
        ("ipblock_scope",),
        ("ipblock_scope",),
        ("np_service_hairpin",),
        ("named_port_init",),
    ]
    assert {s.name: s.alone.flows for s in there.switches} == {
        "node_port_egress": 0, "np_service_hairpin": 4, "ipblock_scope": 152,
        "named_port_init": 129,
    }  # fmt: skip
    assert there.together == Weight()
    back = profiles(compile_with, "cilium", "calico")
    assert back.pairs[0].switches == ()
    assert back.together == Weight(128, 0, 12_800)
    assert {s.name: s.alone.flows for s in back.switches} == {
        "node_port_egress": 0, "np_service_hairpin": 4, "ipblock_scope": 24,
        "named_port_init": 1,
    }  # fmt: skip


def test_what_is_not_listed_is_with_the_others(compile_with: Any) -> None:
    found = profiles(compile_with, "calico", "cilium", top=2)
    assert [pair.weight.flows for pair in found.pairs] == [128, 16]
    assert (found.distinct, found.capped, found.others) == (5, False, Weight(13, 0, 1_300))


def test_engines_for_single_switches_are_made_only_where_something_differs(
    compile_with: Any,
) -> None:
    made: list[Switches] = []

    def counting(switches: Switches) -> Any:
        made.append(switches)
        return compile_with(switches)

    (batch,) = open_flows(DATA / "flows.csv")
    calico, cilium = switches_of("calico"), switches_of("cilium")
    compare(counting, calico, cilium, [batch.take(np.array([8, 9]))])
    assert made == [calico, cilium]
    made.clear()
    compare(counting, calico, cilium, [batch, batch])
    assert len(made) == 2 + 4
    made.clear()
    # One switch differs: it must be that one.
    compare(counting, Switches(), Switches(ipblock_scope="non-cluster"), [batch])
    assert len(made) == 2


def test_the_same_switches_differ_in_nothing(compile_with: Any) -> None:
    found = profiles(compile_with, "spec", "spec")
    assert (found.switches, found.pairs, found.differing) == ((), (), Weight())


class Writer:
    def __init__(self) -> None:
        self.tables: list[pa.Table] = []

    def write(self, verdicts: Any) -> None:
        self.tables.append(verdicts.to_arrow())


def test_records_are_the_flows_that_differ(compile_with: Any) -> None:
    writer = Writer()
    profiles(compile_with, "spec", "cilium", writers=[writer])
    (table,) = writer.tables
    assert table.select(["src", "dst_identity", "port", "verdict_a", "reason_b"]).to_pylist() == [
        {"src": "10.0.1.1", "dst_identity": "shop/a", "port": 8080, "verdict_a": "allow",
         "reason_b": "np-implicit-deny"},
        {"src": "192.168.0.2", "dst_identity": "shop/a", "port": 8081, "verdict_a": "allow",
         "reason_b": "np-implicit-deny"},
    ]  # fmt: skip
    empty = Writer()
    compare(compile_with, Switches(), Switches(), [], writers=[empty])
    assert empty.tables[0].schema.names == table.schema.names


@draw_worlds(80)
@given(cases(), cases(flows=1))
def test_sums_are_those_of_judging_one_by_one(case: Case, other: Case) -> None:
    policies, snapshot = load(case.policies, case.objects)
    batch = batch_from(case.flows)
    before = case.switches
    after = replace(other.switches, node_addresses=before.node_addresses)

    def compile_with(switches: Switches) -> Any:
        return netpol.compile(policies, snapshot, **asdict(switches))

    def judged(switches: Switches) -> list[int]:
        return compile_with(switches).evaluate(batch).verdict.tolist()

    changed = [
        field.name
        for field in fields(Switches)
        if getattr(before, field.name) != getattr(after, field.name)
    ]
    alone = {n: judged(replace(before, **{n: getattr(after, n)})) for n in changed}
    expected: Counter[Any] = Counter()
    for row, verdicts in enumerate(zip(judged(before), judged(after), strict=True)):
        enough = tuple(name for name in changed if alone[name][row] == verdicts[1])
        expected[(*verdicts, enough if verdicts[0] != verdicts[1] else ())] += 1

    found = compare(compile_with, before, after, [batch, batch], top=1000, jobs=1)
    totals: Counter[Any] = Counter()
    for (first, second), count in found.changes.items():
        totals[first, second] = count.flows
    differing: Counter[Any] = Counter()
    for pair in found.pairs:
        differing[(*pair.verdicts, pair.switches)] += pair.weight.flows
    assert totals == Counter(
        {(a, b): sum(2 * n for (x, y, _), n in expected.items() if (x, y) == (a, b))
         for a, b, _ in expected}
    )  # fmt: skip
    assert differing == Counter({k: 2 * n for k, n in expected.items() if k[0] != k[1]})
    for switch in found.switches:
        assert switch.alone.flows == sum(n for k, n in differing.items() if switch.name in k[2])
    assert found.together.flows == sum(n for k, n in differing.items() if not k[2])
    assert found.others == Weight()


def test_take_gives_whole_flows() -> None:
    batch = FlowBatch(
        src=np.array([1, 2, 3], np.uint32),
        dst=np.array([4, 5, 6], np.uint32),
        protocol=np.array([6, 17, 6], np.uint8),
        dport=np.array([80, 53, 443], np.uint16),
        src_pod=["x/a", None, "x/c"],
        dst_pod=pa.array(["y/a", "y/b", None]),
        file="f",
        line=np.array([1, 2, 9]),
    )
    part = batch.take(np.array([2, 0]))
    assert (part.src.tolist(), part.line.tolist()) == ([3, 1], [9, 1])
    assert part.src_pod == ["x/c", "x/a"]
    assert part.dst_pod.to_pylist() == [None, "y/a"]
    assert (part.file, part.time, len(part)) == ("f", None, 2)


def test_every_profile_can_be_compared_with_every_other(compile_with: Any) -> None:
    for before in PROFILES:
        for after in PROFILES:
            found = profiles(compile_with, before, after)
            assert found.total.flows == 1023
