"""Takes the port constraints of a row's rules, gives the row's own port classes.

A row's rules tell apart only a few of the program's port classes; mapping class -> local class once
keeps the runs of decisions short (2 to 5 long where the program has 60 classes), so they stay in
cache. Rows whose rules have the same port lists share a map.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from netpol.compiler.columns import Indexes, group_columns
from netpol.compiler.portclasses import NamedPorts, PortClasses, PortKind
from netpol.compiler.selection import MAYBE, YES, TriVector
from netpol.errors import CapacityError
from netpol.policy.program import NamedPort, Port
from netpol.switches import Switches

__all__ = ["LocalPort", "LocalPorts", "RowPorts", "Treatment"]

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


class LocalPorts(NamedTuple):
    """A row's port map and its local classes."""

    map_id: int
    locals_: list[LocalPort]


class RowPorts:
    """Port maps, shared by rows.

    Attributes
    ----------
    maps : uint16[C] each, program port class -> local class. Map 0 sends everything to 0.
    """

    def __init__(self, classes: PortClasses, switches: Switches) -> None:
        self.classes = classes
        self.maps: list[npt.NDArray[np.uint16]] = [np.zeros(len(classes), np.uint16)]
        self._treatment = _treatments(classes, switches)
        self._map_ids: dict[bytes, int] = {self.maps[0].tobytes(): 0}
        self._memo: dict[tuple[tuple[Ports, ...], tuple[NamedPorts, ...]], LocalPorts] = {}
        self._vectors: dict[tuple[Ports, NamedPorts], TriVector] = {}

    def of(self, ports: Sequence[Ports], meanings: Sequence[NamedPorts]) -> LocalPorts:
        """Give the local classes of rules with these port lists.

        ``meanings`` are the sets of resolved names a destination may have; local classes are fine
        enough for all of them.
        """
        key = (tuple(ports), tuple(meanings))
        found = self._memo.get(key)
        if found is None:
            found = self._memo[key] = self._build(*key)
        return found

    def example(self, ports: LocalPorts, local: int) -> tuple[int, int]:
        """Give a protocol and port of a local class, as ``PortClasses`` has them; a TCP port first.

        A range that begins with port 0 gives port 1 if that is in it: no flow has port 0.
        """
        places = np.flatnonzero(self.maps[ports.map_id] == local)
        protocol, first = int(self.classes.protocol[places[0]]), int(self.classes.first[places[0]])
        if first == 0:
            edges = self.classes.first[self.classes.protocol == protocol]
            first = int(1 not in edges)
        return protocol, first

    def _build(self, ports: tuple[Ports, ...], meanings: tuple[NamedPorts, ...]) -> LocalPorts:
        count = len(ports)
        entries: list[tuple[int, Indexes]] = []
        for m, names in enumerate(meanings):
            for bit, item in enumerate(ports):
                vector = self._vector(item, names)
                start = 2 * count * m + bit
                entries.append((start, np.flatnonzero(vector == YES)))
                entries.append((start + count, np.flatnonzero(vector == MAYBE)))
        grouped = group_columns(entries, self._treatment.astype(np.int64))
        if len(grouped.bits) > 65535:
            raise CapacityError(
                f"the rules of one subject tell {len(grouped.bits)} port ranges apart; "
                "at most 65535 fit. Merge port ranges in its policies"
            )
        mapping = np.zeros(len(self.classes), np.uint16)
        mapping[grouped.touched] = grouped.local
        low = (1 << count) - 1
        locals_ = [
            (
                Treatment(treatment),
                [
                    ((bits >> (2 * count * m)) & low, (bits >> (2 * count * m + count)) & low)
                    for m in range(len(meanings))
                ],
            )
            for bits, treatment in zip(grouped.bits, grouped.extra, strict=True)
        ]
        text = mapping.tobytes()
        map_id = self._map_ids.setdefault(text, len(self.maps))
        if map_id == len(self.maps):
            self.maps.append(mapping)
        return LocalPorts(map_id, locals_)

    def _vector(self, ports: Ports, names: NamedPorts) -> TriVector:
        if names:
            used = {port.name for port in ports or () if isinstance(port, NamedPort)}
            names = frozenset(item for item in names if item[0] in used)
        key = (ports, names)
        found = self._vectors.get(key)
        if found is None:
            found = self._vectors[key] = self.classes.match(ports, names)
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
