"""Worlds made to hurt: each compiles within a minute and within the budget, or says why not."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pytest

import netpol
from bench.shapes import (
    ADVERSARIAL_KINDS,
    REFUSED_KINDS,
    World,
    make_adversarial,
    make_flows,
)
from netpol.model.errors import CapacityError

COMPILED_KINDS = [kind for kind in ADVERSARIAL_KINDS if kind not in REFUSED_KINDS]


@lru_cache(maxsize=1)
def hostile_world(kind: str) -> World:
    return make_adversarial(kind)


@pytest.mark.benchmark(group="adversarial compile")
@pytest.mark.parametrize("kind", COMPILED_KINDS)
def test_compile_adversarial(benchmark: Any, kind: str) -> None:
    world = hostile_world(kind)
    engine = benchmark.pedantic(netpol.compile, args=(world.policies, world.snapshot), rounds=1)
    benchmark.extra_info["table MB"] = round(engine.tables.nbytes / 1e6, 2)
    assert benchmark.stats is None or benchmark.stats.stats.max < 60


@pytest.mark.benchmark(group="adversarial evaluate")
@pytest.mark.parametrize("kind", COMPILED_KINDS)
def test_evaluate_adversarial(
    benchmark: Any, rate: Callable[[float, str], None], kind: str, request: pytest.FixtureRequest
) -> None:
    count = request.config.getoption("--flows")
    world = hostile_world(kind)
    engine = netpol.compile(world.policies, world.snapshot)
    batch = make_flows(world, count)
    verdicts = engine.evaluate(batch)
    benchmark.pedantic(engine.evaluate, args=(batch, verdicts), rounds=10, warmup_rounds=2)
    rate(count / 1e6, "Mflows/s")


@pytest.mark.benchmark(group="adversarial compile")
@pytest.mark.parametrize("kind", REFUSED_KINDS)
def test_refuse_adversarial(benchmark: Any, kind: str) -> None:
    """What is too much is told soon, not after a minute."""
    world = hostile_world(kind)

    def refused() -> str:
        with pytest.raises(CapacityError) as caught:
            netpol.compile(world.policies, world.snapshot)
        return str(caught.value)

    assert "cases of peer and port" in benchmark.pedantic(refused, rounds=1)
    assert benchmark.stats is None or benchmark.stats.stats.max < 60


@pytest.mark.benchmark(group="adversarial compile")
def test_compile_own_labels_at_large(benchmark: Any, request: pytest.FixtureRequest) -> None:
    if not {"large", "all"} & set(request.config.getoption("--size").split(",")):
        pytest.skip("asked for by --size large")
    world = make_adversarial("own-labels", size="large")
    engine = benchmark.pedantic(netpol.compile, args=(world.policies, world.snapshot), rounds=1)
    benchmark.extra_info["table MB"] = round(engine.tables.nbytes / 1e6, 2)
