"""Takes NetworkPolicies, gives their rules in one shape for both directions, ranges parsed.

What looks at rules beside a cluster looks at these: subjects found, defaults written out, field
paths kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from netpol.kube.api.addresses import Address, Network, parse_cidr
from netpol.kube.api.matching import selects
from netpol.kube.api.objects import (
    LabelSelector,
    NetworkPolicyPeer,
    NetworkPolicyPort,
    NetworkPolicySpec,
)
from netpol.kube.policies import LoadedPolicy
from netpol.lint.selection import PodGroup, Selection

__all__ = ["PeerView", "PolicyView", "PortView", "RuleView", "holds", "rules_of", "views_of"]


class PortView(NamedTuple):
    """One element of ``ports``: None as ``port`` is every port of the protocol (A7)."""

    path: str
    protocol: str
    port: int | str | None
    end: int | None = None

    def admits(self, protocol: str, number: int, group: PodGroup | None = None) -> bool:
        """Return whether a port of a pod is meant; names need the pod (A8)."""
        if protocol != self.protocol:
            return False
        if self.port is None:
            return True
        if isinstance(self.port, str):
            numbers = group.numbers.get((protocol, self.port), ()) if group is not None else ()
            return number in numbers
        return self.port <= number <= (self.end or self.port)


class PeerView(NamedTuple):
    """One element of ``from`` or ``to``: selectors, or a range less its excepts.

    ``namespaces`` None means the policy's own namespace (A5.2).
    """

    path: str
    namespaces: LabelSelector | None
    pods: LabelSelector | None
    network: Network | None
    excepts: tuple[Network, ...] = ()

    def selects(self, group: PodGroup, namespace: str, selection: Selection) -> bool:
        """Return whether pods may be selected, ``namespace`` being the policy's."""
        if self.network is not None:
            return False
        if self.namespaces is None:
            there = group.namespace == namespace
        else:
            there = selection.may_be(group.namespace, self.namespaces)
        return there and selects(self.pods, group.labels)

    def holds(self, address: Address) -> bool:
        """Return whether an address lies in the range (A6.1)."""
        return holds(self.network, self.excepts, address)


class RuleView(NamedTuple):
    """A rule that has an effect. Without ``peers`` it is about everybody, without ``ports`` all.

    ``given`` names those of ``from``, ``to`` and ``ports`` that are lists, if only of nothing.
    """

    path: str
    egress: bool
    peers: Sequence[PeerView]
    ports: Sequence[PortView]
    given: frozenset[str] = frozenset()

    def admits(self, protocol: str, number: int, group: PodGroup | None = None) -> bool:
        """Return whether a port of a pod is meant by this rule."""
        return not self.ports or any(each.admits(protocol, number, group) for each in self.ports)


@dataclass(slots=True, eq=False)
class PolicyView:
    """A NetworkPolicy and the pods that it selects."""

    loaded: LoadedPolicy
    namespace: str
    spec: NetworkPolicySpec
    subjects: list[PodGroup]
    ingress: list[RuleView] = field(default_factory=list)
    egress: list[RuleView] = field(default_factory=list)

    @property
    def label(self) -> str:
        """``namespace/name``."""
        return self.loaded.label

    def isolates(self, *, egress: bool) -> bool:
        """Return whether the selected pods are isolated for a direction (A4.2)."""
        return ("Egress" if egress else "Ingress") in (self.spec.policy_types or ())

    def rules(self, *, egress: bool) -> list[RuleView]:
        """Return the rules of a direction."""
        return self.egress if egress else self.ingress


def views_of(policies: Sequence[LoadedPolicy], selection: Selection) -> list[PolicyView]:
    """Return each policy with its subjects, in the order read."""
    views = []
    for loaded in policies:
        spec = loaded.policy.spec or NetworkPolicySpec()
        namespace = loaded.policy.metadata.namespace or "default"
        view = PolicyView(
            loaded, namespace, spec, selection.in_namespace(namespace, spec.pod_selector)
        )
        for rule in rules_of(spec):
            view.rules(egress=rule.egress).append(rule)
        views.append(view)
    return views


def rules_of(spec: NetworkPolicySpec) -> list[RuleView]:
    """Return the rules that have an effect, ingress first (A4.2)."""
    types = spec.policy_types or ()
    found = []
    for i, ingress in enumerate(spec.ingress or ()):
        if ingress is not None and "Ingress" in types:
            found.append(_rule(f"spec.ingress[{i}]", "from", ingress.from_, ingress.ports))
    for i, egress in enumerate(spec.egress or ()):
        if egress is not None and "Egress" in types:
            found.append(_rule(f"spec.egress[{i}]", "to", egress.to, egress.ports))
    return found


def _rule(
    path: str,
    side: str,
    peers: Sequence[NetworkPolicyPeer | None] | None,
    ports: Sequence[NetworkPolicyPort | None] | None,
) -> RuleView:
    given = {name for name, each in ((side, peers), ("ports", ports)) if each is not None}
    return RuleView(
        path,
        side == "to",
        _peers(f"{path}.{side}", peers or ()),
        _ports(path, ports or ()),
        frozenset(given),
    )


def holds(network: Network | None, excepts: Sequence[Network], address: Address) -> bool:
    """Return whether an address lies in a range and in none of its excepts (A6.1)."""
    return (
        network is not None
        and address.version == network.version
        and address in network
        and not any(each.version == address.version and address in each for each in excepts)
    )


def _peers(path: str, peers: Sequence[NetworkPolicyPeer | None]) -> list[PeerView]:
    return [_peer(f"{path}[{i}]", peer) for i, peer in enumerate(peers) if peer is not None]


def _peer(path: str, peer: NetworkPolicyPeer) -> PeerView:
    block = peer.ip_block
    if block is None:
        return PeerView(path, peer.namespace_selector, peer.pod_selector, None)
    excepts = tuple(_network(each) for each in block.except_ or ())
    return PeerView(path, None, None, _network(block.cidr), excepts)


@lru_cache(maxsize=1 << 16)  # policies repeat their ranges, and all of them are looked at twice
def _network(text: str) -> Network:
    return parse_cidr(text).network


def _ports(path: str, ports: Sequence[NetworkPolicyPort | None]) -> list[PortView]:
    return [
        PortView(f"{path}.ports[{i}]", port.protocol or "TCP", port.port, port.end_port)
        for i, port in enumerate(ports)
        if port is not None
    ]
