"""What an input may take before it is a finding, and how a process is held to it."""

from __future__ import annotations

import os
import resource
from pathlib import Path

_PAGE = resource.getpagesize()
_TICKS = os.sysconf("SC_CLK_TCK")


def sanitized() -> bool:
    """Return whether AddressSanitizer is loaded here: it maps terabytes for its shadow."""
    return "libasan" in Path("/proc/self/maps").read_text() or "ASAN_OPTIONS" in os.environ


#: Seconds of processor time (other work on the machine counts not), and of the clock.
CPU_SECONDS, WALL_SECONDS = (40, 600) if sanitized() else (10, 120)
#: Bytes above what the worker has once its target is imported. A page of Parquet may say that it
#: unpacks to 2 GiB: without ASan, which touches what is allocated, none of that is ever used.
RESIDENT, ADDRESSES = (4 << 30) if sanitized() else (1 << 30), 4 << 30


def hold_addresses() -> None:
    """Let this process map no more than ``ADDRESSES`` above what it has."""
    if not sanitized():
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * _PAGE + ADDRESSES
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def resident(pid: int) -> int:
    """Return the bytes of memory a process has, 0 if it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def cpu_seconds(pid: int) -> float:
    """Return the processor time a process has taken, 0 if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS if len(fields) > 12 else 0.0
