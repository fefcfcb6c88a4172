"""Takes flows that two engines judge differently, gives which single changes do that, as bits.

Where several changes could be the cause of a flow's other judgement, the question is what the
first engine would say with one of them alone. A side to which that change does not matter says
what it says in the first engine; one to which no other matters, what it says in the second. For
what is left, engines are compiled when such a flow is met. Each has many changes made, and serves
every flow to which only one of those matters: classes of which no two matter to one pod
(``Reach.classes``), then halves that tell any two changes apart, then single changes.
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

        ``OTHER_CHANGE`` stands alone where none is known to, and one that may was not tried.

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
        causes = np.where(sole, could, _NONE)
        rows = np.flatnonzero(~sole)
        if len(rows):
            unclear = _Unclear(first, second, src, dst, plain).take(rows)
            causes[rows] = self._told_apart(unclear)
        return causes

    def _reached(self, first: Verdicts, second: Verdicts) -> tuple[UInt64s, UInt64s, Booleans]:
        """Give the changes that could matter to each end, and which flows are plain."""
        if self._reach is None:
            every = np.full(len(first), self._all_changes)
            return every, every, np.zeros(len(first), np.bool_)
        plain = _plain(first) & _plain(second)
        return *self._reach(first, second, plain), plain

    def _told_apart(self, flows: _Unclear) -> UInt64s:
        causes = np.zeros(len(flows.src), np.uint64)
        said = [self._said(verdicts) for verdicts in (flows.first, flows.second)]
        could = flows.src | flows.dst
        untold = could & OTHER_CHANGE != 0
        every = int(np.bitwise_or.reduce(could))
        for place in range(self._number):
            if every >> place & 1:
                for rows, third in self._with_change(flows, place):
                    if third is None:
                        self.untried.add(place)
                        untold[rows] = True
                        continue
                    settled = _settled(said[0].take(rows), said[1].take(rows), third)
                    causes[rows[settled]] |= np.uint64(1 << place)
        causes[untold & (causes == 0)] = OTHER_CHANGE
        return causes

    def _with_change(
        self, flows: _Unclear, place: int
    ) -> Iterator[tuple[npt.NDArray[Any], _Said | None]]:
        """Give rows, and what the first engine would say of them with one change made.

        None where an engine would have to be compiled to tell, and no more are to be.
        """
        bit = np.uint64(1 << place)
        mine = (flows.src | flows.dst) & bit != 0
        known = mine & flows.plain & _alone(flows.src, bit) & _alone(flows.dst, bit)
        rows = np.flatnonzero(known)
        if len(rows):
            part = flows.take(rows)
            yield rows, self._by_sides(part, bit, part.first)
        for members, rows in self._to_try(flows, place, np.flatnonzero(mine & ~known)):
            if members is None:
                yield rows, None
                continue
            part = flows.take(rows)
            third = self._engines[members].evaluate(part.first.batch)
            whole, sides = self._said(third), self._by_sides(part, bit, third)
            pairs = zip(sides, whole, strict=True)
            yield rows, _Said(*(np.where(part.plain, one, other) for one, other in pairs))

    def _to_try(
        self, flows: _Unclear, place: int, rows: npt.NDArray[Any]
    ) -> Iterator[tuple[tuple[int, ...] | None, npt.NDArray[Any]]]:
        """Give engines, by the changes they have made, and the rows each can tell about."""
        if not len(rows):
            return
        seen = np.stack([flows.src[rows], flows.dst[rows], flows.plain[rows]], axis=1)
        kinds, kind = np.unique(seen, axis=0, return_inverse=True)
        chosen: dict[tuple[int, ...] | None, list[int]] = {}
        for number, (src, dst, plain) in enumerate(kinds.tolist()):
            members = self._engine_for(place, (src, dst) if plain else (src | dst,))
            chosen.setdefault(members, []).append(number)
        for members, numbers in chosen.items():
            yield members, rows[np.isin(kind.reshape(-1), numbers)]

    def _engine_for(self, place: int, seen: tuple[int, ...]) -> tuple[int, ...] | None:
        """Give the changes of an engine that has one of them made, and no other that matters.

        ``seen`` are the changes that matter to each end, or to both together where neither can be
        told by itself. None if no such engine is there, and no more are to be compiled.
        """
        bit = 1 << place

        def tells(members: tuple[int, ...]) -> bool:
            made = sum(1 << member for member in members)
            return bool(made & bit) and all(made & bits in (0, bit) for bits in seen if bits & bit)

        found = next(filter(tells, self._engines), None)
        if found is None and len(self._engines) < self._trials:
            found = next(filter(tells, self._worth_compiling(place)))
            self._engines[found] = self._compiled(found)
        return found

    def _worth_compiling(self, place: int) -> Iterator[tuple[int, ...]]:
        yield self._class_of.get(place, (place,))
        for half in range(self._number.bit_length() if self._reach else 0):
            yield tuple(other for other in range(self._number) if not (other ^ place) >> half & 1)
        yield (place,)

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
