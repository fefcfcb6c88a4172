"""Takes services, endpoint slices and pods, gives what each dialled address and port leads to.

Sources: specification.md A15.2, A15.5-A15.12, C6; readings R6-R10, R28-R30. A *group* is a set of
addresses that share service ports: every node address is in its family's NodePort group, and an
address with ports of its own (ClusterIP, externalIP, load balancer, hostPort) has one to itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from netpol.compiler.addresses.identities import Identities, PodIdentity, family_of, parse_address
from netpol.compiler.layout import FIRST_OWN_GROUP
from netpol.kube.api.objects import (
    ContainerPort,
    Endpoint,
    EndpointSlice,
    Pod,
    Service,
    ServicePort,
)
from netpol.kube.snapshot import Snapshot

__all__ = [
    "NODE_PORT_GROUPS",
    "Backend",
    "BackendKind",
    "ServiceEntry",
    "ServicePorts",
    "Way",
]

_PROTOCOLS = {"TCP": 6, "UDP": 17, "SCTP": 132}
NODE_PORT_GROUPS = {4: 1, 6: 2}
_SERVICE_NAME_LABEL = "kubernetes.io/service-name"


class Way(IntEnum):
    """What was dialled; ``_LOCAL`` is ``externalTrafficPolicy: Local``, which keeps the client.

    What NAT may show each side follows from it (R10, R28, R29).
    """

    CLUSTER_IP = 0
    OUTSIDE_LOCAL = 1  # an externalIP or an address of a load balancer
    OUTSIDE = 2
    HOST_PORT = 3
    NODE_PORT_LOCAL = 4
    NODE_PORT = 5
    PROXY = 6  # a load balancer's address that nodes do not translate (A15.10)


class BackendKind(IntEnum):
    """What a backend is, in the order of R8."""

    POD = 0
    NODE = 1
    EXTERNAL = 2


class Backend(NamedTuple):
    """One candidate behind a service port; sorts as R8 says.

    ``owner`` is the index of the pod or node.
    """

    address: int
    port: int
    kind: BackendKind
    owner: int = -1
    way: Way = Way.CLUSTER_IP


@dataclass(slots=True)
class ServiceEntry:
    """What one (group, protocol, port) leads to.

    ``local`` are the backends of clients on a node, by node, where ``internalTrafficPolicy: Local``
    makes a difference (A15.12); to those, ``shared`` are added. None where it makes none.
    """

    backends: set[Backend] = field(default_factory=set)
    ways: set[Way] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    shared: set[Backend] = field(default_factory=set)
    local: dict[int, set[Backend]] | None = None

    def add(self, other: ServiceEntry) -> None:
        """Let the entry lead to all that another does."""
        self.backends |= other.backends
        self.ways |= other.ways
        self.names |= other.names
        self.shared |= other.shared
        if other.local is not None:
            mine = self.local = self.local or {}
            for node, backends in other.local.items():
                mine.setdefault(node, set()).update(backends)


class _Placed(NamedTuple):
    """Backends at one address of an endpoint, whether it is ready, and its node (-1: unknown)."""

    ready: bool
    node: int
    backends: tuple[Backend, ...]


class ServicePorts:
    """Service ports by group; ``group_of`` tells the groups of an address."""

    def __init__(self, snapshot: Snapshot, identities: Identities) -> None:
        self.entries: dict[tuple[int, int, int], ServiceEntry] = {}
        self._identities = identities
        self._pods = {(pod.namespace, pod.name): pod for pod in identities.pods}
        self._specs = {
            (pod.metadata.namespace or "default", pod.metadata.name): pod for pod in snapshot.pods
        }
        self._by_namespace: dict[str, list[PodIdentity]] = {}
        for identity in identities.pods:
            self._by_namespace.setdefault(identity.namespace, []).append(identity)
        self._own_groups: dict[int, int] = {}
        self._slices: dict[tuple[str, str], list[EndpointSlice]] = {}
        for piece in snapshot.endpoint_slices:
            name = (piece.metadata.labels or {}).get(_SERVICE_NAME_LABEL, "")
            self._slices.setdefault((piece.metadata.namespace or "default", name), []).append(piece)
        for service in snapshot.services:
            self._add_service(service)
        for pod in snapshot.pods:
            self._add_host_ports(pod)
        self._node_port_families = {
            family
            for family, group in NODE_PORT_GROUPS.items()
            if any(key[0] == group for key in self.entries)
        }
        self._join_node_ports()

    def groups_of(self, address: int) -> tuple[int, int]:
        """Return (NodePort group or 0, own group or 0) of an address."""
        family = family_of(address)
        shared = 0
        if family in self._node_port_families and address in self._identities.nodes_at:
            shared = NODE_PORT_GROUPS[family]
        return shared, self._own_groups.get(address, 0)

    @property
    def addresses(self) -> Iterable[int]:
        """Addresses that have service ports of their own."""
        return self._own_groups

    def _join_node_ports(self) -> None:
        """Where an address has a port of its own that is also a NodePort, either may be meant."""
        address_of = {group: address for address, group in self._own_groups.items()}
        for (group, protocol, port), entry in list(self.entries.items()):
            if group >= FIRST_OWN_GROUP:
                shared = self.groups_of(address_of[group])[0]
                other = self.entries.get((shared, protocol, port)) if shared else None
                if other is not None:
                    entry.add(other)

    def _own_group(self, address: int) -> int:
        return self._own_groups.setdefault(address, FIRST_OWN_GROUP + len(self._own_groups))

    def _add(
        self, group: int, protocol: int, port: int, backends: Iterable[Backend], way: Way,
        name: str, local: dict[int, list[Backend]] | None = None,
    ) -> None:  # fmt: skip
        found = {item._replace(way=way) for item in backends}
        entry = ServiceEntry(found, {way}, {name}, set() if local is not None else found)
        if local is not None:
            entry.local = {
                node: {item._replace(way=way) for item in mine} for node, mine in local.items()
            }
        self.entries.setdefault((group, protocol, port), ServiceEntry()).add(entry)

    def _add_service(self, service: Service) -> None:
        spec = service.spec
        if spec is None or spec.type == "ExternalName":
            return
        name = f"{service.metadata.namespace or 'default'}/{service.metadata.name}"
        local_only = spec.internal_traffic_policy == "Local"
        fronts = list(_fronts(service))
        node_port = Way.NODE_PORT
        if spec.external_traffic_policy == "Local":
            node_port = Way.NODE_PORT_LOCAL
        for port in spec.ports or ():
            protocol = _PROTOCOLS.get(port.protocol or "TCP")
            if protocol is None:
                continue
            placed = {family: self._placed(service, port, family) for family in (4, 6)}
            found = {family: _serving(items) for family, items in placed.items()}
            for address, way in fronts:
                family = family_of(address)
                local = None
                if local_only and way is Way.CLUSTER_IP:
                    local = _by_node(placed[family])
                self._add(
                    self._own_group(address), protocol, port.port, found[family], way, name, local
                )
            if port.node_port:
                for family, group in NODE_PORT_GROUPS.items():
                    self._add(group, protocol, port.node_port, found[family], node_port, name)

    def _add_host_ports(self, pod: Pod) -> None:
        identity = self._pods[pod.metadata.namespace or "default", pod.metadata.name]
        if pod.spec is None or pod.spec.host_network or identity.terminal or identity.node < 0:
            return
        ports = [port for port in _service_ports(pod) if port.host_port]
        if not ports:
            return
        for address, owners in self._identities.nodes_at.items():
            if identity.node not in owners:
                continue
            mine = [own for own in identity.addresses if family_of(own) == family_of(address)]
            for port in ports:
                protocol = _PROTOCOLS.get(port.protocol or "TCP")
                if protocol is not None and port.host_port and mine:
                    backends = [
                        Backend(own, port.container_port, BackendKind.POD, identity.index)
                        for own in mine
                    ]
                    group = self._own_group(address)
                    self._add(
                        group, protocol, port.host_port, backends, Way.HOST_PORT, identity.label
                    )

    def _placed(self, service: Service, port: ServicePort, family: int) -> list[_Placed]:
        """Return every candidate of a service port, whether it serves, and the node it is on."""
        key = (service.metadata.namespace or "default", service.metadata.name)
        if self._slices:
            return list(self._from_slices(self._slices.get(key, []), port, family))  # R6
        if service.spec is None or not service.spec.selector:
            return []
        return [
            _Placed(True, node, (backend,))
            for node, backend in self._from_selector(key[0], service.spec.selector, port, family)
        ]  # R7

    def _from_slices(
        self, slices: list[EndpointSlice], port: ServicePort, family: int
    ) -> Iterator[_Placed]:
        for piece in slices:
            namespace = piece.metadata.namespace or "default"
            for offered in piece.ports or ():
                same_name = (offered.name or "") == (port.name or "")
                if not same_name or (offered.protocol or "TCP") != (port.protocol or "TCP"):
                    continue
                number = port.port if offered.port is None else offered.port
                for endpoint in piece.endpoints or ():
                    ready = _is_ready(endpoint)
                    if not ready and not _is_draining(endpoint):
                        continue
                    node = self._node_of(endpoint, namespace)
                    for address in map(parse_address, endpoint.addresses):
                        if address is not None and family_of(address) == family:
                            backends = tuple(self._at(address, number, endpoint, namespace))
                            yield _Placed(ready, node, backends)

    def _node_of(self, endpoint: Endpoint, namespace: str) -> int:
        """Return the node an endpoint says it is on, else that of the pod it names; -1 unknown."""
        if endpoint.node_name:
            return self._identities.node_index(endpoint.node_name)
        pod = self._named_pod(endpoint, namespace)
        return pod.node if pod is not None else -1

    def _named_pod(self, endpoint: Endpoint, namespace: str) -> PodIdentity | None:
        target = endpoint.target_ref
        if target is None or target.kind not in (None, "Pod"):
            return None
        return self._pods.get((target.namespace or namespace, target.name or ""))

    def _at(self, address: int, port: int, endpoint: Endpoint, namespace: str) -> Iterator[Backend]:
        pod = self._named_pod(endpoint, namespace)
        if pod is not None and not pod.terminal and (not pod.as_node or pod.node >= 0):
            yield _pod_backend(pod, address, port)
            return
        pods = [
            index
            for index in self._identities.pods_at.get(address, ())
            if not self._identities.pods[index].terminal
        ]
        for index in pods:
            yield Backend(address, port, BackendKind.POD, index)
        nodes = self._identities.nodes_at.get(address, [])
        for node in nodes:
            yield Backend(address, port, BackendKind.NODE, node)
        if not pods and not nodes:
            yield Backend(address, port, BackendKind.EXTERNAL)

    def _from_selector(
        self, namespace: str, selector: dict[str, str], port: ServicePort, family: int
    ) -> Iterator[tuple[int, Backend]]:
        for pod in self._by_namespace.get(namespace, ()):
            if pod.terminal or not selector.items() <= pod.labels.items():
                continue
            number = _target_port(self._specs[pod.namespace, pod.name], port)
            for address in pod.addresses:
                if number is not None and family_of(address) == family:
                    yield pod.node, _pod_backend(pod, address, number)


def _pod_backend(pod: PodIdentity, address: int, port: int) -> Backend:
    if not pod.as_node:
        return Backend(address, port, BackendKind.POD, pod.index)
    if pod.node < 0:
        return Backend(address, port, BackendKind.EXTERNAL)
    return Backend(address, port, BackendKind.NODE, pod.node)


def _service_ports(pod: Pod) -> list[ContainerPort]:
    """Ports of containers and sidecars in written order, as services see them."""
    spec = pod.spec
    if spec is None:
        return []
    sidecars = [item for item in spec.init_containers or () if item.restart_policy == "Always"]
    return [
        port
        for container in (*(spec.containers or ()), *sidecars)
        for port in container.ports or ()
    ]


def _target_port(pod: Pod, port: ServicePort) -> int | None:
    """Return the number; for a name the first port that has it, None if there is none (R7)."""
    target = port.target_port
    if not isinstance(target, str):
        return target or port.port
    protocol = port.protocol or "TCP"
    for offered in _service_ports(pod):
        if offered.name == target and (offered.protocol or "TCP") == protocol:
            return offered.container_port
    return None


def _serving(placed: Iterable[_Placed]) -> list[Backend]:
    """Return the ready ones, else the serving and terminating ones (C6)."""
    items = list(placed)
    chosen = [item for item in items if item.ready] or items
    return [backend for item in chosen for backend in item.backends]


def _by_node(placed: Iterable[_Placed]) -> dict[int, list[Backend]]:
    """Return what serves the clients of each node (A15.12)."""
    found: dict[int, list[_Placed]] = {}
    for item in placed:
        if item.node >= 0:
            found.setdefault(item.node, []).append(item)
    return {node: _serving(items) for node, items in found.items()}


def _fronts(service: Service) -> Iterator[tuple[int, Way]]:
    """Yield the addresses of a service and what dialling each is; not those of nodes."""
    spec = service.spec
    if spec is None:
        return
    outside = Way.OUTSIDE_LOCAL if spec.external_traffic_policy == "Local" else Way.OUTSIDE
    named = [(text, Way.CLUSTER_IP) for text in spec.cluster_ips or [spec.cluster_ip or ""]]
    named += [(text, outside) for text in spec.external_ips or ()]
    status = service.status.load_balancer if service.status else None
    for item in (status.ingress if status else None) or ():
        named.append((item.ip or "", Way.PROXY if item.ip_mode == "Proxy" else outside))
    for text, way in named:
        address = parse_address(text) if text and text != "None" else None  # A15.6
        if address is not None:
            yield address, way


def _is_ready(endpoint: Endpoint) -> bool:
    return endpoint.conditions is None or endpoint.conditions.ready is not False


def _is_draining(endpoint: Endpoint) -> bool:
    conditions = endpoint.conditions
    if conditions is None or not conditions.terminating:
        return False
    return conditions.serving is not False
