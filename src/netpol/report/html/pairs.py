"""Takes pairs of workloads and what was said to their flows, gives tables of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from netpol.model.verdict import Verdict
from netpol.questions.replay.replay import Pair, PairList
from netpol.report.html.sections import Cell, Column, Table
from netpol.report.words.deciders import port_text, why
from netpol.report.words.layout import plural
from netpol.report.words.wording import percent
from netpol.run.sums import Weight

__all__ = [
    "ROWS",
    "ChangedRow",
    "changed_table",
    "others_text",
    "pairs_table",
    "reasons_of",
    "verdict_pairs",
]

#: Rows of a table of pairs. With 500, a page whose every table is full stays below 1 MB.
ROWS = 500


@dataclass(frozen=True, slots=True)
class ChangedRow:
    """Flows between two workloads that were judged twice.

    Attributes
    ----------
    src, dst : the workloads.
    service : ``port/protocol``.
    before, after : words of the two verdicts.
    before_why, after_why : who decided, in lines.
    flows, bytes : their weight; bytes None where the log has none.
    """

    src: str
    dst: str
    service: str
    before: str
    after: str
    before_why: Sequence[str]
    after_why: Sequence[str]
    flows: int
    bytes: int | None = None

    @classmethod
    def of(
        cls,
        verdicts: tuple[Verdict, Verdict],
        halves: tuple[Pair, Pair],
        *,
        with_bytes: bool,
        causes: Iterable[str] = (),
    ) -> ChangedRow:
        """Return a pair with both its verdicts; ``causes`` are further lines of the second."""
        before, after = halves
        return cls(
            src=before.src,
            dst=before.dst,
            service=port_text(before),
            before=verdicts[0].label,
            after=verdicts[1].label,
            before_why=reasons_of(before),
            after_why=[*reasons_of(after), *causes],
            flows=before.weight.flows,
            bytes=before.weight.bytes if with_bytes else None,
        )


def pairs_table(title: str, pairs: PairList, *, with_bytes: bool) -> Table:
    """Return the heaviest pairs of one verdict."""
    pairs = pairs.first(ROWS)
    columns = [
        Column("Flows", "number"),
        *map(Column, ("From", "To", "Port", "Why")),
        *([Column("Bytes", "bytes")] if with_bytes else []),
    ]
    rows: list[list[Cell]] = [
        [
            pair.weight.flows,
            pair.src,
            pair.dst,
            port_text(pair),
            reasons_of(pair),
            *([pair.weight.bytes] if with_bytes else []),
        ]
        for pair in pairs.pairs
    ]
    return Table(
        title,
        columns,
        rows,
        total=pairs.distinct,
        at_least=pairs.capped,
        rest=others_text(pairs.others.flows),
    )


def changed_table(
    title: str,
    rows: Iterable[ChangedRow],
    *,
    names: tuple[str, str] = ("before", "after"),
    total: int | None = None,
    at_least: bool = False,
    others: int = 0,
    intro: str = "",
) -> Table:
    """Return pairs that were judged twice.

    Parameters
    ----------
    title, intro : str
        The heading, and what the table shows.
    rows : iterable of ChangedRow
        Heaviest first; the first ``ROWS`` are listed.
    names : (str, str)
        What the two judgements are called.
    total : int, optional
        How many pairs there are, and with ``at_least`` that there are more; None: these.
    others : int
        Flows of pairs that are not among ``rows``.
    """
    given = list(rows)
    listed = given[:ROWS]
    with_bytes = any(row.bytes is not None for row in listed)
    columns = [
        Column("Flows", "number"),
        *map(Column, ("From", "To", "Port")),
        *(Column(name, "verdict") for name in names),
        *([Column("Bytes", "bytes")] if with_bytes else []),
    ]
    cells: list[list[Cell]] = [
        [
            row.flows,
            row.src,
            row.dst,
            row.service,
            [row.before, *row.before_why],
            [row.after, *row.after_why],
            *([row.bytes] if with_bytes else []),
        ]
        for row in listed
    ]
    return Table(
        title,
        columns,
        cells,
        total=len(given) if total is None else total,
        at_least=at_least,
        rest=others_text(others + sum(row.flows for row in given[ROWS:])),
        intro=intro,
    )


def reasons_of(pair: Pair) -> list[str]:
    """Say in lines who decided."""
    return why(pair, wide=True).plain.split("\n")


def others_text(flows: int) -> str:
    """Say how much the rows that are not listed weigh."""
    return f"{plural(flows, 'flow')} between others" if flows else ""


def verdict_pairs(
    pairs: Mapping[tuple[Verdict, Verdict], Weight],
    total: Weight,
    names: tuple[str, str],
    *,
    with_bytes: bool,
    title: str = "Verdicts, before and after",
    intro: str = "",
) -> Table:
    """Return how much there is of every pair of verdicts, equal ones too."""
    columns = [
        *(Column(name, "verdict") for name in names),
        Column("Flows", "number"),
        Column("Share", "number"),
        *([Column("Bytes", "bytes")] if with_bytes else []),
    ]
    rows: list[list[Cell]] = [
        [
            before.label,
            after.label,
            weight.flows,
            percent(weight.flows, total.flows),
            *([weight.bytes] if with_bytes else []),
        ]
        for (before, after), weight in pairs.items()
    ]
    return Table(title, columns, rows, intro=intro)
