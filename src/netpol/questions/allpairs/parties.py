"""Takes classes of pairs, gives sums by who talks to whom: workloads, nodes, external addresses.

A class holds members of several workloads and a workload has members in several classes, so what is
said of pairs of classes is spread over pairs of *parties*. Each class of external addresses is a
party of its own until the end, so that its addresses can be told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address, collapse_addresses, summarize_address_range
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from netpol.engine.endpoints import EndpointKind
from netpol.model.errors import CapacityError
from netpol.questions.allpairs.pairclasses import EXTERNAL, PairClasses

__all__ = ["Parties", "PartySums", "Sums"]

Int64s = npt.NDArray[np.int64]
_BITS = 21
_LIMIT = 1 << _BITS
_COMPRESS = 1 << 21  # entries kept before they are added up: 50 MB
MOST_SUMS = 1 << 21  # sums kept; beyond, those of fewest pairs are dropped


class Parties:
    """Who identities belong to.

    Attributes
    ----------
    names : by party; external classes all have the name ``external``.
    of : int64[I], the party of each identity.
    group : by party, the first party of the same name.
    """

    def __init__(self, classes: PairClasses, name_of: Callable[[int], str] | None = None) -> None:
        self._classes = classes
        self.names: list[str] = []
        self.of = np.zeros(len(classes.who), np.int64)
        self.group: list[int] = []
        ids: dict[tuple[str, int], int] = {}
        firsts: dict[str, int] = {}
        name_of = name_of or classes.party
        external = (classes.who.kind == EndpointKind.EXTERNAL).tolist()
        for index in range(len(classes.who)):
            name = EXTERNAL if external[index] else name_of(index)
            key = (name, int(classes.of[index]) if external[index] else -1)
            found = ids.get(key)
            if found is None:
                found = ids[key] = len(self.names)
                self.names.append(name)
                self.group.append(firsts.setdefault(name, found))
            self.of[index] = found
        if len(self.names) >= _LIMIT:
            raise CapacityError(f"{len(self.names):,} workloads and ranges; at most {_LIMIT:,} fit")
        self._units = self._by_class()
        self._external = np.zeros(len(classes.space.family), bool)
        self._pieces: dict[int, list[int]] = {}
        self._networks: dict[frozenset[int], tuple[str, ...]] = {}
        for index in np.flatnonzero(external).tolist():
            self._external[classes.who.pieces[index]] = True
            held = self._pieces.setdefault(int(self.of[index]), [])
            held += classes.who.pieces[index]

    def _by_class(self) -> tuple[Int64s, Int64s, Int64s]:
        """Return starts by class, then parties and how many members each has there."""
        keys, counts = np.unique(self._classes.of << _BITS | self.of, return_counts=True)
        counts[(self._classes.kind == EndpointKind.EXTERNAL)[keys >> _BITS]] = 1
        starts = np.searchsorted(keys >> _BITS, np.arange(len(self._classes) + 1))
        return starts, keys & (_LIMIT - 1), counts

    def units(self, number: int) -> tuple[Int64s, Int64s]:
        """Return the parties of a class, and how many members each has in it."""
        starts, parties, counts = self._units
        inside = slice(starts[number], starts[number + 1])
        return parties[inside], counts[inside]

    def classes(self, party: int) -> tuple[Int64s, Int64s]:
        """Return the classes that a party has members in, and how many."""
        places, starts = self._by_party
        mine = places[starts[party] : starts[party + 1]]
        _, _, counts = self._units
        return self._class_at[mine], counts[mine]

    @cached_property
    def _by_party(self) -> tuple[Int64s, Int64s]:
        """Places among the units, party by party, and where each party begins."""
        _, parties, _ = self._units
        places = parties.argsort(kind="stable")
        return places, np.searchsorted(parties[places], np.arange(len(self.names) + 1))

    @cached_property
    def _class_at(self) -> Int64s:
        starts, _, _ = self._units
        return np.repeat(np.arange(len(starts) - 1), np.diff(starts))

    def units_of(self, numbers: Int64s) -> tuple[Int64s, Int64s, Int64s]:
        """Return of many classes: which one (its place), party, members."""
        starts, parties, counts = self._units
        lengths = starts[numbers + 1] - starts[numbers]
        place = np.repeat(np.arange(len(numbers)), lengths)
        offset = np.arange(len(place)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        at = starts[numbers][place] + offset
        return place, parties[at], counts[at]

    def networks(self, parties: Iterable[int]) -> tuple[str, ...]:
        """Return few CIDRs whose external addresses are exactly those of some parties.

        Addresses of pods and nodes may lie in them: those are not external.
        """
        key = frozenset(parties)
        known = self._networks.get(key)
        if known is not None:
            return known
        space = self._classes.space
        chosen = np.zeros(len(space.family), bool)
        for party in key:
            chosen[self._pieces[party]] = True
        found: dict[int, list[Any]] = {4: [], 6: []}
        for first, last in _stretches(chosen, self._external, space.family):
            family, low, high = int(space.family[first]), space.first[first], space.last[last]
            address = IPv4Address if family == 4 else IPv6Address
            found[family] += summarize_address_range(address(low), address(high))
        merged = tuple(str(net) for nets in found.values() for net in collapse_addresses(nets))
        self._networks[key] = merged
        return merged


def _stretches(
    chosen: npt.NDArray[np.bool_], external: npt.NDArray[np.bool_], family: npt.NDArray[np.uint8]
) -> Iterator[tuple[int, int]]:
    """Yield first and last piece of every stretch without an external piece that is not chosen."""
    for number in (4, 6):
        places = np.flatnonzero(family == number)
        stretch = np.cumsum(external[places] & ~chosen[places])
        picked = np.flatnonzero(chosen[places])
        _, first, count = np.unique(stretch[picked], return_index=True, return_counts=True)
        for begin, length in zip(first.tolist(), count.tolist(), strict=True):
            low, high = picked[begin], picked[begin + length - 1]
            # Up to the end of all addresses, where nothing external stands between.
            low = 0 if stretch[low] == 0 else low
            high = len(places) - 1 if stretch[high] == stretch[-1] else high
            yield int(places[low]), int(places[high])


class Sums(NamedTuple):
    """Pairs by source party, destination party and what is said of them: int64[n] each."""

    src: Int64s
    dst: Int64s
    what: Int64s
    pairs: Int64s


class PartySums:
    """Adds pairs up by (source party, destination party, what is said), in bounded memory.

    ``capped`` says that some were dropped, for there were too many.
    """

    def __init__(self, parties: Parties, classes: PairClasses, most: int = MOST_SUMS) -> None:
        self._parties = parties
        self._count, self._most = len(classes), most
        self._keys: list[Int64s] = []
        self._pairs: list[Int64s] = []
        self._held = 0
        self._room = _COMPRESS
        self.capped = False
        self._removed: dict[int, list[tuple[int, int, int]]] = {}
        taken = [pair for relation in classes.relations for pair in relation.members]
        taken += [(node, pod) for pod, node in taken]
        for source, target in (*taken, *classes.selves()):
            self._removed.setdefault(int(classes.of[source]), []).append(
                (int(classes.of[target]), int(parties.of[source]), int(parties.of[target]))
            )

    def add_class(self, source: int, targets: Int64s, what: Int64s) -> None:
        """Add the pairs of a class with others; ``what`` 0 is nothing to say."""
        said = np.zeros(self._count, np.int64)
        said[targets] = what
        kept = what > 0
        if not kept.any():
            return
        targets, what = targets[kept], what[kept]
        place, party, members = self._parties.units_of(targets)
        for mine, number in zip(*(a.tolist() for a in self._parties.units(source)), strict=True):
            self._put(mine, party, what[place], number * members)
        removed = [
            (mine, other, said[target])
            for target, mine, other in self._removed.get(source, ())
            if said[target]
        ]
        if removed:
            mine, other, things = np.array(removed, np.int64).T
            self._put(mine, other, things, np.full(len(mine), -1, np.int64))

    def add_pairs(self, pairs: list[tuple[int, int]], what: int) -> None:
        """Add pairs of identities of which one thing is said."""
        if what:
            src, dst = (self._parties.of[list(item)] for item in zip(*pairs, strict=True))
            one = np.ones(len(src), np.int64)
            self._put(src, dst, one * what, one)

    def _put(self, src: Int64s | int, dst: Int64s, what: Int64s, pairs: Int64s) -> None:
        self._keys.append((src << 2 * _BITS) | (dst << _BITS) | what)
        self._pairs.append(pairs)
        self._held += len(dst)
        if self._held > self._room:
            self._compress()

    def _compress(self) -> None:
        if not self._keys:
            return
        keys, inverse = np.unique(np.concatenate(self._keys), return_inverse=True)
        pairs = np.bincount(inverse.reshape(-1), np.concatenate(self._pairs), len(keys))
        if len(keys) > self._most:
            self.capped = True
            kept = np.sort(np.argpartition(-pairs, self._most // 2)[: self._most // 2])
            keys, pairs = keys[kept], pairs[kept]
        self._keys, self._pairs = [keys], [pairs.astype(np.int64)]
        self._held = len(keys)
        self._room = self._held + max(self._held, _COMPRESS)

    def sums(self) -> Sums:
        """Return what was added up; what came to nothing is left out."""
        self._compress()
        if not self._keys:
            return Sums(*np.zeros((4, 0), np.int64))
        kept = self._pairs[0] > 0
        keys, mask = self._keys[0][kept], _LIMIT - 1
        pairs = self._pairs[0][kept]
        return Sums(keys >> (2 * _BITS), (keys >> _BITS) & mask, keys & mask, pairs)
