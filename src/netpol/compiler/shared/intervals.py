"""Takes networks, or any ranges on a line, gives half-open intervals: merged, or with holes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network

__all__ = ["Interval", "holed", "merged", "of_network"]

Network = IPv4Network | IPv6Network
#: First number and the one after the last.
Interval = tuple[int, int]


def of_network(network: Network) -> Interval:
    """Return the addresses of a network."""
    first = int(network.network_address)
    # Not num_addresses, which keeps 200 bytes in every network.
    return first, first + (1 << network.max_prefixlen - network.prefixlen)


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the union as disjoint intervals in order, none beside another."""
    found: list[Interval] = []
    for first, end in sorted(intervals):
        if found and first <= found[-1][1]:
            if end > found[-1][1]:
                found[-1] = (found[-1][0], end)
        else:
            found.append((first, end))
    return found


def holed(whole: Interval, holes: Sequence[Interval]) -> list[Interval]:
    """Return what is left of an interval without ``holes``, which are merged."""
    found = []
    start, end = whole
    for first, after in holes:
        if start < min(first, end):
            found.append((start, min(first, end)))
        start = max(start, after)
    if start < end:
        found.append((start, end))
    return found
