"""Sums must be exact whatever a log's counters claim, and memory bounded whatever its pairs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import netpol
from netpol._core.sums import Groups, Histogram
from netpol.flows.reader import open_flows
from netpol.model.batch import PORT_PROTOCOLS, UNKNOWN_PROTOCOL, FlowBatch
from netpol.model.verdict import Note, Reason, Side, Verdict
from netpol.run.sums import PairKey, Tally, Weight

LAB = Path(__file__).parent.parent / "examples" / "lab"
U64 = st.integers(min_value=0, max_value=2**64 - 1) | st.just(2**64 - 1)
ROWS = st.lists(st.tuples(st.integers(0, 5), U64, U64, U64), max_size=30)
Rows = list[tuple[int, int, int, int]]
Sums = dict[Any, tuple[int, ...]]


def columns(rows: Rows) -> list[Any]:
    return [np.array([row[i] for row in rows], np.uint64) for i in (1, 2, 3)]


def add(sums: Sums, key: Any, weight: tuple[int, ...]) -> None:
    sums[key] = tuple(a + b for a, b in zip(sums.get(key, (0, 0, 0)), weight, strict=True))


def slow_sums(rows: Rows) -> Sums:
    sums: Sums = {}
    for key, *weight in rows:
        add(sums, key, tuple(weight))
    return sums


def words(key: int) -> list[int]:
    return [key, key << 40, 7]


@given(batches=st.lists(ROWS, max_size=4), parts=st.booleans())
def test_histogram_is_exact_for_any_64_bit_counter(batches: list[Rows], parts: bool) -> None:
    histogram = Histogram(6)
    for rows in batches:
        into = Histogram(6) if parts else histogram
        into.add(np.array([row[0] for row in rows], np.uint32), *columns(rows))
        if parts:
            histogram.merge(into)
    expected = slow_sums([row for rows in batches for row in rows])
    assert histogram.items() == {
        key: weight for key, weight in sorted(expected.items()) if any(weight)
    }


def test_histogram_without_weights_counts_flows() -> None:
    histogram = Histogram(4)
    histogram.add(np.array([3, 3, 1], np.uint32), None, None, None)
    assert histogram.items() == {1: (1, 0, 0), 3: (2, 0, 0)}


def test_histogram_refuses_what_it_has_no_place_for() -> None:
    histogram = Histogram(4)
    with pytest.raises(IndexError):
        histogram.add(np.array([1, 4], np.uint32), None, None, None)
    with pytest.raises(ValueError, match="flows: length 1, expected 2"):
        histogram.add(np.array([1, 2], np.uint32), np.array([1], np.uint64), None, None)
    with pytest.raises(ValueError, match="other: length 5, expected 4"):
        histogram.merge(Histogram(5))
    assert histogram.items() == {}


@given(batches=st.lists(ROWS, max_size=4), parts=st.booleans())
def test_groups_are_exact_and_in_order_of_first_sight(batches: list[Rows], parts: bool) -> None:
    groups = Groups(1000)
    for rows in batches:
        keys = np.array([words(row[0]) for row in rows], np.uint64).reshape(-1, 3)
        into = Groups(1000) if parts else groups
        into.add(keys, *columns(rows))
        if parts:
            groups.merge(into)
    sums = slow_sums([row for rows in batches for row in rows])
    assert groups.keys().tolist() == [words(key) for key in sums]
    assert [groups.weight(i) for i in range(len(groups))] == list(sums.values())
    rounded = [[float(x) for x in weight] for weight in sums.values()]
    np.testing.assert_allclose(groups.measures(), np.reshape(rounded, (-1, 3)), rtol=1e-15)
    assert groups.others == (0, 0, 0)


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
@pytest.mark.parametrize("parts", [False, True])
def test_beyond_the_limit_later_keys_are_others_and_kept_keys_stay_exact(
    batch_size: int, parts: bool
) -> None:
    keys = np.array([words(k) for k in (*range(10), *range(100), 2, 2, 99)], np.uint64)
    groups = Groups(10)
    for start in range(0, len(keys), batch_size):
        into = Groups(1000) if parts else groups
        into.add(keys[start : start + batch_size], None, None, None)
        if parts:
            groups.merge(into)
    assert groups.keys()[:, 0].tolist() == list(range(10))
    assert groups.weight(2) == (4, 0, 0)
    assert groups.weight(3) == (2, 0, 0)
    assert groups.others == (91, 0, 0)
    with pytest.raises(IndexError):
        groups.weight(10)


def test_groups_grow_past_their_first_room() -> None:
    keys = np.arange(60_000, dtype=np.uint64).reshape(-1, 3)
    groups = Groups(1 << 18)
    for part in (keys[:1000], keys, keys[500:1500]):
        groups.add(np.ascontiguousarray(part), None, None, None)
    assert (groups.keys() == keys).all()
    assert [groups.weight(i)[0] for i in (0, 700, 1200, 9000)] == [2, 3, 2, 1]


# --- a whole batch, against its verdicts' own columns ---------------------------------------------


@pytest.fixture(scope="module")
def lab() -> Any:
    return netpol.compile(
        netpol.read_policies([str(LAB / "policies")]),
        netpol.read_snapshot([str(LAB / "cluster.json")]),
    )


@pytest.fixture(scope="module")
def batch() -> FlowBatch:
    return next(iter(open_flows([str(LAB / "node1.conntrack.txt")])))


def slow_tally(verdicts: Any) -> dict[str, Sums]:
    """Sum row by row what the verdicts' columns say."""
    sums: dict[str, Sums] = {"outcomes": {}, "egress": {}, "ingress": {}, "notes": {}, "pairs": {}}
    flows = verdicts.batch
    workload = verdicts.engine.endpoints.workload
    opened = verdicts.opened
    for row in range(len(verdicts)):
        weight = tuple(
            int(column[row]) if column is not None else absent
            for column, absent in ((flows.flows, 1), (flows.packets, 0), (flows.bytes, 0))
        )
        verdict = Verdict(int(verdicts.verdict[row]))
        reason, side = Reason(int(verdicts.reason[row])), Side(int(verdicts.side[row]))
        egress, ingress = int(verdicts.egress[row]), int(verdicts.ingress[row])
        add(sums["outcomes"], (verdict, reason, side), weight)
        add(sums["egress"], egress, weight)
        add(sums["ingress"], ingress, weight)
        for note in Note(int(verdicts.notes[row])):
            add(sums["notes"], note, weight)
        if verdict is not Verdict.ALLOW:
            protocol = int(flows.protocol[row])
            known = opened.get("dport_known")
            has_port = protocol in (*PORT_PROTOCOLS, UNKNOWN_PROTOCOL)
            has_port &= known is None or bool(known[row])
            key = PairKey(
                src=workload[verdicts.src_endpoint[row]],
                dst=workload[verdicts.dst_endpoint[row]],
                verdict=verdict, reason=reason, side=side, protocol=protocol,
                port=int(opened["dport"][row]) if has_port else None,
                egress=egress if side & Side.EGRESS else 0,
                ingress=ingress if side & Side.INGRESS else 0,
            )  # fmt: skip
            add(sums["pairs"], key, weight)
    return sums


