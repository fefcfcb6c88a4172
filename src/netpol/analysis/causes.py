"""Takes flows that two engines judge differently, gives which single changes do that, as bits.

Where several changes could be the cause of a flow's other judgement, the question is what the
first engine would say with one of them alone. A side to which that change does not matter says
what it says in the first engine; one to which no other matters, what it says in the second. For
what is left, engines are compiled when such a flow is met, each with several changes of which no
two matter to one pod (``Reach.classes``): of those, each side of a pair of pods sees one at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from netpol._core.evaluate import plain_rows
from netpol.analysis.deciders import Marks
from netpol.analysis.reach import OTHER_CHANGE, Reach
from netpol.verdict import Verdict

__all__ = ["Causes"]

Booleans = npt.NDArray[np.bool_]
UInt64s = npt.NDArray[np.uint64]
Verdicts = Any  # netpol.verdicts.Verdicts
_NONE = np.uint64(0)


class _Said(NamedTuple):
    """What an engine, or one that need not be made, says of flows: verdict, marks of each side."""

    verdict: npt.NDArray[Any]
    egress: npt.NDArray[np.uint32]
    ingress: npt.NDArray[np.uint32]

    def take(self, rows: npt.NDArray[Any]) -> _Said:
        return _Said(*(column[rows] for column in self))


class _Unclear(NamedTuple):
    """Flows for which several changes could be the cause."""

    first: Verdicts
    second: Verdicts
    src: UInt64s  # changes that matter to each end
    dst: UInt64s
    plain: Booleans

    def take(self, rows: npt.NDArray[Any]) -> _Unclear:
        part = self.first.batch.take(rows)
        first, second = self.first.take(rows, part), self.second.take(rows, part)
        return _Unclear(first, second, *(column[rows] for column in self[2:]))


class Causes:
    """Finds the single changes that suffice for the second judgement.

    Parameters
    ----------
    compiled : callable
        Takes places of changes, gives the first engine with those made.
    number : int
        How many changes there are; at most ``MOST_CHANGES``.
    marks : callable
        Takes an engine, gives who decides by each of its decisions.
    reach : Reach, optional
        Which changes could make a flow differ; without it, each of them could.
    trials : int
        How many engines to compile, those first that are needed first; all are kept.

    Attributes
    ----------
    untried : set of int
        Places of the changes that would have had to be tried beyond ``trials``.
    """

    def __init__(
        self,
        compiled: Callable[[tuple[int, ...]], Any],
        number: int,
        marks: Marks,
        reach: Reach | None,
        trials: int,
    ) -> None:
        self.untried: set[int] = set()
        self._compiled = compiled
        self._number = number
        self._marks = marks
        self._reach = reach
        self._trials = trials
        self._engines: dict[tuple[int, ...], Any] = {}
        self._class_of = {
            place: members for members in (reach.classes if reach else ()) for place in members
        }
        self._all_changes = np.uint64((1 << number) - 1)

    def of(self, first: Verdicts, second: Verdicts) -> UInt64s:
        """Give uint64[n]: a bit for each change that alone gives a flow its second judgement.

        Parameters
        ----------
        first, second : Verdicts
            What both engines say of the same flows.
        """
        if not len(first):
            return np.zeros(0, np.uint64)
        src, dst, plain = self._reached(first, second)
        could = src | dst
        sole = could & (could - np.uint64(1)) == 0
        causes = np.where(sole, could & ~OTHER_CHANGE, _NONE)
        rows = np.flatnonzero(~sole)
        if len(rows):
            causes[rows] = self._told_apart(_Unclear(first, second, src, dst, plain).take(rows))
        return causes

    def _reached(self, first: Verdicts, second: Verdicts) -> tuple[UInt64s, UInt64s, Booleans]:
        """Give the changes that could matter to each end, and which flows are plain."""
        if self._reach is None:
            every = np.full(len(first), self._all_changes)
            return every, every, np.zeros(len(first), np.bool_)
        plain = _plain(first) & _plain(second)
        return *self._reach(first, second), plain

    def _told_apart(self, flows: _Unclear) -> UInt64s:
        could = flows.src | flows.dst
        causes = np.zeros(len(could), np.uint64)
        said = [self._said(verdicts) for verdicts in (flows.first, flows.second)]
        every = int(np.bitwise_or.reduce(could))
        for place in range(self._number):
            if every >> place & 1:
                bit = np.uint64(1 << place)
                for rows, third in self._with_change(flows, place, could):
                    settled = _settled(said[0].take(rows), said[1].take(rows), third)
                    causes[rows[settled]] |= bit
        return causes

    def _with_change(
        self, flows: _Unclear, place: int, could: UInt64s
    ) -> Iterator[tuple[npt.NDArray[Any], _Said]]:
        """Give rows, and what the first engine would say of them with one change made."""
        bit = np.uint64(1 << place)
        together = self._class_of.get(place, (place,))
        others = np.uint64(sum(1 << other for other in together) & ~(1 << place))
        known = flows.plain & _alone(flows.src, bit) & _alone(flows.dst, bit)
        apart = _apart(flows.src, bit, others) & _apart(flows.dst, bit, others)
        sided = flows.plain & apart & ~known
        whole = ~flows.plain & (could & others == 0)
        for chosen, members, say in (
            (known, (), self._by_sides),
            (sided, together, self._by_sides),
            (whole, together, self._as_a_whole),
            (~(known | sided | whole), (place,), self._as_a_whole),
        ):
            rows = np.flatnonzero(chosen & (could & bit != 0))
            if len(rows):
                part = flows.take(rows)
                third = self._tried(members, part.first)
                if third is None:
                    self.untried.add(place)
                else:
                    yield rows, say(part, bit, third)

    def _tried(self, members: tuple[int, ...], first: Verdicts) -> Verdicts | None:
        """Judge by the first engine with changes made; None if it is not to be compiled."""
        if not members:
            return first
        if members not in self._engines:
            if len(self._engines) == self._trials:
                return None
            self._engines[members] = self._compiled(members)
        return self._engines[members].evaluate(first.batch)

    def _as_a_whole(self, flows: _Unclear, bit: np.uint64, third: Verdicts) -> _Said:
        return self._said(third)

    def _by_sides(self, flows: _Unclear, bit: np.uint64, third: Verdicts) -> _Said:
        """Give what is said with one change made, of plain flows: each side by itself.

        ``third`` is what is said to a side to which that change matters, and others do.
        """
        engines = flows.first, flows.second, third
        verdicts, marks = (
            [table(one.engine) for one in engines] for table in (_verdicts, self._marks)
        )
        sides = [
            (
                np.where(bits & bit == 0, 0, np.where(bits == bit, 1, 2)),
                [getattr(one, name) for one in engines],
            )
            for bits, name in ((flows.src, "egress"), (flows.dst, "ingress"))
        ]
        egress, ingress = (
            np.choose(which, [table[ids] for table, ids in zip(verdicts, decided, strict=True)])
            for which, decided in sides
        )
        both = egress | ingress
        verdict = np.where(both & Verdict.DENY, Verdict.DENY, both).astype(np.intp)  # C5
        return _Said(
            verdict,
            *(
                np.choose(
                    which, [table[verdict, ids] for table, ids in zip(marks, decided, strict=True)]
                )
                for which, decided in sides
            ),
        )

    def _said(self, verdicts: Verdicts) -> _Said:
        marks = self._marks(verdicts.engine)
        verdict = verdicts.verdict.astype(np.intp)
        return _Said(verdict, marks[verdict, verdicts.egress], marks[verdict, verdicts.ingress])


def _alone(bits: UInt64s, bit: np.uint64) -> Booleans:
    """Say at which ends nothing matters but this change, or this change does not."""
    return np.asarray((bits & bit == 0) | (bits == bit))


def _apart(bits: UInt64s, bit: np.uint64, others: np.uint64) -> Booleans:
    """Say at which ends, if this change matters, none of the others does."""
    return np.asarray((bits & bit == 0) | (bits & others == 0))


def _settled(first: _Said, second: _Said, third: _Said) -> Booleans:
    """Say which flows get the second verdict, or if that is no other, the second deciders."""
    alike = (third.egress == second.egress) & (third.ingress == second.ingress)
    return np.asarray(
        (third.verdict == second.verdict) & ((first.verdict != second.verdict) | alike)
    )


def _verdicts(engine: Any) -> npt.NDArray[np.uint8]:
    """Give uint8[decisions]: the verdict of each."""
    return np.asarray(engine.tables.arrays["decision_info"] & 3, np.uint8)


def _plain(verdicts: Verdicts) -> Booleans:
    return plain_rows(
        verdicts.engine._core,
        len(verdicts),
        verdicts.opened,
        verdicts.src_endpoint,
        verdicts.dst_endpoint,
    )
