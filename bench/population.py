"""Takes workload specifications, gives a cluster: a ``Snapshot`` and who has which address.

The address plan: nodes in 10.0.0.0/16, pods in 10.128.0.0/9 with a /24 for each node, services in
172.20.0.0/14; IPv6 the like in fd00:10::/32. Everything outside those ranges is external.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from netpol.kube.api.objects import (
    Container,
    ContainerPort,
    Endpoint,
    EndpointConditions,
    EndpointPort,
    EndpointSlice,
    HostIP,
    Namespace,
    Node,
    NodeAddress,
    NodeSpec,
    NodeStatus,
    ObjectMeta,
    ObjectReference,
    OwnerReference,
    Pod,
    PodCondition,
    PodIP,
    PodSpec,
    PodStatus,
    Service,
    ServicePort,
    ServiceSpec,
)
from netpol.kube.snapshot import Snapshot

__all__ = [
    "POD_NET",
    "POD_NET6",
    "PROTOCOLS",
    "Population",
    "PortSpec",
    "Workload",
    "build_cluster",
    "ipv4_texts",
]

Array = npt.NDArray[Any]

NODE_NET = int(ipaddress.IPv4Address("10.0.0.0"))
POD_NET = int(ipaddress.IPv4Address("10.128.0.0"))
SERVICE_NET = int(ipaddress.IPv4Address("172.20.0.0"))
NODE_NET6 = int(ipaddress.IPv6Address("fd00:10::"))
POD_NET6 = int(ipaddress.IPv6Address("fd00:10:128::"))
SERVICE_NET6 = int(ipaddress.IPv6Address("fd00:10:172::"))

#: Pods on one node; real clusters keep below 110, a /24 holds 253.
PODS_PER_NODE = 60
SLICE_SIZE = 100
PROTOCOLS = {"TCP": 6, "UDP": 17, "SCTP": 132}
CREATED = "2026-01-10T08:00:00Z"
STARTED = "2026-01-10T08:00:20Z"


class PortSpec(NamedTuple):
    """A port a workload declares and serves."""

    name: str
    number: int
    protocol: str = "TCP"


class Workload(NamedTuple):
    """Pods made from one template: equal labels and ports."""

    namespace: str
    name: str
    labels: dict[str, str]
    ports: tuple[PortSpec, ...]
    size: int


@dataclass(frozen=True, slots=True)
class Population:
    """Who has which address, as arrays: what flows are drawn from.

    ``pod_*`` are of the pods with an address of their own (hostNetwork pods left out), the pods of
    workload ``w`` being ``workload_start[w]:workload_start[w + 1]``. Addresses are ``uint32[n]``
    in host order and ``uint8[n, 16]`` in network order, None without IPv6.
    """

    pod_v4: Array
    pod_v6: Array | None
    pod_port: Array  # uint16[P], a port the pod serves
    pod_protocol: Array  # uint8[P]
    workload_start: Array  # int64[W + 1]
    node_v4: Array
    node_v6: Array | None
    service_v4: Array
    service_v6: Array | None
    service_port: Array  # uint16[S], as dialled
    service_protocol: Array  # uint8[S]
    service_workload: Array  # int64[S], whose pods are the backends


def ipv4_texts(addresses: Array) -> list[str]:
    """Return the dotted text of ``uint32[n]`` addresses."""
    octets = [((addresses >> shift) & 255).tolist() for shift in (24, 16, 8, 0)]
    return [f"{a}.{b}.{c}.{d}" for a, b, c, d in zip(*octets, strict=True)]


def ipv6_texts(addresses: Array | None) -> list[str] | None:
    """Return the canonical text of ``uint8[n, 16]`` addresses, None for None."""
    if addresses is None:
        return None
    return [str(ipaddress.IPv6Address(row.tobytes())) for row in addresses]


def _v6(network: int, *parts: tuple[Array, int]) -> Array:
    """Return ``network`` with each array added at a bit position, as ``uint8[n, 16]``.

    Positions must be multiples of 16 and values below 65536.
    """
    out = np.zeros((len(parts[0][0]), 16), np.uint8)
    out[:] = np.frombuffer(network.to_bytes(16, "big"), np.uint8)
    for values, shift in parts:
        byte = 14 - shift // 8
        out[:, byte] = values >> 8
        out[:, byte + 1] = values & 255
    return out


def _nodes(count: int, *, ipv6: bool) -> tuple[tuple[Node, ...], Array, Array | None]:
    """Return nodes ``node-0000`` on, each with a /24 (and a /64) for its pods."""
    index = np.arange(count)
    v4 = (NODE_NET + 256 * (1 + index // 200) + 10 + index % 200).astype(np.uint32)
    v6 = _v6(NODE_NET6, (index + 10, 0)) if ipv6 else None
    v6_texts = ipv6_texts(v6)
    nodes = []
    for i, text in enumerate(ipv4_texts(v4)):
        cidrs = [f"{ipaddress.IPv4Address(POD_NET + 256 * i)}/24"]
        addresses = [NodeAddress(type="InternalIP", address=text)]
        if v6_texts:
            cidrs.append(f"{ipaddress.IPv6Address(POD_NET6 + (i << 64))}/64")
            addresses.append(NodeAddress(type="InternalIP", address=v6_texts[i]))
        name = f"node-{i:04d}"
        addresses.append(NodeAddress(type="Hostname", address=name))
        labels = {
            "kubernetes.io/hostname": name,
            "topology.kubernetes.io/zone": f"zone-{i % 3}",
            "kubernetes.io/os": "linux",
        }
        nodes.append(
            Node(
                metadata=ObjectMeta(name=name, labels=labels, creation_timestamp=CREATED),
                spec=NodeSpec(pod_cidr=cidrs[0], pod_cidrs=cidrs),
                status=NodeStatus(addresses=addresses),
            )
        )
    return tuple(nodes), v4, v6


def _container(workload: Workload) -> Container:
    ports = [
        ContainerPort(name=p.name, container_port=p.number, protocol=p.protocol)
        for p in workload.ports
    ]
    return Container(name=workload.name, ports=ports or None)


def _pod(
    workload: Workload,
    ordinal: int,
    node: Node,
    addresses: list[str],
    template: list[Container],
    *,
    host_network: bool = False,
) -> Pod:
    host = [a.address for a in node.status.addresses if a.type == "InternalIP"]  # type: ignore[union-attr]
    return Pod(
        metadata=ObjectMeta(
            name=f"{workload.name}-{ordinal}",
            namespace=workload.namespace,
            labels=workload.labels,
            creation_timestamp=CREATED,
            owner_references=[
                OwnerReference(
                    kind="DaemonSet" if host_network else "ReplicaSet",
                    name=workload.name,
                    controller=True,
                )
            ],
        ),
        spec=PodSpec(
            dns_policy="ClusterFirst",
            node_name=node.metadata.name,
            host_network=True if host_network else None,
            containers=template,
        ),
        status=PodStatus(
            phase="Running",
            pod_ip=addresses[0],
            pod_ips=[PodIP(ip=text) for text in addresses],
            host_ip=host[0],
            host_ips=[HostIP(ip=text) for text in host],
            start_time=STARTED,
            conditions=[PodCondition(type="Ready", status="True")],
        ),
    )


def _host_network_pods(nodes: tuple[Node, ...]) -> list[Pod]:
    """Return the node agent every real cluster runs: one hostNetwork pod a node."""
    agent = Workload("kube-system", "node-agent", {"k8s-app": "node-agent"}, (), len(nodes))
    template = [_container(agent)]
    pods = []
    for i, node in enumerate(nodes):
        own = [a.address for a in node.status.addresses if a.type == "InternalIP"]  # type: ignore[union-attr]
        pods.append(_pod(agent, i, node, own, template, host_network=True))
    return pods


def _services(
    workloads: list[Workload], chosen: list[int], v4: list[str], v6: list[str] | None
) -> list[Service]:
    services = []
    for i, w in enumerate(chosen):
        workload = workloads[w]
        addresses = [v4[i]] + ([v6[i]] if v6 else [])
        ports = [
            ServicePort(name=p.name, port=_dialled(p), target_port=p.name, protocol=p.protocol)
            for p in workload.ports
        ]
        services.append(
            Service(
                metadata=ObjectMeta(
                    name=workload.name, namespace=workload.namespace, creation_timestamp=CREATED
                ),
                spec=ServiceSpec(
                    type="ClusterIP",
                    cluster_ip=addresses[0],
                    cluster_ips=addresses,
                    selector={"app.kubernetes.io/instance": workload.name},
                    ports=ports,
                ),
            )
        )
    return services


def _dialled(port: PortSpec) -> int:
    """Return the service port in front of a container port: web ports are dialled as 80."""
    return {8080: 80, 8443: 443, 5353: 53}.get(port.number, port.number)


def _slices(
    workload: Workload, service: Service, pods: list[Pod], *, ipv6: bool
) -> list[EndpointSlice]:
    """Return the EndpointSlices of a service: each family, at most 100 endpoints a slice."""
    ports = [EndpointPort(name=p.name, port=p.number, protocol=p.protocol) for p in workload.ports]
    ready = EndpointConditions(ready=True, serving=True, terminating=False)
    out = []
    for family, address_type in enumerate(("IPv4", "IPv6") if ipv6 else ("IPv4",)):
        for start in range(0, len(pods), SLICE_SIZE):
            endpoints = [
                Endpoint(
                    addresses=[pod.status.pod_ips[family].ip],  # type: ignore[union-attr,index]
                    conditions=ready,
                    target_ref=ObjectReference(
                        kind="Pod", name=pod.metadata.name, namespace=workload.namespace
                    ),
                    node_name=pod.spec.node_name,  # type: ignore[union-attr]
                )
                for pod in pods[start : start + SLICE_SIZE]
            ]
            metadata = ObjectMeta(
                name=f"{service.metadata.name}-{address_type.lower()}-{start // SLICE_SIZE}",
                namespace=workload.namespace,
                labels={"kubernetes.io/service-name": service.metadata.name},
                creation_timestamp=CREATED,
            )
            out.append(
                EndpointSlice(
                    metadata=metadata, address_type=address_type, endpoints=endpoints, ports=ports
                )
            )
    return out


def _pod_addresses(
    sizes: Array, nodes: int, rng: np.random.Generator, *, ipv6: bool
) -> tuple[Array, Array, Array | None]:
    """Return node index, IPv4 and IPv6 of every pod, a workload's pods spread over nodes."""
    place = rng.permutation(int(sizes.sum()))
    node, slot = place % nodes, place // nodes
    v4 = (POD_NET + 256 * node + 2 + slot).astype(np.uint32)
    v6 = _v6(POD_NET6, (node, 64), (slot + 2, 0)) if ipv6 else None
    return node, v4, v6


