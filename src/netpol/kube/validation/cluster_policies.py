"""Takes a cluster-scoped policy, gives every error its CRD gives (specification.md B1, B2, B7).

What the schema lets pass although it cannot work is no error but a finding: ``written_cluster``.
Two of those are let pass here too, as objects stored under an older schema may hold them: an
element of no known field, and a v1alpha1 range that ends before it starts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from netpol.kube.api.addresses import HOST_BITS, parse_cidr
from netpol.kube.api.cluster_objects import (
    AdminNetworkPolicy,
    AdminPortNumber,
    AdminPortRange,
    BaselineAdminNetworkPolicy,
    ClusterEgressPeer,
    ClusterNetworkPolicy,
    ClusterPolicy,
    ClusterSubject,
    DestinationPort,
    NamespacedPod,
    PortInterval,
    TransportProtocol,
)
from netpol.kube.api.cluster_rules import (
    ClusterPeer,
    PortElement,
    RuleAt,
    cluster_rules,
    named_ports,
    selectors_of,
    set_fields,
)
from netpol.kube.api.objects import LabelSelector
from netpol.kube.read.typed import Problem
from netpol.kube.validation.policies import (
    PORT_RANGE,
    PROTOCOLS,
    Problems,
    invalid,
    metadata_problems,
    unsupported,
)

__all__ = ["validate_cluster_policy"]


class _Schema(NamedTuple):
    """What the CRDs of the kinds differ in."""

    actions: tuple[str, ...]
    limit: int  # of rules, peers and ports
    prioritised: bool = True
    tiered: bool = False
    needs_namespaces: bool = True  # pods.namespaceSelector is required (B2.4)
    domain_names: bool = True


_SCHEMAS: dict[type[ClusterPolicy], _Schema] = {
    ClusterNetworkPolicy: _Schema(
        ("Accept", "Deny", "Pass"), 25, tiered=True, needs_namespaces=False
    ),
    AdminNetworkPolicy: _Schema(("Allow", "Deny", "Pass"), 100),
    BaselineAdminNetworkPolicy: _Schema(
        ("Allow", "Deny"), 100, prioritised=False, domain_names=False
    ),
}

_TIERS = ("Admin", "Baseline")
_NETWORKS_LIMIT = 25  # of every kind, as of domainNames
_CIDR_LENGTH = 43
_NAME_LENGTH = 100
_DOMAIN_LABEL = r"[A-Za-z0-9](?:[-A-Za-z0-9_]*[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"(?:\*\.)?{_DOMAIN_LABEL}(?:\.{_DOMAIN_LABEL})+\.?")


def validate_cluster_policy(policy: ClusterPolicy) -> list[Problem]:
    """Return everything the API server would refuse, by dotted field path in the order written."""
    schema = _SCHEMAS[type(policy)]
    found = [*metadata_problems(policy.metadata), *_singleton(policy)]
    if policy.spec is None:
        return [*found, _required("spec")]
    found += [*_ordering(policy, schema), *_subject(policy.spec.subject, schema)]
    for direction, rules in (("ingress", policy.spec.ingress), ("egress", policy.spec.egress)):
        found += _too_many(f"spec.{direction}", rules, schema.limit)
    for rule in cluster_rules(policy):
        found += _rule(rule, schema)
    return found


def _required(path: str, why: str = "") -> Problem:
    return Problem(path, f"Required value{': ' if why else ''}{why}")


def _too_many(path: str, items: Sequence[object] | None, limit: int) -> Problems:
    if items is not None and len(items) > limit:
        yield Problem(path, f"Too many: {len(items)}: must have at most {limit} items")


def _counted(path: str, items: Sequence[object], limit: int) -> Problems:
    """Check a list that, if it is there, must hold something."""
    if not items:
        yield invalid(path, [], "must have at least 1 item")
    yield from _too_many(path, items, limit)


def _within(path: str, value: int, low: int, high: int) -> Problems:
    if not low <= value <= high:
        yield invalid(path, value, f"must be between {low} and {high}, inclusive")


# --- the policy -------------------------------------------------------------------------------


def _singleton(policy: ClusterPolicy) -> Problems:
    """Check B2.1."""
    name = policy.metadata.name
    if isinstance(policy, BaselineAdminNetworkPolicy) and name and name != "default":
        yield invalid(
            "metadata.name", name, 'must be "default": a cluster has one BaselineAdminNetworkPolicy'
        )


def _ordering(policy: ClusterPolicy, schema: _Schema) -> Problems:
    """Check tier and priority (B1.1, B2.1)."""
    if schema.tiered:
        tier = getattr(policy.spec, "tier", None)
        if tier is None:
            yield _required("spec.tier", f"one of {', '.join(_TIERS)}")
        elif tier not in _TIERS:
            yield unsupported("spec.tier", tier, _TIERS)
    if schema.prioritised:
        priority = getattr(policy.spec, "priority", None)
        if priority is None:
            yield _required("spec.priority", "a number from 0 (first) to 1000")
        else:
            yield from _within("spec.priority", priority, 0, 1000)


def _subject(subject: ClusterSubject | None, schema: _Schema) -> Problems:
    """Check B1.2: exactly one of namespaces and pods."""
    path = "spec.subject"
    if subject is None:
        yield _required(path, "exactly one of namespaces, pods")
        return
    given = [field.name for field in set_fields(subject)]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        yield Problem(
            path, f"Invalid value: must set exactly one of namespaces, pods; found {found}"
        )
    yield from _selected(path, subject, subject.pods, schema)


def _selected(
    path: str, element: ClusterSubject | ClusterPeer, pods: NamespacedPod | None, schema: _Schema
) -> Problems:
    """Check the selectors of a subject or peer: which must be there, and their schema.

    Their contents are not looked at: the CRD does not either (B7.2).
    """
    if pods is not None:
        if pods.namespace_selector is None and schema.needs_namespaces:
            yield _required(f"{path}.pods.namespaceSelector", "write {} for every namespace")
        if pods.pod_selector is None:
            yield _required(f"{path}.pods.podSelector", "write {} for every pod")
    for where, selector in selectors_of(path, element):
        yield from _requirements(where, selector)


def _requirements(path: str, selector: LabelSelector) -> Problems:
    for i, requirement in enumerate(selector.match_expressions or ()):
        where = f"{path}.matchExpressions[{i}]"
        if not requirement.key:
            yield _required(f"{where}.key")
        if not requirement.operator:
            yield _required(f"{where}.operator")


# --- rules ------------------------------------------------------------------------------------


def _rule(at: RuleAt, schema: _Schema) -> Problems:
    """Check B1.3, B1.8 and B2.2."""
    name, action = at.rule.name, at.rule.action
    if name is not None and len(name) > _NAME_LENGTH:
        yield Problem(
            f"{at.path}.name", f"Too long: may not be more than {_NAME_LENGTH} characters"
        )
    if not action:
        yield _required(f"{at.path}.action", f"one of {', '.join(schema.actions)}")
    elif action not in schema.actions:
        yield unsupported(f"{at.path}.action", action, schema.actions)
    if at.peers is None:
        yield _required(at.peers_path, "at least one peer")
    else:
        yield from _counted(at.peers_path, at.peers, schema.limit)
    for path, peer in at.each_peer():
        yield from _peer(path, peer, schema)
    if at.ports is not None:
        yield from _counted(at.ports_path, at.ports, schema.limit)
    for path, port in at.each_port():
        yield from _port(path, port)
    yield from _nameless_peers(at)


def _nameless_peers(at: RuleAt) -> Problems:
    """Refuse port names beside peers of the experimental channel, as that channel does (B1.8)."""
    for field in ("nodes", "domainNames"):
        if any(field == given.name for _, peer in at.each_peer() for given in set_fields(peer)):
            for named in named_ports(at):
                yield Problem(
                    named.path,
                    f"Forbidden: may not be used in a rule with {field}, which have no named ports",
                )


def _peer(path: str, peer: ClusterPeer, schema: _Schema) -> Problems:
    """Check B1.4 and B1.5: at most one field; none fails closed (B4.8)."""
    given = [field.name for field in set_fields(peer)]
    if len(given) > 1:
        yield Problem(path, f"Invalid value: must set exactly one field; found {', '.join(given)}")
    yield from _selected(path, peer, peer.pods, schema)
    if isinstance(peer, ClusterEgressPeer):
        if peer.networks is not None:
            yield from _networks(f"{path}.networks", peer.networks)
        if peer.domain_names is not None and not schema.domain_names:
            yield Problem(
                f"{path}.domainNames",
                "unknown field 'domainNames': a BaselineAdminNetworkPolicy has no such peer",
            )
        elif peer.domain_names is not None:
            yield from _domain_names(f"{path}.domainNames", peer.domain_names)


def _duplicates(path: str, items: Sequence[str]) -> Problems:
    """Check a list that the schema calls a set."""
    seen: set[str] = set()
    for i, item in enumerate(items):
        if item in seen:
            yield Problem(f"{path}[{i}]", f'Duplicate value: "{item}"')
        seen.add(item)


def _networks(path: str, networks: Sequence[str]) -> Problems:
    """Check B1.5 and B1.7."""
    yield from _counted(path, networks, _NETWORKS_LIMIT)
    yield from _duplicates(path, networks)
    for i, text in enumerate(networks):
        yield from _cidr(f"{path}[{i}]", text)


def _cidr(path: str, text: str) -> Problems:
    if len(text) > _CIDR_LENGTH:
        yield Problem(path, f"Too long: may not be more than {_CIDR_LENGTH} characters")
        return
    try:
        problems = parse_cidr(text).problems
    except ValueError as error:
        yield invalid(path, text, f"must be a CIDR such as 10.9.8.0/24 or 2001:db8::/64 ({error})")
        return
    for why in problems:
        if why != HOST_BITS:
            yield invalid(path, text, why.partition(",")[0])


def _domain_names(path: str, names: Sequence[str]) -> Problems:
    """Check B1.9."""
    yield from _counted(path, names, _NETWORKS_LIMIT)
    yield from _duplicates(path, names)
    for i, name in enumerate(names):
        if not _DOMAIN.fullmatch(name):
            yield invalid(
                f"{path}[{i}]",
                name,
                "must be a domain name of two labels or more, such as www.example.com, or "
                "*.example.com for the names below it",
            )


# --- ports ------------------------------------------------------------------------------------


def _port(path: str, port: PortElement) -> Problems:
    """Check B1.6 and B2.3: at most one field; none fails closed (B4.8)."""
    given = set_fields(port)
    if len(given) > 1:
        names = ", ".join(field.name for field in given)
        yield Problem(path, f"Invalid value: must set exactly one field; found {names}")
    for name, value in given:
        where = f"{path}.{name}"
        if value == "":
            yield _required(where, "the name of a container port")
        elif isinstance(value, TransportProtocol):
            yield from _destination_port(where, value.destination_port)
        elif isinstance(value, AdminPortNumber):
            yield from _protocol(where, value.protocol)
            yield from _number(f"{where}.port", value.port)
        elif isinstance(value, AdminPortRange):
            yield from _protocol(where, value.protocol)
            yield from _interval(where, value)


def _destination_port(path: str, port: DestinationPort | None) -> Problems:
    where = f"{path}.destinationPort"
    if port is None:
        # Prose says that none means all ports, the schema says that there is one.
        yield _required(where, "exactly one of number, range")
    elif (port.number is None) == (port.range is None):
        found = "none" if port.number is None else "both"
        yield Problem(where, f"Invalid value: must set exactly one of number, range; found {found}")
    elif port.number is not None:
        yield from _number(f"{where}.number", port.number)
    elif port.range is not None:
        start, end = port.range.start, port.range.end
        yield from _interval(f"{where}.range", port.range)
        if start is not None and end is not None and start >= end:
            yield invalid(f"{where}.range", f"{start}-{end}", "start must be less than end")


def _interval(path: str, interval: PortInterval | AdminPortRange) -> Problems:
    yield from _number(f"{path}.start", interval.start)
    yield from _number(f"{path}.end", interval.end)


def _number(path: str, number: int | None) -> Problems:
    if number is None:
        yield _required(path, "a port number")
    elif not 1 <= number <= 65535:
        yield invalid(path, number, PORT_RANGE)


def _protocol(path: str, protocol: str | None) -> Problems:
    """Check B2.3. The schema takes any text, but no other protocol has a meaning here."""
    if protocol is not None and protocol not in PROTOCOLS:
        yield unsupported(f"{path}.protocol", protocol, PROTOCOLS)
