"""Takes policies without a cluster, gives findings on rules that rarely do what is meant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from ipaddress import collapse_addresses
from itertools import pairwise

from netpol.kube.api.addresses import parse_cidr
from netpol.kube.api.objects import IPBlock, LabelSelector, NetworkPolicyPeer, NetworkPolicySpec
from netpol.kube.policies import LoadedPolicy, PolicySet
from netpol.kube.read.findings import Finding, Remark, Severity, placed
from netpol.lint.alternatives import alternatives
from netpol.lint.views import RuleView, rules_of

__all__ = ["dns_by_one_protocol", "lint_alone", "lint_unseen"]

_DNS = 53
_DNS_NAMESPACES = frozenset(("kube-system", "openshift-dns"))


def lint_alone(policies: PolicySet) -> Iterator[Finding]:
    """Yield the findings that no cluster would change."""
    nulls = {
        (each.policy, each.location.field)
        for each in policies.findings
        if each.code == "null-element"
    }
    for loaded in policies.policies:
        spec = loaded.policy.spec or NetworkPolicySpec()
        rules = rules_of(spec)
        remarks = [*_inert_rules(spec), *_open_rules(rules, loaded), *_split_rules(rules)]
        for path, peers in _peer_lists(spec):
            remarks += _redundant_pod_selectors(path, peers)
            for i, peer in enumerate(peers):
                if peer.ip_block is not None:
                    remarks += _excluded_block(f"{path}[{i}].ipBlock", peer.ip_block)
        for remark in remarks:
            if (loaded.label, remark.field) not in nulls:  # told already
                yield placed(remark, loaded.source, loaded.label)


def lint_unseen(policies: PolicySet) -> Iterator[Finding]:
    """Yield what can only be supposed, because there is no cluster to see it in."""
    for loaded in policies.policies:
        namespace = loaded.policy.metadata.namespace or "default"
        rules = rules_of(loaded.policy.spec or NetworkPolicySpec())
        for remark, _ in alternatives(rules, namespace):
            yield placed(remark, loaded.source, loaded.label)
    yield from dns_by_one_protocol(policies)


def dns_by_one_protocol(policies: PolicySet) -> Iterator[Finding]:
    """Find port 53 for one protocol, where no policy of the namespace has it for the other."""
    by_namespace: dict[str, list[tuple[LoadedPolicy, list[RuleView]]]] = defaultdict(list)
    for loaded in policies.policies:
        rules = [r for r in rules_of(loaded.policy.spec or NetworkPolicySpec()) if r.egress]
        by_namespace[loaded.policy.metadata.namespace or "default"].append((loaded, rules))
    for namespace, found in by_namespace.items():
        rules = [rule for _, each in found for rule in each if _may_lead(rule, namespace)]
        admitted = {name for name in ("UDP", "TCP") if any(r.admits(name, _DNS) for r in rules)}
        if len(admitted) != 1:
            continue
        (given,) = admitted
        other = "TCP" if given == "UDP" else "UDP"
        for loaded, each in found:
            path = _port_path(each)
            if path is not None:
                remark = Remark("dns-one-protocol", path, _ONLY[given].format(other=other))
                yield placed(remark, loaded.source, loaded.label)


_ONLY = {
    "UDP": "DNS is allowed by UDP alone: an answer that is too large for UDP is asked for again by "
    "{other}, and then fails; allow {other} 53, too",
    "TCP": "DNS is allowed by TCP alone, but resolvers ask by UDP first; allow {other} 53, too",
}


def _may_lead(rule: RuleView, namespace: str) -> bool:
    """Return whether a rule may be about DNS: by its port, or since its peers may be anywhere."""
    return (
        bool(rule.ports)
        or not rule.peers
        or namespace in _DNS_NAMESPACES
        or any(peer.network is not None or peer.namespaces is not None for peer in rule.peers)
    )


def _port_path(rules: Sequence[RuleView]) -> str | None:
    """Return the path of the element that names the port."""
    for rule in rules:
        for port in rule.ports:
            if port.port == _DNS:
                return port.path
    return None


# --- rules that open more than they seem to -----------------------------------------------------


def _open_rules(rules: Sequence[RuleView], loaded: LoadedPolicy) -> Iterator[Remark]:
    """Find rules about everybody: empty ones, and lists written without an element (A4.1)."""
    for rule in rules:
        side = "to" if rule.egress else "from"
        if not rule.peers and _is_written(rule, side, loaded):
            yield _empty_list(rule, side)
        elif not rule.peers and not rule.ports:
            beside = [each for each in rules if each.egress == rule.egress and each is not rule]
            yield _empty_rule(rule, beside)
        elif not rule.ports and _is_written(rule, "ports", loaded):
            yield Remark(
                "empty-list",
                f"{rule.path}.ports",
                "a list without elements means every port and protocol, not none; leave ports out "
                "if that is meant",
            )


def _is_written(rule: RuleView, field: str, loaded: LoadedPolicy) -> bool:
    """Whether an empty field stands there: as a list, or, in YAML, as a key without a value."""
    return field in rule.given or f"{rule.path}.{field}" in loaded.source.lines


def _empty_list(rule: RuleView, side: str) -> Remark:
    who = "destination" if rule.egress else "source"
    what = "these ports" if rule.ports else "every port"
    return Remark(
        "empty-list",
        f"{rule.path}.{side}",
        f"a list without elements allows every {who}, not none, on {what}; to allow none leave the "
        f"rule out, to allow all leave {side} out",
    )


def _empty_rule(rule: RuleView, beside: Sequence[RuleView]) -> Remark:
    direction = "egress" if rule.egress else "ingress"
    if beside:
        return Remark(
            "allows-everything",
            rule.path,
            f"an empty rule allows all {direction}, so that the other {direction} rules of this "
            "policy have no effect",
        )
    return Remark(
        "allows-everything",
        rule.path,
        f"an empty rule allows all {direction} of the selected pods, whatever other "
        f"NetworkPolicies say; to deny all, write {direction}: []",
        "info",
    )


def _split_rules(rules: Sequence[RuleView]) -> Iterator[Remark]:
    """Find a rule with only peers beside one with only ports: each opens more than both in one."""
    for first, second in pairwise(rules):
        if first.egress != second.egress:
            continue
        peers, ports = (first, second) if first.peers else (second, first)
        if not peers.peers or peers.ports or ports.peers or not ports.ports or _is_dns(ports):
            continue
        # With one dash too many, the ports come after the peers that they belong to.
        severity: Severity = "warning" if peers is first else "info"
        yield _split(second, peers, ports, severity)


def _split(second: RuleView, peers: RuleView, ports: RuleView, severity: Severity) -> Remark:
    side, everybody = ("to", "every destination") if peers.egress else ("from", "every source")
    direction = "egress" if peers.egress else "ingress"
    return Remark(
        "split-rule",
        second.path,
        f"two rules, not one: {_short(peers.path)} allows its peers on every port, and "
        f"{_short(ports.path)} allows {everybody} on its ports. If these ports of these peers are "
        f"meant, write {side} and ports in one element of {direction}",
        severity,
    )


def _is_dns(rule: RuleView) -> bool:
    """Return whether a rule opens DNS alone, which is often meant for every server there is."""
    return all(each.port in (_DNS, 5353, "dns", "dns-tcp") for each in rule.ports)


def _short(path: str) -> str:
    return path.removeprefix("spec.")


# --- rules without effect ------------------------------------------------------------------------


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
