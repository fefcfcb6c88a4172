"""Takes engines over one snapshot, gives classes of identities and what each pair of them is told.

Identities are alike if every engine gives them the same rows and columns on both sides. A pair of
classes then stands for every pair of their members, with two exceptions that depend on the members
themselves: a pod and its own node, and a pod and itself (never judged, A10.1). The former are
*relations* of their own, both are taken out of the product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from netpol.compiler.shared.budget import Budget
from netpol.engine.endpoints import EndpointKind
from netpol.model.verdict import Side
from netpol.questions.allpairs.addressspace import AddressSpace, cut_addresses
from netpol.questions.allpairs.identities import IdentityClasses, identities_at
from netpol.questions.allpairs.portsets import PortSets, join_ports
from netpol.questions.allpairs.sidetables import EngineSide, Vectors

if TYPE_CHECKING:
    from netpol.engine.engine import Engine

__all__ = ["EXTERNAL", "Numbers", "PairClasses", "SideClasses", "SideKinds"]

Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]
EXTERNAL = "external"
#: Bytes the tables of an analysis may take.
MEMORY_BUDGET = 1 << 30


class SideKinds:
    """Kinds of subjects and of peers of one side, over all engines.

    Attributes
    ----------
    subject, peer : int64[I], the kind of each identity.
    own_peer : int64[I], the kind of a node as seen by pods on it; of others, ``peer``.
    rows : int64[S, engines]; columns : int64[P, engines, 2].
    """

    def __init__(self, sides: Sequence[EngineSide], who: IdentityClasses) -> None:
        self.sides = sides
        pods, nodes = who.kind == EndpointKind.POD, who.kind == EndpointKind.NODE
        rows, peers, own = [], [], []
        for number, side in enumerate(sides):
            rows.append(side.subjects(who.endpoints[:, number]))
            seen = side.peers(who.endpoints[:, number], pods, nodes)
            peers.append(seen)
            own.append(np.where(nodes[:, None], side.own_node(seen), seen))
        self.rows, self.subject = _distinct(np.column_stack(rows))
        both = np.concatenate([np.column_stack(peers), np.column_stack(own)])
        columns, kinds = _distinct(both)
        self.columns = columns.reshape(len(columns), len(sides), 2)
        self.peer, self.own_peer = kinds[: len(who)], kinds[len(who) :]

    def said(self, subject: int) -> Int32s:
        """Return int32[engines, P].

        The vectors that a kind of subject has for all kinds of peers.
        """
        return np.stack(
            [
                side.row(int(self.rows[subject, number]), self.columns[:, number])
                for number, side in enumerate(self.sides)
            ]
        )


class SideClasses(SideKinds):
    """Kinds of one side with the table of what each subject says to each peer.

    Attributes
    ----------
    table : int32[engines, S, P], numbers of vectors.
    """

    def __init__(
        self, sides: Sequence[EngineSide], who: IdentityClasses, budget: Budget, cause: str
    ) -> None:
        super().__init__(sides, who)
        shape = len(sides), len(self.rows), len(self.columns)
        budget.take(
            4 * shape[0] * shape[1] * shape[2], f"{shape[1]} kinds of subjects x {shape[2]} {cause}"
        )
        self.table = np.empty(shape, np.int32)
        for subject in range(shape[1]):
            self.table[:, subject] = self.said(subject)


class Numbers(NamedTuple):
    """Vectors of pairs: int32[engines, n] for each side."""

    egress: Int32s
    ingress: Int32s


@dataclass(frozen=True, slots=True)
class Relation:
    """Pods of one class and their own nodes of another: ``members`` are identities, pod first."""

    pod: int
    node: int
    members: list[tuple[int, int]]


class PairClasses:
    """Classes of who addresses stand for now (no time recorded).

    Attributes
    ----------
    who : IdentityClasses
    of : int64[I], the class of each identity.
    size : int64[F], its members; 1 for a class of external addresses.
    first : int64[F], one member.

    Parameters
    ----------
    deciders : by engine uint32[decisions], who decides by each; with it vectors tell that, too.
    """

    def __init__(
        self,
        engines: Sequence[Engine],
        memory_budget: int = MEMORY_BUDGET,
        deciders: Sequence[npt.NDArray[np.uint32]] | None = None,
    ) -> None:
        self.engines = engines
        self.space: AddressSpace = cut_addresses(engines)
        self.ports: PortSets = join_ports(engines)
        self.vectors = Vectors(self.ports)
        self.who = identities_at(engines, self.space)
        self.budget = Budget(memory_budget)
        told = [None] * len(engines) if deciders is None else deciders
        self.kernels = {
            side: [
                EngineSide(engine, side, self.vectors, number, who)
                for number, (engine, who) in enumerate(zip(engines, told, strict=True))
            ]
            for side in (Side.EGRESS, Side.INGRESS)
        }
        self.egress, self.ingress = (
            SideClasses(self.kernels[side], self.who, self.budget, f"of {side.label} peers")
            for side in (Side.EGRESS, Side.INGRESS)
        )
        keys = np.column_stack(
            [
                self.egress.subject, self.egress.peer, self.egress.own_peer, self.ingress.subject,
                self.ingress.peer, self.ingress.own_peer, self.who.kind, self.who.family,
            ]
        )  # fmt: skip
        distinct, self.of = _distinct(keys)
        count = len(distinct)
        self.size = np.bincount(self.of, minlength=count)
        self.first = np.zeros(count, np.int64)
        self.first[self.of[::-1]] = np.arange(len(self.who))[::-1]
        self.kind = self.who.kind[self.first]
        self.family = self.who.family[self.first]
        self.size[self.kind == EndpointKind.EXTERNAL] = 1
        self.relations = self._own_nodes()
        self.removed = self._removed()

    def __len__(self) -> int:
        return len(self.size)

    def rows(self) -> Iterator[tuple[int, Int64s, Numbers, Int64s]]:
        """Yield per class as source: destinations, their vectors, how many pairs each stands for.

        Only pairs that exist, with a pod among them, of one family of addresses.
        """
        places = np.arange(len(self))
        e, i = self.egress, self.ingress
        e_subject, e_peer = e.subject[self.first], e.peer[self.first]
        i_subject, i_peer = i.subject[self.first], i.peer[self.first]
        is_pod = self.kind == EndpointKind.POD
        for source in range(len(self)):
            pairs = self.size[source] * self.size - self.removed_from(source)
            exists = (pairs > 0) & (self.family == self.family[source])
            if not is_pod[source]:
                exists &= is_pod
            chosen = places[exists]
            numbers = Numbers(
                np.stack([t[e_subject[source]][e_peer[chosen]] for t in e.table]),
                np.stack([t[i_subject[chosen], i_peer[source]] for t in i.table]),
            )
            yield source, chosen, numbers, pairs[exists]

    def renumber(self, number: Callable[[Int32s, Int32s], Int32s]) -> None:
        """Put one number in the place of those that two engines have for a pair.

        ``number`` takes int32[P] of the first engine and of the second. Afterwards ``Numbers`` are
        int32[1, n].
        """
        for side in (self.egress, self.ingress):
            for subject in range(len(side.rows)):
                side.table[0, subject] = number(side.table[0, subject], side.table[1, subject])
            side.table = side.table[:1].copy()

    def removed_from(self, source: int) -> Int64s:
        """Return int64[F]: pairs with each destination that the product has too many."""
        found = np.zeros(len(self), np.int64)
        for target, count in self.removed.get(source, {}).items():
            found[target] = count
        return found

    def own_node_pairs(self) -> Iterator[tuple[int, int, Numbers, list[tuple[int, int]]]]:
        """Yield pods and their own nodes, both ways: classes, vectors, pairs of identities."""
        for relation in self.relations:
            pod, node = self.first[relation.pod], self.first[relation.node]
            yield (
                relation.pod,
                relation.node,
                self.pair_numbers(pod, node, own=True),
                (relation.members),
            )
            turned = [(second, first) for first, second in relation.members]
            yield relation.node, relation.pod, self.pair_numbers(node, pod, own=True), turned

    def pair_numbers(self, source: int, target: int, *, own: bool = False) -> Numbers:
        """Return the vectors of one pair of identities, int32[engines, 1] each."""
        e, i = self.egress, self.ingress
        peer, back = (e.own_peer, i.own_peer) if own else (e.peer, i.peer)
        return Numbers(
            np.array([[t[e.subject[source], peer[target]]] for t in e.table], np.int32),
            np.array([[t[i.subject[target], back[source]]] for t in i.table], np.int32),
        )

    def decisions(
        self,
        engine: int,
        sources: Int64s,
        targets: Int64s,
        ports: Int64s,
        own: npt.NDArray[np.bool_],
    ) -> tuple[Int64s, Int64s]:
        """Return the decision ids of n pairs of identities at m joint port classes.

        ``own`` is bool[n], which pairs are a pod and its own node. Both results are int64[n, m].
        """
        egress, ingress = (
            side.sides[engine].decisions(
                side.rows[side.subject[subjects], engine],
                side.columns[np.where(own, side.own_peer[peers], side.peer[peers]), engine],
                ports,
            )
            for side, subjects, peers in (
                (self.egress, sources, targets),
                (self.ingress, targets, sources),
            )
        )
        return egress, ingress

    def party(self, identity: int) -> str:
        """Return the workload, ``node/NAME``, or ``external``."""
        kind = self.who.kind[identity]
        meta = self.engines[0].tables.meta
        if kind == EndpointKind.POD:
            return str(meta["pods"][self.who.pod[identity]][1])
        if kind == EndpointKind.NODE:
            return f"node/{meta['nodes'][self.who.node[identity]]}"
        return EXTERNAL

    def _own_nodes(self) -> list[Relation]:
        by_node: dict[tuple[int, int], list[int]] = {}
        who = self.who
        for index in np.flatnonzero((who.kind == EndpointKind.POD) & (who.node >= 0)).tolist():
            by_node.setdefault((int(who.node[index]), int(who.family[index])), []).append(index)
        found: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for index in np.flatnonzero(who.kind == EndpointKind.NODE).tolist():
            for pod in by_node.get((int(who.node[index]), int(who.family[index])), ()):
                key = int(self.of[pod]), int(self.of[index])
                found.setdefault(key, []).append((pod, index))
        return [Relation(pod, node, members) for (pod, node), members in found.items()]

    def _removed(self) -> dict[int, dict[int, int]]:
        """Count the pairs that are no pair of two, and those of a pod and its own node."""
        removed: dict[int, dict[int, int]] = {}

        def take(source: int, target: int, count: int) -> None:
            row = removed.setdefault(source, {})
            row[target] = row.get(target, 0) + count

        for relation in self.relations:
            take(relation.pod, relation.node, len(relation.members))
            take(relation.node, relation.pod, len(relation.members))
        for source, target in self.selves():
            take(int(self.of[source]), int(self.of[target]), 1)
        return removed

    def selves(self) -> Iterator[tuple[int, int]]:
        """Yield pairs of identities that are the same pod, at addresses of one family."""
        who = self.who
        holders: dict[tuple[int, int], list[int]] = {}
        for index in np.flatnonzero(who.kind == EndpointKind.POD).tolist():
            holders.setdefault((int(who.pod[index]), int(who.family[index])), []).append(index)
        for mine in holders.values():
            for source in mine:
                for target in mine:
                    yield source, target


def _distinct(keys: Int64s) -> tuple[Int64s, Int64s]:
    """Return the distinct rows, and of each row which one it is."""
    if not keys.shape[0]:
        return keys, np.zeros(0, np.int64)
    found, inverse = np.unique(keys, axis=0, return_inverse=True)
    return found, inverse.reshape(-1)
