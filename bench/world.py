"""What every bench works on: a cluster, its policies and where its addresses are."""

from __future__ import annotations

from dataclasses import dataclass

from bench.population import Population, Workload
from netpol.kube.policies import PolicySet
from netpol.kube.snapshot import Snapshot

__all__ = ["World"]


@dataclass(frozen=True, slots=True)
class World:
    """A cluster, its policies and where its addresses are."""

    name: str
    size: str
    shape: str
    seed: int
    snapshot: Snapshot
    policies: PolicySet
    workloads: tuple[Workload, ...]
    population: Population
