"""Takes the port constraints of a program, gives port classes: what no rule can tell apart.

A class is a set of (protocol, destination port). TCP, UDP and SCTP are cut at every boundary a
rule or a resolved port name makes; beside them stand classes for "port not recorded" of each of
the three, "protocol not recorded", ICMP and all other protocols (specification.md A17, C4).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from netpol.compiler.layout import NO_PORT, OTHER_PORTS, PORTS
from netpol.compiler.shared.intervals import Interval, merged
from netpol.compiler.shared.selection import MAYBE, NO, YES, TriVector
from netpol.policy.program import NamedPort, Port, PortRange

__all__ = [
    "PORT_PROTOCOLS",
    "Matched",
    "NamedPorts",
    "NumbersOfNames",
    "PortClasses",
    "PortKind",
    "by_name",
    "cut_port_classes",
]

PORT_PROTOCOLS = (6, 17, 132)
#: What names mean on one destination pod: (name, protocol) -> port numbers (A8.4: the union).
NamedPorts = frozenset[tuple[str, int, int]]  # (name, protocol, number)
NumbersOfNames = Mapping[str, Sequence[tuple[int, int]]]  # name -> (protocol, number)


class PortKind(IntEnum):
    """What is special about a class."""

    PLAIN = 0  # a recorded port of TCP, UDP or SCTP
    UNKNOWN_PORT = 1
    UNKNOWN_PROTOCOL = 2
    ICMP = 3
    OTHER = 4


class Matched(NamedTuple):
    """Classes that elements match: disjoint intervals of them, and those that they only may."""

    certain: list[Interval]
    possible: list[int]


@dataclass(frozen=True, slots=True)
class PortClasses:
    """The classes: one array entry each.

    Attributes
    ----------
    protocol : int16[C], the protocol, -1 if not recorded or several.
    first : int32[C], the lowest port of a plain class, else -1.
    kind : uint8[C], a ``PortKind``.
    lookup : uint16[3 * 65536 + 1], (protocol slot, port) -> class within the protocol; then a 0.
    slot_base, slot_mask, slot_first : uint32[512], per protocol number, then again for "port not
        recorded": class = slot_first[p] + lookup[slot_base[p] + (port & slot_mask[p])].
    """

    protocol: npt.NDArray[np.int16]
    first: npt.NDArray[np.int32]
    kind: npt.NDArray[np.uint8]
    lookup: npt.NDArray[np.uint16]
    slot_base: npt.NDArray[np.uint32]
    slot_mask: npt.NDArray[np.uint32]
    slot_first: npt.NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.kind)

    def match(self, ports: tuple[Port, ...] | None, names: NamedPorts) -> TriVector:
        """Return uint8[C] of NO, MAYBE, YES.

        Do the elements match, on a destination with ``names``.

        Sources: A7.2 (elements ORed), A8.2 (names), A17.2 (other protocols), C4 (not recorded).
        """
        found = self.matched(ports, by_name(names))
        result = np.full(len(self), NO, np.uint8)
        result[found.possible] = MAYBE
        for first, end in found.certain:
            result[first:end] = YES
        return result

    def matched(self, ports: tuple[Port, ...] | None, numbers: NumbersOfNames) -> Matched:
        """Return the same as intervals of classes: work and memory are those of the elements."""
        if ports is None:
            return Matched([(0, len(self))], [])
        certain: list[Interval] = []
        possible: set[int] = set()
        for port in ports:
            if isinstance(port, PortRange):
                possible.update(self.unknown(None))
                if port.protocol in PORT_PROTOCOLS:
                    certain.append(self.plain(port.protocol, port.first, port.last))
                    everywhere = port.first == 0 and port.last == 65535
                    known = self.unknown(port.protocol)
                    if everywhere:
                        certain += [(place, place + 1) for place in known]
                    possible.update(known)
                continue
            for protocol, number in numbers.get(port.name, ()):
                if port.protocol in (None, protocol):
                    possible.update((*self.unknown(None), *self.unknown(protocol)))
                    if protocol in PORT_PROTOCOLS:
                        certain.append(self.plain(protocol, number, number))
        certain = merged(certain)
        sure = {place for first, end in certain for place in possible if first <= place < end}
        return Matched(certain, sorted(possible - sure))

    def plain(self, protocol: int, first: int, last: int) -> Interval:
        """Return the classes of ports ``first`` to ``last`` of TCP, UDP or SCTP."""
        begin = int(self.slot_first[protocol])
        base = int(self.slot_base[protocol])
        return begin + int(self.lookup[base + first]), begin + int(self.lookup[base + last]) + 1

    def unknown(self, protocol: int | None) -> tuple[int, ...]:
        """Return class of "port not recorded" of a protocol, or that of no protocol recorded."""
        if protocol is None:
            return (int(self.slot_first[255]),)
        return (int(self.slot_first[NO_PORT + protocol]),) if protocol in PORT_PROTOCOLS else ()


def by_name(names: NamedPorts) -> NumbersOfNames:
    """Return what each name means."""
    found: dict[str, list[tuple[int, int]]] = {}
    for name, protocol, number in names:
        found.setdefault(name, []).append((protocol, number))
    return found


def cut_port_classes(ports: Iterable[Port], names: Iterable[tuple[str, int, int]]) -> PortClasses:
    """Return the classes that the distinct ``ports`` elements and resolved ``names`` need."""
    edges = _edges(ports, names)
    protocol_of: list[int] = []
    first_of: list[int] = []
    kind_of: list[int] = []
    lookup = np.zeros(OTHER_PORTS + 1, np.uint16)
    slots = np.zeros((3, 2 * NO_PORT), np.uint32)  # base, mask and first class; see PortClasses
    slots[0] = OTHER_PORTS  # where no port counts: the one last entry, which is 0
    for slot, protocol in enumerate(PORT_PROTOCOLS):
        starts = np.array(sorted(edge for edge in edges[protocol] if edge < PORTS), np.int64)
        members = np.searchsorted(starts, np.arange(PORTS), side="right") - 1
        lookup[slot * PORTS : (slot + 1) * PORTS] = members
        slots[:, protocol] = slot * PORTS, PORTS - 1, len(kind_of)
        protocol_of += [protocol] * len(starts)
        first_of += starts.tolist()
        kind_of += [PortKind.PLAIN] * len(starts)
    others = [number for number in range(2 * NO_PORT) if number not in PORT_PROTOCOLS]
    extra = [(-2, PortKind.OTHER, others), (1, PortKind.ICMP, [1, 58, NO_PORT + 1, NO_PORT + 58])]
    extra += [(-1, PortKind.UNKNOWN_PROTOCOL, [255, NO_PORT + 255])]
    extra += [(number, PortKind.UNKNOWN_PORT, [NO_PORT + number]) for number in PORT_PROTOCOLS]
    for protocol, kind, places in extra:  # later ones are more special
        slots[2, places] = len(kind_of)
        protocol_of.append(protocol)
        first_of.append(-1)
        kind_of.append(kind)
    return PortClasses(
        np.array(protocol_of, np.int16),
        np.array(first_of, np.int32),
        np.array(kind_of, np.uint8),
        lookup,
        *slots,
    )


def _edges(ports: Iterable[Port], names: Iterable[tuple[str, int, int]]) -> dict[int, set[int]]:
    """Return every port at which something begins or ends, by protocol."""
    edges: dict[int, set[int]] = {protocol: {0} for protocol in PORT_PROTOCOLS}
    wanted = set()
    for port in ports:
        if isinstance(port, NamedPort):
            wanted.add(port.name)
        elif port.protocol in edges:
            edges[port.protocol].update((port.first, port.last + 1))
    for name, protocol, number in names:
        if name in wanted and protocol in edges:
            edges[protocol].update((number, number + 1))
    return edges
