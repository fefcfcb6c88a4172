"""Takes a ``PolicySet`` and, if there is one, a ``Snapshot``; gives findings to act on.

The API server takes the policy, but it may not do what its author meant. Findings that only show
in the policy as written come with the ``PolicySet``; with a snapshot, ``lint_cluster`` and
``lint_cluster_wide`` add what only shows beside the cluster.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import collapse_addresses

from netpol.kube.addresses import parse_cidr
from netpol.kube.findings import Finding, Remark, in_order, placed
from netpol.kube.lint_cluster import lint_cluster
from netpol.kube.lint_cluster_wide import lint_cluster_wide
from netpol.kube.lint_ranges import KnownAddresses
from netpol.kube.namespaces import findings_beside
from netpol.kube.objects import (
    IPBlock,
    LabelSelector,
    NetworkPolicyPeer,
    NetworkPolicySpec,
)
from netpol.kube.policies import PolicySet
from netpol.kube.snapshot import Snapshot
from netpol.switches import Switches

__all__ = ["lint"]


def lint(
    policies: PolicySet, snapshot: Snapshot | None = None, *, switches: Switches | None = None
) -> list[Finding]:
    """Give every finding on some policies, ordered by file, line and code.

    Parameters
    ----------
    policies
        As ``read_policies`` gives them; their own ``findings`` are included.
    snapshot
        If given, policies are also looked at beside its pods, nodes and services.
    switches
        ``named_port_init``, ``host_network``, ``missing_namespace`` and ``ipblock_scope`` matter
        here, with a snapshot.
    """
    found = [*policies.findings] if snapshot is None else findings_beside(policies, snapshot)
    for loaded in policies.policies:
        spec = loaded.policy.spec or NetworkPolicySpec()
        found += [placed(remark, loaded.source, loaded.label) for remark in _on_policy(spec)]
    if snapshot is not None:
        addresses = KnownAddresses(snapshot)
        for beside in (lint_cluster, lint_cluster_wide):
            found += beside(policies, snapshot, addresses, switches or Switches())
    return in_order(found)


def _on_policy(spec: NetworkPolicySpec) -> Iterator[Remark]:
    yield from _inert_rules(spec)
    for path, peers in _peer_lists(spec):
        yield from _redundant_pod_selectors(path, peers)
        for i, peer in enumerate(peers):
            if peer.ip_block is not None:
                yield from _excluded_block(f"{path}[{i}].ipBlock", peer.ip_block)


def _inert_rules(spec: NetworkPolicySpec) -> Iterator[Remark]:
    """Find rules that policyTypes switches off (A4.2)."""
    types = spec.policy_types or []
    for direction, rules in (("Ingress", spec.ingress), ("Egress", spec.egress)):
        if rules and direction not in types:
            yield Remark(
                "inert-rules",
                f"spec.{direction.lower()}",
                f"these rules have no effect: policyTypes does not list {direction}",
            )


def _redundant_pod_selectors(path: str, peers: Sequence[NetworkPolicyPeer]) -> Iterator[Remark]:
    """Find a podSelector beside a ``namespaceSelector: {}`` that already allows every pod."""
    if not any(_is_every_pod(peer) for peer in peers):
        return
    for i, peer in enumerate(peers):
        if peer.pod_selector is not None and not _is_empty(peer.pod_selector):
            yield Remark(
                "redundant-pod-selector",
                f"{path}[{i}].podSelector",
                "has no effect: another element of this list, namespaceSelector: {}, allows every "
                "pod of every namespace. To require both, write them in one list element",
            )


def _is_every_pod(peer: NetworkPolicyPeer) -> bool:
    namespaces, pods = peer.namespace_selector, peer.pod_selector
    return namespaces is not None and _is_empty(namespaces) and (pods is None or _is_empty(pods))


def _is_empty(selector: LabelSelector) -> bool:
    return not selector.match_labels and not selector.match_expressions


def _excluded_block(path: str, block: IPBlock) -> Iterator[Remark]:
    """Find a CIDR whose ``except`` leaves nothing of it (A6.1)."""
    cidr = parse_cidr(block.cidr).network
    excepts = [parse_cidr(each).network for each in block.except_ or ()]
    # Validation made sure that all are of one family.
    covered = list(collapse_addresses(excepts))  # type: ignore[type-var]
    if covered == [cidr]:
        yield Remark(
            "except-covers-block",
            f"{path}.except",
            f"the ranges excluded cover all of {cidr}, so this peer matches nothing",
        )


def _peer_lists(spec: NetworkPolicySpec) -> Iterator[tuple[str, list[NetworkPolicyPeer]]]:
    for i, ingress in enumerate(spec.ingress or ()):
        if ingress is not None and ingress.from_:
            yield f"spec.ingress[{i}].from", [p for p in ingress.from_ if p is not None]
    for i, egress in enumerate(spec.egress or ()):
        if egress is not None and egress.to:
            yield f"spec.egress[{i}].to", [p for p in egress.to if p is not None]
