"""What a diff holds: causes, bounds, times, tables; and that the lab's is the reference's."""

from __future__ import annotations

import copy
import io
import pickle
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import netpol
from netpol.flows.columns.normalise import batch_from
from netpol.kube.policies import PolicySet, policies_from_objects
from netpol.kube.snapshot import snapshot_from_objects
from netpol.model.batch import NO_TIME, FlowBatch
from netpol.model.switches import Switches
from netpol.questions.diff.diff import Diff
from netpol.questions.diff.diff_html import html_of
from netpol.questions.diff.groups import Group, GroupList, Kind
from netpol.reference import ReferenceEvaluator
from netpol.report.ci.diff import annotations_of
from netpol.report.json import diff as diff_json
from netpol.report.text import diff as terminal
from netpol.run.sums import Weight
from worlds import FIXTURE, Object, cluster_policy, policy

LAB = Path(__file__).parents[2] / "examples" / "lab"
SNAPSHOT = snapshot_from_objects(copy.deepcopy(list(FIXTURE.values())))
CLOSED = "{podSelector: {}, policyTypes: [Ingress]}"
FROM_B = "{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}]}]}"
FROM_Y = "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: y}}}]}]}"


def engine(*policies: Object, **options: Any) -> Any:
    return netpol.compile(policies_from_objects(list(policies)), SNAPSHOT, **options)


def flows(*pairs: tuple[str, str], **columns: Any) -> FlowBatch:
    return batch_from(
        {
            "src": [src for src, _ in pairs],
            "dst": [dst for _, dst in pairs],
            "protocol": ["tcp"] * len(pairs),
            "dport": [80] * len(pairs),
            **columns,
        }
    )


B_TO_A = ("10.0.0.2", "10.0.0.1")
Y_TO_A = ("10.0.1.1", "10.0.0.1")


def causes(group: Group) -> list[str]:
    return [one.text for one in group.responsible]


def test_each_change_that_suffices_is_named() -> None:
    one, two = policy("x", FROM_B, "one"), policy("x", FROM_Y, "two")
    before = engine(policy("x", CLOSED, "closed"))
    found = netpol.diff(
        before, engine(policy("x", CLOSED, "closed"), one, two), flows(B_TO_A, Y_TO_A)
    )
    assert [(g.before.src, g.kind, causes(g)) for g in found.groups] == [
        ("x/b", "newly-allowed", ["added NetworkPolicy x/one"]),
        ("y/a", "newly-allowed", ["added NetworkPolicy x/two"]),
    ]
    assert found.together == Weight()


def test_one_of_two_or_both_together() -> None:
    deny = [policy("x", CLOSED, "one"), policy("x", CLOSED, "two")]
    either = netpol.diff(engine(), engine(*deny), flows(B_TO_A))
    assert causes(either.groups[0]) == ["added NetworkPolicy x/one", "added NetworkPolicy x/two"]
    both = netpol.diff(engine(*deny), engine(), flows(B_TO_A))
    assert causes(both.groups[0]) == []
    assert both.together.flows == 1
    assert [one.alone for one in both.changes or ()] == [Weight(), Weight()]


def test_changes_beyond_the_bound_are_said_to_be_untried() -> None:
    many = [policy("x", CLOSED, f"p{number}") for number in range(5)]
    found = netpol.diff(engine(), engine(*many), flows(B_TO_A), tried=2)
    assert found.untried == 3
    assert causes(found.groups[0]) == ["added NetworkPolicy x/p0", "added NetworkPolicy x/p1"]
    assert diff_json.document(found)["untried"] == 3
    assert [(one.tried, one.alone) for one in found.changes or ()] == [
        *[(True, Weight(flows=1))] * 2,
        *[(False, Weight())] * 3,
    ]
    assert not found.groups[0].untold
    back = netpol.diff(engine(*many), engine(), flows(B_TO_A), tried=0)
    assert back.groups[0].untold
    assert (back.together, back.untold) == (Weight(), Weight(flows=1))
    assert "or by one that was not tried alone" in terminal.render(back, io.StringIO())
    assert back.to_arrow()["responsible"].to_pylist() == [None]
    # More than can be told apart at all: those beyond are never named, and no trial is skipped.
    many = [policy("x", CLOSED, f"p{number:02}") for number in range(70)]
    found = netpol.diff(engine(), engine(*many), flows(B_TO_A), tried=1)
    assert found.untried == 69
    assert causes(found.groups[0]) == ["added NetworkPolicy x/p00"]