def build_cluster(
    namespaces: list[Namespace],
    workloads: list[Workload],
    rng: np.random.Generator,
    *,
    ipv6: bool = False,
    endpoint_slices: bool = True,
    host_network: int = 0,
) -> tuple[Snapshot, Population]:
    """Place workloads on nodes and give the snapshot and its population.

    Parameters
    ----------
    namespaces, workloads
        What there is; the pods come in the order of ``workloads``.
    rng
        Decides places and addresses.
    ipv6
        Dual stack: every pod, node and service also gets an IPv6 address.
    endpoint_slices
        Whether the snapshot holds EndpointSlices; without any, backends follow selectors (R7).
    host_network
        How many nodes run a hostNetwork agent pod besides (taken from the front).
    """
    sizes = np.array([w.size for w in workloads], np.int64)
    node_count = max(2, -(-int(sizes.sum()) // PODS_PER_NODE), host_network)
    nodes, node_v4, node_v6 = _nodes(node_count, ipv6=ipv6)
    pod_node, pod_v4, pod_v6 = _pod_addresses(sizes, node_count, rng, ipv6=ipv6)
    texts, texts6, node_of = ipv4_texts(pod_v4), ipv6_texts(pod_v6), pod_node.tolist()
    start = np.concatenate([[0], np.cumsum(sizes)])

    pods: list[Pod] = []
    for workload in workloads:
        template = [_container(workload)]
        for ordinal in range(workload.size):
            i = len(pods)
            addresses = [texts[i]] + ([texts6[i]] if texts6 else [])
            pods.append(_pod(workload, ordinal, nodes[node_of[i]], addresses, template))

    chosen = [w for w, workload in enumerate(workloads) if workload.ports]
    index = np.arange(len(chosen))
    service_v4 = (SERVICE_NET + 10 + index).astype(np.uint32)
    service_v6 = _v6(SERVICE_NET6, (index >> 16, 16), ((index + 10) & 65535, 0)) if ipv6 else None
    services = _services(workloads, chosen, ipv4_texts(service_v4), ipv6_texts(service_v6))
    slices: list[EndpointSlice] = []
    if endpoint_slices:
        for w, service in zip(chosen, services, strict=True):
            backends = pods[start[w] : start[w + 1]]
            slices += _slices(workloads[w], service, backends, ipv6=ipv6)

    first = [w.ports[0] if w.ports else PortSpec("none", 9999) for w in workloads]
    population = Population(
        pod_v4=pod_v4,
        pod_v6=pod_v6,
        pod_port=np.repeat(np.array([p.number for p in first], np.uint16), sizes),
        pod_protocol=np.repeat(np.array([PROTOCOLS[p.protocol] for p in first], np.uint8), sizes),
        workload_start=start,
        node_v4=node_v4,
        node_v6=node_v6,
        service_v4=service_v4,
        service_v6=service_v6,
        service_port=np.array([_dialled(first[w]) for w in chosen], np.uint16),
        service_protocol=np.array([PROTOCOLS[first[w].protocol] for w in chosen], np.uint8),
        service_workload=np.array(chosen, np.int64),
    )
    snapshot = Snapshot(
        namespaces=tuple(namespaces),
        pods=(*pods, *_host_network_pods(nodes[:host_network])),
        nodes=nodes,
        services=tuple(services),
        endpoint_slices=tuple(slices),
    )
    return snapshot, population
