"""Takes policies and the cluster they are for, gives remarks that need both to be seen."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator

from netpol.kube.addresses import Network, parse_address, parse_cidr
from netpol.kube.matching import selects
from netpol.kube.objects import Container, NetworkPolicyPort, NetworkPolicySpec, Pod
from netpol.kube.policies import LoadedPolicy, PolicySet
from netpol.kube.snapshot import Snapshot
from netpol.switches import Switches

__all__ = ["lint_cluster"]

Remark = tuple[str, str, str]
PortName = tuple[str, str]  # protocol, name


def lint_cluster(
    policies: PolicySet, snapshot: Snapshot, switches: Switches
) -> Iterator[tuple[LoadedPolicy, list[Remark]]]:
    """Give each policy with its remarks as (code, dotted field path, message)."""
    pods = _Pods(snapshot, switches)
    addresses = _Addresses(snapshot)
    for loaded in policies.policies:
        spec = loaded.policy.spec or NetworkPolicySpec()
        subjects = pods.selected(loaded.policy.metadata.namespace or "default", spec)
        remarks = [
            *_no_subject(subjects),
            *_port_names(spec, subjects, pods),
            *_service_addresses(spec, addresses),
        ]
        if remarks:
            yield loaded, remarks


# --- pods -------------------------------------------------------------------------------------


class _Group:
    """Pods of one namespace with equal labels: how many, and the port names they declare."""

    def __init__(self, labels: dict[str, str]) -> None:
        self.labels = labels
        self.ports: set[PortName] = set()


class _Pods:
    """The pods that policies can select, grouped by namespace and labels."""

    def __init__(self, snapshot: Snapshot, switches: Switches) -> None:
        self._groups: dict[str, dict[frozenset[tuple[str, str]], _Group]] = defaultdict(dict)
        self.ports: set[PortName] = set()
        for pod in snapshot.pods:
            host = pod.spec is not None and pod.spec.host_network
            if host and switches.host_network == "node":
                continue  # A12.1: no policy selects it
            labels = pod.metadata.labels or {}
            groups = self._groups[pod.metadata.namespace or "default"]
            group = groups.setdefault(frozenset(labels.items()), _Group(labels))
            group.ports.update(_declared(pod, switches))
        for groups in self._groups.values():
            for group in groups.values():
                self.ports |= group.ports

    def selected(self, namespace: str, spec: NetworkPolicySpec) -> list[_Group]:
        groups = self._groups.get(namespace, {}).values()
        return [group for group in groups if selects(spec.pod_selector, group.labels)]


def _declared(pod: Pod, switches: Switches) -> Iterator[PortName]:
    """Give the port names a pod declares, init containers as ``named_port_init`` says (A8.5)."""
    if pod.spec is None:
        return
    containers: list[Container] = list(pod.spec.containers or ())
    for container in pod.spec.init_containers or ():
        sidecar = container.restart_policy == "Always"
        if switches.named_port_init == "all-init" or (
            switches.named_port_init == "sidecars" and sidecar
        ):
            containers.append(container)
    for container in containers:
        for port in container.ports or ():
            if port.name:
                yield port.protocol or "TCP", port.name


def _no_subject(subjects: list[_Group]) -> Iterator[Remark]:
    if not subjects:
        yield (
            "selects-nothing",
            "spec.podSelector",
            "selects no pod of the cluster (hostNetwork pods cannot be selected)",
        )


def _port_names(spec: NetworkPolicySpec, subjects: list[_Group], pods: _Pods) -> Iterator[Remark]:
    """Find names that no possible destination declares: such a port never matches (A8)."""
    own = {name for group in subjects for name in group.ports}
    types = spec.policy_types or ()
    if subjects and "Ingress" in types:
        for i, ingress in enumerate(spec.ingress or ()):
            ports = (ingress.ports if ingress else None) or ()
            yield from _undeclared(f"spec.ingress[{i}].ports", ports, own, "no selected pod")
    if subjects and "Egress" in types:
        for i, egress in enumerate(spec.egress or ()):
            ports = (egress.ports if egress else None) or ()
            yield from _undeclared(f"spec.egress[{i}].ports", ports, pods.ports, "no pod")


def _undeclared(
    path: str,
    ports: list[NetworkPolicyPort | None] | tuple[()],
    declared: set[PortName],
    nobody: str,
) -> Iterator[Remark]:
    for i, port in enumerate(ports):
        if port is None or not isinstance(port.port, str):
            continue
        protocol = port.protocol or "TCP"
        if (protocol, port.port) not in declared:
            yield (
                "undeclared-port-name",
                f"{path}[{i}].port",
                f"{nobody} declares a {protocol} port named {port.port!r}, so this matches nothing",
            )


# --- service addresses ------------------------------------------------------------------------


class _Sorted:
    """Addresses as sorted integers by family, to be asked by range."""

    def __init__(self, texts: Iterator[str]) -> None:
        values: dict[int, list[int]] = {4: [], 6: []}
        for text in texts:
            address = parse_address(text)
            values[address.version].append(int(address))
        self._values = {version: sorted(found) for version, found in values.items()}

    def within(self, network: Network) -> bool:
        values = self._values[network.version]
        at = bisect_left(values, int(network.network_address))
        return at < len(values) and values[at] <= int(network.broadcast_address)


class _Addresses:
    """Service addresses against the addresses that policies do compare (A15.1, A15.3)."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.cluster_ips = _Sorted(_cluster_ips(snapshot))
        self.external_ips = _Sorted(_external_ips(snapshot))
        self.endpoints = _Sorted(_endpoint_ips(snapshot))


