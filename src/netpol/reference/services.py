"""Takes a snapshot, gives what a dialled address and port lead to: service backends (A15, C6)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from netpol.kube.objects import Endpoint, EndpointSlice, Service, ServicePort
from netpol.kube.snapshot import Snapshot
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
from netpol.verdict import Reason

__all__ = ["Destination", "Services", "Target"]


class Target(NamedTuple):
    """What the server end of one judged pair is: a pod, a node or external, with a port.

    ``sources`` are the further sources that the server may see instead of the client (R10).
    """

    end: End
    protocol: int | None
    port: int | None
    via_service: bool = False
    sources: tuple[End, ...] = ()


class Destination(NamedTuple):
    """One destination of C5: a plain one, or a service with its backends.

    ``merge`` is the reason if the targets' verdicts differ. A service without backends has no
    targets. ``name`` says what the destination is.
    """

    name: str
    targets: tuple[Target, ...]
    merge: Reason | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One address and port that leads to backends.

    ``nat_nodes`` are the node ends the server may see as source (R10). Exactly one of
    ``service`` (with ``spec``) and ``pod`` (a hostPort, ``container_port``) is set.
    """

    name: str
    protocol: int
    port: int
    nat_nodes: tuple[End, ...] = ()
    service: Service | None = None
    spec: ServicePort | None = None
    pod: KnownPod | None = None
    container_port: int = 0


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
        keeps_client = spec.external_traffic_policy == "Local"  # A15.5
        balancer = service.status.load_balancer if service.status else None
        outside = [*(spec.external_ips or ())]
        outside += [item.ip for item in (balancer.ingress if balancer else None) or () if item.ip]
        for port in spec.ports or ():
            protocol = PROTOCOLS.get(port.protocol or "TCP")
            if protocol is None:
                continue
            for text in {*(spec.cluster_ips or ()), spec.cluster_ip or ""}:
                address = try_address(text)  # A15.6: "None" is headless and no address
                if address is not None:
                    self._file(address, service, port, protocol, port.port, ())
            for address in {try_address(text) for text in outside} - {None}:
                nodes = () if keeps_client else self._all_nodes(address)
                self._file(address, service, port, protocol, port.port, nodes)
            if port.node_port:
                for address in self._identities.node_addresses:
                    nodes = () if keeps_client else self._nodes_at(address)
                    self._file(address, service, port, protocol, port.node_port, nodes)

    def _file(
        self,
        address: Address | None,
        service: Service,
        spec: ServicePort,
        protocol: int,
        port: int,
        nat_nodes: tuple[End, ...],
    ) -> None:
        if address is None:
            return
        name = f"service {service.metadata.namespace or 'default'}/{service.metadata.name}"
        entry = Entry(name, protocol, port, nat_nodes, service=service, spec=spec)
        self._entries[address].append(entry)

    def _nodes_at(self, address: Address) -> tuple[End, ...]:
        names = sorted(self._identities.node_addresses.get(address, ()))
        return tuple(End(Identity(Kind.NODE, "", name), address) for name in names)

    def _all_nodes(self, family: Address | None) -> tuple[End, ...]:
        """Give every address of every node in a family (R10)."""
        known = self._identities.node_addresses
        same = [address for address in known if family and _same_family(address, family)]
        return tuple(chain.from_iterable(self._nodes_at(a) for a in sorted(same, key=_order)))

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
                        entry = Entry(
                            name,
                            protocol,
                            port.host_port,
                            pod=pod,
                            container_port=port.container_port,
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
    ) -> list[Destination]:
        """Give every destination a flow may have (C2 with ``is_destination``); never empty."""
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
            targets = self._ordered(entries, address)
            return [Destination(names, targets, Reason.SERVICE_BACKEND_DEPENDENT)]
        targets = tuple(target for item in plain for target in item.targets)
        for number in sorted({(entry.protocol, entry.port) for entry in entries}):
            same = [entry for entry in entries if (entry.protocol, entry.port) == number]
            targets += self._ordered(same, address)
        missing = Reason.UNKNOWN_PROTOCOL if protocol is None else Reason.UNKNOWN_PORT
        name = " or ".join([*(item.name for item in plain), names])
        return [Destination(name, targets, missing)]

    def nat_sources(self, address: Address, port: int, protocol: int) -> list[End]:
        """Give the node ends the server may see as source of what dialled an entry (R10)."""
        entries = self._compatible(address, protocol, port)
        return [end for entry in entries for end in entry.nat_nodes]

    def _compatible(self, address: Address, protocol: int | None, port: int | None) -> list[Entry]:
        return [
            entry
            for entry in self._entries.get(address, ())
            if (protocol is None or entry.protocol == protocol)
            and (port is None or entry.port == port)
            and (entry.pod is None or entry.pod.alive(None))
        ]

    def _ordered(self, entries: list[Entry], dialled: Address) -> tuple[Target, ...]:
        """Give the backends of entries that share one address and port, in R8's order."""
        found = {target for entry in entries for target in self._backends(entry, dialled)}
        return tuple(
            sorted(
                found,
                key=lambda item: (
                    _order(item.end.address),
                    item.port or 0,
                    item.end.identity,
                    len(item.sources),
                ),
            )
        )

    def _backends(self, entry: Entry, dialled: Address) -> Iterator[Target]:
        if entry.pod is not None:
            ends = self._at_pod(entry.pod, dialled, entry.container_port)
        elif self._any_slice:
            ends = self._from_slices(entry, dialled)
        else:
            ends = self._from_selector(entry, dialled)
        for end, port in ends:
            yield Target(end, entry.protocol, port, True, entry.nat_nodes)

    def _at_pod(self, pod: KnownPod, family: Address, port: int) -> Iterator[tuple[End, int]]:
        """Give a pod's addresses of one family; a hostNetwork pod is its node (R7)."""
        identity = self._identities.of_pod(pod)
        for address in pod.addresses:
            if _same_family(address, family):
                yield End(identity or EXTERNAL, address), port

    def _from_selector(self, entry: Entry, dialled: Address) -> Iterator[tuple[End, int]]:
        """Give what the endpoint controller would draw from (R7)."""
        service, spec = entry.service, entry.spec
        if service is None or spec is None or service.spec is None or not service.spec.selector:
            return
        wanted = service.spec.selector.items()
        for pod in self._identities.pods:
            if (
                pod.namespace == (service.metadata.namespace or "default")
                and not pod.terminal
                and wanted <= pod.labels.items()
            ):
                port = _target_port(pod, spec, entry.protocol)
                if port is not None:
                    yield from self._at_pod(pod, dialled, port)

    def _from_slices(self, entry: Entry, dialled: Address) -> Iterator[tuple[End, int]]:
        """Give ready endpoints, else serving and terminating ones (C6, R6)."""
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
                    for address in map(try_address, endpoint.addresses):
                        if address is not None and _same_family(address, dialled):
                            number = spec.port if port.port is None else port.port
                            found.append((item, endpoint, address, number))
        chosen = [one for one in found if _ready(one[1])]
        for item, endpoint, address, number in chosen or [o for o in found if _lingers(o[1])]:
            for identity in self._of_endpoint(item, endpoint, address):
                yield End(identity, address), number

    def _of_endpoint(
        self, item: EndpointSlice, endpoint: Endpoint, address: Address
    ) -> list[Identity]:
        """Give who an endpoint is: the live pod it names, else whoever has the address (R6)."""
        ref = endpoint.target_ref
        if ref is not None and ref.kind in (None, "Pod"):
            namespace = ref.namespace or item.metadata.namespace or "default"
            pod = self._identities.by_key.get((namespace, ref.name or ""))
            identity = self._identities.of_pod(pod) if pod and pod.alive(None) else None
            if identity is not None:
                return [identity]
        return self._identities.of(address, None)


def _ready(endpoint: Endpoint) -> bool:
    return endpoint.conditions is None or endpoint.conditions.ready is not False


def _lingers(endpoint: Endpoint) -> bool:
    """Whether an endpoint that is not ready still serves while it terminates."""
    conditions = endpoint.conditions
    return bool(conditions and conditions.terminating and conditions.serving is not False)


def _target_port(pod: KnownPod, spec: ServicePort, protocol: int) -> int | None:
    """Give the number a service port leads to on a pod; None if the pod lacks the name (R7)."""
    if not isinstance(spec.target_port, str):
        return spec.target_port or spec.port
    sidecars = [item for item in pod.init_containers if item.restart_policy == "Always"]
    for container in (*pod.containers, *sidecars):  # A8.4: services take the first
        for port in container.ports or ():
            if port.name == spec.target_port and PROTOCOLS.get(port.protocol or "TCP") == protocol:
                return port.container_port
    return None
