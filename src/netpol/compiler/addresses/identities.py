"""Takes a snapshot, gives who owns which address and when (specification.md C2, A11-A14; R1-R5).

Addresses are plain integers of 128 bits, IPv4 mapped (``::ffff:a.b.c.d``), so that one dictionary
serves both families.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from netpol.compiler.shared.portclasses import NamedPorts
from netpol.kube.api.objects import Container, Node, Pod
from netpol.kube.api.times import parse_time
from netpol.kube.api.workloads import workload_of
from netpol.kube.snapshot import Snapshot
from netpol.model.switches import Switches

__all__ = [
    "BEGINNING",
    "END",
    "NAMESPACE_NAME_LABEL",
    "V4_MAPPED",
    "Identities",
    "PodIdentity",
    "family_of",
    "parse_address",
]

V4_MAPPED = 0xFFFF << 32
BEGINNING = -(1 << 63)
END = (1 << 63) - 1
NAMESPACE_NAME_LABEL = "kubernetes.io/metadata.name"
_PROTOCOLS = {"TCP": 6, "UDP": 17, "SCTP": 132}
_NO_NAMES: NamedPorts = frozenset()


@lru_cache(maxsize=1 << 18)  # a pod's address stands in podIP, podIPs and its EndpointSlices
def parse_address(text: str) -> int | None:
    """Return the 128-bit form of an address, or None if the text is not one."""
    text = text.partition("%")[0]
    try:
        if ":" not in text:
            return V4_MAPPED | int.from_bytes(socket.inet_pton(socket.AF_INET, text))
        return int.from_bytes(socket.inet_pton(socket.AF_INET6, text))
    except OSError:
        pass
    try:
        # Leading zeros that older API servers accepted (A1.9) read as decimal.
        octets = [str(int(part)) for part in text.split(".")]
        return V4_MAPPED | int(ipaddress.IPv4Address(".".join(octets)))
    except ValueError:
        return None


def family_of(address: int) -> int:
    """Return 4 or 6."""
    return 4 if address >> 32 == 0xFFFF else 6


@dataclass(frozen=True, slots=True)
class PodIdentity:
    """A pod as policies and addresses see it. Times are ns since the epoch: [start, end)."""

    index: int
    namespace: str
    name: str
    labels: Mapping[str, str]
    node: int  # index into Identities.nodes, -1 if the pod has no node name
    host_network: bool
    as_node: bool  # a hostNetwork pod under host_network=node (A12.1)
    addresses: tuple[int, ...]
    start: int
    end: int
    terminal: bool
    ports: NamedPorts
    workload: str

    @property
    def label(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"

    def alive(self, time: int | None) -> bool:
        """Return whether the pod owns its addresses at a time; None is "not recorded" (A13.4)."""
        if time is None:
            return not self.terminal
        return self.start <= time < self.end


@dataclass
class Identities:
    """Pods, nodes and the addresses they own."""

    pods: list[PodIdentity] = field(default_factory=list)
    nodes: list[str] = field(default_factory=list)
    pods_at: dict[int, list[int]] = field(default_factory=dict)  # address -> pod indexes, C2 order
    nodes_at: dict[int, list[int]] = field(default_factory=dict)  # address -> node indexes by name
    namespaces: dict[str, Mapping[str, str]] = field(default_factory=dict)  # known ones only
    newest: int = BEGINNING  # latest time any object names (A13.7)

    @cached_property
    def located_nodes(self) -> frozenset[int]:
        """Indexes of nodes at least one address of which is known (A11.4)."""
        return frozenset(node for owners in self.nodes_at.values() for node in owners)

    @cached_property
    def _node_indexes(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.nodes)}

    def node_index(self, name: str) -> int:
        """Return the index of a node, -1 if nothing else names it."""
        return self._node_indexes.get(name, -1)

    @classmethod
    def of(cls, snapshot: Snapshot, switches: Switches) -> Identities:
        """Read a snapshot."""
        self = cls()
        indexes: dict[str, int] = {}
        names = {node.metadata.name for node in snapshot.nodes}
        names.update(pod.spec.node_name for pod in snapshot.pods if pod.spec and pod.spec.node_name)
        names.update(name for name, _ in switches.node_addresses)
        for name in sorted(names):
            indexes[name] = len(self.nodes)
            self.nodes.append(name)
        for namespace in snapshot.namespaces:
            name = namespace.metadata.name
            self.namespaces[name] = {
                **(namespace.metadata.labels or {}),
                NAMESPACE_NAME_LABEL: name,  # A2.4
            }
        others = (
            snapshot.namespaces, snapshot.nodes, snapshot.services, snapshot.endpoint_slices,
        )  # fmt: skip
        for group in others:
            for item in group:
                created = parse_time(item.metadata.creation_timestamp)
                self.newest = max(self.newest, BEGINNING if created is None else created)
        pods = sorted(
            snapshot.pods, key=lambda pod: (pod.metadata.namespace or "default", pod.metadata.name)
        )
        newest = {self.newest}
        for index, pod in enumerate(pods):
            identity = _identity(index, pod, indexes, switches)
            self.pods.append(identity)
            newest.update(_times(pod))
            if not identity.as_node:
                for address in identity.addresses:
                    self.pods_at.setdefault(address, []).append(index)
        self.newest = max(newest)
        owned = dict.fromkeys(  # most pods say again what their node's address is
            [
                *_node_addresses(snapshot.nodes, indexes),
                *_host_addresses(pods, self.pods, indexes),
                *(
                    (indexes[name], parse_address(address))
                    for name, address in switches.node_addresses
                ),
            ]
        )
        for node, held in owned:
            if held is not None:
                owners = self.nodes_at.setdefault(held, [])
                if node not in owners:
                    owners.append(node)
                    owners.sort()
        return self


def _identity(index: int, pod: Pod, nodes: Mapping[str, int], switches: Switches) -> PodIdentity:
    spec, status = pod.spec, pod.status
    terminal = bool(status and status.phase in ("Succeeded", "Failed"))
    host_network = bool(spec and spec.host_network)
    start, end = _lifetime(pod, terminal)
    namespace = pod.metadata.namespace or "default"  # A2.3
    return PodIdentity(
        index=index,
        namespace=namespace,
        name=pod.metadata.name,
        labels=pod.metadata.labels or {},
        node=nodes[spec.node_name] if spec and spec.node_name else -1,
        host_network=host_network,
        as_node=host_network and switches.host_network == "node",
        addresses=_pod_addresses(pod),
        start=start,
        end=end,
        terminal=terminal,
        ports=_named_ports(pod, switches),
        workload=f"{namespace}/{workload_of(pod)}",
    )


def _pod_addresses(pod: Pod) -> tuple[int, ...]:
    """Addresses come from podIPs, else podIP (A13.6)."""
    if pod.status is None:
        return ()
    texts = [item.ip for item in pod.status.pod_ips or ()]
    if not texts and pod.status.pod_ip:
        texts = [pod.status.pod_ip]
    found = (parse_address(text) for text in texts if text)
    return tuple(dict.fromkeys(address for address in found if address is not None))


def _named_ports(pod: Pod, switches: Switches) -> NamedPorts:
    """Names of containers and sidecars; repeated names add up (A8.4, A8.5)."""
    if pod.spec is None:
        return _NO_NAMES
    containers: list[Container] = list(pod.spec.containers or ())
    for container in pod.spec.init_containers or ():
        sidecar = container.restart_policy == "Always"
        if switches.named_port_init == "all-init" or (
            switches.named_port_init == "sidecars" and sidecar
        ):
            containers.append(container)
    found = {
        (port.name, _PROTOCOLS.get(port.protocol or "TCP", -1), port.container_port)  # A2.5
        for container in containers
        for port in container.ports or ()
        if port.name
    }
    return frozenset(found) if found else _NO_NAMES


def _lifetime(pod: Pod, terminal: bool) -> tuple[int, int]:
    """[start, end) of address ownership when flows carry times (A13.4, R4)."""
    start = parse_time(pod.status.start_time if pod.status else None)
    if start is None:
        start = parse_time(pod.metadata.creation_timestamp)
    if start is None:
        start = BEGINNING
    if not terminal:
        return start, END
    finished = list(_finish_times(pod))
    return start, max(finished) if finished else start


def _finish_times(pod: Pod) -> Iterator[int]:
    for status in (pod.status.container_statuses if pod.status else None) or ():
        ended = status.state.terminated if status.state else None
        time = parse_time(ended.finished_at) if ended else None
        if time is not None:
            yield time


def _times(pod: Pod) -> Iterator[int]:
    texts = (pod.metadata.creation_timestamp, pod.status.start_time if pod.status else None)
    for text in texts:
        time = parse_time(text)
        if time is not None:
            yield time
    yield from _finish_times(pod)


def _node_addresses(
    nodes: tuple[Node, ...], indexes: Mapping[str, int]
) -> Iterator[tuple[int, int | None]]:
    for node in nodes:
        for item in (node.status.addresses if node.status else None) or ():
            yield indexes[node.metadata.name], parse_address(item.address)


def _host_addresses(
    pods: list[Pod], identities: list[PodIdentity], indexes: Mapping[str, int]
) -> Iterator[tuple[int, int | None]]:
    """Yield hostIPs and addresses of hostNetwork pods (A11.4)."""
    for pod, identity in zip(pods, identities, strict=True):
        if pod.spec is None or not pod.spec.node_name:
            continue
        node = indexes[pod.spec.node_name]
        if pod.status is not None:
            texts = {pod.status.host_ip, *(item.ip for item in pod.status.host_ips or ())}
            for text in texts:
                if text:
                    yield node, parse_address(text)
        if pod.spec.host_network:
            for address in identity.addresses:
                yield node, address
