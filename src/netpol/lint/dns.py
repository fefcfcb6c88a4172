"""Takes policies beside a cluster, finds pods that cannot ask its DNS, or only by one protocol.

What counts is all policies of a pod together, so this goes pod by pod (pods with equal labels at
once) and places what it finds at the policy that lets the pod do anything else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network
from typing import NamedTuple

from netpol.kube.api.addresses import Address, Network, parse_address, parse_cidr
from netpol.kube.api.cluster_objects import ClusterEgressPeer, ClusterNetworkPolicy
from netpol.kube.api.cluster_rules import cluster_rules
from netpol.kube.api.objects import Pod
from netpol.kube.policies import LoadedClusterPolicy
from netpol.kube.read.findings import Finding, Remark, placed
from netpol.lint.alone import dns_by_one_protocol
from netpol.lint.alternatives import DNS_LABELS
from netpol.lint.selection import PodGroup, PortNumber, pod_addresses, pods_in_words, readable
from netpol.lint.services import ports_of, service_label
from netpol.lint.views import PolicyView, RuleView
from netpol.lint.world import World

__all__ = ["dns_findings"]

_PORT = 53
_NAMESPACES = frozenset(("kube-system", "openshift-dns"))
_NAMES = frozenset(("kube-dns", "coredns", "dns-default"))
_NODE_LOCAL = ("node-local-dns", "nodelocaldns")
#: Where node-local DNS listens unless its -localip says otherwise; all such addresses count.
_LOCAL_ADDRESS = parse_address("169.254.20.10")
_LINK_LOCAL = IPv4Network("169.254.0.0/16")
#: Pods with these policies ask servers of their own.
_OTHER_RESOLVERS = frozenset(("None", "Default"))


def dns_findings(world: World) -> Iterator[Finding]:
    """Yield the findings on how pods that are isolated for egress reach the cluster's DNS."""
    dns = _find_dns(world)
    if dns is None:
        yield from dns_by_one_protocol(world.policies)
        return
    found: dict[tuple[int, str, str], tuple[PolicyView, Remark, list[PodGroup]]] = {}
    ways = {id(view): _ways(view, dns, world) for view in world.views if view.egress}
    excused = _excused(world, dns)
    for group in world.isolated(egress=True):
        if id(group) in excused or not _asks_cluster(group):
            continue
        governing = [view for view in world.governing(group, egress=True) if view.egress]
        for view, remark in _on_pods(governing, ways, dns):
            key = id(view), remark.code, remark.field
            found.setdefault(key, (view, remark, []))[2].append(group)
    for view, remark, groups in found.values():
        message = f"{pods_in_words(groups)} {remark.message}"
        yield placed(remark._replace(message=message), view.loaded.source, view.label)


class _Dns(NamedTuple):
    """The DNS of a cluster: its name, its pods, what they listen on, all its addresses."""

    name: str
    behind: str
    groups: list[PodGroup]
    listening: list[tuple[PodGroup, PortNumber]]
    addresses: list[Address]
    node_local: Pod | None

    @property
    def protocols(self) -> set[str]:
        """The protocols that it answers."""
        return {protocol for _, (protocol, _) in self.listening} or {"UDP", "TCP"}


class _Ways(NamedTuple):
    """By which protocols a policy lets pods ask, and where it says so.

    ``elsewhere``: it names servers outside by their addresses. ``missed``: a rule that names the
    port, but none of the servers.
    """

    selected: set[str]
    by_address: set[str]
    rule: str | None
    elsewhere: bool
    missed: str | None
    only_hosts: bool


