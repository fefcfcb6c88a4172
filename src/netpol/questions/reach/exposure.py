"""Takes an engine, gives what strangers may reach: any external address, and pods nobody knows yet.

A stranger pod has any labels, in a namespace there is or in a new one with any labels. A port is
told unless every such pod is certainly denied. Where that needs several rules to be weighed against
each other, it is told: selectors count as independent, so the answer may be too much, never too
little. What may isolate the stranger itself is not counted either.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from netpol.compiler.addresses.identities import Identities
from netpol.compiler.rows.partition import PodGroups
from netpol.compiler.rows.subjects import Subjects
from netpol.compiler.shared.portclasses import NamedPorts, PortClasses, cut_port_classes
from netpol.compiler.shared.selection import YES
from netpol.engine.endpoints import EndpointKind
from netpol.model.errors import ConfigError
from netpol.model.verdict import Side, Tier, Verdict
from netpol.policy.dialects.lower import lower
from netpol.policy.program import Action, NamedPort, Peer, PodPeer, Policy, Rule
from netpol.questions.allpairs.pairclasses import EXTERNAL, MEMORY_BUDGET, PairClasses
from netpol.questions.allpairs.parties import Parties
from netpol.questions.allpairs.portsets import Ports, sets_of
from netpol.questions.allpairs.sidetables import combined
from netpol.questions.reach.satisfiable import can_match, is_satisfiable

if TYPE_CHECKING:
    from netpol.engine.engine import Engine

__all__ = ["Exposure", "exposures"]

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Exposure:
    """What strangers may reach of the pods of one workload, at least one of them.

    Attributes
    ----------
    workload : its name; ``pods`` how many it has.
    external, external_everything : ports that some external address reaches, or may.
    networks : the external addresses that reach any of them.
    stranger, stranger_everything : ports that a stranger pod may reach.
    """

    workload: str
    pods: int
    external: tuple[Ports, ...]
    external_everything: bool
    networks: tuple[str, ...]
    stranger: tuple[Ports, ...]
    stranger_everything: bool


def exposures(engine: Engine, *, memory_budget: int = MEMORY_BUDGET) -> tuple[Exposure, ...]:
    """Return what strangers may reach of every workload, by name.

    Raises
    ------
    ConfigError
        The engine was loaded from a file, which does not hold the policies.
    CapacityError
        The tables would exceed ``memory_budget``.
    """
    if engine.source is None:
        raise ConfigError("exposure needs policies and snapshot, not saved tables")
    classes = PairClasses([engine], memory_budget)
    outside = _from_outside(classes)
    return tuple(_listed(classes, outside, _UnknownPods(engine)))


# --- external addresses -----------------------------------------------------------------------


def _from_outside(classes: PairClasses) -> dict[int, tuple[Mask, set[int]]]:
    """Return by class of pods.

    Ports that are not denied from outside, and the classes that reach.
    """
    found: dict[int, tuple[Mask, set[int]]] = {}
    vectors = classes.vectors
    recorded = classes.ports.recorded
    for source, targets, numbers, _ in classes.rows():
        if classes.kind[source] != EndpointKind.EXTERNAL:
            continue
        sides = zip(numbers.egress[0].tolist(), numbers.ingress[0].tolist(), strict=True)
        for target, (egress, ingress) in zip(targets.tolist(), sides, strict=True):
            said = combined(vectors[egress], vectors[ingress])
            reached = (said != Verdict.DENY) & recorded
            if reached.any():
                mask, sources = found.setdefault(target, (np.zeros(len(recorded), bool), set()))
                mask |= reached
                sources.add(source)
    return found


def _listed(
    classes: PairClasses, outside: dict[int, tuple[Mask, set[int]]], strangers: _UnknownPods
) -> Iterator[Exposure]:
    parties = Parties(classes)
    party_of_class = {
        int(number): int(party)
        for number, party in zip(classes.of.tolist(), parties.of.tolist(), strict=True)
        if parties.names[party] == EXTERNAL
    }
    members: dict[str, set[int]] = {}
    for index in np.flatnonzero(classes.who.kind == EndpointKind.POD).tolist():
        members.setdefault(classes.party(index), set()).add(index)
    for name, held in sorted(members.items()):
        ports = np.zeros(len(classes.ports), bool)
        sources: set[int] = set()
        for number in {int(classes.of[index]) for index in held}:
            if number in outside:
                ports |= outside[number][0]
                sources |= outside[number][1]
        pods = {int(classes.who.pod[index]) for index in held}
        may = strangers.reach(pods)
        yield Exposure(
            name,
            len(pods),
            classes.ports.words(ports),
            classes.ports.is_everything(ports),
            parties.networks({party_of_class[source] for source in sources}) if sources else (),
            *strangers.words(may),
        )


# --- pods nobody knows yet ---------------------------------------------------------------------


class _UnknownPods:
    """What a stranger may reach, by the policies about each group of pods."""

    def __init__(self, engine: Engine) -> None:
        assert engine.source is not None
        policies, snapshot, self._switches = engine.source
        program = lower(policies)
        self._policies = [one for stage in program.stages for one in stage.policies]
        self._tiers = [stage.tier for stage in program.stages for _ in stage.policies]
        identities = Identities.of(snapshot, self._switches)
        self._namespaces = list(identities.namespaces.values())
        rules = [rule for one in self._policies for rule in one.ingress]
        names = frozenset(
            port.name for rule in rules for port in rule.ports or () if isinstance(port, NamedPort)
        )
        self._groups = PodGroups(identities, names, self._switches)
        self._ports: PortClasses = cut_port_classes(
            [port for rule in rules for port in rule.ports or ()],
            {item for ports in self._groups.ports for item in ports},
        )
        subjects = Subjects(self._policies, self._tiers, self._groups, self._switches)
        self._chosen, self._doubtful = subjects.of(Side.INGRESS)
        self._memo: dict[tuple[Any, ...], Mask] = {}
        self._peers: dict[Peer, tuple[bool, bool]] = {}
        self._sets = sets_of(self._ports)

    def reach(self, pods: set[int]) -> Mask:
        """Return the ports of some pods that a stranger may reach of any of them."""
        found = np.zeros(len(self._ports), bool)
        for group in {int(self._groups.of_pod[pod]) for pod in pods}:
            found |= self._of_group(group)
        return found

    def words(self, mask: Mask) -> tuple[tuple[Ports, ...], bool]:
        """Return a set of ports, and whether it is everything."""
        return self._sets.words(mask), self._sets.is_everything(mask)

    def _of_group(self, group: int) -> Mask:
        names = self._groups.ports[group]
        key = (tuple(self._chosen[group]), tuple(self._doubtful[group]), names)
        found = self._memo.get(key)
        if found is None:
            found = self._memo[key] = self._walk(key[0], set(key[1]), names)
        return found

    def _walk(self, chosen: Sequence[int], doubtful: set[int], names: NamedPorts) -> Mask:
        """Try the tiers in order: who may be undecided so far, who may be let through."""
        undecided = np.ones(len(self._ports), bool)
        reached = np.zeros(len(self._ports), bool)
        for tier in (Tier.ADMIN, Tier.NETWORKPOLICY, Tier.BASELINE):
            mine = [index for index in chosen if self._tiers[index] is tier]
            if tier is Tier.NETWORKPOLICY:
                for index in mine:
                    for rule in self._policies[index].ingress:
                        reached |= undecided & self._may(rule, names)
                if not all(index in doubtful for index in mine):
                    return reached
            else:
                passed = self._wide(mine, doubtful, names, undecided, reached)
                undecided = undecided | passed
        return reached | undecided

    def _wide(
        self,
        mine: Sequence[int],
        doubtful: set[int],
        names: NamedPorts,
        undecided: Mask,
        reached: Mask,
    ) -> Mask:
        """Try one cluster-scoped tier; changes both masks, gives what may be passed on."""
        passed = np.zeros(len(undecided), bool)
        for index, rule in self._in_order(mine):
            may = undecided & self._may(rule, names)
            if rule.action is Action.ALLOW:
                reached |= may
            elif rule.action is Action.PASS:
                passed |= may
            if index not in doubtful:
                undecided &= ~self._must(rule, names)
        return passed

    def _in_order(self, mine: Sequence[int]) -> Iterator[tuple[int, Rule]]:
        """Yield rules as they are tried; where ties are open, those that deny last."""
        rules = [(index, rule) for index in mine for rule in self._policies[index].ingress]
        if self._switches.cnp_tie != "name-and-flag":
            rules.sort(key=lambda item: (self._priority(item[0]), item[1].action is Action.DENY))
        yield from rules

    def _priority(self, index: int) -> int:
        policy: Policy = self._policies[index]
        return policy.priority

    def _may(self, rule: Rule, names: NamedPorts) -> Mask:
        if rule.peers is not None and not any(self._peer(peer)[0] for peer in rule.peers):
            return np.zeros(len(self._ports), bool)
        mask: Mask = self._ports.match(rule.ports, names) > 0
        return mask

    def _must(self, rule: Rule, names: NamedPorts) -> Mask:
        if rule.peers is not None and not any(self._peer(peer)[1] for peer in rule.peers):
            return np.zeros(len(self._ports), bool)
        mask: Mask = self._ports.match(rule.ports, names) == YES
        return mask

    def _peer(self, peer: Peer) -> tuple[bool, bool]:
        """Return whether a peer matches some stranger, and whether it matches all."""
        found = self._peers.get(peer)
        if found is None:
            found = self._peers[peer] = self._matches(peer)
        return found

    def _matches(self, peer: Peer) -> tuple[bool, bool]:
        if not isinstance(peer, PodPeer):
            return True, False  # whatever address it gets
        if not is_satisfiable(peer.pods):
            return False, False
        if peer.namespaces is None:
            return True, False
        some = is_satisfiable(peer.namespaces) or can_match(peer.namespaces, self._namespaces)
        everybody = not peer.pods.requirements and not peer.namespaces.requirements
        return some, everybody
