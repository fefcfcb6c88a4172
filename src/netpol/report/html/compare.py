"""Takes a ``Comparison``, gives the sections of its page."""

from __future__ import annotations

from netpol.questions.compare.compare import Comparison
from netpol.report.html.evidence import evidence
from netpol.report.html.pairs import ROWS, ChangedRow, changed_table, verdict_pairs
from netpol.report.html.sections import Column, Section, Table

__all__ = ["sections"]


def sections(comparison: Comparison) -> tuple[Section, ...]:
    """Return everything there is to say, what matters most first."""
    comparison = comparison.first(ROWS)
    return (
        verdict_pairs(
            comparison.changes, comparison.total, comparison.names, with_bytes=comparison.has_bytes
        ),
        changed_table(
            "Other verdicts, by workload",
            [
                ChangedRow.of(
                    pair.verdicts, (pair.before, pair.after), with_bytes=comparison.has_bytes
                )
                for pair in comparison.pairs
            ],
            names=comparison.names,
            total=comparison.distinct,
            at_least=comparison.capped,
            others=comparison.others.flows,
        ),
        Table(
            "Switches that differ",
            [
                Column("Flows", "number"),
                Column("Switch"),
                *(Column(f"In {name}") for name in comparison.names),
            ],
            [
                [switch.alone.flows, switch.name.replace("_", "-"), switch.before, switch.after]
                for switch in comparison.switches
            ],
            rest=f"{comparison.together.flows:,} flows take several together"
            if comparison.together.flows
            else "",
            intro="The flows that each switch alone gives the other verdict.",
        ),
        evidence(comparison.reader, dns=comparison.dns),
    )
