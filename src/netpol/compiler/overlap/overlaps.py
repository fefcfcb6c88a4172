"""Takes both sides' compilers and every endpoint's columns, gives rules that never act, and ties.

Exact for the cluster given: only pairs of columns that some endpoint has are looked at, and only
ports that packets have. What is in doubt counts as acting, and so do NetworkPolicies where an
exemption would allow the flow anyway: a rule that is named here can be removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from netpol.compiler.overlap.acting import Acts, RowActs, TiedGroup, in_doubt
from netpol.compiler.overlap.realpeers import RealPeers
from netpol.compiler.overlap.ties import disagreeing
from netpol.compiler.rows.cases import Case
from netpol.compiler.rows.row import RowClasses
from netpol.compiler.rows.sides import SideCompiler
from netpol.compiler.rows.subjects import rules_of
from netpol.compiler.shared.columns import Grouped, set_bits
from netpol.model.verdict import Side, Tier
from netpol.policy.program import Action

__all__ = ["Overlaps", "RuleId", "Superseded", "Tie", "Unused", "find_overlaps"]

RuleId = tuple[int, int]  # policy, by its index in the program; rule, by its place as written
#: How many rules or policies a finding names.
NAMED = 3
# Distinct sets of rules that allow the same; beyond, the first rule of each set counts as needed.
_MOST_SETS = 1 << 16
_LOOKED_AT = 8  # peers tried for an example: two addresses of the subject, and another pod's


class Unused(NamedTuple):
    """A rule that matches something and never acts.

    ``by`` are the first few rules that act instead. ``added_up`` says that they are rules that
    allow all that this one would; without it, it is a rule that never is the first to match.
    """

    side: Side
    tier: Tier
    rule: RuleId
    by: tuple[RuleId, ...]
    added_up: bool


class Superseded(NamedTuple):
    """A baseline policy all of whose pods NetworkPolicies isolate, some of which are ``by``."""

    side: Side
    policy: int
    pods: int
    by: tuple[int, ...]


class Tie(NamedTuple):
    """Rules of two policies of equal tier and priority that decide the same differently (B3.4).

    ``first`` is of the policy that is tried first, by its name. The example is a pod, a peer (a
    pod, ``node/NAME`` or ``external``) and a protocol number with its port, -1 where it has none;
    protocols without a name are -2.
    """

    side: Side
    first: RuleId
    second: RuleId
    subject: str
    peer: str
    protocol: int
    port: int


class Overlaps(NamedTuple):
    """What was found, ordered by side, policy and rule."""

    unused: list[Unused]
    superseded: list[Superseded]
    ties: list[Tie]


def find_overlaps(sides: Iterable[tuple[SideCompiler, RealPeers]]) -> Overlaps:
    """Return what both sides have of each kind.

    Raises
    ------
    CapacityError
        As when the sides are compiled: one subject's rules combine to too many cases.
    """
    found = Overlaps([], [], [])
    for side, peers in sides:
        one = _SideOverlaps(side, peers)
        found.unused.extend(one.unused())
        found.superseded.extend(_superseded(side))
        found.ties.extend(tie for _, tie in sorted(one.ties.items()))
    return found


@dataclass(slots=True)
class _Usage:
    """What was seen of the rules of one side so far.

    ``sets`` are rules of NetworkPolicies that allow the same, where none of them acts for that.
    """

    matching: set[RuleId] = field(default_factory=set)
    acting: set[RuleId] = field(default_factory=set)
    sets: set[tuple[RuleId, ...]] = field(default_factory=set)


class _SideOverlaps:
    """Looks through the rows of one side."""

    def __init__(self, side: SideCompiler, peers: RealPeers) -> None:
        self._side = side
        self._peers = peers
        self._rows = [index for index in range(side.subject_rows) if side.rows[index].policies]
        self._usage = _Usage()
        self.ties: dict[tuple[int, int], Tie] = {}
        for index in self._rows:
            self._look_at(index)

    def _look_at(self, index: int) -> None:
        row = _Row(self._side, self._peers, index)
        matching = acting = 0
        sets: set[int] = set()
        for place, port, case, sure in row.cases():
            acts = row.acts.of(case)
            matching |= acts.matching
            acting |= acts.acting
            if acts.allowing and not acts.allowing & acting:
                sets.add(acts.allowing)
                if len(sets) + len(self._usage.sets) > _MOST_SETS:
                    acting |= acts.allowing & -acts.allowing
            if acts.tied and sure:
                self._add_ties(row, case, acts.tied, (place, port))
        self._usage.matching.update(row.ids(matching))
        self._usage.acting.update(row.ids(acting))
        self._usage.sets.update(tuple(row.ids(bits)) for bits in sets if not bits & acting)

    def _add_ties(
        self, row: _Row, case: Case, tied: tuple[TiedGroup, ...], place: tuple[int, int]
    ) -> None:
        rules = row.classes.rules
        for one, other in disagreeing(row.tiers, rules, case, tied, self.ties):
            first, second = (one.policy, one.rule), (other.policy, other.rule)
            example = row.example(*place)
            self.ties[one.policy, other.policy] = Tie(self._side.side, first, second, *example)

    def unused(self) -> list[Unused]:
        """Return the rules that match and never act, once every row was looked at."""
        never = self._never()
        if not never:
            return []
        by: dict[RuleId, dict[RuleId, None]] = {rule: {} for rule in never}
        denied: set[RuleId] = set()
        policies = {policy for policy, _ in never}
        for index in self._rows:
            if not policies.isdisjoint(self._side.rows[index].policies):
                self._explain(index, by, denied)
        tiers = self._side.tiers
        return [
            Unused(
                self._side.side, tiers[rule[0]], rule, tuple(sorted(by[rule])),
                tiers[rule[0]] is Tier.NETWORKPOLICY and rule not in denied,
            )
            for rule in sorted(never)
        ]  # fmt: skip

    def _never(self) -> set[RuleId]:
        """Return rules all of which may go.

        Of several that allow the same, one stays (the first).
        """
        usage = self._usage
        sets = [rules for rules in usage.sets if not usage.acting.intersection(rules)]
        left = [len(rules) for rules in sets]
        places: dict[RuleId, list[int]] = {}
        for place, rules in enumerate(sets):
            for rule in rules:
                places.setdefault(rule, []).append(place)
        never = set()
        for rule in sorted(usage.matching - usage.acting, reverse=True):
            mine = places.get(rule, [])
            if all(left[place] > 1 for place in mine):
                never.add(rule)
                for place in mine:
                    left[place] -= 1
        return never

    def _explain(
        self, index: int, by: dict[RuleId, dict[RuleId, None]], denied: set[RuleId]
    ) -> None:
        """Add what acts in place of the rules ``by`` has, in the cases of one row."""
        row = _Row(self._side, self._peers, index)
        rules = row.acts.rules
        wanted = sum(1 << bit for bit, rule in enumerate(rules) if (rule.policy, rule.rule) in by)
        if not wanted:
            return
        for _, _, case, _ in row.cases():
            acts = row.acts.of(case)
            for bit in set_bits(acts.matching & wanted):
                rule = rules[bit]
                instead = self._instead(row.acts, acts, bit, wanted)
                if any(rules[other].action is Action.DENY for other in set_bits(instead)):
                    denied.add((rule.policy, rule.rule))
                known = by[rule.policy, rule.rule]
                for other in set_bits(instead):
                    if len(known) < NAMED:
                        known.setdefault((rules[other].policy, rules[other].rule))

    def _instead(self, row: RowActs, acts: Acts, bit: int, wanted: int) -> int:
        if acts.allowing and row.rules[bit].tier is Tier.NETWORKPOLICY:
            return acts.allowing & ~wanted
        return row.before(bit, acts.settling)


class _Row:
    """One row, its classes and the cases that are real."""

    def __init__(self, side: SideCompiler, peers: RealPeers, index: int) -> None:
        row = side.rows[index]
        self._side, self._peers, self._index = side, peers, index
        self.classes: RowClasses = side.row_classes(row)
        self._cases = self.classes.cases()
        side.check_cases(row, self._cases.bound())
        self.acts = RowActs(self.classes.rules, bool(side.isolating(row)))
        self.tiers = side.row_tiers(row, self.classes.rules)
        width = len(self.classes.cidrs.bits)
        labels = _locals(self.classes.labels, len(side.column_ports))
        cidrs = _locals(self.classes.cidrs, len(side.columns))
        self._pairs = labels[peers.labels] * width + cidrs[peers.cidrs]
        self._width = width

    def cases(self) -> Iterator[tuple[int, int, Case, bool]]:
        """Yield each distinct case once, with a pair of classes and a port it is found at.

        Last is whether some endpoint has that pair for sure; such pairs come first.
        """
        ports = [
            port
            for port, (treatment, _) in enumerate(self.classes.ports.locals_)
            if not in_doubt(treatment)
        ]
        seen = set()
        sure = _distinct(self._pairs[self._peers.sure])
        others = np.setdiff1d(_distinct(self._pairs[~self._peers.sure]), sure, assume_unique=True)
        for place, pair in enumerate([*sure.tolist(), *others.tolist()]):
            i, j = divmod(pair, self._width)
            for port in ports:
                case = self._cases.bits(i, j, port)
                if (case.certain or case.possible) and case not in seen:
                    seen.add(case)
                    yield pair, port, case, place < len(sure)

    def ids(self, bits: int) -> list[RuleId]:
        """Return the rules of some bits."""
        rules = self.classes.rules
        return [(rules[bit].policy, rules[bit].rule) for bit in set_bits(bits)]

    def example(self, pair: int, port: int) -> tuple[str, str, int, int]:
        """Return pod of the row, a peer of a pair of classes that is another, protocol and port."""
        peers = self._peers
        mine = np.flatnonzero(self._side.row_of_group == self._index)
        subjects = np.flatnonzero(np.isin(self._side.groups.of_pod, mine)).tolist()
        subjects.sort(key=lambda pod: not peers.identities.pods[pod].addresses)
        others = np.flatnonzero((self._pairs == pair)[peers.pair]).tolist()
        chosen = [
            (subject, other)
            for subject in subjects[:2]
            for other in others[:_LOOKED_AT]
            if peers.pods[other] != subject
        ]
        subject, other = chosen[0] if chosen else (subjects[0], others[0])
        label = peers.identities.pods[subject].label
        return label, peers.name(other), *self._side.row_ports.example(self.classes.ports, port)


def _locals(grouped: Grouped, columns: int) -> npt.NDArray[np.int64]:
    """Return the local class of every column."""
    found = np.zeros(columns, np.int64)
    found[grouped.touched] = grouped.local
    return found


def _distinct(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the distinct numbers in order; they are counted if small, as they mostly are."""
    # Hashing took a tenth of looking for overlaps at 100 000 pods.
    if int(numbers.max(initial=0)) > 8 * len(numbers):
        return np.unique(numbers)
    return np.flatnonzero(np.bincount(numbers))


def _superseded(side: SideCompiler) -> Iterator[Superseded]:
    """Find baseline policies none of whose pods have them in their row (B5.3, B5.4)."""
    for index, policy in enumerate(side.policies):
        if side.tiers[index] is not Tier.BASELINE or not rules_of(policy, side.side):
            continue
        members = side.groups.subjects(policy.subject)[0]
        rows = np.unique(side.row_of_group[members]).tolist()
        if rows and not any(index in side.rows[row].policies for row in rows):
            by = dict.fromkeys(by for row in rows for by in side.isolating(side.rows[row])[:1])
            pods = int(np.isin(side.groups.of_pod, members).sum())
            yield Superseded(side.side, index, pods, tuple(sorted(by)[:NAMED]))
