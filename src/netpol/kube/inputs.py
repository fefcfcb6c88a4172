"""Takes paths as a person gives them, gives the manifest files behind them, decompressed.

A directory is searched recursively; gzip and zstd are found by content, not by name; ``-`` is
standard input. A file reached twice is read once.
"""

from __future__ import annotations

import gzip
import io
import os
import stat
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from netpol.errors import InputError, Location, ManifestError

__all__ = ["InputFile", "Paths", "find_inputs", "is_manifest", "named", "read_input"]

_SUFFIXES = tuple(
    suffix + packed for suffix in (".yaml", ".yml", ".json") for packed in ("", ".gz", ".zst")
)
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"

# A small archive may unpack to more than any memory; no dump of a cluster is this large.
MAX_UNPACKED_BYTES = 8 << 30


class InputFile(NamedTuple):
    """A manifest file: the name to show, and its path (None for standard input).

    ``data`` is its content where it was read elsewhere, as from a git revision.
    """

    name: str
    path: Path | None
    data: bytes | None = None

    @property
    def is_json(self) -> bool:
        """Say whether the name promises JSON."""
        return self.name.removesuffix(".gz").removesuffix(".zst").endswith(".json")


Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str] | InputFile]


def is_manifest(name: str) -> bool:
    """Say whether a file of this name is taken where a directory is searched."""
    return name.endswith(_SUFFIXES)


def named(paths: Paths) -> Location:
    """Give the place of a mistake that is not in one file but in all that was named."""
    listed = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    names = (p.name if isinstance(p, InputFile) else os.fspath(p) for p in listed)
    return Location(", ".join("<stdin>" if name == "-" else name for name in names))


def find_inputs(paths: Paths, report: Callable[[InputError], None]) -> Iterator[InputFile]:
    """Give each file behind ``paths`` once, directories searched recursively and sorted.

    Parameters
    ----------
    paths
        One path or several. In directories only ``*.yaml``, ``*.yml`` and ``*.json`` (also with
        ``.gz`` or ``.zst``) are taken; a file named directly is taken whatever its name. An
        ``InputFile`` is given as it is.
    report
        Called with a ``ManifestError`` for each path that is missing or holds no manifest.
    """
    seen: set[tuple[int, int]] = set()
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    if not given:
        report(ManifestError("no path was given"))
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
                found = _in_directory(name)
                if not found:
                    report(
                        ManifestError("no *.yaml, *.yml or *.json file in it", Location(file=name))
                    )
            else:
                found = [name]
        except (OSError, ValueError) as error:
            report(_unreadable(name, error))
            continue
        for path in found:
            file = _unless_seen(path, seen, report)
            if file is not None:
                yield file


def _unless_seen(
    path: str, seen: set[tuple[int, int]], report: Callable[[InputError], None]
) -> InputFile | None:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError as error:
        report(_unreadable(path, error))
        return None
    identity = (status.st_dev, status.st_ino)
    if identity in seen:
        return None
    seen.add(identity)
    return InputFile(path, Path(path))


def _in_directory(root: str) -> list[str]:
    """Give the manifests below ``root``, sorted; symbolic links are followed, loops are not."""

    def refuse(error: OSError) -> None:
        raise error

    found: list[str] = []
    entered: set[tuple[int, int]] = set()
    for folder, subfolders, files in os.walk(root, onerror=refuse, followlinks=True):
        status = os.stat(folder)  # noqa: PTH116
        if (status.st_dev, status.st_ino) in entered:
            subfolders.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        found += [
            path
            for path in (os.path.join(folder, file) for file in files)  # noqa: PTH118
            # A fifo found by searching would block for ever; a broken link is reported later.
            if is_manifest(path) and (os.path.isfile(path) or os.path.islink(path))  # noqa: PTH113, PTH114
        ]
    return sorted(found)


def read_input(file: InputFile) -> bytes:
    """Read a whole file and decompress it.

    Returns
    -------
    bytes
        The content, without a UTF-8 byte order mark.

    Raises
    ------
    ManifestError
        The file cannot be read, is empty, or is a broken or truncated archive.
    """
    try:
        data = _content(file)
    except (OSError, ValueError) as error:
        raise _unreadable(file.name, error) from None
    data = _decompress(data, file.name).removeprefix(b"\xef\xbb\xbf")
    if not data or data.isspace():
        raise ManifestError("the file is empty", Location(file=file.name))
    return data


def _content(file: InputFile) -> bytes:
    if file.data is not None:
        return file.data
    return sys.stdin.buffer.read() if file.path is None else file.path.read_bytes()


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
