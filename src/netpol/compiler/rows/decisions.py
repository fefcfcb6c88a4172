"""Takes outcomes of one side, gives interned decisions: everything an answer can say of a side.

Id 0 means "this side is not a pod". Then come "the candidates disagree" (R14), one per merge
reason, and "the whole flow is allowed", one per reason of that kind. All others come of rules.
The reserved ids are ``layout.Reserved``; the core knows them by number.
"""

from __future__ import annotations

from typing import NamedTuple

from netpol.compiler.layout import Reserved
from netpol.compiler.rows.removals import Marks
from netpol.compiler.shared.budget import Budget
from netpol.model.verdict import Reason, Side, Tier, Verdict

__all__ = ["MERGE_REASONS", "WHOLE_FLOW_REASONS", "Decision", "DecisionTable", "Witness"]


def _reasons(kind: str) -> tuple[Reason, ...]:
    """Return the reasons of one kind of reserved decisions, in the order of their ids."""
    return tuple(
        Reason[one.name.removeprefix(kind)] for one in Reserved if one.name.startswith(kind)
    )


#: Reasons that merging several candidates gives.
MERGE_REASONS = _reasons("MERGED_")
#: Reasons that allow a flow as a whole.
WHOLE_FLOW_REASONS = _reasons("WHOLE_")


# In Python: measured are 450 and 110.
_BYTES, _BYTES_A_RULE = 450, 110
_CAUSE = "decisions, each with its list of matching rules: many rules on one subject match together"


class Witness(NamedTuple):
    """One way to a verdict: by a rule of a policy, by a policy's isolation, or by default (-1)."""

    verdict: Verdict
    policy: int = -1
    rule: int = -1


class Decision(NamedTuple):
    """What one side says.

    Attributes
    ----------
    side : the side judged; NONE for "not a pod" and merged outcomes.
    verdict, reason, tier : the answer; ``reason`` is None where the side is not a pod.
    policy : index of the credited policy in ``Engine.policies``, -1 if none (C3.1, R15).
    rule : index of the credited rule in that policy, -1 if none.
    matching : every (policy, rule) that certainly matches, in order.
    isolating : every NetworkPolicy that isolates the subject for this side.
    witnesses : two ways to two verdicts, where a doubt (C4) or a tie (B3.4) leaves both open.
    tie : whether policies of equal priority, tried in another order, decide otherwise (B3.4).
    own_node : whether a NetworkPolicy denies the way to the pod's own node (A11.6).
    marks : what coverage wants to know, where the policies were compiled for it.
    """

    side: Side
    verdict: Verdict
    reason: Reason | None
    tier: Tier = Tier.NONE
    policy: int = -1
    rule: int = -1
    matching: tuple[tuple[int, int], ...] = ()
    isolating: tuple[int, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    tie: bool = False
    own_node: bool = False
    marks: Marks = Marks()


class DecisionTable:
    """Decisions by id. They count towards the budget: lists of matching rules may be long.

    Parameters
    ----------
    budget : Budget
        Raises ``CapacityError`` from ``intern`` when it is used up.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.items: list[Decision] = []
        self._ids: dict[Decision, int] = {}
        self.intern(Decision(Side.NONE, Verdict.ALLOW, None))
        for reason in MERGE_REASONS:
            self.intern(Decision(Side.NONE, Verdict.UNKNOWN, reason))
        for reason in WHOLE_FLOW_REASONS:
            self.intern(Decision(Side.NONE, Verdict.ALLOW, reason))

    def intern(self, decision: Decision) -> int:
        """Return the id of a decision."""
        found = self._ids.get(decision)
        if found is None:
            listed = len(decision.matching) + sum(map(len, decision.marks))
            size = _BYTES + _BYTES_A_RULE * listed
            self._budget.take(size, _CAUSE)
            found = self._ids[decision] = len(self.items)
            self.items.append(decision)
        return found
