"""Takes tables of flows (CSV, Parquet, Arrow IPC), gives flow batches; one row is one connection.

A CSV file has a header with ``src,dst,protocol,port`` and any of the optional columns of
``table_columns.COLUMNS``; comma, tab, semicolon and ``|`` separate. Every cell is read as text and
checked by itself, so one bad cell costs one row. The tables are read in constant memory, except a
Parquet or Arrow file that comes compressed or on standard input.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from netpol.errors import FlowError, Location
from netpol.flows.batch import FlowBatch
from netpol.flows.normalise import normalise
from netpol.flows.source import Source
from netpol.flows.stats import ReadStats
from netpol.flows.table_columns import header_names, map_columns, sniff_delimiter

__all__ = ["read_table"]

BATCH_ROWS = 1 << 16
CSV_BLOCK = 1 << 22


def read_table(
    source: Source, kind: str, stats: ReadStats, *, strict: bool = False
) -> Iterator[FlowBatch]:
    """Read a table of flows.

    Parameters
    ----------
    source : Source
        The input, nothing read of it yet.
    kind : str
        ``csv``, ``parquet`` or ``arrow`` (IPC file or stream).
    stats : ReadStats
        Counts are added here.
    strict : bool
        Raise at the first row that cannot be read.

    Yields
    ------
    FlowBatch
        At most 65,536 rows; ``line`` is the line of CSV, or the row from 1.

    Raises
    ------
    FlowError
        The table cannot be read or lacks a column, or ``strict`` is set and a row is bad.
    """
    try:
        if kind == "csv":
            yield from _CsvReader(source, stats, strict=strict).batches()
            return
        row = 1
        for record_batch in _record_batches(source, kind):
            lines = np.arange(row, row + record_batch.num_rows, dtype=np.int64)
            row += record_batch.num_rows
            yield _batch(record_batch, lines, source.name, stats, strict=strict)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).split("\n", 1)[0]
        raise FlowError(f"not a readable {kind} table: {reason}", Location(source.name)) from None


def _batch(
    table: Any, lines: npt.NDArray[np.int64], file: str, stats: ReadStats, *, strict: bool
) -> FlowBatch:
    """Normalise rows whose columns have the table's own names."""
    names = map_columns(table.schema.names, Location(file))
    columns = {column: _text(table.column(name)) for column, name in names.items()}
    batch, problems = normalise(columns, file=file, lines=lines)
    stats.lines += table.num_rows
    for row, cause in problems:
        text = ",".join("" if (v := c[row].as_py()) is None else str(v) for c in columns.values())
        if text.strip(","):
            stats.skip(file, int(lines[row]), cause, text, strict=strict)
        else:
            stats.blank += 1
    return batch


def _text(column: Any) -> Any:
    """Give a binary column (CSV's cells) as text, whatever bytes it holds."""
    if not pa.types.is_binary(column.type):
        return column
    try:
        return column.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([cell.decode("utf-8", "replace") for cell in column.to_pylist()])


# --- CSV ---------------------------------------------------------------------------------------


class _CsvReader:
    """One CSV input: pyarrow's streaming reader, with the line of every row kept."""

    def __init__(self, source: Source, stats: ReadStats, *, strict: bool) -> None:
        self._source = source
        self._stats = stats
        self._strict = strict
        self._odd_rows: list[int] = []  # physical rows that pyarrow left out, ascending
        self._next_row = 2  # row 1 is the header
        self._fatal: FlowError | None = None

    def batches(self) -> Iterator[FlowBatch]:
        """Read the rows below the header."""
        try:
            yield from self._parts()
        except pa.ArrowInvalid as error:
            raise self._fatal or error from None

    def _parts(self) -> Iterator[FlowBatch]:
        reader = self._open()
        for record_batch in reader:
            for begin in range(0, record_batch.num_rows, BATCH_ROWS):
                part = record_batch.slice(begin, BATCH_ROWS)
                lines = self._lines(part.num_rows)
                yield _batch(part, lines, self._source.name, self._stats, strict=self._strict)

    def _open(self) -> Any:
        head = self._source.head.removeprefix(b"\xef\xbb\xbf")
        first = head.split(b"\n", 1)[0].decode("utf-8", "replace").rstrip("\r")
        names = map_columns(header_names(first), Location(self._source.name, 1))
        wanted = list(names.values())
        return pacsv.open_csv(
            pa.PythonFile(self._source, "r"),
            read_options=pacsv.ReadOptions(use_threads=False, block_size=CSV_BLOCK),
            parse_options=pacsv.ParseOptions(
                delimiter=sniff_delimiter(first),
                ignore_empty_lines=False,
                invalid_row_handler=self._odd_row,
            ),
            convert_options=pacsv.ConvertOptions(
                include_columns=wanted,
                column_types={name: pa.binary() for name in wanted},
                strings_can_be_null=False,
            ),
        )

    def _odd_row(self, row: Any) -> str:
        """Take a row with another number of cells than the header."""
        self._odd_rows.append(row.number)
        self._stats.lines += 1
        if not row.text.strip():
            self._stats.blank += 1
        else:
            cause = f"{row.actual_columns} cells, not {row.expected_columns}"
            self._stats.skipped["wrong number of cells"] += 1
            self._stats.sample(self._source.name, row.number, cause, row.text)
            if self._strict:
                self._fatal = FlowError(
                    f"{cause}: {row.text[:200]!r}", Location(self._source.name, row.number)
                )
                return "error"
        return "skip"

    def _lines(self, rows: int) -> npt.NDArray[np.int64]:
        """Give the physical rows of the next rows read."""
        span = np.arange(self._next_row, self._next_row + rows + len(self._odd_rows))
        lines = span[~np.isin(span, self._odd_rows)][:rows]
        self._next_row = int(lines[-1]) + 1
        self._odd_rows = [row for row in self._odd_rows if row >= self._next_row]
        return lines.astype(np.int64)


# --- Parquet and Arrow IPC ---------------------------------------------------------------------


def _record_batches(source: Source, kind: str) -> Iterator[Any]:
    """Give record batches of at most 65,536 rows."""
    if kind == "parquet":
        yield from pq.ParquetFile(_seekable(source)).iter_batches(batch_size=BATCH_ROWS)
        return
    if source.head.startswith(b"ARROW1"):
        reader = pa.ipc.open_file(_seekable(source))
        whole = (reader.get_batch(i) for i in range(reader.num_record_batches))
    else:
        whole = iter(pa.ipc.open_stream(pa.PythonFile(source, "r")))
    for record_batch in whole:
        for begin in range(0, record_batch.num_rows, BATCH_ROWS):
            yield record_batch.slice(begin, BATCH_ROWS)


def _seekable(source: Source) -> Any:
    """Give the input as something Arrow can seek in: the file itself where it is one."""
    if source.plain_path is not None:
        return pa.memory_map(source.plain_path)
    return pa.BufferReader(source.readall())