def test_a_change_elsewhere_needs_no_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    after = engine(policy("x", CLOSED), policy("z", CLOSED))
    before = engine()
    monkeypatch.setattr("netpol.questions.diff.changes.compile_engine", None)
    found = netpol.diff(before, after, flows(B_TO_A))
    assert causes(found.groups[0]) == ["added NetworkPolicy x/p"]
    assert found.untried == 0


def test_a_pod_that_the_log_names_is_reached_by_changes_of_its_namespace() -> None:
    closed = policy("x", "{podSelector: {}, policyTypes: [Egress]}")
    everywhere = cluster_policy(
        "c", "{tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: []}"
    )
    named = flows(("192.168.0.2", "8.8.8.8"), src_pod=["x/a"])
    found = netpol.diff(engine(), engine(closed, everywhere), named)
    assert causes(found.groups[0]) == ["added NetworkPolicy x/p"]


def test_a_rule_that_moved_or_was_edited_is_no_other_rule() -> None:
    def spec(*peers: str | None) -> Object:
        selectors = [{"podSelector": {"matchLabels": {"pod": p} if p else {}}} for p in peers]
        return {"podSelector": {}, "ingress": [{"from": [one]} for one in selectors]}

    before = engine(policy("x", spec("b", "c")))
    moved = engine(policy("x", spec("new", "b", "c")))
    assert netpol.diff(before, moved, flows(B_TO_A)).differing == Weight()
    edited = engine(policy("x", spec(None, "c")))
    assert netpol.diff(before, edited, flows(B_TO_A)).differing == Weight()
    other = engine(policy("x", spec("b", "c")), policy("x", spec("b"), "a"))
    found = netpol.diff(before, other, flows(B_TO_A))
    (group,) = found.groups
    assert group.kind is Kind.OTHER_RULE
    assert [(c.policy, c.rule) for c in (*group.before.credits, *group.after.credits)] == [
        ("x/p", 0), ("x/a", 0),
    ]  # fmt: skip


def test_first_and_last_seen_and_weights() -> None:
    before, after = engine(), engine(policy("x", CLOSED))
    parts = []
    for times, octets in (([30, NO_TIME], [5, 6]), ([20, 40], [7, 8])):
        part = flows(B_TO_A, B_TO_A)
        part.time, part.bytes = np.array(times, np.int64), np.array(octets, np.uint64)
        parts.append(part)
    (group,) = netpol.diff(before, after, parts).groups
    assert (group.first_seen, group.last_seen, group.weight) == (20, 40, Weight(4, 0, 26))
    parts[1].time = parts[0].time = np.array([NO_TIME, NO_TIME], np.int64)
    (group,) = netpol.diff(before, after, parts).groups
    assert (group.first_seen, group.last_seen) == (None, None)


def test_what_is_not_listed_is_with_the_others() -> None:
    found = netpol.diff(engine(), engine(policy("x", CLOSED)), flows(B_TO_A, Y_TO_A, B_TO_A), top=1)
    listed = found.kinds[Kind.NEWLY_DENIED]
    assert (listed.total.flows, listed.distinct, listed.others.flows) == (3, 2, 1)
    assert [annotation.flows for annotation in annotations_of(found)] == [2, 1]


def test_groups_beyond_the_limit_are_summed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netpol.questions.diff.differences.PAIR_LIMIT", 1)
    part = flows(B_TO_A, Y_TO_A, Y_TO_A)
    part.time = np.array([1, 2, 3], np.int64)
    found = netpol.diff(engine(), engine(policy("x", CLOSED)), part)
    listed = found.kinds[Kind.NEWLY_DENIED]
    assert (found.capped, listed.total.flows, listed.others.flows) == (True, 3, 2)
    assert listed.groups[0].last_seen == 1


