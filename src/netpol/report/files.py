"""Takes a path, gives a binary file that appears under that path whole or not at all."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from netpol.errors import OutputError

__all__ = ["OutputSink", "output_file", "standard_output"]

_BUFFER = 1 << 20


class OutputSink:
    """A binary file to write to whose failures are ``OutputError``, naming the output.

    Only failures of this output are turned: what else goes wrong while it is open keeps its own
    error. A reader that went away stays a ``BrokenPipeError``.
    """

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._file = file
        self._name = name

    @property
    def closed(self) -> bool:
        """Whether the file is closed."""
        return self._file.closed

    def writable(self) -> bool:
        """Give True: what pyarrow asks of a file."""
        return True

    def write(self, data: bytes | memoryview) -> int:
        """Write all of ``data``."""
        with _failures(self._name):
            return self._file.write(data)

    def flush(self) -> None:
        """Hand everything written to the operating system."""
        with _failures(self._name):
            self._file.flush()


@contextmanager
def _failures(name: str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"{name}: cannot be written: {error.strerror or error}") from error


@contextmanager
def standard_output() -> Iterator[OutputSink]:
    """Give standard output; everything written is out when the block ends well."""
    sink = OutputSink(sys.stdout.buffer, "standard output")
    yield sink
    sink.flush()


@contextmanager
def output_file(path: str) -> Iterator[OutputSink]:
    """Open ``path`` for writing; it is replaced when the block ends well, else left as it was.

    The data goes to a temporary file in the same directory first. A device or a pipe cannot be
    replaced and is written to directly.

    Raises
    ------
    OutputError
        The file cannot be written: no such directory, no right to, disk full, a directory.
    """
    # A symbolic link stays one: what it points to is replaced.
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise OutputError(f"{path}: is a directory; name a file to write to")
    if target.exists() and not target.is_file():
        with _failures(path):
            special = target.open("wb", buffering=0)
        with special:
            yield OutputSink(special, path)
        return
    with _failures(path):
        handle, name = tempfile.mkstemp(
            prefix=f".{target.name[:100]}.", suffix=".tmp", dir=target.parent
        )
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb", buffering=_BUFFER) as file:
            sink = OutputSink(file, path)
            yield sink
            sink.flush()
        with _failures(path):
            temporary.chmod(_mode(target))
            temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _mode(target: Path) -> int:
    """Give the mode a plain ``open`` would have left: the old file's, or what umask allows."""
    if target.exists():
        return stat.S_IMODE(target.stat().st_mode)
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask
