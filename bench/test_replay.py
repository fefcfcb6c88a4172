"""Replay a conntrack dump end to end, to the summary; memory must not grow with the dump."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.conftest import cached_engine
from bench.shapes import World, write_conntrack, write_manifests
from netpol.flows.reader import open_flows
from netpol.questions.replay.replay import replay


@pytest.mark.benchmark(group="replay")
def test_replay(
    benchmark: Any,
    rate: Callable[[float, str], None],
    world: World,
    world_key: tuple[str, str],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    lines = request.config.getoption("--lines")
    dump = tmp_path / "conntrack.txt"
    size = write_conntrack(world, dump, lines)
    engine = cached_engine(*world_key, ipv6=False)
    summary = benchmark.pedantic(lambda: replay(engine, open_flows([dump])), rounds=3)
    assert summary.total.flows == lines
    benchmark.extra_info["dump MB"] = round(size / 1e6, 1)
    rate(lines / 1e6, "Mlines/s")


#: Runs in a process of its own so that the peak is the replay's alone. VmHWM, since ru_maxrss also
#: counts what the starting process held before exec.
PEAK = """
import sys
import netpol
from netpol.flows.reader import open_flows
from netpol.questions.replay.replay import replay
engine = netpol.compile(netpol.read_policies([sys.argv[1]]), netpol.read_snapshot([sys.argv[1]]))
replay(engine, open_flows([sys.argv[2]] * int(sys.argv[3])))
print(next(l.split()[1] for l in open("/proc/self/status") if l.startswith("VmHWM")))
"""


@pytest.mark.benchmark(group="memory")
@pytest.mark.parametrize("times", [1, 10, 100])
def test_peak_memory(
    benchmark: Any, world: World, times: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """At most ten times the lines are written: beyond, the file is read again and again."""
    dump, cluster = tmp_path / "conntrack.txt", tmp_path / "cluster.json"
    again = max(1, times // 10)
    write_conntrack(world, dump, request.config.getoption("--lines") * times // again)
    write_manifests(world, cluster)
    command = [sys.executable, "-c", PEAK, str(cluster), str(dump), str(again)]
    done = benchmark.pedantic(
        subprocess.run,
        args=(command,),
        kwargs={"check": True, "capture_output": True, "text": True},
        rounds=1,
    )
    benchmark.extra_info["peak MB"] = round(int(done.stdout) / 1024, 1)
