"""Takes the story of a flow, gives it as lines: indented, wrapped, control characters escaped."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from typing import NamedTuple

from netpol.explain.match_descriptions import packet_text
from netpol.explain.story import (
    Element,
    Explanation,
    PairStory,
    PolicyStory,
    RuleStory,
    SideStory,
)
from netpol.model.flow import Flow
from netpol.model.text import escape_controls
from netpol.model.verdict import Side, Tier, Verdict
from netpol.reference.outcome import Effect, Match, SideOutcome
from netpol.reference.side_query import Packet

__all__ = ["WIDTH", "Line", "lines_of", "wrapped", "written"]

WIDTH = 80
SHOWN = 8  # elements of a rule's list; JSON has all

_MATCHES = {Match.NO: "missed", Match.MAYBE: "may match", Match.YES: "matched"}


class Line(NamedTuple):
    """One line before wrapping. ``tone`` is ``allow``, ``deny``, ``unknown``, ``faint`` or ""."""

    indent: int
    text: str
    tone: str = ""


def written(
    explanation: Explanation, paint: Callable[[str, str], str] = lambda text, tone: text
) -> str:
    """Return the story as text; ``paint`` colours a text by its tone."""
    done = []
    for line in lines_of(explanation):
        text = escape_controls(line.text)
        done += [paint(part, line.tone) for part in wrapped(text, line.indent)] or [""]
    return "\n".join(done) + "\n"


def wrapped(text: str, indent: int = 0) -> list[str]:
    """Return a text as lines no wider than ``WIDTH``, unless a word is; further ones go in by 4."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 4),
        break_long_words=False,
        break_on_hyphens=False,
    )


def lines_of(explanation: Explanation) -> Iterator[Line]:
    """Yield the verdict, each pair's sides, and what would flip it."""
    flow, outcome = explanation.flow, explanation.outcome
    yield Line(0, f"{flow.src} -> {flow.dst} {_flow_port(flow)}")
    head = f"{outcome.verdict.label}{_side(outcome.side)}: {outcome.reason.label}"
    yield Line(0, head, outcome.verdict.label)
    if outcome.notes:
        yield Line(0, f"notes: {', '.join(outcome.notes.labels)}")
    several = len(explanation.pairs) > 1
    for pair in explanation.pairs:
        yield Line(0, "")
        yield from _pair(pair, several)
    if explanation.remarks or explanation.hints or explanation.flips:
        yield Line(0, "")
    for remark in explanation.remarks:
        yield Line(0, remark)
    for hint in explanation.hints:
        yield Line(0, f"hint: {hint.text}")
    for flip in explanation.flips:
        places = dict.fromkeys(str(edit.where) for edit in flip.edits if str(edit.where))
        where = f" ({', '.join(places)})" if places else ""
        yield Line(0, f"{flip.text}{where}", flip.verdict.label)


def _pair(pair: PairStory, several: bool) -> Iterator[Line]:
    outcome = pair.outcome
    yield Line(0, f"{outcome.src} -> {outcome.dst}")
    if several:
        verdict = f"{outcome.verdict.label}{_side(outcome.side)}: {outcome.reason.label}"
        yield Line(2, verdict, outcome.verdict.label)
    if pair.alike:
        shown = ", ".join(pair.alike[:SHOWN])
        more = f" and {len(pair.alike) - SHOWN} more" if len(pair.alike) > SHOWN else ""
        yield Line(2, f"decided alike: {shown}{more}")
    if not outcome.egress.applicable and not outcome.ingress.applicable:
        if not several:
            yield Line(2, "neither end is a pod that policies see")
        return
    for side in (pair.egress, pair.ingress):
        yield from _side_lines(side, 2)


def _side_lines(side: SideStory, indent: int) -> Iterator[Line]:
    outcome, direction = side.outcome, side.direction
    if not outcome.applicable:
        yield Line(indent, f"{direction}: not a pod, nothing to evaluate", "faint")
        return
    of = f" of pod {outcome.subject}" if outcome.subject else ""
    reason = "" if outcome.reason is None else f": {outcome.reason.label}"
    credit = _credit(outcome, direction)
    yield Line(
        indent, f"{direction}{of}: {outcome.verdict.label}{reason}{credit}", outcome.verdict.label
    )
    yield from _witnesses(outcome, direction, indent + 2)
    if outcome.question is not None and not side.policies:
        yield Line(indent + 2, f"no policy selects pod {outcome.subject}")
    for policy in side.policies:
        yield from _policy(policy, direction, indent + 2)
    for reading in side.readings:
        sees = "the source seen is" if direction == "ingress" else "egress policies see"
        yield Line(indent + 2, f"if {sees} {reading.text}:")
        yield from _side_lines(reading.story, indent + 4)


