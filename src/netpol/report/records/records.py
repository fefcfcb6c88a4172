"""Takes verdicts batch by batch, gives one record per flow as CSV, JSON lines, Arrow or Parquet.

The columns are those of ``Verdicts.to_arrow``; docs/output.md describes them. Batches are written
as they come, so memory stays constant whatever the length of the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from netpol.report.json.document import value as json_value
from netpol.report.records.csv_rows import field_writer
from netpol.report.records.files import OutputSink
from netpol.report.records.parquet import ParquetWriter
from netpol.report.words.formats import CsvCells

if TYPE_CHECKING:
    from netpol.engine.verdicts import Verdicts

__all__ = ["FORMATS", "RecordWriter", "csv_lines", "json_lines", "record_writer"]


class TableWriter(Protocol):
    """What pyarrow's writers have in common."""

    def write_table(self, table: pa.Table) -> None:
        """Append a table."""

    def close(self) -> None:
        """Write what ends the file."""


class RecordWriter:
    """Writes verdicts in one format; the file's schema is that of the first batch."""

    def __init__(self, sink: OutputSink, make: Callable[[OutputSink, pa.Schema], TableWriter]):
        self._sink = sink
        self._make = make
        self._writer: TableWriter | None = None

    def write(self, verdicts: Verdicts) -> None:
        """Append one batch of verdicts."""
        table = verdicts.to_arrow(encode_addresses=self._make is ParquetWriter)
        if self._writer is None:
            self._writer = self._make(self._sink, table.schema)
        self._writer.write_table(table)

    def close(self) -> None:
        """Write what ends the file. A failed file is not closed but thrown away."""
        if self._writer is not None:
            self._writer.close()

    def abandon(self) -> None:
        """Let go of a file that will be thrown away."""
        self._sink.abandon()
        if isinstance(self._writer, ParquetWriter):
            self._writer.abandon()


@contextmanager
def record_writer(
    kind: str, sink: OutputSink, csv_cells: CsvCells = "safe"
) -> Iterator[RecordWriter]:
    """Yield a writer of format ``kind`` (see ``FORMATS``), complete when the block ends."""
    make = partial(_csv, cells=csv_cells) if kind == "csv" else FORMATS[kind]
    writer = RecordWriter(sink, make)
    try:
        yield writer
        writer.close()
    except BaseException:
        writer.abandon()
        raise


class _LineWriter:
    """Text with one line per record; each distinct text of a column is quoted once a batch."""

    def __init__(self, sink: OutputSink, lines: Callable[[pa.RecordBatch], bytes]) -> None:
        self._sink = sink
        self._lines = lines

    def write_table(self, table: pa.Table) -> None:
        for batch in table.to_batches():
            self._sink.write(self._lines(batch))

    def close(self) -> None:
        """Do nothing: lines have no end mark."""


def _csv(sink: OutputSink, schema: pa.Schema, cells: CsvCells = "safe") -> TableWriter:
    sink.write((",".join(map(field_writer(cells), schema.names)) + "\n").encode())
    return _LineWriter(sink, partial(csv_lines, cells=cells))


def _json(sink: OutputSink, schema: pa.Schema) -> TableWriter:
    return _LineWriter(sink, json_lines)


def csv_lines(batch: pa.RecordBatch, cells: CsvCells = "safe") -> bytes:
    """Return a record batch as CSV, quoted as RFC 4180 has it where needed; null is empty."""
    spelling = _Spelling(field_writer(cells), _CSV_PLAIN, "", "")
    fields = [
        _texts(column, "," if index else "", spelling) for index, column in enumerate(batch.columns)
    ]
    return _joined_lines(batch.num_rows, [*fields, _text("\n")])


def json_lines(batch: pa.RecordBatch) -> bytes:
    """Return a record batch as JSON lines; null is ``null``."""
    members = [
        _texts(column, f"{',' if index else '{'}{json_value(name)}:", _JSON)
        for index, (name, column) in enumerate(zip(batch.schema.names, batch.columns, strict=True))
    ]
    return _joined_lines(batch.num_rows, [*members, _text("}\n")])


class _Spelling(NamedTuple):
    """How texts are written: each by itself, or, of plain characters alone, between marks."""

    write: Callable[[str], str]
    plain: bytes
    mark: str
    null: str


_LETTERS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CSV_PLAIN = _LETTERS + b" :/._-"
_JSON = _Spelling(json_value, _CSV_PLAIN + b"(),;=+@[]", '"', "null")


def _texts(column: pa.Array, prefix: str, spelling: _Spelling) -> pa.Array | pa.Scalar:
    """Return a column of integers or strings as texts, each with ``prefix`` before it.

    Of a column without any value it is the one text of all.
    """
    absent = _text(prefix + spelling.null)
    if len(column) and column.null_count == len(column):
        return absent  # the same in every line: the column of recorded verdicts mostly is
    if pa.types.is_integer(column.type):
        numbers = pc.cast(column, pa.large_string())
        return pc.fill_null(_join(_text(prefix), numbers), absent)
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    return pc.fill_null(_spelled(column.dictionary, prefix, spelling).take(column.indices), absent)


def _spelled(words: pa.Array, prefix: str, spelling: _Spelling) -> pa.Array:
    """Return distinct texts as they are written. All plain, as nearly ever, they take no loop."""
    if _are_plain(words, spelling):
        marked = _text(prefix + spelling.mark), words.cast(pa.large_string()), _text(spelling.mark)
        return _join(*marked)
    values = [prefix + spelling.write(value) for value in words.to_pylist()]
    return pa.array(values, pa.large_string())


def _are_plain(words: pa.Array, spelling: _Spelling) -> bool:
    data = words.buffers()[2]
    if data is not None and data.to_pybytes().translate(None, spelling.plain):
        return False
    # Without marks, a text must not begin with what is more than itself there.
    return bool(spelling.mark) or not any(
        pc.any(pc.starts_with(words, start)).as_py() for start in ("-", " ")
    )


def _joined_lines(rows: int, parts: list[pa.Array | pa.Scalar]) -> bytes:
    if not rows:
        return b""
    lines = _join(*parts)
    if isinstance(lines, pa.Scalar):  # no column has a value
        return str(lines.as_py()).encode() * rows
    # A string column's data buffer is its lines one after another, which is the output.
    _, offsets, data = lines.buffers()
    bounds = np.frombuffer(offsets, np.int64)[[lines.offset, lines.offset + rows]]
    octets: bytes = data.slice(bounds[0], bounds[1] - bounds[0]).to_pybytes()
    return octets


def _text(value: str) -> pa.Scalar:
    return pa.scalar(value, pa.large_string())


def _join(*texts: pa.Array | pa.Scalar) -> pa.Array:
    return pc.binary_join_element_wise(*texts, _text(""))


def _arrow(sink: OutputSink, schema: pa.Schema) -> TableWriter:
    # The stream format: dictionaries may differ from batch to batch, and it goes through a pipe.
    writer: TableWriter = pyarrow.ipc.new_stream(sink, schema)
    return writer


#: How to write each format, by its name on the command line.
FORMATS: dict[str, Callable[[OutputSink, pa.Schema], TableWriter]] = {
    "csv": _csv,
    "jsonl": _json,
    "arrow": _arrow,
    "parquet": ParquetWriter,
}
