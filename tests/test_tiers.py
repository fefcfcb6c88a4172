"""What tiers say in doubt (C4) and in a tie (B3.4), against trying every possible world."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, product

from hypothesis import given, settings
from hypothesis import strategies as st

from netpol.model.switches import Switches
from netpol.model.verdict import Reason, Tier, Verdict
from netpol.reference.outcome import (
    Effect,
    Match,
    PolicyTrial,
    RuleTrial,
    SideOutcome,
    TierTrial,
)
from netpol.reference.tiers import decide

ALLOW, DENY, UNKNOWN = Verdict.ALLOW, Verdict.DENY, Verdict.UNKNOWN

rules = st.tuples(st.sampled_from(Match), st.sampled_from(Effect))
policies = st.lists(rules, min_size=1, max_size=2)
groups = st.lists(st.lists(policies, min_size=1, max_size=3), max_size=2)
ends = st.sampled_from([None, ALLOW, DENY])


def tier_trial(number: int, shape: list[list[list[tuple[Match, Effect]]]]) -> TierTrial:
    """Give a tier of ordered groups of policies."""
    return TierTrial(
        tier=Tier.ADMIN if number == 0 else Tier.BASELINE,
        groups=tuple(
            tuple(
                PolicyTrial(
                    f"{number}-{g}-{p}",
                    tuple(
                        RuleTrial(r, match, doubt=Reason.DNS_UNKNOWN, effect=effect)
                        for r, (match, effect) in enumerate(policy)
                    ),
                )
                for p, policy in enumerate(group)
            )
            for g, group in enumerate(shape)
        ),
    )


def worlds(trials: list[TierTrial], any_order: bool) -> Iterator[Verdict]:
    """Try everything that is in doubt both ways, and policies of equal priority in any order."""
    doubtful = [
        (t, policy.policy, rule.rule)
        for t, trial in enumerate(trials)
        for group in trial.groups
        for policy in group
        for rule in policy.rules
        if rule.match is Match.MAYBE
    ]
    orders = [
        list(permutations(group)) if any_order else [group]
        for trial in trials
        for group in trial.groups
    ]
    for truth in product((False, True), repeat=len(doubtful)):
        holds = dict(zip(doubtful, truth, strict=True))
        for order in product(*orders):
            yield one_world(trials, holds, list(order))


def one_world(
    trials: list[TierTrial],
    holds: dict[tuple[int, str, int], bool],
    order: list[tuple[PolicyTrial, ...]],
) -> Verdict:
    """Follow B8 where everything is decided."""
    for t, trial in enumerate(trials):
        mine, order = order[: len(trial.groups)], order[len(trial.groups) :]
        tried = [(policy, rule) for group in mine for policy in group for rule in policy.rules]
        for policy, rule in tried:
            matches = rule.match is Match.YES or holds.get((t, policy.policy, rule.rule), False)
            if not matches:
                continue
            if rule.effect is Effect.PASS:
                break
            return ALLOW if rule.effect is Effect.ALLOW else DENY
        else:
            if trial.end is not None:
                return trial.end.verdict
    return ALLOW


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(first=groups, end=ends, last=groups)
def test_c4_and_b3_4_against_every_possible_world(
    first: list[list[list[tuple[Match, Effect]]]],
    end: Verdict | None,
    last: list[list[list[tuple[Match, Effect]]]],
) -> None:
    middle = []
    if end is not None:
        isolated = SideOutcome(verdict=end, reason=Reason.NP_IMPLICIT_DENY, policy="np")
        middle = [TierTrial(tier=Tier.NETWORKPOLICY, end=isolated)]
    trials = [tier_trial(0, first), *middle, tier_trial(1, last)]
    number = sum(r[0] is Match.MAYBE for s in (first, last) for g in s for p in g for r in p)
    if number > 7:  # 128 worlds, times the orders
        return
    side = decide(trials, Switches())
    ordered, shuffled = set(worlds(trials, False)), set(worlds(trials, True))
    assert side.verdict is (UNKNOWN if len(ordered) > 1 else ordered.pop())
    assert side.tie == (side.verdict is not UNKNOWN and len(shuffled) > 1)
    assert [w.verdict for w in side.witnesses if not side.tie] in ([], [ALLOW, DENY])
    strict = decide(trials, Switches(cnp_tie="unknown"))
    assert strict.verdict is (UNKNOWN if side.tie else side.verdict)
