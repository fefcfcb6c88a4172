"""Takes a ``Diff``, gives the sections of its page."""

from __future__ import annotations

from netpol.analysis.diff import Diff, Group, Kind
from netpol.report.deciders import port_text
from netpol.report.diff import TITLES
from netpol.report.html.evidence import evidence
from netpol.report.html.pairs import ChangedRow, changed_table, reasons_of, verdict_pairs
from netpol.report.html.sections import Column, Section, Table

__all__ = ["sections"]


def sections(diff: Diff) -> tuple[Section, ...]:
    """Give everything there is to say, what matters most first."""
    return (
        verdict_pairs(diff.verdicts, diff.total, diff.names, with_bytes=diff.has_bytes),
        *(_groups(diff, kind) for kind in diff.kinds),
        _changes(diff),
        evidence(diff.reader, dns=diff.dns),
    )


def _groups(diff: Diff, kind: Kind) -> Table:
    listed = diff.kinds[kind]
    return changed_table(
        TITLES[kind],
        [_row(group, with_bytes=diff.has_bytes) for group in listed.groups],
        names=diff.names,
        total=listed.distinct,
        at_least=diff.capped,
        others=listed.others.flows,
    )


def _row(group: Group, *, with_bytes: bool) -> ChangedRow:
    before, after = group.verdicts
    causes = [f"responsible: {change.text}" for change in group.responsible]
    return ChangedRow(
        src=group.before.src,
        dst=group.before.dst,
        service=port_text(group.before),
        before=before.label,
        after=after.label,
        before_why=reasons_of(group.before),
        after_why=[*reasons_of(group.after), *causes],
        flows=group.weight.flows,
        bytes=group.weight.bytes if with_bytes else None,
    )


def _changes(diff: Diff) -> Table:
    return Table(
        "What changed",
        [Column("Flows", "number"), Column("Change"), Column("Where")],
        [
            [
                None if one.alone is None else one.alone.flows,
                one.change.text,
                one.change.file
                if one.change.line is None
                else f"{one.change.file or ''}:{one.change.line}",
            ]
            for one in diff.changes or ()
        ],
        intro="The flows that each change alone gives its second judgement.",
        rest="; ".join(
            f"{weight.flows:,} flows {what}"
            for weight, what in (
                (diff.together, "take several together"),
                (diff.untold, "take several together, or one that was not tried"),
            )
            if weight.flows
        ),
    )
