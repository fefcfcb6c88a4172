"""Takes a snapshot, says which of its pods, namespaces and nodes a selector selects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property

import msgspec

from netpol.kube.api.matching import selects
from netpol.kube.api.objects import Container, ContainerPort, LabelSelector, Pod
from netpol.kube.snapshot import NAME_LABEL, Snapshot
from netpol.kube.validation.policies import is_valid_selector
from netpol.model.switches import Switches

__all__ = [
    "PodGroup",
    "PortName",
    "PortNumber",
    "Selection",
    "pod_addresses",
    "pods_in_words",
    "readable",
    "some",
]

PortName = tuple[str, str]  # protocol, name
PortNumber = tuple[str, int]  # protocol, number


class PodGroup:
    """Pods of one namespace with equal labels, and the ports that they declare.

    Attributes
    ----------
    ports : the names declared, with their protocols; init containers as ``named_port_init`` says.
    numbers : what each name stands for; one name may stand for several numbers.
    declared : the numbers declared, with a name or without one.
    """

    __slots__ = ("declared", "labels", "namespace", "numbers", "pods", "ports")

    def __init__(self, namespace: str, labels: dict[str, str]) -> None:
        self.namespace = namespace
        self.labels = labels
        self.pods: list[Pod] = []
        self.ports: set[PortName] = set()
        self.numbers: dict[PortName, set[int]] = {}
        self.declared: set[PortNumber] = set()

    def add(self, pod: Pod, switches: Switches) -> None:
        """Take a pod with these labels."""
        self.pods.append(pod)
        for port in _declared(pod, switches):
            protocol = port.protocol or "TCP"
            self.declared.add((protocol, port.container_port))
            if port.name:
                self.ports.add((protocol, port.name))
                numbers = self.numbers.setdefault((protocol, port.name), set())
                numbers.add(port.container_port)

    @property
    def running(self) -> list[Pod]:
        """The pods that have not ended (A13.2)."""
        return [pod for pod in self.pods if not _ended(pod)]


class Selection:
    """What policies can select.

    Parameters
    ----------
    snapshot
        The cluster.
    switches
        ``named_port_init`` and ``missing_namespace`` matter here.
    host_network
        Whether hostNetwork pods can be selected (A12.1, B6.1). Those that cannot are only met in
        ``hosts_in``.
    """

    def __init__(self, snapshot: Snapshot, switches: Switches, *, host_network: bool) -> None:
        self._missing = switches.missing_namespace
        self._namespaces: Mapping[str, Mapping[str, str]] = {
            each.metadata.name: each.metadata.labels or {} for each in snapshot.namespaces
        }
        self._nodes = [node.metadata.labels or {} for node in snapshot.nodes]
        self._groups = _Groups(switches)
        self._hosts = _Groups(switches)
        self._everywhere: dict[tuple[bytes, bytes], list[PodGroup]] = {}
        self._matched: dict[bytes, set[str]] = {}
        for pod in snapshot.pods:
            host = not host_network and pod.spec is not None and pod.spec.host_network
            (self._hosts if host else self._groups).add(pod)
        self.ports = {port for each in self._groups.all() for port in each.ports}

    def groups(self) -> list[PodGroup]:
        """Return all pods that can be selected."""
        return list(self._groups.all())

    def in_namespace(self, namespace: str, pods: LabelSelector | None) -> list[PodGroup]:
        """Return the pods of one namespace that a selector selects."""
        return self._groups.selected(namespace, pods)

    def in_namespaces(
        self, namespaces: LabelSelector | None, pods: LabelSelector | None
    ) -> list[PodGroup]:
        """Return the pods that two selectors may select; None selects everything."""
        # Policies repeat their peers, and a cluster has many kinds of pod.
        key = msgspec.json.encode(namespaces), msgspec.json.encode(pods)
        if key not in self._everywhere:
            self._everywhere[key] = self._selected(self._groups, namespaces, pods)
        return self._everywhere[key]

    def hosts_in(self, namespace: str, pods: LabelSelector | None) -> list[PodGroup]:
        """Return the pods of one namespace that only hostNetwork keeps from being selected."""
        return self._hosts.selected(namespace, pods)

    def hosts_in_namespaces(
        self, namespaces: LabelSelector | None, pods: LabelSelector | None
    ) -> list[PodGroup]:
        """Return the pods that only hostNetwork keeps from being selected."""
        return self._selected(self._hosts, namespaces, pods)

    def any_namespace(self, selector: LabelSelector) -> bool:
        """Return whether a namespace may be selected, whatever stands in it."""
        return bool(self._matching(selector))

    def any_node(self, selector: LabelSelector) -> bool:
        """Return whether a node may be selected; without nodes in the snapshot nobody knows."""
        return not self._nodes or any(selects(selector, labels) for labels in self._nodes)

    @cached_property
    def namespaces(self) -> set[str]:
        """The names of all namespaces that are known, if only by their pods."""
        return {*self._namespaces, *self._groups.namespaces, *self._hosts.namespaces}

    def may_be(self, namespace: str, selector: LabelSelector) -> bool:
        """Return whether a namespace of this name may be selected."""
        labels = self._namespaces.get(namespace)
        if labels is not None:
            return selects(selector, dict(labels))
        if self._missing == "unknown-labels":
            selector = _on_name(selector)  # A3.8: all else may hold
        return selects(selector, {NAME_LABEL: namespace})

    def _selected(
        self, groups: _Groups, namespaces: LabelSelector | None, pods: LabelSelector | None
    ) -> list[PodGroup]:
        names = None if namespaces is None else self._matching(namespaces)
        return groups.everywhere(names, pods)

    def _matching(self, selector: LabelSelector) -> set[str]:
        """Return the names of the namespaces that may be selected."""
        key = msgspec.json.encode(selector)
        if key not in self._matched:
            self._matched[key] = {name for name in self.namespaces if self.may_be(name, selector)}
        return self._matched[key]


class _Groups:
    """Pods by namespace and labels, and what was asked of them before."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches
        self._groups: dict[str, dict[frozenset[tuple[str, str]], PodGroup]] = defaultdict(dict)
        # By one label: a selector with several is tried on those that have the rarest of them.
        self._labelled: dict[tuple[str, str], list[PodGroup]] = defaultdict(list)
        self._labelled_in: dict[tuple[str, str, str], list[PodGroup]] = defaultdict(list)
        self._answers: dict[tuple[str, bytes], list[PodGroup]] = {}

    def add(self, pod: Pod) -> None:
        namespace, labels = pod.metadata.namespace or "default", pod.metadata.labels or {}
        groups = self._groups[namespace]
        key = frozenset(labels.items())
        if key not in groups:
            group = groups[key] = PodGroup(namespace, labels)
            for label in labels.items():
                self._labelled[label].append(group)
                self._labelled_in[namespace, *label].append(group)
        groups[key].add(pod, self._switches)

    @property
    def namespaces(self) -> list[str]:
        return list(self._groups)

    def all(self) -> Iterator[PodGroup]:
        for groups in self._groups.values():
            yield from groups.values()

    def selected(self, namespace: str, pods: LabelSelector | None) -> list[PodGroup]:
        key = namespace, msgspec.json.encode(pods)
        if key not in self._answers:
            labels = pods.match_labels if pods is not None else None
            candidates: Collection[PodGroup]
            if labels:
                candidates = min(
                    (self._labelled_in.get((namespace, *each), []) for each in labels.items()),
                    key=len,
                )
            else:
                candidates = self._groups.get(namespace, {}).values()
            self._answers[key] = [group for group in candidates if selects(pods, group.labels)]
        return self._answers[key]

    def everywhere(self, names: set[str] | None, pods: LabelSelector | None) -> list[PodGroup]:
        """Return the pods that a selector selects, in namespaces of these names; None is all."""
        labels = pods.match_labels if pods is not None else None
        if labels:
            candidates = min((self._labelled.get(each, []) for each in labels.items()), key=len)
            return [
                group
                for group in candidates
                if (names is None or group.namespace in names) and selects(pods, group.labels)
            ]
        chosen = self._groups if names is None else [name for name in self._groups if name in names]
        return [group for name in chosen for group in self.selected(name, pods)]


