"""Takes a ``ReplaySummary``, gives the JSON document of docs/output.md."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from netpol.model.verdict import Side, Verdict
from netpol.questions.replay.recorded import Recorded, RecordedPair
from netpol.questions.replay.replay import (
    Credit,
    DnsCounts,
    Pair,
    PairList,
    PolicyUse,
    ReaderCounts,
    ReplaySummary,
)
from netpol.report.json.document import written
from netpol.report.words.unjudged import unjudged_document
from netpol.report.words.wording import CAUSES, NOTES, REASONS, settled_by
from netpol.run.sums import Weight

__all__ = [
    "SCHEMA_VERSION",
    "Weigher",
    "credit_document",
    "dns_document",
    "document",
    "reader_document",
    "render",
]

#: Raised when a field changes its meaning or goes; new fields do not raise it.
SCHEMA_VERSION = 1


def render(summary: ReplaySummary) -> bytes:
    """Return the summary as indented JSON, ending in a newline."""
    return written(document(summary))


def document(summary: ReplaySummary) -> dict[str, Any]:
    """Return the summary as plain dicts, lists, strings and numbers (schema in docs/output.md)."""
    weigh = Weigher(packets=summary.has_packets, octets=summary.has_bytes)
    return {
        "schema_version": SCHEMA_VERSION,
        "total": weigh(summary.total),
        "verdicts": {
            verdict.label: {
                **weigh(weight),
                "sides": {s.label: weigh(w) for s, w in summary.by_side(verdict).items()},
                "reasons": list(_reasons(summary, verdict, weigh)),
            }
            for verdict, weight in summary.by_verdict().items()
        },
        "denied_pairs": _pairs(summary.denied, weigh),
        "unknown_pairs": _pairs(summary.unknown, weigh),
        "policies": [_policy(policy, weigh) for policy in summary.policies],
        "isolation": {
            "pods": summary.isolation.pods,
            "egress": list(summary.isolation.egress),
            "ingress": list(summary.isolation.ingress),
        },
        "notes": [
            {"note": note.labels[0], "meaning": NOTES[note], **weigh(weight)}
            for note, weight in summary.notes.items()
        ],
        "recorded": _recorded(summary.recorded, weigh),
        "reader": reader_document(summary.reader),
        "dns": dns_document(summary.dns),
        "profile": summary.profile,
        "switches": summary.switches,
        "unjudged": unjudged_document(summary.unjudged),
    }


class Weigher:
    """Gives a weight as a dict; what the log does not record at all is null, not 0."""

    def __init__(self, *, packets: bool, octets: bool) -> None:
        self._packets, self._bytes = packets, octets

    def __call__(self, weight: Weight) -> dict[str, int | None]:
        """Return flows, packets and bytes."""
        return {
            "flows": weight.flows,
            "packets": weight.packets if self._packets else None,
            "bytes": weight.bytes if self._bytes else None,
        }


def _reasons(summary: ReplaySummary, verdict: Verdict, weigh: Weigher) -> Iterable[dict[str, Any]]:
    for reason, weight in summary.by_reason(verdict).items():
        entry: dict[str, Any] = {"reason": reason.label, "meaning": REASONS[reason]}
        if verdict is Verdict.UNKNOWN:
            entry["settled_by"] = settled_by(reason, summary.source_nat)
        yield {**entry, **weigh(weight)}


def _pairs(pairs: PairList, weigh: Weigher) -> dict[str, Any]:
    return {
        "distinct": pairs.distinct,
        "capped": pairs.capped,
        "top": [_pair(pair, weigh) for pair in pairs.pairs],
        "others": weigh(pairs.others),
    }


def _pair(pair: Pair, weigh: Weigher) -> dict[str, Any]:
    return {
        "src": pair.src,
        "dst": pair.dst,
        "protocol": pair.protocol,
        "port": pair.port,
        "side": pair.side.label,
        "reason": pair.reason.label,
        "decided_by": [credit_document(credit) for credit in pair.credits],
        **weigh(pair.weight),
    }


def credit_document(credit: Credit) -> dict[str, Any]:
    """Return who decided."""
    return {
        "policy": credit.policy,
        "side": credit.side.label,
        "rule": credit.rule,
        "file": credit.file,
        "line": credit.line,
        "isolated_by": list(credit.isolating),
    }


def _policy(policy: PolicyUse, weigh: Weigher) -> dict[str, Any]:
    return {
        "policy": policy.label,
        "kind": policy.kind,
        "file": policy.file,
        "line": policy.line,
        "isolates": [
            side.label
            for side, isolates in (
                (Side.EGRESS, policy.isolates_egress),
                (Side.INGRESS, policy.isolates_ingress),
            )
            if isolates
        ],
        "denied": {
            "egress": weigh(policy.denied_egress),
            "ingress": weigh(policy.denied_ingress),
        },
        "rules": [
            {
                "side": rule.side.label,
                "rule": rule.index,
                "line": rule.line,
                "matched": weigh(rule.matched),
                "decided": weigh(rule.decided),
            }
            for rule in policy.rules
        ],
    }


def _recorded(recorded: Recorded | None, weigh: Weigher) -> dict[str, Any] | None:
    """Return how recorded verdicts agree with ours."""
    if recorded is None:
        return None
    return {
        "agreeing": weigh(recorded.agreeing),
        "differing": weigh(recorded.differing),
        "unknown": weigh(recorded.unknown),
        "absent": weigh(recorded.absent),
        "verdicts": [
            {"recorded": theirs.label, "verdict": ours.label, **weigh(weight)}
            for (theirs, ours), weight in recorded.table.items()
        ],
        "causes": [
            {
                "cause": cause.label,
                "meaning": CAUSES[cause],
                **weigh(weight),
                "verdicts": [
                    {"recorded": theirs.label, "verdict": ours.label, **weigh(part)}
                    for (other, theirs, ours), part in recorded.causes.items()
                    if other is cause
                ],
            }
            for cause, weight in recorded.by_cause().items()
        ],
        "profiles": [
            {"profile": name, **weigh(weight)} for name, weight in recorded.profiles.items()
        ],
        "untried": [{"profile": name, "why": why} for name, why in recorded.untried.items()],
        "undated": list(recorded.undated),
        "pairs": {
            "distinct": recorded.distinct,
            "capped": recorded.capped,
            "top": [_recorded_pair(pair, weigh) for pair in recorded.pairs],
            "others": weigh(recorded.others),
        },
    }


def _recorded_pair(pair: RecordedPair, weigh: Weigher) -> dict[str, Any]:
    return {
        "recorded": pair.recorded.label,
        "verdict": pair.ours.label,
        "cause": pair.cause.label,
        "profiles": list(pair.profiles),
        "newer": [{"policy": item.policy, "time": item.time} for item in pair.newer],
        "first_seen": pair.first_seen,
        "last_seen": pair.last_seen,
        **_pair(pair.pair, weigh),
    }


def dns_document(dns: DnsCounts | None) -> dict[str, Any] | None:
    """Return what the DNS logs held."""
    if dns is None:
        return None
    return {
        "records": dns.reader.records,
        "lines": dns.reader.lines,
        "bytes_read": dns.reader.bytes_read,
        "names": dns.names,
        "answers": dns.answers,
        "unanswered": dns.unanswered,
        **_skipped(dns.reader),
    }


def reader_document(reader: ReaderCounts) -> dict[str, Any]:
    """Return what reading the flow logs counted."""
    return {
        "records": reader.records,
        "lines": reader.lines,
        "bytes_read": reader.bytes_read,
        "repaired": reader.repaired,
        "duplicates": reader.duplicates,
        "suspected_reversed": reader.suspected_reversed,
        "lost": [
            {"cause": lost.first.cause, "number": lost.number}
            | {"file": lost.first.file, "line": lost.first.line, "text": lost.first.text}
            for lost in reader.lost
        ],
        "evicted": reader.evicted,
        "expectations": reader.expectations,
        "zoned": reader.zoned,
        "linked": reader.linked,
        "zones_unlinked": reader.zones_unlinked,
        "hops_missing": reader.hops_missing,
        "empty": list(reader.empty),
        **_skipped(reader),
    }


def _skipped(reader: ReaderCounts) -> dict[str, Any]:
    return {
        "skipped": reader.skipped,
        "samples": [
            {"file": s.file, "line": s.line, "cause": s.cause, "text": s.text}
            for s in reader.samples
        ],
    }
