"""Takes spans of address peers and marked ranges, gives the address space cut into regions.

Inside one region every address has exactly the same bits of each side's address peers and carries
the same marks. Boundaries are swept once; each bit toggles where a network of its span begins or
ends (an except inside its CIDR is one more), so nesting and overlap need no special case and memory
is linear in prefixes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple

from netpol.compiler.addresspeers import Span, merged_networks

__all__ = ["FAMILY_BITS", "Mark", "Region", "Regions", "cut_regions"]

FAMILY_BITS = {4: 32, 6: 128}
Network = IPv4Network | IPv6Network


class Mark(NamedTuple):
    """A range that is not a peer but must be told apart: ``flag`` is a bit of ``Region.marks``."""

    network: Network
    flag: int


class Region(NamedTuple):
    """What all addresses of a region share.

    ``egress`` and ``ingress`` are bits of that side's address peers (``AddressPeers``).
    """

    egress: int
    ingress: int
    marks: int


@dataclass(frozen=True, slots=True)
class Regions:
    """One family's address space: region ``classes[i]`` begins at ``starts[i]``; starts[0] is 0."""

    starts: list[int]
    classes: list[Region]

    def at(self, address: int) -> Region:
        """Give the region an address lies in."""
        return self.classes[bisect_right(self.starts, address) - 1]


def cut_regions(
    family: int, egress: Sequence[Span], ingress: Sequence[Span], marks: Iterable[Mark]
) -> Regions:
    """Give the regions of family 4 or 6. Networks of the other family never match (A6.3)."""
    toggles: dict[int, list[int]] = {0: [0, 0, 0]}
    for side, spans in enumerate((egress, ingress)):
        for span in spans:
            for network in span.networks:
                if network.version == family:
                    _toggle(toggles, side, span.bit, network)
    flags: dict[int, list[Network]] = {}
    for mark in marks:
        if mark.network.version == family:
            flags.setdefault(mark.flag, []).append(mark.network)
    for flag, networks in flags.items():
        for network in merged_networks(networks):
            _toggle(toggles, 2, flag, network)
    return _sweep(toggles, 1 << FAMILY_BITS[family])


def _toggle(toggles: dict[int, list[int]], column: int, bit: int, network: Network) -> None:
    first = int(network.network_address)
    for edge in (first, first + network.num_addresses):
        toggles.setdefault(edge, [0, 0, 0])[column] ^= bit


def _sweep(toggles: dict[int, list[int]], end: int) -> Regions:
    starts: list[int] = []
    classes: list[Region] = []
    state = (0, 0, 0)
    interned: dict[Region, Region] = {}
    for start in sorted(toggles):
        if start >= end:
            break
        flips = toggles[start]
        state = (state[0] ^ flips[0], state[1] ^ flips[1], state[2] ^ flips[2])
        region = Region(*state)
        region = interned.setdefault(region, region)
        if not classes or classes[-1] is not region:
            starts.append(start)
            classes.append(region)
    return Regions(starts, classes)
