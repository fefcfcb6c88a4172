"""Takes batches of verdicts as a writer does, gives their spread over time and namespaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from netpol.spread.namespaces import NamespaceFlows, NamespaceMatrix
from netpol.spread.timeline import Timeline, TimeSeries
from netpol.verdict import Verdict

__all__ = ["Spread", "SpreadWriter"]


@dataclass(frozen=True, slots=True)
class Spread:
    """Flows by time and by namespaces; ``series`` names the kinds both tell apart, by index."""

    series: tuple[str, ...]
    time: TimeSeries
    namespaces: tuple[NamespaceFlows, ...]


class SpreadWriter:
    """Goes among the writers of a replay of ``engine``; costs nothing where it does not."""

    def __init__(self, engine: Any) -> None:
        self._timeline = Timeline(len(Verdict))
        self._matrix = NamespaceMatrix(engine.endpoints, len(Verdict))

    def write(self, verdicts: Any) -> None:
        """Add one batch of verdicts."""
        batch = verdicts.batch
        weights = tuple(
            None if column is None else np.ascontiguousarray(column, np.uint64)
            for column in (batch.flows, batch.packets, batch.bytes)
        )
        self._timeline.add(batch.time, verdicts.verdict, weights[0])
        self._matrix.add(verdicts.src_endpoint, verdicts.dst_endpoint, verdicts.verdict, weights)

    def result(self) -> Spread:
        """Give what was added."""
        return Spread(
            series=tuple(verdict.label for verdict in Verdict),
            time=self._timeline.result(),
            namespaces=self._matrix.result(),
        )
