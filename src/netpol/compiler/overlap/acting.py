"""Takes a case of a row, gives which of its rules act in it, and which rules settle it before.

In tiers of ordered rules the first that certainly matches acts, and those before it that may;
policies of equal priority may each be tried first (B3.2, B3.4). NetworkPolicies add up: one of
them acts if without it the case would not certainly be allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from netpol.compiler.rows.cases import Case
from netpol.compiler.rows.ports import Treatment
from netpol.compiler.rows.tiers import TierRule
from netpol.model.verdict import Tier
from netpol.policy.program import Action

__all__ = ["Acts", "RowActs", "TiedGroup", "in_doubt"]

#: The acting rules of each policy of one priority, where several policies have some.
TiedGroup = tuple[int, ...]


def in_doubt(treatment: Treatment) -> bool:
    """Whether a class of ports is only a gap in a recording: no packet is without its port."""
    return treatment in (Treatment.UNKNOWN_PORT, Treatment.UNKNOWN_PROTOCOL)


class Acts(NamedTuple):
    """What the rules of a row do in one case, as bits of the rules.

    ``matching`` match or may. ``acting`` are those the outcome may depend on. ``settling`` are
    first certain matches of ordered tiers. ``allowing`` are NetworkPolicies' rules that certainly
    match where their tier is reached. ``tied`` are the groups of equal priority in which several
    policies act.
    """

    matching: int
    acting: int
    settling: int
    allowing: int
    tied: tuple[TiedGroup, ...]


class _Tried(NamedTuple):
    acting: int
    settling: int
    goes_on: bool
    tied: tuple[TiedGroup, ...]


class RowActs:
    """Says what the rules of one row do.

    Parameters
    ----------
    rules
        The row's rules, bit by bit, in the order in which tiers and policies are tried.
    isolated
        Whether NetworkPolicies isolate the row's subjects.

    Attributes
    ----------
    policy : list of int, per rule the bits of all rules of its policy.
    """

    def __init__(self, rules: Sequence[TierRule], isolated: bool) -> None:
        self.rules = rules
        self._isolated = isolated
        self._doubtful = _bits(rules, lambda rule: rule.doubtful)
        self._passing = _bits(rules, lambda rule: rule.action is Action.PASS)
        self._network = _bits(rules, lambda rule: rule.tier is Tier.NETWORKPOLICY)
        own: dict[int, int] = {}
        for bit, rule in enumerate(rules):
            own[rule.policy] = own.get(rule.policy, 0) | 1 << bit
        self.policy = [own[rule.policy] for rule in rules]
        self._groups = {
            tier: [list(dict.fromkeys(own[rule.policy] for rule in group)) for group in groups]
            for tier, groups in (
                (tier, list(_by_priority(rules, tier))) for tier in (Tier.ADMIN, Tier.BASELINE)
            )
        }

    def of(self, case: Case) -> Acts:
        """Return what the rules do in a case."""
        yes = case.certain & ~self._doubtful
        may = (case.certain | case.possible) & ~yes
        admin = self._ordered(Tier.ADMIN, yes, may)
        acting, settling, tied, allowing = admin.acting, admin.settling, admin.tied, 0
        if admin.goes_on and self._isolated:  # B5.3
            if case.treatment is not Treatment.UNFILTERED:
                allowing = yes & self._network
                if not allowing:
                    acting |= may & self._network
                elif not allowing & (allowing - 1):
                    acting |= allowing
        elif admin.goes_on:
            baseline = self._ordered(Tier.BASELINE, yes, may)
            acting |= baseline.acting
            settling |= baseline.settling
            tied += baseline.tied
        return Acts(yes | may, acting, settling, allowing, tied)

    def before(self, bit: int, settling: int) -> int:
        """Return those of ``settling`` that keep a rule from acting: of its own policy if any."""
        earlier = settling & ((1 << bit) - 1)
        return earlier & self.policy[bit] or earlier

    def _ordered(self, tier: Tier, yes: int, may: int) -> _Tried:
        """Try the groups of a tier up to the one in which a rule certainly matches."""
        acting = settling = 0
        tied: tuple[TiedGroup, ...] = ()
        for group in self._groups[tier]:
            found, certain = [], 0
            for policy in group:
                first = yes & policy & -(yes & policy)
                mine = (yes | may) & policy & ((first << 1) - 1 if first else -1)
                if mine:
                    found.append(mine)
                    acting |= mine
                    certain |= first
            if len(found) > 1:
                tied = (*tied, tuple(found))
            settling |= certain
            if certain:
                return _Tried(acting, settling, bool(acting & self._passing), tied)
        return _Tried(acting, settling, True, tied)


def _bits(rules: Sequence[TierRule], wanted: Callable[[TierRule], bool]) -> int:
    return sum(1 << bit for bit, rule in enumerate(rules) if wanted(rule))


def _by_priority(rules: Sequence[TierRule], tier: Tier) -> Iterator[list[TierRule]]:
    mine = [rule for rule in rules if rule.tier is tier]
    return (list(group) for _, group in groupby(mine, key=lambda rule: rule.priority))
