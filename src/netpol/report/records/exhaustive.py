"""Takes an ``ExhaustiveDiff``, gives CSV: a row for each part of a change that is decided alike."""

from __future__ import annotations

from netpol.questions.diff.exhaustive import Change, ExhaustiveDiff, Judged, Part
from netpol.report.records.csv_rows import ports_field, written
from netpol.report.words.formats import CsvCells

__all__ = ["render"]

_COLUMNS = (
    "kind", "src", "dst", "src_networks", "dst_networks", "ports", "pairs", "before", "before_by",
    "after", "after_by", "responsible", "file", "line",
)  # fmt: skip


def render(diff: ExhaustiveDiff, cells: CsvCells = "safe") -> bytes:
    """Return the rows; lists in a field are apart by blanks, several deciders by ``; ``.

    ``file`` and ``line`` are where what decides stands, or stood.
    """
    changes = [*diff.changes, *(diff.other_rules.changes if diff.other_rules else ())]
    rows = (_row(change, part) for change in changes for part in change.parts)
    return written(_COLUMNS, rows, cells)


def _row(change: Change, part: Part) -> tuple[object, ...]:
    cause, place = part.responsible, part.place
    return (
        change.kind, change.src, change.dst, " ".join(part.src_networks),
        " ".join(part.dst_networks), ports_field(part.ports), part.pairs,
        part.before.verdict.label, _by(part.before), part.after.verdict.label, _by(part.after),
        "" if cause is None else cause.text,
        "" if place[0] is None else place[0], "" if place[1] is None else place[1],
    )  # fmt: skip


def _by(judged: Judged) -> str:
    """Return who decided: ``shop/api ingress[0]``; without a number, no rule of the policy did."""
    return "; ".join(
        f"{one.policy} {one.side.label}" + ("" if one.rule is None else f"[{one.rule}]")
        for one in judged.credits
    )
