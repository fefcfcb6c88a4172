"""Takes a snapshot, says which addresses and ports its Services have, what is behind them."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from netpol.kube.api.addresses import Address, Network, parse_address
from netpol.kube.api.objects import EndpointSlice, LabelSelector, Service, ServicePort
from netpol.kube.snapshot import Snapshot
from netpol.lint.selection import PodGroup, Selection, some

__all__ = ["Mapped", "ServiceAddress", "Services", "ports_of", "service_label"]

_SERVICE_NAME = "kubernetes.io/service-name"


class Mapped(NamedTuple):
    """One port of a Service."""

    service: Service
    port: ServicePort

    @property
    def protocol(self) -> str:
        """``TCP``, ``UDP`` or ``SCTP``."""
        return self.port.protocol or "TCP"

    def targets(self, group: PodGroup) -> set[int]:
        """Return the numbers that pods are reached on: a name is what they declare (A15.1)."""
        target = self.port.target_port
        if isinstance(target, str) and target:
            return group.numbers.get((self.protocol, target), set())
        return {target or self.port.port}


class ServiceAddress(NamedTuple):
    """An address that nodes translate. ``external``: not a ClusterIP."""

    value: int
    address: Address
    service: Service
    external: bool


def service_label(service: Service) -> str:
    """Return ``namespace/name``."""
    return f"{service.metadata.namespace or 'default'}/{service.metadata.name}"


class Services:
    """The Services of a snapshot, to be asked by port, by address and for their endpoints."""

    def __init__(self, snapshot: Snapshot, selection: Selection) -> None:
        self.all = snapshot.services
        self._selection = selection
        self._slices = snapshot.endpoint_slices
        self._by_port: dict[tuple[str, str, int], list[Mapped]] = defaultdict(list)
        self._by_namespace: dict[str, list[Service]] = defaultdict(list)
        for service in snapshot.services:
            namespace = service.metadata.namespace or "default"
            self._by_namespace[namespace].append(service)
            for port in ports_of(service):
                self._by_port[namespace, port.protocol, port.port.port].append(port)

    def named(self, namespace: str, name: str) -> Service | None:
        """Return the Service of a name, None if there is none."""
        found = self._by_namespace.get(namespace, ())
        return next((each for each in found if each.metadata.name == name), None)

    def in_namespace(self, namespace: str) -> Sequence[Service]:
        """Return the Services of a namespace."""
        return self._by_namespace.get(namespace, ())

    def on_port(self, namespace: str, protocol: str, port: int) -> Sequence[Mapped]:
        """Return the Services of a namespace that are dialled on a port."""
        return self._by_port.get((namespace, protocol, port), ())

    def leading_to(self, namespace: str, protocol: str, number: int) -> Sequence[Mapped]:
        """Return the Services of a namespace that lead to a port of some pods."""
        return self._by_target.get((namespace, protocol, number), ())

    @cached_property
    def _by_target(self) -> dict[tuple[str, str, int], list[Mapped]]:
        found: dict[tuple[str, str, int], list[Mapped]] = defaultdict(list)
        for service in self.all:
            groups = self.groups(service)
            for port in ports_of(service):
                for number in {each for group in groups for each in port.targets(group)}:
                    found[service.metadata.namespace or "default", port.protocol, number].append(
                        port
                    )
        return found

    def groups(self, service: Service) -> list[PodGroup]:
        """Return the pods that a Service selects, save those of the node's network."""
        labels = service.spec.selector if service.spec is not None else None
        if not labels:
            return []
        namespace = service.metadata.namespace or "default"
        return self._selection.in_namespace(namespace, LabelSelector(match_labels=labels))

    @cached_property
    def addresses(self) -> dict[int, list[ServiceAddress]]:
        """All addresses of Services by IP family, sorted."""
        found: dict[int, list[ServiceAddress]] = {4: [], 6: []}
        for service in self.all:
            for text, external in _addresses(service):
                address = parse_address(text)
                found[address.version].append(
                    ServiceAddress(int(address), address, service, external)
                )
        for each in found.values():
            each.sort(key=lambda one: one.value)
        return found

    def within(self, network: Network) -> Sequence[ServiceAddress]:
        """Return the addresses of Services in a range."""
        found = self.addresses[network.version]
        first = bisect_left(found, int(network.network_address), key=_value)
        return found[first : bisect_left(found, int(network.broadcast_address) + 1, key=_value)]

    @cached_property
    def _slices_of(self) -> dict[tuple[str, str], list[EndpointSlice]]:
        found: dict[tuple[str, str], list[EndpointSlice]] = defaultdict(list)
        for each in self._slices:
            name = (each.metadata.labels or {}).get(_SERVICE_NAME)
            if name and each.address_type != "FQDN":
                found[each.metadata.namespace or "default", name].append(each)
        return found

    def endpoints(self, service: Service) -> list[tuple[str, str, int]]:
        """Return (address, protocol, port) of each endpoint that the snapshot lists, sorted."""
        key = service.metadata.namespace or "default", service.metadata.name
        return sorted(
            {
                (address, port.protocol or "TCP", port.port)
                for each in self._slices_of.get(key, ())
                for endpoint in each.endpoints or ()
                for address in endpoint.addresses
                for port in each.ports or ()
                if port.port is not None
            }
        )

    def endpoint_addresses(self, service: Service) -> set[Address]:
        """Return the addresses of the endpoints that the snapshot lists."""
        return {parse_address(address) for address, _, _ in self.endpoints(service)}

    @cached_property
    def _outside(self) -> dict[tuple[str, int], list[tuple[Mapped, str, int]]]:
        found: dict[tuple[str, int], list[tuple[Mapped, str, int]]] = defaultdict(list)
        for service in self.all:
            if service.spec is None or service.spec.selector:
                continue
            key = service.metadata.namespace or "default", service.metadata.name
            for each in self._slices_of.get(key, ()):
                numbers = {port.name or "": port.port for port in each.ports or ()}
                for mapped in ports_of(service):
                    target = numbers.get(mapped.port.name or "")
                    if target is not None and target != mapped.port.port:
                        found[mapped.protocol, mapped.port.port] += [
                            (mapped, address, target)
                            for endpoint in each.endpoints or ()
                            for address in endpoint.addresses
                        ]
        return found

    def outside(self, protocol: str, port: int) -> Sequence[tuple[Mapped, str, int]]:
        """Return (Service, endpoint address.

        Its port) where no pod is selected and ports differ.
        """
        return self._outside.get((protocol, port), ())

    def behind(self, service: Service) -> str:
        """Say what stands behind a Service, as a policy has to name it; empty if nobody knows."""
        groups = self.groups(service)
        if groups:
            pairs = sorted(
                {
                    f"{number}/{port.protocol}"
                    for port in ports_of(service)
                    for group in groups
                    for number in port.targets(group)
                }
            )
            selector = service.spec.selector if service.spec is not None else None
            labels = ", ".join(f"{key}={value}" for key, value in (selector or {}).items())
            where = service.metadata.namespace or "default"
            ports = f" on {some(pairs)}" if pairs else ""
            return f"pods {labels} of namespace {where}{ports}"
        found = self.endpoints(service)
        return some([f"{_bracketed(address)}:{port}/{name}" for address, name, port in found], 4)


def ports_of(service: Service) -> Iterator[Mapped]:
    """Yield the ports of a Service."""
    if service.spec is not None:
        for port in service.spec.ports or ():
            yield Mapped(service, port)


def _value(address: ServiceAddress) -> int:
    return address.value


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _addresses(service: Service) -> Iterator[tuple[str, bool]]:
    """Yield each address as text, and whether it is not a ClusterIP."""
    spec = service.spec
    if spec is not None:
        for text in spec.cluster_ips or [spec.cluster_ip or ""]:
            if text not in ("", "None"):
                yield text, False
        for text in spec.external_ips or ():
            yield text, True
    if service.status is not None and service.status.load_balancer is not None:
        for ingress in service.status.load_balancer.ingress or ():
            # A15.10: an address that nodes do not translate is what policies see.
            if ingress.ip and ingress.ip_mode != "Proxy":
                yield ingress.ip, True
