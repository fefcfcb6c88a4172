"""Takes sums by decision, gives how often each rule and element matched and decided alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from netpol._core.cover import CoverTally as CoreCoverTally
from netpol.compiler.layout import MERGED, Field, Reserved
from netpol.compiler.rows.decisions import MERGE_REASONS
from netpol.model.verdict import Reason, Side, Verdict
from netpol.run.sums import Tally

if TYPE_CHECKING:
    from netpol.engine.engine import Engine
    from netpol.engine.verdicts import Verdicts

__all__ = ["CoverTally", "Hits", "denied_by_policy", "hits_by_target"]

_OUTSIDE = -(1 << 63), (1 << 63) - 1  # what a time is where there is none


@dataclass(frozen=True, slots=True)
class Hits:
    """How often something matched.

    Attributes
    ----------
    flows : flows that it certainly matches.
    possible : flows that it may match, where the recording or the snapshot leaves it open (C4).
    sole : flows whose verdict would be another without it.
    first, last : when it first and last matched, ns since the epoch; None without times.
    other_reading : neither of the first two, but it matches, or may, where a flow that can be read
        in several ways is read otherwise than it is counted (C6); how many flows is not known.
    """

    flows: int = 0
    possible: int = 0
    sole: int = 0
    first: int | None = None
    last: int | None = None
    other_reading: bool = False

    @property
    def never(self) -> bool:
        """Whether it did not match and cannot have: no verdict hangs on it."""
        return not self.flows and not self.possible and not self.other_reading


class CoverTally(Tally):
    """Sums of one engine's verdicts for coverage: no outcomes, notes or pairs."""

    core: CoreCoverTally
    core_type = CoreCoverTally

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine, limit=1)
        self._pods = len(engine.pods)

    def _numbered(self, engine: Engine) -> tuple[list[str], npt.NDArray[np.uint32]]:
        """Return no workloads: there are no pairs, and naming 300 000 endpoints takes seconds."""
        return [], np.zeros(len(engine.endpoints), np.uint32)

    def _begin(self) -> None:
        super()._begin()
        self.hinted: dict[tuple[int, int], int] = {}

    def merge(self, other: Tally) -> None:
        """Add the sums of another tally of this engine."""
        super().merge(other)
        if isinstance(other, CoverTally):
            for key, flows in other.hinted.items():
                self.hinted[key] = self.hinted.get(key, 0) + flows

    def add(self, verdicts: Verdicts) -> None:
        """Add one batch of verdicts."""
        super().add(verdicts)
        for end, name in enumerate(("src_hint", "dst_hint")):
            hints = verdicts.opened.get(name)
            if hints is not None and hints.any():
                self._add_hints(end, hints, verdicts.batch.flows)

    def _add_hints(
        self, end: int, hints: npt.NDArray[np.uint32], flows: npt.NDArray[Any] | None
    ) -> None:
        """Count the pods that a log names itself, whatever their addresses say (R5)."""
        found = np.bincount(
            hints, None if flows is None else np.asarray(flows, np.float64), self._pods + 1
        )
        for pod in np.flatnonzero(found[1:]).tolist():
            key = (end, pod)
            self.hinted[key] = self.hinted.get(key, 0) + int(found[pod + 1])

    def times(self, side: Side) -> tuple[list[int], list[int]]:
        """Return the first and last time of each decision of a side."""
        row = 0 if side is Side.EGRESS else 2
        return self.core.times[row].tolist(), self.core.times[row + 1].tolist()

    def window(self) -> tuple[int, int] | None:
        """Return the first and last time of any flow, None without times."""
        first, last = int(self.core.times[0].min()), int(self.core.times[1].max())
        return (first, last) if first <= last else None

    def merged(self, side: Side) -> int:
        """Return the flows of which several candidates disagree on a side (R14)."""
        sums = self.core.beside[0 if side is Side.EGRESS else 1]
        first = Reserved.NOT_A_POD + 1
        return int(sums[first : first + len(MERGE_REASONS)].sum())

    def by_other_side(self, side: Side) -> Iterator[tuple[int, int, int]]:
        """Yield decision, the other side's verdict (3: neither says) and flows."""
        sums = self.core.beside[0 if side is Side.EGRESS else 1]
        for decision, other in np.argwhere(sums).tolist():
            yield decision, other, int(sums[decision, other])


class _Counter:
    """The hits of one target, growing."""

    __slots__ = ("first", "flows", "last", "otherwise", "possible", "sole")

    def __init__(self) -> None:
        self.flows = self.possible = self.sole = 0
        self.last, self.first = _OUTSIDE
        self.otherwise = False

    def hits(self) -> Hits:
        timed = self.first <= self.last
        first, last = (self.first, self.last) if timed else (None, None)
        otherwise = self.otherwise and not self.flows and not self.possible
        return Hits(self.flows, self.possible, self.sole, first, last, otherwise)


def hits_by_target(engine: Engine, tally: CoverTally, targets: int) -> list[Hits]:
    """Return the hits of every target, by number.

    Parameters
    ----------
    engine
        Compiled with ``pieces``, so that its tables have marks.
    targets
        How many there are.
    """
    counters = [_Counter() for _ in range(targets)]
    for side in (Side.EGRESS, Side.INGRESS):
        _add_side(engine, tally, side, counters)
    marks = engine.tables.meta["marks"]
    for decision in np.flatnonzero(tally.core.touched).tolist():
        matched, possible, _ = marks[decision]
        for target in (*matched, *possible):
            counters[target].otherwise = True
    return [counter.hits() for counter in counters]


def _add_side(engine: Engine, tally: CoverTally, side: Side, counters: Sequence[_Counter]) -> None:
    marks, decisions = engine.tables.meta["marks"], engine.tables.meta["decisions"]
    total: dict[int, int] = {}
    for decision, other, flows in tally.by_other_side(side):
        total[decision] = total.get(decision, 0) + flows
        if other == MERGED:
            continue
        verdict = cast("int", decisions[decision][Field.VERDICT])
        _, _, sole = marks[decision]
        for target, without in sole:
            if _both(verdict, other) != _both(without, other):
                counters[target].sole += flows
    firsts, lasts = tally.times(side)
    for decision, flows in total.items():
        matched, possible, _ = marks[decision]
        for target in possible:
            counters[target].possible += flows
        for target in matched:
            counter = counters[target]
            counter.flows += flows
            counter.first = min(counter.first, firsts[decision])
            counter.last = max(counter.last, lasts[decision])


def _both(one: int, other: int) -> int:
    """Return a flow's verdict by those of its sides (C5)."""
    for verdict in (Verdict.DENY, Verdict.UNKNOWN):
        if verdict in (one, other):
            return verdict
    return Verdict.ALLOW


def denied_by_policy(engine: Engine, tally: CoverTally, side: Side) -> list[int]:
    """Give, by policy, the flows denied on a side because it isolates and no rule matched."""
    denied = [0] * len(engine.policies)
    decisions = engine.tables.meta["decisions"]  # as objects, all would be made for a few
    reasons = engine.decision_reasons
    for number, _, flows in tally.by_other_side(side):
        if reasons[number] == Reason.NP_IMPLICIT_DENY:
            for policy in cast("Sequence[int]", decisions[number][Field.ISOLATING]):
                denied[policy] += flows
    return denied
