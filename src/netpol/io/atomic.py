"""Takes a path, gives a file beside it that takes its place when all is written."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from netpol.io.cleanup import begin, no_end_within

__all__ = ["Replacement"]

_BUFFER = 1 << 20


class Replacement:
    """A temporary file in the directory of ``path``; ``commit`` puts it in its place.

    A symbolic link stays one: what it points to is replaced. The mode is that of the file replaced,
    or what ``open`` would have given a new one.

    Raises
    ------
    OSError
        There is no such directory, or no right to write there.

    Attributes
    ----------
    file : binary file to write to.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._target = Path(os.path.realpath(path))
        (handle, name), self._ending = begin(self._make, lambda made: os.unlink(made[1]))  # noqa: PTH108
        self._temporary = Path(name)
        self.file = os.fdopen(handle, "wb", buffering=_BUFFER)

    def _make(self) -> tuple[int, str]:
        return tempfile.mkstemp(
            prefix=f".{self._target.name[:100]}.", suffix=".tmp", dir=self._target.parent
        )

    def commit(self) -> None:
        """Close the file and put it in its place; raises ``OSError``."""
        self.file.close()
        with no_end_within():
            self._temporary.chmod(_mode(self._target))
            self._temporary.replace(self._target)
            self._ending.finished()

    def abandon(self) -> None:
        """Throw away what was written; what stood at the path stays."""
        try:
            self.file.close()
        except OSError:
            pass  # of what will not be kept
        finally:
            self._temporary.unlink(missing_ok=True)
            self._ending.finished()


def _mode(target: Path) -> int:
    """Return the mode a plain ``open`` would have left: the old file's, or what umask allows."""
    if target.exists():
        return stat.S_IMODE(target.stat().st_mode)
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask
