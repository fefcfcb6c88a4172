"""Compile loaded objects into an engine: time and size of the tables."""

from __future__ import annotations

from typing import Any

import pytest

import netpol
from bench.shapes import World


@pytest.mark.benchmark(group="compile")
def test_compile(benchmark: Any, world: World) -> None:
    rounds = 3 if len(world.policies) <= 1000 else 1
    engine = benchmark.pedantic(
        netpol.compile,
        args=(world.policies, world.snapshot),
        rounds=rounds,
        warmup_rounds=rounds - 1,
    )
    benchmark.extra_info["table MB"] = round(engine.tables.nbytes / 1e6, 2)
