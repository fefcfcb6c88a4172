"""Flows by time and by namespaces: nothing is lost, memory is bounded."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import netpol
from cli_support import EXAMPLES
from netpol.engine.endpoints import EndpointKind
from netpol.model.batch import NO_TIME
from netpol.questions.coverage.coverage import CoverageEngine
from netpol.questions.diff.diff import diff
from netpol.questions.diff.distribution import DifferingSpread
from netpol.questions.diff.groups import Kind
from netpol.questions.replay.replay import replay
from netpol.run.distribution.collect import SpreadWriter
from netpol.run.distribution.namespaces import OTHERS, NamespaceMatrix
from netpol.run.distribution.timeline import WIDTHS, Timeline

SECOND = 10**9
NEVER = int(NO_TIME)


def added(times: list[int], *, kept: int = 4096, batch: int = 7) -> Timeline:
    """Add flows of kinds 0 and 1 in turn, some at a time."""
    timeline = Timeline(2, kept)
    kinds = np.arange(len(times), dtype=np.uint8) % 2
    for start in range(0, len(times), batch):
        part = slice(start, start + batch)
        timeline.add(np.array(times[part], np.int64), kinds[part], None)
    return timeline


def test_widths_divide_each_other() -> None:
    assert all(b % a == 0 and b > a for a, b in pairwise(WIDTHS))


@given(
    times=st.lists(st.one_of(st.just(NEVER), st.integers(-(2**63) + 1, 2**63 - 1)), max_size=60),
    kept=st.sampled_from([1, 5, 4096]),
    bars=st.sampled_from([1, 10, 120]),
)
def test_no_flow_is_lost(times: list[int], kept: int, bars: int) -> None:
    series = added(times, kept=kept).result(bars)
    shown = sum(sum(row) for row in series.flows)
    assert shown + series.untimed + series.outside == len(times)
    assert series.untimed == times.count(NEVER)
    assert len(series.flows) <= max(bars, 604)


@given(st.lists(st.integers(0, 500_000), min_size=1, max_size=60))
def test_buckets_are_those_of_the_times(seconds: list[int]) -> None:
    series = added([second * SECOND + 7 for second in seconds]).result()
    assert series.outside == 0
    expected = Counter((s // series.width * series.width, n % 2) for n, s in enumerate(seconds))
    found = {
        (start, kind): number
        for start, row in zip(series.starts(), series.flows, strict=True)
        for kind, number in enumerate(row)
        if number
    }
    assert found == expected
    assert series.starts()[0] <= min(seconds) < series.starts()[0] + series.width


def test_buckets_are_as_narrow_as_there_is_room() -> None:
    assert added([SECOND * n for n in range(120)]).result(120).width == 1
    assert added([SECOND * n for n in range(121)]).result(120).width == 5
    assert added([SECOND * n for n in range(100)], kept=10).result(120).width == 15


def test_flows_stand_for_many() -> None:
    timeline = Timeline(2)
    times = np.array([0, SECOND, NEVER], np.int64)
    flows = np.array([2**62, 3, 5], np.uint64)
    for _ in range(5):
        timeline.add(times, np.array([0, 1, 1], np.uint8), flows)
    series = timeline.result()
    assert series.flows == ((5 * 2**62, 0), (0, 15))
    assert series.untimed == 25


def test_a_wrong_clock_is_left_out_and_counted() -> None:
    times = [1_760_000_000 * SECOND + n * SECOND for n in range(3000)]
    series = added([0, *times, 2_000_000_000 * SECOND], batch=999).result()
    assert series.outside == 2
    assert series.width <= 60
    assert sum(map(sum, series.flows)) == 3000
    # Of few flows, none is too few to be left out.
    assert added([0, *times[:100]]).result().outside == 0


def test_a_log_without_times() -> None:
    timeline = Timeline(2)
    timeline.add(None, np.zeros(4, np.uint8), np.array([1, 2, 3, 4], np.uint64))
    series = timeline.result()
    assert (series.untimed, series.flows, series.starts()) == (10, (), [])


def endpoints(*named: tuple[EndpointKind, str]) -> SimpleNamespace:
    kinds, labels = zip(*named, strict=True)
    return SimpleNamespace(kind=np.array(kinds, np.uint8), labels=list(labels))


def matrix_of(ends: SimpleNamespace, limit: int) -> dict[tuple[str, str], tuple[int, ...]]:
    matrix = NamespaceMatrix(ends, 2, limit)
    count = len(ends.labels)
    src, dst = (part.ravel() for part in np.indices((count, count), np.uint32))
    kinds = (np.arange(len(src)) % 2).astype(np.uint8)
    for _ in range(2):
        matrix.add(src, dst, kinds, (None, None, np.full(len(src), 10, np.uint64)))
    found = matrix.result()
    assert all(item.total.bytes == 10 * item.total.flows for item in found)
    assert [item.total.flows for item in found] == sorted(
        (item.total.flows for item in found), reverse=True
    )
    return {(item.src, item.dst): tuple(w.flows for w in item.series) for item in found}


def test_namespaces_and_what_has_none() -> None:
    found = matrix_of(
        endpoints(
            (EndpointKind.POD, "shop/web"),
            (EndpointKind.EXTERNAL, "external"),
            (EndpointKind.NODE, "node/shop"),
            (EndpointKind.LOOPBACK, "loopback"),
            (EndpointKind.AMBIGUOUS, "ambiguous: a/b, c/d"),
            (EndpointKind.SERVICE, "service/shop/api"),
            (EndpointKind.SERVICE, "service/a/b, service/c/d"),
        ),
        400,
    )
    names = {src for src, _ in found}
    assert names == {"shop", "(external)", "(nodes)", "(loopback)", "(ambiguous)", "(services)"}
    assert sum(found["shop", "shop"]) == 8
    assert sum(map(sum, found.values())) == 2 * 49


def test_namespaces_beyond_the_limit_are_one() -> None:
    pods = [(EndpointKind.POD, f"ns{n}/pod{k}") for n in range(6) for k in range(9 - n)]
    found = matrix_of(endpoints(*pods), 2)
    assert {src for src, _ in found} == {"ns0", "ns1", OTHERS}
    assert sum(found["ns0", "ns0"]) == 2 * 81
    assert sum(map(sum, found.values())) == 2 * len(pods) ** 2


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_spread_of_a_replay_adds_up(jobs: int) -> None:
    engine = netpol.compile(
        netpol.read_policies([EXAMPLES / "lab" / "policies"]),
        netpol.read_snapshot([EXAMPLES / "lab" / "cluster.json"]),
    )
    writer = SpreadWriter(engine)
    flows = netpol.open_flows(EXAMPLES / "lab" / "node1.conntrack.txt")
    summary = replay(engine, flows, writers=[writer], jobs=jobs)
    spread = writer.result()
    by_verdict = list(summary.by_verdict().values())
    for index in range(3):
        weights = [item.series[index] for item in spread.namespaces]
        assert sum(weight.flows for weight in weights) == by_verdict[index].flows
        assert sum(weight.bytes for weight in weights) == by_verdict[index].bytes
    assert spread.time.untimed == summary.total.flows


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_spread_of_a_diff_adds_up(jobs: int) -> None:
    snapshot = netpol.read_snapshot([EXAMPLES / "guide" / "cluster.yaml"])
    before, after = (
        netpol.compile(netpol.read_policies([EXAMPLES / "guide" / name]), snapshot)
        for name in ("policies.yaml", "proposed.yaml")
    )
    writer = DifferingSpread(after)
    flows = netpol.open_flows(EXAMPLES / "guide" / "flows.csv")
    found = diff(before, after, flows, writers=[writer], jobs=jobs)
    spread = writer.result()
    assert spread.series == tuple(str(kind) for kind in Kind)
    assert found.differing.flows > 0
    for index, listed in enumerate(found.kinds.values()):
        weights = [item.series[index] for item in spread.namespaces]
        assert sum(weight.flows for weight in weights) == listed.total.flows
        assert sum(weight.bytes for weight in weights) == listed.total.bytes
    assert {(item.src, item.dst) for item in spread.namespaces} == {
        ("(external)", "default"),
        ("my-project", "open"),
    }
    assert spread.time.untimed == found.differing.flows


def test_the_spread_of_a_diff_without_flows_is_empty() -> None:
    snapshot = netpol.read_snapshot([EXAMPLES / "guide" / "cluster.yaml"])
    engine = netpol.compile(netpol.read_policies([EXAMPLES / "guide" / "policies.yaml"]), snapshot)
    writer = DifferingSpread(engine)
    diff(engine, engine, [], writers=[writer])
    assert (writer.result().namespaces, writer.result().time.flows) == ((), ())


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_spread_of_a_coverage_adds_up(jobs: int) -> None:
    compiled = CoverageEngine(
        netpol.read_policies([EXAMPLES / "lab" / "policies"]),
        netpol.read_snapshot([EXAMPLES / "lab" / "cluster.json"]),
    )
    log = EXAMPLES / "lab" / "node1.conntrack.txt"
    writer = SpreadWriter(compiled.engine)
    found = compiled.cover(netpol.open_flows(log), writers=[writer], jobs=jobs)
    assert found == compiled.cover(netpol.open_flows(log), jobs=jobs)
    spread = writer.result()
    for index, flows in enumerate(found.evidence.verdicts.values()):
        assert sum(item.series[index].flows for item in spread.namespaces) == flows
