"""Takes a ``Coverage``, gives the sections of its page."""

from __future__ import annotations

from collections.abc import Iterator

from netpol.questions.coverage.coverage import (
    Coverage,
    ElementCoverage,
    NeverHit,
    PolicyCoverage,
    RuleCoverage,
)
from netpol.report.html.evidence import evidence
from netpol.report.html.rules import RuleRow, rules_table
from netpol.report.html.sections import Cell, Column, Section, Table, Totals, tone_of
from netpol.report.html.spread import spread_sections
from netpol.report.html.top import top
from netpol.report.words.layout import place_of
from netpol.run.distribution.collect import Spread

__all__ = ["sections"]

_ROWS = 2000

#: A rule, or an element of it, and its policy.
Counted = tuple[PolicyCoverage, RuleCoverage, ElementCoverage | None]


def sections(coverage: Coverage, spread: Spread) -> tuple[Section, ...]:
    """Return everything there is to say, what a reviewer looks for first."""
    verdicts = coverage.evidence.verdicts.items()
    rules, elements = coverage.never_hit, coverage.never_hit_elements
    return (
        Totals([(v.label, tone_of(v.label), flows, None) for v, flows in verdicts]),
        rules_table(map(_row, rules), total=len(rules)),
        rules_table(
            map(_row, elements),
            total=len(elements),
            title="Peers and ports never hit",
            intro="Of rules that were hit, the elements that no flow of this recording matched.",
            empty="Every element of the rules that were hit was hit, too.",
        ),
        _rules(coverage),
        *spread_sections(spread),
        _pods(coverage),
        evidence(coverage.evidence.reader, dns=coverage.evidence.dns),
    )


def _row(item: NeverHit) -> RuleRow:
    remark = item.element.text if item.element else ""
    return RuleRow(item.policy.label, item.name, item.policy.file, item.line, remark)


def _rules(coverage: Coverage) -> Table:
    found, total = top(_counted(coverage), _ROWS, lambda item: (item[2] or item[1]).hits.flows)
    return Table(
        "Rules and elements",
        [
            Column("Flows", "number"),
            Column("Sole reason", "number"),
            Column("Policy"),
            Column("Rule"),
            Column("Element"),
            Column("Where"),
        ],
        [_counts(*item) for item in found],
        total=total,
        intro="How many flows each matched, and for how many the verdict would be another "
        "without it.",
    )


def _counted(coverage: Coverage) -> Iterator[Counted]:
    for policy in coverage.policies:
        for rule in policy.rules:
            yield policy, rule, None
            for element in rule.elements:
                yield policy, rule, element


def _counts(
    policy: PolicyCoverage, rule: RuleCoverage, element: ElementCoverage | None
) -> list[Cell]:
    one = element or rule
    return [
        "some" if one.hits.other_reading else one.hits.flows,
        one.hits.sole,
        policy.label,
        rule.name if element is None else f"{rule.name}.{element.field}",
        "" if element is None else element.text,
        place_of(policy.file, one.line),
    ]


def _pods(coverage: Coverage) -> Table:
    unseen = len(coverage.pods_never_seen)
    pods = sorted(coverage.pods, key=lambda pod: (pod.seen, pod.label))
    return Table(
        "Pods",
        [
            Column("Pod"),
            Column("Isolated for egress"),
            Column("Isolated for ingress"),
            Column("Flows opened", "number"),
            Column("Flows served", "number"),
        ],
        [
            [
                pod.label,
                "yes" if pod.isolated_egress else "no",
                "yes" if pod.isolated_ingress else "no",
                pod.opened,
                pod.served,
            ]
            for pod in pods[:_ROWS]
        ],
        total=len(pods),
        intro=f"Never seen: {unseen:,}; they stand first." if unseen else "Every pod was seen.",
    )
