"""Recorded verdicts beside ours: exact sums, and no cause that is not one."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import netpol
import pools
from drawing import draw_worlds
from netpol.engine.endpoints import EndpointKind
from netpol.flows.columns.normalise import batch_from
from netpol.flows.reader import open_flows
from netpol.model.batch import NO_TIME, FlowBatch
from netpol.model.errors import CapacityError, FlowError
from netpol.model.profiles import PROFILES, switches_of
from netpol.model.switches import Switches
from netpol.model.verdict import Cause, Note, Verdict
from netpol.questions.replay.recorded import (
    MOST_PROFILES,
    Newer,
    OtherProfiles,
    Recorded,
    RecordedSums,
)
from netpol.questions.replay.replay import ReplaySummary, replay
from netpol.reference import ReferenceEvaluator
from netpol.run.sums import Weight
from strategies import Case, cases
from worlds import load, namespace, pod, policy

DATA = Path(__file__).parent / "data" / "recorded"
ALLOW, DENY, UNKNOWN = Verdict
DAY = 86_400_000_000_000
FEBRUARY = 1_769_904_000_000_000_000

random_worlds = draw_worlds(160)


@pytest.fixture(scope="module")
def engine() -> Any:
    return netpol.compile(
        netpol.read_policies(DATA / "policies.yaml"), netpol.read_snapshot(DATA / "cluster.yaml")
    )


def recorded(engine: Any, stream: Any = None, **options: Any) -> Recorded:
    found = replay(engine, open_flows(DATA / "flows.csv") if stream is None else stream, **options)
    assert found.recorded is not None
    return found.recorded


def wide(name: str, action: str, priority: int = 5, tier: str = "Admin") -> dict[str, Any]:
    return {
        "apiVersion": "policy.networking.k8s.io/v1alpha2",
        "kind": "ClusterNetworkPolicy",
        "metadata": {"name": name},
        "spec": {
            "tier": tier,
            "priority": priority,
            "subject": {"namespaces": {}},
            "ingress": [{"action": action, "from": [{"namespaces": {}}]}],
        },
    }


# --- what is counted -----------------------------------------------------------------------------


def test_agreement_is_weighed(engine: Any) -> None:
    found = recorded(engine)
    assert {pair: weight.flows for pair, weight in found.table.items()} == {
        (ALLOW, ALLOW): 4096,
        (ALLOW, DENY): 128 + 64 + 32 + 16 + 8 + 1,
        (DENY, ALLOW): 2,
        (DENY, DENY): 2048,
        (DENY, UNKNOWN): 4,
    }
    assert found.agreeing == Weight(6144, 0, 614_400)
    assert found.differing == Weight(251, 0, 25_100)
    assert found.unknown == Weight(4, 0, 400)
    assert found.compared == Weight(6399, 0, 639_900)
    # Not recorded, only audited, or not to be read.
    assert found.absent == Weight(1024 + 512 + 1, 0, 153_700)


def test_causes_are_weighed(engine: Any) -> None:
    found = recorded(engine)
    assert {key: weight.flows for key, weight in found.causes.items()} == {
        (Cause.IDENTITY_UNKNOWN, ALLOW, DENY): 16,
        (Cause.POLICY_CHANGED, ALLOW, DENY): 128 + 32,
        (Cause.PROFILE, ALLOW, DENY): 8,
        (Cause.NOT_JUDGED, DENY, UNKNOWN): 4,
        (Cause.UNEXPLAINED, ALLOW, DENY): 64 + 1,
        (Cause.UNEXPLAINED, DENY, ALLOW): 2,
    }
    assert {cause: weight.flows for cause, weight in found.by_cause().items()} == {
        Cause.IDENTITY_UNKNOWN: 16,
        Cause.POLICY_CHANGED: 160,
        Cause.PROFILE: 8,
        Cause.NOT_JUDGED: 4,
        Cause.UNEXPLAINED: 67,
    }
    assert found.profiles == {"ovn": Weight(8, 0, 800)}
    assert found.untried == {}
    assert found.undated == ("shop/undated",)


def test_a_pair_says_what_both_say_and_what_may_explain_it(engine: Any) -> None:
    found = recorded(engine)
    first = found.pairs[0]
    assert (first.pair.src, first.pair.dst, first.pair.port) == ("shop/client", "shop/late", 80)
    assert (first.recorded, first.ours, first.weight.flows) == (ALLOW, DENY, 128)
    assert first.cause is Cause.POLICY_CHANGED
    assert first.newer == (Newer("shop/late", FEBRUARY + 28 * DAY),)
    assert first.pair.credits[0].policy == "shop/late"
    assert (first.first_seen, first.last_seen) == (FEBRUARY, FEBRUARY)
    assert [pair.newer for pair in found.pairs if pair.pair.dst == "shop/edited"] == [
        (Newer("shop/edited", FEBRUARY + 14 * DAY),)
    ]
    assert [pair.profiles for pair in found.pairs if pair.cause is Cause.PROFILE] == [("ovn",)]
    assert [pair.ours for pair in found.pairs] == [DENY] * 5 + [ALLOW, DENY, UNKNOWN]


@pytest.mark.parametrize("top", [0, 3, 100])
def test_listed_pairs_and_others_are_all_disagreements(engine: Any, top: int) -> None:
    found = recorded(engine, top=top)
    assert (len(found.pairs), found.distinct) == (min(top, 8), 8)
    total = found.differing + found.unknown
    assert sum((pair.weight for pair in found.pairs), Weight()) + found.others == total
    assert recorded(engine, top=100).first(top) == found


def test_pairs_beyond_the_limit_are_weighed_together(engine: Any) -> None:
    sums = RecordedSums(engine, OtherProfiles(engine), limit=2)
    total = Weight()
    for batch in open_flows(DATA / "flows.csv"):
        sums.add(engine.evaluate(batch))
        total += Weight(int(batch.flows.sum()), 0, int(batch.bytes.sum()))
    found = sums.result(total, 10)
    assert (found.capped, found.distinct, len(found.pairs)) == (True, 2, 2)
    assert found.by_cause() == recorded(engine).by_cause()
    listed = sum((pair.weight for pair in found.pairs), Weight())
    assert listed + found.others == Weight(255, 0, 25_500)


def test_nothing_is_compared_where_no_log_has_verdicts(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("made for nothing")

    monkeypatch.setattr("netpol.questions.replay.replay.RecordedSums", refuse)
    batches = [replace(batch, recorded_verdict=None) for batch in open_flows(DATA / "flows.csv")]
    assert replay(engine, batches).recorded is None


def test_flows_of_logs_without_verdicts_have_none(engine: Any) -> None:
    (batch,) = open_flows(DATA / "flows.csv")
    found = recorded(engine, [batch, replace(batch, recorded_verdict=None)])
    once = recorded(engine)
    assert found.absent == once.absent + Weight(7936, 0, 793_600)
    assert found.table == once.table


def test_threads_and_writers_change_nothing(engine: Any) -> None:
    class Writer:
        def write(self, verdicts: Any) -> None:
            pass

    expected = recorded(engine, jobs=1)
    assert recorded(engine, jobs=2) == expected
    assert recorded(engine, writers=[Writer()]) == expected


def test_codes_that_are_no_verdicts_are_refused(engine: Any) -> None:
    (batch,) = open_flows(DATA / "flows.csv")
    bad = np.full(len(batch), 3, np.uint8)
    with pytest.raises(FlowError, match="recorded_verdict"):
        replay(engine, [replace(batch, recorded_verdict=bad)])


def test_recorded_verdicts_that_cannot_be_read_are_counted() -> None:
    stream = open_flows(DATA / "flows.csv")
    assert sum(len(batch) for batch in stream) == 13
    assert stream.stats.skipped == {}
    lost = stream.stats.lost["column action: bad verdict"]
    assert (lost.number, lost.first.text) == (1, "perhaps")


def test_records_have_what_was_recorded(engine: Any) -> None:
    (batch,) = open_flows(DATA / "flows.csv")
    words = engine.evaluate(batch).to_arrow()["recorded_verdict"].to_pylist()
    assert words[:5] == ["allow", "deny", None, None, "allow"]
    none = engine.evaluate(replace(batch, recorded_verdict=None)).to_arrow()
    assert none["recorded_verdict"].null_count == len(batch)
    assert none.schema == engine.evaluate(batch).to_arrow().schema


# --- profiles ------------------------------------------------------------------------------------


def flow_of(protocol: int, verdict: Verdict) -> FlowBatch:
    return FlowBatch(
        src=np.array([0x0A000002], np.uint32),
        dst=np.array([0x0A000001], np.uint32),
        protocol=np.array([protocol], np.uint8),
        dport=np.array([22], np.uint16),
        recorded_verdict=np.array([verdict], np.uint8),
    )


def test_profiles_are_compiled_only_when_nothing_else_explains(engine: Any) -> None:
    compiled: list[Switches] = []

    def compile_with(switches: Switches) -> Any:
        compiled.append(switches)
        return netpol.compile(*engine.source[:2], **asdict(switches))

    options: Any = {"compile_with": compile_with}
    (batch,) = open_flows(DATA / "flows.csv")
    explained = batch.take(np.array([0, 1, 4, 6, 7]))
    assert recorded(engine, [explained], **options).causes
    assert compiled == []
    gre = flow_of(47, ALLOW)
    assert list(recorded(engine, [gre, gre], **options).profiles) == ["ovn"]
    assert compiled == [switches_of(name) for name in PROFILES if name not in ("spec",)]


def test_profiles_with_the_same_switches_are_one_engine_and_named_both(engine: Any) -> None:
    ovn = switches_of("ovn")
    found = recorded(engine, [flow_of(47, ALLOW)], profiles={"a": ovn, "b": ovn, "c": Switches()})
    assert found.profiles == {"a": Weight(1), "b": Weight(1)}
    assert found.pairs[0].profiles == ("a", "b")
    assert found.by_cause() == {Cause.PROFILE: Weight(1)}


def test_profiles_that_cannot_be_tried_are_told(engine: Any, tmp_path: Path) -> None:
    engine.save(tmp_path / "tables")
    loaded = recorded(netpol.load(tmp_path / "tables"))
    assert set(loaded.untried) == set(PROFILES) - {"spec"}
    assert set(loaded.untried.values()) == {"the engine was loaded without its policies"}
    assert loaded.by_cause()[Cause.UNEXPLAINED].flows == 67 + 8
    assert loaded.by_cause()[Cause.POLICY_CHANGED].flows == 160  # the tables have the times

    def too_large(_: Switches) -> Any:
        raise CapacityError("no room")

    full = recorded(engine, compile_with=too_large)
    assert full.untried == dict.fromkeys(PROFILES.keys() - {"spec"}, "no room")


def test_only_so_many_profiles_are_tried(engine: Any) -> None:
    names = [f"p{n}" for n in range(MOST_PROFILES + 2)]
    pairs = {name: replace(switches_of("ovn"), node_addresses=(("n", name),)) for name in names}
    found = recorded(engine, [flow_of(47, ALLOW)], profiles=pairs)
    assert list(found.untried) == names[MOST_PROFILES:]
    assert sorted(found.profiles) == sorted(names[:MOST_PROFILES])


def test_a_profile_that_decides_a_tie_explains_what_is_unknown_here() -> None:
    tied = [wide("a", "Accept"), wide("b", "Deny")]
    objects = [namespace("x"), pod("x/a", "10.0.0.1"), pod("x/b", "10.0.0.2")]
    policies, snapshot = load(tied, objects)
    unknown = netpol.compile(policies, snapshot, cnp_tie="unknown")
    found = recorded(unknown, [flow_of(6, ALLOW), flow_of(6, DENY)])
    assert {key[:2]: weight.flows for key, weight in found.causes.items()} == {
        (Cause.PROFILE, ALLOW): 1,
        (Cause.NOT_JUDGED, DENY): 1,
    }
    assert "calico" in found.profiles


# --- as policies were then -----------------------------------------------------------------------


def timed(item: dict[str, Any], created: str, changed: str | None = None) -> dict[str, Any]:
    item["metadata"]["creationTimestamp"] = created
    if changed is not None:
        owned = {"fieldsV1": {"f:spec": {}}, "time": changed}
        item["metadata"] |= {"generation": 2, "managedFields": [owned]}
    return item


FIRST, SECOND = "2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z"
BEFORE, BETWEEN, AFTER = (pools.TIMES_NS[0] + n * 1_800_000_000_000 for n in (-1, 1, 3))
CLOSED = {"podSelector": {}, "policyTypes": ["Ingress"]}
OPEN = {**CLOSED, "ingress": [{}]}
X = Cause.UNEXPLAINED
P = Cause.POLICY_CHANGED


@pytest.mark.parametrize(
    ("policies", "verdict", "causes"),
    [
        # Denied: all that isolate must be newer, or one have been something else.
        ([timed(policy("x", CLOSED), SECOND)], ALLOW, (P, P, X)),
        ([timed(policy("x", CLOSED), FIRST), timed(policy("x", CLOSED, "q"), SECOND)], ALLOW,
         (P, X, X)),
        ([timed(policy("x", CLOSED), FIRST, SECOND)], ALLOW, (P, P, X)),
        ([timed(policy("x", CLOSED), FIRST, SECOND), timed(policy("x", CLOSED, "q"), FIRST)], ALLOW,
         (P, P, X)),
        ([timed(policy("x", CLOSED), SECOND), policy("x", CLOSED, "q")], ALLOW, (X, X, X)),
        ([policy("x", CLOSED)], ALLOW, (X, X, X)),
        # Allowed by a newer rule: something must have isolated the pod without it.
        ([timed(policy("x", OPEN), SECOND)], DENY, (X, X, X)),
        ([timed(policy("x", OPEN), SECOND), timed(policy("x", CLOSED, "q"), FIRST)], DENY,
         (X, P, X)),
        ([timed(policy("x", OPEN), SECOND), policy("x", CLOSED, "q")], DENY, (P, P, X)),
        ([timed(policy("x", OPEN), FIRST, SECOND)], DENY, (X, P, X)),
        # Another rule that is old allows it as well.
        ([timed(policy("x", OPEN), FIRST, SECOND), policy("x", OPEN, "q")], DENY, (X, X, X)),
        # Tiers: what would have decided without the newer policy.
        ([timed(wide("a", "Deny"), SECOND)], ALLOW, (P, P, X)),
        ([timed(wide("a", "Deny"), SECOND), wide("b", "Deny", 6)], ALLOW, (X, X, X)),
        ([timed(wide("a", "Deny"), SECOND), wide("b", "Accept", 6), wide("c", "Deny", 7)], ALLOW,
         (P, P, X)),
        ([timed(wide("a", "Accept"), SECOND)], DENY, (X, X, X)),
        ([timed(wide("a", "Accept"), SECOND), wide("b", "Deny", 6)], DENY, (P, P, X)),
        ([timed(wide("a", "Accept"), SECOND), wide("b", "Pass", 6), wide("c", "Deny", 7)], DENY,
         (X, X, X)),
        ([timed(wide("a", "Accept"), SECOND), policy("x", CLOSED)], DENY, (P, P, X)),
        ([timed(wide("a", "Accept"), SECOND), wide("b", "Pass", 6), policy("x", CLOSED)], DENY,
         (P, P, X)),
        ([timed(wide("a", "Accept"), SECOND), wide("b", "Deny", 6, "Baseline")], DENY, (P, P, X)),
        ([timed(wide("a", "Accept"), FIRST, SECOND)], DENY, (X, P, X)),
    ],
)  # fmt: skip
def test_when_newer_policies_may_explain(
    policies: list[dict[str, Any]], verdict: Verdict, causes: tuple[Cause, ...]
) -> None:
    objects = [namespace("x"), pod("x/a", "10.0.0.1"), pod("x/b", "10.0.0.2")]
    engine = netpol.compile(*load(policies, objects))
    times = np.array([BEFORE, BETWEEN, AFTER], np.int64)
    batch = FlowBatch(
        src=np.full(3, 0x0A000002, np.uint32),
        dst=np.full(3, 0x0A000001, np.uint32),
        protocol=np.full(3, 6, np.uint8),
        dport=np.full(3, 22, np.uint16),
        recorded_verdict=np.full(3, verdict, np.uint8),
    )
    found = recorded(engine, [replace(batch, time=times)])
    assert {cause: weight.flows for cause, weight in found.by_cause().items()} == Counter(causes)
    for place, cause in enumerate(causes):
        alone = recorded(engine, [replace(batch, time=times).take(np.array([place]))])
        assert alone.by_cause() == {cause: Weight(1)}, place
    # Without times nothing is older than anything.
    assert set(recorded(engine, [batch]).by_cause()) == {X}


def test_a_flow_without_a_time_is_not_older_than_anything(engine: Any) -> None:
    (batch,) = open_flows(DATA / "flows.csv")
    late = batch.take(np.array([4, 4]))
    late.time = np.array([NO_TIME, FEBRUARY], np.int64)
    late.flows = np.array([1, 2], np.uint64)
    found = recorded(engine, [late])
    assert {cause: weight.flows for cause, weight in found.by_cause().items()} == {X: 1, P: 2}
    assert [pair.first_seen for pair in found.pairs] == [FEBRUARY, None]


def test_the_time_itself_is_not_before(engine: Any) -> None:
    (batch,) = open_flows(DATA / "flows.csv")
    row = batch.take(np.array([4]))  # to shop/late
    at = FEBRUARY + 28 * DAY
    for time, cause in ((at - 1, P), (at, X)):
        row.time = np.array([time], np.int64)
        assert recorded(engine, [row]).by_cause() == {cause: Weight(128, 0, 12_800)}


# --- one by one ----------------------------------------------------------------------------------


@random_worlds
@given(cases(), st.data())
def test_sums_are_those_of_the_reference_evaluator(case: Case, data: st.DataObject) -> None:
    policies, snapshot = load(case.policies, case.objects, case.dns)
    said = data.draw(st.lists(st.sampled_from(Verdict), min_size=12, max_size=12))
    weights = data.draw(st.lists(st.integers(0, 9), min_size=12, max_size=12))
    batch = batch_from(case.flows)
    batch.recorded_verdict = np.array(said, np.uint8)
    batch.flows = np.array(weights, np.uint64)
    engine = netpol.compile(policies, snapshot, **asdict(case.switches))

    def judged(switches: Switches) -> list[Verdict]:
        reference = ReferenceEvaluator(policies, snapshot, switches)
        return [reference.judge(flow).verdict for flow in case.flows]

    given_: Any = {
        name: getattr(case.switches, name)
        for name in ("strict_cidr", "unknown_fields", "node_addresses")
    }
    ours = judged(case.switches)
    table: Counter[Any] = Counter()
    for key in zip(said, ours, weights, strict=True):
        table[key[:2]] += key[2]
    found = recorded(engine, [batch, batch], top=1000)
    assert {key: weight.flows for key, weight in found.table.items()} == {
        key: 2 * flows for key, flows in table.items() if flows and key[0] is not UNKNOWN
    }
    assert found.absent.flows == 2 * sum(n for (a, _), n in table.items() if a is UNKNOWN)
    # Nothing here has a time of its own, so what is left is to be tried with every profile.
    reference = ReferenceEvaluator(policies, snapshot, case.switches)
    doubts = Note.STALE_POD_IP | Note.IN_PODCIDR | Note.POSSIBLE_NODE_GATEWAY
    others = {
        name: judged(switches_of(name, **given_))
        for name in PROFILES
        if switches_of(name, **given_) != case.switches
    }
    ends = engine.evaluate(batch).src_endpoint.tolist()
    causes: Counter[Any] = Counter()
    profiles: Counter[str] = Counter()
    for row, (first, second, weight) in enumerate(zip(said, ours, weights, strict=True)):
        if first in (second, UNKNOWN):
            continue
        outcome = reference.judge(case.flows[row])
        agreeing = [name for name, verdicts in others.items() if verdicts[row] is first]
        no_pod = engine.endpoints.kind[ends[row]] != EndpointKind.POD
        who = outcome.notes & (doubts | Note.OWN_NODE_UNKNOWN * no_pod) or outcome.reason.label in (
            "ambiguous-ip", "service-backend-dependent", "service-no-endpoints", "source-nat",
            "service-nat-order", "possible-node-gateway", "namespace-labels-unknown",
            "nodes-unknown", "dns-unknown",
        )  # fmt: skip
        if who:
            cause = Cause.IDENTITY_UNKNOWN
        elif agreeing:
            cause = Cause.PROFILE
            profiles.update(dict.fromkeys(agreeing, 2 * weight))
        else:
            cause = Cause.NOT_JUDGED if second is UNKNOWN else Cause.UNEXPLAINED
        causes[cause, first, second] += 2 * weight
    assert {k: w.flows for k, w in found.causes.items()} == {k: n for k, n in causes.items() if n}
    assert {k: w.flows for k, w in found.profiles.items() if w.flows} == {
        k: n for k, n in profiles.items() if n
    }
    listed: Counter[Any] = Counter()
    for pair in found.pairs:
        listed[pair.cause, pair.recorded, pair.ours] += pair.weight.flows
    assert {k: n for k, n in listed.items() if n} == {k: n for k, n in causes.items() if n}


@settings(random_worlds, max_examples=random_worlds.max_examples // 2)
@given(cases(), st.data())
def test_newer_policies_explain_what_is_so_without_them(case: Case, data: st.DataObject) -> None:
    """Leave out, one flow after the other, the policies that were created after it."""
    times = (None, *pools.TIMES)
    for item in case.policies:
        item["metadata"]["creationTimestamp"] = data.draw(st.sampled_from(times))
    moments = data.draw(
        st.lists(st.sampled_from([t - 1 for t in pools.TIMES_NS]), min_size=12, max_size=12)
    )
    flows = [replace(f, time=t) for f, t in zip(case.flows, moments, strict=True)]
    policies, snapshot = load(case.policies, case.objects, case.dns)
    engine = netpol.compile(policies, snapshot, **asdict(case.switches))
    created = {policy.label: policy.times.created for policy in engine.policies}
    reference = ReferenceEvaluator(policies, snapshot, case.switches)
    for row, flow in enumerate(flows):
        now = reference.judge(flow)
        if now.verdict is UNKNOWN:
            continue
        kept = [item for item in case.policies if (created[_label(item)] or 0) <= moments[row]]
        then = ReferenceEvaluator(*load(kept, case.objects, case.dns), case.switches).judge(flow)
        batch = batch_from([flow])
        batch.recorded_verdict = np.array([ALLOW + DENY - now.verdict], np.uint8)
        sums = RecordedSums(engine, OtherProfiles(engine, profiles={}))
        sums.add(engine.evaluate(batch))
        (cause,) = sums.result(Weight(1), 1).by_cause()
        if cause is P:
            assert then.verdict in (UNKNOWN, ALLOW + DENY - now.verdict), flow
        elif cause is X and not {"own-node", "np-hairpin"} & {
            side.reason.label for side in (then.egress, then.ingress, now.egress) if side.reason
        }:
            assert then.verdict in (UNKNOWN, now.verdict), flow


def _label(item: dict[str, Any]) -> str:
    meta = item["metadata"]
    if item["kind"] == "NetworkPolicy":
        return f"{meta.get('namespace', 'default')}/{meta['name']}"
    return f"{item['kind']}/{meta['name']}"


def test_summaries_keep_it(engine: Any) -> None:
    summary = replay(engine, open_flows(DATA / "flows.csv"), top=100)
    assert isinstance(summary, ReplaySummary)
    assert summary.recorded is not None
    short = summary.first(2)
    assert short.recorded == summary.recorded.first(2)
    assert (len(short.denied.pairs), len(short.unknown.pairs)) == (2, 1)
