"""Takes an ``ExhaustiveDiff``, gives the JSON document of docs/output.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netpol.analysis.exhaustive import Change, ExhaustiveDiff, Judged
from netpol.analysis.portsets import Ports
from netpol.report.json import SCHEMA_VERSION, credit_document, written

__all__ = ["document", "ports_document", "render"]


def render(diff: ExhaustiveDiff) -> bytes:
    """Give the comparison as indented JSON, ending in a newline."""
    return written(document(diff))


def document(diff: ExhaustiveDiff) -> dict[str, Any]:
    """Give the comparison as plain dicts, lists, strings and numbers."""
    return {
        "schema_version": SCHEMA_VERSION,
        "equivalent": diff.proven,
        "sides_differ": diff.sides,
        "unrecorded_differ": diff.unrecorded,
        "classes": diff.classes,
        "pairs": diff.pairs,
        "differing": diff.differing,
        "pod_pairs": diff.pod_pairs,
        "pods_left_out": diff.left_out,
        "changes": {
            "distinct": diff.distinct,
            "capped": diff.capped,
            "top": [_change(change) for change in diff.changes],
        },
    }


def ports_document(ports: Sequence[Ports]) -> list[dict[str, Any]]:
    """Give ports by protocol, as inclusive ranges; null where a protocol has no ports."""
    return [
        {
            "protocol": item.protocol,
            "ports": None if item.ranges is None else [list(pair) for pair in item.ranges],
        }
        for item in ports
    ]


def _change(change: Change) -> dict[str, Any]:
    return {
        "src": change.src,
        "src_networks": list(change.src_networks),
        "dst": change.dst,
        "dst_networks": list(change.dst_networks),
        "ports": ports_document(change.ports),
        "pairs": change.pairs,
        "before": _judged(change.before),
        "after": _judged(change.after),
    }


def _judged(judged: Judged) -> dict[str, Any]:
    return {
        "verdict": judged.verdict.label,
        "decided_by": [credit_document(credit) for credit in judged.credits],
    }
