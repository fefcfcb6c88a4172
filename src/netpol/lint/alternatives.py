"""Takes neighbouring elements of one ``from`` or ``to``, finds those that were meant as one.

``- namespaceSelector`` and ``- podSelector`` as two elements are alternatives (A5.4); with one dash
less, both must hold. Without a cluster nobody can tell what was meant, so that is a note, save
where the pods' selector names the cluster's DNS. Beside a cluster it is a warning where the
podSelector only makes sense in the other element's namespaces, and nothing where it only does in
its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from netpol.kube.api.objects import LabelSelector
from netpol.kube.read.findings import Remark, Severity
from netpol.lint.selection import Selection
from netpol.lint.views import PeerView, RuleView

__all__ = ["DNS_LABELS", "alternatives"]

#: What the pods of a cluster's DNS are labelled with, wherever they run.
DNS_LABELS = frozenset(
    (
        ("k8s-app", "kube-dns"),
        ("k8s-app", "coredns"),
        ("dns.operator.openshift.io/daemonset-dns", "default"),
    )
)


def alternatives(
    rules: Sequence[RuleView], namespace: str, selection: Selection | None = None
) -> Iterator[tuple[Remark, str]]:
    """Find such neighbours in the rules of a policy, ``selection`` being the cluster's if known.

    The path of the podSelector is given, too: that it matches nothing by itself is no second fault.
    """
    for rule in rules:
        for first, second in pairwise(rule.peers):
            pair = _pair(first, second)
            if pair is not None:
                severity = _severity(*pair, namespace, selection)
                if severity is not None:
                    remark = _remark(second.path, *pair, namespace, severity)
                    yield remark, f"{pair[1].path}.podSelector"


def _pair(first: PeerView, second: PeerView) -> tuple[PeerView, PeerView] | None:
    """Return the element with the namespaces and that with the pods, if that is what they are."""
    for namespaces, pods in ((first, second), (second, first)):
        if (
            namespaces.namespaces is not None
            and namespaces.pods is None
            and not _is_empty(namespaces.namespaces)
            and pods.namespaces is None
            and pods.pods is not None
            and not _is_empty(pods.pods)
        ):
            return namespaces, pods
    return None


def _severity(
    namespaces: PeerView, pods: PeerView, namespace: str, selection: Selection | None
) -> Severity | None:
    if selection is None:
        labels = (pods.pods.match_labels or {}).items() if pods.pods is not None else ()
        return "warning" if DNS_LABELS & set(labels) and namespace != "kube-system" else "info"
    here = selection.in_namespace(namespace, pods.pods)
    there = selection.in_namespaces(namespaces.namespaces, pods.pods)
    if not there:
        return None  # Where it matches nothing here either, that is said elsewhere.
    return "info" if here else "warning"


def _remark(
    path: str, namespaces: PeerView, pods: PeerView, namespace: str, severity: Severity
) -> Remark:
    return Remark(
        "or-not-and",
        path,
        f"this element and the one before it are alternatives: every pod of the namespaces of "
        f"{_short(namespaces.path)}, or the pods of {_short(pods.path)} in namespace {namespace}. "
        "If only these pods in those namespaces are meant, write both selectors in one element",
        severity,
    )


def _short(path: str) -> str:
    """Return ``from[1]`` of ``spec.ingress[0].from[1]``."""
    return path.rpartition(".")[2]


def _is_empty(selector: LabelSelector) -> bool:
    return not selector.match_labels and not selector.match_expressions
