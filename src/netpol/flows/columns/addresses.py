"""Takes address text in Arrow arrays, gives address columns, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from netpol._core import addresses_text
from netpol.model.batch import Column

__all__ = ["encode_addresses", "format_addresses", "map_ipv4", "parse_addresses"]


def parse_addresses(
    text: pa.Array,
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Parse IPv4 and IPv6 text.

    v4-mapped addresses become IPv4, a zone (``%eth0``) and surrounding blanks are stripped.

    Parameters
    ----------
    text : pyarrow.Array
        Of type string or large_string, length n.

    Returns
    -------
    v4 : uint32[n]
        Host order, 0 where not IPv4.
    wide : uint8[n, 16]
        Network order, IPv4 mapped.
    family : uint8[n]
        4, 6, or 0 where the text is no address or is null.
    """
    text = text.cast(pa.large_string())
    n = len(text)
    _, offsets, data = text.buffers()
    v4 = np.zeros(n, np.uint32)
    wide = np.zeros((n, 16), np.uint8)
    family = np.zeros(n, np.uint8)
    if n == 0:
        return v4, wide, family
    starts = np.frombuffer(offsets, np.int64, n + 1, 8 * text.offset)
    starts = np.require(starts, requirements="A")  # of a file, they may begin anywhere
    content = np.frombuffer(data, np.uint8) if data is not None and data.size else b""
    addresses_text.parse_addresses(content, starts, v4, wide, family)
    if text.null_count:
        family[text.is_null().to_numpy(zero_copy_only=False)] = 0
    return v4, wide, family


def map_ipv4(v4: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
    """Return IPv4 addresses (uint32[n], host order) as mapped ones (uint8[n, 16])."""
    wide = np.zeros((len(v4), 16), np.uint8)
    wide[:, 10:12] = 255
    wide[:, 12:] = v4.astype(">u4").view(np.uint8).reshape(-1, 4)
    return wide


def format_addresses(addresses: Column) -> Any:
    """Write addresses as text.

    Parameters
    ----------
    addresses : uint32[n] or uint8[n, 16]
        Host order, or network order with IPv4 mapped, which is written as IPv4.

    Returns
    -------
    pyarrow.StringArray
        Dotted decimal, or IPv6 as RFC 5952 has it. Length n.
    """
    n = len(addresses)
    offsets = np.empty(n + 1, np.int64)
    if addresses.ndim == 2:
        data = np.empty(45 * n, np.uint8)
        used = addresses_text.format_wide(np.ascontiguousarray(addresses), offsets, data)
    else:
        data = np.empty(15 * n, np.uint8)
        used = addresses_text.format_v4(np.ascontiguousarray(addresses), offsets, data)
    large = pa.LargeStringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(data[:used]))
    return large.cast(pa.string())


def encode_addresses(addresses: Column) -> Any:
    """Write the distinct addresses as text; as ``format_addresses``, gives a DictionaryArray."""
    if addresses.ndim == 2:
        data = pa.py_buffer(np.ascontiguousarray(addresses))
        column = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(addresses), [None, data])
    else:
        column = pa.array(addresses, pa.uint32())
    codes = column.dictionary_encode()
    distinct = codes.dictionary
    if addresses.ndim == 2:
        octets = np.frombuffer(distinct.buffers()[1], np.uint8)[: 16 * len(distinct)]
        text = format_addresses(octets.reshape(-1, 16))
    else:
        text = format_addresses(distinct.to_numpy())
    return pa.DictionaryArray.from_arrays(codes.indices, text)
