"""Takes an outcome and guesses what would flip it, gives those that do: each is judged first.

A guess that does not flip the verdict alone but moves the decision elsewhere is tried together
with guesses about where it went, cheapest first.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

from netpol.explain.near_misses import Candidate
from netpol.explain.story import Flip
from netpol.model.verdict import Verdict
from netpol.policy.edits import Edit, Isolate, Relabel
from netpol.reference.outcome import Outcome, SideOutcome

__all__ = ["Judged", "find_flips"]

MOST = 3
DEPTH = 3  # guesses together
JUDGED = 60  # worlds at most: each costs an index of all policies
REREAD = 4  # of them with other labels: each costs an index of the whole snapshot

#: What a changed world says: the outcome, and guesses about that one. None if it cannot be judged.
Judged = Callable[[tuple[Edit, ...]], tuple[Outcome, Callable[[], list[Candidate]]] | None]


def find_flips(outcome: Outcome, candidates: list[Candidate], judge: Judged) -> tuple[Flip, ...]:
    """Return up to three sets of changes that turn allow into deny or deny into allow."""
    if outcome.verdict is Verdict.UNKNOWN:
        return ()
    wanted = Verdict.DENY if outcome.verdict is Verdict.ALLOW else Verdict.ALLOW
    search = _Search(wanted, judge)
    for candidate in candidates:
        search.push(candidate, outcome, 1)
    return search.run()


class _Search:
    def __init__(self, wanted: Verdict, judge: Judged) -> None:
        self._wanted = wanted
        self._judge = judge
        self._queue: list[tuple[float, int, tuple[Edit, ...], Outcome, int]] = []
        self._order = count()
        self._seen: set[frozenset[Edit]] = set()
        self._left = JUDGED
        self._rereads = REREAD

    def push(self, candidate: Candidate, before: Outcome, depth: int) -> None:
        """Remember a guess that was made when ``before`` was the outcome."""
        key = frozenset(candidate.edits)
        if key not in self._seen:
            self._seen.add(key)
            item = candidate.cost, next(self._order), candidate.edits, before, depth
            heapq.heappush(self._queue, item)

    def run(self) -> tuple[Flip, ...]:
        """Try guesses, the cheapest first, until there are enough."""
        found: list[Flip] = []
        while self._queue and len(found) < MOST and self._left > 0:
            cost, _, edits, before, depth = heapq.heappop(self._queue)
            if any(set(flip.edits) <= set(edits) for flip in found):
                continue
            answer = self._try(edits)
            if answer is None:
                continue
            outcome, more = answer
            if outcome.verdict is self._wanted:
                flip = Flip(verdict=self._wanted, edits=self._needed(edits))
                if flip not in found:
                    found.append(flip)
            elif depth < DEPTH and self._moved(before, outcome):
                for candidate in more():
                    if not _clash(edits, candidate.edits):
                        both = Candidate(cost + candidate.cost, edits + candidate.edits)
                        self.push(both, outcome, depth + 1)
        return tuple(found)

    def _try(self, edits: tuple[Edit, ...]) -> tuple[Outcome, Callable[[], list[Candidate]]] | None:
        if any(isinstance(edit, Relabel) for edit in edits):
            if not self._rereads:
                return None
            self._rereads -= 1
        self._left -= 1
        return self._judge(edits)

    def _needed(self, edits: tuple[Edit, ...]) -> tuple[Edit, ...]:
        """Leave out every change without which the verdict flips as well."""
        for edit in edits:
            fewer = tuple(other for other in edits if other is not edit)
            answer = self._judge(fewer) if fewer else None
            if answer is not None and answer[0].verdict is self._wanted:
                return self._needed(fewer)
        return edits

    def _moved(self, before: Outcome, after: Outcome) -> bool:
        """Return whether a denied flow is denied elsewhere now: only then is more worth a guess."""
        return self._wanted is Verdict.ALLOW and _deciders(before) != _deciders(after)


def _deciders(outcome: Outcome) -> tuple[object, ...]:
    def one(side: SideOutcome) -> tuple[object, ...]:
        return side.verdict, side.policy, side.rule, side.reason

    return one(outcome.egress), one(outcome.ingress), *map(_deciders, outcome.parts)


def _clash(edits: tuple[Edit, ...], more: tuple[Edit, ...]) -> bool:
    """Return whether changes cannot be told together: the later ones count rules otherwise."""
    return bool(_touched(edits) & _touched(more)) or bool(set(edits) & set(more))


def _touched(edits: tuple[Edit, ...]) -> set[tuple[str, str]]:
    kept = (edit for edit in edits if not isinstance(edit, Relabel | Isolate))
    return {(edit.policy, edit.direction) for edit in kept}
