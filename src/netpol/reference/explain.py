"""Takes an outcome, gives the decision told step by step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netpol.flows.flow import Flow
from netpol.reference.identities import Identities
from netpol.reference.outcome import (
    Effect,
    Match,
    Outcome,
    PolicyTrial,
    RuleTrial,
    SideOutcome,
)
from netpol.reference.stages import Direction, Stage
from netpol.verdict import Side

__all__ = ["Explainer"]


class Explainer:
    """Tells outcomes of one evaluator in words."""

    def __init__(self, identities: Identities, stages: Sequence[Stage]) -> None:
        self._identities = identities
        self._stages = stages

    def text(self, flow: Flow, outcome: Outcome) -> str:
        """Tell one decision; control characters are escaped."""
        return "\n".join(_escaped(line) for line in self._lines(flow, outcome)) + "\n"

    def _lines(self, flow: Flow, outcome: Outcome) -> Iterator[str]:
        yield f"flow {_tuple(flow)}"
        if flow.is_reply:
            yield "a reply: judged as the connection it answers, ends swapped"
        yield f"verdict {outcome.verdict.label}{_side(outcome.side)}: {outcome.reason.label}"
        if outcome.notes:
            yield f"notes {', '.join(outcome.notes.labels)}"
        yield from self._outcome(outcome, "")

    def _outcome(self, outcome: Outcome, indent: str) -> Iterator[str]:
        yield f"{indent}{outcome.src} -> {outcome.dst}"
        if outcome.parts:
            yield f"{indent}  {len(outcome.parts)} possible pairs:"
            for part in outcome.parts:
                side = _side(part.side)
                yield f"{indent}  - {part.verdict.label}{side}: {part.reason.label}"
                yield from self._outcome(part, indent + "    ")
            return
        if not outcome.egress.applicable and not outcome.ingress.applicable:
            yield f"{indent}  neither end is a pod"
            return
        yield from self._side(outcome.egress, "egress", indent)
        yield from self._side(outcome.ingress, "ingress", indent)

    def _side(self, side: SideOutcome, direction: Direction, indent: str) -> Iterator[str]:
        if not side.applicable:
            yield f"{indent}  {direction}: not a pod, nothing to evaluate"
            return
        reason = side.reason.label if side.reason is not None else ""
        credit = "" if side.policy is None else f" by {_credit(side, direction)}"
        yield f"{indent}  {direction}: {side.verdict.label}: {reason}{credit}"
        yield from self._policies(side, direction, indent + "    ")
        for trial in side.alternatives:
            yield from _trial(trial, direction, indent + "    ")
        yield from _witnesses(side, direction, indent + "    ")
        for who, reading in side.readings:
            yield f"{indent}    if the source seen is {who}:"
            yield from self._side(reading, direction, indent + "    ")

    def _policies(self, side: SideOutcome, direction: Direction, indent: str) -> Iterator[str]:
        """Say which policies select the subject, tier by tier."""
        namespace, _, name = side.subject.partition("/")
        pod = self._identities.by_key.get((namespace, name))
        if pod is None or side.readings:
            return
        told = [line for stage in self._stages for line in stage.describe(direction, pod)]
        for line in told or [f"no policy selects pod {side.subject}"]:
            yield f"{indent}{line}"


def _credit(side: SideOutcome, direction: Direction) -> str:
    place = "" if side.rule is None else f" {direction}[{side.rule}]"
    if side.peer is not None:
        place += f".{'from' if direction == 'ingress' else 'to'}[{side.peer}]"
    if side.port is not None:
        place += f" ports[{side.port}]"
    return f"policy {side.policy}{place}"


def _witnesses(side: SideOutcome, direction: Direction, indent: str) -> Iterator[str]:
    """Say how the side may come out, where a doubt or a tie of priorities leaves it open."""
    if not side.witnesses:
        return
    why = "with policies of equal priority in another order" if side.tie else "as it may be"
    yield f"{indent}{why}:"
    for witness in side.witnesses:
        by = "by default" if witness.policy is None else f"by policy {witness.policy}"
        place = "" if witness.rule is None else f" {direction}[{witness.rule}]"
        yield f"{indent}  {witness.verdict.label} {by}{place}"


def _trial(trial: PolicyTrial, direction: Direction, indent: str) -> Iterator[str]:
    if not trial.rules:
        yield f"{indent}{trial.policy}: no {direction} rules, so nothing is allowed"
    for rule in trial.rules:
        yield f"{indent}{trial.policy} {direction}[{rule.rule}]: {_rule(rule)}"


def _rule(rule: RuleTrial) -> str:
    if rule.fail_closed:
        does = "matches nothing" if rule.match is Match.NO else "denies everything"
        return f"cannot be used, so it {does}"
    if rule.match is Match.NO:
        return f"missed: {rule.missed}"
    if rule.match is Match.MAYBE:
        return f"may match: {'' if rule.doubt is None else rule.doubt.label}"
    return "matched" if rule.effect is Effect.ALLOW else f"matched: {rule.effect.name.lower()}"


def _side(side: Side) -> str:
    return "" if side is Side.NONE else f" ({side.label})"


def _tuple(flow: Flow) -> str:
    protocol = "?" if flow.protocol is None else str(flow.protocol)
    port = "?" if flow.dport is None else str(flow.dport)
    return f"{flow.src} -> {flow.dst} protocol {protocol} port {port}"


def _escaped(line: str) -> str:
    """Escape what could move a terminal's cursor; names come from outside."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
