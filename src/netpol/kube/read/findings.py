"""One thing a person should know about an input that is taken all the same, and its place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from netpol.kube.api.kinds import CLUSTER_POLICY_KINDS
from netpol.kube.api.objects import Source
from netpol.model.errors import Location

__all__ = [
    "Finding",
    "Remark",
    "cluster_policy_label",
    "in_order",
    "placed",
    "policy_label",
    "policy_title",
]

Severity = Literal["error", "warning", "info"]

_CLUSTER_KINDS = frozenset(kind for _, kind in CLUSTER_POLICY_KINDS)


class Finding(NamedTuple):
    """An error, a warning or a note. ``code`` is stable, lower case joined by hyphens.

    An ``error`` is what an API server stores although it certainly does not do what is written.
    """

    severity: Severity
    code: str
    message: str
    location: Location
    policy: str | None = None  # "namespace/name", or "Kind/name" for cluster-scoped kinds

    def __str__(self) -> str:
        """Return ``file:line: field: message`` with the policy it is about."""
        return f"{self.location}: {self.text}" if str(self.location) else self.text

    @property
    def text(self) -> str:
        """The message with the policy it is about."""
        return f"{policy_title(self.policy)}: {self.message}" if self.policy else self.message


class Remark(NamedTuple):
    """A finding on a policy, not yet placed: ``field`` is a dotted path inside it."""

    code: str
    field: str
    message: str
    severity: Severity = "warning"


def placed(remark: Remark, source: Source, label: str) -> Finding:
    """Return the finding for a remark on the policy read at ``source``."""
    line = source.line_of(remark.field)
    place = Location(source.file, line, remark.field or None)
    return Finding(remark.severity, remark.code, remark.message, place, label)


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings ordered by file, line, code and field; those without a file first."""
    return sorted(findings, key=_order)


def _order(finding: Finding) -> tuple[str, int, str, str]:
    place = finding.location
    return place.file or "", place.line or 0, finding.code, place.field or ""


def policy_label(namespace: str | None, name: str) -> str:
    """Return ``namespace/name`` as every output spells it."""
    return f"{namespace or 'default'}/{name}"


def cluster_policy_label(kind: str, name: str) -> str:
    """Return ``Kind/name``, the label of a cluster-scoped policy."""
    return f"{kind}/{name}"


def policy_title(label: str) -> str:
    """Return the label of a policy with its kind."""
    kind, _, _ = label.partition("/")
    return label if kind in _CLUSTER_KINDS else f"NetworkPolicy {label}"
