"""Takes the rules of one row tier by tier, gives the decision of a case (B8 with C4's sets).

A case says of every rule, as bits, whether it matches, may, or does not. Tiers are folded from the
last to the first: what a tier says depends on what the next one would. A row of NetworkPolicies
alone, which most are, needs no folding: one that matches allows, one that may leaves it open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import NamedTuple

from netpol.compiler.rows.cases import Case
from netpol.compiler.rows.decisions import Decision, Witness
from netpol.compiler.rows.ports import Treatment
from netpol.compiler.rows.removals import Removals
from netpol.compiler.shared.columns import mask_of, set_bits
from netpol.model.errors import ConfigError
from netpol.model.verdict import Reason, Side, Tier, Verdict
from netpol.policy.program import Action

__all__ = ["RowTiers", "TierRule", "doubt_of"]

ALLOW, DENY, UNKNOWN = Verdict.ALLOW, Verdict.DENY, Verdict.UNKNOWN
_DOUBTS = (Reason.NAMESPACE_LABELS_UNKNOWN, Reason.NODES_UNKNOWN, Reason.DNS_UNKNOWN)


class TierRule(NamedTuple):
    """What a rule does and where it stands.

    ``doubtful`` says that its policy may not select the subject at all (R24).
    """

    policy: int
    rule: int
    tier: Tier
    priority: int
    action: Action
    fail_closed: bool = False
    doubtful: bool = False


class _Credit(NamedTuple):
    """What decides: as ``Decision`` has it."""

    verdict: Verdict
    reason: Reason
    tier: Tier = Tier.NONE
    policy: int = -1
    rule: int = -1


@dataclass(frozen=True, slots=True)
class _Answer:
    """What may come out from some place on.

    ``ways`` are the first ways to each verdict that may come out; ``loose`` the same if policies
    of equal priority may be tried in any order (B3.4); ``sure`` decides where nothing matches that
    only may, ``doubt`` is the first rule in doubt that makes a difference (R22).
    """

    ways: dict[Verdict, Witness]
    loose: dict[Verdict, Witness]
    sure: _Credit
    doubt: _Credit | None = None


class _Step(NamedTuple):
    """A rule that matches, or may for a reason, and what then comes out."""

    rule: TierRule
    doubt: Reason | None
    effect: _Answer


_Label = Callable[[int], str]


class RowTiers:
    """Decides the cases of one row.

    Parameters
    ----------
    side
        The side judged.
    rules
        The row's rules, bit by bit, in the order in which tiers and policies are tried.
    isolating
        NetworkPolicies that isolate the row's subjects.
    cnp_tie
        The switch (B3.4).
    label
        Names a policy by its index, for errors.
    removals
        What could be removed, where decisions are to say what they hang on.

    Attributes
    ----------
    plain : bool, whether NetworkPolicies are all there is.
    known : ids of the decisions made so far, by all that tells those of one row apart; for the
        caller. To hash thousands of isolating policies with each took a third of the time of
        compiling where 1 800 policies select one pod.
    doubtful, network_policies : int, bits of the rules that are.
    ties_matter : bool, whether ``cnp_tie`` makes a tie more than a note.
    """

    def __init__(
        self,
        side: Side,
        rules: Sequence[TierRule],
        isolating: tuple[int, ...],
        cnp_tie: str,
        label: _Label,
        removals: Removals | None = None,
    ) -> None:
        self._side = side
        self._rules = rules
        self._isolating = isolating
        self._cnp_tie = cnp_tie
        self._label = label
        self._masks = dict.fromkeys((Tier.ADMIN, Tier.NETWORKPOLICY, Tier.BASELINE), 0)
        for tier in self._masks:
            self._masks[tier] = mask_of([n for n, rule in enumerate(rules) if rule.tier is tier])
        self.doubtful = mask_of([bit for bit, rule in enumerate(rules) if rule.doubtful])
        self.network_policies = self._masks[Tier.NETWORKPOLICY]
        self.plain = not self._masks[Tier.ADMIN] and not self._masks[Tier.BASELINE]
        self.ties_matter = cnp_tie != "name-and-flag"
        self._removals = removals
        self.known: dict[tuple[object, ...], int] = {}
        # Nine cases in ten are open where 2 500 policies meet, for few reasons.
        self._opened: dict[tuple[int, Reason], Decision] = {}

    @property
    def has_removals(self) -> bool:
        """Whether decisions say what they hang on."""
        return self._removals is not None

    def among(self, rules: Sequence[int]) -> RowTiers:
        """Return what decides cases in which only some of the rules match, or may."""
        chosen = [self._rules[rule] for rule in rules]
        found = RowTiers(self._side, chosen, self._isolating, self._cnp_tie, self._label)
        found.plain = self.plain
        return found

    def decide(self, case: Case, exempt: Reason | None = None) -> Decision:
        """Return decision of a case; ``exempt`` is why isolation does not bind it (A10, A11)."""
        decision = self._decide(case, exempt)
        if self._removals is None:
            return decision
        return decision._replace(marks=self._removals.marks(self, case, exempt, decision.verdict))

    def verdict(self, case: Case, exempt: Reason | None) -> Verdict:
        """Return the verdict alone; a tie that is refused is unknown here."""
        if self.plain and exempt is None and case.treatment <= Treatment.UNKNOWN_PROTOCOL:
            return ALLOW if case.certain else UNKNOWN if case.possible else DENY
        answer = self._fold(case, exempt)
        open_ = len(answer.ways) > 1 or (self.ties_matter and len(answer.loose) > 1)
        return UNKNOWN if open_ else answer.sure.verdict

    def _decide(self, case: Case, exempt: Reason | None) -> Decision:
        if self.plain and exempt is None and case.treatment <= Treatment.UNKNOWN_PROTOCOL:
            return self._plainly(case)
        answer = self._fold(case, exempt)
        witnesses: tuple[Witness, ...] = ()
        tie = False
        credit = answer.sure
        if len(answer.ways) > 1:
            if answer.doubt is None:
                raise AssertionError("two verdicts without a doubt")
            credit = answer.doubt._replace(verdict=UNKNOWN)
            witnesses = (answer.ways[ALLOW], answer.ways[DENY])
        elif len(answer.loose) > 1:
            other = DENY if credit.verdict is ALLOW else ALLOW
            tie = True
            witnesses = (Witness(credit.verdict, credit.policy, credit.rule), answer.loose[other])
            credit = self._tied(credit, witnesses)
        matching = case.certain & ~self.doubtful
        if exempt is not None and credit.reason is exempt:
            matching = 0
        return Decision(
            self._side, credit.verdict, credit.reason, credit.tier, credit.policy, credit.rule,
            self._matching(matching), self._isolating, witnesses, tie,
        )  # fmt: skip

    def _plainly(self, case: Case) -> Decision:
        """Decide what most cases are without a fold: a seventh off the time of compiling."""
        if case.certain:
            return self.allowed(set_bits(case.certain))
        if not case.possible:
            return self.denied()
        reason = self._doubt(case, case.possible & -case.possible)
        return self.open((case.possible & -case.possible).bit_length() - 1, reason)

    def allowed(self, matching: Sequence[int]) -> Decision:
        """Return the decision of NetworkPolicies some of whose rules match: the first allows."""
        rules = self._rules
        first = rules[matching[0]]
        return Decision(
            self._side, ALLOW, Reason.NP_RULE, Tier.NETWORKPOLICY, first.policy, first.rule,
            tuple([(rules[bit].policy, rules[bit].rule) for bit in matching]), self._isolating,
        )  # fmt: skip

    def denied(self) -> Decision:
        """Return the decision of NetworkPolicies none of whose rules matches, or may."""
        isolating = self._isolating
        return Decision(
            self._side, DENY, Reason.NP_IMPLICIT_DENY, Tier.NETWORKPOLICY, isolating[0],
            isolating=isolating,
        )  # fmt: skip

    def open(self, first: int, reason: Reason) -> Decision:
        """Return the decision of NetworkPolicies none of whose rules matches; ``first`` may."""
        found = self._opened.get((first, reason))
        if found is None:
            rule, isolating = self._rules[first], self._isolating
            ways = Witness(ALLOW, rule.policy, rule.rule), Witness(DENY, isolating[0])
            found = self._opened[first, reason] = Decision(
                self._side, UNKNOWN, reason, Tier.NETWORKPOLICY, rule.policy, rule.rule, (),
                isolating, ways,
            )  # fmt: skip
        return found

    def _matching(self, bits: int) -> tuple[tuple[int, int], ...]:
        rules = self._rules
        return tuple([(rules[bit].policy, rules[bit].rule) for bit in set_bits(bits)])

    def _tied(self, credit: _Credit, witnesses: tuple[Witness, ...]) -> _Credit:
        """Apply ``cnp_tie`` where policies of equal priority decide differently (B3.4)."""
        if self._cnp_tie == "error":
            names = " and ".join(self._label(item.policy) for item in witnesses)
            raise ConfigError(f"cnp_tie=error: {names} have equal priority and decide differently")
        if self._cnp_tie == "unknown":
            return credit._replace(verdict=UNKNOWN, reason=Reason.AMBIGUOUS_PRIORITY)
        return credit

    def _fold(self, case: Case, exempt: Reason | None) -> _Answer:
        answer = _answer(_Credit(ALLOW, Reason.NOT_ISOLATED))
        if self._masks[Tier.BASELINE]:
            answer = self._ordered(Tier.BASELINE, case, answer)
        if self._isolating:
            answer = self._network_policies(case, exempt)
        if self._masks[Tier.ADMIN]:
            answer = self._ordered(Tier.ADMIN, case, answer)
        return answer

    # --- NetworkPolicies ---------------------------------------------------------------------

    def _network_policies(self, case: Case, exempt: Reason | None) -> _Answer:
        """Let a YES allow, else a MAYBE leave it open, else isolation deny (A9.2, C4)."""
        tier, mask = Tier.NETWORKPOLICY, self._masks[Tier.NETWORKPOLICY]
        certain, possible = case.certain & mask, case.possible & mask
        if exempt is not None:
            return _answer(_Credit(ALLOW, exempt, tier))
        if case.treatment is Treatment.UNFILTERED:
            return _answer(_Credit(ALLOW, Reason.DEFAULT_ALLOW, tier))
        if certain:
            rule, first = self._first(certain), self._first(certain | possible)
            ways = {ALLOW: Witness(ALLOW, first.policy, first.rule)}
            return _Answer(ways, ways, _Credit(ALLOW, Reason.NP_RULE, tier, rule.policy, rule.rule))
        denied = _Credit(DENY, Reason.NP_IMPLICIT_DENY, tier, self._isolating[0])
        end = _answer(denied)
        if case.treatment is Treatment.UNDEFINED:  # R17
            unknown = denied._replace(verdict=UNKNOWN, reason=Reason.UNKNOWN_PROTOCOL)
            either = {verdict: Witness(verdict, denied.policy) for verdict in (ALLOW, DENY)}
            end = _Answer(either, either, unknown, unknown)
        if not possible:
            return end
        rule = self._first(possible)
        allowed = Witness(ALLOW, rule.policy, rule.rule)
        ways = {**end.ways, ALLOW: allowed}
        reason = self._doubt(case, possible & -possible)
        doubt = _Credit(UNKNOWN, reason, tier, rule.policy, rule.rule)
        return _Answer(ways, ways, end.sure, doubt)

    def _first(self, bits: int) -> TierRule:
        return self._rules[(bits & -bits).bit_length() - 1]

    def _doubt(self, case: Case, bit: int) -> Reason:
        """Return why a rule only may match (R15, R24)."""
        if bit & self.doubtful:
            return Reason.NAMESPACE_LABELS_UNKNOWN
        doubts = case.doubts
        peers = [bool(bit & bits) for bits in doubts] if any(doubts) else ()
        return doubt_of(peers, case.treatment)

    # --- tiers of ordered rules --------------------------------------------------------------

    def _ordered(self, tier: Tier, case: Case, following: _Answer) -> _Answer:
        """Fold a tier's rules from the last that counts to the first (B3.2, C4)."""
        groups = []
        for group in self._groups(tier, case, following):
            groups.append(group)
            if any(_is_certain(policy) for policy in group):
                break
        answer = following
        loose = following.loose
        for group in reversed(groups):
            for policy in reversed(group):
                for step in reversed(policy):
                    answer = step.effect if step.doubt is None else _either(step, answer)
            loose = _in_any_order(group, loose)
        return replace(answer, loose=loose)

    def _groups(self, tier: Tier, case: Case, following: _Answer) -> Iterator[list[list[_Step]]]:
        """Yield the steps of each policy, policies of equal priority together (B3.4)."""
        bits = set_bits((case.certain | case.possible) & self._masks[tier])
        by_priority = groupby(bits, key=lambda bit: self._rules[bit].priority)
        for _, tied in by_priority:
            by_policy = groupby(tied, key=lambda bit: self._rules[bit].policy)
            yield [list(self._steps(mine, case, following)) for _, mine in by_policy]

    def _steps(self, bits: Iterator[int], case: Case, following: _Answer) -> Iterator[_Step]:
        """Yield a policy's rules up to the first that certainly matches."""
        for place in bits:
            rule, bit = self._rules[place], 1 << place
            certain = case.certain & ~self.doubtful & bit
            doubt = None if certain else self._doubt(case, bit)
            yield _Step(rule, doubt, _effect(rule, following))
            if certain:
                return


