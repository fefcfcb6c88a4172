"""Takes policies and a cluster, gives findings on namespaces that it lacks or that have no pods."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from netpol.kube.api.objects import Source
from netpol.kube.policies import PolicySet
from netpol.kube.read.findings import Finding
from netpol.kube.snapshot import Snapshot
from netpol.kube.validation.namespaces import Unplaced
from netpol.model.errors import Location
from netpol.model.likeness import suggestion

__all__ = ["findings_beside", "known_namespaces", "known_nodes"]


def known_namespaces(snapshot: Snapshot) -> set[str]:
    """Return every namespace that the objects of a cluster are, or stand in."""
    known = {item.metadata.name for item in snapshot.namespaces}
    for items in (snapshot.pods, snapshot.services, snapshot.endpoint_slices):
        known.update(item.metadata.namespace or "" for item in items)
    return known


def known_nodes(snapshot: Snapshot) -> set[str]:
    """Return every node of a cluster, or that its pods run on."""
    known = {item.metadata.name for item in snapshot.nodes}
    known.update(pod.spec.node_name for pod in snapshot.pods if pod.spec and pod.spec.node_name)
    return known


def findings_beside(policies: PolicySet, snapshot: Snapshot) -> list[Finding]:
    """Return findings of a set of policies, those on namespaces as they are beside a cluster."""
    pods = {pod.metadata.namespace for pod in snapshot.pods}
    found = [
        _without_pods(each, policies.unplaced)
        if each.code == "no-namespace" and policies.unplaced.namespace not in pods
        else each
        for each in policies.findings
    ]
    return [*found, *_unknown(policies, known_namespaces(snapshot))]


def _without_pods(finding: Finding, unplaced: Unplaced) -> Finding:
    """Say it louder: nothing there can be selected."""
    several = len(unplaced.sources) != 1
    they = "they select nothing and deny nothing" if several else "it selects and denies nothing"
    return finding._replace(
        severity="warning",
        message=f"{finding.message}; {unplaced.namespace} has no pods in the snapshot, so {they}: "
        "say where with -n, or in metadata.namespace",
    )


def _unknown(policies: PolicySet, known: set[str]) -> Iterator[Finding]:
    """Find namespaces that policies name and the cluster lacks, one finding for each."""
    unplaced = {(each.file, each.line) for each in policies.unplaced.sources}
    firsts: dict[str, Source] = {}
    numbers: Counter[str] = Counter()
    for each in policies.policies:
        namespace = each.policy.metadata.namespace or ""
        if namespace in known or (each.source.file, each.source.line) in unplaced:
            continue
        firsts.setdefault(namespace, each.source)
        numbers[namespace] += 1
    for namespace, number in numbers.items():
        source = firsts[namespace]
        what = "1 policy is" if number == 1 else f"{number:,} policies are"
        yield Finding(
            "warning",
            "unknown-namespace",
            f"{what} in namespace {namespace}, which is not in the snapshot"
            f"{suggestion(namespace, known)}",
            Location(source.file, source.line_of("metadata.namespace")),
        )
