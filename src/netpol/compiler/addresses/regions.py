"""Takes spans of address peers and marked ranges, gives the address space cut into regions.

Inside one region every address has exactly the same address peers of each side and carries the same
marks. Boundaries are swept once; each place switches where one of its intervals begins or ends, so
nesting and overlap need no special case, and memory is n log n in prefixes (``PlaceSets``).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple

from netpol.compiler.addresses.cidrcolumns import CidrColumns
from netpol.compiler.addresses.peers import Span
from netpol.compiler.shared.budget import Budget
from netpol.compiler.shared.intervals import Interval, merged, of_network
from netpol.compiler.shared.placesets import PlaceSets
from netpol.model.verdict import Side

__all__ = ["FAMILY_BITS", "Mark", "Region", "Regions", "Swept", "cut_regions"]

FAMILY_BITS = {4: 32, 6: 128}
#: By address, what is switched there: on if it was off, off if it was on.
_Switched = dict[int, list[int]]
_BYTES = 900  # of one region, its endpoint and its part of the sets, in Python


class Mark(NamedTuple):
    """A range that is not a peer but must be told apart.

    ``flag`` is a bit of ``Region.marks``; ``node`` whose pod range it is, -1 if none's.
    """

    network: IPv4Network | IPv6Network
    flag: int
    node: int = -1


class Region(NamedTuple):
    """What all addresses of a region share.

    ``egress`` and ``ingress`` are numbers of sets of that side's places (``AddressPeers.sets``);
    ``nodes`` are those in whose pod ranges they lie.
    """

    egress: int
    ingress: int
    marks: int
    nodes: tuple[int, ...] = ()

    def of(self, side: Side) -> int:
        """Return the set of one side."""
        return self.egress if side is Side.EGRESS else self.ingress


@dataclass(frozen=True, slots=True)
class Regions:
    """One family's address space: region ``classes[i]`` begins at ``starts[i]``; starts[0] is 0."""

    starts: list[int]
    classes: list[Region]

    def at(self, address: int) -> Region:
        """Return the region an address lies in."""
        return self.classes[bisect_right(self.starts, address) - 1]


class Swept(NamedTuple):
    """One side as the sweep sees it: where its places hold, their sets, and the sets' columns."""

    spans: Sequence[Span]
    sets: PlaceSets
    columns: CidrColumns


@dataclass(slots=True)
class _Edges:
    """What is switched at which address: places by side, flags of marks, nodes."""

    places: tuple[_Switched, _Switched] = field(default_factory=lambda: ({}, {}))
    flags: _Switched = field(default_factory=dict)
    nodes: _Switched = field(default_factory=dict)

    def addresses(self) -> set[int]:
        """Return all addresses at which something is switched, and 0."""
        return {0}.union(*self.places, self.flags, self.nodes)


def cut_regions(
    family: int, egress: Swept, ingress: Swept, marks: Iterable[Mark], budget: Budget
) -> Regions:
    """Return the regions of family 4 or 6. Networks of the other family never match (A6.3).

    Raises
    ------
    CapacityError
        If the regions would exceed the budget; decided before they are made.
    """
    edges = _Edges()
    for switched, swept in zip(edges.places, (egress, ingress), strict=True):
        for span in swept.spans:
            if span.family == family:
                _switch(switched, span.place, span.intervals)
    flags: dict[int, list[Interval]] = {}
    nodes: dict[int, list[Interval]] = {}
    for mark in marks:
        if mark.network.version == family:
            flags.setdefault(mark.flag, []).append(of_network(mark.network))
            if mark.node >= 0:
                nodes.setdefault(mark.node, []).append(of_network(mark.network))
    for flag, intervals in flags.items():
        _switch(edges.flags, flag, merged(intervals))
    for node, intervals in nodes.items():
        _switch(edges.nodes, node, merged(intervals))
    addresses = edges.addresses()
    budget.take(len(addresses) * _BYTES, f"{len(addresses)} IPv{family} address ranges")
    return _sweep(sorted(addresses), edges, (egress, ingress), 1 << FAMILY_BITS[family])


def _switch(switched: _Switched, item: int, intervals: Iterable[Interval]) -> None:
    for interval in intervals:
        for address in interval:
            known = switched.get(address)
            if known is None:
                switched[address] = [item]
            else:
                known.append(item)


def _sweep(
    addresses: Iterable[int], edges: _Edges, sides: tuple[Swept, Swept], end: int
) -> Regions:
    starts: list[int] = []
    classes: list[Region] = []
    held = [0, 0]
    marks = 0
    nodes: set[int] = set()
    located: tuple[int, ...] = ()
    interned: dict[Region, Region] = {}
    for start in addresses:
        if start >= end:
            break
        for number, side in enumerate(sides):
            places = edges.places[number].get(start)
            if places is not None:
                held[number] = side.sets.toggled(held[number], places)
                for place in places:
                    side.columns.switch(place)
                side.columns.reach(held[number])
        for flag in edges.flags.get(start, ()):
            marks ^= flag
        if start in edges.nodes:
            nodes.symmetric_difference_update(edges.nodes[start])
            located = tuple(sorted(nodes))
        region = Region(held[0], held[1], marks, located)
        region = interned.setdefault(region, region)
        if not classes or classes[-1] is not region:
            starts.append(start)
            classes.append(region)
    for side in sides:
        side.columns.close()
    return Regions(starts, classes)
