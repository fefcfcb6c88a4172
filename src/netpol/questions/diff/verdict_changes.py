"""Takes vectors of two engines, gives what changes for a pair: of verdicts, and of who decides.

What one side says before and after is a *transition*: both verdicts by port class, and whether who
decides is another, or anybody at all. That is all the outcome of a pair hangs on, whoever they are,
so there are few transitions (hundreds at 10 000 pods) where there are thousands of vectors.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from netpol.model.verdict import Verdict
from netpol.questions.allpairs.sidetables import Vectors, combined

__all__ = [
    "SAME",
    "ChangeNumbers",
    "NumberedChanges",
    "VerdictChanges",
    "distinct_pairs",
    "verdicts_of",
]

Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]
UInt8s = npt.NDArray[np.uint8]
#: Said of a port class: nothing changes. Else 3 * verdict before + verdict after.
SAME = 255
_VERDICTS = len(Verdict)
# Bits of a transition: the verdict before, that after; who decides: is another; is somebody before;
# and after.
_VERDICT, _AFTER_SHIFT = 3, 2
_OTHER, _BEFORE, _AFTER = 16, 32, 64
_CODES = 128
_EQUAL = np.zeros(256, bool)  # what is said -> whether the two verdicts are equal
_EQUAL[[verdict * (_VERDICTS + 1) for verdict in Verdict]] = True
_ROOM = 8  # cells per element up to which a table is quicker than sorting


def verdicts_of(said: int) -> tuple[Verdict, Verdict]:
    """Return the verdicts before and after."""
    return Verdict(said // _VERDICTS), Verdict(said % _VERDICTS)


class NumberedChanges:
    """What is said by port class, by number: uint8[K] each; 0 says that nothing changes."""

    def __init__(self, classes: int) -> None:
        self.items = [np.full(classes, SAME, np.uint8)]
        self._ids = {self.items[0].tobytes(): 0}

    def number(self, said: UInt8s) -> int:
        """Return the number of what is said."""
        found = self._ids.setdefault(said.tobytes(), len(self.items))
        if found == len(self.items):
            self.items.append(said)
        return found


class ChangeNumbers(NamedTuple):
    """What changes for n pairs, int64[n] each: numbers in ``verdicts`` and ``rules``."""

    verdicts: Int64s
    rules: Int64s


class VerdictChanges:
    """VerdictChanges by number, and what two of them say.

    Attributes
    ----------
    verdicts : where a pair gets another verdict.
    rules : where it gets the same one by another rule or policy; the two verdicts are equal.
    """

    def __init__(self, vectors: Vectors) -> None:
        self.verdicts = NumberedChanges(len(vectors.ports))
        self.rules = NumberedChanges(len(vectors.ports))
        self._vectors = vectors
        self._recorded = vectors.ports.recorded
        self._of: dict[tuple[int, int], int] = {}
        self._ids: dict[bytes, int] = {}
        self._items: list[UInt8s] = []
        self._idle: list[bool] = []
        self._is_idle = np.zeros(0, bool)
        self._memo: dict[tuple[int, int], tuple[int, int]] = {}

    def number(self, before: Int32s, after: Int32s) -> Int32s:
        """Return int32[n], the transitions from n vectors to n others."""
        firsts, seconds, which = distinct_pairs(before, after)
        pairs = zip(firsts.tolist(), seconds.tolist(), strict=True)
        numbers = np.array([self._number(*pair) for pair in pairs], np.int32)
        found: Int32s = numbers[which]
        return found

    def between(self, egress: Int32s, ingress: Int32s) -> ChangeNumbers:
        """Return what is said of n pairs by the transitions of their sides."""
        if len(self._is_idle) < len(self._idle):
            self._is_idle = np.array(self._idle)
        found = np.zeros((len(egress), 2), np.int64)
        places = np.flatnonzero(~(self._is_idle[egress] & self._is_idle[ingress]))
        if len(places):
            firsts, seconds, which = distinct_pairs(egress[places], ingress[places])
            pairs = zip(firsts.tolist(), seconds.tolist(), strict=True)
            found[places] = np.array([self._between(pair) for pair in pairs], np.int64)[which]
        return ChangeNumbers(found[:, 0], found[:, 1])

    def _number(self, before: int, after: int) -> int:
        found = self._of.get((before, after))
        if found is None:
            one, other = self._vectors[before], self._vectors[after]
            vector: UInt8s = (one | other << _AFTER_SHIFT).astype(np.uint8)
            who = self._vectors.deciders
            if who:
                # Only what can matter, so that there are few: see ``_outcomes``.
                first, second = who[before], who[after]
                marks = (first > 0) * np.uint8(_BEFORE) | (second > 0) * np.uint8(_AFTER)
                vector |= np.where(one == other, (first != second) * np.uint8(_OTHER), marks)
            found = self._ids.setdefault(vector.tobytes(), len(self._items))
            if found == len(self._items):
                self._items.append(vector)
                told = vector[self._recorded]
                same = told & _VERDICT == told >> _AFTER_SHIFT & _VERDICT
                idle = same & (told & _OTHER == 0)
                self._idle.append(bool(idle.all()))
            self._of[before, after] = found
        return found

    def _between(self, pair: tuple[int, int]) -> tuple[int, int]:
        found = self._memo.get(pair)
        if found is None:
            egress, ingress = (self._items[number] for number in pair)
            said = _outcomes()[egress, ingress]
            said[~self._recorded] = SAME
            equal = _EQUAL[said]
            found = self._memo[pair] = (
                self.verdicts.number(np.where(equal, np.uint8(SAME), said)),
                self.rules.number(np.where(equal, said, np.uint8(SAME))),
            )
        return found


@cache
def _outcomes() -> UInt8s:
    """Return uint8[128, 128]: what is said by what egress and ingress say of one port class."""
    codes = np.arange(_CODES, dtype=np.uint8)
    egress, ingress = (side.reshape(-1) for side in np.meshgrid(codes, codes, indexing="ij"))
    verdicts = [
        combined(*((side >> shift & _VERDICT).astype(np.uint8) for side in (egress, ingress)))
        for shift in (0, _AFTER_SHIFT)
    ]
    before, after = verdicts
    other = np.zeros(len(before), bool)
    for side in (egress, ingress):
        # A side decides if it has the verdict of the whole (specification.md C3.1).
        was, now = side & _VERDICT == before, side >> _AFTER_SHIFT & _VERDICT == after
        other |= np.select(
            [was & now, was, now],
            [side & _OTHER > 0, side & _BEFORE > 0, side & _AFTER > 0],
            default=False,
        )
    said = np.where((before == after) & ~other, SAME, before * _VERDICTS + after)
    return said.astype(np.uint8).reshape(_CODES, _CODES)


def distinct_pairs(first: Int32s, second: Int32s) -> tuple[Int64s, Int64s, Int64s]:
    """Return the distinct pairs of small numbers, as two arrays, and which one each is."""
    # Counted, not sorted: three times as fast, for one row says few different things.
    ones, one = _ranks(first)
    others, other = _ranks(second)
    joint = one * len(others) + other
    room = len(ones) * len(others)
    if room > _ROOM * len(first) + 1024:
        found, which = np.unique(joint, return_inverse=True)
        which = which.reshape(-1)
    else:
        found = np.flatnonzero(np.bincount(joint, minlength=room))
        place = np.empty(room, np.int64)
        place[found] = np.arange(len(found))
        which = place[joint]
    return ones[found // max(1, len(others))], others[found % max(1, len(others))], which


def _ranks(numbers: Int32s) -> tuple[Int64s, Int64s]:
    """Return the distinct numbers in order, and the rank of each among them."""
    found = np.flatnonzero(np.bincount(numbers))
    rank = np.empty(int(found[-1]) + 1 if len(found) else 0, np.int64)
    rank[found] = np.arange(len(found))
    return found, rank[numbers]
