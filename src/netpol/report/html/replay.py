"""Takes a replay's summary and the spread of its flows, gives the sections of its page."""

from __future__ import annotations

from netpol.model.verdict import Verdict
from netpol.questions.replay.replay import ReplaySummary
from netpol.report.html.evidence import evidence
from netpol.report.html.pairs import pairs_table
from netpol.report.html.recorded import recorded_tables
from netpol.report.html.rules import never_hit, rules_table
from netpol.report.html.sections import Section, Totals, tone_of
from netpol.report.html.spread import spread_sections
from netpol.run.distribution.collect import Spread

__all__ = ["sections"]


def sections(summary: ReplaySummary, spread: Spread) -> tuple[Section, ...]:
    """Return everything there is to say, what matters most first."""
    with_bytes = summary.has_bytes
    denied = pairs_table("Denied, by workload", summary.denied, with_bytes=with_bytes)
    unknown = pairs_table("Unknown, by workload", summary.unknown, with_bytes=with_bytes)
    return (
        Totals(
            [
                (verdict.label, tone_of(verdict.label), weight.flows, weight.bytes)
                if with_bytes
                else (verdict.label, tone_of(verdict.label), weight.flows, None)
                for verdict, weight in summary.by_verdict().items()
            ]
        ),
        *recorded_tables(summary.recorded, with_bytes=with_bytes),
        denied,
        *spread_sections(spread),
        *((unknown,) if unknown.rows else ()),
        rules_table(never_hit(summary.policies)),
        evidence(
            summary.reader,
            unknown=summary.by_reason(Verdict.UNKNOWN),
            notes=summary.notes,
            dns=summary.dns,
            source_nat=summary.source_nat,
        ),
    )
