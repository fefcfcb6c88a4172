"""Takes bits set on sparse columns, gives columns grouped by equal bits.

Used twice a row: peers by which rules match them, port classes by which rules match them. Codes are
exact bit strings in 63-bit lanes, so any number of rules works and nothing rests on a hash.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Grouped", "group_columns"]

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
    parts = [indexes for _, indexes in entries if len(indexes)]
    if extra is not None:
        parts.append(np.flatnonzero(extra))
    if not parts:
        return _EMPTY
    touched = parts[0] if len(parts) == 1 else np.unique(np.concatenate(parts))
    highest = max((bit for bit, _ in entries), default=0)
    lanes = highest // _LANE_BITS + 1
    width = lanes + (extra is not None)
    codes = np.zeros((len(touched), width), np.int64)
    for bit, indexes in entries:
        if len(indexes):
            lane, shift = divmod(bit, _LANE_BITS)
            codes[np.searchsorted(touched, indexes), lane] |= np.int64(1 << shift)
    if extra is not None:
        codes[:, -1] = extra[touched]
    return _classes(touched, codes, lanes)


def _classes(touched: Indexes, codes: npt.NDArray[np.int64], lanes: int) -> Grouped:
    if codes.shape[1] == 1:
        distinct, inverse = np.unique(codes[:, 0], return_inverse=True)
        distinct = distinct[:, None]
    else:
        distinct, inverse = np.unique(codes, axis=0, return_inverse=True)
        inverse = inverse.reshape(-1)
    bits, extras = [0], [0]
    renumber = np.zeros(len(distinct), np.uint32)
    for index, row in enumerate(distinct.tolist()):
        value = sum(part << (lane * _LANE_BITS) for lane, part in enumerate(row[:lanes]))
        more = row[lanes] if len(row) > lanes else 0
        if value or more:
            renumber[index] = len(bits)
            bits.append(value)
            extras.append(more)
    return Grouped(touched, renumber[inverse], bits, extras)
