"""Takes when answers were valid, row by row, gives the same time as few windows per answer.

Rows come by the million and mostly repeat: one name is looked up again and again. They are merged
whenever twice as many wait as were left last time, so memory follows the distinct answers.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["FOREVER", "NEVER", "SpanMerger"]

Int64s = npt.NDArray[np.int64]

NEVER = np.iinfo(np.int64).min  # a start that is no bound
FOREVER = np.iinfo(np.int64).max  # an end that is no bound

_WAITING = 1 << 18  # rows that wait at least: 8 MB


class SpanMerger:
    """Collects ``[start, end)`` of keys.

    A key is a pair of non-negative numbers; empty spans are left out, spans that touch become one.
    """

    def __init__(self, waiting: int = _WAITING) -> None:
        self._least = waiting
        self._limit = waiting
        self._parts: list[Int64s] = []
        self._rows = 0

    def add(self, name: Int64s, address: Int64s, start: Int64s, end: Int64s) -> None:
        """Take rows; int64[n] each."""
        rows = np.stack([name, address, start, end], axis=1)
        self._parts.append(rows[rows[:, 2] < rows[:, 3]])
        self._rows += len(self._parts[-1])
        if self._rows > self._limit:
            self._limit = max(self._least, 2 * len(self.merged()))

    def merged(self) -> Int64s:
        """Return int64[m, 4]: name, address, start, end, in that order, disjoint by key."""
        rows = np.concatenate(self._parts) if self._parts else np.empty((0, 4), np.int64)
        rows = _merge(rows)
        self._parts, self._rows = [rows], len(rows)
        return rows


def _merge(rows: Int64s) -> Int64s:
    count = len(rows)
    if not count:
        return rows
    rows = rows[np.lexsort((rows[:, 2], rows[:, 1], rows[:, 0]))]
    new_key = np.ones(count, np.bool_)
    new_key[1:] = (rows[1:, :2] != rows[:-1, :2]).any(axis=1)
    # The latest end so far, key by key: ends are replaced by their ranks, which leave room to put
    # each key above all before it, so one running maximum does for all.
    ends, rank = np.unique(rows[:, 3], return_inverse=True)
    floor = (np.cumsum(new_key) - 1) * len(ends)
    latest = ends[np.maximum.accumulate(rank.reshape(-1) + floor) - floor]
    begins = new_key.copy()
    begins[1:] |= rows[1:, 2] > latest[:-1]
    first = np.flatnonzero(begins)
    last = np.append(first[1:], count) - 1
    merged = rows[first]
    merged[:, 3] = latest[last]
    return merged
