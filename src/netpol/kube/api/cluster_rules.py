"""Takes a cluster-scoped policy of any kind, gives its parts with their dotted field paths.

The three kinds differ in names and limits, not in shape: whoever looks at all of them looks here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from netpol.kube.api.cluster_objects import (
    AdminEgressRule,
    AdminIngressRule,
    AdminPort,
    ClusterEgressPeer,
    ClusterEgressRule,
    ClusterIngressPeer,
    ClusterIngressRule,
    ClusterPolicy,
    ClusterProtocol,
    ClusterSubject,
)
from netpol.kube.api.objects import LabelSelector

__all__ = [
    "ClusterPeer",
    "Given",
    "NamedPortAt",
    "PortElement",
    "RuleAt",
    "cluster_rules",
    "is_fail_closed",
    "named_ports",
    "selectors_of",
    "set_fields",
]

ClusterPeer = ClusterIngressPeer | ClusterEgressPeer
ClusterRule = ClusterIngressRule | ClusterEgressRule | AdminIngressRule | AdminEgressRule
PortElement = ClusterProtocol | AdminPort


class RuleAt(NamedTuple):
    """One rule: ``peers`` are its ``from`` or ``to``, ``ports`` its ``protocols`` or ``ports``.

    None is absent, which a list of no elements is not.
    """

    path: str
    ingress: bool
    rule: ClusterRule
    peers_path: str
    peers: Sequence[ClusterPeer] | None
    ports_path: str
    ports: Sequence[PortElement] | None

    def each_peer(self) -> Iterator[tuple[str, ClusterPeer]]:
        """Yield each peer with its path."""
        for i, peer in enumerate(self.peers or ()):
            yield f"{self.peers_path}[{i}]", peer

    def each_port(self) -> Iterator[tuple[str, PortElement]]:
        """Yield each element of ``protocols`` or ``ports`` with its path."""
        for i, port in enumerate(self.ports or ()):
            yield f"{self.ports_path}[{i}]", port


class Given(NamedTuple):
    """A field that is set: its API name and its value."""

    name: str
    value: object


class NamedPortAt(NamedTuple):
    """A port name and its path."""

    path: str
    name: str


def cluster_rules(policy: ClusterPolicy) -> Iterator[RuleAt]:
    """Yield the rules of a policy, ingress first, in the order written."""
    if policy.spec is None:
        return
    ingress: Sequence[ClusterRule] = policy.spec.ingress or ()
    egress: Sequence[ClusterRule] = policy.spec.egress or ()
    for i, rule in enumerate(ingress):
        yield _rule(f"spec.ingress[{i}]", rule)
    for i, rule in enumerate(egress):
        yield _rule(f"spec.egress[{i}]", rule)


def _rule(path: str, rule: ClusterRule) -> RuleAt:
    peers: Sequence[ClusterPeer] | None
    ports: Sequence[PortElement] | None
    if isinstance(rule, ClusterIngressRule | AdminIngressRule):
        ingress, side, peers = True, "from", rule.from_
    else:
        ingress, side, peers = False, "to", rule.to
    if isinstance(rule, ClusterIngressRule | ClusterEgressRule):
        field, ports = "protocols", rule.protocols
    else:
        field, ports = "ports", rule.ports
    return RuleAt(path, ingress, rule, f"{path}.{side}", peers, f"{path}.{field}", ports)


def set_fields(element: ClusterPeer | PortElement | ClusterSubject) -> list[Given]:
    """Return the fields that are set, of elements of which exactly one should be."""
    names = zip(element.__struct_fields__, element.__struct_encode_fields__, strict=True)
    values = ((api_name, getattr(element, name)) for name, api_name in names)
    return [Given(name, value) for name, value in values if value is not None]


def is_fail_closed(element: ClusterPeer | PortElement) -> bool:
    """Return whether an element sets no field, so that its rule cannot be used (B4.8)."""
    return not set_fields(element)


def selectors_of(
    path: str, element: ClusterPeer | ClusterSubject
) -> Iterator[tuple[str, LabelSelector]]:
    """Yield the label selectors of a peer or a subject with their paths."""
    if element.namespaces is not None:
        yield f"{path}.namespaces", element.namespaces
    if element.pods is not None:
        for name, selector in (
            ("namespaceSelector", element.pods.namespace_selector),
            ("podSelector", element.pods.pod_selector),
        ):
            if selector is not None:
                yield f"{path}.pods.{name}", selector
    if isinstance(element, ClusterEgressPeer) and element.nodes is not None:
        yield f"{path}.nodes", element.nodes


def named_ports(rule: RuleAt) -> Iterator[NamedPortAt]:
    """Yield the port names of a rule."""
    for path, port in rule.each_port():
        if isinstance(port, ClusterProtocol):
            field, name = "destinationNamedPort", port.destination_named_port
        else:
            field, name = "namedPort", port.named_port
        if name is not None:
            yield NamedPortAt(f"{path}.{field}", name)
