"""Takes a ``Diff``, gives the JSON document of docs/output.md."""

from __future__ import annotations

from typing import Any

from netpol.questions.diff.changes import Change
from netpol.questions.diff.diff import Diff
from netpol.questions.diff.groups import Group, GroupList
from netpol.report.json.compare import judged_document
from netpol.report.json.document import written
from netpol.report.json.replay import (
    SCHEMA_VERSION,
    Weigher,
    dns_document,
    reader_document,
)
from netpol.report.words.unjudged import unjudged_document

__all__ = ["change_document", "document", "render"]


def render(diff: Diff) -> bytes:
    """Return the diff as indented JSON, ending in a newline."""
    return written(document(diff))


def document(diff: Diff) -> dict[str, Any]:
    """Return the diff as plain dicts, lists, strings and numbers."""
    weigh = Weigher(packets=diff.has_packets, octets=diff.has_bytes)
    return {
        "schema_version": SCHEMA_VERSION,
        "sides": list(diff.names),
        "policies": list(diff.policies),
        "pods": list(diff.pods),
        "total": weigh(diff.total),
        "differing": weigh(diff.differing),
        "verdicts": [
            {"verdicts": [first.label, second.label], **weigh(weight)}
            for (first, second), weight in diff.verdicts.items()
        ],
        "changes": None
        if diff.changes is None
        else [
            {
                **change_document(one.change),
                "tried": one.tried,
                "alone": None if one.alone is None else weigh(one.alone),
            }
            for one in diff.changes
        ],
        "together": weigh(diff.together),
        "untold": weigh(diff.untold),
        "untried": diff.untried,
        "capped": diff.capped,
        **{
            str(kind).replace("-", "_"): _listed(listed, weigh)
            for kind, listed in diff.kinds.items()
        },
        "reader": reader_document(diff.reader),
        "dns": dns_document(diff.dns),
        "unjudged": [unjudged_document(side) for side in diff.unjudged],
    }


def _listed(listed: GroupList, weigh: Weigher) -> dict[str, Any]:
    return {
        **weigh(listed.total),
        "distinct": listed.distinct,
        "top": [_group(group, weigh) for group in listed.groups],
        "others": weigh(listed.others),
    }


def _group(group: Group, weigh: Weigher) -> dict[str, Any]:
    halves = group.before, group.after
    return {
        "src": group.before.src,
        "dst": group.before.dst,
        "protocol": group.before.protocol,
        "port": group.before.port,
        **weigh(group.weight),
        "first_seen": group.first_seen,
        "last_seen": group.last_seen,
        "judged": [
            {"src": half.src, "dst": half.dst, **judged_document(verdict, half)}
            for verdict, half in zip(group.verdicts, halves, strict=True)
        ],
        "responsible": [change_document(change) for change in group.responsible],
        "untold": group.untold,
    }


def change_document(change: Change) -> dict[str, Any]:
    """Return what changed, and where."""
    return {
        "what": change.what,
        "kind": change.kind or None,
        "label": change.label,
        "file": change.file,
        "line": change.line,
    }
