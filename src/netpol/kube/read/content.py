"""Takes a manifest's path, stream or bytes, gives its content: decompressed, whole, and bounded.

Nothing is asked for at once that the input did not prove to have: a file is read as far as it
goes, an archive is unpacked in pieces, and both end at a limit that a caller can set. An archive
that unpacks to far more than any text does is refused long before that.
"""

from __future__ import annotations

import codecs
import contextlib
import gzip
import io
import os
import stat
import sys
import zlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import IO, cast

import pyarrow as pa

from netpol.io.standard import standard_input
from netpol.model.errors import ConfigError, Location, ManifestError

__all__ = ["MAX_MANIFEST_BYTES", "as_utf8", "manifest_limit", "max_manifest_bytes", "read_limited"]

#: Bytes of one manifest, unpacked. 100 000 pods as kubectl writes them in JSON are 283 MB, so this
#: is a cluster of some 700 000; as typed objects it takes about as much memory again.
MAX_MANIFEST_BYTES = 2 << 30

# What an archive may unpack to whatever its size, and how many times its size beyond that. 30 000
# pods that differ by name and address alone shrink to a 112th (gzip -9) or a 325th (zstd -19); the
# zeros of a bomb to a 1 000th or a 30 000th.
FREE_BYTES = 64 << 20
MAX_RATIO = 500

_PIECE = 1 << 20
_PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_NOT_UNPACKED = {
    b"BZh1": "bzip2", b"BZh2": "bzip2", b"BZh3": "bzip2", b"BZh4": "bzip2", b"BZh5": "bzip2",
    b"BZh6": "bzip2", b"BZh7": "bzip2", b"BZh8": "bzip2", b"BZh9": "bzip2",
    b"\xfd7zXZ\x00": "xz", b"\x04\x22\x4d\x18": "lz4",
}  # fmt: skip
_MAGIC_BYTES = 6
# The longer first: UTF-32 begins like UTF-16. Windows PowerShell's > writes UTF-16.
_ENCODINGS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_UTF8_MARK = b"\xef\xbb\xbf"

_limit: ContextVar[int] = ContextVar("manifest_limit", default=MAX_MANIFEST_BYTES)


def max_manifest_bytes() -> int:
    """Return the bytes that one manifest may have, unpacked."""
    return _limit.get()


@contextlib.contextmanager
def manifest_limit(size: int) -> Iterator[None]:
    """Let manifests that are read within the block have up to ``size`` bytes each, unpacked.

    Raises
    ------
    ConfigError
        ``size`` is not positive.
    """
    if size < 1:
        raise ConfigError(f"a manifest of at most {size} bytes is none")
    token = _limit.set(size)
    try:
        yield
    finally:
        _limit.reset(token)


def read_limited(name: str, path: Path | None, data: bytes | None = None) -> bytes:
    """Return the whole content, decompressed.

    Parameters
    ----------
    name
        What errors call it.
    path
        Where it is; None: standard input.
    data
        The content as it is stored, where that was read elsewhere.

    Raises
    ------
    ManifestError
        It is larger than ``max_manifest_bytes``, a device that never ends, or a broken archive or
        one that nobody packed honestly.
    OSError, ValueError
        It cannot be read.
    """
    where = Location(name)
    if data is not None:
        raw = _Counted(io.BytesIO(data), where)
        packer = _packer_of(raw)
        return _of_archive(packer, raw) if packer else _within_limit(data, where)
    if path is None:
        _refuse_device(_status_of_stdin(), where)
        return _of_stream(_Counted(standard_input(), where))
    _refuse_device(os.stat(path), where)  # noqa: PTH116 - before opening: a device may act
    with path.open("rb") as file:
        return _of_file(file, where)


def _of_file(file: IO[bytes], where: Location) -> bytes:
    status = os.fstat(file.fileno())
    raw = _Counted(file, where)
    # What the kernel makes up as it is read has no size.
    if _packer_of(raw) or not stat.S_ISREG(status.st_mode) or not status.st_size:
        return _of_stream(raw)
    if status.st_size > max_manifest_bytes():
        raise _too_large(f"has {status.st_size} bytes", where)
    file.seek(0)
    whole = file.read(status.st_size + 1)  # at once, which is the one copy
    if len(whole) <= status.st_size:
        return whole
    file.seek(0)  # it grows as it is read
    return _of_stream(_Counted(file, where))


def _of_stream(raw: _Counted) -> bytes:
    """Return the content of what may never end."""
    if packer := _packer_of(raw):
        return _of_archive(packer, raw)
    content = io.BytesIO()  # gives what it holds without a copy
    while piece := raw.read(_PIECE):
        content.write(piece)
        if raw.count > max_manifest_bytes():
            raise _too_large("has more", raw.where)
    return content.getvalue()


def _of_archive(kind: str, raw: _Counted) -> bytes:
    """Unpack a stream in pieces, as long as what comes out is in proportion to what went in."""
    content = io.BytesIO()
    try:
        with _UNPACKED[kind](raw) as stream:
            while piece := stream.read(_PIECE):
                content.write(piece)
                _refuse_bomb(content.tell(), raw)
    except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
        if isinstance(error, MemoryError):  # of pyarrow, which makes it an ArrowException too
            raise
        raise ManifestError(f"broken or truncated {kind} data ({error})", raw.where) from None
    return content.getvalue()


