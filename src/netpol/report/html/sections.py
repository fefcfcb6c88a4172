"""What a page is made of: small data without markup. Every text may hold anything.

A page is a list of sections, shown in their order; ``page.render`` escapes all text, so that
nothing here has to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

__all__ = [
    "Cell",
    "Column",
    "Facts",
    "HeatMap",
    "Reach",
    "ReachMap",
    "Section",
    "Table",
    "Timeline",
    "Tone",
    "Totals",
    "tone_of",
]

#: The colour of a word or a bar. It only underlines what a word says as well.
Tone = Literal["allow", "deny", "unknown", "plain"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; numbers stand right, and sort largest first.

    Attributes
    ----------
    title : its heading.
    kind : ``text``, ``code``, ``number``, ``bytes``, or ``verdict`` (coloured; of several lines,
        the first).
    """

    title: str
    kind: Literal["text", "code", "number", "bytes", "verdict"] = "text"


#: A number, a text, several lines of text, or None for nothing.
Cell = int | str | Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows to sort and to filter.

    Attributes
    ----------
    title : the heading.
    columns, rows : a row has a cell for each column.
    total : how many rows there are; those not listed are counted. None: all are listed.
    at_least : there are more than ``total``.
    rest : what is to be said of the rows that are not listed.
    intro : what the table shows and how to read it.
    empty : what to say instead of a table without rows.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    total: int | None = None
    at_least: bool = False
    rest: str = ""
    intro: str = ""
    empty: str = "None."


@dataclass(frozen=True, slots=True)
class Totals:
    """How much there is of each kind.

    Attributes
    ----------
    parts : (word, tone, flows, bytes); bytes None where the log has none.
    """

    parts: Sequence[tuple[str, Tone, int, int | None]]
    title: str = "Totals"


@dataclass(frozen=True, slots=True)
class Timeline:
    """Flows by time, one chart above the other for each series.

    Attributes
    ----------
    series : (word, tone) of each.
    starts : seconds since the epoch at which each bucket begins.
    width : seconds a bucket lasts.
    flows : a row for each bucket with the flows of each series.
    untimed, outside : flows without a time, and so far from all others that they are left out.
    """

    series: Sequence[tuple[str, Tone]]
    starts: Sequence[int]
    width: int
    flows: Sequence[Sequence[int]]
    untimed: int = 0
    outside: int = 0
    title: str = "Over time"


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Flows by namespace of source and destination, a map for each series.

    Attributes
    ----------
    series : (word, tone) of each.
    cells : (source, destination, flows of each series), heaviest first.
    """

    series: Sequence[tuple[str, Tone]]
    cells: Sequence[tuple[str, str, Sequence[int]]]
    title: str = "Namespace by namespace"


#: What one can reach of another.
Reach = Literal["all", "some", "unknown", "none"]


@dataclass(frozen=True, slots=True)
class ReachMap:
    """Who can reach whom, a field for each pair.

    Attributes
    ----------
    rows, columns : names of those that reach, and of those that are reached, in order.
    fields : what there is to reach, by (row, column); pairs that are none are left out.
    intro : what the names are, and what is not shown.
    """

    title: str
    rows: Sequence[str]
    columns: Sequence[str]
    fields: Mapping[tuple[int, int], Reach]
    intro: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Names with what they are: a command, a version, a number.

    Attributes
    ----------
    items : (name, text or lines of text, whether the text is to be copied as it stands).
    """

    title: str
    items: Sequence[tuple[str, str | Sequence[str], bool]]
    intro: str = ""
    tables: Sequence[Table] = field(default_factory=tuple)


_TONES: dict[str, Tone] = {"allow": "allow", "deny": "deny", "denied": "deny", "unknown": "unknown"}

Section = Totals | Timeline | HeatMap | ReachMap | Table | Facts


def tone_of(word: str) -> Tone:
    """Return the tone of a word such as ``deny`` or ``newly denied``, ``plain`` for other words."""
    return next((tone for part, tone in _TONES.items() if part in word), "plain")
