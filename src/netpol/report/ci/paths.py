"""Takes a path as a person gave it, gives it as CI wants it: relative to the repository."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

__all__ = ["Repository", "uri"]


class Repository(NamedTuple):
    """The repository a command runs in: where it begins, and where the command stands."""

    root: Path
    here: Path

    @classmethod
    def around(cls, here: Path | None = None) -> Repository:
        """Find the repository around a directory; without one the directory itself counts."""
        start = Path(os.path.realpath(here or Path.cwd()))
        for folder in (start, *start.parents):
            if (folder / ".git").exists():
                return cls(folder, start)
        return cls(start, start)

    def relative(self, file: str) -> str:
        """Return a path inside the repository relative to its root, any other as it was given.

        Names that are no file (``<stdin>``) stay, too. Parts are joined by slashes everywhere.
        """
        if file.startswith("<"):
            return file
        # Only ".." is resolved, not links: the repository knows the path by the link's name.
        path = Path(os.path.normpath(self.here / file))
        try:
            real = path if path.is_relative_to(self.root) else Path(os.path.realpath(path))
        except ValueError:  # no file can be called so: it has a NUL, or half a character
            real = path
        if real.is_relative_to(self.root):
            return real.relative_to(self.root).as_posix()
        return Path(file).as_posix()


def uri(file: str) -> str:
    """Return a path as a URI reference; an absolute one as a ``file`` URI.

    Bytes that are not UTF-8 are written as such; other half characters, which no path has, shown.
    """
    try:
        octets = file.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        octets = file.encode(errors="backslashreplace")
    path = quote(octets, safe="/~-._!$&'()*+,;=@")
    return f"file://{path}" if file.startswith("/") else path
