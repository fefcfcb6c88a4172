"""Takes valid ClusterNetworkPolicies (v1alpha2), gives policies of the program (B1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netpol.kube.api.cluster_objects import (
    ClusterNetworkPolicy,
    ClusterProtocol,
    DestinationPort,
    TransportProtocol,
)
from netpol.kube.api.objects import Source
from netpol.kube.api.times import policy_times
from netpol.model.verdict import Tier
from netpol.policy.dialects.clusterscoped import UnusableError, lower_rule, lower_subject
from netpol.policy.program import Action, NamedPort, Policy, Port, PortRange

__all__ = ["lower_cluster_network_policy"]

_ACTIONS = {"Accept": Action.ALLOW, "Deny": Action.DENY, "Pass": Action.PASS}
_TIERS = {"Admin": Tier.ADMIN, "Baseline": Tier.BASELINE}


def lower_cluster_network_policy(
    policy: ClusterNetworkPolicy, source: Source
) -> tuple[Tier, Policy]:
    """Return the tier and the program's form of one policy."""
    spec = policy.spec
    if spec is None or spec.tier is None:
        raise ValueError(f"ClusterNetworkPolicy {policy.metadata.name}: not validated")
    return _TIERS[spec.tier], Policy(
        kind="ClusterNetworkPolicy",
        namespace="",
        name=policy.metadata.name,
        subject=lower_subject(spec.subject),
        egress=tuple(
            lower_rule(index, _ACTIONS[rule.action], rule.to, _ports(rule.protocols))
            for index, rule in enumerate(spec.egress or ())
        ),
        ingress=tuple(
            lower_rule(index, _ACTIONS[rule.action], rule.from_, _ports(rule.protocols))
            for index, rule in enumerate(spec.ingress or ())
        ),
        priority=spec.priority or 0,
        source=source,
        times=policy_times(policy.metadata),
    )


def _ports(protocols: Sequence[ClusterProtocol] | None) -> Iterator[tuple[Port]] | None:
    """Return no constraint where there are no ``protocols`` (B4.1)."""
    return None if protocols is None else ((_port(item),) for item in protocols)


def _port(item: ClusterProtocol) -> Port:
    if item.destination_named_port is not None:
        return NamedPort(None, item.destination_named_port)  # B4.5
    for number, transport in ((6, item.tcp), (17, item.udp), (132, item.sctp)):
        if transport is not None:
            return _range(number, transport)
    raise UnusableError  # B4.8


def _range(protocol: int, transport: TransportProtocol) -> PortRange:
    port = transport.destination_port or DestinationPort()
    if port.number is not None:
        return PortRange(protocol, port.number, port.number)
    if port.range is not None and port.range.start is not None and port.range.end is not None:
        return PortRange(protocol, port.range.start, port.range.end)
    return PortRange(protocol)  # B1.6: refused by the CRD; if met, every port
