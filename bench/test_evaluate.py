"""Judge columns of flows, beside a plain copy of the same columns: the least any reader can do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bench.conftest import cached_engine, cached_world
from bench.shapes import make_flows

CASES = [("zipf", "v4"), ("uniform", "v4"), ("zipf", "mixed"), ("zipf", "v6")]


@pytest.mark.benchmark(group="evaluate")
@pytest.mark.parametrize(("popularity", "family"), CASES, ids=["-".join(case) for case in CASES])
def test_evaluate(
    benchmark: Any,
    rate: Callable[[float, str], None],
    world_key: tuple[str, str],
    popularity: Any,
    family: Any,
    request: pytest.FixtureRequest,
) -> None:
    count = request.config.getoption("--flows")
    ipv6 = family != "v4"
    engine = cached_engine(*world_key, ipv6=ipv6)
    batch = make_flows(cached_world(*world_key, ipv6=ipv6), count, 1, popularity, family)
    verdicts = engine.evaluate(batch)  # its arrays are reused, as replay does
    benchmark.pedantic(engine.evaluate, args=(batch, verdicts), rounds=15, warmup_rounds=2)
    rate(count / 1e6, "Mflows/s")
    denied = float(np.mean(np.asarray(verdicts.verdict) == 1))
    benchmark.extra_info["denied %"] = round(100 * denied, 1)


@pytest.mark.benchmark(group="evaluate")
@pytest.mark.parametrize("family", ["v4", "mixed"])
def test_copy(
    benchmark: Any,
    rate: Callable[[float, str], None],
    family: Any,
    request: pytest.FixtureRequest,
) -> None:
    count = request.config.getoption("--flows")
    batch = make_flows(cached_world("synthetic", "small", ipv6=True), count, 1, "zipf", family)
    columns = [batch.src, batch.dst, batch.protocol, batch.dport]
    targets = [np.zeros_like(column) for column in columns]

    def copy() -> None:
        for target, column in zip(targets, columns, strict=True):
            np.copyto(target, column)

    benchmark.pedantic(copy, rounds=15, warmup_rounds=2)
    rate(count / 1e6, "Mflows/s")