def check(tally: Tally, expected: dict[str, Sums]) -> None:
    def weighed(sums: Sums) -> dict[Any, Weight]:
        return {key: Weight(*weight) for key, weight in sums.items() if any(weight)}

    assert tally.outcomes() == weighed(expected["outcomes"])
    assert dict(tally.decisions(Side.EGRESS)) == weighed(expected["egress"])
    assert dict(tally.decisions(Side.INGRESS)) == weighed(expected["ingress"])
    assert tally.notes() == {n: w for n, w in weighed(expected["notes"]).items() if w.flows}
    listed = {}
    for verdict in (Verdict.DENY, Verdict.UNKNOWN):
        pairs, distinct = tally.heaviest(verdict, 1000)
        assert distinct == len(pairs)
        flows = [float(weight.flows) for _, weight in pairs]  # what they are sorted by
        assert flows == sorted(flows, reverse=True)
        listed.update(pairs)
    assert listed == {key: Weight(*weight) for key, weight in expected["pairs"].items()}


def variants(batch: FlowBatch) -> dict[str, FlowBatch]:
    rng = np.random.default_rng(1)
    n = len(batch)
    huge = rng.choice(np.array([0, 1, 2**63, 2**64 - 1], np.uint64), n)
    reply = rng.random(n) < 0.3
    return {
        "as read": batch,
        "counters all ones": replace(batch, flows=huge[::-1].copy(), packets=huge, bytes=huge),
        "no counters": replace(batch, packets=None, bytes=None),
        "old and undated": replace(
            batch, time=rng.choice(np.array([np.iinfo(np.int64).min, 0, 4 * 10**18], np.int64), n)
        ),
        "replies": replace(batch, is_reply=reply),
        "ports not recorded": replace(batch, dport_known=rng.random(n) < 0.5),
        "other protocols": replace(
            batch, protocol=rng.choice(np.array([1, 6, 17, 33, 47, 58, 132, 255], np.uint8), n),
            icmp_type=rng.integers(0, 14, n).astype(np.uint8),
        ),
        "nothing": FlowBatch(
            src=batch.src[:0], dst=batch.dst[:0], protocol=batch.protocol[:0], dport=batch.dport[:0]
        ),
    }  # fmt: skip


