"""Takes an input that breaks a promise, gives the smallest found that breaks the same one."""

from __future__ import annotations

import faulthandler
import os
import resource
import select
import signal
import sys
import tempfile
import time
from collections.abc import Callable

from fuzz import limits
from fuzz.findings import Finding, of_death, of_error
from fuzz.registry import Target


def trial(target: Target, data: bytes) -> Finding | None:
    """Run one input in a process of its own; give the finding, None if nothing is broken."""
    reader, writer = os.pipe()
    with tempfile.TemporaryFile() as stderr:
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            os.dup2(stderr.fileno(), 2)
            _child(target, data, writer)
        os.close(writer)
        told = _read(reader, pid, limits.WALL_SECONDS)
        _, status = os.waitpid(pid, 0)
        stderr.seek(0)
        said = stderr.read().decode(errors="backslashreplace")
    code = os.waitstatus_to_exitcode(status)
    if told is None:
        return Finding("standstill", "", data, said)
    if told:
        kind, place, story = told.decode().split("\0", 2)
        return Finding(kind, place, data, story)
    if code == -signal.SIGXCPU:
        return Finding("hang", "", data, said)
    return of_death(code, said, data) if code else None


def _child(target: Target, data: bytes, writer: int) -> None:
    """Run the input and tell of what it raises; never comes back."""
    code = 0
    try:
        faulthandler.enable(file=2)
        limits.hold_addresses()
        used = int(time.process_time()) + limits.CPU_SECONDS + 1
        resource.setrlimit(resource.RLIMIT_CPU, (used, used + 5))
        base = limits.resident(os.getpid())
        try:
            target.one(data)
        except BaseException as error:
            found = of_error(error, data)
            os.write(writer, "\0".join((found.kind, found.place, found.story[:8000])).encode())
        else:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            if peak > base + limits.RESIDENT:
                os.write(writer, f"swelling\0\0{peak - base:,} bytes".encode())
    except BaseException:
        code = 70
    finally:
        os._exit(code)


def _read(reader: int, pid: int, seconds: float) -> bytes | None:
    """Read what the child tells until it ends; None if it does not end."""
    told, until = b"", time.monotonic() + seconds
    try:
        while True:
            ready, _, _ = select.select([reader], [], [], max(until - time.monotonic(), 0))
            if not ready:
                os.kill(pid, signal.SIGKILL)
                return None
            piece = os.read(reader, 65536)
            if not piece:
                return told
            told += piece
    finally:
        os.close(reader)


def smallest(data: bytes, breaks: Callable[[bytes], bool], seconds: float) -> bytes:
    """Cut blocks out as long as what is left ``breaks``, halving their size; then blank bytes."""
    until = time.monotonic() + seconds
    width = max(len(data) // 2, 1)
    while True:
        before = len(data)
        at = 0
        while at < len(data):
            if time.monotonic() > until:
                return data
            shorter = data[:at] + data[at + width :]
            if breaks(shorter):
                data = shorter
            else:
                at += width
        if width > 1:
            width //= 2
        elif len(data) == before:
            return data


def minimise(target: Target, data: bytes, seconds: float = 60.0) -> Finding | None:
    """Return the smallest finding like that of ``data``; None if it breaks nothing."""
    first = trial(target, data)
    if first is None:
        return None

    def breaks(shorter: bytes) -> bool:
        found = trial(target, shorter)
        return found is not None and found.signature == first.signature

    return trial(target, smallest(data, breaks, seconds)) or first


def main() -> int:
    """Minimise the file named, in place: ``python -m fuzz.minimise TARGET FILE``."""
    from pathlib import Path

    from fuzz.findings import Folder
    from fuzz.registry import load

    name, file = sys.argv[1], Path(sys.argv[2])
    before = file.read_bytes()
    found = minimise(load(name), before)
    if found is None:
        print(f"{file}: nothing is broken by this input alone")
        return 0
    Folder(file.parent, name).add(found)
    print(f"{file}: {found.signature}: {len(before)} bytes made {len(found.data)}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
