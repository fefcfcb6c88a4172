"""Takes a ``Recorded``, gives its sections of a replay's page."""

from __future__ import annotations

from netpol.questions.replay.recorded import Recorded
from netpol.report.html.pairs import others_text, reasons_of, verdict_pairs
from netpol.report.html.sections import Cell, Column, Table
from netpol.report.text.recorded import agreement, cause_line, cause_text, left_open
from netpol.report.words.deciders import port_text

__all__ = ["recorded_tables"]


def recorded_tables(recorded: Recorded | None, *, with_bytes: bool) -> tuple[Table, ...]:
    """Return how recorded verdicts agree with ours, and the rest where there is any."""
    if recorded is None:
        return ()
    table = verdict_pairs(
        recorded.table,
        recorded.compared,
        ("Recorded", "Judged"),
        with_bytes=with_bytes,
        title="Recorded verdicts",
        intro=f"What the network said by the log, and what is said here: {agreement(recorded)}.",
    )
    if not recorded.causes:
        return (table,)
    return table, _causes(recorded, with_bytes=with_bytes), _pairs(recorded, with_bytes=with_bytes)


def _causes(recorded: Recorded, *, with_bytes: bool) -> Table:
    return Table(
        "Disagreements, and what may explain them",
        [
            Column("Flows", "number"),
            *([Column("Bytes", "bytes")] if with_bytes else []),
            Column("May be explained by"),
        ],
        [
            [
                weight.flows,
                *([weight.bytes] if with_bytes else []),
                cause_text(recorded, cause),
            ]
            for cause, weight in recorded.by_cause().items()
        ],
        intro=" ".join(f"{line[:1].upper()}{line[1:]}." for line in left_open(recorded)),
    )


def _pairs(recorded: Recorded, *, with_bytes: bool) -> Table:
    rows: list[list[Cell]] = [
        [
            pair.weight.flows,
            *([pair.weight.bytes] if with_bytes else []),
            pair.pair.src,
            pair.pair.dst,
            port_text(pair.pair),
            pair.recorded.label,
            pair.ours.label,
            reasons_of(pair.pair),
            cause_line(pair).split(": ", 1),
        ]
        for pair in recorded.pairs
    ]
    return Table(
        "Disagreements, by workload",
        [
            Column("Flows", "number"),
            *([Column("Bytes", "bytes")] if with_bytes else []),
            *map(Column, ("From", "To", "Port")),
            Column("Recorded", "verdict"),
            Column("Judged", "verdict"),
            *map(Column, ("Why judged so", "May be explained by")),
        ],
        rows,
        total=recorded.distinct,
        at_least=recorded.capped,
        rest=others_text(recorded.others.flows),
    )
