"""Takes changes and two engines, gives which of the changes could make a flow differ, at which end.

A NetworkPolicy says something of the pods that it selects alone (A9.1), so a change of one can only
matter to flows from or to those of its old or new version. Where one change is the only one that
could, or the only one at each end, it need not be tried: that spares compiling an engine for each
of many changed policies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from netpol.compiler.layout import (
    LOCAL_ENTRY_SHIFT,
    SERVICE_GROUP_SHIFT,
    Entry,
    Link,
    Part,
)
from netpol.questions.diff.changes import SingleChange

if TYPE_CHECKING:
    from netpol.engine.engine import Engine
    from netpol.engine.verdicts import Verdicts

__all__ = ["MOST_CHANGES", "OTHER_CHANGE", "Relevance"]

UInt64s = npt.NDArray[np.uint64]
Booleans = npt.NDArray[np.bool_]


#: Changes that are told apart, and the bit that stands for all others.
MOST_CHANGES = 63
OTHER_CHANGE = np.uint64(1 << MOST_CHANGES)


class Relevance:
    """Which changes matter to the ends of a flow, a bit for each.

    Parameters
    ----------
    changes : sequence of SingleChange
        The first ``MOST_CHANGES`` have a bit of their own.
    engines : two of Engine
        Before and after.

    Attributes
    ----------
    every : uint64
        The bits of all changes.
    """

    def __init__(self, changes: Sequence[SingleChange], engines: tuple[Engine, Engine]) -> None:
        # Without any policy, what would be unknown is allowed (C7.1), whoever is at its ends.
        removed = sum(one.change.what == "removed" for one in changes)
        self._none_may_stay = removed == len(engines[0].policies)
        everywhere = 0
        within: dict[str, list[tuple[int, SingleChange]]] = {}
        for place, one in enumerate(changes):
            bit = 1 << min(place, MOST_CHANGES)
            if one.namespace is None:
                everywhere |= bit
            else:
                within.setdefault(one.namespace, []).append((bit, one))
        every = reduce(or_, (bit for listed in within.values() for bit, _ in listed), everywhere)
        self.every = np.uint64(every)
        self._everywhere = np.uint64(everywhere)
        self._tables = [_by_endpoint(engine, _by_pod(engine, within)) for engine in engines]

    def __call__(
        self, first: Verdicts, second: Verdicts, plain: Booleans
    ) -> tuple[UInt64s, UInt64s]:
        """Return uint64[n] for the source and for the destination of each flow.

        Parameters
        ----------
        first, second : Verdicts
            What both engines say of the same flows.
        plain : bool[n]
            Nothing but its two endpoints and the port decides the flow.
        """
        found = []
        for end in ("src", "dst"):
            bits: UInt64s = np.full(len(first), self._everywhere, np.uint64)
            for table, verdicts in zip(self._tables, (first, second), strict=True):
                bits |= table[getattr(verdicts, f"{end}_endpoint")]
                hints = verdicts.opened.get(f"{end}_hint")
                if hints is not None:  # the log names a pod, whatever the address
                    bits[hints != 0] = self.every
            if self._none_may_stay:
                bits[~plain] = self.every
            found.append(bits)
        src, dst = found
        # Nothing should be left that no change reaches; if it is, all are tried.
        nothing = src | dst == 0
        src[nothing] = dst[nothing] = self.every
        return src, dst


def _by_pod(engine: Engine, within: Mapping[str, Sequence[tuple[int, SingleChange]]]) -> UInt64s:
    """Return uint64[pods + 1]: the changes that matter to each pod, first to what is none."""
    places = {name: place for place, (name, *_) in enumerate(engine.pods, start=1)}
    found = np.zeros(len(places) + 1, np.uint64)
    for pod in engine.source[1].pods if within and engine.source is not None else ():
        for bit, one in within.get(pod.metadata.namespace or "", ()):
            if one.is_about(pod.metadata.labels or {}):
                place = places[f"{pod.metadata.namespace}/{pod.metadata.name}"]
                found[place] |= np.uint64(bit)
    return found


def _by_endpoint(engine: Engine, by_pod: UInt64s) -> UInt64s:
    """Return uint64[endpoints]: the changes that matter to whoever may be at an endpoint.

    That is its pod, every pod it may be (ambiguous), and every pod behind it as a service or as a
    port of a node; nodes and external addresses are no subjects (A9.4).
    """
    arrays = engine.tables.arrays
    links = np.asarray(arrays["endpoint_links"])
    own = by_pod[arrays["endpoint_parts"][:, Part.POD]]
    keys, locals_ = np.asarray(arrays["service_keys"]), np.asarray(arrays["service_locals"])
    groups = (keys >> np.uint64(SERVICE_GROUP_SHIFT)).astype(np.intp)
    of_locals = (locals_ >> np.uint64(LOCAL_ENTRY_SHIFT)).astype(np.intp)
    groups = np.concatenate([groups, groups[of_locals]])
    ranges = arrays["service_entries"]
    entries, backends = _members(ranges[:, Entry.BACKENDS], ranges[:, Entry.BACKEND_COUNT])
    node_ports, services = links[:, Link.NODE_PORT_GROUP], links[:, Link.OWN_GROUP]
    most = max(int(found.max(initial=0)) for found in (node_ports, services, groups))
    behind = np.zeros(most + 1, np.uint64)
    of_backends = own[np.asarray(arrays["backend_endpoints"])[backends]]
    np.bitwise_or.at(behind, groups[entries], of_backends)
    behind[0] = 0  # of what is no service
    found: UInt64s = own | behind[node_ports] | behind[services]
    ambiguous, owners = _members(links[:, Link.ALTERNATIVES], links[:, Link.ALTERNATIVE_COUNT])
    maybe = found[np.asarray(arrays["alternatives"])[owners]]
    np.bitwise_or.at(found, ambiguous, maybe)
    return found


def _members(
    offsets: npt.NDArray[Any], counts: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the row and the place of everything in ranges, one a row."""
    offsets, counts = offsets.astype(np.intp), counts.astype(np.intp)
    rows = np.repeat(np.arange(len(counts)), counts)
    before = np.cumsum(counts) - counts
    return rows, np.arange(len(rows)) + (offsets - before)[rows]
