"""Takes a ``Comparison``, gives the JSON document of docs/output.md."""

from __future__ import annotations

from typing import Any

from netpol.model.verdict import Verdict
from netpol.questions.compare.compare import ChangedPair, Comparison
from netpol.questions.replay.replay import Pair
from netpol.report.json.document import written
from netpol.report.json.replay import (
    SCHEMA_VERSION,
    Weigher,
    credit_document,
    dns_document,
    reader_document,
)
from netpol.report.words.unjudged import unjudged_document

__all__ = ["document", "judged_document", "render"]


def render(comparison: Comparison) -> bytes:
    """Return the comparison as indented JSON, ending in a newline."""
    return written(document(comparison))


def document(comparison: Comparison) -> dict[str, Any]:
    """Return the comparison as plain dicts, lists, strings and numbers."""
    weigh = Weigher(packets=comparison.has_packets, octets=comparison.has_bytes)
    return {
        "schema_version": SCHEMA_VERSION,
        "profiles": list(comparison.names),
        "total": weigh(comparison.total),
        "differing": weigh(comparison.differing),
        "changes": [
            {"verdicts": [first.label, second.label], **weigh(weight)}
            for (first, second), weight in comparison.changes.items()
        ],
        "switches": [
            {
                "switch": switch.name,
                "values": [switch.before, switch.after],
                "alone": weigh(switch.alone),
            }
            for switch in comparison.switches
        ],
        "together": weigh(comparison.together),
        "pairs": {
            "distinct": comparison.distinct,
            "capped": comparison.capped,
            "top": [_pair(pair, weigh) for pair in comparison.pairs],
            "others": weigh(comparison.others),
        },
        "reader": reader_document(comparison.reader),
        "dns": dns_document(comparison.dns),
        "unjudged": unjudged_document(comparison.unjudged),
    }


def _pair(pair: ChangedPair, weigh: Weigher) -> dict[str, Any]:
    return {
        "src": pair.before.src,
        "dst": pair.before.dst,
        "protocol": pair.before.protocol,
        "port": pair.before.port,
        "judged": [
            judged_document(verdict, half)
            for verdict, half in zip(pair.verdicts, (pair.before, pair.after), strict=True)
        ],
        "switches": list(pair.switches),
        **weigh(pair.weight),
    }


def judged_document(verdict: Verdict, half: Pair) -> dict[str, Any]:
    """Return what one side said, and who decided it."""
    return {
        "verdict": verdict.label,
        "side": half.side.label,
        "reason": half.reason.label,
        "decided_by": [credit_document(credit) for credit in half.credits],
    }
