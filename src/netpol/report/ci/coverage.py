"""Takes a ``Coverage``, gives what CI formats are written from: rules and elements never hit."""

from __future__ import annotations

from collections.abc import Iterator

from netpol.questions.coverage.coverage import Coverage, NeverHit
from netpol.report.words.annotations import Annotation
from netpol.report.words.safe import escape_controls
from netpol.report.words.unjudged import unjudged_annotations
from netpol.report.words.wording import count

__all__ = ["annotations_of"]

_LISTED = 20


def annotations_of(coverage: Coverage) -> list[Annotation]:
    """Return a warning for each rule that was never hit, a note for each such part of others.

    Elements of one rule are one note: each has its line in its message.
    """
    found = [_rule(item, coverage.evidence.flows) for item in coverage.never_hit]
    by_rule: dict[tuple[str, str], list[NeverHit]] = {}
    for item in coverage.never_hit_elements:
        by_rule.setdefault((item.policy.label, item.rule.name), []).append(item)
    found += [_elements(items) for items in by_rule.values()]
    return found + unjudged_annotations(coverage.unjudged)


def _rule(item: NeverHit, flows: int) -> Annotation:
    return Annotation(
        level="warning",
        code="never-hit-rule",
        title="Rule never hit",
        message=escape_controls(
            f"{item.policy.label} {item.name}: none of {count(flows)} flows matched; "
            "without it, no verdict would be another"
        ),
        file=item.policy.file,
        line=item.line,
        identity=(item.policy.label, item.name),
    )


def _elements(items: list[NeverHit]) -> Annotation:
    first = items[0]
    return Annotation(
        level="note",
        code="never-hit-element",
        title="Peers or ports never hit",
        message="\n".join(_element_lines(items)),
        file=first.policy.file,
        line=first.line,
        identity=(first.policy.label, first.rule.name),
    )


def _element_lines(items: list[NeverHit]) -> Iterator[str]:
    first = items[0]
    yield escape_controls(f"{first.policy.label} {first.rule.name}: no flow matched")
    for item in items[:_LISTED]:
        if item.element is not None:
            where = "" if item.line is None else f" (line {item.line})"
            yield escape_controls(f"{item.element.field} {item.element.text}{where}")
    if len(items) > _LISTED:
        yield f"and {count(len(items) - _LISTED)} more"
