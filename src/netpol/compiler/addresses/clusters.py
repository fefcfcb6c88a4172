"""Takes snapshots, gives who is at which address and what services lead to; each made once.

That is half of compiling where policies are few: to compile several sets of policies against one
cluster, hand the same ``Clusters`` to each compile.
"""

from __future__ import annotations

from typing import NamedTuple

from netpol.compiler.addresses.identities import Identities
from netpol.compiler.addresses.services import ServicePorts
from netpol.kube.snapshot import Snapshot
from netpol.model.switches import Switches

__all__ = ["Clusters", "Resolved"]


class Resolved(NamedTuple):
    """What a snapshot says of addresses; not to be changed."""

    identities: Identities
    services: ServicePorts


class Clusters:
    """Keeps what was made of each snapshot, 14 MB of 10 000 pods, as long as it is there itself."""

    def __init__(self) -> None:
        self._known: list[tuple[Snapshot, Switches, Resolved]] = []

    def of(self, snapshot: Snapshot, switches: Switches) -> Resolved:
        """Return what a snapshot says, making it where it is not known."""
        for known, with_switches, resolved in self._known:
            if known is snapshot and with_switches == switches:
                return resolved
        identities = Identities.of(snapshot, switches)
        resolved = Resolved(identities, ServicePorts(snapshot, identities))
        self._known.append((snapshot, switches, resolved))
        return resolved