@pytest.mark.parametrize("kind", [
    "as read", "counters all ones", "no counters", "old and undated", "replies",
    "ports not recorded", "other protocols", "nothing",
])  # fmt: skip
def test_a_tally_sums_what_the_verdicts_say(lab: Any, batch: FlowBatch, kind: str) -> None:
    verdicts = lab.evaluate(variants(batch)[kind])
    tally = Tally(lab)
    tally.add(verdicts)
    expected = slow_tally(verdicts)
    check(tally, expected)
    assert kind == "nothing" or expected["pairs"]
    assert not tally.capped


def test_batches_add_up_whatever_their_size(lab: Any, batch: FlowBatch) -> None:
    everything = FlowBatch(
        src=np.tile(batch.src, (9, 1)), dst=np.tile(batch.dst, (9, 1)),
        protocol=np.tile(batch.protocol, 9), dport=np.tile(batch.dport, 9),
        bytes=np.arange(9 * len(batch), dtype=np.uint64),
    )  # fmt: skip
    assert len(everything) > 2048  # more than one block of the core
    verdicts = lab.evaluate(everything)
    tally = Tally(lab)
    tally.add(verdicts)
    check(tally, slow_tally(verdicts))


def test_a_tally_refuses_results_of_another_engine(lab: Any, batch: FlowBatch) -> None:
    verdicts = lab.evaluate(batch)
    verdicts.storage["egress"][0] = len(lab.decisions)
    tally = Tally(lab)
    with pytest.raises(ValueError, match="egress"):
        tally.add(verdicts)
    assert tally.outcomes() == {}


def test_places_of_keys_are_those_they_were_first_seen_in() -> None:
    groups = Groups(2)
    keys = np.array([[1, 2, 3], [4, 5, 6], [1, 2, 3], [7, 8, 9]], np.uint64)
    groups.add(keys, None, None, None)
    assert groups.places(keys).tolist() == [0, 1, 0, 2]  # the last is not kept
    assert groups.places(np.zeros((0, 3), np.uint64)).tolist() == []
    with pytest.raises(ValueError, match=r"keys: shape \(1, 2\), expected \(1, 3\)"):
        groups.places(np.zeros((1, 2), np.uint64))
