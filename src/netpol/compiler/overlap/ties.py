"""Takes a case in which policies of equal priority act, gives the rules that disagree (B3.4)."""

from __future__ import annotations

from collections.abc import Container, Iterator
from itertools import combinations

from netpol.compiler.overlap.acting import TiedGroup
from netpol.compiler.rows.cases import Case
from netpol.compiler.rows.tiers import RowTiers, TierRule
from netpol.compiler.shared.columns import set_bits
from netpol.model.verdict import Verdict
from netpol.policy.program import Action

__all__ = ["disagreeing"]

_EITHER = frozenset((Verdict.ALLOW, Verdict.DENY))
_DECIDES = {
    Action.ALLOW: frozenset((Verdict.ALLOW,)),
    Action.DENY: frozenset((Verdict.DENY,)),
}


def disagreeing(
    tiers: RowTiers,
    rules: list[TierRule],
    case: Case,
    groups: tuple[TiedGroup, ...],
    known: Container[tuple[int, int]],
) -> Iterator[tuple[TierRule, TierRule]]:
    """Yield two rules of each two policies that decide a case differently, but for ``known`` ones.

    Parameters
    ----------
    tiers, rules
        What decides the row's cases, and its rules, bit by bit.
    groups
        The acting rules of each policy, policies of equal priority together.
    known
        Pairs of policies, the one tried first in front, that need not be looked at again.
    """
    pairs = [
        pair
        for group in groups
        for pair in combinations(group, 2)
        if (_policy(rules, pair[0]), _policy(rules, pair[1])) not in known
        and len({rules[bit].action for bit in set_bits(pair[0] | pair[1])}) > 1
    ]
    if not pairs or not tiers.decide(case).tie:
        return
    for mine, theirs in pairs:
        yield from _first(tiers, rules, case, mine, theirs)


def _first(
    tiers: RowTiers, rules: list[TierRule], case: Case, mine: int, theirs: int
) -> Iterator[tuple[TierRule, TierRule]]:
    after: frozenset[Verdict] | None = None
    for one in set_bits(mine):
        for other in set_bits(theirs):
            actions = rules[one].action, rules[other].action
            if actions[0] is actions[1]:
                continue
            if after is None and Action.PASS in actions:
                after = _after(tiers, rules, case, one)
            outcomes = [_DECIDES.get(action, after) or _EITHER for action in actions]
            if len(outcomes[0] | outcomes[1]) > 1:
                yield rules[one], rules[other]
                return


def _after(tiers: RowTiers, rules: list[TierRule], case: Case, bit: int) -> frozenset[Verdict]:
    """Return what may come out where a tier passes.

    As if none of its rules matched (B5.2, B5.5).
    """
    tier = rules[bit].tier
    others = sum(1 << place for place, rule in enumerate(rules) if rule.tier is not tier)
    rest = case._replace(certain=case.certain & others, possible=case.possible & others)
    decision = tiers.decide(rest)
    if decision.tie or decision.verdict is Verdict.UNKNOWN:
        return _EITHER
    return frozenset((decision.verdict,))


def _policy(rules: list[TierRule], bits: int) -> int:
    return rules[(bits & -bits).bit_length() - 1].policy
