"""Read a snapshot and policies from what kubectl wrote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.shapes import World
from netpol.kube.snapshot import read_snapshot


@pytest.mark.benchmark(group="load")
@pytest.mark.parametrize("syntax", ["json", "yaml"])
def test_load(
    benchmark: Any,
    rate: Callable[[float, str], None],
    manifest: Callable[[World, str], Path],
    world: World,
    syntax: str,
) -> None:
    path = manifest(world, syntax)
    size = path.stat().st_size
    rounds = 3 if size < 2e7 or (syntax == "json" and size < 1e8) else 1
    snapshot = benchmark.pedantic(read_snapshot, args=([path],), rounds=rounds)
    assert len(snapshot.pods) == len(world.snapshot.pods)
    benchmark.extra_info["file MB"] = round(size / 1e6, 1)
    rate(size / 1e6, "MB/s")
