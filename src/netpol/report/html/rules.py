"""Takes the rules of policies and whether any flow met them, gives the table of those none met."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from netpol.questions.replay.replay import PolicyUse
from netpol.report.html.sections import Column, Table
from netpol.report.words.layout import place_of

__all__ = ["RuleRow", "never_hit", "rules_table"]

_ROWS = 500
_INTRO = (
    "No flow of this recording matched these rules. What a recording does not hold may still "
    "happen: a rule that is never hit here is a question, not an error."
)


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule: its policy, what it is called there, and where it stands."""

    policy: str
    rule: str
    file: str | None = None
    line: int | None = None
    remark: str = ""


def never_hit(policies: Iterable[PolicyUse]) -> Iterator[RuleRow]:
    """Yield the rules that matched no flow."""
    for policy in policies:
        for rule in policy.rules:
            if not rule.matched.flows:
                name = f"{rule.side.label}[{rule.index}]"
                yield RuleRow(policy.label, name, policy.file, rule.line or policy.line)


def rules_table(
    rules: Iterable[RuleRow],
    *,
    title: str = "Rules never hit",
    intro: str = _INTRO,
    empty: str = "Every rule was hit.",
    total: int | None = None,
) -> Table:
    """Return rules as a table, of which the first 500 are listed.

    ``total`` is how many there are.
    """
    given = iter(rules)
    listed = list(islice(given, _ROWS))
    if total is None:
        total = len(listed) + sum(1 for _ in given)
    remarks = any(rule.remark for rule in listed)
    return Table(
        title,
        [Column(name) for name in ("Policy", "Rule", "Where", *(["Remark"] if remarks else []))],
        [
            [
                rule.policy,
                rule.rule,
                place_of(rule.file, rule.line),
                *([rule.remark] if remarks else []),
            ]
            for rule in listed
        ],
        total=total,
        intro=intro if listed else "",
        empty=empty,
    )
