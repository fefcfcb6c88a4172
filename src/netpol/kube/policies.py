"""Takes typed policies, gives a ``PolicySet``: validated, defaulted, each with its source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from netpol.kube.objects import NetworkPolicy, Source

__all__ = ["LoadedPolicy", "PolicySet"]


class LoadedPolicy(NamedTuple):
    """A policy as the API server would store it (defaulted, valid) and where it was read."""

    policy: NetworkPolicy
    source: Source


@dataclass(frozen=True, slots=True)
class PolicySet:
    """Policies in the order read, and warnings for the reader."""

    policies: tuple[LoadedPolicy, ...] = ()
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.policies)
