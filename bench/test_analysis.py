"""Questions that need no flows: what two sets of policies judge otherwise, who can reach whom."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import netpol
from bench.shapes import World
from netpol.analysis.exhaustive import exhaustive_diff
from netpol.analysis.matrix import Question, reachability

#: What is done to the policies -> which of them are left.
CHANGES = {"same": slice(None, None, -1), "three-less": slice(-3), "half": slice(None, None, 2)}


@pytest.mark.benchmark(group="exhaustive")
@pytest.mark.parametrize("change", CHANGES)
def test_exhaustive_diff(benchmark: Any, world: World, change: str) -> None:
    left = world.policies.policies[CHANGES[change]]
    before = netpol.compile(world.policies, world.snapshot)
    after = netpol.compile(replace(world.policies, policies=left), world.snapshot)
    found = benchmark.pedantic(exhaustive_diff, args=(before, after), rounds=3)
    assert found.proven is (change == "same")
    benchmark.extra_info["million pairs"] = round(found.pairs / 1e6, 2)


@pytest.mark.benchmark(group="matrix")
def test_matrix_by_namespace(benchmark: Any, world: World) -> None:
    engine = netpol.compile(world.policies, world.snapshot)

    def all_of_it() -> int:
        return len(list(reachability(engine, Question(by="namespace")).reaches()))

    assert benchmark.pedantic(all_of_it, rounds=3)