def _find_dns(world: World) -> _Dns | None:
    """Find the cluster's DNS by its Service, else by its pods."""
    groups: dict[int, PodGroup] = {}
    listening: list[tuple[PodGroup, PortNumber]] = []
    addresses: list[Address] = []
    name = behind = ""
    for service in world.services.all:
        ports = [port for port in ports_of(service) if port.port.port == _PORT]
        namespace, labels = service.metadata.namespace, service.metadata.labels or {}
        known = namespace in _NAMESPACES or service.metadata.name in _NAMES
        if not ports or not (known or DNS_LABELS & set(labels.items())):
            continue
        if not name or service.metadata.name in _NAMES:
            name, behind = f"Service {service_label(service)}", world.services.behind(service)
        spec = service.spec
        if spec is not None:
            texts = spec.cluster_ips or [spec.cluster_ip or ""]
            addresses += [parse_address(each) for each in texts if each not in ("", "None")]
        addresses += [parse_address(each) for each, _, _ in world.services.endpoints(service)]
        for group in world.services.groups(service):
            groups[id(group)] = group
            for port in ports:
                listening += [(group, (port.protocol, each)) for each in port.targets(group)]
    if not name:
        for group in world.selection.in_namespace("kube-system", None):
            if DNS_LABELS & set(group.labels.items()):
                name, behind = pods_in_words([group]), ""
                groups[id(group)] = group
                listening += [(group, ("UDP", _PORT)), (group, ("TCP", _PORT))]
    if not name:
        return None
    addresses += [
        parse_address(text)
        for group in groups.values()
        for pod in group.running
        for text in pod_addresses(pod)
    ]
    return _Dns(name, behind, list(groups.values()), listening, addresses, _node_local(world))


def _node_local(world: World) -> Pod | None:
    """Find a pod of node-local DNS, which answers at an address of the node."""
    for group in world.selection.hosts_in_namespaces(None, None):
        label = group.labels.get("k8s-app", "")
        for pod in group.pods:
            if label in _NODE_LOCAL or pod.metadata.name.startswith(_NODE_LOCAL):
                return pod
    return None


def _ways(view: PolicyView, dns: _Dns, world: World) -> _Ways:
    """Say how a policy lets its pods ask. A Service's address counts: that is told elsewhere."""
    selected: set[str] = set()
    by_address: set[str] = set()
    first = missed = None
    elsewhere = False
    only_hosts = all(_only_hosts(rule) for rule in view.egress)
    for rule in view.egress:
        everywhere = {name for name in ("UDP", "TCP") if rule.admits(name, _PORT)}
        everywhere |= {name for group, (name, n) in dns.listening if rule.admits(name, n, group)}
        before = selected | by_address
        if not rule.peers:
            by_address |= everywhere
        for peer in rule.peers:
            if peer.network is None:
                selected |= {
                    name
                    for group, (name, number) in dns.listening
                    if rule.admits(name, number, group)
                    and peer.selects(group, view.namespace, world.selection)
                }
            elif any(peer.holds(each) for each in dns.addresses) or _holds_local(peer.network, dns):
                by_address |= everywhere
            elif rule.ports and everywhere:
                elsewhere = True
        if selected | by_address != before:
            first = first or rule.path
        elif rule.peers and rule.ports and everywhere and missed is None:
            missed = rule.path
    return _Ways(selected, by_address, first, elsewhere, missed, only_hosts)


def _holds_local(network: Network, dns: _Dns) -> bool:
    """Return whether a range may hold the address of node-local DNS, if there is one."""
    return (
        dns.node_local is not None
        and isinstance(network, IPv4Network)
        and network.overlaps(_LINK_LOCAL)
    )


def _only_hosts(rule: RuleView) -> bool:
    """Return whether a rule names nothing but single addresses, which need no names."""
    return bool(rule.peers) and all(
        peer.network is not None and peer.network.num_addresses == 1 for peer in rule.peers
    )


def _asks_cluster(group: PodGroup) -> bool:
    """Return whether a pod that has not ended asks the cluster's DNS."""
    return any(
        pod.spec is None or pod.spec.dns_policy not in _OTHER_RESOLVERS for pod in group.running
    )


def _excused(world: World, dns: _Dns) -> set[int]:
    """Return the pods of DNS itself, and those that a policy of the Admin tier lets through."""
    found = {id(group) for group in dns.groups}
    for loaded in world.cluster_policies:
        policy = loaded.policy
        spec = policy.spec
        tier = getattr(spec, "tier", "Admin") if isinstance(policy, ClusterNetworkPolicy) else None
        baseline = tier == "Baseline" or policy.kind == "BaselineAdminNetworkPolicy"
        if spec is None or spec.subject is None or baseline or not _lets_ask(loaded, dns, world):
            continue
        subject = spec.subject
        namespaces, pods = subject.namespaces, None
        if subject.pods is not None:
            namespaces, pods = subject.pods.namespace_selector, subject.pods.pod_selector
        if readable(namespaces, pods):
            found |= {id(each) for each in world.selection.in_namespaces(namespaces, pods)}
    return found


