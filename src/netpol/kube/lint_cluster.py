"""Takes NetworkPolicies and the cluster they are for, gives findings that need both to be seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from netpol.kube.addresses import parse_cidr
from netpol.kube.findings import Finding, Remark, placed
from netpol.kube.lint_ranges import KnownAddresses
from netpol.kube.lint_selection import PodGroup, Selection, no_match, unmatched_pods
from netpol.kube.objects import NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec
from netpol.kube.policies import PolicySet
from netpol.kube.snapshot import Snapshot
from netpol.switches import Switches

__all__ = ["lint_cluster"]


def lint_cluster(
    policies: PolicySet, snapshot: Snapshot, addresses: KnownAddresses, switches: Switches
) -> Iterator[Finding]:
    """Give the findings on each NetworkPolicy, in the order of its fields."""
    selection = Selection(snapshot, switches, host_network=switches.host_network == "pod")
    for loaded in policies.policies:
        spec = loaded.policy.spec or NetworkPolicySpec()
        namespace = loaded.policy.metadata.namespace or "default"
        subjects = selection.in_namespace(namespace, spec.pod_selector)
        remarks = [*_no_subject(subjects)]
        for rule in _rules(spec):
            if subjects:
                remarks += [*_ports(rule, subjects, selection)]
                remarks += [*_selectors(rule, namespace, selection)]
            remarks += [*_ranges(rule, addresses, switches)]
        for remark in remarks:
            yield placed(remark, loaded.source, loaded.label)


class _Rule(NamedTuple):
    """One rule of a direction that ``policyTypes`` lists."""

    path: str
    egress: bool
    peers: Sequence[NetworkPolicyPeer | None]
    ports: Sequence[NetworkPolicyPort | None]

    def each_peer(self) -> Iterator[tuple[str, NetworkPolicyPeer]]:
        side = "to" if self.egress else "from"
        for i, peer in enumerate(self.peers):
            if peer is not None:
                yield f"{self.path}.{side}[{i}]", peer


def _rules(spec: NetworkPolicySpec) -> Iterator[_Rule]:
    """Give the rules that have an effect (A4.2)."""
    types = spec.policy_types or ()
    for i, ingress in enumerate(spec.ingress or ()):
        if ingress is not None and "Ingress" in types:
            yield _Rule(f"spec.ingress[{i}]", False, ingress.from_ or (), ingress.ports or ())
    for i, egress in enumerate(spec.egress or ()):
        if egress is not None and "Egress" in types:
            yield _Rule(f"spec.egress[{i}]", True, egress.to or (), egress.ports or ())


def _no_subject(subjects: list[PodGroup]) -> Iterator[Remark]:
    if not subjects:
        yield Remark(
            "selects-nothing",
            "spec.podSelector",
            "selects no pod of the cluster (hostNetwork pods cannot be selected)",
        )


def _ports(rule: _Rule, subjects: list[PodGroup], selection: Selection) -> Iterator[Remark]:
    """Find names that no possible destination declares: such a port never matches (A8)."""
    if rule.egress:
        declared, nobody = selection.ports, "no pod"
    else:
        declared, nobody = {name for group in subjects for name in group.ports}, "no selected pod"
    for i, port in enumerate(rule.ports):
        if port is None or not isinstance(port.port, str):
            continue
        protocol = port.protocol or "TCP"
        if (protocol, port.port) not in declared:
            yield Remark(
                "undeclared-port-name",
                f"{rule.path}.ports[{i}].port",
                f"{nobody} declares a {protocol} port named {port.port!r}, so this matches nothing",
            )


def _selectors(rule: _Rule, namespace: str, selection: Selection) -> Iterator[Remark]:
    """Find peers that select no pod of the cluster (A5)."""
    for path, peer in rule.each_peer():
        if peer.namespace_selector is not None:
            namespaces = f"{path}.namespaceSelector", peer.namespace_selector
            yield from unmatched_pods(selection, path, namespaces, peer.pod_selector)
        elif peer.pod_selector is not None and not selection.in_namespace(
            namespace, peer.pod_selector
        ):
            yield no_match(f"{path}.podSelector", "pod", f"namespace {namespace}")


def _ranges(rule: _Rule, addresses: KnownAddresses, switches: Switches) -> Iterator[Remark]:
    for path, peer in rule.each_peer():
        block = peer.ip_block
        if block is not None:
            yield from addresses.remarks(
                f"{path}.ipBlock.cidr",
                parse_cidr(block.cidr).network,
                excepts=[parse_cidr(each).network for each in block.except_ or ()],
                egress=rule.egress,
                # A6.4: otherwise it never matches a pod.
                over_pods=switches.ipblock_scope == "any",
            )
