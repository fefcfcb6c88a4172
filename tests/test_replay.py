"""A replay's summary adds up, and says what the verdicts it was made from say."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netpol
from netpol.flows.reader import open_flows
from netpol.io.prefetch import read_ahead
from netpol.kube.policies import read_policies
from netpol.kube.snapshot import read_snapshot
from netpol.model.batch import FlowBatch
from netpol.model.errors import FlowError
from netpol.model.verdict import Note, Reason, Side, Verdict
from netpol.questions.replay.replay import ReplaySummary, replay
from netpol.run.sums import Weight

EXAMPLES = Path(__file__).parent.parent / "examples"
GUIDE, LAB = EXAMPLES / "guide", EXAMPLES / "lab"


def engine(folder: Path, policies: str, cluster: str, **switches: Any) -> Any:
    return netpol.compile(
        read_policies([str(folder / policies)]),
        read_snapshot([str(folder / cluster)]),
        **switches,
    )


@pytest.fixture(scope="module")
def guide() -> Any:
    return engine(GUIDE, "policies.yaml", "cluster.yaml")


@pytest.fixture(scope="module")
def lab() -> Any:
    return engine(LAB, "policies", "cluster.json")


def replay_lab(lab: Any, **options: Any) -> ReplaySummary:
    files = [str(LAB / f"node{n}.conntrack.txt") for n in (1, 2)]
    return replay(lab, open_flows(files), **options)


@pytest.fixture(scope="module")
def guide_summary(guide: Any) -> ReplaySummary:
    return replay(guide, open_flows([str(GUIDE / "flows.csv")]))


def test_guide_every_flow_has_the_verdict_its_policy_asks_for(
    guide_summary: ReplaySummary,
) -> None:
    assert guide_summary.total == Weight(14, 0, 147_360)
    assert guide_summary.has_bytes
    assert not guide_summary.has_packets
    assert {v: w.flows for v, w in guide_summary.by_verdict().items()} == {
        Verdict.ALLOW: 7,
        Verdict.DENY: 7,
        Verdict.UNKNOWN: 0,
    }
    denied = {(p.src, p.dst, p.port, p.side.label) for p in guide_summary.denied.pairs}
    assert denied == {
        ("external", "default/db", 6379, "ingress"),
        ("default/batch", "default/db", 6379, "ingress"),
        ("default/frontend", "default/db", 5432, "ingress"),
        ("default/db", "external", 5978, "egress"),
        ("default/db", "external", 443, "egress"),
        ("default/frontend", "closed/vault", 8200, "ingress"),
        ("my-project/client", "open/crawler", 9090, "ingress"),
    }


def test_guide_rules_are_counted_and_denials_credited(guide_summary: ReplaySummary) -> None:
    uses = {policy.label: policy for policy in guide_summary.policies}
    rules = {(rule.side, rule.index): rule for rule in uses["default/my-network-policy"].rules}
    assert rules[Side.INGRESS, 0].matched.flows == rules[Side.INGRESS, 0].decided.flows == 3
    assert rules[Side.INGRESS, 0].matched.bytes == 5200 + 9400 + 31000
    assert rules[Side.EGRESS, 0].decided.flows == 1
    assert uses["default/my-network-policy"].denied_ingress.flows == 3
    assert uses["default/my-network-policy"].denied_egress.flows == 2
    assert uses["closed/deny-all-ingress"].denied_ingress.flows == 1
    assert uses["open/allow-all-egress"].denied_ingress.flows == 1
    assert uses["open/allow-all-egress"].rules[0].decided.flows == 2


def test_guide_isolated_pods(guide_summary: ReplaySummary) -> None:
    isolation = guide_summary.isolation
    assert isolation.pods == 6
    assert set(isolation.egress) == {"default/db", "open/crawler"}
    assert set(isolation.ingress) == {"default/db", "open/crawler", "closed/vault"}


def test_lab_totals_are_those_of_the_flows_one_by_one(lab: Any) -> None:
    summary = replay_lab(lab)
    verdicts: Counter[tuple[int, int, int]] = Counter()
    octets = 0
    for batch in open_flows([str(LAB / f"node{n}.conntrack.txt") for n in (1, 2)]):
        judged = lab.evaluate(batch)
        verdicts.update(zip(judged.verdict, judged.reason, judged.side, strict=True))
        octets += int(batch.bytes.sum())
    assert {tuple(key): weight.flows for key, weight in summary.outcomes.items()} == verdicts
    assert summary.total.bytes == octets
    assert summary.reader.records == summary.total.flows == 504
    for verdict in Verdict:
        weight = summary.by_verdict()[verdict]
        assert sum(w.flows for w in summary.by_reason(verdict).values()) == weight.flows
        assert sum(w.flows for w in summary.by_side(verdict).values()) == weight.flows


@pytest.mark.parametrize("top", [0, 1, 5, 1000])
def test_lab_listed_pairs_and_others_make_up_the_verdict(lab: Any, top: int) -> None:
    summary = replay_lab(lab, top=top)
    for verdict, pairs in ((Verdict.DENY, summary.denied), (Verdict.UNKNOWN, summary.unknown)):
        listed = sum((pair.weight for pair in pairs.pairs), Weight())
        assert listed + pairs.others == summary.by_verdict()[verdict]
        assert len(pairs.pairs) == min(top, pairs.distinct)
        flows = [pair.weight.flows for pair in pairs.pairs]
        assert flows == sorted(flows, reverse=True)


def test_lab_rule_hits_are_those_of_the_decisions_one_by_one(lab: Any) -> None:
    summary = replay_lab(lab)
    matched: Counter[tuple[str, str, int]] = Counter()
    for batch in open_flows([str(LAB / f"node{n}.conntrack.txt") for n in (1, 2)]):
        judged = lab.evaluate(batch)
        for side, column in (("egress", judged.egress), ("ingress", judged.ingress)):
            for decision in column.tolist():
                for policy, rule in lab.decisions[decision].matching:
                    matched[lab.policies[policy].label, side, rule] += 1
    for policy in summary.policies:
        for rule in policy.rules:
            key = (policy.label, rule.side.label, rule.index)
            assert rule.matched.flows == matched[key], key
            assert rule.decided.flows <= rule.matched.flows


def test_a_pair_names_the_policies_that_could_have_allowed_it(lab: Any) -> None:
    pairs = replay_lab(lab, top=1000).denied.pairs
    kubelet = next(p for p in pairs if p.src == "shop/web-0" and p.port == 10250)
    (credit,) = kubelet.credits
    assert credit.side is Side.EGRESS
    assert credit.rule is None
    assert credit.policy == "shop/default-deny"
    assert credit.isolating == ("shop/default-deny", "shop/dns", "shop/web")
    assert kubelet.reason is Reason.NP_IMPLICIT_DENY


def test_notes_are_weighed(lab: Any) -> None:
    notes = replay_lab(lab).notes
    assert notes[Note.UNSPECIFIED_PROTOCOL].flows > 0
    assert all(weight.flows for weight in notes.values())


def test_records_that_stand_for_many_flows_weigh_as_many(guide: Any) -> None:
    batch = FlowBatch(
        src=np.array([0x0AF4000C, 0x0AF4000B], np.uint32),
        dst=np.full(2, 0x0AF4000A, np.uint32),
        protocol=np.full(2, 6, np.uint8),
        dport=np.full(2, 6379, np.uint16),
        flows=np.array([1000, 3], np.uint64),
    )
    summary = replay(guide, [batch])
    assert {v.label: w.flows for v, w in summary.by_verdict().items()} == {
        "allow": 3,
        "deny": 1000,
        "unknown": 0,
    }
    assert summary.denied.pairs[0].weight.flows == 1000


def test_writers_get_every_batch_in_order_and_progress_is_told(guide: Any) -> None:
    class Recorder:
        def __init__(self) -> None:
            self.lengths: list[int] = []

        def write(self, verdicts: Any) -> None:
            self.lengths.append(len(verdicts.verdict))

    def batch(n: int) -> FlowBatch:
        return FlowBatch(
            src=np.zeros(n, np.uint32),
            dst=np.zeros(n, np.uint32),
            protocol=np.full(n, 6, np.uint8),
            dport=np.full(n, 80, np.uint16),
        )

    recorder, seen = Recorder(), []
    replay(guide, [batch(2), batch(5)], writers=[recorder], on_batch=seen.append)
    assert recorder.lengths == [2, 5]
    assert seen == [2, 7]
    replay(guide, [], writers=[recorder])
    assert recorder.lengths == [2, 5, 0]


@pytest.mark.parametrize("files", ["lab", "guide"])
def test_threads_change_nothing(lab: Any, guide: Any, files: str) -> None:
    engine, paths = {
        "lab": (lab, [str(LAB / f"node{n}.conntrack.txt") for n in (1, 2)]),
        "guide": (guide, [str(GUIDE / "flows.csv")]),
    }[files]
    alone, together = (replay(engine, open_flows(paths), jobs=jobs) for jobs in (1, 2))
    assert alone == together


def test_what_a_log_raises_is_raised_in_its_place(guide: Any, tmp_path: Path) -> None:
    bad = tmp_path / "bad.txt"
    text = (LAB / "node1.conntrack.txt").read_text()
    bad.write_text(text + "this is no connection\n" + text)
    line = text.count("\n") + 1
    for jobs in (1, 2):
        with pytest.raises(FlowError, match=rf"bad\.txt:{line}: "):
            replay(guide, open_flows([str(bad)], strict=True), jobs=jobs)


def test_reading_ahead_keeps_order_and_ends_with_its_reader() -> None:
    before = threading.active_count()
    assert list(read_ahead(range(100))) == list(range(100))
    some = read_ahead(iter(range(10**9)))
    assert [next(some) for _ in range(3)] == [0, 1, 2]
    some.close()
    assert threading.active_count() == before