def _lets_ask(loaded: LoadedClusterPolicy, dns: _Dns, world: World) -> bool:
    """Return whether a rule that accepts may lead to DNS, whatever ports it names."""
    return any(
        not rule.ingress
        and rule.rule.action in ("Accept", "Allow")
        and any(
            isinstance(peer, ClusterEgressPeer) and _may_lead(peer, dns, world)
            for _, peer in rule.each_peer()
        )
        for rule in cluster_rules(loaded.policy)
    )


def _may_lead(peer: ClusterEgressPeer, dns: _Dns, world: World) -> bool:
    if peer.networks is not None:
        ranges = [parse_cidr(text).network for text in peer.networks]
        return any(
            each.version == address.version and address in each
            for each in ranges
            for address in dns.addresses
        ) or any(_holds_local(each, dns) for each in ranges)
    if peer.nodes is not None:
        return dns.node_local is not None
    namespaces, pods = peer.namespaces, None
    if peer.pods is not None:
        namespaces, pods = peer.pods.namespace_selector, peer.pods.pod_selector
    elif peer.namespaces is None:
        return False
    if not readable(namespaces, pods):
        return False
    members = {id(each) for each in world.selection.in_namespaces(namespaces, pods)}
    return any(id(group) in members for group in dns.groups)


def _on_pods(
    governing: Sequence[PolicyView], ways: dict[int, _Ways], dns: _Dns
) -> Iterator[tuple[PolicyView, Remark]]:
    """Say what is wrong for pods under some policies, each with the policy to mend."""
    each_way = [(view, ways[id(view)]) for view in governing]
    by_address = {name for _, way in each_way for name in way.by_address}
    have = by_address | {name for _, way in each_way for name in way.selected}
    if not have:
        if any(way.elsewhere for _, way in each_way):
            return
        speaking = [(view, way) for view, way in each_way if not way.only_hosts]
        if speaking:
            yield _no_way(speaking, dns)
        return
    view, way = next((view, way) for view, way in each_way if way.rule is not None)
    if have != dns.protocols and have < {"UDP", "TCP"}:
        yield view, Remark("dns-one-protocol", way.rule or "spec.egress", _only_by(have))
    if dns.node_local is not None and not by_address:
        yield view, Remark("dns-node-local", way.rule or "spec.egress", _local(dns.node_local))


def _no_way(speaking: Sequence[tuple[PolicyView, _Ways]], dns: _Dns) -> tuple[PolicyView, Remark]:
    behind = f" ({dns.behind})" if dns.behind else ""
    message = f"cannot ask the cluster's DNS, {dns.name}{behind}: egress is isolated and "
    for view, way in speaking:
        if way.missed is not None:
            message += "this rule names its port, but none of its pods"
            return view, Remark("egress-without-dns", way.missed, message)
    view = speaking[0][0]
    message += f"no rule leads there, so names do not resolve; allow it by UDP and TCP {_PORT}"
    return view, Remark("egress-without-dns", "spec.egress", message)


def _only_by(have: set[str]) -> str:
    if have == {"UDP"}:
        return (
            "can ask DNS by UDP alone: an answer that is too large for UDP is asked for again by "
            "TCP, and then fails; allow TCP 53, too"
        )
    return "can ask DNS by TCP alone, but resolvers ask by UDP first; allow UDP 53, too"


def _local(pod: Pod) -> str:
    name = f"{pod.metadata.namespace}/{pod.metadata.name}"
    return (
        f"may ask the pods of DNS, but this cluster has node-local DNS (pod {name}), which answers "
        f"at an address of the node that no selector selects: allow ipBlock {_LOCAL_ADDRESS}/32 "
        "(or what its -localip says) on port 53 as well"
    )
