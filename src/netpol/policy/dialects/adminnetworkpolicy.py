"""Takes valid Admin and BaselineAdminNetworkPolicies, gives policies of the program. B2."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netpol.kube.api.cluster_objects import (
    AdminEgressRule,
    AdminIngressRule,
    AdminNetworkPolicy,
    AdminPort,
    BaselineAdminNetworkPolicy,
)
from netpol.kube.api.objects import Source
from netpol.kube.api.times import policy_times
from netpol.model.verdict import Tier
from netpol.policy.dialects.clusterscoped import UnusableError, lower_rule, lower_subject
from netpol.policy.program import Action, NamedPort, Policy, Port, PortRange

__all__ = ["AFTER_ALL_BASELINE", "lower_admin_network_policy"]

#: Order of the BaselineAdminNetworkPolicy: behind every Baseline ClusterNetworkPolicy (B3.5).
AFTER_ALL_BASELINE = 1 << 31

_ACTIONS = {"Allow": Action.ALLOW, "Deny": Action.DENY, "Pass": Action.PASS}
_PROTOCOLS = {"TCP": 6, "UDP": 17, "SCTP": 132}


def lower_admin_network_policy(
    policy: AdminNetworkPolicy | BaselineAdminNetworkPolicy, source: Source
) -> tuple[Tier, Policy]:
    """Return the tier and the program's form of one policy (B2.1)."""
    if policy.spec is None:
        raise ValueError(f"{policy.metadata.name}: not validated")
    tier, kind, priority = Tier.BASELINE, "BaselineAdminNetworkPolicy", AFTER_ALL_BASELINE
    if isinstance(policy, AdminNetworkPolicy):
        tier, kind = Tier.ADMIN, "AdminNetworkPolicy"
        priority = (policy.spec.priority if policy.spec else None) or 0
    egress: Sequence[AdminEgressRule] = policy.spec.egress or ()
    ingress: Sequence[AdminIngressRule] = policy.spec.ingress or ()
    return tier, Policy(
        kind=kind,
        namespace="",
        name=policy.metadata.name,
        subject=lower_subject(policy.spec.subject),
        egress=tuple(
            lower_rule(index, _ACTIONS[rule.action], rule.to, _ports(rule.ports))
            for index, rule in enumerate(egress)
        ),
        ingress=tuple(
            lower_rule(index, _ACTIONS[rule.action], rule.from_, _ports(rule.ports))
            for index, rule in enumerate(ingress)
        ),
        priority=priority,
        source=source,
        times=policy_times(policy.metadata),
    )


def _ports(ports: Sequence[AdminPort] | None) -> Iterator[tuple[Port, ...]] | None:
    """Return no constraint where there are no ``ports``."""
    return (tuple(_port(port)) for port in ports) if ports else None


def _port(port: AdminPort) -> Iterator[Port]:
    if port.named_port is not None:
        yield NamedPort(None, port.named_port)  # B4.5
    elif port.port_number is not None:
        number = port.port_number.port or 0
        yield PortRange(_PROTOCOLS[port.port_number.protocol or "TCP"], number, number)
    elif port.port_range is not None:
        start, end = port.port_range.start or 0, port.port_range.end or 0
        if start <= end:  # B2.3: the schema allows the contrary, which matches nothing
            yield PortRange(_PROTOCOLS[port.port_range.protocol or "TCP"], start, end)
    else:
        raise UnusableError  # B4.8
