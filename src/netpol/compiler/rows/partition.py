"""Takes pods and a program, gives pod groups: pods no policy can tell apart but for their address.

A group is one (namespace, labels, meaning of the port names in use, hostNetwork). 100 k pods have a
few thousand groups, and everything after this works on groups (design: partition over label sets,
not pods).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from netpol.compiler.addresses.identities import NAMESPACE_NAME_LABEL, Identities, PodIdentity
from netpol.compiler.shared.portclasses import NamedPorts
from netpol.compiler.shared.selection import LabelSets, TriVector
from netpol.model.switches import Switches
from netpol.policy.program import PodPeer, PodSubject, Selector

__all__ = ["PodGroups"]


class PodGroups:
    """The groups of a snapshot's pods.

    Attributes
    ----------
    of_pod : int32[pods], the group of each pod; -1 for pods that are only their node (A12.1).
    ports : per group, what the port names in use mean there.
    namespace : int32[G], index into ``namespace_names``.
    """

    def __init__(self, identities: Identities, names: frozenset[str], switches: Switches) -> None:
        self.of_pod = np.full(len(identities.pods), -1, np.int32)
        self.ports: list[NamedPorts] = []
        self.namespace_names: list[str] = []
        label_sets: list[dict[str, str]] = []
        label_ids: dict[frozenset[tuple[str, str]], int] = {}
        group_ids: dict[tuple[int, int, NamedPorts, bool], int] = {}
        namespace_ids: dict[str, int] = {}
        for pod in identities.pods:
            if pod.as_node:
                continue
            items = frozenset(pod.labels.items())
            labels = label_ids.get(items)
            if labels is None:
                labels = label_ids[items] = len(label_sets)
                label_sets.append(dict(pod.labels))
            namespace = namespace_ids.setdefault(pod.namespace, len(namespace_ids))
            key = (namespace, labels, _restrict(pod, names), pod.host_network)
            self.of_pod[pod.index] = group_ids.setdefault(key, len(group_ids))
        self.namespace_names = list(namespace_ids)
        self._namespace_ids = namespace_ids
        keys = list(group_ids)
        self.namespace = np.array([key[0] for key in keys], np.int32)
        self._labels = np.array([key[1] for key in keys], np.int32)
        self.ports = [key[2] for key in keys]
        self._hosts = np.array([key[3] for key in keys], bool)
        self._pods = LabelSets(label_sets)
        self._namespaces = _namespace_sets(self.namespace_names, identities, switches)
        self._by_namespace = _members(self.namespace, len(namespace_ids))
        self._pod_memo: dict[Selector, TriVector] = {}
        self._namespace_memo: dict[Selector, TriVector] = {}
        self._across_memo: dict[Selector, npt.NDArray[np.int64]] = {}

    def __len__(self) -> int:
        return len(self.ports)

    def subjects(self, subject: PodSubject) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
        """Return groups that a policy selects or may, and YES or MAYBE for each (A5.7, B1.2)."""
        members = self._members_of(subject.namespace)
        values = self._match_pods(subject.pods)[self._labels[members]]
        return self._matched(members, values, subject.namespaces, subject.hosts)

    def peers(self, peer: PodPeer) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
        """Return groups that a peer matches or may match, and YES or MAYBE for each (A5, C4)."""
        if peer.namespaces is None:
            members = self._members_of(peer.namespace)
        else:
            members = self._members_of_all(peer.namespaces)
        values = self._match_pods(peer.pods)[self._labels[members]]
        return self._matched(members, values, peer.namespaces, peer.hosts)

    def _matched(
        self,
        members: npt.NDArray[np.int64],
        values: npt.NDArray[np.uint8],
        namespaces: Selector | None,
        hosts: bool,
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
        if namespaces is not None:
            wide = self._match_namespaces(namespaces)[self.namespace[members]]
            values = np.minimum(values, wide)
        if not hosts:
            values = np.where(self._hosts[members], np.uint8(0), values)
        chosen = np.flatnonzero(values)
        return members[chosen], values[chosen]

    def _members_of(self, namespace: str | None) -> npt.NDArray[np.int64]:
        if namespace is None:
            return np.arange(len(self))
        index = self._namespace_ids.get(namespace)
        if index is None:
            return np.empty(0, np.int64)
        return self._by_namespace[index]

    def _members_of_all(self, namespaces: Selector) -> npt.NDArray[np.int64]:
        """Return the groups of every namespace that may match; most selectors match few."""
        found = self._across_memo.get(namespaces)
        if found is None:
            numbers = np.flatnonzero(self._match_namespaces(namespaces)).tolist()
            parts = [self._by_namespace[number] for number in numbers]
            found = np.sort(np.concatenate(parts)) if parts else np.empty(0, np.int64)
            self._across_memo[namespaces] = found
        return found

    def _match_pods(self, selector: Selector) -> TriVector:
        found = self._pod_memo.get(selector)
        if found is None:
            found = self._pod_memo[selector] = self._pods.match(selector)
        return found

    def _match_namespaces(self, selector: Selector) -> TriVector:
        found = self._namespace_memo.get(selector)
        if found is None:
            found = self._namespace_memo[selector] = self._namespaces.match(selector)
        return found


def _restrict(pod: PodIdentity, names: frozenset[str]) -> NamedPorts:
    """Only names that some policy uses can tell pods apart."""
    if not pod.ports or not names:
        return frozenset()
    return frozenset(item for item in pod.ports if item[0] in names)


def _namespace_sets(names: Sequence[str], identities: Identities, switches: Switches) -> LabelSets:
    """Return label sets; a namespace the snapshot lacks has one known label, its name (A3.8)."""
    known = identities.namespaces
    unknown_matters = switches.missing_namespace == "unknown-labels"
    return LabelSets(
        [known.get(name) or {NAMESPACE_NAME_LABEL: name} for name in names],
        [unknown_matters and name not in known for name in names],
    )


def _members(values: npt.NDArray[np.int32], count: int) -> list[npt.NDArray[np.int64]]:
    order = np.argsort(values, kind="stable")
    edges = np.searchsorted(values[order], np.arange(count + 1))
    return [np.sort(order[edges[i] : edges[i + 1]]) for i in range(count)]
