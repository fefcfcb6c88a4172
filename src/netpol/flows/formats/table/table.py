"""Takes tables of flows (CSV, Parquet, Arrow IPC), gives flow batches; one row is one connection.

A CSV file has a header with ``src,dst,protocol,port`` and any of the optional columns of
``table_columns.COLUMNS``; comma, tab, semicolon and ``|`` separate. Every cell is read as text and
checked by itself, so one bad cell costs one row, or, in a column that only describes, its value.
The tables are read in constant memory, except a Parquet or Arrow file that comes compressed or on
standard input.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from netpol._core.suspects import Suspects
from netpol.flows.columns.arrow_checks import arrow_reason
from netpol.flows.columns.arrow_columns import plain_column, shown
from netpol.flows.columns.known_tables import check_columns
from netpol.flows.columns.names import map_columns
from netpol.flows.columns.normalise import Normalised, normalise
from netpol.flows.formats.table.arrow_files import ArrowRows
from netpol.flows.formats.table.csv_rows import BATCH_ROWS, CsvRows, cell_text
from netpol.flows.formats.table.directions import Directions
from netpol.io.stream import Source
from netpol.model.batch import FlowBatch, SkippedRecord
from netpol.model.errors import FlowError, Location
from netpol.model.read_stats import ReadStats

__all__ = ["read_table"]


def read_table(
    source: Source,
    kind: str,
    stats: ReadStats,
    *,
    strict: bool = False,
    one_way: bool = False,
    zone: ZoneInfo | None = None,
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
        Raise at the first row or value that cannot be read.
    one_way : bool
        Every row is of who began the connection: do not look for answers (``directions``).
    zone : zoneinfo.ZoneInfo, optional
        Of times that say none; without it they are not read.

    Yields
    ------
    FlowBatch
        At most 65,536 rows; ``line`` is the line of CSV, or the row from 1.

    Raises
    ------
    FlowError
        The table cannot be read, lacks a column, is of a known format that is not read, or has
        rows of both directions unmarked; or ``strict`` is set and a row is bad.
    """
    directions = None if one_way else Directions(source.name, "line" if kind == "csv" else "row")
    reader = _TableReader(source.name, stats, directions, strict=strict, zone=zone)
    try:
        for part, lines in _parts(source, kind, stats, strict=strict):
            yield reader.batch(part, lines)
    except (pa.ArrowException, OSError) as error:
        reason = f"not a readable {kind} table: {arrow_reason(error)}"
        raise FlowError(reason, Location(source.name)) from None
    reader.finish()


def _parts(
    source: Source, kind: str, stats: ReadStats, *, strict: bool
) -> Iterator[tuple[Any, npt.NDArray[np.int64]]]:
    """Yield record batches with the line, or row, of each of their rows."""
    if kind == "csv":
        yield from CsvRows(source, stats, _find_columns, strict=strict)
        return
    row = 1
    for record_batch in ArrowRows(source, kind, _find_columns, BATCH_ROWS):
        yield record_batch, np.arange(row, row + record_batch.num_rows, dtype=np.int64)
        row += record_batch.num_rows


def _find_columns(names: Iterable[str], where: Location) -> dict[str, str]:
    """Return the names of the columns that are read; refuse a table that is of a known format."""
    names = list(names)
    check_columns(names, where)
    return map_columns(names, where)


class _TableReader:
    """Makes batches of one table's rows, and counts what of them cannot be read."""

    def __init__(
        self,
        file: str,
        stats: ReadStats,
        directions: Directions | None,
        *,
        strict: bool,
        zone: ZoneInfo | None,
    ) -> None:
        self._file = file
        self._stats = stats
        self._strict = strict
        self._zone = zone
        self._directions = directions
        self._suspects = Suspects()

    def batch(self, table: Any, lines: npt.NDArray[np.int64]) -> FlowBatch:
        """Normalise rows whose columns have the table's own names."""
        names = map_columns(table.schema.names, Location(self._file))
        columns = {
            column: cell_text(plain_column(table.column(name))) for column, name in names.items()
        }
        read = normalise(columns, file=self._file, lines=lines, zone=self._zone)
        self._stats.lines += table.num_rows
        self._count_problems(read, columns, lines)
        self._count_losses(read, names, columns, lines)
        if self._directions is not None:
            self._directions.add(read.batch, marked="is_reply" in names)
            self._suspect(read.batch)
        return read.batch

    def finish(self) -> None:
        """Say what only the whole table tells; raises ``FlowError``."""
        if self._directions is not None:
            self._directions.finish()
            self._stats.suspected_reversed += self._suspects.count()

    def _suspect(self, batch: FlowBatch) -> None:
        """Count unmarked rows whose ports look turned round."""
        if batch.sport is None:
            return
        replies = None if batch.is_reply is None else ~batch.is_reply
        masks = [m for m in (batch.sport_known, batch.dport_known, replies) if m is not None]
        rows = np.logical_and.reduce(masks) if masks else slice(None)
        self._suspects.add(batch.protocol[rows], batch.sport[rows], batch.dport[rows])

    def _count_problems(
        self, read: Normalised, columns: dict[str, Any], lines: npt.NDArray[np.int64]
    ) -> None:
        for row, cause in read.problems:
            text = ",".join(shown(column[row]) for column in columns.values())
            if text.strip(","):
                self._stats.skip(self._file, int(lines[row]), cause, text, strict=self._strict)
            else:
                self._stats.blank += 1

    def _count_losses(
        self,
        read: Normalised,
        names: dict[str, str],
        columns: dict[str, Any],
        lines: npt.NDArray[np.int64],
    ) -> None:
        for loss in read.losses:
            row = int(loss.rows[0])
            first = SkippedRecord(
                self._file,
                int(lines[row]),
                f"column {names[loss.name]}: {loss.cause}",
                shown(columns[loss.name][row]),
            )
            self._stats.lose(first, len(loss.rows), strict=self._strict)
