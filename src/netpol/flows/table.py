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
import pyarrow.parquet as pq

from netpol.errors import FlowError, Location
from netpol.flows.batch import FlowBatch
from netpol.flows.csv_rows import BATCH_ROWS, CsvRows, cell_text
from netpol.flows.normalise import normalise
from netpol.flows.source import Source
from netpol.flows.stats import ReadStats
from netpol.flows.table_columns import map_columns

__all__ = ["read_table"]


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
            for part, lines in CsvRows(source, stats, map_columns, strict=strict):
                yield _batch(part, lines, source.name, stats, strict=strict)
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
    columns = {column: cell_text(table.column(name)) for column, name in names.items()}
    batch, problems = normalise(columns, file=file, lines=lines)
    stats.lines += table.num_rows
    for row, cause in problems:
        text = ",".join("" if (v := c[row].as_py()) is None else str(v) for c in columns.values())
        if text.strip(","):
            stats.skip(file, int(lines[row]), cause, text, strict=strict)
        else:
            stats.blank += 1
    return batch


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
