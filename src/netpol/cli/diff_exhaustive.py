"""Takes two engines, gives what ``netpol diff --exhaustive`` shows of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from netpol.cli import steps
from netpol.cli.errors import say
from netpol.cli.gates import NO_PODS
from netpol.model.errors import SnapshotError
from netpol.report.words.formats import CI_FORMATS

if TYPE_CHECKING:
    from netpol.questions.diff.exhaustive import ExhaustiveDiff
    from netpol.report.words.formats import CsvCells

__all__ = ["OUTPUTS", "Exhaustive", "exhaustively"]

OUTPUTS = ("table", "json", "csv", *CI_FORMATS)
#: Changes of a kind in formats that are to be complete: who decides takes about 1 ms of each.
_MOST = 5_000


class Exhaustive(NamedTuple):
    """What was found: the words of ``--fail-on`` that are true, and how to write it."""

    found: set[str]
    render: Callable[[TextIO], bytes]


def exhaustively(
    before: Any,
    after: Any,
    *,
    output: str = "table",
    top: int,
    memory_budget: int,
    other_rule: bool = False,
    fail_on: Sequence[str] = (),
    csv_cells: CsvCells = "safe",
) -> Exhaustive:
    """Compare everything; what is not proven counts as found, of every kind that it may be."""
    from netpol.questions.diff.exhaustive import exhaustive_diff
    from netpol.report.text import exhaustive

    diff = exhaustive_diff(
        before,
        after,
        top=top if output in ("table", "json") else _MOST,
        other_rule=other_rule,
        memory_budget=memory_budget,
    )
    if diff.nothing_judged:
        raise SnapshotError(NO_PODS)
    found = {str(kind) for kind, pairs in diff.kinds.items() if pairs}
    if diff.sides:
        found |= {str(kind) for kind in diff.kinds if kind != "other-rule"}
    if diff.rule_sides:
        found.add("other-rule")
    text = partial(exhaustive.render, diff)
    if output == "table":
        return Exhaustive(found, lambda target: steps.encoded(text, target))
    return Exhaustive(found, lambda _: _written(diff, output, fail_on, csv_cells))


def _written(
    diff: ExhaustiveDiff, output: str, fail_on: Sequence[str], csv_cells: CsvCells
) -> bytes:
    if output == "json":
        from netpol.report.json import exhaustive as exhaustive_json

        return exhaustive_json.render(diff)
    if output == "csv":
        from netpol.report.records import exhaustive as exhaustive_csv
        from netpol.report.words.unjudged import of_sides

        _say_what_is_left_out(diff)
        unjudged = of_sides(diff.unjudged, ("before", "after"), "compared")
        if unjudged:
            say("warning", unjudged)
        return exhaustive_csv.render(diff, csv_cells)
    import netpol
    from netpol.report.ci import formats as ci
    from netpol.report.ci.exhaustive import annotations_of, counts_of, gated

    heading = ci.Heading(
        "diff-exhaustive",
        counts_of(diff),
        gated=gated(diff, fail_on),
        version=netpol.__version__,
    )
    return ci.render(output, annotations_of(diff), heading).encode()


def _say_what_is_left_out(diff: ExhaustiveDiff) -> None:
    """Rows cannot say that there are more."""
    listed = len(diff.changes), diff.distinct, diff.capped
    rules = diff.other_rules
    more = (0, 0, False) if rules is None else (len(rules.changes), rules.distinct, rules.capped)
    for (rows, distinct, capped), what in ((listed, "another verdict"), (more, "another rule")):
        if rows < distinct or capped:
            least = "more than " if capped else ""
            say("warning", f"{what}: {rows:,} of {least}{distinct:,} changes, those of most pairs")
