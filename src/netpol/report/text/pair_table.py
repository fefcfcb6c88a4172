"""Takes pairs of workloads with what is to be said of each, gives their table as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from netpol.report.words.before_after import how_many
from netpol.report.words.layout import new_table, plural
from netpol.report.words.wording import count, size
from netpol.run.sums import Weight

__all__ = ["PairLine", "print_pairs"]


class PairLine(NamedTuple):
    """One row: how much, between whom, on which port, and why in some lines."""

    weight: Weight
    src: str
    dst: str
    port: str
    why: Text


def print_pairs(
    console: Console,
    title: Text,
    lines: Sequence[PairLine],
    *,
    distinct: int,
    capped: bool,
    others: Weight,
    with_bytes: bool,
) -> None:
    """Print the heaviest of ``distinct`` pairs (more if ``capped``), and the weight of others."""
    title.append(how_many(len(lines), distinct, capped=capped), style="not bold default")
    console.print()
    console.print(title)
    names = ["FLOWS", *(["BYTES"] if with_bytes else []), "FROM", "TO", "PORT", "WHY"]
    table = new_table(names, right=("FLOWS", "BYTES"), fold=("FROM", "TO", "WHY"))
    for line in lines:
        table.add_row(
            count(line.weight.flows),
            *([size(line.weight.bytes)] if with_bytes else []),
            line.src,
            line.dst,
            line.port,
            line.why,
        )
    if lines:
        console.print(table)
    if others.flows:
        console.print(f"  and {plural(others.flows, 'flow')} between others", style="dim")
