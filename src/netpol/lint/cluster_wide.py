"""Takes cluster-scoped policies and their cluster, gives findings that need both to be seen."""

from __future__ import annotations

from collections.abc import Iterator

from netpol.kube.api.addresses import Network, parse_cidr
from netpol.kube.api.cluster_objects import (
    AdminPort,
    ClusterEgressPeer,
    ClusterPolicy,
    ClusterSubject,
)
from netpol.kube.api.cluster_rules import (
    ClusterPeer,
    RuleAt,
    cluster_rules,
    named_ports,
    selectors_of,
)
from netpol.kube.api.objects import LabelSelector
from netpol.kube.read.findings import Finding, Remark, placed
from netpol.kube.validation.policies import is_valid_selector
from netpol.lint.namespaced import selects_nothing
from netpol.lint.peers import no_match, unmatched_pods
from netpol.lint.ranges import KnownAddresses
from netpol.lint.selection import PodGroup, Selection, readable
from netpol.lint.service_ports import ServicePorts, service_port
from netpol.lint.sources import one_family_of
from netpol.lint.world import World

__all__ = ["lint_cluster_wide"]


def lint_cluster_wide(world: World, addresses: KnownAddresses) -> Iterator[Finding]:
    """Yield the findings on each cluster-scoped policy, in the order of its fields."""
    if not world.cluster_policies:
        return
    selection = world.selection
    service_ports = ServicePorts(world)
    if world.switches.host_network == "pod":
        # B6.1: whatever the switch for NetworkPolicies says.
        selection = Selection(world.snapshot, world.switches, host_network=False)
    for loaded in world.cluster_policies:
        subject = loaded.policy.spec.subject if loaded.policy.spec is not None else None
        if subject is None or not _readable(subject):
            continue
        subjects = selection.in_namespaces(*_selected(subject))
        remarks = []
        if not subjects:
            hosts = selection.hosts_in_namespaces(*_selected(subject))
            remarks.append(selects_nothing("spec.subject", hosts))
        for rule in cluster_rules(loaded.policy):
            if subjects:
                remarks += [*_ports(rule, subjects, selection), *_selectors(rule, selection)]
                remarks += _service_ports(rule, subjects, selection, service_ports)
            remarks += [*_networks(rule, addresses)]
        remarks += _one_family(loaded.policy, subjects)
        for remark in remarks:
            yield placed(remark, loaded.source, loaded.label)


def _readable(subject: ClusterSubject) -> bool:
    return all(is_valid_selector(each) for _, each in selectors_of("", subject))


def _selected(
    element: ClusterSubject | ClusterPeer,
) -> tuple[LabelSelector | None, LabelSelector | None]:
    """Return the selectors of namespaces and of pods; None is everything (B1.2)."""
    if element.pods is not None:
        return element.pods.namespace_selector, element.pods.pod_selector
    return element.namespaces, None


def _ports(rule: RuleAt, subjects: list[PodGroup], selection: Selection) -> Iterator[Remark]:
    """Find names that no possible destination declares; the protocol is the pod's (B4.5)."""
    if rule.ingress:
        ports, nobody = {port for group in subjects for port in group.ports}, "no selected pod"
    else:
        ports, nobody = selection.ports, "no pod"
    declared = {name for _, name in ports}
    for path, name in named_ports(rule):
        if name not in declared:
            yield Remark(
                "undeclared-port-name",
                path,
                f"{nobody} declares a port named {name!r}, so this matches nothing",
            )


def _selectors(rule: RuleAt, selection: Selection) -> Iterator[Remark]:
    """Find peers that select nothing of the cluster (B4.2, B4.4)."""
    for path, peer in rule.each_peer():
        if peer.pods is not None:
            where = f"{path}.pods"
            selector = peer.pods.namespace_selector
            namespaces = None if selector is None else (f"{where}.namespaceSelector", selector)
            yield from unmatched_pods(selection, where, namespaces, peer.pods.pod_selector)
        elif peer.namespaces is not None:
            where = f"{path}.namespaces"
            yield from unmatched_pods(selection, where, (where, peer.namespaces), None)
        elif isinstance(peer, ClusterEgressPeer) and not _reaches_node(peer.nodes, selection):
            yield no_match(f"{path}.nodes", "node")


def _service_ports(
    rule: RuleAt, subjects: list[PodGroup], selection: Selection, services: ServicePorts
) -> Iterator[Remark]:
    """Find ports of Services, of the subjects or of each peer of egress (A15.1)."""
    numbers = list(_numbers(rule))
    told: set[str] = set()
    for groups in [subjects] if rule.ingress else _peer_pods(rule, selection):
        for path, protocol, number in numbers:
            mapped = services.between(groups, protocol, number) if path not in told else []
            if mapped:
                _, targets = services.behind(mapped[0], groups)
                if not any(each == protocol and n in targets for _, each, n in numbers):
                    told.add(path)
                    yield service_port(path, number, mapped[0], targets)


def _peer_pods(rule: RuleAt, selection: Selection) -> Iterator[list[PodGroup]]:
    for path, peer in rule.each_peer():
        selectors = [each for _, each in selectors_of(path, peer)]
        if (peer.pods is not None or peer.namespaces is not None) and readable(*selectors):
            yield selection.in_namespaces(*_selected(peer))


def _numbers(rule: RuleAt) -> Iterator[tuple[str, str, int]]:
    """Yield (path, protocol, number) of each single port."""
    for path, port in rule.each_port():
        if isinstance(port, AdminPort):
            if port.port_number is not None and port.port_number.port is not None:
                where = f"{path}.portNumber.port"
                yield where, port.port_number.protocol or "TCP", port.port_number.port
            continue
        for protocol, ports in (("TCP", port.tcp), ("UDP", port.udp), ("SCTP", port.sctp)):
            one = ports.destination_port if ports is not None else None
            if one is not None and one.number is not None:
                yield f"{path}.{protocol.lower()}.destinationPort.number", protocol, one.number


def _one_family(policy: ClusterPolicy, subjects: list[PodGroup]) -> Iterator[Remark]:
    """Find all of one IP family in rules of an action that have nothing of the other."""
    by_action: dict[str, list[tuple[str, Network]]] = {}
    for rule in cluster_rules(policy):
        for path, peer in rule.each_peer():
            if isinstance(peer, ClusterEgressPeer):
                found = [(f"{path}.networks[{i}]", t) for i, t in enumerate(peer.networks or ())]
                by_action.setdefault(rule.rule.action, []).extend(
                    (where, parse_cidr(text).network) for where, text in found
                )
    for ranges in by_action.values():
        whole = [(where, each) for where, each in ranges if each.prefixlen == 0]
        if whole and len({each.version for _, each in ranges}) == 1:
            yield from one_family_of(whole[0][0], whole[0][1].version, subjects, egress=True)


def _reaches_node(nodes: LabelSelector | None, selection: Selection) -> bool:
    return nodes is None or not is_valid_selector(nodes) or selection.any_node(nodes)


def _networks(rule: RuleAt, addresses: KnownAddresses) -> Iterator[Remark]:
    for path, peer in rule.each_peer():
        if isinstance(peer, ClusterEgressPeer):
            for i, text in enumerate(peer.networks or ()):
                network = parse_cidr(text).network
                yield from addresses.remarks(f"{path}.networks[{i}]", network, egress=True)
