"""Takes verdicts batch by batch, gives one record per flow as CSV, JSON lines, Arrow or Parquet.

The columns are those of ``Verdicts.to_arrow``; docs/output.md describes them. Batches are written
as they come, so memory stays constant whatever the length of the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet

from netpol.report.files import OutputSink

__all__ = ["FORMATS", "RecordWriter", "json_lines", "record_writer"]


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

    def write(self, verdicts: Any) -> None:
        """Append one batch of verdicts."""
        table = verdicts.to_arrow()
        if self._writer is None:
            self._writer = self._make(self._sink, table.schema)
        self._writer.write_table(table)

    def close(self) -> None:
        """Write what ends the file. A failed file is not closed but thrown away."""
        if self._writer is not None:
            self._writer.close()


@contextmanager
def record_writer(format: str, sink: OutputSink) -> Iterator[RecordWriter]:  # noqa: A002
    """Give a writer of ``format`` (one of ``FORMATS``) that is complete when the block ends."""
    writer = RecordWriter(sink, FORMATS[format])
    yield writer
    writer.close()


class _Csv:
    """CSV as RFC 4180, quoted where needed; an absent value is empty."""

    def __init__(self, sink: OutputSink, schema: pa.Schema) -> None:
        self._schema = pa.schema([(item.name, _plain(item.type)) for item in schema])
        self._writer = pyarrow.csv.CSVWriter(
            sink,
            self._schema,
            write_options=pyarrow.csv.WriteOptions(quoting_style="needed"),
        )

    def write_table(self, table: pa.Table) -> None:
        self._writer.write_table(table.cast(self._schema))

    def close(self) -> None:
        self._writer.close()


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


class _JsonLines:
    """One JSON object a line, built column-wise: each distinct text is escaped once."""

    def __init__(self, sink: OutputSink, schema: pa.Schema) -> None:
        self._sink = sink

    def write_table(self, table: pa.Table) -> None:
        for batch in table.to_batches():
            self._sink.write(json_lines(batch))

    def close(self) -> None:
        """Do nothing: JSON lines have no end mark."""


def json_lines(batch: pa.RecordBatch) -> bytes:
    """Give a record batch as JSON lines."""
    if not batch.num_rows:
        return b""
    members = [
        _member(("," if index else "{") + msgspec.json.encode(name).decode() + ":", column)
        for index, (name, column) in enumerate(zip(batch.schema.names, batch.columns, strict=True))
    ]
    lines = _join(*members, _text("}\n"))
    # The joined column's data buffer is the lines one after another, which is the output.
    data = lines.buffers()[2]
    offsets = lines.buffers()[1]
    first, last = (
        int.from_bytes(offsets.slice(8 * (lines.offset + i), 8).to_pybytes(), "little")
        for i in (0, len(lines))
    )
    return bytes(data.slice(first, last - first))


def _text(value: str) -> pa.Scalar:
    return pa.scalar(value, pa.large_string())


def _join(*texts: pa.Array | pa.Scalar) -> pa.Array:
    return pc.binary_join_element_wise(*texts, _text(""))


def _member(prefix: str, column: pa.Array) -> pa.Array:
    """Give ``prefix`` and the column's JSON values as large strings, null as ``null``."""
    null = _text(prefix + "null")
    if pa.types.is_integer(column.type):
        numbers = pc.cast(column, pa.large_string())
        return pc.fill_null(_join(_text(prefix), numbers), null)
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    values = pa.array(
        [prefix + msgspec.json.encode(value).decode() for value in column.dictionary.to_pylist()],
        pa.large_string(),
    )
    return pc.fill_null(values.take(column.indices), null)


def _arrow(sink: OutputSink, schema: pa.Schema) -> TableWriter:
    # The stream format: dictionaries may differ from batch to batch, and it goes through a pipe.
    writer: TableWriter = pyarrow.ipc.new_stream(sink, schema)
    return writer


def _parquet(sink: OutputSink, schema: pa.Schema) -> TableWriter:
    writer: TableWriter = pyarrow.parquet.ParquetWriter(sink, schema, compression="zstd")
    return writer


#: How to write each format, by its name on the command line.
FORMATS: dict[str, Callable[[OutputSink, pa.Schema], TableWriter]] = {
    "csv": _Csv,
    "jsonl": _JsonLines,
    "arrow": _arrow,
    "parquet": _parquet,
}
