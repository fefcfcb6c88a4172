"""Coverage of a conntrack dump beside a plain replay of it, and what compiling for it costs.

Both judge by tables of their own: those for coverage tell every peer and port of a rule apart.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import netpol
from bench.conftest import cached_engine
from bench.shapes import World, write_conntrack
from netpol.flows.reader import open_flows
from netpol.questions.coverage.coverage import CoverageEngine
from netpol.questions.replay.replay import replay


@pytest.mark.benchmark(group="coverage")
@pytest.mark.parametrize("what", ["replay", "coverage"])
def test_coverage(
    benchmark: Any,
    rate: Callable[[float, str], None],
    what: str,
    world: World,
    world_key: tuple[str, str],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    lines = request.config.getoption("--lines")
    dump = tmp_path / "conntrack.txt"
    write_conntrack(world, dump, lines)
    if what == "replay":
        engine = cached_engine(*world_key, ipv6=False)
        benchmark.pedantic(lambda: replay(engine, open_flows([dump])), rounds=3)
    else:
        compiled = CoverageEngine(world.policies, world.snapshot)
        found = benchmark.pedantic(lambda: compiled.cover(open_flows([dump])), rounds=3)
        assert found.evidence.flows == lines
    rate(lines / 1e6, "Mlines/s")


@pytest.mark.benchmark(group="compile for coverage")
@pytest.mark.parametrize("what", ["plain", "coverage"])
def test_compile(benchmark: Any, what: str, world: World) -> None:
    compiler: Callable[..., Any] = netpol.compile if what == "plain" else CoverageEngine
    benchmark.pedantic(compiler, args=(world.policies, world.snapshot), rounds=3)
