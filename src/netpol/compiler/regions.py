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

from netpol.compiler.addresspeers import Span
from netpol.compiler.budget import Budget
from netpol.compiler.cidrcolumns import CidrColumns
from netpol.compiler.intervals import Interval, merged, of_network
from netpol.compiler.placesets import PlaceSets
from netpol.verdict import Side

__all__ = ["FAMILY_BITS", "Mark", "Region", "Regions", "Swept", "cut_regions"]

FAMILY_BITS = {4: 32, 6: 128}
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
        """Give the set of one side."""
        return self.egress if side is Side.EGRESS else self.ingress


@dataclass(frozen=True, slots=True)
class Regions:
    """One family's address space: region ``classes[i]`` begins at ``starts[i]``; starts[0] is 0."""

    starts: list[int]
    classes: list[Region]

    def at(self, address: int) -> Region:
        """Give the region an address lies in."""
        return self.classes[bisect_right(self.starts, address) - 1]


class Swept(NamedTuple):
    """One side as the sweep sees it: where its places hold, their sets, and the sets' columns."""

    spans: Sequence[Span]
    sets: PlaceSets
    columns: CidrColumns


@dataclass(slots=True)
class _Edge:
    """What is switched at one address: places by side, a mark's flag, nodes."""

    places: tuple[list[int], list[int]] = field(default_factory=lambda: ([], []))
    flag: int = 0
    nodes: list[int] = field(default_factory=list)


def cut_regions(
    family: int, egress: Swept, ingress: Swept, marks: Iterable[Mark], budget: Budget
) -> Regions:
    """Give the regions of family 4 or 6. Networks of the other family never match (A6.3).

    Raises
    ------
    CapacityError
        If the regions would exceed the budget; decided before they are made.
    """
    edges: dict[int, _Edge] = {0: _Edge()}
    for side, swept in enumerate((egress, ingress)):
        for span in swept.spans:
            if span.family == family:
                for edge in _edges(edges, span.intervals):
                    edge.places[side].append(span.place)
    flags: dict[int, list[Interval]] = {}
    nodes: dict[int, list[Interval]] = {}
    for mark in marks:
        if mark.network.version == family:
            flags.setdefault(mark.flag, []).append(of_network(mark.network))
            if mark.node >= 0:
                nodes.setdefault(mark.node, []).append(of_network(mark.network))
    for flag, intervals in flags.items():
        for edge in _edges(edges, merged(intervals)):
            edge.flag ^= flag
    for node, intervals in nodes.items():
        for edge in _edges(edges, merged(intervals)):
            edge.nodes.append(node)
    budget.take(len(edges) * _BYTES, f"{len(edges)} IPv{family} address ranges")
    return _sweep(edges, (egress, ingress), 1 << FAMILY_BITS[family])


def _edges(edges: dict[int, _Edge], intervals: Iterable[Interval]) -> Iterable[_Edge]:
    for interval in intervals:
        for address in interval:
            yield edges.setdefault(address, _Edge())


def _sweep(edges: dict[int, _Edge], sides: tuple[Swept, Swept], end: int) -> Regions:
    starts: list[int] = []
    classes: list[Region] = []
    held = [0, 0]
    marks = 0
    nodes: set[int] = set()
    interned: dict[Region, Region] = {}
    for start in sorted(edges):
        if start >= end:
            break
        edge = edges[start]
        for number, side in enumerate(sides):
            held[number] = side.sets.toggled(held[number], edge.places[number])
            for place in edge.places[number]:
                side.columns.switch(place)
            side.columns.reach(held[number])
        marks ^= edge.flag
        nodes.symmetric_difference_update(edge.nodes)
        region = Region(held[0], held[1], marks, tuple(sorted(nodes)))
        region = interned.setdefault(region, region)
        if not classes or classes[-1] is not region:
            starts.append(start)
            classes.append(region)
    for side in sides:
        side.columns.close()
    return Regions(starts, classes)