def _refuse_bomb(size: int, raw: _Counted) -> None:
    if size > max_manifest_bytes():
        raise _too_large("unpacks to more", raw.where)
    if size > FREE_BYTES and size > MAX_RATIO * raw.count:
        raise ManifestError(
            f"unpacks to {size // raw.count} times its size ({size >> 20} MiB so far, from "
            f"{raw.count} bytes), as no manifest does (at most {MAX_RATIO} times beyond "
            f"{FREE_BYTES >> 20} MiB); unpack it first if it is meant",
            raw.where,
        )


def _within_limit(data: bytes, where: Location) -> bytes:
    if len(data) > max_manifest_bytes():
        raise _too_large(f"has {len(data)} bytes", where)
    return data


def _too_large(what: str, where: Location) -> ManifestError:
    return ManifestError(
        f"{what}; a manifest has at most {max_manifest_bytes()} bytes (--max-manifest)", where
    )


def _refuse_device(status: os.stat_result | None, where: Location) -> None:
    """Refuse what has no end or does something when it is read; a terminal and a pipe are fine."""
    if status is None:
        return
    if stat.S_ISBLK(status.st_mode) or stat.S_ISSOCK(status.st_mode):
        what = "a block device" if stat.S_ISBLK(status.st_mode) else "a socket"
        raise ManifestError(f"is {what}, not a file", where)
    if stat.S_ISCHR(status.st_mode) and not _is_tame(status):
        raise ManifestError("is a device, not a file", where)


def _is_tame(status: os.stat_result) -> bool:
    """Return whether a device is a terminal or the one that is always empty."""
    tame = [os.devnull, "/dev/tty"]
    tame += [f"/dev/fd/{number}" for number in range(3) if os.isatty(number)]
    for name in tame:
        with contextlib.suppress(OSError):
            if os.stat(name).st_rdev == status.st_rdev:  # noqa: PTH116
                return True
    return False


def _status_of_stdin() -> os.stat_result | None:
    try:
        return os.fstat(sys.stdin.fileno())
    except (AttributeError, OSError, ValueError):
        return None  # closed, or none of the system


def _packer_of(raw: _Counted) -> str | None:
    """Say what packed the stream that begins so, if anything did that is read here."""
    for magic, packer in _NOT_UNPACKED.items():
        if raw.head.startswith(magic):
            raise ManifestError(
                f"compressed with {packer}; decompress it first (gzip and zstd are read)", raw.where
            )
    return next((kind for magic, kind in _PACKED.items() if raw.head.startswith(magic)), None)


def _gunzip(raw: _Counted) -> IO[bytes]:
    return cast("IO[bytes]", gzip.GzipFile(fileobj=cast("IO[bytes]", raw)))


def _unzstd(raw: _Counted) -> IO[bytes]:
    return cast("IO[bytes]", pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd"))


_UNPACKED: dict[str, Callable[[_Counted], IO[bytes]]] = {"gzip": _gunzip, "zstd": _unzstd}


def as_utf8(data: bytes, name: str) -> bytes:
    """Return text that begins with a byte order mark as UTF-8 without one; any other as it is."""
    if data.startswith(_UTF8_MARK):
        return data[len(_UTF8_MARK) :]
    for mark, encoding in _ENCODINGS:
        if data.startswith(mark):
            try:
                return _recoded(data, encoding)
            except UnicodeError:
                message = (
                    f"not text: begins as {encoding.upper()} and is not valid {encoding.upper()}"
                )
                raise ManifestError(message, Location(file=name)) from None
    return data


def _recoded(data: bytes, encoding: str) -> bytes:
    """Return text of another encoding as UTF-8, in pieces: a str takes up to 4 bytes a letter."""
    decoder = codecs.getincrementaldecoder(encoding)()
    text = io.BytesIO()
    for start in range(0, len(data), _PIECE):
        text.write(decoder.decode(data[start : start + _PIECE]).encode())
    text.write(decoder.decode(b"", final=True).encode())
    return text.getvalue()


class _Counted:
    """A stream whose first bytes can be looked at, and that counts what was read of it."""

    closed = False  # for pyarrow

    def __init__(self, stream: IO[bytes], where: Location) -> None:
        self._stream = stream
        self.where = where
        self.head = _read_up_to(stream, _MAGIC_BYTES)
        self._pending = self.head
        self.count = 0

    def read(self, size: int) -> bytes:
        """Return at most ``size`` bytes, none at the end."""
        if self._pending:
            # Less than was asked for is no end: everybody who reads pieces asks again.
            data, self._pending = self._pending[:size], self._pending[size:]
        else:
            data = self._stream.read(size)
        self.count += len(data)
        return data

    def close(self) -> None:
        """Leave the stream to who opened it."""


def _read_up_to(stream: IO[bytes], size: int) -> bytes:
    head = b""
    while len(head) < size and (piece := stream.read(size - len(head))):
        head += piece
    return head
