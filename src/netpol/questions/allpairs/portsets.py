"""Takes engines' port classes, gives their common refinement, and sets of it in words.

A class is a set of (protocol, port) that no engine tells apart. "Not recorded" are classes of their
own: logs have such flows, the network has not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from netpol.compiler.layout import NO_PORT, OTHER_PORTS, PORTS
from netpol.compiler.pack.cells import fold_ports
from netpol.compiler.shared.portclasses import PortClasses
from netpol.model.batch import UNKNOWN_PROTOCOL

if TYPE_CHECKING:
    from netpol.engine.engine import Engine

__all__ = ["PortSets", "Ports", "join_ports", "sets_of"]

_PLAIN = {6: "tcp", 17: "udp", 132: "sctp"}
_OTHER = {1: "icmp", 58: "ipv6-icmp"}
#: What words call the protocols that have no ports and no name here.
OTHER_PROTOCOLS = "other"


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports of one protocol: inclusive ranges, None where a protocol has none."""

    protocol: str
    ranges: tuple[tuple[int, int], ...] | None

    @property
    def everything(self) -> bool:
        """Whether every port of the protocol is in it."""
        return self.ranges is None or self.ranges == ((0, 65535),)

    def __str__(self) -> str:
        if self.everything or self.ranges is None:
            return "other protocols" if self.protocol == OTHER_PROTOCOLS else self.protocol
        words = (str(a) if a == b else f"{a}-{b}" for a, b in self.ranges)
        return f"{','.join(words)}/{self.protocol}"


@dataclass(frozen=True)
class PortSets:
    """The classes: K of them.

    Attributes
    ----------
    classes : int64[K, engines], each engine's class.
    place : int64[3 * 65536 + 512], class by place in ``port_lookup``.
    recorded : bool[K], false for classes of flows whose port or protocol is not recorded.
    """

    classes: npt.NDArray[np.int64]
    place: npt.NDArray[np.int64]
    recorded: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.classes)

    def example(self, number: int) -> tuple[int, int | None]:
        """Return a protocol number and port of a recorded class."""
        at = int(np.flatnonzero(self.place == number)[0])
        if at < OTHER_PORTS:
            return list(_PLAIN)[at // PORTS], at % PORTS
        return (at - OTHER_PORTS) % NO_PORT, None

    def named(self, protocol: int, port: int | None) -> int:
        """Return the class of a protocol, and of one of its ports where it has them."""
        if protocol in _PLAIN and port is not None:
            return int(self.place[list(_PLAIN).index(protocol) * PORTS + port])
        return int(self.place[OTHER_PORTS + NO_PORT + protocol])

    def one(self, protocol: int, port: int | None) -> Ports:
        """Return one port of a protocol, or a protocol, as a set."""
        if port is not None:
            return Ports(_PLAIN[protocol], ((port, port),))
        return Ports(_OTHER.get(protocol, str(protocol)), None)

    def words(self, chosen: npt.NDArray[np.bool_]) -> tuple[Ports, ...]:
        """Return a set of recorded classes as ranges, protocol by protocol."""
        key = chosen.tobytes()
        known = self._words.get(key)
        if known is None:
            known = self._words[key] = self._in_words(chosen)
        return known

    def _in_words(self, chosen: npt.NDArray[np.bool_]) -> tuple[Ports, ...]:
        found = []
        for (starts, held), name in zip(self._stretches, _PLAIN.values(), strict=True):
            ranges = _runs(starts, chosen[held])
            if ranges:
                found.append(Ports(name, ranges))
        for protocol, name in _OTHER.items():
            if chosen[self.place[OTHER_PORTS + protocol]]:
                found.append(Ports(name, None))
        if chosen[self.place[OTHER_PORTS]]:
            found.append(Ports(OTHER_PROTOCOLS, None))
        return tuple(found)

    @cached_property
    def _words(self) -> dict[bytes, tuple[Ports, ...]]:
        return {}

    @cached_property
    def _stretches(self) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
        """By protocol the ports at which another class begins, and those classes."""
        found = []
        for slot in range(len(_PLAIN)):
            held = self.place[slot * PORTS : (slot + 1) * PORTS]
            starts = np.flatnonzero(np.r_[True, held[1:] != held[:-1]])
            found.append((starts, held[starts]))
        return found

    def is_everything(self, chosen: npt.NDArray[np.bool_]) -> bool:
        """Return whether every recorded class is in a set."""
        return bool(chosen[self.recorded].all())


def join_ports(engines: Sequence[Engine]) -> PortSets:
    """Return the classes that the ``port_lookup`` of all engines need."""
    return _joined(
        np.column_stack(
            [engine.tables.arrays["port_lookup"].astype(np.int64) for engine in engines]
        )
    )


def sets_of(ports: PortClasses) -> PortSets:
    """Return classes that were cut for no engine; class numbers are the same."""
    found = _joined(fold_ports(ports, narrow=False).astype(np.int64)[:, None])
    recorded = np.zeros(len(ports), bool)
    recorded[found.classes[found.recorded, 0]] = True
    return PortSets(np.arange(len(ports))[:, None], found.classes[found.place, 0], recorded)


def _joined(tables: npt.NDArray[np.int64]) -> PortSets:
    used = np.ones(len(tables), bool)
    used[[OTHER_PORTS + protocol for protocol in _PLAIN]] = False  # never asked for
    classes, inverse = np.unique(tables[used], axis=0, return_inverse=True)
    place = np.zeros(len(tables), np.int64)
    place[used] = inverse.reshape(-1)
    missing = [OTHER_PORTS + NO_PORT + protocol for protocol in _PLAIN]
    missing += [OTHER_PORTS + added + UNKNOWN_PROTOCOL for added in (0, NO_PORT)]
    recorded = np.ones(len(classes), bool)
    recorded[place[missing]] = False
    return PortSets(classes, place, recorded)


def _runs(
    starts: npt.NDArray[np.int64], inside: npt.NDArray[np.bool_]
) -> tuple[tuple[int, int], ...]:
    """Return the inclusive ranges of the stretches that are inside."""
    padded = np.concatenate([[False], inside, [False]])
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    ports = np.append(starts, PORTS)[edges].tolist()
    return tuple((first, end - 1) for first, end in zip(ports[::2], ports[1::2], strict=True))
