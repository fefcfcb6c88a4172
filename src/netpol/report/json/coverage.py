"""Takes a ``Coverage``, gives the JSON document of docs/output.md."""

from __future__ import annotations

from typing import Any

from netpol.questions.coverage.coverage import (
    Coverage,
    Evidence,
    NeverHit,
    PodCoverage,
    PolicyCoverage,
    RuleCoverage,
    SideCoverage,
)
from netpol.questions.coverage.hits import Hits
from netpol.report.json.document import written
from netpol.report.json.replay import SCHEMA_VERSION, dns_document, reader_document
from netpol.report.words.unjudged import unjudged_document
from netpol.report.words.wording import moment

__all__ = ["document", "render"]


def render(coverage: Coverage) -> bytes:
    """Return the coverage as indented JSON, ending in a newline."""
    return written(document(coverage))


def document(coverage: Coverage) -> dict[str, Any]:
    """Return the coverage as plain dicts, lists, strings and numbers."""
    return {
        "schema_version": SCHEMA_VERSION,
        "evidence": _evidence(coverage.evidence),
        "never_hit": [_never(item) for item in coverage.never_hit],
        "never_hit_elements": [_never(item) for item in coverage.never_hit_elements],
        "policies": [_policy(policy) for policy in coverage.policies],
        "pods": [_pod(pod) for pod in coverage.pods],
        "pods_never_seen": [pod.label for pod in coverage.pods_never_seen],
        "profile": coverage.profile,
        "switches": coverage.switches,
        "unjudged": unjudged_document(coverage.unjudged),
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    return {
        "flows": evidence.flows,
        "verdicts": {verdict.label: flows for verdict, flows in evidence.verdicts.items()},
        "first": _time(evidence.first),
        "last": _time(evidence.last),
        "several_readings": evidence.several,
        "reader": reader_document(evidence.reader),
        "dns": dns_document(evidence.dns),
    }


def _never(item: NeverHit) -> dict[str, Any]:
    element = item.element
    return {
        "policy": item.policy.label,
        "side": item.rule.side.label,
        "rule": item.rule.index,
        "element": element.field if element else None,
        "text": element.text if element else None,
        "file": item.policy.file,
        "line": item.line,
    }


def _policy(policy: PolicyCoverage) -> dict[str, Any]:
    return {
        "policy": policy.label,
        "kind": policy.kind,
        "tier": policy.tier.label,
        "file": policy.file,
        "line": policy.line,
        "egress": _side(policy.egress),
        "ingress": _side(policy.ingress),
        "rules": [_rule(rule) for rule in policy.rules],
    }


def _side(side: SideCoverage) -> dict[str, Any]:
    return {"isolates": side.isolates, "denied": side.denied, **_hits(side.hits)}


def _rule(rule: RuleCoverage) -> dict[str, Any]:
    return {
        "side": rule.side.label,
        "rule": rule.index,
        "action": rule.action,
        "line": rule.line,
        **_hits(rule.hits),
        "elements": [
            {
                "kind": element.kind,
                "field": element.field,
                "text": element.text,
                "line": element.line,
                **_hits(element.hits),
            }
            for element in rule.elements
        ]
        if rule.split
        else None,
    }


def _hits(hits: Hits) -> dict[str, Any]:
    return {
        "flows": hits.flows,
        "possible": hits.possible,
        "other_reading": hits.other_reading,
        "sole_reason": hits.sole,
        "first": _time(hits.first),
        "last": _time(hits.last),
    }


def _pod(pod: PodCoverage) -> dict[str, Any]:
    return {
        "pod": pod.label,
        "isolated": {"egress": pod.isolated_egress, "ingress": pod.isolated_ingress},
        "opened": pod.opened,
        "served": pod.served,
    }


def _time(time: int | None) -> str | None:
    return None if time is None else moment(time)
