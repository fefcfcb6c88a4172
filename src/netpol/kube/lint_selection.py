"""Takes a snapshot, says which of its pods, namespaces and nodes a selector selects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import msgspec

from netpol.kube.findings import Remark
from netpol.kube.matching import selects
from netpol.kube.objects import Container, LabelSelector, Pod
from netpol.kube.snapshot import NAME_LABEL, Snapshot
from netpol.kube.validate import is_valid_selector
from netpol.switches import Switches

__all__ = ["PodGroup", "PortName", "Selection", "no_match", "unmatched_pods"]

PortName = tuple[str, str]  # protocol, name


class PodGroup:
    """Pods of one namespace with equal labels: the labels, and the port names they declare."""

    def __init__(self, labels: dict[str, str]) -> None:
        self.labels = labels
        self.ports: set[PortName] = set()


class Selection:
    """What policies can select.

    Parameters
    ----------
    snapshot
        The cluster.
    switches
        ``named_port_init`` and ``missing_namespace`` matter here.
    host_network
        Whether hostNetwork pods can be selected (A12.1, B6.1).
    """

    def __init__(self, snapshot: Snapshot, switches: Switches, *, host_network: bool) -> None:
        self._missing = switches.missing_namespace
        self._namespaces = {
            each.metadata.name: each.metadata.labels or {} for each in snapshot.namespaces
        }
        self._nodes = [node.metadata.labels or {} for node in snapshot.nodes]
        self._groups: dict[str, dict[frozenset[tuple[str, str]], PodGroup]] = defaultdict(dict)
        self._answers: dict[tuple[bytes, bytes], list[PodGroup]] = {}
        for pod in snapshot.pods:
            if not host_network and pod.spec is not None and pod.spec.host_network:
                continue
            labels = pod.metadata.labels or {}
            groups = self._groups[pod.metadata.namespace or "default"]
            group = groups.setdefault(frozenset(labels.items()), PodGroup(labels))
            group.ports.update(_declared(pod, switches))
        self.ports = {
            port
            for groups in self._groups.values()
            for each in groups.values()
            for port in each.ports
        }

    def in_namespace(self, namespace: str, pods: LabelSelector | None) -> list[PodGroup]:
        """Give the pods of one namespace that a selector selects."""
        groups = self._groups.get(namespace, {}).values()
        return [group for group in groups if selects(pods, group.labels)]

    def in_namespaces(
        self, namespaces: LabelSelector | None, pods: LabelSelector | None
    ) -> list[PodGroup]:
        """Give the pods that two selectors may select; None selects everything."""
        # Policies repeat their peers, and a cluster has many kinds of pod.
        key = msgspec.json.encode(namespaces), msgspec.json.encode(pods)
        if key not in self._answers:
            self._answers[key] = [
                group
                for name in self._groups
                if namespaces is None or self._may_be(name, namespaces)
                for group in self.in_namespace(name, pods)
            ]
        return self._answers[key]

    def any_namespace(self, selector: LabelSelector) -> bool:
        """Say whether a namespace may be selected, whatever stands in it."""
        return any(self._may_be(name, selector) for name in {*self._namespaces, *self._groups})

    def any_node(self, selector: LabelSelector) -> bool:
        """Say whether a node may be selected; without nodes in the snapshot nobody knows."""
        return not self._nodes or any(selects(selector, labels) for labels in self._nodes)

    def _may_be(self, namespace: str, selector: LabelSelector) -> bool:
        labels = self._namespaces.get(namespace)
        if labels is not None:
            return selects(selector, labels)
        if self._missing == "unknown-labels":
            selector = _on_name(selector)  # A3.8: all else may hold
        return selects(selector, {NAME_LABEL: namespace})


def _on_name(selector: LabelSelector) -> LabelSelector:
    """Give what a selector demands of a namespace's name."""
    labels = {k: v for k, v in (selector.match_labels or {}).items() if k == NAME_LABEL}
    expressions = [each for each in selector.match_expressions or () if each.key == NAME_LABEL]
    return LabelSelector(match_labels=labels, match_expressions=expressions)


def _declared(pod: Pod, switches: Switches) -> Iterator[PortName]:
    """Give the port names a pod declares, init containers as ``named_port_init`` says (A8.5)."""
    if pod.spec is None:
        return
    containers: list[Container] = list(pod.spec.containers or ())
    for container in pod.spec.init_containers or ():
        sidecar = container.restart_policy == "Always"
        if switches.named_port_init == "all-init" or (
            switches.named_port_init == "sidecars" and sidecar
        ):
            containers.append(container)
    for container in containers:
        for port in container.ports or ():
            if port.name:
                yield port.protocol or "TCP", port.name


def unmatched_pods(
    selection: Selection,
    path: str,
    namespaces: tuple[str, LabelSelector] | None,
    pods: LabelSelector | None,
) -> Iterator[Remark]:
    """Find a peer that selects no pod of the cluster; the namespaces' selector has its path.

    Selectors that cannot be read are reported elsewhere.
    """
    given = [each for each in (namespaces and namespaces[1], pods) if each is not None]
    if not all(is_valid_selector(each) for each in given):
        return
    if selection.in_namespaces(namespaces and namespaces[1], pods):
        return
    if namespaces is not None and not selection.any_namespace(namespaces[1]):
        yield no_match(namespaces[0], "namespace")
    else:
        yield no_match(path, "pod")


def no_match(path: str, what: str, where: str = "the cluster") -> Remark:
    """Give the remark on a peer whose selector nothing in the snapshot matches."""
    return Remark("peer-matches-nothing", path, f"matches no {what} of {where}")
