"""Takes flows that two engines judge differently, gives which single changes do that, as bits.

Where several changes could be the cause of a flow's other judgement, the question is what the
first engine would say with one of them alone. A side to which that change does not matter says
what it says in the first engine; one to which no other matters, what it says in the second. What
is left is tried (``candidate_engines``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from netpol._core.evaluate import plain_rows
from netpol.compiler.layout import VERDICT_MASK
from netpol.model.verdict import Verdict
from netpol.questions.diff.candidate_engines import CandidateEngines, OneChange
from netpol.questions.diff.deciders import Marks
from netpol.questions.diff.relevance import OTHER_CHANGE, Relevance

if TYPE_CHECKING:
    from netpol.engine.engine import Engine
    from netpol.engine.verdicts import Verdicts

__all__ = ["Attribution"]

Booleans = npt.NDArray[np.bool_]
UInt64s = npt.NDArray[np.uint64]
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


class Attribution:
    """Finds the single changes that suffice for the second judgement.

    Parameters
    ----------
    compiled : callable
        Takes places of changes, gives the first engine with those made.
    number : int
        How many changes there are; at most ``MOST_CHANGES``.
    marks : callable
        Takes an engine, gives who decides by each of its decisions.
    reach : Relevance, optional
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
        compiled: Callable[[tuple[int, ...]], Engine],
        number: int,
        marks: Marks,
        reach: Relevance | None,
        trials: int,
    ) -> None:
        self.untried: set[int] = set()
        self._number = number
        self._marks = marks
        self._reach = reach
        self._trials = CandidateEngines(compiled, trials)
        self._all_changes = np.uint64((1 << number) - 1)

    def of(self, first: Verdicts, second: Verdicts) -> UInt64s:
        """Return uint64[n]: a bit for each change that alone gives a flow its second judgement.

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
        """Return the changes that could matter to each end, and which flows are plain."""
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
        for place, rows, third in self._with_each_change(flows):
            if third is None:
                self.untried.add(place)
                untold[rows] = True
            else:
                settled = _settled(said[0].take(rows), said[1].take(rows), third)
                causes[rows[settled]] |= np.uint64(1 << place)
        causes[untold & (causes == 0)] = OTHER_CHANGE
        return causes

    def _with_each_change(
        self, flows: _Unclear
    ) -> Iterator[tuple[int, npt.NDArray[Any], _Said | None]]:
        """Yield a change, rows, and what the first engine would say of them with it made.

        None where an engine would have to be compiled to tell, and no more are to be.
        """
        seen = np.stack([flows.src, flows.dst, flows.plain], axis=1)
        kinds, kind, counts = np.unique(seen, axis=0, return_inverse=True, return_counts=True)
        kind = kind.reshape(-1)
        asked = [
            (place, number, _question(1 << place, *kinds[number].tolist()))
            for number in np.argsort(-counts, kind="stable").tolist()
            for place in range(self._number)
            if int(kinds[number, 0] | kinds[number, 1]) >> place & 1
        ]
        self._trials.plan(question for _, _, question in asked if question.others)
        chosen: dict[tuple[int, int], tuple[Any, list[int]]] = {}
        for place, number, question in asked:
            engine = self._trials.engine_for(question) if question.others else flows.first.engine
            chosen.setdefault((place, id(engine)), (engine, []))[1].append(number)
        for (place, _), (engine, numbers) in chosen.items():
            rows = np.flatnonzero(np.isin(kind, numbers))
            yield place, rows, None if engine is None else self._as_said(flows, rows, place, engine)

    def _as_said(
        self, flows: _Unclear, rows: npt.NDArray[Any], place: int, engine: Engine
    ) -> _Said:
        """Return what an engine says of rows: of plain ones by sides, of others as a whole."""
        part = flows.take(rows)
        third = part.first if engine is part.first.engine else engine.evaluate(part.first.batch)
        whole, sides = self._said(third), self._by_sides(part, np.uint64(1 << place), third)
        pairs = zip(sides, whole, strict=True)
        return _Said(*(np.where(part.plain, one, other) for one, other in pairs))

    def _by_sides(self, flows: _Unclear, bit: np.uint64, third: Verdicts) -> _Said:
        """Return what is said with one change made, of plain flows: each side by itself.

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


def _question(change: int, src: int, dst: int, plain: int) -> OneChange:
    """Return what is to be known of flows with one change made, by the changes that matter to them.

    Of a plain flow each side is told by itself, and one to which nothing else matters is known: no
    others are left if that holds of both.
    """
    ends = (src, dst) if plain else (src | dst,)
    others = [bits & ~change for bits in ends if bits & change]
    return OneChange(change, reduce(or_, others))


def _settled(first: _Said, second: _Said, third: _Said) -> Booleans:
    """Say which flows get the second verdict, or if that is no other, the second deciders."""
    alike = (third.egress == second.egress) & (third.ingress == second.ingress)
    return np.asarray(
        (third.verdict == second.verdict) & ((first.verdict != second.verdict) | alike)
    )


def _verdicts(engine: Engine) -> npt.NDArray[np.uint8]:
    """Return uint8[decisions]: the verdict of each."""
    return np.asarray(engine.tables.arrays["decision_info"] & VERDICT_MASK, np.uint8)


def _plain(verdicts: Verdicts) -> Booleans:
    return plain_rows(
        verdicts.engine._core,
        len(verdicts),
        verdicts.opened,
        verdicts.src_endpoint,
        verdicts.dst_endpoint,
    )
