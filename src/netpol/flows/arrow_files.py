"""Takes a Parquet file, or an Arrow IPC file or stream, gives record batches, each value checked.

Only columns that mean something to a flow are read. Files are read, not mapped: of a mapped file
anybody who can write it could change, or cut off, what was checked already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from netpol.errors import FlowError, Location
from netpol.flows.arrow_checks import ARROW_ERRORS, arrow_reason, check_values, column_names
from netpol.flows.source import Source

__all__ = ["ArrowRows"]

#: Gives, of a table's columns, the names of those to read, by what each means.
FindColumns = Callable[[Iterable[str], Location], dict[str, str]]
_PIECE = 1 << 20
_UNPACKED, _RATIO = 1 << 28, 1000  # bytes of a row group that may be, whatever their ratio
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
        if self._source.head.startswith(b"ARROW1"):
            file = self._seekable()
            options = self._options(pa.ipc.open_file(file).schema)
            reader = pa.ipc.open_file(file, options=options)
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number)
            return
        # A stream is read once: its schema is looked at before it is given to what reads the rest.
        pieces = _Pieces(self._source)
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
        """Give the input as something Arrow can seek in: the file itself where it is one."""
        if self._source.plain_path is not None:
            return pa.OSFile(self._source.plain_path)
        return pa.BufferReader(self._source.readall())


def _check_growth(metadata: Any, size: int, where: Location) -> None:
    """Refuse a Parquet file of ``size`` bytes a part of which unpacks to far more than that.

    By what the parts say of themselves: a page that lies about its size takes at most 2 GiB. Their
    columns are not asked: pyarrow ends the process where what a column says contradicts itself.
    """
    for number in range(metadata.num_row_groups):
        unpacked = metadata.row_group(number).total_byte_size
        if unpacked > _UNPACKED and unpacked > _RATIO * size:
            raise FlowError(
                f"row group {number + 1} unpacks to {unpacked} bytes, "
                f"more than {_RATIO} times the file's {size}",
                where,
            )


class _Pieces:
    """A source as Arrow reads streams: whole reads, whose memory grows with what there is.

    A length in a message may be anything; nothing is allocated for what does not follow.
    """

    closed = False

    def __init__(self, source: Source) -> None:
        self._source = source
        self._ahead = b""

    def schema(self) -> bytes:
        """Give the first message, which is read again afterwards."""
        prefix = self.read(4)
        if prefix == _CONTINUED:
            prefix += self.read(4)
        message = prefix + self.read(int.from_bytes(prefix[-4:], "little"))
        self._ahead = message
        return message

    def read(self, size: int) -> bytes:
        """Give ``size`` bytes; fewer at the end."""
        found = bytearray(self._ahead[:size])
        self._ahead = self._ahead[size:]
        while len(found) < size:
            piece = self._source.read(min(size - len(found), _PIECE))
            if not piece:
                break
            found += piece
        return bytes(found)
