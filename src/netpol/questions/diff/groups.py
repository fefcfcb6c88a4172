"""What a diff consists of: kinds of differing flows, groups of them, changes with weights."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

from netpol.model.verdict import Verdict
from netpol.questions.diff.changes import Change
from netpol.questions.replay.replay import Pair
from netpol.run.sums import Weight

__all__ = ["Group", "GroupList", "Kind", "PolicyChange", "kind_of"]


class Kind(StrEnum):
    """How a flow is judged differently; by its verdict after the change."""

    NEWLY_DENIED = "newly-denied"
    NEWLY_ALLOWED = "newly-allowed"
    NEWLY_UNKNOWN = "newly-unknown"
    OTHER_RULE = "other-rule"


_NEWLY = {
    Verdict.ALLOW: Kind.NEWLY_ALLOWED,
    Verdict.DENY: Kind.NEWLY_DENIED,
    Verdict.UNKNOWN: Kind.NEWLY_UNKNOWN,
}


def kind_of(before: Verdict, after: Verdict) -> Kind:
    """Return the kind of a flow that differs."""
    return Kind.OTHER_RULE if before == after else _NEWLY[after]


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """Something that is not the same on both sides.

    ``alone`` is the weight of the differing flows that get their second judgement by this change
    alone; flows may do so by more than one. It is None for those beyond the first 63. ``tried`` is
    False where there are flows of which it is not known, so that ``alone`` may be too low.
    """

    change: Change
    alone: Weight | None
    tried: bool = True


@dataclass(frozen=True, slots=True)
class Group:
    """Flows that differ in nothing but addresses, source port and time, judged twice.

    Attributes
    ----------
    kind, verdicts : how the judgement differs.
    before, after : who, on which port, and what decided; both hold the same weight. The ends have
        different names where the clusters say so.
    responsible : the changes that each suffice alone; empty if it takes several together.
    untold : none is known to suffice, but one that may was not tried.
    first_seen, last_seen : ns since the epoch, None where no flow's time is known.
    """

    kind: Kind
    verdicts: tuple[Verdict, Verdict]
    before: Pair
    after: Pair
    responsible: tuple[Change, ...]
    untold: bool = False
    first_seen: int | None = None
    last_seen: int | None = None

    @property
    def weight(self) -> Weight:
        """How many flows, packets and bytes."""
        return self.before.weight


@dataclass(frozen=True, slots=True)
class GroupList:
    """The heaviest groups of one kind; ``others`` holds the weight of those not listed."""

    total: Weight = field(default_factory=Weight)
    groups: tuple[Group, ...] = ()
    distinct: int = 0  # how many groups there are; a lower bound where ``Diff.capped``
    others: Weight = field(default_factory=Weight)

    def first(self, number: int) -> GroupList:
        """Return it with no more than ``number`` groups."""
        rest = sum((group.weight for group in self.groups[number:]), self.others)
        return replace(self, groups=self.groups[:number], others=rest)
