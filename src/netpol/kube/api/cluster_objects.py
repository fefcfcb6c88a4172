"""The cluster-scoped policies of ``policy.networking.k8s.io`` as Structs (specification.md B1, B2).

ClusterNetworkPolicy is ``v1alpha2``; AdminNetworkPolicy and BaselineAdminNetworkPolicy are
``v1alpha1``. Fields of the standard and the experimental channel stand together. Unknown fields
are refused (B7.4): pruning one inside a selector would widen it to everything (B2.5).
"""

from __future__ import annotations

from typing import Any

from msgspec import field

from netpol.kube.api.objects import LabelSelector, PolicyMeta, Strict

__all__ = [
    "AdminEgressRule",
    "AdminIngressRule",
    "AdminNetworkPolicy",
    "AdminNetworkPolicySpec",
    "AdminPort",
    "AdminPortNumber",
    "AdminPortRange",
    "BaselineAdminNetworkPolicy",
    "BaselineAdminNetworkPolicySpec",
    "ClusterEgressPeer",
    "ClusterEgressRule",
    "ClusterIngressPeer",
    "ClusterIngressRule",
    "ClusterNetworkPolicy",
    "ClusterNetworkPolicySpec",
    "ClusterPolicy",
    "ClusterProtocol",
    "ClusterSubject",
    "DestinationPort",
    "NamespacedPod",
    "PortInterval",
    "TransportProtocol",
]


class NamespacedPod(Strict, frozen=True):
    """Pods of some namespaces; v1alpha2 reads an absent namespace selector as all (B1.2, B2.4)."""

    namespace_selector: LabelSelector | None = None
    pod_selector: LabelSelector | None = None


class ClusterSubject(Strict, frozen=True):
    """The pods a policy is about; exactly one field is set (B1.2)."""

    namespaces: LabelSelector | None = None
    pods: NamespacedPod | None = None


class ClusterIngressPeer(Strict, frozen=True):
    """One element of ``from``; exactly one field is set, none fails closed (B1.4, B4.8)."""

    namespaces: LabelSelector | None = None
    pods: NamespacedPod | None = None


class ClusterEgressPeer(Strict, frozen=True):
    """One element of ``to``; exactly one field is set, none fails closed (B1.5, B4.8)."""

    namespaces: LabelSelector | None = None
    pods: NamespacedPod | None = None
    nodes: LabelSelector | None = None
    networks: list[str] | None = None
    domain_names: list[str] | None = None


# --- v1alpha2 -----------------------------------------------------------------------------------


class PortInterval(Strict, frozen=True):
    """Ports ``start`` to ``end``, both included; ``start < end`` (B1.6)."""

    start: int | None = None
    end: int | None = None


class DestinationPort(Strict, frozen=True):
    """Exactly one of a number and a range (B1.6)."""

    number: int | None = None
    range: PortInterval | None = None


class TransportProtocol(Strict, frozen=True):
    """The destination ports of one protocol; none means all, where it is met (B1.6)."""

    destination_port: DestinationPort | None = None


class ClusterProtocol(Strict, frozen=True):
    """One element of ``protocols``; exactly one field is set, none fails closed (B1.6, B4.8)."""

    tcp: TransportProtocol | None = None
    udp: TransportProtocol | None = None
    sctp: TransportProtocol | None = None
    destination_named_port: str | None = None


class ClusterIngressRule(Strict, frozen=True):
    """An ingress rule (B1.3)."""

    name: str | None = None
    action: str = ""
    from_: list[ClusterIngressPeer] | None = field(default=None, name="from")
    protocols: list[ClusterProtocol] | None = None


class ClusterEgressRule(Strict, frozen=True):
    """An egress rule (B1.3)."""

    name: str | None = None
    action: str = ""
    to: list[ClusterEgressPeer] | None = None
    protocols: list[ClusterProtocol] | None = None


class ClusterNetworkPolicySpec(Strict, frozen=True):
    """What a ClusterNetworkPolicy says (B1.1)."""

    tier: str | None = None
    priority: int | None = None
    subject: ClusterSubject | None = None
    ingress: list[ClusterIngressRule] | None = None
    egress: list[ClusterEgressRule] | None = None


class ClusterNetworkPolicy(Strict, frozen=True):
    """A ClusterNetworkPolicy of ``policy.networking.k8s.io/v1alpha2``."""

    api_version: str = ""
    kind: str = ""
    metadata: PolicyMeta = PolicyMeta()
    spec: ClusterNetworkPolicySpec | None = None
    status: Any = None


# --- v1alpha1 -----------------------------------------------------------------------------------


class AdminPortNumber(Strict, frozen=True):
    """One port; ``protocol`` defaults to TCP (B2.3)."""

    protocol: str | None = None
    port: int | None = None


class AdminPortRange(Strict, frozen=True):
    """Ports ``start`` to ``end``; the schema does not demand ``start < end`` (B2.3)."""

    protocol: str | None = None
    start: int | None = None
    end: int | None = None


class AdminPort(Strict, frozen=True):
    """One element of ``ports``; exactly one field is set, none fails closed (B2.3, B4.8)."""

    port_number: AdminPortNumber | None = None
    port_range: AdminPortRange | None = None
    named_port: str | None = None


class AdminIngressRule(Strict, frozen=True):
    """An ingress rule of v1alpha1 (B2.2)."""

    name: str | None = None
    action: str = ""
    from_: list[ClusterIngressPeer] | None = field(default=None, name="from")
    ports: list[AdminPort] | None = None


class AdminEgressRule(Strict, frozen=True):
    """An egress rule of v1alpha1 (B2.2)."""

    name: str | None = None
    action: str = ""
    to: list[ClusterEgressPeer] | None = None
    ports: list[AdminPort] | None = None


class AdminNetworkPolicySpec(Strict, frozen=True):
    """What an AdminNetworkPolicy says (B2.1)."""

    priority: int | None = None
    subject: ClusterSubject | None = None
    ingress: list[AdminIngressRule] | None = None
    egress: list[AdminEgressRule] | None = None


class AdminNetworkPolicy(Strict, frozen=True):
    """An AdminNetworkPolicy of ``policy.networking.k8s.io/v1alpha1``."""

    api_version: str = ""
    kind: str = ""
    metadata: PolicyMeta = PolicyMeta()
    spec: AdminNetworkPolicySpec | None = None
    status: Any = None


class BaselineAdminNetworkPolicySpec(Strict, frozen=True):
    """What the BaselineAdminNetworkPolicy says: no priority (B2.1)."""

    subject: ClusterSubject | None = None
    ingress: list[AdminIngressRule] | None = None
    egress: list[AdminEgressRule] | None = None


class BaselineAdminNetworkPolicy(Strict, frozen=True):
    """The BaselineAdminNetworkPolicy of ``policy.networking.k8s.io/v1alpha1``."""

    api_version: str = ""
    kind: str = ""
    metadata: PolicyMeta = PolicyMeta()
    spec: BaselineAdminNetworkPolicySpec | None = None
    status: Any = None


ClusterPolicy = ClusterNetworkPolicy | AdminNetworkPolicy | BaselineAdminNetworkPolicy
