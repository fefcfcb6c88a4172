"""Takes flows judged twice, gives the words and tables that comparisons have in common."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.text import Text

from netpol.model.verdict import Verdict
from netpol.questions.replay.replay import Pair
from netpol.report.words.deciders import why
from netpol.report.words.layout import new_table, shown
from netpol.report.words.wording import STYLES, count, percent, size
from netpol.run.sums import Weight

__all__ = ["how_many", "judged", "print_verdict_pairs"]


def print_verdict_pairs(
    pairs: Mapping[tuple[Verdict, Verdict], Weight],
    names: tuple[str, str],
    console: Console,
    *,
    with_bytes: bool,
) -> None:
    """Print how many flows got which two verdicts."""
    total = sum(pairs.values(), Weight())
    before, after = (shown(name).upper() for name in names)
    table = new_table((before, after, "FLOWS", "SHARE"), right=("FLOWS", "SHARE"))
    if with_bytes:
        table.add_column("BYTES", justify="right", no_wrap=True)
        table.add_column("SHARE", justify="right", no_wrap=True)
    for (first, second), weight in pairs.items():
        row: list[Text | str] = [
            Text(first.label),
            Text(second.label, style=STYLES[second] if first is not second else ""),
            count(weight.flows),
            percent(weight.flows, total.flows),
        ]
        if with_bytes:
            row += [size(weight.bytes), percent(weight.bytes, total.bytes)]
        table.add_row(*row, style="dim" if first is second else "")
    console.print(table)


def how_many(listed: int, distinct: int, *, capped: bool) -> str:
    """Say what a list of pairs is: all of them by workload, or the heaviest of so many."""
    if listed == distinct and not capped:
        return ", by workload"
    more = "more than " if capped else ""
    return f", by workload (top {count(listed)} of {more}{count(distinct)})"


def judged(name: str, verdict: Verdict, half: Pair, wide: bool) -> Text:
    """Say in a line what one side said, and who decided it."""
    text = Text(f"{shown(name)}: ")
    text.append(verdict.label, style=STYLES[verdict])
    return text.append(", ").append_text(Text(", ").join(why(half, wide).split("\n")))
