"""Takes a path, gives a binary file that appears under that path whole or not at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from netpol.io.atomic import Replacement
from netpol.model.errors import OutputError

__all__ = ["OutputSink", "output_file", "standard_output"]


class OutputSink:
    """A binary file to write to whose failures are ``OutputError``, naming the output.

    Only failures of this output are turned: what else goes wrong while it is open keeps its own
    error. A reader that went away stays a ``BrokenPipeError``.
    """

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._file = file
        self._name = name
        self._abandoned = False

    @property
    def closed(self) -> bool:
        """Whether the file is closed."""
        return self._file.closed

    def writable(self) -> bool:
        """Return True: what pyarrow asks of a file."""
        return True

    def write(self, data: bytes | memoryview) -> int:
        """Write all of ``data``."""
        if self._abandoned:
            return len(data)
        with _failures(self._name):
            return self._file.write(data)

    def flush(self) -> None:
        """Hand everything written to the operating system."""
        if self._abandoned:
            return
        with _failures(self._name):
            self._file.flush()

    def abandon(self) -> None:
        """Drop what is written from now on.

        A writer of Parquet that is thrown away still ends its file, as if it were whole.
        """
        self._abandoned = True


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
    """Yield standard output; everything written is out when the block ends well."""
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
    try:
        target = Path(os.path.realpath(path))
    except ValueError:  # of a NUL, or half a character
        raise OutputError(f"{path}: no file can be called so") from None
    if target.is_dir():
        raise OutputError(f"{path}: is a directory; name a file to write to")
    if target.exists() and not target.is_file():
        with _failures(path):
            special = target.open("wb", buffering=0)
        with special:
            yield OutputSink(special, path)
        return
    with _failures(path):
        new = Replacement(target)
    try:
        yield OutputSink(new.file, path)
        with _failures(path):
            new.commit()
    except BaseException:
        new.abandon()
        raise