def test_engines_that_are_only_tables() -> None:
    before, after = (pickle.loads(pickle.dumps(e)) for e in (engine(), engine(policy("x", CLOSED))))
    found = netpol.diff(before, after, flows(B_TO_A))
    assert found.changes is None
    assert found.kinds[Kind.NEWLY_DENIED].total.flows == 1
    assert causes(found.groups[0]) == []
    assert diff_json.document(found)["changes"] is None


def test_switches_are_changes_too() -> None:
    closed = policy("x", CLOSED)
    own_node = flows(("192.168.0.1", "10.0.0.1"))
    found = netpol.diff(engine(closed), engine(closed, own_node_ingress="enforce"), own_node)
    assert causes(found.groups[0]) == ["switch own_node_ingress"]


def test_flows_of_any_shape() -> None:
    before, after = engine(), engine(policy("x", CLOSED))
    columns = {"src": ["10.0.0.2"], "dst": ["10.0.0.1"], "protocol": ["tcp"], "dport": [80]}
    one = netpol.Flow(src="10.0.0.2", dst="10.0.0.1", protocol=6, dport=80)
    batch = flows(B_TO_A)
    for given in (columns, pa.table(columns), [one], batch, [batch], iter([batch])):
        assert netpol.diff(before, after, given).differing.flows == 1
    assert netpol.diff(before, after, []).total.flows == 0


# --- tables, notebooks, annotations ---------------------------------------------------------------


@pytest.fixture
def found() -> Diff:
    return netpol.diff(engine(), engine(policy("x", CLOSED)), flows(B_TO_A, Y_TO_A))


def test_the_table(found: Diff) -> None:
    rows = found.to_arrow().to_pylist()
    assert rows[0] == {
        "kind": "newly-denied", "src": "x/b", "dst": "x/a", "protocol": "tcp", "port": 80,
        "flows": 1, "packets": None, "bytes": None, "first_seen": None, "last_seen": None,
        "responsible": "added NetworkPolicy x/p",
        "verdict_before": "allow", "side_before": "none", "reason_before": "not-isolated",
        "decided_by_before": "",
        "verdict_after": "deny", "side_after": "ingress", "reason_after": "np-implicit-deny",
        "decided_by_after": "ingress: no rule of x/p (objects[0]:1)",
    }  # fmt: skip
    assert len(rows) == 2


def test_frames_need_their_library(found: Diff, monkeypatch: pytest.MonkeyPatch) -> None:
    for library, frame in (("pandas", found.to_pandas), ("polars", found.to_polars)):
        monkeypatch.setitem(sys.modules, library, None)
        with pytest.raises(ImportError, match=f"pip install {library}"):
            frame()


def test_html_is_escaped(found: Diff) -> None:
    name = "<script>\u202e&"
    listed = found.kinds[Kind.NEWLY_DENIED]
    (group, *_) = listed.groups
    evil = replace(
        group, before=replace(group.before, src=name), after=replace(group.after, dst=name)
    )
    text = html_of(replace(found, kinds={Kind.NEWLY_DENIED: GroupList(groups=(evil,))}))
    assert "<script>" not in text
    assert "\u202e" not in text
    assert r"&lt;script&gt;\u202e&amp;" in text
    assert found._repr_html_().count("<tr>") == 3


def test_annotations_are_by_cause_and_keep_their_fingerprint(found: Diff) -> None:
    (one,) = annotations_of(found)
    assert (one.level, one.code, one.file, one.line) == ("error", "newly-denied", "objects[0]", 1)
    assert one.identity == ("change", "added NetworkPolicy x/p")
    assert one.flows == 2
    assert one.message.splitlines()[0] == "2 flows newly denied by added NetworkPolicy x/p alone"
    more = netpol.diff(engine(), engine(policy("x", CLOSED)), flows(B_TO_A, B_TO_A))
    assert annotations_of(more)[0].fingerprint == one.fingerprint
    back = annotations_of(netpol.diff(engine(policy("x", CLOSED)), engine(), flows(B_TO_A)))
    assert [(a.level, a.code, a.title) for a in back] == [
        ("warning", "newly-allowed", "Newly allowed: removed NetworkPolicy x/p")
    ]