def doubt_of(peers: Sequence[bool], treatment: Treatment) -> Reason:
    """Return why a rule only may match: its peer, by reason of doubt, or else its port (R15)."""
    if True in peers:
        return _DOUBTS[peers.index(True)]
    if treatment is Treatment.UNKNOWN_PROTOCOL:
        return Reason.UNKNOWN_PROTOCOL
    return Reason.UNKNOWN_PORT


def _answer(credit: _Credit) -> _Answer:
    ways = {credit.verdict: Witness(credit.verdict, credit.policy, credit.rule)}
    return _Answer(ways, ways, credit)


def _effect(rule: TierRule, following: _Answer) -> _Answer:
    """Return what comes out where a rule matches (B5.1, B5.2, B5.5)."""
    if rule.action is Action.PASS:
        return following
    if rule.action is Action.ALLOW:
        credit = _Credit(ALLOW, Reason.CNP_ACCEPT, rule.tier, rule.policy, rule.rule)
    else:
        reason = Reason.CNP_FAIL_CLOSED if rule.fail_closed else Reason.CNP_DENY
        credit = _Credit(DENY, reason, rule.tier, rule.policy, rule.rule)
    return _answer(credit)


def _either(step: _Step, rest: _Answer) -> _Answer:
    """Return what may come out of a rule that only may match: its effect, or what follows it."""
    effect, rule = step.effect, step.rule
    doubt = rest.doubt or effect.doubt
    if effect.ways.keys() != rest.ways.keys() and step.doubt is not None:
        doubt = _Credit(UNKNOWN, step.doubt, rule.tier, rule.policy, rule.rule)
    return _Answer({**rest.ways, **effect.ways}, {}, rest.sure, doubt)


def _in_any_order(group: list[list[_Step]], rest: dict[Verdict, Witness]) -> dict[Verdict, Witness]:
    """Return the ways if each policy of a group may be the first."""
    ways: dict[Verdict, Witness] = {}
    for policy in group:
        for step in policy:
            for verdict, way in step.effect.loose.items():
                ways.setdefault(verdict, way)
    if not any(_is_certain(policy) for policy in group):
        ways = {**rest, **ways}
    return ways


def _is_certain(policy: list[_Step]) -> bool:
    return any(step.doubt is None for step in policy)
