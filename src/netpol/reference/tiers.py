"""Takes the trials of all tiers on one side, gives the side's outcome (B8 with C4's sets).

A rule that matches decides, one that may match leaves its verdict and what comes after it open.
Read this beside C4: ``possible`` is its ``outcomes_first_match``, carried through the tiers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from netpol.model.switches import Switches
from netpol.model.verdict import Reason, Tier, Verdict
from netpol.reference.outcome import (
    Effect,
    Match,
    PolicyTrial,
    RuleTrial,
    SideOutcome,
    TierTrial,
    Witness,
)

__all__ = ["decide"]

ALLOW, DENY, UNKNOWN = Verdict.ALLOW, Verdict.DENY, Verdict.UNKNOWN
DEFAULT = SideOutcome(verdict=ALLOW, reason=Reason.NOT_ISOLATED)  # B5.5


class Step(NamedTuple):
    """A rule that matches or may match, at its place in a tier."""

    policy: PolicyTrial
    rule: RuleTrial


def decide(trials: list[TierTrial], switches: Switches) -> SideOutcome:
    """Return what the tiers say together, credited as R15 and R21-R23 have it."""
    tiers = _Tiers(trials)
    verdicts = tiers.possible(0, 0)
    tried = tuple(trial for tier in trials for group in tier.groups for trial in group)
    if len(verdicts) > 1:
        return replace(tiers.doubt(), alternatives=tried, witnesses=tiers.both())
    side = replace(tiers.decider(), alternatives=tried)
    if tiers.possible_in_any_order(0, 0) == verdicts:
        return side
    other = DENY if side.verdict is ALLOW else ALLOW
    witnesses = (
        Witness(side.verdict, side.policy, side.rule),
        tiers.way_in_any_order(0, 0, other) or Witness(other),
    )
    side = replace(side, tie=True, witnesses=witnesses)
    if switches.cnp_tie == "unknown":  # B3.4
        return replace(side, verdict=UNKNOWN, reason=Reason.AMBIGUOUS_PRIORITY)
    return side


class _Tiers:
    """The trials as a chain: steps of a tier, then its end, then the next tier."""

    def __init__(self, trials: list[TierTrial]) -> None:
        self._trials = trials
        self._steps = [
            [step for group in tier.groups for policy in group for step in _steps(policy)]
            for tier in trials
        ]

    # --- as ordered --------------------------------------------------------------------------

    def possible(self, tier: int, step: int) -> set[Verdict]:
        """Return the verdicts that may come out from a step of a tier on (C4)."""
        if tier == len(self._trials):
            return {ALLOW}
        settled = self._trials[tier].settled
        if settled is not None:
            return {settled.verdict}
        if step == len(self._steps[tier]):
            return self._end(tier)
        rule = self._steps[tier][step].rule
        taken = self._effect(tier, rule)
        return taken if rule.match is Match.YES else taken | self.possible(tier, step + 1)

    def _end(self, tier: int) -> set[Verdict]:
        """Return the verdicts where no rule of the tier matches."""
        end = self._trials[tier].end
        if end is None:
            return self.possible(tier + 1, 0)
        return {ALLOW, DENY} if end.verdict is UNKNOWN else {end.verdict}

    def _effect(self, tier: int, rule: RuleTrial) -> set[Verdict]:
        """Return the verdicts where a rule matches."""
        if rule.effect is Effect.PASS:
            return self.possible(tier + 1, 0)
        return {ALLOW if rule.effect is Effect.ALLOW else DENY}

    def decider(self) -> SideOutcome:
        """Return what decides where nothing matches that only may (R22)."""
        for tier, trial in enumerate(self._trials):
            if trial.settled is not None:
                return replace(trial.settled, tier=_tier_of(trial.settled, trial.tier))
            certain = (item for item in self._steps[tier] if item.rule.match is Match.YES)
            first = next(certain, None)
            if first is None:
                if trial.end is not None:
                    return trial.end
            elif first.rule.effect is not Effect.PASS:
                return _by(first, trial.tier)
        return DEFAULT

    def doubt(self) -> SideOutcome:
        """Return the first rule in doubt whose match makes a difference (R22)."""
        for tier, trial in enumerate(self._trials):
            passed = False
            for index, step in enumerate(self._steps[tier]):
                if step.rule.match is Match.YES:
                    passed = True  # a certain rule is final, save that PASS goes to the next tier
                    break
                if self._effect(tier, step.rule) != self.possible(tier, index + 1):
                    return replace(_by(step, trial.tier), verdict=UNKNOWN, reason=step.rule.doubt)
            if not passed and trial.end is not None:
                return trial.end  # an end that is itself unknown (R17)
        raise AssertionError("nothing is in doubt")

    def both(self) -> tuple[Witness, ...]:
        """Return the first way to be allowed and the first way to be denied."""
        return tuple(self._way(0, 0, verdict) or Witness(verdict) for verdict in (ALLOW, DENY))

    def _way(self, tier: int, step: int, verdict: Verdict) -> Witness | None:
        """Return the first way to a verdict, what matches tried before what does not."""
        if tier == len(self._trials):
            return Witness(ALLOW) if verdict is ALLOW else None
        trial = self._trials[tier]
        if trial.settled is not None:
            return Witness(verdict) if trial.settled.verdict is verdict else None
        if step == len(self._steps[tier]):
            return self._way_at_end(tier, verdict, self._way(tier + 1, 0, verdict))
        item = self._steps[tier][step]
        found = self._way_of(tier, item, verdict, self._way(tier + 1, 0, verdict))
        if found is None and item.rule.match is not Match.YES:
            return self._way(tier, step + 1, verdict)
        return found

    def _way_at_end(self, tier: int, verdict: Verdict, further: Witness | None) -> Witness | None:
        end = self._trials[tier].end
        if end is None:
            return further
        if end.verdict in (verdict, UNKNOWN):
            return Witness(verdict, end.policy)
        return None

    def _way_of(
        self, tier: int, step: Step, verdict: Verdict, further: Witness | None
    ) -> Witness | None:
        if step.rule.effect is Effect.PASS:
            return further
        if verdict in self._effect(tier, step.rule):
            return Witness(verdict, step.policy.policy, step.rule.rule)
        return None

    # --- with policies of equal priority in any order (B3.4) ---------------------------------

    def possible_in_any_order(self, tier: int, group: int) -> set[Verdict]:
        """Return the verdicts that may come out if each policy of a group may be the first."""
        if tier == len(self._trials):
            return {ALLOW}
        trial = self._trials[tier]
        if trial.settled is not None:
            return {trial.settled.verdict}
        if group == len(trial.groups):
            if trial.end is not None:
                return {ALLOW, DENY} if trial.end.verdict is UNKNOWN else {trial.end.verdict}
            return self.possible_in_any_order(tier + 1, 0)
        found: set[Verdict] = set()
        for policy in trial.groups[group]:
            for step in _steps(policy):
                if step.rule.effect is Effect.PASS:
                    found |= self.possible_in_any_order(tier + 1, 0)
                else:
                    found |= self._effect(tier, step.rule)
        if not any(_is_certain(policy) for policy in trial.groups[group]):
            found |= self.possible_in_any_order(tier, group + 1)
        return found

    def way_in_any_order(self, tier: int, group: int, verdict: Verdict) -> Witness | None:
        """Return the first way to a verdict if each policy of a group may be the first."""
        if tier == len(self._trials):
            return Witness(ALLOW) if verdict is ALLOW else None
        trial = self._trials[tier]
        if trial.settled is not None:
            return Witness(verdict) if trial.settled.verdict is verdict else None
        further = self.way_in_any_order(tier + 1, 0, verdict)
        if group == len(trial.groups):
            return self._way_at_end(tier, verdict, further)
        for policy in trial.groups[group]:
            for step in _steps(policy):
                found = self._way_of(tier, step, verdict, further)
                if found is not None:
                    return found
        if any(_is_certain(policy) for policy in trial.groups[group]):
            return None
        return self.way_in_any_order(tier, group + 1, verdict)


def _steps(policy: PolicyTrial) -> Iterator[Step]:
    """Yield the rules of a policy that match or may, up to the first that certainly does."""
    for rule in policy.rules:
        if rule.match is not Match.NO:
            yield Step(policy, rule)
        if rule.match is Match.YES:
            return


def _is_certain(policy: PolicyTrial) -> bool:
    return any(rule.match is Match.YES for rule in policy.rules)


def _tier_of(settled: SideOutcome, tier: Tier) -> Tier:
    """Credit an exemption to its tier; that nothing isolates a pod is no tier's doing."""
    return Tier.NONE if settled.reason is Reason.NOT_ISOLATED else tier


def _by(step: Step, tier: Tier) -> SideOutcome:
    """Credit a rule."""
    rule = step.rule
    if tier is Tier.NETWORKPOLICY:
        verdict, reason = ALLOW, Reason.NP_RULE
    elif rule.effect is Effect.DENY:
        verdict, reason = DENY, Reason.CNP_FAIL_CLOSED if rule.fail_closed else Reason.CNP_DENY
    else:
        verdict, reason = ALLOW, Reason.CNP_ACCEPT
    return SideOutcome(
        verdict=verdict,
        reason=reason,
        tier=tier,
        policy=step.policy.policy,
        rule=rule.rule,
        peer=rule.peer,
        port=rule.port,
    )
