"""Takes changes of policies, gives engines that have some of them made, as few as tell them apart.

What the first engine would say of a flow with one change made is told by every engine that has that
change made and no other that matters to the flow. So an engine is compiled with many changes, and
serves many flows; which go together is planned when flows are met, for all that are met at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from netpol.engine.engine import Engine

__all__ = ["CandidateEngines", "OneChange"]


class OneChange(NamedTuple):
    """What becomes of a flow with one change made; both are bits, one for each change.

    ``others`` are the other changes that matter to the flow: they must not be made.
    """

    change: int
    others: int


class CandidateEngines:
    """Engines that have changes made.

    Parameters
    ----------
    compiled : callable
        Takes places of changes, gives the first engine with those made.
    limit : int
        How many engines to compile at most; all are kept.
    """

    def __init__(self, compiled: Callable[[tuple[int, ...]], Engine], limit: int) -> None:
        self._compiled = compiled
        self._limit = limit
        self._engines: dict[int, Engine] = {}
        self._known: dict[OneChange, int] = {}

    def plan(self, questions: Iterable[OneChange]) -> None:
        """Compile what the questions take, the first ones first; no more than the limit."""
        plans: list[list[int]] = []  # changes to be made, and those that must not be
        for question in questions:
            if self.engine_for(question) is not None:
                continue
            change, others = question
            for plan in plans:
                if not plan[0] & others and not plan[1] & change:
                    plan[0] |= change
                    plan[1] |= others
                    break
            else:
                if len(self._engines) + len(plans) < self._limit:
                    plans.append([change, others])
        for made, _ in plans:
            places = tuple(place for place in range(made.bit_length()) if made >> place & 1)
            self._engines[made] = self._compiled(places)

    def engine_for(self, question: OneChange) -> Engine | None:
        """Return an engine that answers a question, None where none does."""
        made = self._known.get(question)
        if made is None:
            change, others = question
            made = next((one for one in self._engines if one & change and not one & others), None)
            if made is None:
                return None
            self._known[question] = made
        return self._engines[made]
