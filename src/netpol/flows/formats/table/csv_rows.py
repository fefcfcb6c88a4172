"""Takes CSV with a header, gives Arrow record batches of it with the line of every row.

Cells are bytes as they stand: what is in them is for the reader of the table to judge. A row with
another number of cells than the header is counted and left out.

A row is a line, which LF, CRLF or CR ends. A line break in a quoted cell is an error: a quote that
nobody closed would hide all rows behind it, and no row would have the right line.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pacsv

from netpol.flows.columns.names import ended, header_names, sniff_delimiter
from netpol.io.stream import HEAD_BYTES, Source
from netpol.model.errors import FlowError, Location
from netpol.model.read_stats import ReadStats

__all__ = ["BATCH_ROWS", "CsvRows", "cell_text"]

BATCH_ROWS = 1 << 16
CSV_BLOCK = 1 << 22

#: Gives, of a header's names, those to read, by what each means.
FindColumns = Callable[[Iterable[str], Location], dict[str, str]]


def cell_text(column: Any) -> Any:
    """Return a column of CSV's cells as text; of another table's, as it is."""
    return column.cast(pa.string()) if pa.types.is_binary(column.type) else column


class _Utf8:
    """A source's bytes, each that is no UTF-8 replaced by ``?``.

    pyarrow gives a row with another number of cells as text, or, if it is none, gives up.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._held = 0  # bytes of a character that the next read completes
        self._ends = 0  # of lines, in what was given
        self._last = b""  # byte given

    @property
    def closed(self) -> bool:
        """Whether the source is closed."""
        return self._source.closed

    def read(self, size: int) -> bytes:
        """Return ``size`` bytes, less only at the end.

        pyarrow takes a read for a block, and gives up on a line that is longer than one: what a
        pipe gives at once may be less than a line.
        """
        pieces, left = [], size
        while left > 0 and (piece := self._some(left)):
            pieces.append(piece)
            left -= len(piece)
        return self._counted(b"".join(pieces))

    def _some(self, size: int) -> bytes:
        """Return at most ``size`` bytes, as many as one read gives; none at the end."""
        while True:
            data = self._source.read(max(size - self._held, 1)) or b""
            if not self._held and data.isascii():
                return data
            text = self._decoder.decode(data, final=not data)
            self._held = len(self._decoder.getstate()[0])
            if text or not data:
                return text.encode("utf-8", "replace")

    @property
    def lines(self) -> int:
        """How many lines were given, the last maybe without its end."""
        return self._ends + (self._last not in b"\r\n")

    def _counted(self, data: bytes) -> bytes:
        octets = np.frombuffer(data, np.uint8)  # bytes.count takes three times as long
        feeds = octets == 10
        self._ends += int(np.count_nonzero(feeds))
        if b"\r" in data:
            returns = octets == 13
            pairs = returns[:-1] & feeds[1:]
            self._ends += int(np.count_nonzero(returns)) - int(np.count_nonzero(pairs))
        self._ends -= self._last == b"\r" and data.startswith(b"\n")
        self._last = data[-1:] or self._last
        return data


class CsvRows:
    """One CSV input: pyarrow's streaming reader, with the line of every row kept.

    Iterating gives (record batch of at most 65,536 rows, int64[rows] lines).
    """

    def __init__(
        self, source: Source, stats: ReadStats, find_columns: FindColumns, *, strict: bool
    ) -> None:
        self._source = source
        self._stats = stats
        self._find_columns = find_columns
        self._strict = strict
        self._odd_rows: list[int] = []  # physical rows that pyarrow left out, ascending
        self._next_row = 2  # row 1 is the header
        self._fatal: FlowError | None = None

    def __iter__(self) -> Iterator[tuple[Any, npt.NDArray[np.int64]]]:
        try:
            yield from self._parts()
        except pa.ArrowInvalid as error:
            raise self._fatal or self._too_long(error) or error from None

    def _too_long(self, error: pa.ArrowInvalid) -> FlowError | None:
        """Return the error for a row that no block holds, whose end pyarrow waited for in vain."""
        if "straddl" not in str(error):
            return None
        return FlowError(
            f"a row of more than {CSV_BLOCK >> 20} MiB (a quote that is not closed?)",
            Location(self._source.name, self._next_row),
        )

    def _parts(self) -> Iterator[tuple[Any, npt.NDArray[np.int64]]]:
        text = _Utf8(self._source)
        for record_batch in self._open(text):
            for begin in range(0, record_batch.num_rows, BATCH_ROWS):
                part = record_batch.slice(begin, BATCH_ROWS)
                yield part, self._lines(part.num_rows)
        more = text.lines - (self._next_row - 1 + len(self._odd_rows))
        if more:
            raise FlowError(
                f"line breaks in quoted cells, or a quote that is not closed: {more:,} lines are "
                "hidden in other rows; a row is to be one line",
                Location(self._source.name),
            )

    def _open(self, text: _Utf8) -> Any:
        head = self._source.head.removeprefix(b"\xef\xbb\xbf")
        if len(head) >= HEAD_BYTES and b"\n" not in head and b"\r" not in head:
            raise FlowError(
                f"a header of more than {HEAD_BYTES >> 10} KiB", Location(self._source.name, 1)
            )
        first = ended(head)
        names = self._find_columns(header_names(first), Location(self._source.name, 1))
        wanted = list(names.values())
        return pacsv.open_csv(
            pa.PythonFile(text, "r"),
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
        if not row.text.strip(" \t"):
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
        """Return the physical rows of the next rows read."""
        span = np.arange(self._next_row, self._next_row + rows + len(self._odd_rows))
        lines = span[~np.isin(span, self._odd_rows)][:rows]
        self._next_row = int(lines[-1]) + 1
        self._odd_rows = [row for row in self._odd_rows if row >= self._next_row]
        return lines.astype(np.int64)
