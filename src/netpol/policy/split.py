"""Takes a policy program, gives it with rules split into peers and ports, and which part is what.

A rule with n peers and m ports becomes n rules of one peer each, and m of one port each, that do
the same: n + m, not n times m, since together the first n match what the rule matches, and so do
the last m (C7.5). To take a peer away is to take away its rule and those of the ports, which would
still hold it, and the other way round.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import NamedTuple, TypeVar

from netpol.model.verdict import Side
from netpol.policy.program import Policy, PolicyProgram, Rule

__all__ = ["MAX_PARTS", "Piece", "SplitProgram", "Target", "split"]

#: Parts of one rule; a rule that has more elements stays whole.
MAX_PARTS = 1024

Item = TypeVar("Item")


class Target(NamedTuple):
    """What could be removed: a policy's rules for one side, one of them, or one element of it.

    ``kind`` is ``policy``, ``rule``, ``peer`` or ``port``; ``rule`` and ``place`` are -1 where
    they mean nothing.
    """

    policy: int
    side: Side
    kind: str
    rule: int = -1
    place: int = -1


class Piece(NamedTuple):
    """One target and where it is: bits of a policy's split rules for one side.

    Attributes
    ----------
    target : its number.
    own : rules that match what it matches.
    taken : rules that are gone without it.
    inside : the pieces it consists of: rules of a policy, elements of a rule.
    """

    target: int
    own: int
    taken: int
    inside: tuple[Piece, ...] = ()

    def moved(self, places: int) -> Piece:
        """Return the piece where its bits begin ``places`` higher."""
        inside = tuple(piece.moved(places) for piece in self.inside)
        return Piece(self.target, self.own << places, self.taken << places, inside)


class SplitProgram(NamedTuple):
    """A program of split rules.

    Attributes
    ----------
    program : judges as the program it was made of.
    targets : by number.
    pieces : by (index of the policy, side), for those with rules.
    whole : targets of rules that have too many elements to be split.
    """

    program: PolicyProgram
    targets: list[Target]
    pieces: dict[tuple[int, Side], Piece]
    whole: frozenset[int]


def split(program: PolicyProgram, max_parts: int = MAX_PARTS) -> SplitProgram:
    """Split every rule.

    Parameters
    ----------
    program
        As ``lower`` gives it.
    max_parts
        Rules with more elements stay whole; 0 splits nothing.
    """
    return _Splitter(max_parts).split(program)


class _Splitter:
    def __init__(self, max_parts: int) -> None:
        self._max_parts = max_parts
        self._targets: list[Target] = []
        self._pieces: dict[tuple[int, Side], Piece] = {}
        self._whole: set[int] = set()

    def split(self, program: PolicyProgram) -> SplitProgram:
        numbers = count()
        stages = tuple(
            replace(
                stage,
                policies=tuple(self._policy(next(numbers), policy) for policy in stage.policies),
            )
            for stage in program.stages
        )
        whole = frozenset(self._whole)
        return SplitProgram(PolicyProgram(stages), self._targets, self._pieces, whole)

    def _policy(self, index: int, policy: Policy) -> Policy:
        return replace(
            policy,
            egress=self._side(index, Side.EGRESS, policy.egress),
            ingress=self._side(index, Side.INGRESS, policy.ingress),
        )

    def _side(self, policy: int, side: Side, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        if not rules:
            return ()
        target = self._target(Target(policy, side, "policy"))
        parts: list[Rule] = []
        inside = []
        for place, rule in enumerate(rules):
            mine, piece = self._rule(Target(policy, side, "rule", place), rule)
            inside.append(piece.moved(len(parts)))
            parts += mine
        everything = (1 << len(parts)) - 1
        self._pieces[policy, side] = Piece(target, everything, everything, tuple(inside))
        return tuple(replace(part, index=place) for place, part in enumerate(parts))

    def _rule(self, what: Target, rule: Rule) -> tuple[list[Rule], Piece]:
        """Return the parts of a rule, those by peer first, and its piece."""
        target = self._target(what)
        peers = _elements(rule.peers, rule.peer_counts)
        ports = _elements(rule.ports, rule.port_counts)
        if max(len(peers), len(ports)) > 1 and len(peers) + len(ports) > self._max_parts:
            self._whole.add(target)
            return [rule], Piece(target, 1, 1)
        parts = [replace(rule, peers=peer) for peer in peers] if len(peers) > 1 else []
        by_peer = (1 << len(parts)) - 1
        if len(ports) > 1:
            parts += [replace(rule, ports=port) for port in ports]
        parts = parts or [rule]
        everything = (1 << len(parts)) - 1
        by_port = everything & ~by_peer
        elements = [
            *self._pieces_of(what, "peer", len(peers), by_peer, by_port),
            *self._pieces_of(what, "port", len(ports), by_port, by_peer),
        ]
        return parts, Piece(target, everything, everything, tuple(elements))

    def _pieces_of(
        self, rule: Target, kind: str, number: int, mine: int, others: int
    ) -> Iterator[Piece]:
        """Yield the pieces of a rule's peers or ports; one alone is all of the rule."""
        first = mine & -mine
        for index in range(number):
            target = self._target(rule._replace(kind=kind, place=index))
            own = mine | others if number == 1 else first << index
            yield Piece(target, own, own | others)

    def _target(self, target: Target) -> int:
        self._targets.append(target)
        return len(self._targets) - 1


def _elements(
    items: tuple[Item, ...] | None, counts: tuple[int, ...] | None
) -> list[tuple[Item, ...]]:
    """Return the elements as they were written; none where there is no constraint."""
    if items is None:
        return []
    if counts is None:
        return [(item,) for item in items]
    ends = [sum(counts[: place + 1]) for place in range(len(counts))]
    return [items[end - number : end] for end, number in zip(ends, counts, strict=True)]