def readable(*selectors: LabelSelector | None) -> bool:
    """Return whether selectors can be matched; those that cannot are reported elsewhere."""
    return all(each is None or is_valid_selector(each) for each in selectors)


def pods_in_words(groups: Sequence[PodGroup]) -> str:
    """Return ``pod shop/web`` or ``3 pods such as shop/web``."""
    pods = sum(len(group.pods) for group in groups)
    name = f"{groups[0].namespace}/{groups[0].pods[0].metadata.name}"
    return f"pod {name}" if pods == 1 else f"{pods} pods such as {name}"


def some(names: Sequence[str], most: int = 3) -> str:
    """Return the first few names and how many more there are."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def pod_addresses(pod: Pod) -> set[str]:
    """Return the addresses of a pod as text."""
    if pod.status is None:
        return set()
    return {each.ip for each in pod.status.pod_ips or ()} | {pod.status.pod_ip or ""} - {""}


def _ended(pod: Pod) -> bool:
    return pod.status is not None and pod.status.phase in ("Succeeded", "Failed")


def _on_name(selector: LabelSelector) -> LabelSelector:
    """Return what a selector demands of a namespace's name."""
    labels = {k: v for k, v in (selector.match_labels or {}).items() if k == NAME_LABEL}
    expressions = [each for each in selector.match_expressions or () if each.key == NAME_LABEL]
    return LabelSelector(match_labels=labels, match_expressions=expressions)


def _declared(pod: Pod, switches: Switches) -> Iterator[ContainerPort]:
    """Yield the ports a pod declares, init containers as ``named_port_init`` says (A8.5)."""
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
        yield from container.ports or ()