# --- the lab, flow by flow ------------------------------------------------------------------------


def without_web(policies: PolicySet) -> PolicySet:
    """Give the lab's policies without what lets web speak to api and to the database."""
    return replace(policies, policies=tuple(p for p in policies.policies if p.label != "shop/web"))


def test_the_diff_of_the_lab_names_exactly_what_the_change_breaks() -> None:
    policies = netpol.read_policies([LAB / "policies"])
    snapshot = netpol.read_snapshot([LAB / "cluster.json"])
    changed = without_web(policies)
    engines = [netpol.compile(one, snapshot) for one in (policies, changed)]
    judges = [ReferenceEvaluator(one, snapshot, Switches()) for one in (policies, changed)]
    dumps = [LAB / f"node{number}.conntrack.txt" for number in (1, 2)]
    expected = []
    for batch in netpol.open_flows(dumps):
        verdicts = engines[0].evaluate(batch)
        for row in range(len(batch)):
            flow = verdicts.flow(row)
            first, second = (judge.judge(flow).verdict.label for judge in judges)
            if first != second:
                expected.append((flow.src, flow.dst, first, second))

    class Writer:
        def __init__(self) -> None:
            self.rows: list[tuple[str, ...]] = []

        def write(self, part: Any) -> None:
            self.rows += [
                (row["src"], row["dst"], row["verdict_before"], row["verdict_after"])
                for row in part.to_arrow().to_pylist()
                if row["kind"] != "other-rule"
            ]

    writer = Writer()
    found = netpol.diff(*engines, netpol.open_flows(dumps), writers=[writer])
    assert writer.rows == expected
    assert len(expected) > 100
    assert found.kinds[Kind.NEWLY_DENIED].total.flows == sum(w == "deny" for *_, w in expected)
    assert all(causes(g) == ["removed NetworkPolicy shop/web"] for g in found.groups)


def test_the_first_policy_matters_to_what_is_unknown_wherever_it_is() -> None:
    """Without policies all is allowed, also to a service without endpoints (C7.1, R8)."""
    objects = [
        *copy.deepcopy(list(FIXTURE.values())),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"namespace": "x", "name": "gone"},
            "spec": {"clusterIP": "10.96.0.9", "ports": [{"port": 80}]},
        },
    ]
    snapshot = snapshot_from_objects(objects)

    def with_policies(*policies: Object) -> Any:
        return netpol.compile(policies_from_objects(list(policies)), snapshot)

    elsewhere = policy("z", CLOSED), policy("y", CLOSED)
    to_service = flows(("10.0.0.2", "10.96.0.9"))
    found = netpol.diff(with_policies(), with_policies(*elsewhere), to_service)
    assert found.kinds[Kind.NEWLY_UNKNOWN].total.flows == 1
    assert causes(found.groups[0]) == [
        "added NetworkPolicy y/p",
        "added NetworkPolicy z/p",
    ]
    back = netpol.diff(with_policies(*elsewhere), with_policies(), to_service)
    assert (causes(back.groups[0]), back.together.flows) == ([], 1)


def test_changes_matter_to_who_is_behind_a_service() -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": "x", "name": "s"},
        "spec": {"clusterIP": "10.96.0.9", "ports": [{"port": 80}], "selector": {"pod": "a"}},
    }
    snapshot = snapshot_from_objects([*copy.deepcopy(list(FIXTURE.values())), service])
    stays = policy("z", CLOSED)
    at_client = policy("y", "{podSelector: {}, policyTypes: [Egress], egress: [{}]}")
    before, after = (
        netpol.compile(policies_from_objects(list(policies)), snapshot)
        for policies in ([stays], [stays, at_client, policy("x", CLOSED)])
    )
    found = netpol.diff(before, after, flows(("10.0.1.1", "10.96.0.9")))
    assert found.groups[0].kind is Kind.NEWLY_DENIED
    assert causes(found.groups[0]) == ["added NetworkPolicy x/p"]
