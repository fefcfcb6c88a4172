"""Takes which tuple NAT makes of which, gives the chains that these steps form without doubt.

A tuple is a vertex, a NAT record an edge from the tuple before it to the tuple after it. A step
from one vertex to another belongs to a chain where it is the only one that leads away from the
first and the only one that leads to the second. What branches, comes together or goes in a circle
is left as it is: which of its records belong together cannot be told.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Chains", "among", "chains_of", "distinct"]

Ints = npt.NDArray[np.signedinteger[Any]]


class Chains(NamedTuple):
    """Every vertex of a chain of at least two, ``k`` in all."""

    vertex: Ints  # int64[k], ascending
    head: Ints  # int64[k], the first vertex of its chain
    depth: Ints  # int64[k], steps from there
    several: npt.NDArray[np.bool_]  # bool[vertices]: different tuples lead to it


def chains_of(start: Ints, end: Ints, there: npt.NDArray[np.bool_]) -> Chains:
    """Find the chains.

    Parameters
    ----------
    start, end : int32[m] or int64[m]
        The vertices of each step; the same step may be given many times.
    there : bool[vertices]
        Whether a record leads to the vertex (or stays there); else nothing precedes its steps.
    """
    vertices = len(there)
    start, end = np.divmod(distinct(start.astype(np.int64) * vertices + end), vertices)
    leading = np.bincount(end, minlength=vertices)
    leaving = np.bincount(start, minlength=vertices)
    certain = (leading[end] == 1) & (leaving[start] == 1) & there[start]
    start, end = start[certain], end[certain]
    vertex = distinct(np.concatenate((start, end)))
    head, depth = _heads(np.searchsorted(vertex, start), np.searchsorted(vertex, end), len(vertex))
    whole = head >= 0
    return Chains(vertex[whole], vertex[head[whole]], depth[whole], leading > 1)


def distinct(numbers: Ints) -> Ints:
    """Return each number once, ascending. Where NumPy hashes them, that takes ten times as long."""
    numbers = np.sort(numbers)
    new = np.ones(len(numbers), np.bool_)
    new[1:] = numbers[1:] != numbers[:-1]
    return numbers[new]


def among(numbers: Ints, others: Ints) -> npt.NDArray[np.bool_]:
    """Return whether each number is one of the others."""
    if not len(others):
        return np.zeros(len(numbers), np.bool_)
    others = np.sort(others)
    place = np.minimum(np.searchsorted(others, numbers), len(others) - 1)
    found: npt.NDArray[np.bool_] = others[place] == numbers
    return found


def _heads(start: Ints, end: Ints, count: int) -> tuple[Ints, Ints]:
    """Return the first vertex of each path, and how far each is from it; -1 for those of a circle.

    Twice as far back in every round, so that a log's longest chain costs little.
    """
    head = np.arange(count)
    head[end] = start
    depth = np.zeros(count, np.int64)
    depth[end] = 1
    first = depth == 0
    for _ in range(count.bit_length()):
        if first[head].all():
            break
        depth += depth[head]
        head = head[head]
    return np.where(first[head], head, -1), depth
