"""Takes an object's apiVersion and kind, says what netpol does with it."""

from __future__ import annotations

from netpol.kube.api.cluster_objects import (
    AdminNetworkPolicy,
    BaselineAdminNetworkPolicy,
    ClusterNetworkPolicy,
    ClusterPolicy,
)
from netpol.kube.api.objects import EndpointSlice, Namespace, NetworkPolicy, Node, Pod, Service
from netpol.kube.api.unjudged_kinds import OWN_POLICY_GROUPS, POLICY_SUFFIX, group_of
from netpol.model.errors import Location, ManifestError

__all__ = [
    "CLUSTER_KINDS",
    "CLUSTER_POLICY_KINDS",
    "POLICY_KINDS",
    "is_workload",
    "refuse_policy",
]

CLUSTER_KINDS: dict[
    tuple[str, str],
    type[Namespace] | type[Pod] | type[Node] | type[Service] | type[EndpointSlice],
] = {
    ("v1", "Namespace"): Namespace,
    ("v1", "Pod"): Pod,
    ("v1", "Node"): Node,
    ("v1", "Service"): Service,
    ("discovery.k8s.io/v1", "EndpointSlice"): EndpointSlice,
    # The fields netpol uses are the same in both.
    ("discovery.k8s.io/v1beta1", "EndpointSlice"): EndpointSlice,
}

_POLICY_GROUP = "policy.networking.k8s.io"

#: The cluster-scoped policies netpol judges by (B1, B2).
CLUSTER_POLICY_KINDS: dict[tuple[str, str], type[ClusterPolicy]] = {
    (f"{_POLICY_GROUP}/v1alpha2", "ClusterNetworkPolicy"): ClusterNetworkPolicy,
    (f"{_POLICY_GROUP}/v1alpha1", "AdminNetworkPolicy"): AdminNetworkPolicy,
    (f"{_POLICY_GROUP}/v1alpha1", "BaselineAdminNetworkPolicy"): BaselineAdminNetworkPolicy,
}

#: Every policy netpol judges by (A0.1).
POLICY_KINDS: dict[tuple[str, str], type[NetworkPolicy | ClusterPolicy]] = {
    ("networking.k8s.io/v1", "NetworkPolicy"): NetworkPolicy,
    **CLUSTER_POLICY_KINDS,
}

_CLUSTER_POLICY_VERSIONS = {kind.lower(): (version, kind) for version, kind in CLUSTER_POLICY_KINDS}

_WORKLOADS = frozenset(
    (
        "Deployment",
        "ReplicaSet",
        "StatefulSet",
        "DaemonSet",
        "Job",
        "CronJob",
        "ReplicationController",
    )
)
_WORKLOAD_GROUPS = frozenset(("", "apps", "batch", "extensions"))

# Groups where a policy may have been written by mistake.
_OWN_GROUPS = ("networking.k8s.io", "extensions", "")


def is_workload(api_version: str, kind: str) -> bool:
    """Return whether an object makes pods."""
    return kind in _WORKLOADS and group_of(api_version) in _WORKLOAD_GROUPS


def refuse_policy(api_version: str, kind: str, location: Location) -> ManifestError | None:
    """Return the error for a policy of Kubernetes' own APIs that would be silently skipped (A0.1).

    None for everything else; ``unjudged_kinds`` knows the policies of other dialects.
    """
    group = group_of(api_version)
    if group in _OWN_GROUPS and kind.lower() == "networkpolicy":
        wanted = "write apiVersion networking.k8s.io/v1, kind NetworkPolicy"
        if group == "extensions":
            wanted = f"no longer served since Kubernetes 1.16; {wanted}"
        return ManifestError(f"{kind} of {api_version}: {wanted}", location)
    if group in OWN_POLICY_GROUPS and kind.lower() in _CLUSTER_POLICY_VERSIONS:
        version, name = _CLUSTER_POLICY_VERSIONS[kind.lower()]
        wanted = f"not supported; write apiVersion {version}, kind {name}"
        return ManifestError(f"{kind} of {api_version}: {wanted}", location)
    if group == _POLICY_GROUP or (group in OWN_POLICY_GROUPS and kind.endswith(POLICY_SUFFIX)):
        return ManifestError(f"{kind} of {api_version}: not supported yet", location)
    return None
