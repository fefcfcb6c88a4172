"""Takes cluster-scoped policies and their cluster, gives findings that need both to be seen."""

from __future__ import annotations

from collections.abc import Iterator

from netpol.kube.addresses import parse_cidr
from netpol.kube.cluster_objects import ClusterEgressPeer, ClusterSubject
from netpol.kube.cluster_rules import ClusterPeer, RuleAt, cluster_rules, named_ports, selectors_of
from netpol.kube.findings import Finding, Remark, placed
from netpol.kube.objects import LabelSelector
from netpol.kube.validate import is_valid_selector
from netpol.lint.namespaced import selects_nothing
from netpol.lint.peers import no_match, unmatched_pods
from netpol.lint.ranges import KnownAddresses
from netpol.lint.selection import PodGroup, Selection
from netpol.lint.world import World

__all__ = ["lint_cluster_wide"]


def lint_cluster_wide(world: World, addresses: KnownAddresses) -> Iterator[Finding]:
    """Give the findings on each cluster-scoped policy, in the order of its fields."""
    if not world.cluster_policies:
        return
    selection = world.selection
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
            remarks += [*_networks(rule, addresses)]
        for remark in remarks:
            yield placed(remark, loaded.source, loaded.label)


def _readable(subject: ClusterSubject) -> bool:
    return all(is_valid_selector(each) for _, each in selectors_of("", subject))


def _selected(
    element: ClusterSubject | ClusterPeer,
) -> tuple[LabelSelector | None, LabelSelector | None]:
    """Give the selectors of namespaces and of pods; None is everything (B1.2)."""
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


def _reaches_node(nodes: LabelSelector | None, selection: Selection) -> bool:
    return nodes is None or not is_valid_selector(nodes) or selection.any_node(nodes)


def _networks(rule: RuleAt, addresses: KnownAddresses) -> Iterator[Remark]:
    for path, peer in rule.each_peer():
        if isinstance(peer, ClusterEgressPeer):
            for i, text in enumerate(peer.networks or ()):
                network = parse_cidr(text).network
                yield from addresses.remarks(f"{path}.networks[{i}]", network, egress=True)
