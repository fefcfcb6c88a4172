"""Takes address and CIDR text, gives ``ipaddress`` values in the legacy reading of A1.9.

Legacy is what API servers before strict checking took and may still hold: leading zeros are
decimal, IPv4-mapped IPv6 is IPv4, host bits are masked off.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import NamedTuple

__all__ = ["HOST_BITS", "Address", "Network", "ParsedCIDR", "parse_address", "parse_cidr"]

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

#: The problem of a CIDR whose address has bits set beyond the prefix; they are masked off.
HOST_BITS = "has address bits set beyond the prefix, ignored"

_DOTTED = re.compile(r"([0-9]{1,20})\.([0-9]{1,20})\.([0-9]{1,20})\.([0-9]{1,20})")
_PREFIX = re.compile(r"[0-9]{1,20}")


class ParsedCIDR(NamedTuple):
    """A CIDR as evaluated, and what a strict API server would object to (empty: nothing)."""

    network: Network
    problems: tuple[str, ...]


def parse_address(text: str) -> Address:
    """Read an address: IPv4-mapped IPv6 becomes IPv4, a zone (``%eth0``) is dropped.

    Raises
    ------
    ValueError
        ``text`` is not an address.
    """
    bare, _, _ = text.partition("%")
    return _fold(_parse(bare if ":" in bare else text)[0])


def parse_cidr(text: str) -> ParsedCIDR:
    """Read ``address/prefix`` as A1.9 says.

    Raises
    ------
    ValueError
        ``text`` is no CIDR in any reading: no prefix, a zone, a bad address or prefix length,
        or an IPv4-mapped prefix shorter than 96.
    """
    base, slash, suffix = text.partition("/")
    if not slash:
        raise ValueError("must have a prefix length, as in 10.0.0.0/8")
    if not _PREFIX.fullmatch(suffix):
        raise ValueError(f"{suffix!r} is not a prefix length")
    address, zeros = _parse(base)
    length = int(suffix)
    if length > address.max_prefixlen:
        raise ValueError(f"prefix length {length} is larger than {address.max_prefixlen}")
    problems = []
    if zeros or suffix != str(length):
        problems.append("has leading zeros, read as decimal")
    folded = _fold(address)
    if folded is not address:
        if length < 96:
            raise ValueError("an IPv4-mapped prefix must be at least 96 bits long")
        length -= 96
        problems.append("is an IPv4-mapped IPv6 range, read as IPv4")
    network: Network
    # By their numbers: an address would be written as text and read again.
    if isinstance(folded, IPv4Address):
        network = IPv4Network((int(folded), length), strict=False)
    else:
        network = IPv6Network((int(folded), length), strict=False)
    if network.network_address != folded:
        problems.append(HOST_BITS)
    return ParsedCIDR(network, tuple(problems))


def _parse(text: str) -> tuple[Address, bool]:
    """Return the address and whether octets had leading zeros."""
    head, colon, tail = text.rpartition(":")
    dotted = _DOTTED.fullmatch(tail)
    zeros = False
    if dotted:
        octets = [int(octet) for octet in dotted.groups()]
        plain = ".".join(map(str, octets))
        zeros = plain != tail
        tail = plain
        if not colon and max(octets) < 256:
            return IPv4Address(bytes(octets)), zeros
    if not colon:
        return IPv4Address(tail), zeros
    if "%" in text:
        raise ValueError(f"zone not allowed in {text!r}")
    return IPv6Address(f"{head}:{tail}"), zeros


def _fold(address: Address) -> Address:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
