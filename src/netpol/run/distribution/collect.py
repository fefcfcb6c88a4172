"""Takes batches of verdicts as a writer does, gives their spread over time and namespaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from netpol.model.verdict import Verdict
from netpol.run.distribution.namespaces import NamespaceFlows, NamespaceMatrix
from netpol.run.distribution.timeline import Timeline, TimeSeries

if TYPE_CHECKING:
    from netpol.engine.endpoints import EndpointTable
    from netpol.engine.engine import Engine
    from netpol.engine.verdicts import Verdicts

__all__ = ["Spread", "SpreadSums", "SpreadWriter"]


@dataclass(frozen=True, slots=True)
class Spread:
    """Flows by time and by namespaces; ``series`` names the kinds both tell apart, by index."""

    series: tuple[str, ...]
    time: TimeSeries
    namespaces: tuple[NamespaceFlows, ...]


class SpreadSums:
    """Adds flows up by time and by namespaces; whoever adds them says of which kind each is.

    Parameters
    ----------
    endpoints : EndpointTable
        Who the ends of the flows are.
    series : sequence of str
        What the kinds are called.
    """

    def __init__(self, endpoints: EndpointTable, series: Sequence[str]) -> None:
        self._series = tuple(series)
        self._timeline = Timeline(len(self._series))
        self._matrix = NamespaceMatrix(endpoints, len(self._series))

    def add(self, verdicts: Verdicts, kinds: npt.NDArray[np.uint8]) -> None:
        """Add the flows of a batch of verdicts; ``kinds``, uint8[n], are places in ``series``."""
        batch = verdicts.batch
        weights = tuple(
            None if column is None else np.ascontiguousarray(column, np.uint64)
            for column in (batch.flows, batch.packets, batch.bytes)
        )
        self._timeline.add(batch.time, kinds, weights[0])
        self._matrix.add(verdicts.src_endpoint, verdicts.dst_endpoint, kinds, weights)

    def result(self) -> Spread:
        """Return what was added."""
        return Spread(self._series, self._timeline.result(), self._matrix.result())


class SpreadWriter(SpreadSums):
    """Goes among the writers of a replay of ``engine``; the kinds are verdicts."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine.endpoints, [verdict.label for verdict in Verdict])

    def write(self, verdicts: Verdicts) -> None:
        """Add one batch of verdicts."""
        self.add(verdicts, verdicts.verdict)
