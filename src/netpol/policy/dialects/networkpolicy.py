"""Takes NetworkPolicies (defaulted, valid), gives policies of the program (A1-A9)."""

from __future__ import annotations

from netpol.kube.api.addresses import parse_cidr
from netpol.kube.api.objects import (
    LabelSelector,
    NetworkPolicyPeer,
    NetworkPolicyPort,
)
from netpol.kube.api.times import policy_times
from netpol.kube.policies import LoadedPolicy
from netpol.policy.program import (
    Action,
    CidrPeer,
    NamedPort,
    Operator,
    Peer,
    PodPeer,
    PodSubject,
    Policy,
    Port,
    PortRange,
    Requirement,
    Rule,
    Selector,
)

__all__ = ["lower_network_policy", "lower_selector"]

_OPERATORS = {
    "In": Operator.IN,
    "NotIn": Operator.NOT_IN,
    "Exists": Operator.EXISTS,
    "DoesNotExist": Operator.DOES_NOT_EXIST,
}
_PROTOCOLS = {"TCP": 6, "UDP": 17, "SCTP": 132}


def lower_network_policy(loaded: LoadedPolicy) -> Policy:
    """Return the program's form of one NetworkPolicy.

    Rules of a direction that ``policyTypes`` does not list are inert and left out (A4.2).
    """
    policy, source = loaded
    namespace = policy.metadata.namespace or "default"
    spec = policy.spec
    if spec is None:
        raise ValueError(f"{namespace}/{policy.metadata.name}: not defaulted")
    types = spec.policy_types or []
    egress: tuple[Rule, ...] = ()
    ingress: tuple[Rule, ...] = ()
    if "Egress" in types:
        egress = tuple(
            _rule(index, namespace, rule.to if rule else None, rule.ports if rule else None)
            for index, rule in enumerate(spec.egress or [])
        )
    if "Ingress" in types:
        ingress = tuple(
            _rule(index, namespace, rule.from_ if rule else None, rule.ports if rule else None)
            for index, rule in enumerate(spec.ingress or [])
        )
    return Policy(
        kind="NetworkPolicy",
        namespace=namespace,
        name=policy.metadata.name,
        subject=PodSubject(namespace, lower_selector(spec.pod_selector)),
        egress=egress,
        ingress=ingress,
        isolates_egress="Egress" in types,
        isolates_ingress="Ingress" in types,
        source=source,
        times=policy_times(policy.metadata),
    )


def lower_selector(selector: LabelSelector | None) -> Selector:
    """Return the requirements of a label selector; ``k: v`` is ``k In [v]`` (A3.1)."""
    if selector is None:
        return Selector()
    requirements = {
        Requirement(key, Operator.IN, frozenset((value,)))
        for key, value in (selector.match_labels or {}).items()
    }
    for item in selector.match_expressions or []:
        requirements.add(
            Requirement(item.key, _OPERATORS[item.operator], frozenset(item.values or ()))
        )
    return Selector(frozenset(requirements))


def _rule(
    index: int,
    namespace: str,
    peers: list[NetworkPolicyPeer | None] | None,
    ports: list[NetworkPolicyPort | None] | None,
) -> Rule:
    """Return a rule; an absent or empty list is no constraint (A4)."""
    return Rule(
        index=index,
        action=Action.ALLOW,
        peers=tuple(_peer(namespace, peer) for peer in peers if peer) if peers else None,
        ports=tuple(_port(port or NetworkPolicyPort()) for port in ports) if ports else None,
    )


def _peer(namespace: str, peer: NetworkPolicyPeer) -> Peer:
    if peer.ip_block is not None:
        return CidrPeer(
            parse_cidr(peer.ip_block.cidr).network,
            tuple(parse_cidr(text).network for text in peer.ip_block.except_ or ()),
        )
    pods = lower_selector(peer.pod_selector)
    if peer.namespace_selector is None:
        return PodPeer(namespace, None, pods)  # A5.2
    return PodPeer(None, lower_selector(peer.namespace_selector), pods)  # A5.3, A5.4


def _port(port: NetworkPolicyPort) -> Port:
    protocol = _PROTOCOLS[port.protocol or "TCP"]  # A2.2
    if port.port is None:
        return PortRange(protocol)
    if isinstance(port.port, str):
        return NamedPort(protocol, port.port)
    return PortRange(protocol, port.port, port.end_port if port.end_port else port.port)
