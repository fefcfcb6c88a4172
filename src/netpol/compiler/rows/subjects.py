"""Takes policies and pod groups, gives the policies about each group, per side (B1.2, B5, A9.1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netpol.compiler.rows.partition import PodGroups
from netpol.compiler.shared.selection import YES
from netpol.model.switches import Switches
from netpol.model.verdict import Side, Tier
from netpol.policy.program import Policy, Rule

__all__ = ["Subjects", "rules_of"]


def rules_of(policy: Policy, side: Side) -> tuple[Rule, ...]:
    """Return a policy's rules for one side."""
    return policy.egress if side is Side.EGRESS else policy.ingress


class Subjects:
    """Which policies a group's row consists of, in the order of the program."""

    def __init__(
        self,
        policies: Sequence[Policy],
        tiers: Sequence[Tier],
        groups: PodGroups,
        switches: Switches,
    ) -> None:
        self._policies = policies
        self._tiers = tiers
        self._groups = groups
        self._any_direction = switches.baseline_gate == "any-direction"

    def of(self, side: Side) -> tuple[list[list[int]], list[list[int]]]:
        """Return each group's policies, and those of them that may not be about it (R24).

        A policy counts if it isolates for the side (NetworkPolicy) or has rules for it (B3.3).
        Baseline policies are left out where NetworkPolicies settle everything before (B5.3, B5.4).
        """
        count = len(self._groups)
        chosen: list[list[int]] = [[] for _ in range(count)]
        doubtful: list[list[int]] = [[] for _ in range(count)]
        final = np.zeros(count, bool)
        for index, policy in enumerate(self._policies):
            tier = self._tiers[index]
            np_tier = tier is Tier.NETWORKPOLICY
            counts = _isolates(policy, side) if np_tier else bool(rules_of(policy, side))
            if not counts and not (np_tier and self._any_direction):
                continue
            members, values = self._groups.subjects(policy.subject)
            if np_tier:
                final[members] = True
            if not counts:
                continue
            for group, value in zip(members.tolist(), values.tolist(), strict=True):
                if tier is Tier.BASELINE and final[group]:
                    continue
                chosen[group].append(index)
                if value != YES:
                    doubtful[group].append(index)
        return chosen, doubtful


def _isolates(policy: Policy, side: Side) -> bool:
    return policy.isolates_egress if side is Side.EGRESS else policy.isolates_ingress
