"""The Kubernetes objects netpol reads, as msgspec Structs holding only the fields it uses.

Field names follow the API in snake_case and (de)serialise in camelCase. ``null`` anywhere means
absent (specification.md A0.5): list and map fields decode ``null`` as ``None``. Policies forbid
unknown fields (A1.2); the other kinds ignore what they do not use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec import Struct, field

__all__ = [
    "Container",
    "ContainerPort",
    "ContainerState",
    "ContainerStateTerminated",
    "ContainerStatus",
    "Endpoint",
    "EndpointConditions",
    "EndpointPort",
    "EndpointSlice",
    "HostIP",
    "IPBlock",
    "LabelSelector",
    "LabelSelectorRequirement",
    "LoadBalancerIngress",
    "LoadBalancerStatus",
    "Namespace",
    "NetworkPolicy",
    "NetworkPolicyEgressRule",
    "NetworkPolicyIngressRule",
    "NetworkPolicyPeer",
    "NetworkPolicyPort",
    "NetworkPolicySpec",
    "Node",
    "NodeAddress",
    "NodeSpec",
    "NodeStatus",
    "ObjectMeta",
    "ObjectReference",
    "OwnerReference",
    "Pod",
    "PodCondition",
    "PodIP",
    "PodSpec",
    "PodStatus",
    "PolicyMeta",
    "Service",
    "ServicePort",
    "ServiceSpec",
    "ServiceStatus",
    "Source",
]


class Source(NamedTuple):
    """Where an object was read: the file, the line it begins on, and lines of fields inside it.

    ``lines`` maps a dotted path such as ``spec.ingress[0].from[1].ipBlock.cidr`` to its 1-based
    line; it is only filled for policies. ``line_of`` falls back to the nearest enclosing path.
    """

    file: str
    line: int
    lines: Mapping[str, int] = {}

    def line_of(self, path: str) -> int:
        """Return the line of a dotted field path, or of the nearest enclosing field known."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.line


_ACRONYMS = {"ip": "IP", "ips": "IPs", "cidr": "CIDR", "cidrs": "CIDRs"}


def _api_name(name: str) -> str:
    """Return the API spelling: ``pod_ips`` -> ``podIPs``, ``match_labels`` -> ``matchLabels``."""
    head, *tail = name.rstrip("_").split("_")
    return head + "".join(_ACRONYMS.get(word, word.capitalize()) for word in tail)


# gc=False: trees without cycles, which the collector need not look at: 3 to 12 % less time to load
# 100 000 pods.
class Lenient(Struct, rename=_api_name, kw_only=True, frozen=True, gc=False):
    """Base of kinds whose unused fields are ignored."""


class Strict(
    Struct, rename=_api_name, kw_only=True, frozen=True, forbid_unknown_fields=True, gc=False
):
    """Base of policy parts: an unknown field is an error (A1.2)."""


# --- shared -----------------------------------------------------------------------------------


class OwnerReference(Lenient, frozen=True):
    """Names the controller that made an object."""

    kind: str = ""
    name: str = ""
    controller: bool | None = None


class ObjectMeta(Lenient, frozen=True):
    """Name, namespace and labels of any object; times are RFC 3339 text as written."""

    name: str = ""
    namespace: str | None = None
    uid: str | None = None
    labels: dict[str, str] | None = None
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    owner_references: list[OwnerReference] | None = None


class PolicyMeta(Strict, frozen=True):
    """Metadata of a policy: as ``ObjectMeta``, but a misspelt field is an error (A1.2)."""

    name: str = ""
    generate_name: str | None = None
    namespace: str | None = None
    uid: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    resource_version: str | None = None
    generation: int | None = None
    self_link: str | None = None
    owner_references: list[Any] | None = None
    finalizers: list[str] | None = None
    managed_fields: list[Any] | None = None


class LabelSelectorRequirement(Strict, frozen=True):
    """One requirement of ``matchExpressions``."""

    key: str = ""
    operator: str = ""
    values: list[str] | None = None


class LabelSelector(Strict, frozen=True):
    """``matchLabels`` and ``matchExpressions``, all ANDed (A3.1)."""

    match_labels: dict[str, str] | None = None
    match_expressions: list[LabelSelectorRequirement] | None = None


# --- cluster ----------------------------------------------------------------------------------


class Namespace(Lenient, frozen=True):
    """A namespace; A2.4 sets its ``kubernetes.io/metadata.name`` label."""

    metadata: ObjectMeta = ObjectMeta()


class NodeAddress(Lenient, frozen=True):
    """One of ``status.addresses``; any type whose value parses as an address counts."""

    type: str = ""
    address: str = ""


class NodeSpec(Lenient, frozen=True):
    """Ranges that pods on the node get addresses from."""

    pod_cidr: str | None = None
    pod_cidrs: list[str] | None = None


class NodeStatus(Lenient, frozen=True):
    """Addresses of the node."""

    addresses: list[NodeAddress] | None = None


class Node(Lenient, frozen=True):
    """A node."""

    metadata: ObjectMeta = ObjectMeta()
    spec: NodeSpec | None = None
    status: NodeStatus | None = None


class ContainerPort(Lenient, frozen=True):
    """A declared port; only its name matters to policies (A8.8). ``protocol`` None is TCP."""

    name: str | None = None
    container_port: int = 0
    host_port: int | None = None
    protocol: str | None = None


class Container(Lenient, frozen=True):
    """A container; ``restart_policy`` Always marks a sidecar among init containers (A8.5)."""

    name: str = ""
    ports: list[ContainerPort] | None = None
    restart_policy: str | None = None


