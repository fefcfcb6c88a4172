"""Takes a snapshot, gives what a dialled address and port lead to: service backends (A15, C6).

What the ways there show each side's policies is ``nat.py``'s business.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from netpol.kube.api.objects import Endpoint, EndpointSlice, Service, ServicePort
from netpol.kube.snapshot import Snapshot
from netpol.model.verdict import Reason
from netpol.reference.addresses import Address, try_address
from netpol.reference.identities import (
    EXTERNAL,
    PROTOCOLS,
    End,
    Identities,
    Identity,
    Kind,
    KnownPod,
)

__all__ = ["Destination", "Entry", "Front", "Services", "Target", "Way"]


class Front(IntEnum):
    """What was dialled; ``_LOCAL`` is ``externalTrafficPolicy: Local``, which keeps the client."""

    CLUSTER_IP = 0
    OUTSIDE_LOCAL = 1  # an externalIP or an address of a load balancer
    OUTSIDE = 2
    HOST_PORT = 3
    NODE_PORT_LOCAL = 4
    NODE_PORT = 5
    PROXY = 6  # a load balancer's address that nodes do not translate (A15.10)


class Way(NamedTuple):
    """How a server is reached: what was dialled, at which address and port."""

    front: Front
    address: Address
    port: int


class Target(NamedTuple):
    """What the server end of one judged pair is: a pod, a node or external, with a port.

    ``way`` is how a service leads there, None where the flow was recorded at the end itself.
    """

    end: End
    protocol: int | None
    port: int | None
    way: Way | None = None


class Destination(NamedTuple):
    """One destination of C5: a plain one, or a service with its backends.

    ``merge`` is the reason if the targets' verdicts differ. A service without backends has no
    targets; ``ways`` are those that lead to it. ``name`` says what the destination is.
    """

    name: str
    targets: tuple[Target, ...]
    merge: Reason | None = None
    ways: tuple[Way, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One address and port that leads to backends.

    Exactly one of ``service`` (with ``spec``) and ``pod`` (a hostPort, ``container_port``) is set.
    """

    name: str
    protocol: int
    way: Way
    service: Service | None = None
    spec: ServicePort | None = None
    pod: KnownPod | None = None
    container_port: int = 0

    @property
    def local_only(self) -> bool:
        """Whether only endpoints on the client's node serve (A15.12)."""
        spec = self.service.spec if self.service else None
        return (
            self.way.front is Front.CLUSTER_IP
            and spec is not None
            and spec.internal_traffic_policy == "Local"
        )


def _same_family(one: Address, other: Address) -> bool:
    return one.version == other.version


def _order(address: Address) -> tuple[int, int]:
    return address.version, int(address)


