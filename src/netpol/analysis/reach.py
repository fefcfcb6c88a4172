"""Takes changes and two engines, gives which of the changes could make a flow differ.

A NetworkPolicy says something of the pods that it selects alone (A9.1), so a change of one can only
matter to flows from or to those of its old or new version. Where one change is the only one that
could, it need not be tried: that spares compiling an engine for each of many changed policies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any

import numpy as np
import numpy.typing as npt

from netpol.analysis.changes import SingleChange
from netpol.analysis.sidebyside import MOST_CHANGES, Reach
from netpol.engine import EndpointKind
from netpol.kube.matching import selects

__all__ = ["reach_of"]

UInt64s = npt.NDArray[np.uint64]
_NO_POD = (EndpointKind.EXTERNAL, EndpointKind.LOOPBACK)


def reach_of(changes: Sequence[SingleChange], engines: tuple[Any, Any]) -> Reach:
    """Give what takes a batch's verdicts by both engines, and gives a bit for each change."""
    everywhere = 0
    within: dict[str, list[tuple[int, SingleChange]]] = {}
    for place, one in enumerate(changes):
        bit = 1 << min(place, MOST_CHANGES)
        if one.namespace is None:
            everywhere |= bit
        else:
            within.setdefault(one.namespace, []).append((bit, one))
    every = _bits(item for listed in within.values() for item in listed) | everywhere
    tables = [_table(engine, within, every) for engine in engines]

    def reach(first: Any, second: Any) -> UInt64s:
        found: UInt64s = np.full(len(first), everywhere, np.uint64)
        for table, verdicts in zip(tables, (first, second), strict=True):
            found |= table[verdicts.src_endpoint] | table[verdicts.dst_endpoint]
            for name in ("src_hint", "dst_hint"):
                hints = verdicts.opened.get(name)
                if hints is not None:  # the log names a pod, whatever the address
                    found[hints != 0] = every
        # Nothing should be left that no change reaches; if it is, all are tried.
        return np.where(found == 0, np.uint64(every), found)

    return reach


def _bits(items: Iterable[tuple[int, SingleChange]]) -> int:
    return reduce(or_, (bit for bit, _ in items), 0)


def _table(
    engine: Any, within: Mapping[str, Sequence[tuple[int, SingleChange]]], every: int
) -> UInt64s:
    """Give uint64[endpoints]: the changes that matter to whoever is at an endpoint.

    Any pod may be behind a service, a port of a node or an ambiguous address, so every change
    matters to those.
    """
    ends = engine.endpoints
    found = np.full(len(ends), every, np.uint64)
    found[np.isin(ends.kind, _NO_POD)] = 0
    if not within:
        return found
    pods = {(pod.metadata.namespace, pod.metadata.name): pod for pod in engine.source[1].pods}
    for place in np.flatnonzero(ends.kind == EndpointKind.POD).tolist():
        namespace, _, name = ends.label(place).partition("/")
        listed = within.get(namespace, ())
        labels = pods[namespace, name].metadata.labels or {} if listed else {}
        found[place] = _bits(
            (bit, one)
            for bit, one in listed
            if any(selects(selector, labels) for selector in one.selectors)
        )
    return found
