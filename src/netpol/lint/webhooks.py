"""Takes policies beside a cluster, finds Services that API servers call and that nobody lets them.

An API server calls admission and conversion webhooks and aggregated APIs. It is no pod that a
selector selects: it comes from a node's address, or, where the control plane is elsewhere, from an
address that the cluster does not show or through a tunnel's agent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from netpol.kube.api.addresses import Address, Network, parse_address, parse_cidr
from netpol.kube.api.objects import Node, Service
from netpol.kube.read.findings import Finding, Remark, Severity, placed
from netpol.lint.selection import PodGroup, pod_addresses, some
from netpol.lint.services import Mapped, ports_of, service_label
from netpol.lint.views import PeerView, PolicyView
from netpol.lint.world import World

__all__ = ["webhook_findings"]

_CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
#: Agents through which API servers of managed clusters call: pods, or hostNetwork pods.
_TUNNELS = frozenset(("konnectivity-agent", "konnectivity", "tunnelfront", "aks-link"))
_HTTPS = 443
_WORDS = frozenset(("webhook", "webhooks", "admission"))
_CONFIGURATIONS = frozenset(("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"))
_APIS = ("metrics-server", "metrics-apiserver")


class _Called(NamedTuple):
    """A port of a Service that API servers call, and what says so."""

    mapped: Mapped
    by: str
    severity: Severity


def webhook_findings(world: World) -> Iterator[Finding]:
    """Yield a finding for each such Service whose pods no rule opens for an API server."""
    callers = _Callers(world)
    for called in _called(world):
        groups = [each for each in world.services.groups(called.mapped.service) if each.running]
        if not groups:
            continue
        shut = [policies for group in groups if (policies := callers.shut_out(group, called))]
        if len(shut) == len(groups):
            yield _finding(called, shut[0])


def _called(world: World) -> Iterator[_Called]:
    """Yield what webhook configurations and the like name.

    Or names suggest where there are none.
    """
    seen: set[tuple[str, int]] = set()
    for callback in world.snapshot.callbacks:
        service = world.services.named(callback.namespace, callback.service)
        for mapped in ports_of(service) if service is not None else ():
            key = service_label(mapped.service), mapped.port.port
            if mapped.port.port == callback.port and mapped.protocol == "TCP" and key not in seen:
                seen.add(key)
                yield _Called(mapped, callback.label, "warning")
    kinds = set(world.snapshot.ignored)
    for service in world.services.all:
        what = _sounds_like(service, kinds)
        for mapped in ports_of(service) if what else ():
            if mapped.port.port == _HTTPS and mapped.protocol == "TCP":
                yield _Called(mapped, f"by its name {what}", "info")


def _sounds_like(service: Service, kinds: set[str]) -> str:
    """Say what a Service may be by its name; empty if it is none, or if the snapshot would show it.

    ``kinds`` are the kinds of objects that were met beside the cluster's own.
    """
    name = service.metadata.name
    if not kinds & _CONFIGURATIONS and _WORDS & set(name.split("-")):
        return "a webhook"
    return "an aggregated API" if "APIService" not in kinds and name.endswith(_APIS) else ""


class _Callers:
    """Where API servers call from, as far as the cluster shows it."""

    def __init__(self, world: World) -> None:
        self._world = world
        nodes = [node for node in world.snapshot.nodes if _is_control_plane(node)]
        self._nodes = {node.metadata.name for node in nodes}
        self._addresses: list[Address] = [each for node in nodes for each in _addresses(node)]
        api = world.services.named("default", "kubernetes")
        if api is not None:
            found = {address for address, _, _ in world.services.endpoints(api)}
            self._addresses += [parse_address(each) for each in found]
        self._add_static_pods()
        self._ranges = _node_ranges(world.snapshot.nodes)
        self._tunnels = [
            group for group in world.selection.groups() if _TUNNELS & set(group.labels.values())
        ]

    def _add_static_pods(self) -> None:
        for group in self._world.selection.hosts_in("kube-system", None):
            if group.labels.get("component") == "kube-apiserver":
                for pod in group.running:
                    self._addresses += [parse_address(each) for each in pod_addresses(pod)]
                    if pod.spec is not None and pod.spec.node_name:
                        self._nodes.add(pod.spec.node_name)

    def shut_out(self, group: PodGroup, called: _Called) -> list[PolicyView]:
        """Return the policies that keep API servers from some pods; none where one gets in."""
        governing = self._world.governing(group, egress=False)
        if not governing or self._on_own_node(group):
            return []
        numbers = called.mapped.targets(group)
        if not numbers:
            return []
        for view in governing:
            for rule in view.ingress:
                if any(rule.admits("TCP", number, group) for number in numbers) and (
                    not rule.peers or any(self._lets_in(peer, view) for peer in rule.peers)
                ):
                    return []
        return governing

    def _on_own_node(self, group: PodGroup) -> bool:
        """Return whether a pod runs beside an API server, whose node it always accepts (A11.1)."""
        return self._world.switches.own_node_ingress == "allow" and any(
            pod.spec is not None and pod.spec.node_name in self._nodes for pod in group.running
        )

    def _lets_in(self, peer: PeerView, view: PolicyView) -> bool:
        """Return whether an API server may come in by an element; in doubt it may."""
        if peer.network is None:
            return any(
                peer.selects(each, view.namespace, self._world.selection) for each in self._tunnels
            )
        # Between nodes many networks show an address of the node's own range of pods.
        return (
            not self._addresses
            or any(peer.holds(each) for each in self._addresses)
            or any(_overlap(peer.network, each) for each in self._ranges)
        )


def _finding(called: _Called, policies: Sequence[PolicyView]) -> Finding:
    """Place it at the policy that says most about these pods."""
    view = next((each for each in policies if _is_about_some(each)), policies[0])
    others = [each.label for each in policies if each is not view]
    together = f" (with {some(others)})" if others else ""
    service = called.mapped.service
    message = (
        f"no API server can reach Service {service_label(service)} ({called.by}): its pods are "
        f"isolated for ingress{together}, and no rule lets in anything but pods on the port they "
        "listen on. API servers are not selected by podSelector or namespaceSelector: allow the "
        "port without from, or an ipBlock of the API servers' addresses"
    )
    remark = Remark("webhook-unreachable", "spec.podSelector", message, called.severity)
    return placed(remark, view.loaded.source, view.label)


def _is_about_some(view: PolicyView) -> bool:
    selector = view.spec.pod_selector
    return selector is not None and bool(selector.match_labels or selector.match_expressions)


def _is_control_plane(node: Node) -> bool:
    return any(each in (node.metadata.labels or {}) for each in _CONTROL_PLANE)


def _addresses(node: Node) -> Iterator[Address]:
    for each in (node.status.addresses if node.status is not None else None) or ():
        try:
            yield parse_address(each.address)
        except ValueError:
            continue  # a host name


def _node_ranges(nodes: Sequence[Node]) -> list[Network]:
    return [
        parse_cidr(text).network
        for node in nodes
        if node.spec is not None
        for text in node.spec.pod_cidrs or (node.spec.pod_cidr,)
        if text
    ]


def _overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)
