"""Takes paths as a person gives them, gives the manifest files behind them, as UTF-8.

A directory is searched recursively, what is hidden left out; gzip, zstd and UTF-16 are found by
content, not by name; ``-`` is standard input. A file reached twice is read once.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from netpol.kube.read.content import as_utf8, read_limited
from netpol.kube.read.filenames import is_manifest
from netpol.kube.read.globs import Globs
from netpol.model.errors import InputError, Location, ManifestError, NothingThereError

__all__ = [
    "InputFile",
    "Paths",
    "find_inputs",
    "is_hidden",
    "is_manifest",
    "named",
    "nothing_found",
    "read_content",
    "read_input",
]


#: Names that the search of a directory looks at: a repository of manifests has some thousands.
MAX_SEARCHED = 1_000_000


class InputFile(NamedTuple):
    """A manifest file: the name to show, and its path (None for standard input).

    ``data`` is its content where it was read elsewhere, as from a git revision; ``found`` says that
    nobody named it: it was met where a directory was searched.
    """

    name: str
    path: Path | None
    data: bytes | None = None
    found: bool = False

    @property
    def is_json(self) -> bool:
        """Whether the name promises JSON."""
        return self.name.removesuffix(".gz").removesuffix(".zst").endswith(".json")


Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str] | InputFile]


def named(paths: Paths) -> Location:
    """Return the place of a mistake that is not in one file but in all that was named."""
    listed = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    names = (p.name if isinstance(p, InputFile) else os.fspath(p) for p in listed)
    return Location(", ".join("<stdin>" if name == "-" else name for name in names))


def is_hidden(path: str) -> bool:
    """Return whether a path from a directory that is searched leads through a hidden name."""
    return any(part.startswith(".") for part in path.split("/"))


def nothing_found(exclude: Globs) -> str:
    """Say that a directory has no manifest that is read."""
    left_out = "hidden and excluded ones" if exclude else "hidden ones"
    return f"no *.yaml, *.yml or *.json file in it ({left_out} are left out)"


def find_inputs(
    paths: Paths, report: Callable[[InputError], None], exclude: Globs | None = None
) -> Iterator[InputFile]:
    """Yield each file behind ``paths`` once, directories searched recursively and sorted.

    Parameters
    ----------
    paths
        One path or several. In directories only ``*.yaml``, ``*.yml`` and ``*.json`` (also with
        ``.gz`` or ``.zst``) are taken, and nothing hidden: what has a name that begins with a dot.
        A file named directly is taken whatever its name. An ``InputFile`` is given as it is.
    report
        Called with a ``ManifestError`` for each path that is missing or holds no manifest.
    exclude
        What is left out of directories, by its path from there or as it is shown in messages.
    """
    exclude = exclude or Globs()
    seen: set[_Identity] = set()
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    if not given:
        report(ManifestError("no path was given"))
    outright = set(_named_files(given))
    for entry in given:
        if isinstance(entry, InputFile):
            yield entry
            continue
        name = os.fspath(entry)
        if name == "-":
            if (-1, -1) not in seen:
                seen.add((-1, -1))
                yield InputFile("<stdin>", None)
            continue
        try:
            status = os.stat(name)  # noqa: PTH116
            if stat.S_ISDIR(status.st_mode):
                found = [InputFile(path, Path(path)) for path in _in(name, exclude)]
                if not found:
                    report(NothingThereError(nothing_found(exclude), Location(file=name)))
            else:
                found = [InputFile(name, Path(name))]
        except (OSError, ValueError) as error:
            report(_unreadable(name, error))
            continue
        except ManifestError as error:
            report(error)
            continue
        for file in found:
            try:
                identity = _identity(os.stat(file.name))  # noqa: PTH116
            except OSError as error:
                report(_unreadable(file.name, error))
                continue
            if identity not in seen:
                seen.add(identity)
                yield file._replace(found=identity not in outright)


_Identity = tuple[int, int]


def _identity(status: os.stat_result) -> _Identity:
    return status.st_dev, status.st_ino


def _named_files(given: Iterable[str | os.PathLike[str] | InputFile]) -> Iterator[_Identity]:
    """Yield who the files are that somebody named, though they may be met in a directory first."""
    for entry in given:
        if not isinstance(entry, InputFile):
            with contextlib.suppress(OSError, ValueError):
                status = os.stat(entry)  # noqa: PTH116
                if not stat.S_ISDIR(status.st_mode):
                    yield _identity(status)


def _in(root: str, exclude: Globs) -> list[str]:
    """Return the manifests below ``root``, sorted; symbolic links are followed, loops are not."""

    def left_out(path: str, *, folder: bool) -> bool:
        return bool(exclude) and exclude.match(path, path[below:], folder=folder)

    below = len(os.path.join(root, ""))  # noqa: PTH118
    found: list[str] = []
    entered: set[_Identity] = set()
    pending = [root]
    searched = 0
    while pending:
        folder = pending.pop()
        identity = _identity(os.stat(folder))  # noqa: PTH116
        if identity in entered:
            continue
        entered.add(identity)
        with os.scandir(folder) as entries:
            for entry in entries:
                searched += 1
                if searched > MAX_SEARCHED:
                    message = f"more than {MAX_SEARCHED} files and folders in it; name smaller ones"
                    raise ManifestError(message, Location(root))
                if entry.name[0] == ".":
                    continue
                # Joined, not entry.path: a directory given with a slash at its end keeps one.
                path = os.path.join(folder, entry.name)  # noqa: PTH118
                if _is_folder(entry):
                    if not left_out(path, folder=True):
                        pending.append(path)
                elif is_manifest(path) and not left_out(path, folder=False) and _is_file(path):
                    found.append(path)
    return sorted(found)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _is_file(path: str) -> bool:
    """Say so of a file, and of a broken link, which is reported later.

    A fifo found by searching would block for ever, and so would a link to one.
    """
    return os.path.isfile(path) or not os.path.exists(path)  # noqa: PTH110, PTH113


def read_input(file: InputFile) -> bytes:
    """Read a whole file as ``read_content`` does; ``ManifestError`` also if it is empty."""
    data = read_content(file)
    if not data:
        raise NothingThereError("the file is empty", Location(file=file.name))
    return data


def read_content(file: InputFile) -> bytes:
    """Read a whole file, decompress it and make it UTF-8, up to ``max_manifest_bytes``.

    Returns
    -------
    bytes
        The content, without a byte order mark; nothing if it is blank.

    Raises
    ------
    ManifestError
        The file cannot be read, is too large or a device, is a broken or truncated archive or
        unpacks beyond all proportion, or begins like UTF-16 and is none.
    """
    try:
        data = read_limited(file.name, file.path, file.data)
    except (OSError, ValueError) as error:
        raise _unreadable(file.name, error) from None
    data = as_utf8(data, file.name)
    return b"" if data.isspace() else data


def _unreadable(name: str, error: Exception) -> ManifestError:
    cause = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return ManifestError(f"cannot be read: {cause}", Location(file=name))
