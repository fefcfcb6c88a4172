"""Addresses and CIDRs in the legacy reading of A1.9."""

from __future__ import annotations

import contextlib
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netpol.kube.api.addresses import parse_address, parse_cidr


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.0.0.1", IPv4Address("10.0.0.1")),
        ("010.000.0.08", IPv4Address("10.0.0.8")),
        ("::ffff:10.0.0.1", IPv4Address("10.0.0.1")),
        ("::FFFF:a00:1", IPv4Address("10.0.0.1")),
        ("::ffff:010.0.0.1", IPv4Address("10.0.0.1")),
        ("fe80::1%eth0", IPv6Address("fe80::1")),
        ("::1.2.3.4", IPv6Address("::1.2.3.4")),
        ("fd00::1", IPv6Address("fd00::1")),
    ],
)
def test_addresses(text: str, address: object) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    ["", "x", "10.0.0", "10.0.0.256", "1.2.3.4%eth0", "10.0.0.1 ", "::g", "1.2.3.4:80", "١.1.1.1"],
)
def test_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_address(text)


@pytest.mark.parametrize(
    ("text", "network", "problems"),
    [
        ("10.0.0.0/8", IPv4Network("10.0.0.0/8"), 0),
        ("10.0.0.5/24", IPv4Network("10.0.0.0/24"), 1),
        ("010.0.0.0/8", IPv4Network("10.0.0.0/8"), 1),
        ("10.0.0.0/08", IPv4Network("10.0.0.0/8"), 1),
        ("::ffff:10.0.0.0/104", IPv4Network("10.0.0.0/8"), 1),
        ("::ffff:010.0.0.1/0104", IPv4Network("10.0.0.0/8"), 3),
        ("::ffff:0:0/96", IPv4Network("0.0.0.0/0"), 1),
        ("fd00::1/64", IPv6Network("fd00::/64"), 1),
        ("::/0", IPv6Network("::/0"), 0),
    ],
)
def test_a1_9_cidrs(text: str, network: object, problems: int) -> None:
    parsed = parse_cidr(text)
    assert parsed.network == network
    assert len(parsed.problems) == problems


@given(st.ip_addresses(), st.integers(0, 128))
def test_canonical_text_reads_back(address: object, length: int) -> None:
    text = str(address)
    bits = min(length, ip_address(text).max_prefixlen)
    network = ip_network(f"{text}/{bits}", strict=False)
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None:
        return
    assert parse_cidr(str(network)) == (network, ())


@given(st.text(alphabet="0123456789abcdef.:/%- x", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (parse_address, parse_cidr):
        with contextlib.suppress(ValueError):
            parse(text)
