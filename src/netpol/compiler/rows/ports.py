"""Takes the port constraints of a row's rules, gives the row's own port classes.

A row's rules tell apart only a few of the program's port classes; mapping class -> local class once
keeps the runs of decisions short (2 to 5 long where the program has 60 classes), so they stay in
cache. Rows whose rules have the same port lists share a map.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from netpol.compiler.shared.budget import Budget
from netpol.compiler.shared.columns import mask_of
from netpol.compiler.shared.placesets import PlaceSets
from netpol.compiler.shared.portclasses import Matched, NamedPorts, PortClasses, PortKind, by_name
from netpol.model.switches import Switches
from netpol.policy.program import NamedPort, Port

__all__ = ["LocalPort", "LocalPorts", "PortLists", "PortRules", "RowPorts", "Treatment"]

Ports = tuple[Port, ...] | None


class Treatment(IntEnum):
    """How a class is judged beyond matching rules (A17, R16, R17)."""

    PLAIN = 0
    UNKNOWN_PORT = 1
    UNKNOWN_PROTOCOL = 2
    UNFILTERED = 3  # other_protocols=ignore
    UNDEFINED = 4  # other_protocols=unknown


#: A local class of ports: its treatment, and the bits of (matching, maybe matching) rules for each
#: meaning that port names may have.
LocalPort = tuple[Treatment, list[tuple[int, int]]]


_Span = tuple[int, int, int]


@dataclass(frozen=True, eq=False, slots=True)
class PortLists:
    """The port lists of some rules; rows of the same rules differ only in what names mean.

    Attributes
    ----------
    lists : of each rule.
    spans : where they match or may whatever names mean, as ``LocalPorts`` has them.
    named : per port name, the rules that use it.
    """

    lists: tuple[Ports, ...]
    spans: list[_Span]
    named: dict[str, list[int]]

    def __len__(self) -> int:
        return len(self.lists)


class PortRules(NamedTuple):
    """Rules, in order, whose ports match in a local class, and those whose only may."""

    certain: list[int]
    possible: list[int]


@dataclass(frozen=True, slots=True)
class LocalPorts:
    """A row's port map and its local classes.

    Attributes
    ----------
    map_id : the map.
    keys : per local class, the number of its set of places and its treatment.
    spans : int64[n, 3], place, first program class where it holds, and the one after the last.
    examples : int64[P], a program class of each local one.
    """

    map_id: int
    keys: list[tuple[int, Treatment]]
    spans: npt.NDArray[np.int64]
    examples: npt.NDArray[np.int64]
    _sets: PlaceSets
    _rules: int
    _meanings: int

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def locals_(self) -> list[LocalPort]:
        """The local classes with their rules as bits: as many bits as rules, for each."""
        return [
            (
                treatment,
                [(mask_of(rules.certain), mask_of(rules.possible)) for rules in self.rules(local)],
            )
            for local, (_, treatment) in enumerate(self.keys)
        ]

    def rules(self, local: int) -> list[PortRules]:
        """Return the rules of a local class by what port names mean."""
        places = self._sets.places(self.keys[local][0])
        width = 2 * self._rules
        same = bisect_left(places, width)
        everywhere = self._split(places[:same])
        if same == len(places):
            return [everywhere] * self._meanings
        found = []
        for meaning in range(1, self._meanings + 1):
            first = bisect_left(places, meaning * width, same)
            end = bisect_left(places, (meaning + 1) * width, first)
            if first == end:
                found.append(everywhere)
                continue
            mine = self._split([place - meaning * width for place in places[first:end]])
            found.append(
                PortRules(
                    sorted({*everywhere.certain, *mine.certain}),
                    sorted({*everywhere.possible, *mine.possible}),
                )
            )
        return found

    def weighed(self, weights: Sequence[int]) -> list[int]:
        """Return the sum of weights of the rules of each local class; twice for what names add.

        There is a weight for each rule, or one more for each where it only may match.
        """
        place, first, end = self.spans.T
        weight = np.array(weights, np.int64)[place % len(weights)]
        change = np.zeros(int(self.examples.max()) + 2, np.int64)
        np.add.at(change, np.minimum(first, len(change) - 1), weight)
        np.subtract.at(change, np.minimum(end, len(change) - 1), weight)
        found: list[int] = change.cumsum()[self.examples].tolist()
        return found

    def _split(self, places: list[int]) -> PortRules:
        middle = bisect_left(places, self._rules)
        return PortRules(places[:middle], [place - self._rules for place in places[middle:]])


class RowPorts:
    """Port maps, shared by rows.

    Attributes
    ----------
    maps : uint32[C] each, program port class -> local class. Map 0 sends everything to 0.
    """

    def __init__(self, classes: PortClasses, switches: Switches, budget: Budget) -> None:
        self.classes = classes
        self.maps: list[npt.NDArray[np.uint32]] = [np.zeros(len(classes), np.uint32)]
        self._budget = budget
        self._treatment: list[int] = _treatments(classes, switches).tolist()
        # The first class, and those that are treated otherwise than the one before.
        self._changes = [0]
        self._changes += [n for n, (a, b) in enumerate(pairwise(self._treatment), 1) if a != b]
        self._map_ids: dict[bytes, int] = {self.maps[0].tobytes(): 0}
        self._lists: dict[tuple[Ports, ...], PortLists] = {}
        self._memo: dict[tuple[PortLists, tuple[NamedPorts, ...]], LocalPorts] = {}
        self._matched: dict[Ports, Matched] = {}

    def lists(self, ports: Iterable[Ports]) -> PortLists:
        """Return the port lists of some rules, those of equal ones once."""
        key = tuple(ports)
        found = self._lists.get(key)
        if found is None:
            spans: list[_Span] = []
            for rule, item in enumerate(key):
                matched = self._matched.get(item)
                if matched is None:
                    matched = self._matched[item] = self.classes.matched(item, {})
                _add_spans(spans, matched, rule, len(key))
            found = self._lists[key] = PortLists(key, spans, _uses(key))
        return found

    def of(self, ports: PortLists, meanings: Sequence[NamedPorts]) -> LocalPorts:
        """Return the local classes of rules with these port lists.

        ``meanings`` are the sets of resolved names a destination may have; local classes are fine
        enough for all of them.
        """
        key = (ports, tuple(meanings))
        found = self._memo.get(key)
        if found is None:
            found = self._memo[key] = self._build(*key)
        return found

    def example(self, ports: LocalPorts, local: int) -> tuple[int, int]:
        """Return protocol and port of a local class, as ``PortClasses`` has them; a TCP port first.

        A range that begins with port 0 gives port 1 if that is in it: no flow has port 0.
        """
        places = np.flatnonzero(self.maps[ports.map_id] == local)
        protocol, first = int(self.classes.protocol[places[0]]), int(self.classes.first[places[0]])
        if first == 0:
            edges = self.classes.first[self.classes.protocol == protocol]
            first = int(1 not in edges)
        return protocol, first

    def _build(self, ports: PortLists, meanings: tuple[NamedPorts, ...]) -> LocalPorts:
        sets = PlaceSets(2 * len(ports) * (1 + len(meanings)))
        spans = self._spans(ports, meanings)
        edges: dict[int, list[int]] = {}
        for place, first, end in spans:
            edges.setdefault(first, []).append(place)
            edges.setdefault(end, []).append(place)
        treatment = self._treatment
        ids = {(0, 0): 0}
        mapping = np.empty(len(self.classes), np.uint32)
        cuts = sorted({*edges, *self._changes, len(self.classes)})
        number = 0
        for start, end in pairwise(cuts):
            number = sets.toggled(number, edges.get(start, ()))
            local = ids.setdefault((number, treatment[start]), len(ids))
            mapping[start:end] = local
        text = mapping.tobytes()
        map_id = self._map_ids.setdefault(text, len(self.maps))
        if map_id == len(self.maps):
            self._budget.take(
                mapping.nbytes, f"maps of {len(self.classes)} port classes, one a list of ports"
            )
            self.maps.append(mapping)
        keys = [(number, Treatment(value)) for number, value in ids]
        examples = np.zeros(len(keys), np.int64)
        examples[mapping[::-1]] = np.arange(len(mapping) - 1, -1, -1)
        return LocalPorts(
            map_id, keys, np.array(spans, np.int64).reshape(-1, 3), examples, sets, len(ports),
            len(meanings),
        )  # fmt: skip

    def _spans(self, ports: PortLists, meanings: tuple[NamedPorts, ...]) -> list[_Span]:
        """Return where each place holds: intervals of classes.

        A rule's place says that it matches, and with the number of rules added that it may. What
        names add is in places of each meaning, higher by twice that number for each.
        """
        spans = [*ports.spans]
        for meaning, names in enumerate(meanings if ports.named else (), 1):
            numbers = by_name(names)
            for rule in sorted({rule for name in numbers for rule in ports.named.get(name, ())}):
                found = self.classes.matched(ports.lists[rule], numbers)
                _add_spans(spans, found, 2 * len(ports) * meaning + rule, len(ports))
        return spans


def _add_spans(spans: list[_Span], found: Matched, place: int, count: int) -> None:
    spans += [(place, first, end) for first, end in found.certain]
    spans += [(place + count, item, item + 1) for item in found.possible]


def _uses(ports: Sequence[Ports]) -> dict[str, list[int]]:
    """Return the rules that use each port name."""
    found: dict[str, list[int]] = {}
    for rule, item in enumerate(ports):
        for port in item or ():
            if isinstance(port, NamedPort):
                found.setdefault(port.name, []).append(rule)
    return found


def _treatments(classes: PortClasses, switches: Switches) -> npt.NDArray[np.uint8]:
    result = np.zeros(len(classes), np.uint8)
    result[classes.kind == PortKind.UNKNOWN_PORT] = Treatment.UNKNOWN_PORT
    result[classes.kind == PortKind.UNKNOWN_PROTOCOL] = Treatment.UNKNOWN_PROTOCOL
    if switches.other_protocols == "ignore":
        result[classes.kind == PortKind.OTHER] = Treatment.UNFILTERED  # A17.5: not ICMP
    elif switches.other_protocols == "unknown":
        beyond = (classes.kind == PortKind.OTHER) | (classes.kind == PortKind.ICMP)
        result[beyond] = Treatment.UNDEFINED
    return result
