"""What is asked of one side: the pod that policies select, its peer, and the packet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from netpol.reference.identities import End, Kind, KnownPod

__all__ = ["Direction", "Packet", "SideQuery"]

Direction = Literal["egress", "ingress"]


@dataclass(frozen=True, slots=True)
class Packet:
    """What a port element looks at (A7.1): protocol, destination port, the destination's names.

    ``named`` is the destination pod's (name, protocol, number) triples; empty if the
    destination is not a pod (A8.6).
    """

    protocol: int | None
    port: int | None
    named: frozenset[tuple[str, int, int]]


@dataclass(frozen=True, slots=True)
class SideQuery:
    """One side to be judged: the pod the policies select, its peer, and the packet.

    ``hairpin`` says that the pod reaches itself through a service (A10.3). ``time`` is when, for
    what was true only for a while: DNS answers (B4.6).
    """

    direction: Direction
    subject: KnownPod
    peer: End
    packet: Packet
    hairpin: bool = False
    time: int | None = None

    @property
    def from_own_node(self) -> bool:
        """Whether the peer is the subject's own node (A11.4, R3)."""
        who = self.peer.identity
        return who.kind is Kind.NODE and who.name == self.subject.node
