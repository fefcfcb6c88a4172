"""Takes a snapshot, gives who owns an address: pods, nodes, loopback or nobody (C2, R1-R5)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import NamedTuple

from netpol.kube.api.objects import Container, Pod
from netpol.kube.api.times import parse_time
from netpol.kube.snapshot import Snapshot
from netpol.model.switches import Switches
from netpol.model.verdict import Note
from netpol.reference.addresses import (
    Address,
    Network,
    is_special,
    parse_cidr,
    try_address,
)

__all__ = ["EXTERNAL", "PROTOCOLS", "End", "Identities", "Identity", "Kind", "KnownPod"]

#: Protocol numbers of the names that the API accepts (A1.6, A7.4).
PROTOCOLS = {"TCP": 6, "UDP": 17, "SCTP": 132}
TERMINAL = ("Succeeded", "Failed")
#: Edges of what is no address of anything outside: special classes (C2.4) and loopback.
SPECIAL = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/32", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255/32",
        "::/128", "::1/128", "fe80::/10", "ff00::/8",
    )
)  # fmt: skip
NOT_OUTSIDE = Note.UNSPECIFIED_ADDRESS_CLASS | Note.IN_PODCIDR


class Kind(IntEnum):
    """What an address can be, in the order in which several identities are listed (R1)."""

    POD = 0
    NODE = 1
    LOOPBACK = 2
    EXTERNAL = 3


@dataclass(frozen=True, eq=False, slots=True)
class KnownPod:
    """A pod, with the fields that judging needs already read off."""

    namespace: str
    name: str
    labels: dict[str, str]
    node: str | None
    host_network: bool
    terminal: bool
    start: int | None  # ns; None: since ever
    end: int | None  # ns; None: no end known
    addresses: tuple[Address, ...]
    containers: tuple[Container, ...]  # of the spec
    init_containers: tuple[Container, ...]
    named_ports: frozenset[tuple[str, int, int]]  # (name, protocol, number), A8.4

    @property
    def key(self) -> tuple[str, str]:
        """What makes two pods the same: namespace and name (A10.4)."""
        return self.namespace, self.name

    def alive(self, time: int | None) -> bool:
        """Return whether the pod owns its addresses at ``time`` (A13.2, A13.4, R4)."""
        if time is None:
            return not self.terminal
        if self.start is not None and time < self.start:
            return False
        if not self.terminal:
            return True
        return self.end is not None and time < self.end


@dataclass(frozen=True, slots=True, order=True)
class Identity:
    """Who an address is; ordered as R1 lists them."""

    kind: Kind
    namespace: str = ""
    name: str = ""
    pod: KnownPod | None = field(default=None, compare=False)

    def __str__(self) -> str:
        """Return ``pod ns/name``, ``node name``, ``loopback`` or ``external``."""
        if self.kind is Kind.POD:
            return f"pod {self.namespace}/{self.name}"
        return f"node {self.name}" if self.kind is Kind.NODE else self.kind.name.lower()


class End(NamedTuple):
    """One end of a judged pair: who it is and by which address."""

    identity: Identity
    address: Address

    def __str__(self) -> str:
        """Return the identity and its address."""
        return f"{self.identity} ({self.address})"


LOOPBACK = Identity(Kind.LOOPBACK)
EXTERNAL = Identity(Kind.EXTERNAL)


def _named_ports(pod: Pod, switches: Switches) -> Iterator[tuple[str, int, int]]:
    """Yield every (name, protocol, number) a pod declares (A2.5, A8.4, A8.5)."""
    spec = pod.spec
    if spec is None:
        return
    counted = list(spec.containers or ())
    for container in spec.init_containers or ():
        sidecar = container.restart_policy == "Always"
        if switches.named_port_init == "all-init" or (
            switches.named_port_init == "sidecars" and sidecar
        ):
            counted.append(container)
    for container in counted:
        for port in container.ports or ():
            protocol = PROTOCOLS.get(port.protocol or "TCP")
            if port.name and protocol is not None:
                yield port.name, protocol, port.container_port


def _addresses(pod: Pod) -> tuple[Address, ...]:
    """Return ``status.podIPs``, or ``status.podIP`` where the list is absent (A13.6)."""
    if pod.status is None:
        return ()
    texts = [item.ip for item in pod.status.pod_ips or ()] or [pod.status.pod_ip or ""]
    found = (try_address(text) for text in texts)
    return tuple(dict.fromkeys(address for address in found if address is not None))


def _end(pod: Pod) -> int | None:
    """Return when the last container of a pod finished (A13.4); None if that is not recorded."""
    ends = [
        parse_time(status.state.terminated.finished_at)
        for status in (pod.status.container_statuses if pod.status else None) or ()
        if status.state is not None and status.state.terminated is not None
    ]
    return max((end for end in ends if end is not None), default=None)


def known_pod(pod: Pod, switches: Switches) -> KnownPod:
    """Read off a pod what judging needs."""
    status, spec, meta = pod.status, pod.spec, pod.metadata
    start = parse_time(status.start_time if status else None)
    return KnownPod(
        namespace=meta.namespace or "default",  # A2.3
        name=meta.name,
        labels=dict(meta.labels or {}),
        node=(spec.node_name if spec else None) or None,
        host_network=bool(spec and spec.host_network),
        terminal=bool(status and status.phase in TERMINAL),
        start=parse_time(meta.creation_timestamp) if start is None else start,
        end=_end(pod),
        addresses=_addresses(pod),
        containers=tuple((spec.containers if spec else None) or ()),
        init_containers=tuple((spec.init_containers if spec else None) or ()),
        named_ports=frozenset(_named_ports(pod, switches)),
    )


class Identities:
    """Who owns which address in a snapshot.

    ``pods`` are all pods of the snapshot in (namespace, name) order; ``node_addresses`` maps an
    address to the names of the nodes owning it; ``newest`` is the newest time in the snapshot.
    """

    def __init__(self, snapshot: Snapshot, switches: Switches) -> None:
        self._host_network_is_pod = switches.host_network == "pod"
        self.pods = sorted(
            (known_pod(pod, switches) for pod in snapshot.pods), key=lambda pod: pod.key
        )
        self.by_key = {pod.key: pod for pod in self.pods}
        self._by_address: dict[Address, list[KnownPod]] = defaultdict(list)
        for pod in self.pods:
            if self.is_pod(pod):
                for address in pod.addresses:
                    self._by_address[address].append(pod)
        self.node_addresses: dict[Address, set[str]] = defaultdict(set)
        self._index_nodes(snapshot, switches)
        self.known_nodes = {name for names in self.node_addresses.values() for name in names}
        self._pod_cidrs = list(_pod_cidrs(snapshot))
        self.newest = max(_times(snapshot), default=None)

    def is_pod(self, pod: KnownPod) -> bool:
        """Return whether policies see the pod as a pod (A12.1)."""
        return self._host_network_is_pod or not pod.host_network

    def _index_nodes(self, snapshot: Snapshot, switches: Switches) -> None:
        """Collect what each node owns (A11.4, R2)."""
        owned: list[tuple[str, str | None]] = list(switches.node_addresses)
        for node in snapshot.nodes:
            for item in (node.status.addresses if node.status else None) or ():
                owned.append((node.metadata.name, item.address))
        for pod in snapshot.pods:
            name = pod.spec.node_name if pod.spec else None
            if name and pod.status is not None:
                owned.append((name, pod.status.host_ip))
                owned.extend((name, item.ip) for item in pod.status.host_ips or ())
        for name, text in owned:
            address = try_address(text)
            if address is not None:
                self.node_addresses[address].add(name)
        for known in self.pods:
            if known.host_network and known.node:
                for address in known.addresses:
                    self.node_addresses[address].add(known.node)

    def of_pod(self, pod: KnownPod) -> Identity | None:
        """Return the identity of a pod: itself, or its node (A12.1); None if that is unknown."""
        if self.is_pod(pod):
            return Identity(Kind.POD, pod.namespace, pod.name, pod)
        return Identity(Kind.NODE, "", pod.node) if pod.node else None

    def owners(self, address: Address, time: int | None) -> list[Identity]:
        """Return the live pods at an address and the nodes owning it, in R1's order."""
        found = [
            Identity(Kind.POD, pod.namespace, pod.name, pod)
            for pod in self._by_address.get(address, ())
            if pod.alive(time)
        ]
        nodes = self.node_addresses.get(address, ())
        return found + [Identity(Kind.NODE, "", name) for name in sorted(nodes)]

    def holders(self, address: Address) -> list[KnownPod]:
        """Return the pods that have or had an address, those on the host network left out."""
        return list(self._by_address.get(address, ()))

    def of(self, address: Address, time: int | None, hint: str | None = None) -> list[Identity]:
        """Return every identity an address may have (C2); never empty."""
        if address.is_loopback:
            return [LOOPBACK]
        hinted = self.hinted(hint)
        if hinted is not None:
            return [hinted]
        return self.owners(address, time) or [EXTERNAL]

    def hinted(self, hint: str | None) -> Identity | None:
        """Return the identity that the log itself names, if the snapshot has it (C1, R5)."""
        namespace, _, name = (hint or "").partition("/")
        pod = self.by_key.get((namespace, name))
        return None if pod is None else self.of_pod(pod)

    def notes(self, end: End) -> Note:
        """Return the hints about an address that nobody owns (C2.3, C2.4, A11.5)."""
        if end.identity.kind is not Kind.EXTERNAL:
            return Note.NONE
        notes = Note.NONE
        if self._by_address.get(end.address):
            notes |= Note.STALE_POD_IP
        if any(end.address in cidr for cidr, _ in self._pod_cidrs):
            notes |= Note.IN_PODCIDR
        if self.gateway_of(end):
            notes |= Note.POSSIBLE_NODE_GATEWAY
        if is_special(end.address):
            notes |= Note.UNSPECIFIED_ADDRESS_CLASS
        return notes

    def gateway_of(self, end: End) -> set[str]:
        """Return the nodes that an end nobody owns, nor ever did, may be the gateway of (A11.5)."""
        if end.identity.kind is not Kind.EXTERNAL or self._by_address.get(end.address):
            return set()
        return {name for cidr, name in self._pod_cidrs if end.address in cidr}

    def nobodys(self, version: int, edges: Iterable[Network]) -> list[End]:
        """Return an address for every class that networks cut what is nobody's into (A15.10).

        That is: no loopback, no pod range, and no special class of addresses (C2.4).
        """
        cuts = [*edges, *SPECIAL, *(cidr for cidr, _ in self._pod_cidrs)]
        starts = {0}
        for cut in cuts:
            if cut.version == version:
                starts |= {int(cut.network_address), int(cut.broadcast_address) + 1}
        kind, bits = (IPv4Address, 32) if version == 4 else (IPv6Address, 128)
        ends = [End(EXTERNAL, kind(n)) for n in sorted(starts) if n < 1 << bits]
        return [
            end for end in ends if not end.address.is_loopback and not self.notes(end) & NOT_OUTSIDE
        ]

    def own_node_known(self, pod: KnownPod) -> bool:
        """Return whether any address of the pod's node is known (A11.4)."""
        return pod.node is not None and pod.node in self.known_nodes


def _pod_cidrs(snapshot: Snapshot) -> Iterator[tuple[Network, str]]:
    for node in snapshot.nodes:
        if node.spec is None:
            continue
        for text in {*(node.spec.pod_cidrs or ()), node.spec.pod_cidr or ""}:
            try:
                yield parse_cidr(text), node.metadata.name
            except ValueError:
                continue


def _times(snapshot: Snapshot) -> Iterator[int]:
    """Yield every creation, start and finish time in the snapshot (A13.7)."""
    groups = (
        snapshot.namespaces,
        snapshot.pods,
        snapshot.nodes,
        snapshot.services,
        snapshot.endpoint_slices,
    )
    found = [parse_time(item.metadata.creation_timestamp) for group in groups for item in group]
    for pod in snapshot.pods:
        found += [_end(pod), parse_time(pod.status.start_time if pod.status else None)]
    yield from (time for time in found if time is not None)