def _cluster_ips(snapshot: Snapshot) -> Iterator[str]:
    for service in snapshot.services:
        spec = service.spec
        if spec is not None:
            for text in spec.cluster_ips or [spec.cluster_ip or ""]:
                if text not in ("", "None"):
                    yield text


def _external_ips(snapshot: Snapshot) -> Iterator[str]:
    for service in snapshot.services:
        if service.spec is not None:
            yield from service.spec.external_ips or ()
        if service.status is not None and service.status.load_balancer is not None:
            for ingress in service.status.load_balancer.ingress or ():
                if ingress.ip:
                    yield ingress.ip


def _endpoint_ips(snapshot: Snapshot) -> Iterator[str]:
    for pod in snapshot.pods:
        if pod.status is not None:
            yield from (each.ip for each in pod.status.pod_ips or ())
            if pod.status.pod_ip:
                yield pod.status.pod_ip
    for node in snapshot.nodes:
        if node.status is not None:
            yield from (
                each.address for each in node.status.addresses or () if _is_ip(each.address)
            )


def _is_ip(text: str) -> bool:
    try:
        parse_address(text)
    except ValueError:
        return False
    return True


def _service_addresses(spec: NetworkPolicySpec, addresses: _Addresses) -> Iterator[Remark]:
    """Find ranges that hold service addresses and no address a policy would ever see."""
    for i, ingress in enumerate(spec.ingress or ()):
        for j, peer in enumerate((ingress.from_ if ingress else None) or ()):
            if peer is not None and peer.ip_block is not None:
                network = parse_cidr(peer.ip_block.cidr).network
                if addresses.cluster_ips.within(network) and _is_narrow(network, addresses):
                    yield _names_service(f"spec.ingress[{i}].from[{j}].ipBlock.cidr", network)
    for i, egress in enumerate(spec.egress or ()):
        for j, peer in enumerate((egress.to if egress else None) or ()):
            if peer is not None and peer.ip_block is not None:
                network = parse_cidr(peer.ip_block.cidr).network
                vip = addresses.cluster_ips.within(network) or addresses.external_ips.within(
                    network
                )
                if vip and _is_narrow(network, addresses):
                    yield _names_service(f"spec.egress[{i}].to[{j}].ipBlock.cidr", network)


def _is_narrow(network: Network, addresses: _Addresses) -> bool:
    return network.prefixlen > 0 and not addresses.endpoints.within(network)


def _names_service(path: str, network: Network) -> Remark:
    return (
        "ipblock-names-service",
        path,
        f"{network} holds addresses of services and of no pod or node: policies see the pod "
        "behind a service, not the service's address; select the pods instead",
    )
