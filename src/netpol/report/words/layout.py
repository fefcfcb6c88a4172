"""Takes what a summary has to say, gives it as text: tables, lists and places, safely written.

Every name comes from a cluster or a log and may hold anything, so all of it is escaped and none is
read as markup. Colour only underlines what the words already say.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import Any, TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from netpol.io.terminal import NARROWEST, size_of, takes_escapes
from netpol.report.words.safe import escape_controls
from netpol.report.words.wording import count
from netpol.run.sums import Weight

__all__ = [
    "NO_POLICIES",
    "WIDE",
    "judged_against",
    "listed",
    "new_table",
    "place_of",
    "plural",
    "print_indented",
    "print_item",
    "printed",
    "shown",
    "without_policies",
]

_LEAST_FOLDED = 8  # columns of a name that is broken
_ADDRESS = re.compile(r"\d\.\d+\.\d|[0-9a-f]:[0-9a-f]*:")

#: What is said of a side, by its name.
NO_POLICIES = "{}: no policies, so nothing is denied"

WIDE = 100  # columns from which the optional columns of a table fit


def printed(target: TextIO, print_on: Callable[[Console], None]) -> str:
    """Return what ``print_on`` prints, as it should look on ``target``.

    Coloured where ``takes_escapes`` says so. For a terminal as wide as it is, for anything else
    with lines as long as ``COLUMNS``, else 120. Lines have no trailing blanks.
    """
    columns, lines = size_of(target)
    console = _Paper(
        file=io.StringIO(),
        force_terminal=takes_escapes(target),
        width=columns,
        height=lines,
        highlight=False,
        markup=False,
        emoji=False,
    )
    with console.capture() as capture:
        print_on(console)
    return "\n".join(line.rstrip() for line in capture.get().split("\n"))


class _Paper(Console):
    """A console on which a table is as wide as its numbers need; a terminal breaks the lines."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print, a table at least as wide as it must be."""
        width = self.width
        self.width = max([width, *(_least_width(each) for each in objects)])
        try:
            super().print(*objects, **options)
        finally:
            self.width = width


def _least_width(printed: object) -> int:
    """Return the columns that a table needs so that no number of it, port or address is cut."""
    if not isinstance(printed, Table):
        return 0
    folded = [column for column in printed.columns if not column.no_wrap and not column.width]
    words = [word for column in folded for text in _texts(column) for word in text.split()]
    level = max([_LEAST_FOLDED, *(cell_len(word) for word in words if _ADDRESS.search(word))])
    level = min(level, NARROWEST)
    least = 0
    for column in printed.columns:
        widest = column.width or max(
            (cell_len(line) for text in _texts(column) for line in text.splitlines()), default=0
        )
        is_folded = any(column is each for each in folded)
        least += min(widest, level) if is_folded else widest
    return least + sum(printed.padding[1::2]) * len(printed.columns)


def _texts(column: Column) -> list[str]:
    cells = [column.header, *column.cells]
    return [cell.plain if isinstance(cell, Text) else str(cell) for cell in cells]


def without_policies(
    policies: tuple[int, int], names: tuple[str, str] = ("before", "after")
) -> tuple[str, ...]:
    """Return which of two sides have no policies."""
    return tuple(name for name, number in zip(names, policies, strict=True) if not number)


def listed(names: Sequence[str], limit: int) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {count(len(names) - limit)} more" if len(names) > limit else ""
    return ", ".join(shown(name) for name in names[:limit]) + more


def print_item(console: Console, weight: Weight, text: str) -> None:
    """Print a number of flows and what about them."""
    table = Table.grid(padding=(0, 1))
    number = count(weight.flows)
    table.add_column(justify="right", width=max(8, len(number)), no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(number, Text(text))
    console.print(table)


def print_indented(console: Console, text: str, indent: int) -> None:
    """Print text that is indented on every line it takes."""
    table = Table.grid(padding=0)
    table.add_column(width=indent)
    table.add_column(overflow="fold")
    table.add_row("", Text(text))
    console.print(table)


def new_table(names: Sequence[str], right: Sequence[str] = (), fold: Sequence[str] = ()) -> Table:
    """Return an empty table with these columns; ``fold`` may be broken, the others never."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in names:
        table.add_column(
            name,
            justify="right" if name in right else "left",
            overflow="fold",
            no_wrap=name not in fold,
        )
    return table


def shown(text: str) -> str:
    """Return a name as it may be printed."""
    return escape_controls(text)


def place_of(file: str | None, line: int | None) -> str:
    """Return ``file:line``, as far as known."""
    place = shown(file or "")
    return place if line is None else f"{place}:{line}"


def plural(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its word."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def judged_against(flows: int, policies: int, pods: int, profile: str | None) -> str:
    """Say how much was judged, against what."""
    by = "" if profile in (None, "spec") else f", by profile {profile}"
    return (
        f"{plural(flows, 'flow')} judged against {plural(policies, 'policy', 'policies')}"
        f" and {plural(pods, 'pod')}{by}"
    )
