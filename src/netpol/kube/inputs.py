"""Takes paths as a person gives them, gives the manifest files behind them, as UTF-8.

A directory is searched recursively, what is hidden left out; gzip, zstd and UTF-16 are found by
content, not by name; ``-`` is standard input. A file reached twice is read once.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from netpol.errors import InputError, Location, ManifestError, NothingThereError
from netpol.kube.filenames import is_manifest
from netpol.kube.globs import Globs
from netpol.standard import standard_input

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

_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
# The longer first: UTF-32 begins like UTF-16. Windows PowerShell's > writes UTF-16.
_ENCODINGS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_UTF8_MARK = b"\xef\xbb\xbf"

# A small archive may unpack to more than any memory; no dump of a cluster is this large.
MAX_UNPACKED_BYTES = 8 << 30


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
        """Say whether the name promises JSON."""
        return self.name.removesuffix(".gz").removesuffix(".zst").endswith(".json")


Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str] | InputFile]


def named(paths: Paths) -> Location:
    """Give the place of a mistake that is not in one file but in all that was named."""
    listed = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    names = (p.name if isinstance(p, InputFile) else os.fspath(p) for p in listed)
    return Location(", ".join("<stdin>" if name == "-" else name for name in names))


def is_hidden(path: str) -> bool:
    """Say whether a path from a directory that is searched leads through a hidden name."""
    return any(part.startswith(".") for part in path.split("/"))


def nothing_found(exclude: Globs) -> str:
    """Say that a directory has no manifest that is read."""
    left_out = "hidden and excluded ones" if exclude else "hidden ones"
    return f"no *.yaml, *.yml or *.json file in it ({left_out} are left out)"


def find_inputs(
    paths: Paths, report: Callable[[InputError], None], exclude: Globs | None = None
) -> Iterator[InputFile]:
    """Give each file behind ``paths`` once, directories searched recursively and sorted.

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
    """Give who the files are that somebody named, though they may be met in a directory first."""
    for entry in given:
        if not isinstance(entry, InputFile):
            with contextlib.suppress(OSError, ValueError):
                status = os.stat(entry)  # noqa: PTH116
                if not stat.S_ISDIR(status.st_mode):
                    yield _identity(status)


def _in(root: str, exclude: Globs) -> list[str]:
    """Give the manifests below ``root``, sorted; symbolic links are followed, loops are not."""

    def left_out(path: str, *, folder: bool) -> bool:
        return bool(exclude) and exclude.match(path, path[below:], folder=folder)

    below = len(os.path.join(root, ""))  # noqa: PTH118

    def refuse(error: OSError) -> None:
        raise error

    found: list[str] = []
    entered: set[_Identity] = set()
    for folder, subfolders, files in os.walk(root, onerror=refuse, followlinks=True):
        identity = _identity(os.stat(folder))  # noqa: PTH116
        if identity in entered:
            subfolders.clear()
            continue
        entered.add(identity)
        subfolders[:] = [
            name
            for name in subfolders
            if not name.startswith(".") and not left_out(os.path.join(folder, name), folder=True)  # noqa: PTH118
        ]
        found += [
            path
            for path in (os.path.join(folder, file) for file in files if file[0] != ".")  # noqa: PTH118
            # A fifo found by searching would block for ever; a broken link is reported later.
            if is_manifest(path)
            and not left_out(path, folder=False)
            and (os.path.isfile(path) or os.path.islink(path))  # noqa: PTH113, PTH114
        ]
    return sorted(found)


def read_input(file: InputFile) -> bytes:
    """Read a whole file as ``read_content`` does; ``ManifestError`` also if it is empty."""
    data = read_content(file)
    if not data:
        raise NothingThereError("the file is empty", Location(file=file.name))
    return data


def read_content(file: InputFile) -> bytes:
    """Read a whole file, decompress it and make it UTF-8.

    Returns
    -------
    bytes
        The content, without a byte order mark; nothing if it is blank.

    Raises
    ------
    ManifestError
        The file cannot be read, is a broken or truncated archive, or begins like UTF-16 and is
        none.
    """
    try:
        data = _content(file)
    except (OSError, ValueError) as error:
        raise _unreadable(file.name, error) from None
    data = _as_utf8(_decompress(data, file.name), file.name)
    return b"" if data.isspace() else data


def _as_utf8(data: bytes, name: str) -> bytes:
    if data.startswith(_UTF8_MARK):
        return data[len(_UTF8_MARK) :]
    for mark, encoding in _ENCODINGS:
        if data.startswith(mark):
            try:
                return data.decode(encoding).encode()
            except UnicodeError:
                message = (
                    f"not text: begins as {encoding.upper()} and is not valid {encoding.upper()}"
                )
                raise ManifestError(message, Location(file=name)) from None
    return data


def _content(file: InputFile) -> bytes:
    if file.data is not None:
        return file.data
    return standard_input().read() if file.path is None else file.path.read_bytes()


def _decompress(data: bytes, name: str) -> bytes:
    if data.startswith(_GZIP_MAGIC):
        kind, unpack = "gzip", _unpack_gzip
    elif data.startswith(_ZSTD_MAGIC):
        kind, unpack = "zstd", _unpack_zstd
    else:
        return data
    try:
        plain = unpack(data)
    except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
        raise ManifestError(
            f"broken or truncated {kind} data ({error})", Location(file=name)
        ) from None
    if len(plain) > MAX_UNPACKED_BYTES:
        raise ManifestError(
            f"unpacks to more than {MAX_UNPACKED_BYTES >> 30} GiB", Location(file=name)
        )
    return plain


def _unpack_gzip(data: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
        return stream.read(MAX_UNPACKED_BYTES + 1)


def _unpack_zstd(data: bytes) -> bytes:
    pieces: list[bytes] = []
    size = 0
    with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
        while size <= MAX_UNPACKED_BYTES and (piece := stream.read(1 << 24)):
            pieces.append(piece)
            size += len(piece)
    return b"".join(pieces)


def _unreadable(name: str, error: Exception) -> ManifestError:
    cause = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return ManifestError(f"cannot be read: {cause}", Location(file=name))
