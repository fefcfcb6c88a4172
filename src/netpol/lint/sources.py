"""Takes policies beside a cluster, finds ranges that do not see the address they were written for.

A node that takes a connection to a Service's nodePort or load balancer hides the client behind its
own address (A15.5), and pods with both IP families have a second address that nobody named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netpol.kube.api.addresses import Address, parse_address
from netpol.kube.api.objects import Service
from netpol.kube.read.findings import Remark
from netpol.kube.snapshot import Snapshot
from netpol.lint.ranges import KnownAddresses
from netpol.lint.selection import PodGroup, pod_addresses
from netpol.lint.services import Mapped, ports_of, service_label
from netpol.lint.views import PeerView, PolicyView, RuleView
from netpol.lint.world import World

__all__ = ["masqueraded", "one_family", "one_family_of"]

_OPEN_TYPES = ("NodePort", "LoadBalancer")
_EVERYTHING = {4: "0.0.0.0/0", 6: "::/0"}


def masqueraded(world: World, addresses: KnownAddresses, view: PolicyView) -> Iterator[Remark]:
    """Find ipBlocks for clients that only show a node's address to the pods."""
    if not any(peer.network is not None for rule in view.ingress for peer in rule.peers):
        return
    opened = _opened(world, view)
    if not opened:
        return
    nodes = _node_addresses(world.snapshot)
    for rule in view.ingress:
        for mapped, groups in opened:
            if _reaches(rule, mapped, groups):
                blocks = [peer for peer in rule.peers if _is_for_clients(peer, addresses)]
                if blocks and not _admitted(world, mapped, groups, nodes):
                    yield _masqueraded(blocks[0], mapped.service)
                    break


def _opened(world: World, view: PolicyView) -> list[tuple[Mapped, list[PodGroup]]]:
    """Return the ports of Services that hide their clients, with the policy's pods behind them."""
    members = {id(group) for group in view.subjects}
    found = []
    for service in world.services.in_namespace(view.namespace):
        if _hides_clients(service):
            groups = [each for each in world.services.groups(service) if id(each) in members]
            if groups:
                found += [(port, groups) for port in ports_of(service)]
    return found


def _hides_clients(service: Service) -> bool:
    spec = service.spec
    return (
        spec is not None
        and (spec.type in _OPEN_TYPES or bool(spec.external_ips))
        and spec.external_traffic_policy != "Local"
    )


def _reaches(rule: RuleView, mapped: Mapped, groups: Sequence[PodGroup]) -> bool:
    return any(
        rule.admits(mapped.protocol, number, group)
        for group in groups
        for number in mapped.targets(group)
    )


def _is_for_clients(peer: PeerView, addresses: KnownAddresses) -> bool:
    """Return whether a range is of something outside: neither everything, nor nodes and pods."""
    network = peer.network
    return network is not None and network.prefixlen > 0 and not addresses.in_cluster(network)


def _admitted(
    world: World, mapped: Mapped, groups: Sequence[PodGroup], nodes: Sequence[Address]
) -> bool:
    """Return whether some rule lets the nodes' addresses in anyway."""
    return any(
        _reaches(rule, mapped, [group]) and _lets_in_nodes(rule, nodes)
        for group in groups
        for view in world.governing(group, egress=False)
        for rule in view.ingress
    )


def _lets_in_nodes(rule: RuleView, nodes: Sequence[Address]) -> bool:
    if not rule.peers:
        return True
    for peer in rule.peers:
        if peer.network is not None:
            if peer.network.prefixlen == 0 and not peer.excepts:
                return True
            if any(peer.holds(each) for each in nodes):
                return True
    return False


def _masqueraded(peer: PeerView, service: Service) -> Remark:
    kind = service.spec.type if service.spec is not None else None
    return Remark(
        "ipblock-masqueraded",
        f"{peer.path}.ipBlock.cidr",
        f"clients of {kind or 'ClusterIP'} Service {service_label(service)} do not come from their "
        "own address: with externalTrafficPolicy: Cluster the node that takes the connection puts "
        "its own in place, so this range does not match them. Set externalTrafficPolicy: Local on "
        "the Service, or filter before the node",
    )


def _node_addresses(snapshot: Snapshot) -> list[Address]:
    found = []
    for node in snapshot.nodes:
        for each in (node.status.addresses if node.status is not None else None) or ():
            try:
                found.append(parse_address(each.address))
            except ValueError:
                continue  # a host name
    return found


def one_family(world: World, view: PolicyView) -> Iterator[Remark]:
    """Find a range of everything in one IP family, where the pods have the other one, too."""
    for egress in (False, True):
        whole = _whole_ranges(view.rules(egress=egress))
        if len({version for version, _ in whole}) != 1:
            continue
        version, peer = whole[0]
        if not _covered(world, view, 10 - version, egress=egress):
            path = f"{peer.path}.ipBlock.cidr"
            yield from one_family_of(path, version, view.subjects, egress=egress)


def one_family_of(
    path: str, version: int, subjects: Sequence[PodGroup], *, egress: bool
) -> Iterator[Remark]:
    """Yield the remark on all of one IP family, if pods have addresses of the other one, too."""
    other = 10 - version
    if _have(subjects, other) and _have(subjects, version):
        side = "to" if egress else "from"
        yield Remark(
            "one-address-family",
            path,
            f"{_EVERYTHING[version]} is all of IPv{version}, but the selected pods have IPv{other} "
            f"addresses, too, and nothing {side} an IPv{other} address is meant here: write "
            f"{_EVERYTHING[other]} beside it if everything is",
        )


def _whole_ranges(rules: Sequence[RuleView]) -> list[tuple[int, PeerView]]:
    return [
        (peer.network.version, peer)
        for rule in rules
        for peer in rule.peers
        if peer.network is not None and peer.network.prefixlen == 0
    ]


def _covered(world: World, view: PolicyView, version: int, *, egress: bool) -> bool:
    """Whether a rule about these pods opens the other family: without peers, or by a range."""
    policies = {
        id(each): each
        for group in view.subjects[:1]
        for each in world.governing(group, egress=egress)
    }
    return any(
        not rule.peers
        or any(peer.network is not None and peer.network.version == version for peer in rule.peers)
        for each in policies.values()
        for rule in each.rules(egress=egress)
    )


def _have(groups: Sequence[PodGroup], version: int) -> bool:
    return any(
        (":" in text) == (version == 6)
        for group in groups
        for pod in group.running[:1]
        for text in pod_addresses(pod)
    )