class Services:
    """The service ports of a snapshot, by address."""

    def __init__(self, snapshot: Snapshot, identities: Identities) -> None:
        self._identities = identities
        self._slices: dict[tuple[str, str], list[EndpointSlice]] = defaultdict(list)
        self._any_slice = bool(snapshot.endpoint_slices)
        for item in snapshot.endpoint_slices:
            name = (item.metadata.labels or {}).get("kubernetes.io/service-name", "")
            self._slices[item.metadata.namespace or "default", name].append(item)
        self._entries: dict[Address, list[Entry]] = defaultdict(list)
        for service in snapshot.services:
            self._index_service(service)
        for pod in identities.pods:
            self._index_host_ports(pod)

    # --- which address and port leads where ---------------------------------------------------

    def _index_service(self, service: Service) -> None:
        """File the ClusterIPs, externalIPs, load balancer addresses and node ports (A15.2)."""
        spec = service.spec
        if spec is None:
            return
        local = spec.external_traffic_policy == "Local"  # A15.5
        outside = Front.OUTSIDE_LOCAL if local else Front.OUTSIDE
        fronts = [(text, Front.CLUSTER_IP) for text in {*(spec.cluster_ips or ()), spec.cluster_ip}]
        fronts += [(text, outside) for text in {*(spec.external_ips or ())}]
        balancer = service.status.load_balancer if service.status else None
        for item in (balancer.ingress if balancer else None) or ():
            fronts.append((item.ip, Front.PROXY if item.ip_mode == "Proxy" else outside))
        node_port = Front.NODE_PORT_LOCAL if local else Front.NODE_PORT
        for port in spec.ports or ():
            for text, front in fronts:
                address = try_address(text or "")  # A15.6: "None" is headless and no address
                if address is not None:
                    self._file(Way(front, address, port.port), service, port)
            if port.node_port:
                for address in self._identities.node_addresses:
                    self._file(Way(node_port, address, port.node_port), service, port)

    def _file(self, way: Way, service: Service, spec: ServicePort) -> None:
        protocol = PROTOCOLS.get(spec.protocol or "TCP")
        if protocol is None:
            return
        name = f"service {service.metadata.namespace or 'default'}/{service.metadata.name}"
        entry = Entry(name, protocol, way, service=service, spec=spec)
        self._entries[way.address].append(entry)

    def _index_host_ports(self, pod: KnownPod) -> None:
        """File hostPorts at the addresses of the pod's node (A15.2)."""
        if pod.host_network or pod.node is None:
            return
        sidecars = [item for item in pod.init_containers if item.restart_policy == "Always"]
        name = f"host port of pod {pod.namespace}/{pod.name}"
        for container in (*pod.containers, *sidecars):
            for port in container.ports or ():
                protocol = PROTOCOLS.get(port.protocol or "TCP")
                if not port.host_port or protocol is None:
                    continue
                for address, owners in self._identities.node_addresses.items():
                    if pod.node in owners and any(_same_family(a, address) for a in pod.addresses):
                        way = Way(Front.HOST_PORT, address, port.host_port)
                        entry = Entry(
                            name, protocol, way, pod=pod, container_port=port.container_port
                        )
                        self._entries[address].append(entry)

    # --- destinations -------------------------------------------------------------------------

    def destinations(
        self,
        address: Address,
        protocol: int | None,
        port: int | None,
        time: int | None,
        hint: str | None,
        client: Identity,
    ) -> list[Destination]:
        """Return every destination a client's flow may have (C2 with ``is_destination``).

        Never empty; a service without backends is a destination without targets.
        """
        identities = self._identities.of(address, time, hint)
        plain = [
            Destination(str(who), (Target(End(who, address), protocol, port),))
            for who in identities
        ]
        if identities[0].kind in (Kind.POD, Kind.LOOPBACK) or self._identities.hinted(hint):
            return plain  # C2.2: a pod address beats a service address
        entries = self._compatible(address, protocol, port)
        if not entries:
            return plain  # R9
        names = " or ".join(dict.fromkeys(entry.name for entry in entries))
        if protocol is not None and port is not None:
            targets = self._ordered(entries, client)
            ways = tuple(sorted({entry.way for entry in entries}))
            return [Destination(names, targets, Reason.SERVICE_BACKEND_DEPENDENT, ways)]
        targets = tuple(target for item in plain for target in item.targets)
        for number in sorted({(entry.protocol, entry.way.port) for entry in entries}):
            same = [entry for entry in entries if (entry.protocol, entry.way.port) == number]
            targets += self._ordered(same, client)
        missing = Reason.UNKNOWN_PROTOCOL if protocol is None else Reason.UNKNOWN_PORT
        name = " or ".join([*(item.name for item in plain), names])
        return [Destination(name, targets, missing)]

    def ways(self, address: Address, port: int, protocol: int, time: int | None) -> list[Way]:
        """Return the ways through an address and port that a flow recorded behind it dialled."""
        if self._identities.of(address, time)[0].kind is Kind.POD:  # C2.2
            return []
        return sorted({entry.way for entry in self._compatible(address, protocol, port)})

    def dialled(self, address: Address, port: int, protocol: int) -> list[Entry]:
        """Return the entries that an address and port are."""
        return self._compatible(address, protocol, port)

    def leading_to(self, pod: KnownPod, port: int, protocol: int) -> Iterator[Entry]:
        """Yield the entries of services of a pod's namespace that lead to it at a port."""
        for entry, number in self._leading_to(pod, protocol):
            if number == port:
                yield entry

    def translating(self, pod: KnownPod, port: int, protocol: int) -> Iterator[tuple[Entry, int]]:
        """Yield the entries at a port that lead to a pod at another one, and that one."""
        for entry, number in self._leading_to(pod, protocol):
            if entry.way.port == port != number:
                yield entry, number

    def _leading_to(self, pod: KnownPod, protocol: int) -> Iterator[tuple[Entry, int]]:
        seen: set[tuple[int, int, Front]] = set()  # a node's port is an entry of every node
        for entry in (entry for entries in self._entries.values() for entry in entries):
            service = entry.service
            if service is None or entry.protocol != protocol:
                continue
            key = id(service), id(entry.spec), entry.way.front
            if (service.metadata.namespace or "default") != pod.namespace or key in seen:
                continue
            seen.add(key)
            for target in self._backends(entry, EXTERNAL):
                if target.end.identity.pod is pod and target.port is not None:
                    yield entry, target.port

    def _compatible(self, address: Address, protocol: int | None, port: int | None) -> list[Entry]:
        return [
            entry
            for entry in self._entries.get(address, ())
            if (protocol is None or entry.protocol == protocol)
            and (port is None or entry.way.port == port)
            and (entry.pod is None or entry.pod.alive(None))
        ]

    def _ordered(self, entries: list[Entry], client: Identity) -> tuple[Target, ...]:
        """Return the backends of entries that share one address and port, in R8's order."""
        found = {target for entry in entries for target in self._backends(entry, client)}

        def place(item: Target) -> tuple[object, ...]:
            return _order(item.end.address), item.port or 0, item.end.identity, item.way

        return tuple(sorted(found, key=place))

    def _backends(self, entry: Entry, client: Identity) -> Iterator[Target]:
        node = _node_of(client) if entry.local_only else None
        family = entry.way.address
        if entry.pod is not None:
            ends = self._at_pod(entry.pod, family, entry.container_port)
        elif self._any_slice:
            ends = self._from_slices(entry, node)
        else:
            ends = self._from_selector(entry, node)
        for end, port in ends:
            yield Target(end, entry.protocol, port, entry.way)

    def _at_pod(self, pod: KnownPod, family: Address, port: int) -> Iterator[tuple[End, int]]:
        """Yield a pod's addresses of one family; a hostNetwork pod is its node (R7)."""
        identity = self._identities.of_pod(pod)
        for address in pod.addresses:
            if _same_family(address, family):
                yield End(identity or EXTERNAL, address), port

    def _from_selector(self, entry: Entry, node: str | None) -> Iterator[tuple[End, int]]:
        """Yield what the endpoint controller would draw from (R7), of one node if it is named."""
        service, spec = entry.service, entry.spec
        if service is None or spec is None or service.spec is None or not service.spec.selector:
            return
        wanted = service.spec.selector.items()
        for pod in self._identities.pods:
            if (
                pod.namespace == (service.metadata.namespace or "default")
                and not pod.terminal
                and wanted <= pod.labels.items()
                and node in (None, pod.node)
            ):
                port = _target_port(pod, spec, entry.protocol)
                if port is not None:
                    yield from self._at_pod(pod, entry.way.address, port)

    def _from_slices(self, entry: Entry, node: str | None) -> Iterator[tuple[End, int]]:
        """Yield ready endpoints, else serving and terminating ones (C6, R6).

        Of one node if it is named: those of other nodes are no candidates at all (A15.12).
        """
        service, spec = entry.service, entry.spec
        if service is None or spec is None:
            return
        key = (service.metadata.namespace or "default", service.metadata.name)
        found: list[tuple[EndpointSlice, Endpoint, Address, int]] = []
        for item in self._slices.get(key, ()):
            for port in item.ports or ():
                if (port.name or "") != (spec.name or ""):
                    continue
                if PROTOCOLS.get(port.protocol or "TCP") != entry.protocol:
                    continue
                for endpoint in item.endpoints or ():
                    if node is not None and self._node_name(item, endpoint) != node:
                        continue
                    for address in map(try_address, endpoint.addresses):
                        if address is not None and _same_family(address, entry.way.address):
                            number = spec.port if port.port is None else port.port
                            found.append((item, endpoint, address, number))
        chosen = [one for one in found if _ready(one[1])]
        for item, endpoint, address, number in chosen or [o for o in found if _lingers(o[1])]:
            for identity in self._of_endpoint(item, endpoint, address):
                yield End(identity, address), number

    def _of_endpoint(
        self, item: EndpointSlice, endpoint: Endpoint, address: Address
    ) -> list[Identity]:
        """Return who an endpoint is: the live pod it names, else whoever has the address (R6)."""
        pod = self._named_pod(item, endpoint)
        identity = self._identities.of_pod(pod) if pod and pod.alive(None) else None
        return self._identities.of(address, None) if identity is None else [identity]

    def _named_pod(self, item: EndpointSlice, endpoint: Endpoint) -> KnownPod | None:
        ref = endpoint.target_ref
        if ref is None or ref.kind not in (None, "Pod"):
            return None
        namespace = ref.namespace or item.metadata.namespace or "default"
        return self._identities.by_key.get((namespace, ref.name or ""))

    def _node_name(self, item: EndpointSlice, endpoint: Endpoint) -> str | None:
        """Return the node an endpoint says it is on, else that of the pod it names."""
        pod = self._named_pod(item, endpoint)
        return endpoint.node_name or (pod.node if pod else None)


def _node_of(client: Identity) -> str | None:
    """Return the node a client is on; None if that is not known."""
    if client.kind is Kind.NODE:
        return client.name
    return client.pod.node if client.pod else None


def _ready(endpoint: Endpoint) -> bool:
    return endpoint.conditions is None or endpoint.conditions.ready is not False


def _lingers(endpoint: Endpoint) -> bool:
    """Return whether an endpoint that is not ready still serves while it terminates."""
    conditions = endpoint.conditions
    return bool(conditions and conditions.terminating and conditions.serving is not False)


def _target_port(pod: KnownPod, spec: ServicePort, protocol: int) -> int | None:
    """Return the number a service port leads to on a pod; None if the pod lacks the name (R7)."""
    if not isinstance(spec.target_port, str):
        return spec.target_port or spec.port
    sidecars = [item for item in pod.init_containers if item.restart_policy == "Always"]
    for container in (*pod.containers, *sidecars):  # A8.4: services take the first
        for port in container.ports or ():
            if port.name == spec.target_port and PROTOCOLS.get(port.protocol or "TCP") == protocol:
                return port.container_port
    return None
