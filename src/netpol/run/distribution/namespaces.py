"""Takes the ends and series of flows, gives flows by namespace of source and destination.

What has no namespace has a word in brackets, which no namespace can be called. Namespaces beyond a
limit, those with fewest addresses, are one: memory grows with the square of their number.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from netpol._core.sums import Histogram
from netpol.engine.endpoints import EndpointKind
from netpol.run.sums import Weight

if TYPE_CHECKING:
    from netpol.engine.endpoints import EndpointTable

__all__ = ["OTHERS", "NamespaceFlows", "NamespaceMatrix"]

OTHERS = "(other namespaces)"
_LIMIT = 400
_NAMELESS = {
    EndpointKind.EXTERNAL: "(external)",
    EndpointKind.NODE: "(nodes)",
    EndpointKind.LOOPBACK: "(loopback)",
    EndpointKind.AMBIGUOUS: "(ambiguous)",
}


@dataclass(frozen=True, slots=True)
class NamespaceFlows:
    """The weight of each series between two namespaces."""

    src: str
    dst: str
    series: tuple[Weight, ...]

    @property
    def total(self) -> Weight:
        """The weight of all series."""
        return sum(self.series, Weight())


class NamespaceMatrix:
    """Adds flows up by namespaces.

    Parameters
    ----------
    endpoints : EndpointTable
        Who the ends of the flows are.
    series : int
        How many kinds of flows there are, such as verdicts.
    limit : int
        Namespaces to tell apart.
    """

    def __init__(self, endpoints: EndpointTable, series: int, limit: int = _LIMIT) -> None:
        names = [
            _namespace(EndpointKind(kind), label)
            for kind, label in zip(endpoints.kind.tolist(), endpoints.labels, strict=True)
        ]
        kept = dict(Counter(names).most_common(limit))
        self._names = list(dict.fromkeys(name if name in kept else OTHERS for name in names))
        places = {name: place for place, name in enumerate(self._names)}
        self._place = np.array(
            [places.get(name, places.get(OTHERS, 0)) for name in names], np.uint32
        )
        self._series = series
        self._sums = Histogram(len(self._names) ** 2 * series)

    def add(
        self,
        src: npt.NDArray[np.uint32],
        dst: npt.NDArray[np.uint32],
        series: npt.NDArray[np.uint8],
        weights: tuple[npt.NDArray[np.uint64] | None, ...],
    ) -> None:
        """Add flows.

        Parameters
        ----------
        src, dst : uint32[n], endpoint ids.
        series : uint8[n], the kind of each flow.
        weights : flows, packets and bytes, each uint64[n] or None where the log has none.
        """
        pairs = self._place[src] * np.uint32(len(self._names)) + self._place[dst]
        flows, packets, octets = weights
        self._sums.add(pairs * np.uint32(self._series) + series, flows, packets, octets)

    def result(self) -> tuple[NamespaceFlows, ...]:
        """Return every pair of namespaces between which there were flows, heaviest first."""
        found: dict[int, list[Weight]] = {}
        for key, sums in self._sums.items().items():
            pair, kind = divmod(key, self._series)
            found.setdefault(pair, [Weight()] * self._series)[kind] = Weight(*sums)
        flows = (
            NamespaceFlows(
                self._names[pair // len(self._names)],
                self._names[pair % len(self._names)],
                tuple(series),
            )
            for pair, series in found.items()
        )
        return tuple(sorted(flows, key=lambda item: (-item.total.flows, item.src, item.dst)))


def _namespace(kind: EndpointKind, label: str) -> str:
    if kind is EndpointKind.POD:
        return label.partition("/")[0]
    if kind is EndpointKind.SERVICE:
        found = {name.split("/")[1] for name in label.split(", ") if name.count("/") == 2}
        return found.pop() if len(found) == 1 else "(services)"
    return _NAMELESS[kind]
