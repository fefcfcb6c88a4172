"""Takes NetworkPolicies and the cluster they are for, gives findings that need both to be seen."""

from __future__ import annotations

from collections.abc import Iterator

from netpol.kube.api.objects import LabelSelector, Service
from netpol.kube.read.findings import Finding, Remark, placed
from netpol.lint.alternatives import alternatives
from netpol.lint.dns import dns_findings
from netpol.lint.peers import unmatched_in_namespace, unmatched_pods
from netpol.lint.ranges import KnownAddresses
from netpol.lint.selection import PodGroup, Selection, pods_in_words, some
from netpol.lint.service_ports import ServicePorts
from netpol.lint.sources import masqueraded, one_family
from netpol.lint.views import PolicyView, RuleView
from netpol.lint.webhooks import webhook_findings
from netpol.lint.world import World

__all__ = ["lint_namespaced", "selects_nothing"]


def lint_namespaced(world: World, addresses: KnownAddresses) -> Iterator[Finding]:
    """Yield the findings on each NetworkPolicy, then those on pods under several."""
    service_ports = ServicePorts(world)
    for view in world.views:
        rules = [*view.ingress, *view.egress]
        either = list(alternatives(rules, view.namespace, world.selection))
        remarks = [*_no_subject(view, world.selection), *(remark for remark, _ in either)]
        if view.subjects:
            told = {path for _, path in either}
            for rule in rules:
                remarks += _port_names(rule, view, world.selection)
                matched = _selectors(rule, view, world.selection)
                remarks += [each for each in matched if each.field not in told]
            remarks += service_ports.remarks(view)
            remarks += masqueraded(world, addresses, view)
            remarks += one_family(world, view)
        for rule in rules:
            remarks += _ranges(rule, view, world, addresses)
        for remark in remarks:
            yield placed(remark, view.loaded.source, view.label)
    yield from dns_findings(world)
    yield from webhook_findings(world)


def _no_subject(view: PolicyView, selection: Selection) -> Iterator[Remark]:
    if not view.subjects:
        selector = view.spec.pod_selector
        yield selects_nothing(
            "spec.podSelector",
            selection.hosts_in(view.namespace, selector),
            _elsewhere(view.namespace, selector, selection),
        )


def selects_nothing(path: str, hosts: list[PodGroup], hint: str = "") -> Remark:
    """Return the remark on a policy without subjects; ``hosts`` are those of the node's network."""
    if hosts:
        hint = f", only hostNetwork ones ({pods_in_words(hosts)}), which policies are not about"
    return Remark("selects-nothing", path, f"selects no pod of the cluster{hint}")


def _elsewhere(namespace: str, selector: LabelSelector | None, selection: Selection) -> str:
    """Say what may be wrong: the namespace has no pods, or the pods are in another one."""
    known = selection.namespaces
    labelled = selector is not None and (selector.match_labels or selector.match_expressions)
    found = selection.in_namespaces(None, selector) if labelled else []
    where = sorted({group.namespace for group in found})
    if where:
        return f"; pods with these labels stand in namespace {some(where)}, not in {namespace}"
    if namespace not in known:
        return f": there is no namespace {namespace}"
    if not selection.in_namespace(namespace, None):
        return f": namespace {namespace} has no pods"
    return ""


def _port_names(rule: RuleView, view: PolicyView, selection: Selection) -> Iterator[Remark]:
    """Find names that no possible destination declares: such a port never matches (A8)."""
    named = [port for port in rule.ports if isinstance(port.port, str)]
    if not named:
        return
    if rule.egress:
        declared, nobody = selection.ports, "no pod"
    else:
        declared = {name for group in view.subjects for name in group.ports}
        nobody = "no selected pod"
    for port in named:
        if (port.protocol, port.port) not in declared:
            yield Remark(
                "undeclared-port-name",
                f"{port.path}.port",
                f"{nobody} declares a {port.protocol} port named {port.port!r}, so this matches "
                "nothing",
            )


def _selectors(rule: RuleView, view: PolicyView, selection: Selection) -> Iterator[Remark]:
    """Find peers that select no pod of the cluster (A5)."""
    for peer in rule.peers:
        if peer.namespaces is not None:
            namespaces = f"{peer.path}.namespaceSelector", peer.namespaces
            yield from unmatched_pods(selection, peer.path, namespaces, peer.pods)
        elif peer.pods is not None:
            path = f"{peer.path}.podSelector"
            yield from unmatched_in_namespace(selection, path, view.namespace, peer.pods)


def _ranges(
    rule: RuleView, view: PolicyView, world: World, addresses: KnownAddresses
) -> Iterator[Remark]:
    for peer in rule.peers:
        if peer.network is not None:
            yield from addresses.remarks(
                f"{peer.path}.ipBlock.cidr",
                peer.network,
                excepts=peer.excepts,
                egress=rule.egress,
                # A6.4: otherwise it never matches a pod.
                over_pods=world.switches.ipblock_scope == "any",
                allowed=lambda service: _is_open(service, rule, view, world),
            )


def _is_open(service: Service, rule: RuleView, view: PolicyView, world: World) -> bool:
    """Return whether the rules beside this one let everything behind a Service through."""
    if not rule.egress:
        return False
    peers = [peer for each in view.egress for peer in each.peers]
    groups = world.services.groups(service)
    if groups:
        return all(
            any(peer.selects(group, view.namespace, world.selection) for peer in peers)
            for group in groups
        )
    endpoints = world.services.endpoint_addresses(service)
    return bool(endpoints) and all(any(p.holds(each) for p in peers) for each in endpoints)
