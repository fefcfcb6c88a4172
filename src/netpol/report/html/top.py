"""Takes rows, however many, gives as many as a page lists."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from typing import TypeVar

__all__ = ["top"]

Row = TypeVar("Row")


def top(rows: Iterable[Row], most: int, weight: Callable[[Row], int]) -> tuple[list[Row], int]:
    """Return the ``most`` rows of greatest weight, in the order given, and how many rows there are.

    Rows are looked at one by one, so a million of them need not be in memory.
    """
    count = 0
    heaviest: list[tuple[int, int, Row]] = []
    for count, row in enumerate(rows, start=1):
        item = weight(row), -count, row
        if len(heaviest) < most:
            heapq.heappush(heaviest, item)
        elif item > heaviest[0]:
            heapq.heapreplace(heaviest, item)
    return [row for _, _, row in sorted(heaviest, key=lambda item: -item[1])], count
