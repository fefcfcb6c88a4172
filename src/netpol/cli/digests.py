"""Takes the paths a command was given, gives the digest of every file it read.

Files are read again for it when the command is done, which is found out if they changed meanwhile;
what can be read only once, standard input, is hashed as it is read.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from netpol.io.standard import standard_input

if TYPE_CHECKING:
    from netpol.report.html.provenance import InputDigest

__all__ = ["InputWatch", "watched"]

#: Roles whose paths may be directories of manifests.
_MANIFESTS = ("cluster", "policies")


class _Hashed(io.RawIOBase):
    """A stream that hashes what is read of another."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__()
        self._stream = stream
        self.hash = hashlib.sha256()
        self.size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        view = memoryview(buffer).cast("B")
        # At most one read, so that a pipe that trickles in is not waited for.
        read = getattr(self._stream, "read1", self._stream.read)
        data = read(len(view))
        view[: len(data)] = data
        self.hash.update(data)
        self.size += len(data)
        return len(data)


class InputWatch:
    """The files behind the paths of each role, as they were when the command began."""

    def __init__(
        self,
        paths: Mapping[str, Sequence[str]],
        stdin: _Hashed | None,
        exclude: Sequence[str] = (),
    ) -> None:
        self._stdin = stdin
        self._files = {
            (role, name): _status(name)
            for role, given in paths.items()
            for name in _names(role, given, exclude)
        }

    def digests(self) -> Iterator[InputDigest]:
        """Yield the digest of every file; to be called when all is read."""
        from netpol.report.html.provenance import InputDigest

        for (role, name), before in self._files.items():
            if name == "-":
                if self._stdin is not None:
                    found = self._stdin.hash.hexdigest()
                    yield InputDigest(role, "<stdin>", self._stdin.size, found, "as it was read")
            elif before is None or not stat.S_ISREG(before.st_mode):
                yield InputDigest(role, name, None, None, "no regular file: cannot be read again")
            else:
                yield _digest(role, name, before)


def _digest(role: str, name: str, before: os.stat_result) -> InputDigest:
    from netpol.report.html.provenance import InputDigest

    try:
        with open(name, "rb") as file:  # noqa: PTH123
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return InputDigest(role, name, None, None, f"cannot be read again: {error.strerror}")
    after = _status(name)
    changed = after is None or (before.st_size, before.st_mtime_ns) != (
        after.st_size,
        after.st_mtime_ns,
    )
    size = before.st_size if after is None else after.st_size
    return InputDigest(role, name, size, found, "changed while it was read" if changed else "")


def _names(role: str, given: Sequence[str], exclude: Sequence[str]) -> Iterator[str]:
    """Yield the files; what cannot be read is reported by who reads it."""
    if role not in _MANIFESTS:
        yield from given
        return
    from netpol.kube.read.globs import Globs
    from netpol.kube.read.inputs import find_inputs

    for file in find_inputs(given, lambda error: None, Globs(exclude)) if given else ():
        yield "-" if file.path is None else file.name


def _status(name: str) -> os.stat_result | None:
    try:
        return os.stat(name)  # noqa: PTH116
    except (OSError, ValueError):
        return None


@contextmanager
def watched(
    paths: Mapping[str, Sequence[str]], exclude: Sequence[str] = ()
) -> Iterator[InputWatch]:
    """Watch what is read of these paths, by role; ``-`` is standard input."""
    if not any("-" in given for given in paths.values()):
        yield InputWatch(paths, None, exclude)
        return
    real = sys.stdin
    hashed = _Hashed(standard_input())
    sys.stdin = io.TextIOWrapper(io.BufferedReader(hashed, 1 << 20))
    try:
        yield InputWatch(paths, hashed, exclude)
    finally:
        sys.stdin = real
