"""Takes a defaulted NetworkPolicy, gives every error of the API server (specification.md A1).

Messages follow the API server's in meaning. CIDRs a strict server would refuse are errors under
``strict_cidr=reject``, else returned apart, as warnings (A1.9).
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator
from typing import Literal

from netpol.kube.api.addresses import Network, parse_cidr
from netpol.kube.api.objects import (
    IPBlock,
    LabelSelector,
    LabelSelectorRequirement,
    NetworkPolicy,
    NetworkPolicyPeer,
    NetworkPolicyPort,
    NetworkPolicySpec,
    PolicyMeta,
)
from netpol.kube.read.typed import Problem
from netpol.kube.read.yamltree import field_path
from netpol.kube.validation.namespaces import NAMESPACE_RULE, is_namespace

__all__ = [
    "PORT_RANGE",
    "PROTOCOLS",
    "Problems",
    "invalid",
    "is_valid_selector",
    "metadata_problems",
    "port_name_faults",
    "selector_problems",
    "unsupported",
    "validate_policy",
]

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_DNS_SUBDOMAIN = re.compile(rf"{_DNS_LABEL.pattern}(\.{_DNS_LABEL.pattern})*")
_LABEL_TEXT = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_PORT_NAME = re.compile(r"[-a-z0-9]+")

#: What ``protocol`` may be, as the API server lists it.
PROTOCOLS = ("SCTP", "TCP", "UDP")
#: Why a port number is refused.
PORT_RANGE = "must be between 1 and 65535, inclusive"

_POLICY_TYPES = ("Egress", "Ingress")

Problems = Iterator[Problem]


def validate_policy(
    policy: NetworkPolicy, strict_cidr: Literal["warn", "reject"] = "warn"
) -> tuple[list[Problem], list[Problem]]:
    """Check a policy after ``apply_defaults``, as the API server does.

    Returns
    -------
    errors, warnings : list of Problem
        Everything wrong, by dotted field path in the order written; and CIDRs that only a
        strict server refuses.
    """
    found = [*metadata_problems(policy.metadata)]
    namespace = policy.metadata.namespace
    if namespace and not is_namespace(namespace):
        found.append(invalid("metadata.namespace", namespace, NAMESPACE_RULE))
    if policy.spec is not None:
        found += _spec(policy.spec)
    errors = [Problem(*each) for each in found if not isinstance(each, _LegacyCIDR)]
    legacy = [Problem(*each) for each in found if isinstance(each, _LegacyCIDR)]
    return (errors + legacy, []) if strict_cidr == "reject" else (errors, legacy)


class _LegacyCIDR(Problem):
    """A CIDR that only a strict server refuses."""

    __slots__ = ()


def invalid(path: str, value: object, why: str) -> Problem:
    """Return the API server's message for a value that may not be."""
    shown = f'"{value}"' if isinstance(value, str) else str(value)
    return Problem(path, f"Invalid value: {shown}: {why}")


def unsupported(path: str, value: str, choices: Iterable[str]) -> Problem:
    """Return the API server's message for a word that is not one of a few."""
    listed = ", ".join(f'"{choice}"' for choice in choices)
    return Problem(path, f'Unsupported value: "{value}": supported values: {listed}')


def metadata_problems(metadata: PolicyMeta) -> Problems:
    """Check the name and the labels of an object (A1.1)."""
    if not metadata.name:
        why = "Required value: a name is required"
        if metadata.generate_name:
            why += "; generateName only gives one on a server"
        yield Problem("metadata.name", why)
    elif len(metadata.name) > 253 or not _DNS_SUBDOMAIN.fullmatch(metadata.name):
        yield invalid("metadata.name", metadata.name, _SUBDOMAIN_RULE)
    yield from _labels(metadata.labels, "metadata.labels")


_SUBDOMAIN_RULE = (
    "must be at most 253 lower case letters, digits, '-' or '.', and begin and end with a letter "
    "or digit"
)


def _spec(spec: NetworkPolicySpec) -> Problems:
    if spec.pod_selector is not None:
        yield from selector_problems(spec.pod_selector, "spec.podSelector")
    for i, ingress in enumerate(spec.ingress or ()):
        if ingress is not None:
            yield from _ports(ingress.ports, f"spec.ingress[{i}].ports")
            yield from _peers(ingress.from_, f"spec.ingress[{i}].from")
    for i, egress in enumerate(spec.egress or ()):
        if egress is not None:
            yield from _ports(egress.ports, f"spec.egress[{i}].ports")
            yield from _peers(egress.to, f"spec.egress[{i}].to")
    yield from _policy_types(spec.policy_types or [])


def _policy_types(types: list[str]) -> Problems:
    """Check A1.3: at most two, each ``Ingress`` or ``Egress``; duplicates pass."""
    if len(types) > 2:
        yield invalid("spec.policyTypes", types, "may not list more than two policy types")
        return
    for i, each in enumerate(types):
        if each not in _POLICY_TYPES:
            yield unsupported(f"spec.policyTypes[{i}]", each, _POLICY_TYPES)


# --- ports ------------------------------------------------------------------------------------


def _ports(ports: list[NetworkPolicyPort | None] | None, path: str) -> Problems:
    for i, port in enumerate(ports or ()):
        if port is not None:
            yield from _port(port, f"{path}[{i}]")


def _port(port: NetworkPolicyPort, path: str) -> Problems:
    if port.protocol is not None and port.protocol not in PROTOCOLS:
        yield unsupported(f"{path}.protocol", port.protocol, PROTOCOLS)
    if isinstance(port.port, str):
        for why in port_name_faults(port.port):
            yield invalid(f"{path}.port", port.port, why)
    elif port.port is not None and not 1 <= port.port <= 65535:
        yield invalid(f"{path}.port", port.port, PORT_RANGE)
    if port.end_port is not None:
        yield from _end_port(port.port, port.end_port, f"{path}.endPort")