class PodSpec(Lenient, frozen=True):
    """Where a pod runs, which ports its containers declare, and which DNS it asks."""

    node_name: str | None = None
    host_network: bool | None = None
    dns_policy: str | None = None
    containers: list[Container] | None = None
    init_containers: list[Container] | None = None


class PodIP(Lenient, frozen=True):
    """One address of a pod."""

    ip: str = ""


class HostIP(Lenient, frozen=True):
    """One address of the pod's node."""

    ip: str = ""


class ContainerStateTerminated(Lenient, frozen=True):
    """When a container ended."""

    finished_at: str | None = None


class ContainerState(Lenient, frozen=True):
    """State of a container; only an end matters here."""

    terminated: ContainerStateTerminated | None = None


class ContainerStatus(Lenient, frozen=True):
    """Status of a container."""

    state: ContainerState | None = None


class PodCondition(Lenient, frozen=True):
    """A condition such as Ready."""

    type: str = ""
    status: str = ""


class PodStatus(Lenient, frozen=True):
    """Phase, addresses and times of a pod."""

    phase: str | None = None
    pod_ip: str | None = None
    pod_ips: list[PodIP] | None = None
    host_ip: str | None = None
    host_ips: list[HostIP] | None = None
    start_time: str | None = None
    conditions: list[PodCondition] | None = None
    container_statuses: list[ContainerStatus] | None = None


class Pod(Lenient, frozen=True):
    """A pod."""

    metadata: ObjectMeta = ObjectMeta()
    spec: PodSpec | None = None
    status: PodStatus | None = None


class ServicePort(Lenient, frozen=True):
    """One port of a service; ``protocol`` None is TCP."""

    name: str | None = None
    port: int = 0
    target_port: int | str | None = None
    node_port: int | None = None
    protocol: str | None = None


class ServiceSpec(Lenient, frozen=True):
    """Addresses, ports and backends of a service."""

    type: str | None = None
    cluster_ip: str | None = None
    cluster_ips: list[str] | None = None
    external_ips: list[str] | None = None
    selector: dict[str, str] | None = None
    ports: list[ServicePort] | None = None
    external_traffic_policy: str | None = None
    internal_traffic_policy: str | None = None


class LoadBalancerIngress(Lenient, frozen=True):
    """One address of a load balancer; ``ip_mode`` Proxy: nodes do not translate it (A15.10)."""

    ip: str | None = None
    ip_mode: str | None = None


class LoadBalancerStatus(Lenient, frozen=True):
    """Addresses of a load balancer."""

    ingress: list[LoadBalancerIngress] | None = None


class ServiceStatus(Lenient, frozen=True):
    """Status of a service."""

    load_balancer: LoadBalancerStatus | None = None


class Service(Lenient, frozen=True):
    """A service."""

    metadata: ObjectMeta = ObjectMeta()
    spec: ServiceSpec | None = None
    status: ServiceStatus | None = None


class ObjectReference(Lenient, frozen=True):
    """Names another object."""

    kind: str | None = None
    name: str | None = None
    namespace: str | None = None


class EndpointConditions(Lenient, frozen=True):
    """Readiness of an endpoint; None means unknown, which counts as ready (C6)."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class Endpoint(Lenient, frozen=True):
    """One backend of a service."""

    addresses: list[str] = []
    conditions: EndpointConditions | None = None
    target_ref: ObjectReference | None = None
    node_name: str | None = None


class EndpointPort(Lenient, frozen=True):
    """One port of a slice; ``port`` None means all ports."""

    name: str | None = None
    protocol: str | None = None
    port: int | None = None


class EndpointSlice(Lenient, frozen=True):
    """Backends of a service; the label ``kubernetes.io/service-name`` names it."""

    metadata: ObjectMeta = ObjectMeta()
    address_type: str = ""
    endpoints: list[Endpoint] | None = None
    ports: list[EndpointPort] | None = None


# --- policies ---------------------------------------------------------------------------------


class IPBlock(Strict, frozen=True):
    """A CIDR less its ``except`` ranges (A6)."""

    cidr: str = ""
    except_: list[str] | None = None


class NetworkPolicyPeer(Strict, frozen=True):
    """One element of ``from`` or ``to`` (A5)."""

    pod_selector: LabelSelector | None = None
    namespace_selector: LabelSelector | None = None
    ip_block: IPBlock | None = field(name="ipBlock", default=None)


class NetworkPolicyPort(Strict, frozen=True):
    """One element of ``ports`` (A7); a YAML integer is a number, a quoted scalar a name (A0.4)."""

    protocol: str | None = None
    port: int | str | None = None
    end_port: int | None = None


class NetworkPolicyIngressRule(Strict, frozen=True):
    """One ingress rule; ``from_`` None or empty is every source (A4)."""

    from_: list[NetworkPolicyPeer | None] | None = None
    ports: list[NetworkPolicyPort | None] | None = None


class NetworkPolicyEgressRule(Strict, frozen=True):
    """One egress rule; ``to`` None or empty is every destination (A4)."""

    to: list[NetworkPolicyPeer | None] | None = None
    ports: list[NetworkPolicyPort | None] | None = None


class NetworkPolicySpec(Strict, frozen=True):
    """The spec as written: not yet defaulted (A2), not yet validated (A1)."""

    pod_selector: LabelSelector | None = None
    policy_types: list[str] | None = None
    ingress: list[NetworkPolicyIngressRule | None] | None = None
    egress: list[NetworkPolicyEgressRule | None] | None = None


class NetworkPolicy(Strict, frozen=True):
    """A NetworkPolicy ``networking.k8s.io/v1`` as written."""

    api_version: str = "networking.k8s.io/v1"
    kind: str = "NetworkPolicy"
    metadata: PolicyMeta = PolicyMeta()
    spec: NetworkPolicySpec | None = None
    status: Any = None
