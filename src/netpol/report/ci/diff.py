"""Takes a ``Diff``, gives findings for CI formats: one for each cause, not for each flow."""

from __future__ import annotations

from collections.abc import Iterator

from netpol.questions.diff.diff import Diff
from netpol.questions.diff.groups import Group, GroupList, Kind
from netpol.questions.replay.replay import Credit
from netpol.report.text.diff import TITLES
from netpol.report.words.annotations import Annotation, Level
from netpol.report.words.deciders import port_text, why
from netpol.report.words.layout import NO_POLICIES, plural, without_policies
from netpol.report.words.unjudged import unjudged_annotations, unjudged_counts
from netpol.run.sums import Weight

__all__ = ["LEVELS", "WORDS", "annotations_of", "counts_of", "rule_name"]

LEVELS: dict[Kind, Level] = {
    Kind.NEWLY_DENIED: "error",
    Kind.NEWLY_ALLOWED: "warning",
    Kind.NEWLY_UNKNOWN: "warning",
    Kind.OTHER_RULE: "note",
}
_LISTED = 10  # pairs of workloads in a message


def annotations_of(diff: Diff) -> list[Annotation]:
    """Return a finding for every kind and responsible change, else deciding rule.

    Of groups that the diff does not list there is one finding for each kind, without a place.
    """
    before, after = diff.unjudged
    return [
        *(
            annotation
            for kind, listed in diff.kinds.items()
            for annotation in (*_listed(kind, listed), *_others(kind, listed))
        ),
        *unjudged_annotations(after | before),
    ]


def counts_of(diff: Diff) -> tuple[str, ...]:
    """Return how many flows are of each kind, which side has no policies, what is not judged."""
    kinds = (f"{listed.total.flows:,} {kind}" for kind, listed in diff.kinds.items())
    empty = without_policies(diff.policies, diff.names)
    before, after = diff.unjudged
    lacking = (NO_POLICIES.format(name) for name in empty)
    return (*kinds, *lacking, *unjudged_counts(after | before))


def _listed(kind: Kind, listed: GroupList) -> Iterator[Annotation]:
    causes: dict[tuple[str, ...], list[Group]] = {}
    for group in listed.groups:
        causes.setdefault(_identity(group), []).append(group)
    for identity, groups in causes.items():
        file, line = _place(groups[0])
        weight = sum((group.weight for group in groups), Weight())
        yield Annotation(
            level=LEVELS[kind],
            code=str(kind),
            title=f"{TITLES[kind]}: {identity[-1]}" if identity else TITLES[kind],
            message=_message(kind, groups, weight),
            file=file,
            line=line,
            identity=identity,
            flows=weight.flows,
        )


def _others(kind: Kind, listed: GroupList) -> Iterator[Annotation]:
    if listed.others.flows:
        yield Annotation(
            level=LEVELS[kind],
            code=str(kind),
            title=f"{TITLES[kind]}: others",
            message=f"{plural(listed.others.flows, 'flow')} between others",
            identity=("others",),
            flows=listed.others.flows,
        )


def _identity(group: Group) -> tuple[str, ...]:
    """Return what is at fault: the changes that each suffice, or who decides after the change."""
    if group.responsible:
        return ("change", " or ".join(one.text for one in group.responsible))
    return ("rule", ", ".join(map(rule_name, _deciders(group))) or group.after.reason.label)


def _deciders(group: Group) -> tuple[Credit, ...]:
    return group.after.credits or group.before.credits


def rule_name(credit: Credit) -> str:
    """Return who decides, for identities: never with a line or a count."""
    if credit.rule is None:
        return f"no {credit.side.label} rule of {credit.policy}"
    return f"{credit.policy} {credit.side.label}[{credit.rule}]"


def _place(group: Group) -> tuple[str | None, int | None]:
    for change in group.responsible:
        if change.file is not None:
            return change.file, change.line
    for credit in _deciders(group):
        return credit.file, credit.line
    return None, None


def _message(kind: Kind, groups: list[Group], weight: Weight) -> str:
    first = groups[0]
    cause = " or ".join(one.text for one in first.responsible)
    by = f" by {cause} alone" if cause else ""
    lines = [f"{plural(weight.flows, 'flow')} {WORDS[kind]}{by}"]
    for group in groups[:_LISTED]:
        pair = group.before
        decided = "; ".join(why(group.after, wide=False).plain.split("\n"))
        lines.append(
            f"{pair.src} to {pair.dst} {port_text(pair)}: {plural(pair.weight.flows, 'flow')}, "
            f"{group.verdicts[0].label} before; {group.verdicts[1].label}: {decided}"
        )
    if len(groups) > _LISTED:
        lines.append(f"and {plural(len(groups) - _LISTED, 'more pair')} of workloads")
    return "\n".join(lines)


WORDS = {
    Kind.NEWLY_DENIED: "newly denied",
    Kind.NEWLY_ALLOWED: "newly allowed",
    Kind.NEWLY_UNKNOWN: "newly unknown",
    Kind.OTHER_RULE: "judged the same by another rule",
}
