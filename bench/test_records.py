"""Replay a conntrack dump to Parquet, one record a flow, attribution columns included."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.conftest import cached_engine
from bench.shapes import World, write_conntrack
from netpol.flows.reader import open_flows
from netpol.questions.replay.replay import replay
from netpol.report.records.records import record_writer


@pytest.mark.benchmark(group="replay")
def test_replay_parquet(
    benchmark: Any,
    rate: Callable[[float, str], None],
    world: World,
    world_key: tuple[str, str],
    tmp_path: Path,
) -> None:
    dump, lines = tmp_path / "conntrack.txt", 300_000
    write_conntrack(world, dump, lines)
    engine = cached_engine(*world_key, ipv6=False)

    def run() -> None:
        with record_writer("parquet", io.BytesIO()) as writer:
            replay(engine, open_flows([dump]), writers=[writer])

    benchmark.pedantic(run, rounds=3, warmup_rounds=1)
    rate(lines / 1e6, "Mflows/s")
