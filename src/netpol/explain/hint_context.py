"""Takes a judged flow, gives what hints look at: its parts, the sides asked, and words for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from netpol.explain.near_misses import leaves
from netpol.model.flow import Flow
from netpol.model.verdict import Verdict
from netpol.reference.outcome import Outcome, SideOutcome
from netpol.reference.query import Query, query_of
from netpol.reference.side_query import SideQuery

if TYPE_CHECKING:
    from netpol.reference.evaluate import ReferenceEvaluator

__all__ = ["VERBS", "HintContext", "and_more", "moment"]

LOOKED_AT = 16  # pairs of ends

#: What a policy does to a flow, as in "it would allow it".
VERBS = {Verdict.ALLOW: "allow", Verdict.DENY: "deny", Verdict.UNKNOWN: "leave open"}


class HintContext:
    """A flow in its initiator's direction, and how it was judged.

    Attributes
    ----------
    evaluator, flow, outcome : as given.
    """

    def __init__(self, evaluator: ReferenceEvaluator, flow: Flow, outcome: Outcome) -> None:
        self.evaluator = evaluator
        self.flow = flow
        self.outcome = outcome

    @cached_property
    def query(self) -> Query:
        """The flow, parsed."""
        return query_of(self.flow)

    @cached_property
    def leaves(self) -> tuple[Outcome, ...]:
        """The pairs that the outcome was merged from."""
        return tuple(leaves(self.outcome))

    def denied(self, *, readings: bool = False) -> Iterator[tuple[SideOutcome, SideQuery]]:
        """Yield sides that are denied, or have a reading that is, and what was asked.

        Those of the first ``LOOKED_AT`` pairs: a service may have any number of backends.
        """
        for leaf in self.leaves[:LOOKED_AT]:
            for side in (leaf.egress, leaf.ingress):
                for one in (side, *(each for _, each in side.readings if readings)):
                    if one.verdict is Verdict.DENY and one.question is not None:
                        yield one, one.question


def and_more(names: Iterable[str], most: int) -> str:
    """Join names with commas and an "and"; beyond ``most`` give how many more there are."""
    found = list(dict.fromkeys(names))
    if len(found) > most:
        return f"{', '.join(found[:most])} and {len(found) - most} more"
    return " and ".join(filter(None, (", ".join(found[:-1]), *found[-1:])))


def moment(time: int) -> str:
    """Return a time in ns since the epoch to the second: ``2026-03-01T10:00:00Z``."""
    found = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=time // 1_000_000_000)
    return found.strftime("%Y-%m-%dT%H:%M:%SZ")
