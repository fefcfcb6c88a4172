"""Runs netpol in a process of its own that may have only so much memory or time."""

from __future__ import annotations

import resource
import subprocess
import sys
from functools import cache

__all__ = ["address_space_at_rest", "limited", "limited_code"]

#: What a command may take beyond an interpreter with everything imported.
ROOM = 300 << 20
_EVERYTHING = (
    "import netpol.cli.commands.check, netpol.questions.replay.replay\n"
    "import netpol.report.text.replay, netpol.lint.check\n"
    "import netpol.kube.read.content, netpol.flows.reader, pyarrow.csv, yaml\n"
)


@cache
def address_space_at_rest() -> int:
    """Give the bytes of address space that an interpreter with everything imported has."""
    code = _EVERYTHING + "print(open('/proc/self/statm').read().split()[0])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    return int(done.stdout) * resource.getpagesize()


def _run(
    command: list[str], space: int | None, seconds: int | None, stdin: bytes | None
) -> subprocess.CompletedProcess[str]:
    def limit() -> None:
        if space is not None:
            resource.setrlimit(resource.RLIMIT_AS, (space, space))
        if seconds is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))

    done = subprocess.run(
        command,
        input=stdin or b"",
        capture_output=True,
        check=False,
        preexec_fn=limit,
    )
    return subprocess.CompletedProcess(
        command, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


def limited(
    *words: str, room: int = ROOM, stdin: bytes | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command that may take ``room`` bytes more than an interpreter at rest."""
    command = [sys.executable, "-m", "netpol", *words]
    return _run(command, address_space_at_rest() + room, None, stdin)


def limited_code(
    code: str, *words: str, room: int | None = None, seconds: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Python that may take so many bytes of memory and seconds of a processor."""
    space = None if room is None else address_space_at_rest() + room
    return _run([sys.executable, "-c", code, *words], space, seconds, None)