def _policy(policy: PolicyStory, direction: str, indent: int) -> Iterator[Line]:
    tier = ""
    if policy.tier is not Tier.NETWORKPOLICY:
        order = "after all others" if policy.priority is None else f"priority {policy.priority}"
        tier = f" ({policy.tier.label} tier, {order})"
    does = "selects" if policy.selects is Match.YES else "may select"
    text = f"policy {policy.policy}{tier} {does} it by {policy.why}"
    if not policy.governs:
        yield Line(indent, f"{text}; it does not govern {direction}", "faint")
        return
    if not policy.tried:
        yield Line(indent, f"{text}; it is not asked", "faint")
        return
    yield Line(indent, f"{text}{_at(policy.where)}")
    if not policy.rules:
        yield Line(indent + 2, f"no {direction} rules, so nothing is allowed")
    for rule in policy.rules:
        yield from _rule(rule, direction, indent + 2)


def _rule(rule: RuleStory, direction: str, indent: int) -> Iterator[Line]:
    name = f" {rule.name}" if rule.name else ""
    yield Line(
        indent, f"{direction}[{rule.index}]{name}: {_said(rule)}{_at(rule.where)}", _tone(rule)
    )
    anywhere = "from anywhere" if direction == "ingress" else "to anywhere"
    for elements, none in ((rule.peers, anywhere), (rule.ports, "every port")):
        if not elements:
            yield Line(indent + 2, none, "faint")
        yield from _elements(elements, indent + 2)


def _elements(elements: tuple[Element, ...], indent: int) -> Iterator[Line]:
    """Yield the elements that matched, then those that missed, as many as are readable."""
    order = sorted(elements, key=lambda each: -each.match)
    for each in sorted(order[:SHOWN], key=elements.index):
        why = f": {each.why}" if each.why else ""
        yield Line(indent, f"{each.place} {each.text}: {_MATCHES[each.match]}{why}", "faint")
    if len(elements) > SHOWN:
        yield Line(indent, f"and {len(elements) - SHOWN} more", "faint")


def _said(rule: RuleStory) -> str:
    if rule.fail_closed:
        does = "matches nothing" if rule.match is Match.NO else "denies everything"
        return f"cannot be used, so it {does}"
    if rule.match is Match.MAYBE:
        return f"may match{'' if rule.doubt is None else f': {rule.doubt.label}'}"
    if rule.match is Match.YES and rule.effect is not Effect.ALLOW:
        return (
            "matched: denies" if rule.effect is Effect.DENY else "matched: goes on to the next tier"
        )
    return _MATCHES[rule.match]


def _tone(rule: RuleStory) -> str:
    if rule.match is Match.MAYBE:
        return Verdict.UNKNOWN.label
    if rule.match is Match.NO or rule.effect is Effect.PASS:
        return ""
    return (Verdict.DENY if rule.effect is Effect.DENY else Verdict.ALLOW).label


def _witnesses(side: SideOutcome, direction: str, indent: int) -> Iterator[Line]:
    """Say how the side may come out, where a doubt or a tie of priorities leaves it open."""
    if not side.witnesses:
        return
    why = "with policies of equal priority in another order" if side.tie else "as it may be"
    yield Line(indent, f"{why}:")
    for witness in side.witnesses:
        by = "by default" if witness.policy is None else f"by policy {witness.policy}"
        place = "" if witness.rule is None else f" {direction}[{witness.rule}]"
        yield Line(indent + 2, f"{witness.verdict.label} {by}{place}")


def _credit(side: SideOutcome, direction: str) -> str:
    if side.policy is None:
        return ""
    if side.rule is None:
        return f" of policy {side.policy}"
    place = f"{direction}[{side.rule}]"
    if side.peer is not None:
        place += f".{'from' if direction == 'ingress' else 'to'}[{side.peer}]"
    if side.port is not None:
        place += f" ports[{side.port}]"
    return f" of policy {side.policy} {place}"


def _at(where: object) -> str:
    return f" ({where})" if str(where) else ""


def _side(side: Side) -> str:
    return "" if side is Side.NONE else f" ({side.label})"


def _flow_port(flow: Flow) -> str:
    return packet_text(Packet(flow.protocol, flow.dport, frozenset()))
