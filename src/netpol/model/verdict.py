"""The words of an answer: verdict, side, tier, reason, note and cause, with their wire spellings.

Codes are the numbers that the packed tables and the verdict columns carry; ``.label`` is the
spelling in every output. Sources: specification.md C3 (reasons), C3.2 (side), B3.1 (tier).
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

__all__ = ["Cause", "Note", "Reason", "Side", "Tier", "Verdict"]


class _Labelled(IntEnum):
    @property
    def label(self) -> str:
        """The spelling used in every output: lower case, words joined by hyphens."""
        return self.name.lower().replace("_", "-")


class Verdict(_Labelled):
    """What the policies say to a flow, or to one side of it."""

    ALLOW = 0
    DENY = 1
    UNKNOWN = 2


class Side(_Labelled):
    """Which side decided (specification.md C3.2)."""

    NONE = 0
    EGRESS = 1
    INGRESS = 2
    BOTH = 3


class Tier(_Labelled):
    """Ordered stages of rules (specification.md B3.1). ``NONE`` where no rule decided."""

    NONE = 0
    ADMIN = 1
    NETWORKPOLICY = 2
    BASELINE = 3


class Reason(_Labelled):
    """Why a verdict is what it is (specification.md C3)."""

    NO_POD_ENDPOINT = 0
    LOOPBACK = 1
    SELF_TRAFFIC = 2
    REPLY = 3
    NEIGHBOUR_DISCOVERY = 4
    DEFAULT_ALLOW = 5
    NOT_ISOLATED = 6
    NP_RULE = 7
    NP_IMPLICIT_DENY = 8
    OWN_NODE = 9
    NP_HAIRPIN = 10
    CNP_ACCEPT = 11
    CNP_DENY = 12
    CNP_FAIL_CLOSED = 13
    SERVICE_BACKEND_DEPENDENT = 14
    SERVICE_NO_ENDPOINTS = 15
    AMBIGUOUS_IP = 16
    AMBIGUOUS_PRIORITY = 17
    UNKNOWN_PORT = 18
    UNKNOWN_PROTOCOL = 19
    NAMESPACE_LABELS_UNKNOWN = 20
    DNS_UNKNOWN = 21
    SOURCE_NAT = 22
    NODES_UNKNOWN = 23  # C4: a ``nodes`` peer, and the snapshot has no Node objects
    SERVICE_NAT_ORDER = 24  # A15.9: policies before or after the translation of a node's port
    POSSIBLE_NODE_GATEWAY = 25  # A11.5: the other end may be the pod's own node


class Cause(_Labelled):
    """What may explain that a recorded verdict is not ours; the first that holds is given."""

    IDENTITY_UNKNOWN = 0  # who an end was is in doubt
    POLICY_CHANGED = 1  # as the policies were at the flow's time, they may have said what it says
    PROFILE = 2  # another semantics profile says what was recorded
    NOT_JUDGED = 3  # ours is unknown, for another reason than who the ends are
    UNEXPLAINED = 4


class Note(IntFlag):
    """Hints that lower confidence without changing the verdict; a set of bits per flow."""

    NONE = 0
    STALE_POD_IP = 1  # C2.3: only a terminal pod, or a pod at another time, holds the address
    IN_PODCIDR = 2  # C2.3: inside a node's podCIDR but no known pod
    POSSIBLE_NODE_GATEWAY = 4  # A11.5: inside a node's podCIDR, not a pod: maybe the bridge gateway
    UNSPECIFIED_PROTOCOL = 8  # A17.2: behaviour beyond TCP, UDP and SCTP is not specified
    UNSPECIFIED_ADDRESS_CLASS = 16  # C2.4: multicast, broadcast, link-local, unspecified
    OWN_NODE_UNKNOWN = 32  # A11.4: the pod's node is not known, so nothing was exempt
    SNAPSHOT_AGE = 64  # A13.7: the flow is older than the snapshot's objects
    RELATED_ICMP = 128  # A17.3: an ICMP error, judged as part of the connection it is about
    AMBIGUOUS_PRIORITY = 256  # B3.4: policies of equal priority, tried otherwise, decide otherwise
    SERVICE_NAT_ORDER = 512  # A15.11: policies that see the service's address decide otherwise
    OWN_NODE_EGRESS = 1024  # A11.6: denied towards the pod's own node, where upstream disagrees
    MAYBE_REPLY = 2048  # A16.1: from a server's port to a client's, and not marked as a reply

    @property
    def labels(self) -> list[str]:
        """The spellings of the set bits."""
        return [
            str(bit.name).lower().replace("_", "-") for bit in type(self) if bit and bit in self
        ]
