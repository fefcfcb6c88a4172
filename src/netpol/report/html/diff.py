"""Takes a ``Diff``, gives the sections of its page."""

from __future__ import annotations

from collections.abc import Iterable

from netpol.model.verdict import Verdict
from netpol.questions.diff.diff import Diff
from netpol.questions.diff.groups import Group, Kind
from netpol.report.html.evidence import evidence
from netpol.report.html.pairs import ROWS, ChangedRow, changed_table, verdict_pairs
from netpol.report.html.sections import Column, Section, Table, Totals, tone_of
from netpol.report.html.spread import spread_sections
from netpol.report.html.top import top
from netpol.report.text.diff import TITLES, together
from netpol.report.words.layout import place_of, plural
from netpol.run.distribution.collect import Spread
from netpol.run.sums import Weight

__all__ = ["sections"]

_WORDS = {str(kind): title for kind, title in TITLES.items()}


def sections(diff: Diff, spread: Spread) -> tuple[Section, ...]:
    """Return everything there is to say, what matters most first."""
    return (
        _totals(diff),
        verdict_pairs(diff.verdicts, diff.total, diff.names, with_bytes=diff.has_bytes),
        *(_groups(diff, kind) for kind in diff.kinds),
        _changes(diff),
        *_spread(diff, spread),
        evidence(diff.reader, dns=diff.dns),
    )


def _totals(diff: Diff) -> Totals:
    """Return the verdicts of all flows after the change, those that differ or not."""
    after = dict.fromkeys(Verdict, Weight())
    for (_, verdict), weight in diff.verdicts.items():
        after[verdict] += weight
    return Totals(
        [
            (
                verdict.label,
                tone_of(verdict.label),
                weight.flows,
                weight.bytes if diff.has_bytes else None,
            )
            for verdict, weight in after.items()
        ],
        "Verdicts after the change",
    )


def _spread(diff: Diff, spread: Spread) -> Iterable[Section]:
    """Return when and where flows differ, if any does."""
    if not diff.differing.flows:
        return ()
    return spread_sections(spread, _WORDS, of="Judged differently")


def _groups(diff: Diff, kind: Kind) -> Table:
    listed = diff.kinds[kind].first(ROWS)  # saying who decided takes 50 µs a row
    return changed_table(
        TITLES[kind],
        [_row(diff, group) for group in listed.groups],
        names=diff.names,
        total=listed.distinct,
        at_least=diff.capped,
        others=listed.others.flows,
    )


def _row(diff: Diff, group: Group) -> ChangedRow:
    words = [change.text for change in group.responsible]
    if not words and diff.changes is not None:
        words = [together(untold=group.untold)]
    return ChangedRow.of(
        group.verdicts,
        (group.before, group.after),
        with_bytes=diff.has_bytes,
        causes=[f"responsible: {text}" for text in words],
    )


def _changes(diff: Diff) -> Table:
    listed, total = top(diff.changes or (), ROWS, lambda one: one.alone.flows if one.alone else -1)
    return Table(
        "What changed",
        [Column("Flows", "number"), Column("Change"), Column("Where")],
        [
            [
                None if one.alone is None else one.alone.flows,
                one.change.text,
                place_of(one.change.file, one.change.line),
            ]
            for one in listed
        ],
        total=total,
        intro="The flows that each change alone gives its second judgement.",
        rest="; ".join(
            f"{plural(weight.flows, 'flow')} by {together(untold=untold)}"
            for weight, untold in ((diff.together, False), (diff.untold, True))
            if weight.flows
        ),
    )
