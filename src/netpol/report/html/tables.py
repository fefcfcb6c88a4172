"""Takes a table of plain data, gives what the template writes: texts, sort keys and classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from netpol.report.html.reachmap import WORDS
from netpol.report.html.sections import (
    Cell,
    Column,
    HeatMap,
    ReachMap,
    Table,
    Timeline,
    Totals,
    tone_of,
)
from netpol.report.words.layout import plural
from netpol.report.words.wording import count, percent, size

__all__ = [
    "CellView",
    "TableView",
    "of_heat_map",
    "of_reach_map",
    "of_timeline",
    "of_totals",
    "viewed",
]

_STYLES = {"number": "number", "bytes": "number", "code": "code"}
_LONGEST = 1000  # letters of a line; three names as long as names get
_LISTED = 500  # rows of the table beside a heat map
_OCTETS = 350_000  # of text in a table; five such tables leave a page below 3 MB


@dataclass(frozen=True, slots=True)
class CellView:
    """A cell: its lines, the number to sort by where it is one, CSS classes of it and its head.

    The head, where there is one, stands above the lines.
    """

    lines: Sequence[str]
    key: int | None = None
    style: str = ""
    head: str = ""
    head_style: str = ""


@dataclass(frozen=True, slots=True)
class TableView:
    """A table as the template writes it; ``caption`` says how much of it is shown."""

    title: str
    intro: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[CellView]]
    empty: str


def viewed(table: Table) -> TableView:
    """Return a table as the template writes it; endless names leave room for fewer rows."""
    table = _fitting(table)
    return TableView(
        title=table.title,
        intro=table.intro,
        caption=_caption(table),
        columns=table.columns,
        rows=[
            [_cell(column, cell) for column, cell in zip(table.columns, row, strict=True)]
            for row in table.rows
        ],
        empty=table.empty,
    )


def of_totals(section: Totals) -> TableView:
    """Return the numbers that the picture of totals shows."""
    with_bytes = all(part[3] is not None for part in section.parts)
    flows = sum(part[2] for part in section.parts)
    octets = sum(part[3] or 0 for part in section.parts)
    columns = [
        Column("Verdict", "verdict"),
        Column("Flows", "number"),
        Column("Share of flows", "number"),
    ]
    if with_bytes:
        columns += [Column("Bytes", "bytes"), Column("Share of bytes", "number")]
    rows: list[list[Cell]] = []
    for word, _, number, weight in section.parts:
        row: list[Cell] = [word, number, percent(number, flows)]
        rows.append(row + ([weight, percent(weight or 0, octets)] if with_bytes else []))
    return viewed(Table(section.title, columns, rows))


def of_timeline(section: Timeline) -> TableView:
    """Return the numbers that the picture of a timeline shows."""
    from netpol.report.html.charts import moment

    columns = [Column("From, UTC"), *(Column(word, "number") for word, _ in section.series)]
    rows: list[list[Cell]] = [
        [moment(start), *flows] for start, flows in zip(section.starts, section.flows, strict=True)
    ]
    return viewed(Table(f"{section.title}: flows", columns, rows))


def of_heat_map(section: HeatMap) -> TableView:
    """Return the numbers that the pictures of a heat map show, of the heaviest pairs."""
    columns = [
        Column("From"),
        Column("To"),
        *(Column(word, "number") for word, _ in section.series),
    ]
    listed = section.cells[:_LISTED]
    rows: list[list[Cell]] = [[src, dst, *flows] for src, dst, flows in listed]
    return viewed(Table(f"{section.title}: flows", columns, rows, total=len(section.cells)))


def of_reach_map(section: ReachMap) -> TableView:
    """Return in words what the fields of a map of reach show."""
    rows: list[list[Cell]] = [
        [section.rows[row], section.columns[column], WORDS[reach]]
        for (row, column), reach in sorted(section.fields.items())
    ]
    columns = [Column("From"), Column("To"), Column("Reach", "verdict")]
    return viewed(Table(section.title, columns, rows))


def _fitting(table: Table) -> Table:
    """Leave out rows beyond so many octets of text, and say how many."""
    left = _OCTETS
    for place, row in enumerate(table.rows):
        left -= sum(map(_octets, row))
        if left < 0:
            cut = f"{plural(len(table.rows) - place, 'row')} left out for their length"
            return replace(
                table,
                rows=table.rows[:place],
                total=len(table.rows) if table.total is None else table.total,
                rest=f"{cut}; {table.rest}" if table.rest else cut,
            )
    return table


def _octets(cell: Cell) -> int:
    if cell is None or isinstance(cell, int):
        return 0
    lines = [cell] if isinstance(cell, str) else cell
    return sum(len(_cut(line).encode(errors="replace")) for line in lines)


def _caption(table: Table) -> str:
    listed, total = len(table.rows), table.total
    if total is None or (total <= listed and not table.at_least):
        shown = f"{count(listed)} {'row' if listed == 1 else 'rows'}"
    else:
        more = "more than " if table.at_least else ""
        shown = f"Top {count(listed)} of {more}{count(total)}"
    return f"{shown}; {table.rest}" if table.rest else shown


def _cell(column: Column, cell: Cell) -> CellView:
    style = _STYLES.get(column.kind, "")
    if cell is None:
        return CellView((), None, style)
    if isinstance(cell, int):
        text = size(cell) if column.kind == "bytes" else count(cell)
        return CellView((text,), cell, style)
    if isinstance(cell, str):
        tone = f"tone {tone_of(cell)}" if column.kind == "verdict" else style
        return CellView((_cut(cell),), None, tone)
    lines = tuple(map(_cut, cell))
    if column.kind == "verdict" and lines:
        return CellView(lines[1:], head=lines[0], head_style=f"tone {tone_of(lines[0])}")
    return CellView(lines, None, style)


def _cut(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST]}… and {count(len(text) - _LONGEST)} letters more"
