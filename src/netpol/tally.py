"""Takes keys and weights batch by batch, gives exact sums in bounded memory.

Counters in logs are unsigned 64-bit numbers and may be nonsense (all ones), so every sum is kept
as sums of the low and of the high 32 bits: exact for more than four thousand million records.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

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
_HALVES = 2 * len(_MEASURES)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio: mixes high and low bits


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
        if column.max(initial=0) > _LOW:
            self._grow(name, 1, np.bincount(keys, column >> _HALF))
            column = column & _LOW
        self._grow(name, 0, np.bincount(keys, column))

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
        self._limit = limit
        self._kept = _Groups(np.zeros((words, 0), np.uint64), np.zeros((_HALVES, 0), np.uint64))
        self._pending: list[_Groups] = []
        self._pending_size = 0
        self.others = Weight()

    def add(self, words: Sequence[Column], weights: Weights) -> None:
        """Add one batch: ``words`` are uint64 columns as long as the weights."""
        if not weights.size:
            return
        grouped = _grouped(np.stack(words), _halves(weights))
        self._pending.append(grouped)
        self._pending_size += len(grouped)
        if self._pending_size >= self._limit:
            self._merge()

    def _merge(self) -> None:
        parts = [self._kept, *self._pending]
        grouped = _grouped(
            np.concatenate([part.words for part in parts], axis=1),
            np.concatenate([part.sums for part in parts], axis=1),
        )
        # What is kept stands first, so that the cut only takes what is new.
        self.others += _weight(grouped.sums[:, self._limit :].sum(axis=1, dtype=np.uint64))
        self._kept = _Groups(
            grouped.words[:, : self._limit].copy(), grouped.sums[:, : self._limit].copy()
        )
        self._pending, self._pending_size = [], 0

    def words(self) -> Column:
        """Give uint64[words, keys]: every kept key, in the order first seen."""
        self._merge()
        return self._kept.words

    def heaviest(self, rows: Column, number: int) -> list[tuple[tuple[int, ...], Weight]]:
        """Give the ``number`` keys with most flows, then bytes, of ``rows`` (indexes of keys)."""
        self._merge()
        halves = self._kept.sums[:, rows].astype(np.float64)
        flows, octets = halves[0] + halves[1] * 2**32, halves[4] + halves[5] * 2**32
        picked = rows[np.lexsort((-octets, -flows))[:number]]
        return [
            (tuple(self._kept.words[:, row].tolist()), _weight(self._kept.sums[:, row]))
            for row in picked
        ]


class _Groups(NamedTuple):
    """Distinct keys uint64[words, n] and their sums uint64[6, n]: low, high of each measure."""

    words: Column
    sums: Column

    def __len__(self) -> int:
        return int(self.words.shape[1])


def _halves(weights: Weights) -> Column:
    """Give the low and high halves of flows, packets and bytes as uint64[6, n]."""
    halves = np.zeros((_HALVES, weights.size), np.uint64)
    for index, name in enumerate(_MEASURES):
        column = getattr(weights, name)
        if column is None:
            halves[2 * index] = name == "flows"
        else:
            halves[2 * index], halves[2 * index + 1] = column & _LOW, column >> _HALF
    return halves


def _grouped(words: Column, sums: Column) -> _Groups:
    """Sum columns by key; groups stand in the order of their first column."""
    codes, first = _group_codes(words)
    total = np.zeros((_HALVES, len(first)), np.uint64)
    for into, column in zip(total, sums, strict=True):
        if column.any():
            np.add.at(into, codes, column)
    return _Groups(words[:, first], total)


def _group_codes(words: Column) -> tuple[Column, Column]:
    """Give each column's group and each group's first column.

    Keys are told apart by a 64-bit mix of their words (20 times as fast as sorting whole keys);
    should two keys ever mix to one number, whole keys are sorted after all.
    """
    mixed = np.zeros(words.shape[1], np.uint64)
    for word in words:
        mixed = (mixed ^ word) * _MULTIPLIER
        mixed ^= mixed >> _HALF
    codes = pa.array(mixed).dictionary_encode().indices.to_numpy()
    first = np.zeros(int(codes.max(initial=-1)) + 1, np.int64)
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    if np.array_equal(words[:, first[codes]], words):
        return codes, first
    _, first, inverse = np.unique(words, axis=1, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[inverse.reshape(-1)], first[order]


def _weight(halves: Column) -> Weight:
    numbers = halves.tolist()
    return Weight(
        *(low + (high << 32) for low, high in zip(numbers[::2], numbers[1::2], strict=True))
    )
