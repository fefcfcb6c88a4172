"""Takes keys and weights batch by batch, gives exact sums in bounded memory.

Counters in logs are unsigned 64-bit numbers and may be nonsense (all ones), so every sum is kept
as sums of the low and of the high 32 bits: exact for more than four thousand million records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from netpol.flows.batch import Column, FlowBatch

__all__ = ["PAIR_LIMIT", "GroupCounter", "Histogram", "Weight", "Weights"]

#: Distinct keys a ``GroupCounter`` keeps (about 20 MB); what comes later is counted as "others".
PAIR_LIMIT = 1 << 18

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_CHUNK = 1 << 20  # float64 sums of 32-bit numbers are exact up to 2**21 of them
_MEASURES = ("flows", "packets", "bytes")


@dataclass(frozen=True, slots=True)
class Weight:
    """What a group of records stands for; packets and bytes are 0 where the log has none."""

    flows: int = 0
    packets: int = 0
    bytes: int = 0

    def __add__(self, other: Weight) -> Weight:
        """Give the sum of both."""
        return Weight(
            self.flows + other.flows, self.packets + other.packets, self.bytes + other.bytes
        )


@dataclass(frozen=True, slots=True)
class Weights:
    """Weight columns of one batch, uint64[n] each; None is 1 (flows) or 0 (packets, bytes)."""

    size: int
    flows: Column | None = None
    packets: Column | None = None
    bytes: Column | None = None

    @classmethod
    def of(cls, batch: FlowBatch) -> Weights:
        """Take the weight columns of a flow batch."""
        return cls(len(batch), batch.flows, batch.packets, batch.bytes)

    def take(self, rows: Column) -> Weights:
        """Give the weights of ``rows`` (integer or boolean index)."""
        picked = [None if c is None else c[rows] for c in (self.flows, self.packets, self.bytes)]
        size = int(np.count_nonzero(rows)) if rows.dtype == np.bool_ else len(rows)
        return Weights(size, *picked)


class Histogram:
    """Exact sums of 64-bit weights by small integer key; grows with the keys it sees."""

    def __init__(self, measures: Sequence[str] = _MEASURES) -> None:
        self._sums: dict[str, Column] = {name: np.zeros((2, 0), np.uint64) for name in measures}

    def add(self, keys: Column, weights: Weights) -> None:
        """Add one batch: ``keys`` is an unsigned integer column as long as the weights."""
        for name in self._sums:
            column = getattr(weights, name)
            if column is None and name == "flows":
                self._grow(name, 0, np.bincount(keys))
            elif column is not None:
                for start in range(0, len(keys), _CHUNK):
                    part = slice(start, start + _CHUNK)
                    self._add_column(name, keys[part], column[part])

    def _add_column(self, name: str, keys: Column, column: Column) -> None:
        self._grow(name, 0, np.bincount(keys, column & _LOW))
        high = column >> _HALF
        if high.any():
            self._grow(name, 1, np.bincount(keys, high))

    def _grow(self, name: str, half: int, sums: Column) -> None:
        held = self._sums[name]
        if len(sums) > held.shape[1]:
            held = np.pad(held, ((0, 0), (0, len(sums) - held.shape[1])))
            self._sums[name] = held
        held[half, : len(sums)] += sums.astype(np.uint64)

    def items(self) -> dict[int, Weight]:
        """Give the weight of every key seen, by key."""
        seen: set[int] = set()
        for held in self._sums.values():
            seen.update(np.flatnonzero(held.any(axis=0)).tolist())
        return {key: self._weight(key) for key in sorted(seen)}

    def _weight(self, key: int) -> Weight:
        values = {}
        for name, held in self._sums.items():
            if key < held.shape[1]:
                values[name] = int(held[0, key]) + (int(held[1, key]) << 32)
        return Weight(**values)


class GroupCounter:
    """Exact sums by a wide key (several uint64 words), for the first ``limit`` distinct keys.

    Keys seen after the limit is reached are summed in ``others``; a kept key's sum is always
    exact, because a kept key never leaves.
    """

    def __init__(self, words: int, limit: int = PAIR_LIMIT) -> None:
        self._keys = [f"key{i}" for i in range(words)]
        self._halves = [f"{name}{half}" for name in _MEASURES for half in (0, 1)]
        self._limit = limit
        self._kept: pa.Table | None = None
        self._pending: list[pa.Table] = []
        self._pending_rows = 0
        self.others = Weight()

    def add(self, words: Sequence[Column], weights: Weights) -> None:
        """Add one batch: ``words`` are uint64 columns as long as the weights."""
        if not weights.size:
            return
        columns: dict[str, Column] = dict(zip(self._keys, words, strict=True))
        for name in _MEASURES:
            column = getattr(weights, name)
            if column is None:
                column = np.full(weights.size, int(name == "flows"), np.uint64)
            columns[f"{name}0"], columns[f"{name}1"] = column & _LOW, column >> _HALF
        grouped = self._group(pa.table(columns))
        self._pending.append(grouped)
        self._pending_rows += grouped.num_rows
        if self._pending_rows >= self._limit:
            self._compact()

    def _group(self, table: pa.Table) -> pa.Table:
        # One thread, so that groups stand in the order of their first row.
        grouped = table.group_by(self._keys, use_threads=False).aggregate(
            [(name, "sum") for name in self._halves]
        )
        return grouped.rename_columns(
            [name.removesuffix("_sum") for name in grouped.column_names]
        ).select([*self._keys, *self._halves])

    def _compact(self) -> None:
        tables = [self._kept, *self._pending] if self._kept is not None else self._pending
        if not tables:
            return
        grouped = self._group(pa.concat_tables(tables))
        self.others += _total(grouped.slice(self._limit))
        self._kept = grouped.slice(0, self._limit).combine_chunks()
        self._pending, self._pending_rows = [], 0

    def groups(self) -> list[tuple[tuple[int, ...], Weight]]:
        """Give (key words, weight) of every kept key, in the order first seen."""
        self._compact()
        if self._kept is None:
            return []
        columns = {name: self._kept[name].to_pylist() for name in self._kept.column_names}
        keys = zip(*(columns[name] for name in self._keys), strict=True)
        return [(key, _weight(columns, row)) for row, key in enumerate(keys)]


def _weight(columns: Mapping[str, Sequence[int]], row: int) -> Weight:
    return Weight(
        *(columns[f"{name}0"][row] + (columns[f"{name}1"][row] << 32) for name in _MEASURES)
    )


def _total(table: pa.Table) -> Weight:
    total = Weight()
    if table.num_rows:
        sums = {
            name: [int(np.sum(table[name].to_numpy(), dtype=np.uint64))]
            for name in table.column_names
            if name[-1] in "01" and not name.startswith("key")
        }
        total = _weight(sums, 0)
    return total
