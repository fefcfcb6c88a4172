"""Takes inputs that are read more than once, keeps those that can be read only once."""

from __future__ import annotations

import shutil
import stat
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

from netpol.io.standard import standard_input
from netpol.io.stream import Source
from netpol.model.errors import FlowError, Location

__all__ = ["Again"]


class Again:
    """Opens inputs as often as asked.

    Standard input, pipes, and files of /proc, which may say something else the next time, are kept
    in temporary files until it is closed.
    """

    def __init__(self) -> None:
        self._files = ExitStack()
        self._kept: dict[str, IO[bytes]] = {}

    def open(self, path: str) -> Source:
        """Open an input at its beginning.

        Raises
        ------
        FlowError
            It cannot be read, or not be kept.
        """
        if path not in self._kept and _reads_alike(path):
            return Source(path)
        if path not in self._kept:
            with ExitStack() as opened:
                raw = _open(path)
                if path != "-":
                    opened.enter_context(raw)
                self._keep(path, raw)
        kept = self._kept[path]
        kept.seek(0)
        return Source(path, kept)

    def keep(self, path: str, source: Source) -> None:
        """Keep what an open source gives, unless its path can be opened again."""
        if not _reads_alike(path):
            self._keep(path, cast("IO[bytes]", source))

    def _keep(self, path: str, stream: IO[bytes]) -> None:
        kept = tempfile.TemporaryFile()  # noqa: SIM115 - closed with all others
        self._files.enter_context(kept)
        try:
            shutil.copyfileobj(stream, kept)
        except OSError as error:
            name = "standard input" if path == "-" else "it"
            raise FlowError(
                f"cannot keep {name} to read it twice: {error.strerror or error}",
                Location("<stdin>" if path == "-" else path),
            ) from None
        self._kept[path] = kept

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._files.close()


def _reads_alike(path: str) -> bool:
    """Whether a path can be opened again and gives the same; also where it cannot be opened."""
    if path == "-":
        return False
    try:
        status = Path(path).stat()
    except OSError:
        return True
    # Files that the kernel makes up have no size.
    return stat.S_ISDIR(status.st_mode) or (stat.S_ISREG(status.st_mode) and status.st_size > 0)


def _open(path: str) -> IO[bytes]:
    try:
        return standard_input() if path == "-" else Path(path).open("rb")
    except OSError as error:
        where = Location("<stdin>" if path == "-" else path)
        raise FlowError((error.strerror or str(error)).lower(), where) from None
