"""Takes a party and the CIDRs of its addresses, gives both in few words.

"All but one network" is dozens of CIDRs, so what is left out is said where that is shorter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_network, summarize_address_range

from netpol.report.words.layout import listed, shown

__all__ = ["networks_text", "party_text"]

_MOST = 4
_EVERYWHERE = ("0.0.0.0/0", "::/0")
_FAMILIES = ((4, IPv4Address, 32), (6, IPv6Address, 128))


def party_text(name: str, networks: Sequence[str]) -> str:
    """Return a name with its networks: ``external 10.0.0.0/8``, ``external (but 192.0.2.0/24)``."""
    if not networks or tuple(networks) == _EVERYWHERE:
        return shown(name)
    text = networks_text(tuple(networks))
    return f"{shown(name)} {text}" if len(networks) == 1 else f"{shown(name)} ({text})"


@lru_cache(maxsize=4096)
def networks_text(networks: tuple[str, ...]) -> str:
    """Return networks, or the ones left out; the first of them if both are many."""
    if networks == _EVERYWHERE:
        return "any"
    if len(networks) > _MOST:
        left_out = tuple(_left_out(networks))
        if len(left_out) <= _MOST:
            return "but " + ", ".join(left_out)
    return listed(networks, _MOST)


def _left_out(networks: Sequence[str]) -> Iterator[str]:
    """Yield the fewest CIDRs of what is in none of some networks, which do not overlap."""
    ranges: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
    for text in networks:
        network = ip_network(text)
        first = int(network.network_address)
        ranges[network.version].append((first, first + network.num_addresses))
    for version, address, bits in _FAMILIES:
        begin = 0
        for first, end in [*sorted(ranges[version]), (1 << bits, 0)]:
            if begin < first:
                gap = summarize_address_range(address(begin), address(first - 1))
                yield from map(str, gap)
            begin = end
