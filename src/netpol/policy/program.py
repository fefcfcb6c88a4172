"""The policy program: the one intermediate representation every dialect lowers to.

Ordered stages hold ordered policies, policies hold ordered rules per side (specification.md B8).
Inside a stage rules are tried in order and the first match decides; if none matches, a subject
that some policy of the stage isolates is denied, any other goes on to the next stage; after
the last stage a flow is allowed. Isolation is a flag on the policy, not a trailing rule, so that
an implicit deny still names the isolating policies.

Everything here is immutable and hashable, so equal peers, selectors and ports are one value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import IPv4Network, IPv6Network

from netpol.kube.api.objects import Source
from netpol.kube.api.times import NO_TIMES, PolicyTimes
from netpol.model.verdict import Tier

__all__ = [
    "Action",
    "AddressPeer",
    "CidrPeer",
    "DomainPeer",
    "NamedPort",
    "NodePeer",
    "Operator",
    "Peer",
    "PodPeer",
    "PodSubject",
    "Policy",
    "PolicyProgram",
    "Port",
    "PortRange",
    "Requirement",
    "Rule",
    "Selector",
    "Stage",
]


class Action(IntEnum):
    """What a matching rule does. ``PASS`` goes on to the next stage."""

    ALLOW = 0
    DENY = 1
    PASS = 2


class Operator(IntEnum):
    """Operators of a selector requirement (A1.11)."""

    IN = 0
    NOT_IN = 1
    EXISTS = 2
    DOES_NOT_EXIST = 3


@dataclass(frozen=True, slots=True)
class Requirement:
    """One test of one label key; ``values`` is empty for EXISTS and DOES_NOT_EXIST (A3)."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Selector:
    """Requirements that must all hold; none is everything (A3.1, A3.5)."""

    requirements: frozenset[Requirement] = frozenset()


@dataclass(frozen=True, slots=True)
class PodSubject:
    """The pods a policy selects: of one namespace, or of all matching ones (A5.7, B1.2).

    ``hosts`` says whether hostNetwork pods count where they are pods at all (A12.1, B6.1).
    """

    namespace: str | None
    pods: Selector
    namespaces: Selector | None = None
    hosts: bool = True


@dataclass(frozen=True, slots=True)
class PodPeer:
    """Pods of one namespace, or of all namespaces that ``namespaces`` matches (A5.2-A5.5).

    Exactly one of ``namespace`` and ``namespaces`` is set; ``hosts`` as for ``PodSubject``.
    """

    namespace: str | None
    namespaces: Selector | None
    pods: Selector
    hosts: bool = True


@dataclass(frozen=True, slots=True)
class CidrPeer:
    """Addresses inside ``network`` and outside every one of ``excepts`` (A6).

    ``scoped`` says that ``ipblock_scope`` may keep it from pods and nodes (A6.4); ``networks`` of
    cluster-scoped policies match whatever is there (B4.3).
    """

    network: IPv4Network | IPv6Network
    excepts: tuple[IPv4Network | IPv6Network, ...] = ()
    scoped: bool = True


@dataclass(frozen=True, slots=True)
class NodePeer:
    """Addresses of the nodes whose labels match (B4.4)."""

    nodes: Selector


@dataclass(frozen=True, slots=True)
class DomainPeer:
    """Addresses that DNS gave for a name (B4.6).

    ``pattern`` is in lower case without a trailing dot; ``*.`` in front stands for one or more
    whole labels.
    """

    pattern: str


AddressPeer = CidrPeer | NodePeer | DomainPeer
Peer = PodPeer | AddressPeer


@dataclass(frozen=True, slots=True)
class PortRange:
    """Destination ports ``first`` to ``last`` of one protocol number (A7.2)."""

    protocol: int
    first: int = 0
    last: int = 65535


@dataclass(frozen=True, slots=True)
class NamedPort:
    """A port name, resolved on the destination pod (A8); ``protocol`` None is any (B4.5)."""

    protocol: int | None
    name: str


Port = PortRange | NamedPort


@dataclass(frozen=True, slots=True)
class Rule:
    """``peers`` and ``ports`` ANDed, the elements of each ORed; None is no constraint (A4, A5.1).

    ``index`` is the rule's place in the policy as written. No elements at all match nothing.
    ``fail_closed`` says that the rule as written cannot be used (B4.8): one that accepts is
    lowered to a rule that matches nothing, any other to one that denies everything.
    ``peer_counts`` and ``port_counts`` say how many of ``peers`` and ``ports`` each element as
    written became; None: one each.
    """

    index: int
    action: Action
    peers: tuple[Peer, ...] | None
    ports: tuple[Port, ...] | None
    fail_closed: bool = False
    peer_counts: tuple[int, ...] | None = field(default=None, compare=False)
    port_counts: tuple[int, ...] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy: its subject, which directions it isolates (NetworkPolicy) and its rules.

    ``egress`` and ``ingress`` are empty where the policy does not govern the direction.
    ``priority`` orders the policies of the admin and baseline tiers, lower first (B3.2); where it
    is equal, the order of the stage is one of several possible ones (B3.4).
    """

    kind: str
    namespace: str
    name: str
    subject: PodSubject
    egress: tuple[Rule, ...] = ()
    ingress: tuple[Rule, ...] = ()
    isolates_egress: bool = False
    isolates_ingress: bool = False
    priority: int = 0
    source: Source | None = field(default=None, compare=False, hash=False)
    times: PolicyTimes = field(default=NO_TIMES, compare=False, hash=False)

    @property
    def label(self) -> str:
        """``namespace/name``, or ``Kind/name`` for cluster-scoped kinds."""
        return f"{self.namespace or self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class Stage:
    """Policies of one tier, already in the order in which they are tried."""

    tier: Tier
    policies: tuple[Policy, ...]


@dataclass(frozen=True, slots=True)
class PolicyProgram:
    """Stages in order of precedence; after the last one a flow is allowed."""

    stages: tuple[Stage, ...] = ()
