"""Takes identities, regions and service ports, gives endpoints: what an address can turn out to be.

An endpoint is one identity at one kind of address, so everything the judgement needs is a property
of the endpoint. Endpoints are interned; an address held by several identities gets an ambiguous
endpoint that lists them (C5), one whose owner or name changes over time a timed endpoint (A13.4,
B4.6).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import NamedTuple

from netpol.compiler.addresses.dnsregions import DnsRegions
from netpol.compiler.addresses.identities import (
    BEGINNING,
    END,
    V4_MAPPED,
    Identities,
    PodIdentity,
    family_of,
)
from netpol.compiler.addresses.regions import Mark, Region, Regions
from netpol.compiler.addresses.services import Backend, BackendKind, ServicePorts
from netpol.compiler.layout import EndpointKind
from netpol.kube.snapshot import Snapshot
from netpol.model.verdict import Note

__all__ = ["EndpointKey", "Endpoints", "region_marks", "region_of"]

# Marks beside the notes.
_LOOPBACK = 1 << 15
_NOTES = _LOOPBACK - 1


class EndpointKey(NamedTuple):
    """Everything that tells one endpoint from another.

    ``alternatives`` are who an ambiguous endpoint may be, or the nodes an external one may be the
    gateway of (A11.5).
    """

    kind: EndpointKind
    pod: int = -1
    node: int = -1
    region: Region = Region(0, 0, 0)
    notes: int = 0
    groups: tuple[int, int] = (0, 0)
    alternatives: tuple[int, ...] = ()
    segments: tuple[tuple[int, int], ...] = ()  # (start time, endpoint) in order of time


def region_marks(snapshot: Snapshot, identities: Identities) -> list[Mark]:
    """Return the ranges that notes, gateways and loopback depend on (A10.2, A11.5, C2.3, C2.4)."""
    special = int(Note.UNSPECIFIED_ADDRESS_CLASS)
    marks = [
        Mark(ip_network(text), special)
        for text in (
            "0.0.0.0/32", "224.0.0.0/4", "255.255.255.255/32", "169.254.0.0/16",
            "::/128", "ff00::/8", "fe80::/10",
        )
    ]  # fmt: skip
    marks += [Mark(ip_network(text), _LOOPBACK) for text in ("127.0.0.0/8", "::1/128")]
    for node in snapshot.nodes:
        if node.spec is None:
            continue
        for text in {*(node.spec.pod_cidrs or ()), *([node.spec.pod_cidr or ""])}:
            network = _network(text)
            if network is not None:
                index = identities.node_index(node.metadata.name)
                marks.append(Mark(network, int(Note.IN_PODCIDR), index))
    return marks


def is_outside(region: Region) -> bool:
    """Return whether a region may hold anything outside the cluster: it has no mark (A15.10)."""
    return region.marks == 0


def region_of(regions: dict[int, Regions], address: int) -> Region:
    """Return the region of an address, by its family; what DNS says of it is not in there."""
    if family_of(address) == 4:
        return regions[4].at(address - V4_MAPPED)
    return regions[6].at(address)


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


@dataclass(slots=True)
class Endpoints:
    """Interned endpoints, and the endpoint of every known address."""

    identities: Identities
    services: ServicePorts
    regions: dict[int, Regions]  # by family
    learned: DnsRegions
    _any_learned: bool = field(init=False)
    keys: list[EndpointKey] = field(default_factory=list)
    by_address: dict[int, int] = field(default_factory=dict)
    _ids: dict[EndpointKey, int] = field(default_factory=dict)
    _outside: dict[tuple[Region, tuple[int, int], bool], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._any_learned = bool(self.learned)  # asked for every address

    def resolve_all(self) -> None:
        """Return every address that anything owns its endpoint."""
        known = {
            *self.identities.pods_at,
            *self.identities.nodes_at,
            *self.services.addresses,
            *self.learned.addresses,
        }
        for address in sorted(known):
            self.by_address[address] = self._address_endpoint(address)

    def intern(self, key: EndpointKey) -> int:
        """Return the id of an endpoint."""
        found = self._ids.get(key)
        if found is None:
            found = self._ids[key] = len(self.keys)
            self.keys.append(key)
        return found

    def region_endpoint(self, region: Region) -> int:
        """Return the endpoint of an address nobody owns (C2.3)."""
        if region.marks & _LOOPBACK:
            return self.intern(EndpointKey(EndpointKind.LOOPBACK, region=region))
        notes = region.marks & _NOTES
        nodes = tuple(
            self.intern(EndpointKey(EndpointKind.NODE, node=node, region=region))
            for node in region.nodes
        )
        if nodes:
            notes |= Note.POSSIBLE_NODE_GATEWAY
        return self.intern(
            EndpointKey(EndpointKind.EXTERNAL, region=region, notes=notes, alternatives=nodes)
        )

    def outside_endpoints(self, family: int) -> list[int]:
        """Return an endpoint for every class of addresses that ingress tells apart (A15.10)."""
        found: dict[int, Region] = {}
        for region in self.regions[family].classes:
            if is_outside(region):
                found.setdefault(region.ingress, region)
        return [self.region_endpoint(region) for region in found.values()]

    def backend_endpoint(self, backend: Backend) -> int:
        """Return the endpoint of a service backend: no services of its own, no times (R6)."""
        region = self._region(backend.address, None)
        if backend.kind is BackendKind.POD:
            return self.intern(self._pod_key(backend.owner, region))
        if backend.kind is BackendKind.NODE:
            return self.intern(EndpointKey(EndpointKind.NODE, node=backend.owner, region=region))
        return self._external(backend.address, region)

    def node_endpoints(self, family: int) -> list[int]:
        """Return the endpoint of every node at each of its addresses of a family, by node (R10)."""
        return [
            self.intern(
                EndpointKey(EndpointKind.NODE, node=node, region=self._region(address, None))
            )
            for node, address in sorted(
                (node, address)
                for address, owners in self.identities.nodes_at.items()
                if family_of(address) == family
                for node in owners
            )
        ]

    def _region(self, address: int, time: int | None) -> Region:
        region = region_of(self.regions, address)
        return self.learned.at(address, region, time) if self._any_learned else region

    def _pod_key(self, pod: int, region: Region) -> EndpointKey:
        node = self.identities.pods[pod].node
        notes = 0
        if node not in self.identities.located_nodes:
            notes = int(Note.OWN_NODE_UNKNOWN)
        return EndpointKey(EndpointKind.POD, pod=pod, node=node, region=region, notes=notes)

    def _address_endpoint(self, address: int) -> int:
        holders = self.identities.pods_at.get(address, ())
        pods = [self.identities.pods[index] for index in holders]
        region = self._region(address, None)
        named = list(self.learned.edges(address)) if self._any_learned else ()
        alone = len(pods) == 1 and address not in self.identities.nodes_at and not named
        if alone and not pods[0].terminal and not region.marks & _LOOPBACK:
            return self._single_pod(address, region, pods[0])
        default = self._at_time(address, None)
        lives = {pod.start for pod in pods} | {pod.end for pod in pods}
        edges = sorted(lives | {BEGINNING, *named})
        segments: list[tuple[int, int]] = []
        for edge in edges:
            if edge >= END:
                continue
            endpoint = self._at_time(address, edge)
            if not segments or segments[-1][1] != endpoint:
                segments.append((edge, endpoint))
        if len(segments) == 1 and segments[0][1] == default:
            return default
        key = self.keys[default]
        return self.intern(key._replace(segments=tuple(segments)))

    def _single_pod(self, address: int, region: Region, pod: PodIdentity) -> int:
        """Return what nearly every address is: one running pod's, nobody's before that (A13.4)."""
        key = self._pod_key(pod.index, region)
        now = self.intern(key)
        if pod.start == BEGINNING:
            return now
        before = self._external(address, region, self.services.groups_of(address))
        return self.intern(key._replace(segments=((BEGINNING, before), (pod.start, now))))

    def _at_time(self, address: int, time: int | None) -> int:
        """C2: live pods (beside the node, if it has the address too); else nodes; else external."""
        region = self._region(address, time)
        if region.marks & _LOOPBACK:
            return self.region_endpoint(region)
        holders = self.identities.pods_at.get(address, ())
        pods = [index for index in holders if self.identities.pods[index].alive(time)]
        nodes = self.identities.nodes_at.get(address, [])
        groups = (0, 0) if pods else self.services.groups_of(address)
        candidates = [self.intern(self._pod_key(index, region)) for index in pods]
        single = len(nodes) == 1 and not pods
        candidates += [
            self.intern(
                EndpointKey(
                    EndpointKind.NODE, node=node, region=region, groups=groups if single else (0, 0)
                )
            )
            for node in nodes
        ]
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            return self.intern(
                EndpointKey(EndpointKind.AMBIGUOUS, groups=groups, alternatives=tuple(candidates))
            )
        return self._external(address, region, groups)

    def _external(self, address: int, region: Region, groups: tuple[int, int] = (0, 0)) -> int:
        """Return the endpoint of an address nobody holds now, but perhaps another time (C2.3)."""
        stale = address in self.identities.pods_at
        found = self._outside.get((region, groups, stale))
        if found is not None:
            return found
        base = self.keys[self.region_endpoint(region)]
        if stale and base.kind is EndpointKind.EXTERNAL:  # known to be a pod's, so no gateway
            notes = base.notes & ~Note.POSSIBLE_NODE_GATEWAY | Note.STALE_POD_IP
            base = base._replace(notes=notes, alternatives=())
        found = self.intern(base._replace(groups=groups))
        self._outside[region, groups, stale] = found
        return found
