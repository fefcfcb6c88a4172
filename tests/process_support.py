"""Runs the command line in a process of its own that stops where a test wants, and signals it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: Seconds after which something hangs; nothing here takes a hundredth of it.
HANGS = 20

#: Runs ``netpol`` in a process, in which ``module.attribute`` says that it was called by writing to
#: the fifo, and then never returns: in C, with the interpreter's lock released.
_STOPS = """
import hashlib, importlib, sys
from netpol.cli.program import run
module, attribute, fifo = sys.argv[1:4]
sys.argv[1:4] = []
def stop(*_, **__):
    with open(fifo, "w") as told:
        told.write("x")
    hashlib.pbkdf2_hmac("sha256", b"", b"", (1 << 31) - 1)
class Patch:
    def find_spec(self, name, path=None, target=None):
        if name != module:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module
        def exec_module(found):
            load(found)
            place, _, last = attribute.rpartition(".")
            setattr(getattr(found, place) if place else found, last, stop)
        spec.loader.exec_module = exec_module
        return spec
import importlib.util
sys.meta_path.insert(0, Patch())
run(prog_name="netpol")
"""


def printed_by(code: str, *arguments: str) -> list[str]:
    """Run code in a process of its own, which must not crash; give the lines it printed."""
    command = [sys.executable, "-X", "faulthandler", "-c", code, *arguments]
    found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert found.returncode == 0, found.stdout[-500:] + found.stderr[-3000:]
    return found.stdout.splitlines()


def started(*words: str, code: str | None = None, **options: Any) -> subprocess.Popen[bytes]:
    """Start netpol, or code that runs it; what is not said otherwise is a pipe."""
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    command = ["-m", "netpol"] if code is None else ["-c", code]
    return subprocess.Popen([sys.executable, *command, *words], **(pipes | options))


def stopped_in(place: str, fifo: Path, *words: str, **options: Any) -> subprocess.Popen[bytes]:
    """Start netpol, and give it when ``module:attribute`` was called, which then never returns."""
    os.mkfifo(fifo)
    module, _, attribute = place.partition(":")
    child = started(module, attribute, str(fifo), *words, code=_STOPS, **options)
    heard_from(fifo, child)
    return child


def heard_from(fifo: Path, child: subprocess.Popen[bytes]) -> None:
    """Wait until a child writes an x to a fifo; fail if it ends instead."""
    handle = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(handle, "rb", buffering=0) as reader:
        until(lambda: reader.read(1) == b"x", child)


def until(seen: Callable[[], bool], child: subprocess.Popen[bytes] | None = None) -> None:
    """Wait for something that can be seen; fail if the child ends before, or hangs."""
    last = time.monotonic() + HANGS
    while not seen():
        assert time.monotonic() < last, "hangs"
        if child is not None and child.poll() is not None:
            assert seen(), f"ended with {child.returncode}: {child.communicate()}"
            return
        time.sleep(0.005)


def is_running(number: int) -> bool:
    """Say whether a process runs; one that nobody has waited for does not."""
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
