"""Takes addresses and CIDRs as written, gives values that compare.

The reference evaluator's own parsers: they share nothing with the compiler, so that a slip in
one of the two shows as a difference.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

__all__ = [
    "NOWHERE",
    "Address",
    "Network",
    "is_special",
    "parse_address",
    "parse_cidr",
    "try_address",
]

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

#: Stands for an address that no CIDR, node or DNS answer is about; never an address of a flow.
NOWHERE: Address = IPv4Address(0)

_DOTTED = re.compile(r"\d+(?:\.\d+){3}")


def _without_leading_zeros(text: str) -> str:
    """Read the octets of a dotted quad as decimal, whatever zeros lead them (A1.9)."""
    return _DOTTED.sub(lambda quad: ".".join(str(int(o)) for o in quad[0].split(".")), text)


def _fold(address: Address) -> Address:
    """Return the IPv4 address behind a v4-mapped one (A6.3, C2.1)."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


@lru_cache(maxsize=1 << 16)
def parse_address(text: str) -> Address:
    """Parse an address: zone stripped, v4-mapped folded (C2.1). Raises ``ValueError``."""
    return _fold(ip_address(_without_leading_zeros(text.strip().partition("%")[0])))


def try_address(text: str | None) -> Address | None:
    """Parse an address of the snapshot; None if absent or not an address (A11.4: host names)."""
    if not text:
        return None
    try:
        return parse_address(text)
    except ValueError:
        return None


@lru_cache(maxsize=1 << 16)
def parse_cidr(text: str) -> Network:
    """Parse a CIDR in the legacy reading of A1.9.

    Leading zeros are decimal, host bits are masked off, and a v4-mapped prefix of n bits is the
    IPv4 prefix of n - 96. Raises ``ValueError`` for anything else, a v4-mapped n < 96 included.
    """
    base_text, slash, length_text = text.partition("/")
    if not slash or not length_text.isdecimal():
        raise ValueError(f"{text!r} is not a CIDR")
    base: Address = ip_address(_without_leading_zeros(base_text))
    length = int(length_text)
    folded = _fold(base)
    if folded is not base:
        length -= 96
    if length < 0:
        raise ValueError(f"{text!r} is wider than the v4-mapped range")
    return ip_network((folded, length), strict=False)


def is_special(address: Address) -> bool:
    """Return whether C2.4 names the class: multicast, broadcast, link-local or unspecified."""
    return (
        address.is_multicast
        or address.is_link_local
        or address.is_unspecified
        or address == IPv4Address("255.255.255.255")
    )
