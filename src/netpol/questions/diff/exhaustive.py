"""Takes two engines over one snapshot, gives every pair, protocol and port they judge otherwise.

No flows are needed: classes of pairs stand for all there are. That nothing differs is a proof, and
it is claimed only if no side says another thing to anybody, at any time and through any service:
every verdict is made of what sides say of pairs (specification.md C5, C6). The same verdict by
another rule is no difference of verdicts; such pairs are counted beside, and listed on request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from netpol.compiler.layout import Entry, Pod
from netpol.engine.endpoints import EndpointKind
from netpol.kube.unjudged import NOTHING_UNJUDGED, Unjudged
from netpol.model.verdict import Verdict
from netpol.questions.allpairs.identities import IdentityClasses, identities_otherwise
from netpol.questions.allpairs.pairclasses import MEMORY_BUDGET, PairClasses, SideKinds
from netpol.questions.allpairs.parties import Parties, PartySums
from netpol.questions.diff.deciders import Deciders
from netpol.questions.diff.exhaustive_changes import Change, Changes
from netpol.questions.diff.exhaustive_parts import Judged, Part, Parts
from netpol.questions.diff.groups import Kind, kind_of
from netpol.questions.diff.verdict_changes import (
    SAME,
    ChangeNumbers,
    NumberedChanges,
    VerdictChanges,
    verdicts_of,
)

if TYPE_CHECKING:
    from netpol.engine.engine import Engine

__all__ = ["Change", "ChangeList", "ExhaustiveDiff", "Judged", "Part", "exhaustive_diff"]

Int64s = npt.NDArray[np.int64]
_NEWLY = {one: kind_of(other, one) for one in Verdict for other in Verdict if one != other}


@dataclass(frozen=True, slots=True)
class ChangeList:
    """The changes with most pairs, of ``distinct`` ones, or of more if ``capped``."""

    changes: tuple[Change, ...] = ()
    distinct: int = 0
    capped: bool = False


@dataclass(frozen=True, slots=True)
class ExhaustiveDiff:
    """All that two engines judge otherwise.

    Attributes
    ----------
    classes : pairs of classes times port classes that were compared.
    pairs : pairs of owners of addresses that they stand for; one owner counts again for each kind
        of address it has, a class of external addresses is one owner.
    differing : of those, the ones with another verdict on some port.
    pod_pairs : of those, the ones of two pods.
    kinds : by kind the pairs that are judged so on some port: with several ports, a pair may be of
        several kinds. ``OTHER_RULE`` are those with the same verdict by another rule or policy.
    verdicts : the verdicts that something gets instead of another.
    changes : of verdicts, the ones with most pairs, of ``distinct`` ones, or more if ``capped``.
    other_rules : what gets the same verdict by another rule; None if that was not to be listed.
    proven : no verdict differs, at any time, and no side's verdict behind an equal one.
    sides : no pair's verdict differs, yet it is not proven that no flow's does: a side differs
        behind an equal verdict, or for owners that an address has at other times.
    rule_sides : no pair is judged otherwise in any way, yet a side is decided by another rule where
        the pair is not, or for owners that an address has at other times.
    unrecorded : flows whose port or protocol is not recorded may be judged otherwise.
    left_out : pods that no address stands for, and that are not compared.
    unjudged : policies of other dialects among the inputs of each side.
    policies : how many there are before and after.
    pods : how many pods are compared.
    """

    classes: int
    pairs: int
    differing: int
    pod_pairs: int
    kinds: dict[Kind, int]
    verdicts: tuple[Verdict, ...]
    changes: tuple[Change, ...]
    distinct: int
    capped: bool
    other_rules: ChangeList | None
    proven: bool
    sides: bool
    rule_sides: bool
    unrecorded: bool
    left_out: int
    policies: tuple[int, int]
    pods: int
    unjudged: tuple[Unjudged, Unjudged] = (NOTHING_UNJUDGED, NOTHING_UNJUDGED)

    @property
    def nothing_judged(self) -> bool:
        """Whether no pod has an address, so that "equivalent" would say nothing of any pod."""
        return self.pods == 0


def exhaustive_diff(
    before: Engine,
    after: Engine,
    *,
    top: int = 10,
    other_rule: bool = False,
    memory_budget: int = MEMORY_BUDGET,
) -> ExhaustiveDiff:
    """Compare what two engines say to every pair of addresses on every protocol and port.

    Parameters
    ----------
    before, after : Engine
        Compiled against the same snapshot; labels may differ, pods, nodes and addresses may not. Of
        engines that were loaded or unpickled, a rule is told by its place, and no change is named.
    top : int
        How many changes to list, of verdicts and of rules each.
    other_rule : bool
        Whether to list the pairs with the same verdict by another rule; they are counted anyway.
    memory_budget : int
        Bytes that the tables of the comparison may take.

    Raises
    ------
    ConfigError
        The engines see other pods, nodes or addresses.
    CapacityError
        The comparison needs more than ``memory_budget``.
    """
    return _Comparison((before, after), memory_budget).run(top, other_rule=other_rule)


class _Comparison:
    def __init__(self, engines: Sequence[Engine], memory_budget: int) -> None:
        self.engines = engines
        shared = Deciders(*engines)
        self.deciders = [shared.by_decision(engine) for engine in engines]
        self.classes = PairClasses(engines, memory_budget, self.deciders)
        self.vectors = self.classes.vectors
        self.transitions = VerdictChanges(self.vectors)
        self.unrecorded = False

    def run(self, top: int, *, other_rule: bool) -> ExhaustiveDiff:
        verdicts_differ, rules_differ = self._sides_differ()
        self.classes.renumber(self.transitions.number)
        parties = Parties(self.classes)
        verdict_sums = PartySums(parties, self.classes)
        rule_sums = PartySums(parties, self.classes) if other_rule else None
        counts = _Counts(self.transitions)
        is_pod = self.classes.kind == EndpointKind.POD
        for source, targets, (egress, ingress), weights in self.classes.rows():
            said = self.transitions.between(egress[0], ingress[0])
            counts.add(said, weights, is_pod[targets] & is_pod[source])
            verdict_sums.add_class(source, targets, said.verdicts)
            if rule_sums is not None:
                rule_sums.add_class(source, targets, said.rules)
        for _, _, (egress, ingress), members in self.classes.own_node_pairs():
            said = self.transitions.between(egress[0], ingress[0])
            counts.add(said, np.array([len(members)]), np.zeros(1, bool))
            verdict_sums.add_pairs(members, int(said.verdicts[0]))
            if rule_sums is not None:
                rule_sums.add_pairs(members, int(said.rules[0]))
        parts = Parts(self.classes, parties, self.deciders)
        kinds = counts.kinds()
        listed = self._listed(verdict_sums, parties, parts, top, "verdicts")
        differing = counts.differing
        return ExhaustiveDiff(
            classes=counts.classes * len(self.classes.ports),
            pairs=counts.pairs,
            differing=differing,
            pod_pairs=counts.pods,
            kinds=kinds,
            verdicts=tuple(one for one in Verdict if kinds[_NEWLY[one]]),
            changes=listed.changes,
            distinct=listed.distinct,
            capped=listed.capped,
            other_rules=None
            if rule_sums is None
            else self._listed(rule_sums, parties, parts, top, "rules"),
            proven=not verdicts_differ and not differing,
            sides=verdicts_differ and not differing,
            rule_sides=rules_differ and not differing and not kinds[Kind.OTHER_RULE],
            unrecorded=self.unrecorded,
            left_out=self._left_out(),
            unjudged=(self.engines[0].unjudged, self.engines[1].unjudged),
            policies=(len(self.engines[0].policies), len(self.engines[1].policies)),
            pods=len({*self.classes.who.pod.tolist()} - {-1}),
        )

    def _listed(
        self, sums: PartySums, parties: Parties, parts: Parts, top: int, which: str
    ) -> ChangeList:
        numbered: NumberedChanges = getattr(self.transitions, which)
        changes = Changes(
            self.classes,
            parties,
            sums.sums(),
            numbered.items,
            lambda egress, ingress: getattr(self.transitions.between(egress, ingress), which),
            parts,
        )
        return ChangeList(tuple(changes.listed(top)), len(changes), sums.capped)

    # --- whether sides differ at all ---------------------------------------------------------

    def _sides_differ(self) -> tuple[bool, bool]:
        """Return whether any side says another thing of a recorded port to anybody at any time.

        Also whether it does so by another rule.
        """
        who = _joined(self.classes.who, identities_otherwise(self.engines, self.classes.space))
        found, rules = self._empty_services_differ(), False
        for kernels in self.classes.kernels.values():
            kinds = SideKinds(kernels, who)
            rows = (kinds.said(subject) for subject in range(len(kinds.rows)))
            for said in chain(rows, [_hairpins(kinds, who)]):
                differ = self.vectors.differ(said[0], said[1])
                self.unrecorded = self.unrecorded or differ.anything
                found = found or differ.recorded
                rules = rules or differ.rules
        return found, rules

    def _empty_services_differ(self) -> bool:
        """Whether flows to a service without backends differ: allowed where no policy is (C7.1)."""
        empty = self.engines[0].tables.arrays["service_entries"][:, Entry.BACKEND_COUNT] == 0
        none = [not engine.policies for engine in self.engines]
        return bool(empty.any()) and none[0] is not none[1]

    def _left_out(self) -> int:
        """Count the pods that no address is; hostNetwork pods are their node."""
        parts = self.engines[0].tables.arrays["pod_parts"]
        told = set(self.classes.who.pod.tolist())
        pods = np.flatnonzero(parts[:, Pod.AS_NODE] == 0).tolist()
        return sum(1 for pod in pods if pod not in told)


class _Counts:
    """Counts pairs by what is said of them."""

    def __init__(self, transitions: VerdictChanges) -> None:
        self._transitions = transitions
        self.classes = self.pairs = self.differing = self.pods = 0
        self._said = np.zeros(1, np.int64)  # pairs by what is said of their verdicts
        self._by_rule = 0

    def add(self, said: ChangeNumbers, pairs: Int64s, pods: npt.NDArray[np.bool_]) -> None:
        """Add pairs; ``pods`` says which are of two pods."""
        self.classes += len(pairs)
        self.pairs += int(pairs.sum())
        differs = said.verdicts > 0
        self.differing += int(pairs[differs].sum())
        self.pods += int(pairs[differs & pods].sum())
        self._by_rule += int(pairs[said.rules > 0].sum())
        more = np.bincount(said.verdicts, pairs).astype(np.int64)
        if len(more) > len(self._said):
            self._said = np.concatenate([self._said, np.zeros(len(more), np.int64)])
        self._said[: len(more)] += more

    def kinds(self) -> dict[Kind, int]:
        """Return how many pairs are of each kind on some port."""
        found = dict.fromkeys(Kind, 0)
        found[Kind.OTHER_RULE] = self._by_rule
        for said, pairs in zip(self._transitions.verdicts.items, self._said.tolist(), strict=False):
            codes = np.unique(said[said != SAME]).tolist()
            for kind in {kind_of(*verdicts_of(code)) for code in codes}:
                found[kind] += pairs
        return found


def _joined(first: IdentityClasses, second: IdentityClasses) -> IdentityClasses:
    return IdentityClasses(
        np.concatenate([first.endpoints, second.endpoints]),
        np.concatenate([first.family, second.family]),
        np.concatenate([first.kind, second.kind]),
        np.concatenate([first.pod, second.pod]),
        np.concatenate([first.node, second.node]),
        [*first.pieces, *second.pieces],
    )


def _hairpins(kinds: SideKinds, who: IdentityClasses) -> npt.NDArray[np.int32]:
    """Return int32[engines, n]: what kinds of pods are told of themselves, through a service."""
    pods = who.kind == EndpointKind.POD
    found = np.unique(np.column_stack([kinds.subject[pods], kinds.peer[pods]]), axis=0)
    told = [
        [
            side.hairpin(int(kinds.rows[row, number]), kinds.columns[peer, number])
            for row, peer in found.tolist()
        ]
        for number, side in enumerate(kinds.sides)
    ]
    return np.array(told, np.int32).reshape(len(kinds.sides), -1)
