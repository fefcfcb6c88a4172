"""Takes peers that match addresses, nodes and DNS answers, gives what holds at every address.

The CIDRs of a rule together, the addresses of some nodes and the addresses of a name are all sets
of addresses; so each of these is a *place* that holds on some ranges: 100 000 CIDRs of one rule are
one place. Doubt is a place of its own: the lanes of an address's places are "matches", "may, for
want of Node objects" and "may, for want of DNS answers" (specification.md B4.3, B4.4, B4.6, C4).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address
from typing import NamedTuple

from netpol.compiler.addresses.identities import (
    BEGINNING,
    V4_MAPPED,
    Identities,
    family_of,
    parse_address,
)
from netpol.compiler.shared.intervals import Interval, holed, merged, of_network
from netpol.compiler.shared.placesets import PlaceSets
from netpol.compiler.shared.selection import YES, LabelSets
from netpol.kube.snapshot import Snapshot
from netpol.model.dns_observations import DnsObservations, Window, merged_windows
from netpol.model.switches import Switches
from netpol.policy.program import AddressPeer, CidrPeer, DomainPeer, NodePeer

__all__ = ["LANES", "AddressPeers", "Span", "Surroundings"]

LANES = 3
_MATCHES, _NODES, _DNS = range(LANES)
_EVERYWHERE = {4: [(0, 1 << 32)], 6: [(0, 1 << 128)]}
_Cidrs = tuple[CidrPeer, ...]
_ByFamily = dict[int, list[Interval]]


class Span(NamedTuple):
    """A place and where it holds: disjoint intervals of addresses of a family."""

    place: int
    family: int
    intervals: list[Interval]


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
        """Return the addresses of the nodes that a peer matches (B4.4)."""
        matched = self._sets.match(peer.nodes)
        found = set[int | None]()
        for verdict, addresses in zip(matched.tolist(), self._addresses, strict=True):
            if verdict == YES:
                found |= addresses
        return {address for address in found if address is not None}


class AddressPeers:
    """What the address peers of one side's rules amount to, in order of first use.

    Parameters
    ----------
    peers : of each rule those that are no pods.

    Attributes
    ----------
    lanes : how many lanes are in use: one where CIDRs are all there is. A place in lane n is n
        times ``len(self)`` higher than in the first.
    by_rule : the places of each rule's peers, in the first lane.
    spans : where each place holds, for the sweep over addresses.
    sets : numbers the sets of places that addresses have.
    hidden_from_pods, hidden_from_nodes : the sets of places that an address does not have if it is
        a pod's or a node's: scoped CIDRs (A6.4), and nodes are no pods (B4.4).
    """

    def __init__(
        self,
        peers: Iterable[Sequence[AddressPeer]],
        around: Surroundings,
        switches: Switches,
    ) -> None:
        self._cidrs: dict[_Cidrs, int] = {}
        self._others: dict[NodePeer | DomainPeer, int] = {}
        self.by_rule = [self._places(item) if item else [] for item in peers]
        self.lanes = LANES if self._others else 1
        self.sets = PlaceSets(self.lanes * len(self))
        self.spans: list[Span] = []
        self.hidden_from_pods = self.hidden_from_nodes = 0
        self._windows: dict[int, dict[int, list[Window]]] = {}  # address -> place -> windows
        for cidrs, place in self._cidrs.items():
            self._add_cidrs(cidrs, place, switches)
        for peer, place in self._others.items():
            if isinstance(peer, NodePeer):
                self._add_nodes(peer, place, around)
            else:
                self._add_domain(peer, place, around.dns)

    def __len__(self) -> int:
        return len(self._cidrs) + len(self._others)

    def _places(self, peers: Sequence[AddressPeer]) -> list[int]:
        """Return the places of a rule's peers, known ones or new."""
        found = [self._cidrs.setdefault(cidrs, len(self)) for cidrs in _by_scope(peers)]
        for peer in peers:
            if not isinstance(peer, CidrPeer):
                found.append(self._others.setdefault(peer, len(self)))
        return found

    def _place(self, lane: int, place: int) -> int:
        return lane * len(self) + place

    def _add_spans(self, place: int, parts: _ByFamily) -> None:
        self.spans += [Span(place, family, item) for family, item in parts.items() if item]

    def _add_cidrs(self, cidrs: _Cidrs, place: int, switches: Switches) -> None:
        parts: _ByFamily = {4: [], 6: []}
        for peer in cidrs:
            holes = merged(map(of_network, peer.excepts))
            parts[peer.network.version] += holed(of_network(peer.network), holes)
        self._add_spans(place, {family: merged(item) for family, item in parts.items()})
        if cidrs[0].scoped and switches.ipblock_scope != "any":  # R20
            self.hidden_from_pods = self.sets.toggled(self.hidden_from_pods, [place])
            if switches.ipblock_scope == "non-cluster":
                self.hidden_from_nodes = self.sets.toggled(self.hidden_from_nodes, [place])

    def _add_nodes(self, peer: NodePeer, place: int, around: Surroundings) -> None:
        matches, may = self._place(_MATCHES, place), self._place(_NODES, place)
        self._add_spans(matches, _hosts(around.node_addresses(peer)))
        self._add_spans(may, _EVERYWHERE if around.no_nodes else _hosts(around.strangers))
        self.hidden_from_pods = self.sets.joined(self.hidden_from_pods, (matches, may))

    def _add_domain(self, peer: DomainPeer, place: int, dns: DnsObservations | None) -> None:
        if dns is None or dns.may_have_more(peer.pattern):
            self._add_spans(self._place(_DNS, place), _EVERYWHERE)
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
        """Yield the times at which what DNS says of an address may change."""
        for windows in self._windows.get(address, {}).values():
            for window in windows:
                yield BEGINNING if window.start is None else window.start
                if window.end is not None:
                    yield window.end

    def learned(self, address: int, time: int | None) -> list[int]:
        """Return places that DNS answers add to an address at a time, or at one not recorded."""
        places = []
        for place, windows in self._windows.get(address, {}).items():
            merged = merged_windows(windows)
            if any(_holds(window, time) for window in merged):
                places.append(self._place(_MATCHES, place))
            elif time is None and merged:
                places.append(
                    self._place(_DNS, place)
                )  # R26: valid at times, and when is not known
        return places


def _by_scope(peers: Sequence[AddressPeer]) -> list[_Cidrs]:
    """Return the CIDRs of a rule, those that pods and nodes may be hidden from apart (A6.4)."""
    cidrs = [peer for peer in peers if isinstance(peer, CidrPeer)]
    scoped = tuple([peer for peer in cidrs if peer.scoped])
    others = tuple([peer for peer in cidrs if not peer.scoped])
    return [found for found in (scoped, others) if found]


def _holds(window: Window, time: int | None) -> bool:
    if time is None:
        return window == Window(None, None)
    return (window.start is None or window.start <= time) and (
        window.end is None or time < window.end
    )


def _hosts(addresses: Iterable[int]) -> _ByFamily:
    found: _ByFamily = {4: [], 6: []}
    for address in addresses:
        family = family_of(address)
        first = address - V4_MAPPED if family == 4 else address
        found[family].append((first, first + 1))
    return {family: merged(item) for family, item in found.items()}
