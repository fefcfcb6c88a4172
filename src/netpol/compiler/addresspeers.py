"""Takes peers that match addresses, nodes and DNS answers, gives the bits of every address.

A CIDR, the addresses of some nodes and the addresses of a name are all sets of addresses; so each
such peer of a side is a bit that holds on some ranges. Doubt is a bit of its own: the lanes of an
address's bits are "matches", "may, for want of Node objects" and "may, for want of DNS answers"
(semantics.md B4.3, B4.4, B4.6, C4).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import NamedTuple

from netpol.compiler.identities import BEGINNING, V4_MAPPED, Identities, family_of, parse_address
from netpol.compiler.selection import YES, LabelSets
from netpol.dns.observations import DnsObservations, Window, merged_windows
from netpol.kube.snapshot import Snapshot
from netpol.policy.program import AddressPeer, CidrPeer, DomainPeer, NodePeer
from netpol.switches import Switches

__all__ = ["LANES", "AddressPeers", "Span", "Surroundings", "merged_networks"]

LANES = 3
_MATCHES, _NODES, _DNS = range(LANES)
Network = IPv4Network | IPv6Network
_EVERYWHERE: tuple[Network, ...] = (ip_network("0.0.0.0/0"), ip_network("::/0"))


class Span(NamedTuple):
    """A bit and the networks at whose edges it toggles; nested ones exclude."""

    bit: int
    networks: Sequence[Network]


class Surroundings:
    """What address peers are read against: nodes and DNS answers of a snapshot."""

    def __init__(self, snapshot: Snapshot, identities: Identities) -> None:
        self.dns: DnsObservations | None = snapshot.dns
        self._sets = LabelSets([node.metadata.labels or {} for node in snapshot.nodes])
        self._addresses = [
            {parse_address(item.address) for item in (node.status.addresses or ())}
            if node.status
            else set()
            for node in snapshot.nodes
        ]
        known = {node.metadata.name for node in snapshot.nodes}
        self.no_nodes = not known
        # Addresses of nodes whose Node object, and so whose labels, the snapshot lacks.
        self.strangers = [
            address
            for address, owners in identities.nodes_at.items()
            if any(identities.nodes[owner] not in known for owner in owners)
        ]

    def node_addresses(self, peer: NodePeer) -> set[int]:
        """Give the addresses of the nodes that a peer matches (B4.4)."""
        matched = self._sets.match(peer.nodes)
        found = set[int | None]()
        for verdict, addresses in zip(matched.tolist(), self._addresses, strict=True):
            if verdict == YES:
                found |= addresses
        return {address for address in found if address is not None}


class AddressPeers:
    """The distinct address peers of one side, in order of first use.

    Attributes
    ----------
    index : peer -> its bit's place in each lane.
    lanes : how many lanes are in use: one where CIDRs are all there is.
    spans : what toggles where, for the sweep over addresses.
    hidden_from_pods, hidden_from_nodes : bits that an address does not have if it is a pod's or a
        node's: scoped CIDRs (A6.4), and nodes are no pods (B4.4).
    """

    def __init__(
        self, peers: Iterable[AddressPeer], around: Surroundings, switches: Switches
    ) -> None:
        self.index = {peer: place for place, peer in enumerate(dict.fromkeys(peers))}
        self.lanes = 1 if all(isinstance(peer, CidrPeer) for peer in self.index) else LANES
        self.spans: list[Span] = []
        self.hidden_from_pods = self.hidden_from_nodes = 0
        self._windows: dict[int, dict[int, list[Window]]] = {}  # address -> place -> windows
        for peer, place in self.index.items():
            if isinstance(peer, CidrPeer):
                self._add_cidr(peer, place, switches)
            elif isinstance(peer, NodePeer):
                self._add_nodes(peer, place, around)
            else:
                self._add_domain(peer, place, around.dns)

    def __len__(self) -> int:
        return len(self.index)

    def _bit(self, lane: int, place: int) -> int:
        return 1 << (lane * len(self) + place)

    def _add_cidr(self, peer: CidrPeer, place: int, switches: Switches) -> None:
        bit = self._bit(_MATCHES, place)
        self.spans.append(Span(bit, [peer.network, *merged_networks(peer.excepts)]))
        if peer.scoped and switches.ipblock_scope != "any":  # R20
            self.hidden_from_pods |= bit
            if switches.ipblock_scope == "non-cluster":
                self.hidden_from_nodes |= bit

    def _add_nodes(self, peer: NodePeer, place: int, around: Surroundings) -> None:
        matches, may = self._bit(_MATCHES, place), self._bit(_NODES, place)
        self.spans.append(Span(matches, [_host(a) for a in around.node_addresses(peer)]))
        strangers = _EVERYWHERE if around.no_nodes else [_host(a) for a in around.strangers]
        self.spans.append(Span(may, strangers))
        self.hidden_from_pods |= matches | may

    def _add_domain(self, peer: DomainPeer, place: int, dns: DnsObservations | None) -> None:
        if dns is None or dns.may_have_more(peer.pattern):
            self.spans.append(Span(self._bit(_DNS, place), _EVERYWHERE))
        for answer in dns.answers_to(peer.pattern) if dns is not None else ():
            address = int(answer.address)
            if isinstance(answer.address, IPv4Address):
                address |= V4_MAPPED
            self._windows.setdefault(address, {}).setdefault(place, []).append(answer.window)

    @property
    def answered(self) -> Iterable[int]:
        """Addresses that some DNS answer matters for."""
        return self._windows.keys()

    def edges(self, address: int) -> Iterator[int]:
        """Give the times at which what DNS says of an address may change."""
        for windows in self._windows.get(address, {}).values():
            for window in windows:
                yield BEGINNING if window.start is None else window.start
                if window.end is not None:
                    yield window.end

    def learned(self, address: int, time: int | None) -> int:
        """Give the bits that DNS answers add to an address at a time, or at one not recorded."""
        bits = 0
        for place, windows in self._windows.get(address, {}).items():
            merged = merged_windows(windows)
            if any(_holds(window, time) for window in merged):
                bits |= self._bit(_MATCHES, place)
            elif time is None and merged:
                bits |= self._bit(_DNS, place)  # R26: valid at times, and when is not known
        return bits


def merged_networks(networks: Sequence[Network]) -> list[Network]:
    """Overlapping networks would toggle twice; disjoint ones toggle once each (A1.10)."""
    if len(networks) < 2:
        return list(networks)
    return list(collapse_addresses(networks))  # type: ignore[type-var]


def _holds(window: Window, time: int | None) -> bool:
    if time is None:
        return window == Window(None, None)
    return (window.start is None or window.start <= time) and (
        window.end is None or time < window.end
    )


def _host(address: int) -> Network:
    if family_of(address) == 4:
        return IPv4Network(address - V4_MAPPED)
    return IPv6Network(address)