def port_name_faults(name: str) -> Iterator[str]:
    """Yield what keeps a text from being a port name (A1.7)."""
    if len(name) > 15:
        yield "must be no more than 15 characters"
    if not _PORT_NAME.fullmatch(name):
        yield "must contain only lower case letters, digits and hyphens (a number is unquoted)"
    elif not re.search("[a-z]", name):
        yield "must contain at least one letter (write a port number without quotes)"
    if "--" in name:
        yield "must not contain consecutive hyphens"
    if name.startswith("-") or name.endswith("-"):
        yield "must not begin or end with a hyphen"


def _end_port(port: int | str | None, end_port: int, path: str) -> Problems:
    """Check A1.8."""
    if port is None:
        yield invalid(path, end_port, "may not be given without `port`")
    elif isinstance(port, str):
        yield invalid(path, end_port, "may not be given when `port` is a name")
    elif end_port < port:
        yield invalid(path, end_port, "must be greater than or equal to `port`")
    if not 1 <= end_port <= 65535:
        yield invalid(path, end_port, PORT_RANGE)


# --- peers ------------------------------------------------------------------------------------


def _peers(peers: list[NetworkPolicyPeer | None] | None, path: str) -> Problems:
    for i, peer in enumerate(peers or ()):
        if peer is not None:
            yield from _peer(peer, f"{path}[{i}]")


def _peer(peer: NetworkPolicyPeer, path: str) -> Problems:
    """Check A1.5: selectors, or an ipBlock, never both, never neither."""
    selectors = (("podSelector", peer.pod_selector), ("namespaceSelector", peer.namespace_selector))
    given = [(name, selector) for name, selector in selectors if selector is not None]
    if not given and peer.ip_block is None:
        yield Problem(path, "Required value: must specify a peer")
    if given and peer.ip_block is not None:
        names = " and ".join(name for name, _ in given)
        yield Problem(path, f"Forbidden: may not specify both ipBlock and {names} in one element")
    for name, selector in given:
        yield from selector_problems(selector, f"{path}.{name}")
    if peer.ip_block is not None:
        yield from _ip_block(peer.ip_block, f"{path}.ipBlock")


def _ip_block(block: IPBlock, path: str) -> Problems:
    """Check A1.9 and A1.10."""
    if not block.cidr:
        yield Problem(f"{path}.cidr", "Required value: a CIDR is required")
        return
    cidr = yield from _cidr(block.cidr, f"{path}.cidr")
    for i, text in enumerate(block.except_ or ()):
        where = f"{path}.except[{i}]"
        except_ = yield from _cidr(text, where)
        if cidr is not None and except_ is not None and not _strictly_inside(except_, cidr):
            yield invalid(where, text, f"must be a strict subset of the cidr {block.cidr}")


def _cidr(text: str, path: str) -> Generator[Problem, None, Network | None]:
    try:
        network, legacy = parse_cidr(text)
    except ValueError as error:
        yield invalid(path, text, f"must be a CIDR such as 10.9.8.0/24 or 2001:db8::/64 ({error})")
        return None
    for why in legacy:
        yield _LegacyCIDR(path, f'Invalid value: "{text}": {why}: use {network}')
    return network


def _strictly_inside(inner: Network, outer: Network) -> bool:
    return (
        inner.version == outer.version
        and inner.prefixlen > outer.prefixlen
        and inner.network_address in outer
    )


# --- label selectors --------------------------------------------------------------------------


def is_valid_selector(selector: LabelSelector) -> bool:
    """Whether a selector can be read (A1.11); cluster-scoped kinds store others too (B7.2)."""
    return next(selector_problems(selector, ""), None) is None


def selector_problems(selector: LabelSelector, path: str) -> Problems:
    """Check A1.11."""
    yield from _labels(selector.match_labels, f"{path}.matchLabels")
    for i, requirement in enumerate(selector.match_expressions or ()):
        yield from _requirement(requirement, f"{path}.matchExpressions[{i}]")


def _requirement(requirement: LabelSelectorRequirement, path: str) -> Problems:
    operator, values = requirement.operator, requirement.values or []
    if operator in ("In", "NotIn"):
        if not values:
            yield Problem(f"{path}.values", f"Required value: needed with operator {operator}")
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            yield Problem(f"{path}.values", f"Forbidden: not allowed with operator {operator}")
    else:
        yield invalid(
            f"{path}.operator", operator, "must be one of In, NotIn, Exists, DoesNotExist"
        )
    yield from _label_key(requirement.key, f"{path}.key")
    for i, value in enumerate(values):
        yield from _label_value(value, f"{path}.values[{i}]")


def _labels(labels: dict[str, str] | None, path: str) -> Problems:
    for key, value in (labels or {}).items():
        where = field_path(path, key)
        yield from _label_key(key, where)
        yield from _label_value(value, where)


def _label_key(key: str, path: str) -> Problems:
    """Check a qualified name: ``[prefix/]name``."""
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > 253 or not _DNS_SUBDOMAIN.fullmatch(prefix)):
        yield invalid(path, key, f"the part before '/' {_SUBDOMAIN_RULE}")
    if len(name) > 63 or not _LABEL_TEXT.fullmatch(name):
        yield invalid(path, key, f"a label key {_LABEL_TEXT_RULE}")


def _label_value(value: str, path: str) -> Problems:
    if value and (len(value) > 63 or not _LABEL_TEXT.fullmatch(value)):
        yield invalid(path, value, f"a label value {_LABEL_TEXT_RULE}")


_LABEL_TEXT_RULE = (
    "must be at most 63 letters, digits, '-', '_' or '.', and begin and end with a letter or digit"
)
