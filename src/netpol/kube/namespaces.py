"""Takes where objects stand that name no namespace, or one nobody knows; gives what to say of it.

Such a policy is in the namespace of the request (A2.3), which ``-n`` says. Where that is a guess,
the policy may select nothing, and what it would deny comes out as allowed: so it is always said.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from netpol.errors import ConfigError, Location
from netpol.kube.findings import Finding
from netpol.kube.objects import Source
from netpol.likeness import suggestion

if TYPE_CHECKING:
    from netpol.kube.policies import PolicySet
    from netpol.kube.snapshot import Snapshot

__all__ = [
    "NAMESPACE_RULE",
    "Unplaced",
    "checked_namespace",
    "findings_beside",
    "is_namespace",
    "known_namespaces",
    "known_nodes",
    "unplaced_finding",
    "unplaced_text",
]

_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?").fullmatch

#: What a namespace's name must be (RFC 1123), as the API server demands.
NAMESPACE_RULE = (
    "must be at most 63 lower case letters, digits or '-', and begin and end with a letter or digit"
)

_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_SETS_NAMESPACE = re.compile(rb"^namespace:[ \t]*[\"']?([^\s\"'#]+)", re.MULTILINE)
_MOST_KUSTOMIZATION_BYTES = 1 << 20


def is_namespace(name: str) -> bool:
    """Say whether an API server would take a name for a namespace."""
    return _LABEL(name) is not None


def checked_namespace(name: str) -> str:
    """Give the name that a caller gave, if it is one; raise ``ConfigError`` else."""
    if not is_namespace(name):
        raise ConfigError(f"namespace {name!r}: {NAMESPACE_RULE}")
    return name


class Unplaced(NamedTuple):
    """Objects that name no namespace: the one they were taken to be in, and where they stand."""

    namespace: str
    sources: tuple[Source, ...] = ()


def unplaced_text(unplaced: Unplaced, one: str, many: str) -> str:
    """Say how many objects were taken to be in a namespace, and what most likely sets another."""
    number = len(unplaced.sources)
    verb = "names no namespace and was" if number == 1 else "name no namespace and were"
    text = (
        f"{number:,} {one if number == 1 else many} {verb} taken as being in {unplaced.namespace}"
    )
    kustomization = _kustomization(unplaced.sources)
    if kustomization is None:
        return text
    folder, file, sets = kustomization
    into = f"sets namespace {sets}" if sets else "or an overlay of it may set another"
    return (
        f"{text}, yet {file} {into}: judge what it renders, "
        f"kustomize build {folder} | netpol ... -p -"
    )


def _kustomization(sources: Iterable[Source]) -> tuple[str, str, str] | None:
    """Give the folder, the file and the namespace it sets, of the first kustomization there is."""
    for folder in dict.fromkeys(os.path.dirname(source.file) for source in sources):  # noqa: PTH120
        for name in _KUSTOMIZATIONS:
            path = Path(folder) / name
            try:
                with path.open("rb") as handle:
                    found = _SETS_NAMESPACE.search(handle.read(_MOST_KUSTOMIZATION_BYTES))
            except (OSError, ValueError):
                continue
            sets = found[1].decode(errors="replace") if found else ""
            return folder or ".", str(path), sets if is_namespace(sets) else ""
    return None


# --- policies beside a cluster ------------------------------------------------------------------


def known_namespaces(snapshot: Snapshot) -> set[str]:
    """Give every namespace that the objects of a cluster are, or stand in."""
    known = {item.metadata.name for item in snapshot.namespaces}
    for items in (snapshot.pods, snapshot.services, snapshot.endpoint_slices):
        known.update(item.metadata.namespace or "" for item in items)
    return known


def known_nodes(snapshot: Snapshot) -> set[str]:
    """Give every node of a cluster, or that its pods run on."""
    known = {item.metadata.name for item in snapshot.nodes}
    known.update(pod.spec.node_name for pod in snapshot.pods if pod.spec and pod.spec.node_name)
    return known


def findings_beside(policies: PolicySet, snapshot: Snapshot) -> list[Finding]:
    """Give the findings of a set of policies, those on namespaces as they are beside a cluster."""
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


def unplaced_finding(unplaced: Unplaced) -> Finding:
    """Give the finding on policies that name no namespace; ``unplaced`` has some."""
    first = unplaced.sources[0]
    return Finding(
        "info" if _kustomization(unplaced.sources) is None else "warning",
        "no-namespace",
        unplaced_text(unplaced, "policy", "policies"),
        Location(first.file, first.line),
    )
