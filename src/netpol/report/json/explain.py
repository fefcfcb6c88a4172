"""Takes the story of a flow, gives it as one JSON document; docs/output.md has the fields."""

from __future__ import annotations

from typing import Any

from netpol.explain.replicas import Replicas
from netpol.explain.story import (
    Element,
    Explanation,
    PairStory,
    PolicyStory,
    Reading,
    RuleStory,
    SideStory,
)
from netpol.kube.unjudged import NOTHING_UNJUDGED, Unjudged
from netpol.model.batch import PROTOCOL_NAMES
from netpol.model.verdict import Note
from netpol.policy.edits import Edit, Place
from netpol.reference.outcome import Outcome, SideOutcome
from netpol.report.json.document import written
from netpol.report.words.unjudged import unjudged_document
from netpol.report.words.wording import NOTES, REASONS, settled_by
from netpol.run.sums import SourceNat

__all__ = ["SCHEMA_VERSION", "render"]

#: Raised when a field changes its meaning or goes; new fields do not raise it.
SCHEMA_VERSION = 1


def render(
    explanation: Explanation, replicas: Replicas, unjudged: Unjudged = NOTHING_UNJUDGED
) -> bytes:
    """Return document with a final line break; control characters are escaped by JSON itself."""
    flow, outcome = explanation.flow, explanation.outcome
    protocol = None
    if flow.protocol is not None:
        protocol = PROTOCOL_NAMES.get(flow.protocol, str(flow.protocol))
    document = {
        "schema_version": SCHEMA_VERSION,
        "src": replicas.src,
        "dst": replicas.dst,
        "flow": {"src": flow.src, "dst": flow.dst, "protocol": protocol, "port": flow.dport},
        **_verdict(outcome),
        "settled_by": settled_by(outcome.reason, SourceNat.of(flow)),
        "notes": [
            {"note": note.labels[0], "meaning": NOTES[note]}
            for note in Note
            if note and note in outcome.notes
        ],
        "egress": _decided(outcome.egress),
        "ingress": _decided(outcome.ingress),
        "pairs": [_pair(pair) for pair in explanation.pairs],
        "remarks": list(explanation.remarks),
        "hints": [{"hint": hint.kind, "text": hint.text} for hint in explanation.hints],
        "flips": [
            {
                "verdict": flip.verdict.label,
                "text": flip.text,
                "changes": [_change(edit) for edit in flip.edits],
            }
            for flip in explanation.flips
        ],
        "replicas": {
            "pairs": replicas.pairs,
            "judged": len(replicas.outcomes),
            "alike": replicas.alike,
            "differing": [
                {"src": src, "dst": dst, **_verdict(other)}
                for src, dst, other in replicas.differing
            ],
        },
        "unjudged": unjudged_document(unjudged),
    }
    return written(document)


def _verdict(outcome: Outcome) -> dict[str, Any]:
    return {
        "verdict": outcome.verdict.label,
        "side": outcome.side.label,
        "reason": outcome.reason.label,
        "meaning": REASONS[outcome.reason],
    }


def _decided(side: SideOutcome) -> dict[str, Any] | None:
    """Return what decided a side; None where its end is not a pod."""
    if not side.applicable:
        return None
    return {
        "verdict": side.verdict.label,
        "reason": None if side.reason is None else side.reason.label,
        "tier": side.tier.label,
        "policy": side.policy,
        "rule": side.rule,
    }


def _pair(pair: PairStory) -> dict[str, Any]:
    return {
        "src": pair.outcome.src,
        "dst": pair.outcome.dst,
        **_verdict(pair.outcome),
        "alike": list(pair.alike),
        "egress": _side(pair.egress),
        "ingress": _side(pair.ingress),
    }


def _side(side: SideStory) -> dict[str, Any] | None:
    decided = _decided(side.outcome)
    if decided is None:
        return None
    return {
        **decided,
        "pod": side.outcome.subject or None,
        "policies": [_policy(policy) for policy in side.policies],
        "witnesses": [
            {"verdict": each.verdict.label, "policy": each.policy, "rule": each.rule}
            for each in side.outcome.witnesses
        ],
        "tie": side.outcome.tie,
        "readings": [_reading(each) for each in side.readings],
    }


def _reading(reading: Reading) -> dict[str, Any]:
    first, *alike = reading.ends
    ingress = reading.story.direction == "ingress"
    return {
        "text": reading.text,
        "source": first if ingress else None,
        "destination": None if ingress else first,
        "alike": alike,
        **(_side(reading.story) or {}),
    }


def _policy(policy: PolicyStory) -> dict[str, Any]:
    return {
        "policy": policy.policy,
        "tier": policy.tier.label,
        "priority": policy.priority,
        **_where(policy.where),
        "selects": policy.selects.name.lower(),
        "why": policy.why,
        "governs": policy.governs,
        "asked": policy.tried,
        "rules": [_rule(rule) for rule in policy.rules],
    }


def _rule(rule: RuleStory) -> dict[str, Any]:
    return {
        "rule": rule.index,
        "name": rule.name or None,
        **_where(rule.where),
        "effect": rule.effect.name.lower(),
        "match": rule.match.name.lower(),
        "doubt": None if rule.doubt is None else rule.doubt.label,
        "fail_closed": rule.fail_closed,
        "peers": [_element(each) for each in rule.peers],
        "ports": [_element(each) for each in rule.ports],
    }


def _element(element: Element) -> dict[str, Any]:
    return {
        "element": element.place,
        "text": element.text,
        "match": element.match.name.lower(),
        "why": element.why,
    }


def _where(where: Place) -> dict[str, Any]:
    return {"file": where.file or None, "line": where.line or None}


def _change(edit: Edit) -> dict[str, Any]:
    return {"text": edit.text, **_where(edit.where)}
