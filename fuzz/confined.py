"""Keeps this process from changing anything outside of a folder while it is attacked.

Words that nobody chose may name any file of the machine as where to write: an attack by root once
replaced ``/etc/localtime``. Python tells of what it is about to do by audit events, and what a hook
raises stops it; for netpol that is a place where it may not write.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["confined"]

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_NAMELESS = getattr(os, "O_TMPFILE", 0)
_DEVICES = ("/dev/null", "/dev/full", "/dev/tty")
#: How many of an event's first arguments are paths of what it changes.
_CHANGES = {
    "os.rename": 2, "os.remove": 1, "os.rmdir": 1, "os.mkdir": 1, "os.link": 2, "os.symlink": 2,
    "os.truncate": 1, "os.chmod": 1, "os.chown": 1, "os.utime": 1, "os.mkfifo": 1,
}  # fmt: skip
_inside: str | None = None
_hooked = False


@contextmanager
def confined(folder: Path) -> Iterator[None]:
    """Refuse, with ``PermissionError``, changes outside of a folder; for all threads."""
    global _inside, _hooked
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked = True
    before, _inside = _inside, os.path.realpath(folder)
    try:
        yield
    finally:
        _inside = before


def _hook(event: str, words: tuple[Any, ...]) -> None:
    if _inside is None:
        return
    if event == "open":
        path, _, flags = words
        if flags & _WRITES and not (_NAMELESS and flags & _NAMELESS == _NAMELESS):
            _check(path)
    elif event in _CHANGES:
        for path in words[: _CHANGES[event]]:
            _check(path)


def _check(path: Any) -> None:
    if isinstance(path, int):
        return  # opened already
    try:
        real = os.path.realpath(os.fsdecode(path))
    except ValueError:
        return  # no path at all: whatever wants it says so
    if real not in _DEVICES and not f"{real}/".startswith(f"{_inside}/"):
        raise PermissionError(13, "outside of what may be changed", path)
