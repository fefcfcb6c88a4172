"""Takes a Parquet file, or an Arrow IPC file or stream, gives record batches, each value checked.

Only columns that mean something to a flow are read. Files are read, not mapped: of a mapped file
anybody who can write it could change, or cut off, what was checked already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from netpol.flows.columns.arrow_checks import ARROW_ERRORS, arrow_reason, check_values, column_names
from netpol.flows.formats.table.arrow_messages import blocks_of, message_of, unpacked
from netpol.io.stream import Source
from netpol.model.errors import FlowError, Location

__all__ = ["ArrowRows"]

#: Gives, of a table's columns, the names of those to read, by what each means.
FindColumns = Callable[[Iterable[str], Location], dict[str, str]]
_PIECE = 1 << 20
_UNPACKED, _RATIO = 1 << 28, 1000  # bytes of a part that may be, whatever their ratio
_MAGIC = b"ARROW1"
_CONTINUED = b"\xff\xff\xff\xff"  # begins a message, but not in files older than Arrow 0.15


class ArrowRows:
    """One Parquet or Arrow IPC input.

    Iterating gives record batches of at most ``rows`` rows, of the chosen columns, and raises
    ``FlowError`` where the input is damaged: nothing of a batch is given before all of it has been
    checked.

    Parameters
    ----------
    source : Source
        The input, nothing read of it yet.
    kind : str
        ``parquet`` or ``arrow``.
    find_columns : callable
        Is given the names of all columns, gives those to read, or raises.
    rows : int
        Most rows of a batch.
    """

    def __init__(self, source: Source, kind: str, find_columns: FindColumns, rows: int) -> None:
        self._source = source
        self._kind = kind
        self._find_columns = find_columns
        self._rows = rows
        self._where = Location(source.name)

    def __iter__(self) -> Iterator[Any]:
        parts = self._parquet() if self._kind == "parquet" else self._ipc()
        try:
            yield from self._checked(parts)
        except FlowError:
            raise
        except ARROW_ERRORS as error:
            reason = f"not a readable {self._kind} table: {arrow_reason(error)}"
            raise FlowError(reason, self._where) from None

    def _checked(self, parts: Iterator[Any]) -> Iterator[Any]:
        for part in parts:
            for name, column in zip(part.schema.names, part.columns, strict=True):
                check_values(column, name, self._where)
            for begin in range(0, part.num_rows, self._rows):
                yield part.slice(begin, self._rows)

    def _parquet(self) -> Iterator[Any]:
        content = self._seekable()
        file = pq.ParquetFile(content, page_checksum_verification=True, pre_buffer=False)
        names = column_names(file.schema_arrow, self._where)
        _check_growth(file.metadata, content.size(), self._where)
        yield from file.iter_batches(batch_size=self._rows, columns=[*self._chosen(names)])

    def _ipc(self) -> Iterator[Any]:
        if self._source.head.startswith(_MAGIC):
            file = self._seekable()
            _check_blocks(file, self._where)
            options = self._options(pa.ipc.open_file(file).schema)
            reader = pa.ipc.open_file(file, options=options)
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number)
            return
        # A stream is read once: its schema is looked at before it is given to what reads the rest.
        pieces = _Pieces(self._source, self._where)
        options = self._options(pa.ipc.open_stream(pieces.schema()).schema)
        yield from pa.ipc.open_stream(pa.PythonFile(pieces, "r"), options=options)

    def _options(self, schema: Any) -> Any:
        names = column_names(schema, self._where)
        chosen = self._chosen(names)
        fields = [index for index, name in enumerate(names) if name in chosen]
        return pa.ipc.IpcReadOptions(included_fields=fields)

    def _chosen(self, names: list[str]) -> set[str]:
        return set(self._find_columns(names, self._where).values())

    def _seekable(self) -> Any:
        """Return the input as something Arrow can seek in: the file itself where it is one."""
        if self._source.plain_path is not None:
            return pa.OSFile(self._source.plain_path)
        return pa.BufferReader(self._source.readall())


def _check_growth(metadata: Any, size: int, where: Location) -> None:
    """Refuse a Parquet file of ``size`` bytes a part of which unpacks to far more than that.

    By what the parts say of themselves: a page that lies about its size takes at most 2 GiB. Their
    columns are not asked: pyarrow ends the process where what a column says contradicts itself.
    """
    for number in range(metadata.num_row_groups):
        found = metadata.row_group(number).total_byte_size
        _check_part(f"row group {number + 1}", found, size, where)


def _check_part(what: str, found: int, size: int, where: Location) -> None:
    if found > _UNPACKED and found > _RATIO * size:
        raise FlowError(
            f"{what} unpacks to {found} bytes, more than {_RATIO} times its {size}", where
        )


def _check_blocks(file: Any, where: Location) -> None:
    """Refuse an Arrow file a message of which unpacks to far more than it takes."""
    size = file.size()
    tail = _bytes_at(file, size - len(_MAGIC) - 4, 4)
    length = int.from_bytes(tail, "little")
    footer = _bytes_at(file, size - len(_MAGIC) - 4 - length, length)
    for number, (first, prefixed) in enumerate(blocks_of(footer), 1):
        metadata = _bytes_at(file, first, prefixed)
        metadata = metadata[8 if metadata.startswith(_CONTINUED) else 4 :]
        message = message_of(metadata)

        def read(place: int, count: int, body: int = first + prefixed) -> bytes:
            return _bytes_at(file, body + place, count)

        _check_part(f"part {number}", unpacked(message, read), message.body_length, where)


def _bytes_at(file: Any, place: int, count: int) -> bytes:
    if not 0 <= place <= place + count <= file.size():
        raise ValueError(f"{count} bytes at {place} of {file.size()}")
    file.seek(place)
    found: bytes = file.read(count)
    return found


class _Pieces:
    """A source as Arrow reads streams: message by message, each looked at before it is given.

    Memory grows with what there is: a length in a message may be anything, and nothing is allocated
    for what does not follow.
    """

    closed = False

    def __init__(self, source: Source, where: Location) -> None:
        self._source = source
        self._where = where
        self._number = 0
        self._ahead: list[memoryview] = []

    def schema(self) -> bytes:
        """Return the first message, which is read again afterwards."""
        self._ahead = self._message()
        return b"".join(self._ahead)

    def read(self, size: int) -> bytes:
        """Return ``size`` bytes; fewer at the end."""
        found: list[memoryview] = []
        while size > 0:
            if not self._ahead:
                self._ahead = self._message()
                if not self._ahead:
                    break
            part = self._ahead.pop(0)
            found.append(part[:size])
            if len(part) > size:
                self._ahead.insert(0, part[size:])
            size -= len(found[-1])
        return b"".join(found)

    def _message(self) -> list[memoryview]:
        """Return the next message in parts; at the end of the stream what is left."""
        prefix = self._take(4)
        if prefix == _CONTINUED:
            prefix += self._take(4)
        length = int.from_bytes(prefix[-4:], "little", signed=True)
        metadata = self._take(length)
        if length <= 0 or len(metadata) < length:
            return _views(prefix, metadata)
        message = message_of(bytes(metadata))
        body = self._take(message.body_length)
        if len(body) == message.body_length:
            self._number += 1
            found = unpacked(message, lambda first, count: body[first : first + count])
            _check_part(f"message {self._number}", found, len(body), self._where)
        return _views(prefix, metadata, body)

    def _take(self, size: int) -> bytearray:
        """Return ``size`` bytes of the source; fewer at its end."""
        found = bytearray()
        while len(found) < size:
            piece = self._source.read(min(size - len(found), _PIECE))
            if not piece:
                break
            found += piece
        return found


def _views(*parts: bytearray) -> list[memoryview]:
    return [memoryview(part) for part in parts if part]
