"""Addresses as text, against ``ipaddress``.

Attacked: the core's parsers and writers of addresses. What they take ``ipaddress`` takes as the
same address, and what it takes they take; what they write is what it writes.
"""

from __future__ import annotations

import ipaddress

import pyarrow as pa

from netpol.flows.columns.addresses import format_addresses, parse_addresses

_BLANK = " \t\r"


def one(data: bytes) -> None:
    """Parse each line of the input, alone and in one array with the others."""
    lines = [line.decode("utf-8", "replace") for line in data[:4096].split(b"\n")]
    v4, wide, family = parse_addresses(pa.array(lines, pa.string()))
    for i, line in enumerate(lines):
        expected = address(line)
        found = expected and (6 if expected.version == 6 else 4)
        assert family[i] == (found or 0), f"{line!r}: {family[i]}, not {found}"
        if expected is None:
            continue
        packed = expected.packed
        mapped = packed if len(packed) == 16 else b"\0" * 10 + b"\xff\xff" + packed
        assert wide[i].tobytes() == mapped, line
        assert int(v4[i]) == (int(expected) if expected.version == 4 else 0), line
    known = family > 0
    texts = format_addresses(wide[known]).to_pylist()
    assert texts == [str(item) for item in map(address, lines) if item is not None]


def address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address a text is to us: blanks and a zone stripped, mapped ones IPv4."""
    text = text.strip(_BLANK)
    bare, percent, zone = text.partition("%")
    if percent and (not zone or ":" not in bare):
        return None
    try:
        found = ipaddress.ip_address(bare)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found


def seeds() -> list[bytes]:
    """Return addresses of every shape."""
    lines = [
        "10.244.1.10", "0.0.0.0", "255.255.255.255", " 10.0.0.1\t", "fd00::1", "::", "::1", "1::",
        "2001:db8:0:0:1:0:0:1", "1:2:3:4:5:6:7:8", "::ffff:10.0.0.1", "64:ff9b::192.0.2.1",
        "fe80::1%eth0", "FD00::ABCD", "1:2:3:4:5:6:7::", "::ffff:a00:1", "", "x", "01.2.3.4",
    ]  # fmt: skip
    return [line.encode() for line in lines] + ["\n".join(lines).encode()]
