"""Takes a path or ``-``, gives its bytes as a stream, decompressed. Errors name the file.

Text in UTF-16 that begins with a byte order mark, as PowerShell's ``>`` writes it, comes as UTF-8;
UTF-8's own mark is left out.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

import pyarrow as pa

from netpol.io.standard import standard_input
from netpol.model.errors import FlowError, Location

__all__ = ["RestOfSource", "Source"]

HEAD_BYTES = 1 << 16
GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
#: Byte order marks, by the encoding they are of. UTF-32 begins as UTF-16 does.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

#: What the errors of reading and decompressing come as; all become FlowError.
_READ_ERRORS = (OSError, EOFError, zlib.error, pa.ArrowException)


class Source(io.RawIOBase):
    """A readable stream of one input, with its first bytes to look at.

    Parameters
    ----------
    path : str
        A file's path, or ``-`` for standard input. gzip and zstd are recognised by content.
    stream : binary file, optional
        Read this (at its position) instead of opening ``path``; it stays open.

    Attributes
    ----------
    name : str
        What errors and records call the input.
    head : bytes
        Up to 64 KiB of the content, decompressed and decoded; reading still begins at its start.
    bytes_read : int
        Bytes given so far.
    plain_path : str or None
        The path, where reading it oneself gives the same bytes.
    lines : int
        Lines before what is read: none.

    Raises
    ------
    FlowError
        The path cannot be read, is a directory, or its compression is damaged (here and from
        every read).
    """

    lines = 0

    def __init__(self, path: str, stream: IO[bytes] | None = None) -> None:
        super().__init__()
        self.name = "<stdin>" if path == "-" else path
        self.bytes_read = 0
        self._offset = 0
        self._ours = stream is None and path != "-"
        self._open_files: list[IO[bytes]] = []  # innermost last; what ``close`` closes
        self._stream = self._decompress(stream or self._open(path))
        self._decoder: codecs.IncrementalDecoder | None = None
        self._decoded = memoryview(b"")  # of what is decoded, what was not read yet
        head = self._read_head()
        self.head = self._decode_head(head)
        as_it_is = self._ours and self._stream is self._raw and self.head is head
        self.plain_path = path if as_it_is else None

    def _open(self, path: str) -> IO[bytes]:
        try:
            if path == "-":
                given = standard_input()
                # What an embedding program put there may be no more than readable.
                return (
                    given
                    if hasattr(given, "peek")
                    else io.BufferedReader(cast("io.RawIOBase", given))
                )
            if Path(path).is_dir():
                raise FlowError("is a directory; name the logs in it", Location(path))
            return Path(path).open("rb")
        except OSError as error:
            raise self._error(error) from None
        except ValueError:  # of a NUL, or half a character
            raise FlowError("no file can be called so", Location(self.name)) from None

    def _decompress(self, raw: IO[bytes]) -> IO[bytes]:
        self._raw = raw
        self._open_files.append(raw)
        try:
            magic = cast("io.BufferedReader", raw).peek(4)[:4]
        except OSError as error:
            raise self._error(error) from None
        if magic.startswith(GZIP_MAGIC):
            self._open_files.append(cast("IO[bytes]", gzip.GzipFile(fileobj=raw, mode="rb")))
        elif magic == ZSTD_MAGIC:
            unpacked = pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd")
            self._open_files.append(cast("IO[bytes]", unpacked))
        return self._open_files[-1]

    def _read_head(self) -> bytes:
        """Read until 64 KiB are there or the input ends, so that pipes are looked at as files are.

        A line is enough for an input that trickles in.
        """
        head = b""
        while len(head) < HEAD_BYTES:
            try:
                piece = cast("io.BufferedReader", self._stream).read1(HEAD_BYTES - len(head))
            except _READ_ERRORS as error:
                raise self._error(error) from None
            if not piece:
                break
            head += piece
            if head.count(b"\n") > 16:
                break
        return head

    def _decode_head(self, head: bytes) -> bytes:
        """Return the head without a byte order mark; what one says is kept for the rest."""
        for mark, encoding in _MARKS:
            if head.startswith(mark):
                self._decoder = codecs.getincrementaldecoder(encoding)("replace")
                return self._decoder.decode(head[len(mark) :]).encode("utf-8", "replace")
        return head[len(codecs.BOM_UTF8) :] if head.startswith(codecs.BOM_UTF8) else head

    def _read_decoded(self, decoder: codecs.IncrementalDecoder, view: memoryview) -> int:
        """Fill ``view`` with decoded text as far as one read goes."""
        while not self._decoded:
            piece = cast("io.BufferedReader", self._stream).read1(HEAD_BYTES)
            text = decoder.decode(piece, final=not piece)
            self._decoded = memoryview(text.encode("utf-8", "replace"))
            if not piece:
                break
        n = min(len(view), len(self._decoded))
        view[:n] = self._decoded[:n]
        self._decoded = self._decoded[n:]
        return n

    def look_ahead(self, size: int) -> bytes:
        """Return up to ``size`` bytes of the content, before any of it is read."""
        ahead = bytearray(max(size - len(self.head), 0))
        view = memoryview(ahead)
        have = 0
        while have < len(ahead):
            try:
                got = self._read_on(view[have:])
            except FlowError:
                break  # whoever reads that far is told
            if not got:
                break
            have += got
        self.head += bytes(view[:have])
        return self.head

    def _error(self, error: BaseException) -> FlowError:
        if isinstance(error, OSError) and error.strerror:
            return FlowError(error.strerror.lower(), Location(self.name))
        if isinstance(error, EOFError) or "runcated" in str(error):
            return FlowError(
                "compressed data ends too early (truncated file?)", Location(self.name)
            )
        return FlowError(f"damaged compressed data ({error})", Location(self.name))

    def readable(self) -> bool:
        """Say that the stream can be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill ``buffer`` as far as one read goes; 0 is the end."""
        view = memoryview(buffer).cast("B")
        if self._offset < len(self.head):
            n = min(len(view), len(self.head) - self._offset)
            view[:n] = self.head[self._offset : self._offset + n]
            self._offset += n
        else:
            n = self._read_on(view)
        self.bytes_read += n
        return n

    def _read_on(self, view: memoryview) -> int:
        """Fill ``view`` with what comes behind the head, as far as one read goes."""
        try:
            if self._decoder is not None:
                return self._read_decoded(self._decoder, view)
            return cast("io.BufferedReader", self._stream).readinto(view)
        except _READ_ERRORS as error:
            raise self._error(error) from None

    def close(self) -> None:
        """Close the input, unless it was open before.

        Also runs on a source that could not be opened: IOBase closes what is thrown away.
        """
        if not self.closed and self._ours:
            while self._open_files:
                self._open_files.pop().close()
        super().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class RestOfSource:
    """What is left of a source after some of it was read: held text, then the source itself.

    Attributes
    ----------
    name : str
        The source's.
    lines : int
        Lines of it that came before.
    """

    def __init__(
        self, held: bytes, source: Source, lines: int, failure: FlowError | None = None
    ) -> None:
        self._failure = failure
        self.name = source.name
        self.lines = lines
        self._held = memoryview(held)
        self._source = source

    def readinto(self, buffer: memoryview) -> int:
        """Fill ``buffer`` as far as one read goes; 0 is the end, or the source's failure."""
        if not self._held:
            if self._failure is not None:
                raise self._failure
            return self._source.readinto(buffer)
        n = min(len(buffer), len(self._held))
        buffer[:n] = self._held[:n]
        self._held = self._held[n:]
        return n
