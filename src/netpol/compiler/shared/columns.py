"""Takes bits set on sparse columns, gives columns grouped by equal bits.

Used twice a row: peers by which rules match them, port classes by which rules match them. Codes are
exact bit strings in 63-bit lanes, so any number of rules works and nothing rests on a hash.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Grouped", "group_columns", "mask_of", "set_bits"]

_LANE_BITS = 63
Indexes = npt.NDArray[np.int64]


class Grouped(NamedTuple):
    """Columns that have any bit, the local class of each (0 is "no bit"), and bits per class.

    ``touched`` is sorted; ``local`` is uint32 of the same length; ``bits[k]`` and ``extra[k]``
    describe local class k, with ``bits[0] == 0`` and ``extra[0] == 0``.
    """

    touched: Indexes
    local: npt.NDArray[np.uint32]
    bits: list[int]
    extra: list[int]


_EMPTY = Grouped(np.empty(0, np.int64), np.empty(0, np.uint32), [0], [0])


def group_columns(
    entries: Sequence[tuple[int, Indexes]], extra: npt.NDArray[np.int64] | None = None
) -> Grouped:
    """Group columns.

    Parameters
    ----------
    entries : (bit, sorted column indexes that have it); a bit may come several times.
    extra : int64[all columns], a further property that tells columns apart; 0 where it does not.
    """
    used = [(bit, indexes) for bit, indexes in entries if len(indexes)]
    parts = [indexes for _, indexes in used]
    bits = [bit for bit, _ in used]
    if extra is not None:
        parts.append(np.flatnonzero(extra))
        bits.append(-1)
    if not parts:
        return _EMPTY
    place, touched = _places(np.concatenate(parts))
    highest = max((bit for bit, _ in used), default=0)
    lanes = highest // _LANE_BITS + 1
    codes = np.zeros((len(touched), lanes + (extra is not None)), np.int64)
    start = 0
    for bit, part in zip(bits, parts, strict=True):
        if bit >= 0:
            lane, shift = divmod(bit, _LANE_BITS)
            codes[place[start : start + len(part)], lane] |= np.int64(1 << shift)
        start += len(part)
    if extra is not None:
        codes[:, -1] = extra[touched]
    return _classes(touched, codes, lanes)


def _places(indexes: Indexes) -> tuple[Indexes, Indexes]:
    """Return each index's place among the distinct ones, and those, sorted."""
    order = indexes.argsort(kind="stable")
    ascending = indexes[order]
    new = np.empty(len(indexes), bool)
    new[:1] = True
    np.not_equal(ascending[1:], ascending[:-1], out=new[1:])
    place = np.empty(len(indexes), np.int64)
    place[order] = new.cumsum() - 1
    return place, ascending[new]


def _classes(touched: Indexes, codes: npt.NDArray[np.int64], lanes: int) -> Grouped:
    if codes.shape[1] == 1:
        inverse, distinct = _places(codes[:, 0])
        distinct = distinct[:, None]
    else:
        # Rows as opaque bytes: the order of classes does not matter, only that it is stable.
        rows = np.ascontiguousarray(codes).view(np.dtype((np.void, codes.shape[1] * 8)))[:, 0]
        ids: dict[bytes, int] = {}
        inverse = np.array([ids.setdefault(row, len(ids)) for row in rows.tolist()], np.int64)
        distinct = np.frombuffer(b"".join(ids), np.int64).reshape(-1, codes.shape[1])
    bits, extras = [0], [0]
    renumber = np.zeros(len(distinct), np.uint32)
    for index, row in enumerate(distinct.tolist()):
        value = sum(part << (lane * _LANE_BITS) for lane, part in enumerate(row[:lanes]) if part)
        more = row[lanes] if len(row) > lanes else 0
        if value or more:
            renumber[index] = len(bits)
            bits.append(value)
            extras.append(more)
    return Grouped(touched, renumber[inverse], bits, extras)


def set_bits(bits: int) -> list[int]:
    """Return the places of the bits, in order; a long number by whole bytes at once."""
    if bits.bit_length() > 256:
        octets = np.frombuffer(bits.to_bytes(-(-bits.bit_length() // 8), "little"), np.uint8)
        places: list[int] = np.flatnonzero(np.unpackbits(octets, bitorder="little")).tolist()
        return places
    found = []
    while bits:
        lowest = bits & -bits
        found.append(lowest.bit_length() - 1)
        bits ^= lowest
    return found


def mask_of(places: Sequence[int]) -> int:
    """Return the number whose bits are at these places."""
    if len(places) < 8:
        mask = 0
        for place in places:
            mask |= 1 << place
        return mask
    flags = np.zeros(max(places) + 1, np.uint8)
    flags[places] = 1
    return int.from_bytes(np.packbits(flags, bitorder="little").tobytes(), "little")
