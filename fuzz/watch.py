"""Watches workers of one target: what crashes, hangs or swells one is a finding, not the end."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from fuzz import limits
from fuzz.findings import ROOT, Finding, Folder, of_death
from fuzz.slot import Slot

#: Workers that may die before a target is given up.
MOST_DEATHS = 200
_LOOK = 0.1  # seconds between looks


@dataclass(frozen=True)
class Plan:
    """How a target is attacked: seconds, at most so many inputs (0: any), how chosen."""

    seconds: float
    runs: int
    seed: int
    blind: bool


@dataclass
class Result:
    """What came of it."""

    target: str
    inputs: int = 0
    deaths: int = 0
    seconds: float = 0.0


def attack(name: str, plan: Plan, folder: Folder) -> Result:
    """Run a target as planned; findings are in ``folder``."""
    result = Result(name)
    began = time.monotonic()
    path = folder.path / "slot"
    path.unlink(missing_ok=True)
    with Slot(path) as slot:
        while result.deaths < MOST_DEATHS:
            left = plan.seconds - (time.monotonic() - began)
            if left <= 0 or (plan.runs and slot.begun >= plan.runs):
                break
            death = _work(_command(name, plan, folder, left, result.deaths), slot)
            if death is None:
                break
            result.deaths += 1
            folder.add(death)
        result.inputs = slot.begun
    result.seconds = time.monotonic() - began
    return result


def _command(name: str, plan: Plan, folder: Folder, left: float, deaths: int) -> list[str]:
    command = [sys.executable, "-m", "fuzz.worker", name, "--folder", str(folder.path)]
    command += ["--time", str(left), "--seed", str(plan.seed + deaths), "--runs", str(plan.runs)]
    return command + (["--blind"] if plan.blind else [])


def _work(command: list[str], slot: Slot) -> Finding | None:
    """Let one worker work; give what ended it, None if it ended by itself."""
    slot.start(0)
    log = Path(command[command.index("--folder") + 1]) / "log"
    with log.open("w+b") as stream:
        worker = subprocess.Popen(command, stdout=stream, stderr=stream, cwd=ROOT)
        try:
            trouble = _trouble(worker, slot)
        finally:
            worker.kill()
            code = worker.wait()
    said = log.read_text(errors="backslashreplace")
    data = slot.running
    if data is None:
        if code != 0 and trouble is None:
            raise RuntimeError(f"a worker ended before any input ran, or between two:\n{said}")
        return None
    return Finding(trouble, "", data, said[-8000:]) if trouble else of_death(code, said, data)


def _trouble(worker: subprocess.Popen[bytes], slot: Slot) -> str | None:
    """Wait for a worker to end; give why it should be ended, None if it did by itself."""
    begun, cpu, wall = -1, 0.0, 0.0
    while worker.poll() is None:
        now = time.monotonic()
        if slot.begun != begun or slot.running is None:
            begun, cpu, wall = slot.begun, limits.cpu_seconds(worker.pid), now
        elif limits.cpu_seconds(worker.pid) - cpu > limits.CPU_SECONDS:
            return "hang"
        elif now - wall > limits.WALL_SECONDS:
            return "standstill"
        if slot.base and limits.resident(worker.pid) > slot.base + limits.RESIDENT:
            return "swelling"
        time.sleep(_LOOK)
    return None
