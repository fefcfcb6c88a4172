"""Replay a conntrack dump on two sets of policies at once; what that costs beside one replay."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import pytest

import netpol
from bench.conftest import cached_engine
from bench.shapes import World, write_conntrack
from netpol.flows.reader import open_flows
from netpol.questions.diff.diff import Diff, diff
from netpol.questions.replay.replay import replay

_ROUNDS = 5


@pytest.mark.benchmark(group="diff")
@pytest.mark.parametrize("removed", [0, 1, 20])
def test_diff(
    benchmark: Any,
    rate: Callable[[float, str], None],
    world: World,
    world_key: tuple[str, str],
    removed: int,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """``x replay`` is the ratio of medians, rounds of both taken in turn; on a machine with other
    work, that of CPU time says more."""
    lines = request.config.getoption("--lines")
    dump = tmp_path / "conntrack.txt"
    write_conntrack(world, dump, lines)
    before = cached_engine(*world_key, ipv6=False)
    fewer = replace(world.policies, policies=world.policies.policies[removed:])
    after = netpol.compile(fewer, world.snapshot)
    diff(before, after, open_flows([dump]))  # makes what is made once an engine
    single: list[float] = []
    cpu: dict[str, list[float]] = {"replay": [], "diff": []}

    def alone() -> None:
        start, used = time.perf_counter(), time.process_time()
        replay(before, open_flows([dump]))
        single.append(time.perf_counter() - start)
        cpu["replay"].append(time.process_time() - used)

    def both() -> Diff:
        used = time.process_time()
        found = diff(before, after, open_flows([dump]))
        cpu["diff"].append(time.process_time() - used)
        return found

    found = benchmark.pedantic(both, setup=alone, rounds=_ROUNDS)
    assert found.total.flows == lines
    assert found.changes is not None
    assert len(found.changes) == removed
    benchmark.extra_info["differing"] = found.differing.flows
    rate(lines / 1e6, "Mlines/s")
    if benchmark.stats is not None:
        ratio = benchmark.stats.stats.median / median(single)
        benchmark.extra_info["x replay"] = round(ratio, 2)
        ratio = median(cpu["diff"]) / median(cpu["replay"])
        benchmark.extra_info["x replay CPU"] = round(ratio, 2)
