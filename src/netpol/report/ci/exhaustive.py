"""Takes an ``ExhaustiveDiff``, gives findings for CI formats: one for each cause, not each pair."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netpol.questions.diff.exhaustive import Change, ChangeList, ExhaustiveDiff, Part
from netpol.questions.diff.groups import Kind
from netpol.report.ci.diff import LEVELS, WORDS, rule_name
from netpol.report.text.diff import TITLES
from netpol.report.text.exhaustive import counts, ports_text
from netpol.report.words.annotations import Annotation, Level
from netpol.report.words.deciders import decided
from netpol.report.words.layout import NO_POLICIES, plural, without_policies
from netpol.report.words.networks import party_text
from netpol.report.words.unjudged import unjudged_annotations, unjudged_counts
from netpol.report.words.wording import count

__all__ = ["annotations_of", "counts_of", "gated"]

#: What fails a gate for another verdict, as far as it is not proven that there is none.
_VERDICTS = frozenset(str(kind) for kind in Kind if kind is not Kind.OTHER_RULE)
_LISTED = 10  # pairs of workloads in a message
_Found = tuple[Change, Part]


def annotations_of(diff: ExhaustiveDiff) -> list[Annotation]:
    """Return a finding for every kind and responsible change, else deciding rule.

    Of changes that the diff does not list there is one finding, and one if nothing is found but it
    is not proven that nothing differs; both without a place.
    """
    verdicts = ChangeList(diff.changes, diff.distinct, diff.capped)
    found = [*_listed(verdicts), *_others(verdicts, "another verdict")]
    if diff.other_rules is not None:
        found += [*_listed(diff.other_rules), *_others(diff.other_rules, "another rule")]
    if diff.sides:
        found.append(
            Annotation(
                level="warning",
                code="not-proven",
                title="Not proven to be equivalent",
                message="no pair is judged otherwise, but a side says something else where the "
                "other denies anyway, or to who has an address at another time",
                identity=("sides",),
            )
        )
    before, after = diff.unjudged
    return found + unjudged_annotations(after | before)


def counts_of(diff: ExhaustiveDiff) -> tuple[str, ...]:
    """Return what was found in few words: ``12 newly denied``, ``equivalent``."""
    found = counts(diff) or ["equivalent" if diff.proven else "not proven to be equivalent"]
    if diff.kinds[Kind.OTHER_RULE]:
        found.append(f"{count(diff.kinds[Kind.OTHER_RULE])} the same by another rule")
    before, after = diff.unjudged
    found += [NO_POLICIES.format(name) for name in without_policies(diff.policies)]
    return (*found, *unjudged_counts(after | before))


def gated(diff: ExhaustiveDiff, fail_on: Sequence[str]) -> frozenset[Level]:
    """Return the levels of findings that the command fails for."""
    found = {LEVELS[Kind(kind)] for kind in fail_on}
    if diff.sides and _VERDICTS.intersection(fail_on):
        found.add("warning")
    return frozenset(found)


def _listed(listed: ChangeList) -> Iterator[Annotation]:
    causes: dict[tuple[Kind, tuple[str, ...]], list[_Found]] = {}
    for change in listed.changes:
        for part in change.parts:
            causes.setdefault((change.kind, _identity(part)), []).append((change, part))
    for (kind, identity), found in causes.items():
        file, line = found[0][1].place
        yield Annotation(
            level=LEVELS[kind],
            code=str(kind),
            title=f"{TITLES[kind]}: {identity[-1]}",
            message=_message(kind, found),
            file=file,
            line=line,
            identity=identity,
        )


def _others(listed: ChangeList, what: str) -> Iterator[Annotation]:
    others = listed.distinct - len(listed.changes)
    if others or listed.capped:
        more = "more than " if listed.capped else ""
        yield Annotation(
            level="warning",
            code="not-listed",
            title=f"More pairs with {what}",
            message=f"{more}{plural(others, 'change')} with fewer pairs",
            identity=("others", what),
        )


def _identity(part: Part) -> tuple[str, ...]:
    """Return what is at fault: the change that did it, or who decides, or decided."""
    if part.responsible is not None:
        return ("change", part.responsible.text)
    deciders = part.after.credits or part.before.credits
    return ("rule", ", ".join(map(rule_name, deciders)))


def _message(kind: Kind, found: Sequence[_Found]) -> str:
    cause = found[0][1].responsible
    by = "" if cause is None else f" by {cause.text} alone"
    pairs = sum(part.pairs for _, part in found)
    lines = [f"{plural(pairs, 'pair')} {WORDS[kind]}{by}"]
    lines += [_line(change, part) for change, part in found[:_LISTED]]
    if len(found) > _LISTED:
        lines.append(f"and {plural(len(found) - _LISTED, 'more pair')} of workloads")
    return "\n".join(lines)


def _line(change: Change, part: Part) -> str:
    src = party_text(change.src, part.src_networks)
    dst = party_text(change.dst, part.dst_networks)
    ports = ports_text(part.ports, everything=part.everything)
    sides = "; ".join(
        f"{name} {judged.verdict.label}"
        + "".join(f", {decided(credit, wide=False).plain}" for credit in judged.credits)
        for name, judged in (("before", part.before), ("after", part.after))
    )
    return f"{src} to {dst} on {ports}: {sides}"
