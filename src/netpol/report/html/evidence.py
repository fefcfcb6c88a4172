"""Takes what lowers confidence in a replay, gives the section on the quality of its evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netpol.model.verdict import Note, Reason
from netpol.questions.replay.replay import DnsCounts, ReaderCounts
from netpol.report.html.sections import Column, Facts, Table
from netpol.report.words.wording import HOPS_MISSING, NOTES, REASONS, ZONES_LATE, count, settled_by
from netpol.run.sums import SourceNat, Weight

__all__ = ["evidence"]

_FLOWS = Column("Flows", "number")


def evidence(
    reader: ReaderCounts,
    *,
    unknown: Mapping[Reason, Weight] | None = None,
    notes: Mapping[Note, Weight] | None = None,
    dns: DnsCounts | None = None,
    source_nat: SourceNat | None = None,
) -> Facts:
    """Say how good the evidence is.

    Parameters
    ----------
    reader : ReaderCounts
        What reading the flow logs counted.
    unknown : mapping
        Weight of unknown flows by reason.
    notes : mapping
        Weight of flows by note.
    dns : DnsCounts, optional
        What the DNS logs held.
    source_nat : SourceNat, optional
        How many of the flows unknown for ``source-nat`` say which source the server saw.
    """
    tables = (
        _unknown(unknown or {}, source_nat),
        _notes(notes or {}),
        *_skipped("Lines of flow logs skipped", reader),
        _lost(reader),
        *([] if dns is None else _skipped("Lines of DNS logs skipped", dns.reader)),
    )
    return Facts(
        "Quality of the evidence",
        [*_read(reader), *_dns(dns)],
        intro="What the verdicts rest on: how much of the logs was understood, what could not be "
        "judged, and what would settle it.",
        tables=[table for table in tables if table.rows],
    )


def _read(reader: ReaderCounts) -> list[tuple[str, str, bool]]:
    facts = (
        ("Records read", reader.records),
        ("Lines skipped", sum(reader.skipped.values())),
        ("Of conntrack zones", reader.zoned),
        ("Left out: another zone has the same connection, or a hop of it", reader.linked),
        (f"Of zones, not linked: {ZONES_LATE}", reader.zones_unlinked),
        (f"Flows {HOPS_MISSING}", reader.hops_missing),
        ("Left out: another dump or zone has the same connection", reader.duplicates),
        ("Put together again: a message had cut the line in two", reader.repaired),
        ("Maybe reversed: from a server's port to a client's", reader.suspected_reversed),
        ("Given before their end was seen", reader.evicted),
        ("Passed over: expected connections", reader.expectations),
        ("Logs without records", len(reader.empty)),
    )
    return [(name, count(number), False) for name, number in facts[:2]] + [
        (name, count(number), False) for name, number in facts[2:] if number
    ]


def _dns(dns: DnsCounts | None) -> list[tuple[str, str, bool]]:
    if dns is None:
        return []
    text = f"{count(dns.names)} names with {count(dns.answers)} addresses"
    if dns.unanswered:
        text += f"; {count(dns.unanswered)} names asked for whose answer was not seen"
    return [("DNS", text, False)]


def _unknown(reasons: Mapping[Reason, Weight], sources: SourceNat | None) -> Table:
    return Table(
        "What could not be judged",
        [_FLOWS, *map(Column, ("Reason", "Meaning", "Settled by"))],
        [
            [weight.flows, reason.label, REASONS[reason], settled_by(reason, sources) or ""]
            for reason, weight in reasons.items()
        ],
    )


def _notes(notes: Mapping[Note, Weight]) -> Table:
    return Table(
        "Notes that lower confidence",
        [_FLOWS, *map(Column, ("Note", "Meaning"))],
        [[weight.flows, note.labels[0], NOTES[note]] for note, weight in notes.items()],
    )


def _lost(reader: ReaderCounts) -> Table:
    return Table(
        "Values not read, whose records are judged without them",
        [Column("Values", "number"), *map(Column, ("Cause", "First", "Text"))],
        [
            [lost.number, lost.first.cause, f"{lost.first.file}:{lost.first.line}", lost.first.text]
            for lost in reader.lost
        ],
    )


def _skipped(title: str, reader: ReaderCounts) -> Sequence[Table]:
    return (
        Table(
            title,
            [Column("Lines", "number"), Column("Cause")],
            [[number, cause] for cause, number in reader.skipped.items()],
        ),
        Table(
            f"{title}: the first of them",
            [Column(name) for name in ("Where", "Cause", "Text")],
            [[f"{s.file}:{s.line}", s.cause, s.text] for s in reader.samples],
        ),
    )
