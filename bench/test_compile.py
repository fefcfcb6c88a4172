"""Compile loaded objects into an engine: time and size of the tables."""

from __future__ import annotations

import subprocess
import sys
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


PEAK = """
import sys
import netpol
from bench.shapes import make_world
world = make_world(sys.argv[2], sys.argv[1], 1)
netpol.compile(world.policies, world.snapshot)
print(next(l.split()[1] for l in open("/proc/self/status") if l.startswith("VmHWM")))
"""


@pytest.mark.benchmark(group="memory")
def test_compile_peak_memory(benchmark: Any, world_key: tuple[str, str]) -> None:
    """The peak of a process that makes the world's objects and compiles them."""
    command = [sys.executable, "-c", PEAK, *world_key]
    done = benchmark.pedantic(
        subprocess.run,
        args=(command,),
        kwargs={"check": True, "capture_output": True, "text": True},
        rounds=1,
    )
    benchmark.extra_info["peak MB"] = round(int(done.stdout) / 1024, 1)
