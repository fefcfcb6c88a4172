"""Address text to numbers and back, against the standard library."""

from __future__ import annotations

import ipaddress

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netpol._core import addresses_text
from netpol.flows.columns.addresses import format_addresses, map_ipv4, parse_addresses


def expected(text: str) -> tuple[int, bytes]:
    """Family and 16 bytes as the readers fold them; (0, b"") if it is no address."""
    try:
        address = ipaddress.ip_address(text.strip(" \t\r"))
    except ValueError:
        return 0, b""
    if address.version == 4:
        return 4, b"\0" * 10 + b"\xff\xff" + address.packed
    return (4 if address.ipv4_mapped else 6), address.packed


def check(texts: list[str]) -> None:
    v4, wide, family = parse_addresses(pa.array(texts, pa.string()))
    for i, text in enumerate(texts):
        kind, packed = expected(text)
        assert family[i] == kind, text
        if kind:
            assert wide[i].tobytes() == packed, text
        assert v4[i] == (int.from_bytes(packed[12:], "big") if kind == 4 else 0), text


def test_what_is_an_address_and_what_is_not():
    check(
        ["", " ", "1.2.3.4", " 1.2.3.4\t", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4",
         "1.2.3.4/8",
         "::", "::1", "1::", "fd00:10:244:1::10", "fd00:0010:0244:0001:0000:0000:0000:0010",
         "FD00::AbCd", "::ffff:10.0.0.1", "::ffff:a00:1", "::10.0.0.1", "64:ff9b::10.0.0.1",
         "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8",
         "1:2:3:4:5:6:7:8:9",
         "1::2::3", ":::", ":1", "1:", "12345::", "::g", "::1.2.3", "1:2:3:4:5:6:1.2.3.4",
         "1:2:3:4:5:6:7:1.2.3.4", "fe80::1%eth0", "fe80::1%", "%eth0", "nonsense", "1.2.3.4%eth0"]
    )  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text("0123456789abcdefF:.% x", max_size=24), min_size=1, max_size=8))
def test_any_text_is_judged_as_the_standard_library_does(texts):
    check([text for text in texts if not text.strip().startswith("%")])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.ip_addresses(), min_size=1, max_size=20), st.booleans())
def test_formatting_and_parsing_are_inverse(addresses, exploded):
    texts = [address.exploded if exploded else str(address) for address in addresses]
    v4, wide, family = parse_addresses(pa.array(texts))
    assert family.tolist() == [expected(text)[0] for text in texts]
    back = format_addresses(wide).to_pylist()
    for address, text, number, kind in zip(addresses, back, v4, family, strict=True):
        assert ipaddress.ip_address(text) == (getattr(address, "ipv4_mapped", None) or address)
        assert text == str(ipaddress.ip_address(text))
        if kind == 4:
            assert format_addresses(np.array([number])).to_pylist() == [text]


def test_nulls_slices_and_nothing():
    text = pa.array(["9.9.9.9", None, "10.0.0.1", "::1"])
    v4, _, family = parse_addresses(text.slice(1))
    assert family.tolist() == [0, 4, 6]
    assert v4.tolist() == [0, 10 << 24 | 1, 0]
    assert len(parse_addresses(pa.array([], pa.string()))[0]) == 0
    assert parse_addresses(pa.array([None, ""], pa.string()))[2].tolist() == [0, 0]
    assert format_addresses(np.zeros(0, np.uint32)).to_pylist() == []
    assert format_addresses(np.zeros((0, 16), np.uint8)).to_pylist() == []


def test_mapping():
    wide = map_ipv4(np.array([10 << 24 | 1, 0xFFFFFFFF], np.uint32))
    assert format_addresses(wide).to_pylist() == ["10.0.0.1", "255.255.255.255"]


def test_bounds_are_checked():
    one = np.zeros(1, np.uint32), np.zeros((1, 16), np.uint8), np.zeros(1, np.uint8)
    for offsets in ([0, 9], [2, 1], [-1, 2]):
        with pytest.raises(IndexError):
            addresses_text.parse_addresses(b"1.2.3.4", np.array(offsets, np.int64), *one)
    with pytest.raises(ValueError, match="v4: length 1, expected 2"):
        addresses_text.parse_addresses(b"1.2.3.4", np.array([0, 7, 7], np.int64), *one)
    with pytest.raises(ValueError, match="data: length 14, expected at least 15"):
        addresses_text.format_v4(one[0], np.zeros(2, np.int64), np.zeros(14, np.uint8))
    with pytest.raises(ValueError, match="data: length 44, expected at least 45"):
        addresses_text.format_wide(one[1], np.zeros(2, np.int64), np.zeros(44, np.uint8))
