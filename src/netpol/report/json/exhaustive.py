"""Takes an ``ExhaustiveDiff``, gives the JSON document of docs/output.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netpol.questions.allpairs.portsets import Ports
from netpol.questions.diff.exhaustive import Change, ChangeList, ExhaustiveDiff, Judged, Part
from netpol.report.json.diff import change_document
from netpol.report.json.document import written
from netpol.report.json.replay import SCHEMA_VERSION, credit_document
from netpol.report.words.unjudged import unjudged_document

__all__ = ["document", "ports_document", "render"]


def render(diff: ExhaustiveDiff) -> bytes:
    """Return the comparison as indented JSON, ending in a newline."""
    return written(document(diff))


def document(diff: ExhaustiveDiff) -> dict[str, Any]:
    """Return the comparison as plain dicts, lists, strings and numbers."""
    rules = diff.other_rules
    return {
        "schema_version": SCHEMA_VERSION,
        "equivalent": diff.proven,
        "sides_differ": diff.sides,
        "rule_sides_differ": diff.rule_sides,
        "unrecorded_differ": diff.unrecorded,
        "classes": diff.classes,
        "pairs": diff.pairs,
        "differing": diff.differing,
        "pod_pairs": diff.pod_pairs,
        "kinds": {str(kind): pairs for kind, pairs in diff.kinds.items()},
        "policies": list(diff.policies),
        "pods_left_out": diff.left_out,
        "changes": _changes(ChangeList(diff.changes, diff.distinct, diff.capped)),
        "other_rules": None if rules is None else _changes(rules),
        "unjudged": [unjudged_document(side) for side in diff.unjudged],
    }


def ports_document(ports: Sequence[Ports]) -> list[dict[str, Any]]:
    """Return ports by protocol, as inclusive ranges; null where a protocol has no ports."""
    return [
        {
            "protocol": item.protocol,
            "ports": None if item.ranges is None else [list(pair) for pair in item.ranges],
        }
        for item in ports
    ]


def _changes(listed: ChangeList) -> dict[str, Any]:
    return {
        "distinct": listed.distinct,
        "capped": listed.capped,
        "top": [_change(change) for change in listed.changes],
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "kind": str(change.kind),
        "src": change.src,
        "src_networks": list(change.src_networks),
        "dst": change.dst,
        "dst_networks": list(change.dst_networks),
        "ports": ports_document(change.ports),
        "pairs": change.pairs,
        "before": _judged(change.before),
        "after": _judged(change.after),
        "parts": [_part(part) for part in change.parts],
    }


def _part(part: Part) -> dict[str, Any]:
    return {
        "src_networks": list(part.src_networks),
        "dst_networks": list(part.dst_networks),
        "ports": ports_document(part.ports),
        "pairs": part.pairs,
        "before": _judged(part.before),
        "after": _judged(part.after),
        "responsible": None if part.responsible is None else change_document(part.responsible),
    }


def _judged(judged: Judged) -> dict[str, Any]:
    return {
        "verdict": judged.verdict.label,
        "decided_by": [credit_document(credit) for credit in judged.credits],
    }
