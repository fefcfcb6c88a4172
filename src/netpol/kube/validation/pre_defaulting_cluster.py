"""Takes a cluster-scoped policy, gives remarks on what its CRD lets pass although it cannot work.

An ``error`` is what certainly does not do what is written; a warning says how it is read.
"""

from __future__ import annotations

from collections.abc import Iterator

from netpol.kube.api.cluster_objects import (
    AdminPort,
    ClusterEgressPeer,
    ClusterPolicy,
)
from netpol.kube.api.cluster_rules import (
    RuleAt,
    cluster_rules,
    is_fail_closed,
    named_ports,
    selectors_of,
)
from netpol.kube.api.objects import LabelSelector
from netpol.kube.read.findings import Remark
from netpol.kube.validation.policies import port_name_faults, selector_problems

__all__ = ["remarks_as_stored"]

_ALLOWING = ("Accept", "Allow")


def remarks_as_stored(policy: ClusterPolicy) -> list[Remark]:
    """Return the remarks on a policy that ``validate_cluster_policy`` lets pass."""
    found: list[Remark] = []
    if policy.spec is not None and policy.spec.subject is not None:
        for path, selector in selectors_of("spec.subject", policy.spec.subject):
            found += _unreadable(path, selector, "the policy selects no pod")
    for rule in cluster_rules(policy):
        found += [*_peers(rule), *_ports(rule)]
    return found


def _unusable(rule: RuleAt) -> str:
    """Say what becomes of a rule that cannot be used (B4.8)."""
    action = rule.rule.action
    what = "matches nothing" if action in _ALLOWING else "denies everything"
    return f"the whole rule cannot be used, and a rule that says {action} then {what}"


def _unreadable(path: str, selector: LabelSelector, result: str) -> Iterator[Remark]:
    """Find selectors that are stored but mean nothing (B7.2)."""
    for where, message in selector_problems(selector, path):
        yield Remark(
            "invalid-selector",
            where,
            f"{message} (servers store it all the same, but {result})",
            "error",
        )


def _peers(rule: RuleAt) -> Iterator[Remark]:
    for path, peer in rule.each_peer():
        if is_fail_closed(peer):
            yield _fail_closed(path, "peer", rule)
        for where, selector in selectors_of(path, peer):
            yield from _unreadable(where, selector, _unusable(rule))
        domains = isinstance(peer, ClusterEgressPeer) and peer.domain_names is not None
        if domains and rule.rule.action not in _ALLOWING:
            yield Remark(
                "domain-names-action",
                f"{path}.domainNames",
                f"domain names only work in rules that accept: what one that says "
                f"{rule.rule.action} does with them is left to the implementation",
                "error",
            )


def _fail_closed(path: str, what: str, rule: RuleAt) -> Remark:
    return Remark("fail-closed", path, f"this {what} sets no known field: {_unusable(rule)}")


def _ports(rule: RuleAt) -> Iterator[Remark]:
    for path, port in rule.each_port():
        if is_fail_closed(port):
            yield _fail_closed(path, "element", rule)
        elif isinstance(port, AdminPort) and port.port_range is not None:
            start, end = port.port_range.start, port.port_range.end
            if start is not None and end is not None and start >= end:
                read = f"only port {start} matches" if start == end else "no port matches"
                yield Remark(
                    "port-range-order",
                    f"{path}.portRange",
                    f"start must be less than end, which no server enforces here: {read}",
                )
    networks = any(
        isinstance(peer, ClusterEgressPeer) and peer.networks is not None
        for _, peer in rule.each_peer()
    )
    for where, name in named_ports(rule):
        for why in port_name_faults(name) if name else ():
            yield Remark(
                "invalid-port-name",
                where,
                f'no container port can be named "{name}", so this matches nothing: a name {why}',
                "error",
            )
        if networks:
            yield Remark(
                "named-port-networks",
                where,
                f"networks have no named ports: of their addresses only those of pods that declare "
                f"{name!r} can match, and servers with the experimental schema refuse the rule",
                "error",
            )
