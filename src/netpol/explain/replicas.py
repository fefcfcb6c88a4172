"""Takes the flows between the pods of two workloads, gives whether all are judged alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from netpol.explain.named_flows import AskedFlow
from netpol.explain.names import NamedEnd
from netpol.reference.outcome import Outcome

__all__ = ["Replicas"]

SHOWN = 5  # differing pairs in text


@dataclass(frozen=True, slots=True)
class Replicas:
    """The pairs of pods that two names stand for.

    Attributes
    ----------
    ends : what was named.
    flows, outcomes : the pairs that were judged, the explained one first.
    pairs : how many there are.
    """

    ends: tuple[NamedEnd, NamedEnd]
    flows: Sequence[AskedFlow]
    outcomes: Sequence[Outcome]
    pairs: int

    @property
    def src(self) -> dict[str, Any]:
        """The source: what was named, and which pod of it is explained."""
        return _end(self.ends[0], self.flows[0].src)

    @property
    def dst(self) -> dict[str, Any]:
        """The destination as ``src``."""
        return _end(self.ends[1], self.flows[0].dst)

    @property
    def differing(self) -> list[tuple[str, str, Outcome]]:
        """The pairs judged otherwise than the first."""
        first = _key(self.outcomes[0])
        return [
            (asked.src, asked.dst, outcome)
            for asked, outcome in zip(self.flows, self.outcomes, strict=True)
            if _key(outcome) != first
        ]

    @property
    def alike(self) -> bool:
        """Whether all that were judged get one verdict, for one reason on the same side."""
        return not self.differing

    def lines(self) -> Iterator[str]:
        """Say which pods were explained for which names, and whether the others differ."""
        if self.ends[1].kind == "service":
            yield f"{self.ends[1].label}: judged through each of its backends"
        for end, told in zip(self.ends, (self.flows[0].src, self.flows[0].dst), strict=True):
            if end.kind == "workload":
                others = len(end.pods) - 1
                more = f"one of its {others + 1} live pods" if others else "its only live pod"
                yield f"{end.label}: explained for {told}, {more}"
        if self.pairs == 1:
            return
        differing = self.differing
        judged = len(self.outcomes)
        of = "" if judged == self.pairs else f" of {self.pairs}"
        if not differing:
            yield f"all {judged}{of} pairs of pods come out alike"
            return
        yield f"{len(differing)} of the {judged}{of} pairs of pods come out otherwise:"
        for src, dst, outcome in differing[:SHOWN]:
            yield f"  {src} -> {dst}: {outcome.verdict.label}: {outcome.reason.label}"
        if len(differing) > SHOWN:
            yield f"  and {len(differing) - SHOWN} more"


def _key(outcome: Outcome) -> tuple[object, ...]:
    return outcome.verdict, outcome.side, outcome.reason


def _end(end: NamedEnd, told: str) -> dict[str, Any]:
    pods = [f"{pod.namespace}/{pod.name}" for pod in end.pods]
    return {"name": end.label, "kind": end.kind, "explained": told, "pods": pods}
