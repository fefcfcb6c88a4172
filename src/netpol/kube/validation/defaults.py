"""Takes a NetworkPolicy as written, gives it as the API server stores it (specification.md A2).

Applying it twice changes nothing. Null list elements become zero values (A0.5); ``from_`` and
``to`` lists keep a zero peer, which validation then refuses (A1.5).
"""

from __future__ import annotations

from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from netpol.kube.api.objects import (
    NetworkPolicy,
    NetworkPolicyEgressRule,
    NetworkPolicyIngressRule,
    NetworkPolicyPeer,
    NetworkPolicyPort,
    NetworkPolicySpec,
)

__all__ = ["apply_defaults"]

T = TypeVar("T", bound=Struct)


def apply_defaults(policy: NetworkPolicy, namespace: str = "default") -> NetworkPolicy:
    """Return the policy with every default written out.

    Parameters
    ----------
    policy
        As written.
    namespace
        Of the request, for a policy that names none (A2.3), as ``kubectl -n``.
    """
    spec = policy.spec or NetworkPolicySpec()
    metadata = policy.metadata
    if not metadata.namespace:
        metadata = replace(metadata, namespace=namespace)
    ingress = _elements(spec.ingress, NetworkPolicyIngressRule())
    egress = _elements(spec.egress, NetworkPolicyEgressRule())
    return replace(
        policy,
        metadata=metadata,
        spec=replace(
            spec,
            policy_types=spec.policy_types or _policy_types(spec),
            ingress=None
            if ingress is None
            else [replace(r, from_=_peers(r.from_), ports=_ports(r.ports)) for r in ingress],
            egress=None
            if egress is None
            else [replace(r, to=_peers(r.to), ports=_ports(r.ports)) for r in egress],
        ),
    )


def _policy_types(spec: NetworkPolicySpec) -> list[str]:
    """Return the types of a policy that lists none (A2.1): Egress only if it has egress rules."""
    return ["Ingress", "Egress"] if spec.egress else ["Ingress"]


def _elements(elements: list[T | None] | None, zero: T) -> list[T] | None:
    """Return the list with each null element as the zero value (A0.5)."""
    if elements is None:
        return None
    return [zero if element is None else element for element in elements]


def _peers(peers: list[NetworkPolicyPeer | None] | None) -> list[NetworkPolicyPeer | None] | None:
    return None if peers is None else [*(_elements(peers, NetworkPolicyPeer()) or ())]


def _ports(ports: list[NetworkPolicyPort | None] | None) -> list[NetworkPolicyPort | None] | None:
    """Return the ports with the protocol written out (A2.2)."""
    if ports is None:
        return None
    return [
        port if port.protocol is not None else replace(port, protocol="TCP")
        for port in _elements(ports, NetworkPolicyPort()) or ()
    ]
