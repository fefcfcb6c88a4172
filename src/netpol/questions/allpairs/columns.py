"""Takes a table of numbers, gives its distinct columns."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["distinct_columns"]

Int64s = npt.NDArray[np.int64]


def distinct_columns(keys: Int64s) -> tuple[Int64s, Int64s]:
    """Return distinct ones of n columns of numbers from 0 on, and which one each is: int64[n]."""
    packed = keys[0]
    for row in keys[1:]:
        packed = packed * (int(row.max(initial=0)) + 1) + row
        if int(packed.max(initial=0)) >= 1 << 40:  # the next row might not fit
            packed = np.unique(packed, return_inverse=True)[1].reshape(-1)
    _, first, inverse = np.unique(packed, return_index=True, return_inverse=True)
    return keys[:, first], inverse.reshape(-1)
