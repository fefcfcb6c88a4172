"""Takes a NetworkPolicy as written, gives remarks on what defaulting will hide.

``egress`` without ``policyTypes``, ``ports: [{}]`` and null list elements all look deliberate
once defaults are written out, so they are looked for before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netpol.kube.api.objects import NetworkPolicy, NetworkPolicyPort, NetworkPolicySpec
from netpol.kube.read.findings import Remark

__all__ = ["remarks_as_written"]


def remarks_as_written(policy: NetworkPolicy) -> list[Remark]:
    """Return the remarks on a policy before ``apply_defaults``, in the order of its fields."""
    spec = policy.spec or NetworkPolicySpec()
    return [
        *_whole_namespace(policy),
        *_also_ingress(spec),
        *_empty_ports(spec),
        *_null_elements(spec),
    ]


def _whole_namespace(policy: NetworkPolicy) -> Iterator[Remark]:
    """Find policies that select every pod because nothing says which (A1.4)."""
    if policy.spec is None:
        yield Remark(
            "selects-namespace",
            "",
            "without a spec, a policy selects every pod of its namespace and denies them all "
            "incoming traffic; write spec: {podSelector: {}} if that is meant",
        )
    elif policy.spec.pod_selector is None:
        yield Remark(
            "selects-namespace",
            "spec",
            "without podSelector, a policy selects every pod of its namespace; write "
            "podSelector: {} if that is meant",
        )


def _also_ingress(spec: NetworkPolicySpec) -> Iterator[Remark]:
    """Find egress rules that isolate for ingress as well, unasked (A2.1)."""
    if spec.policy_types or not spec.egress or spec.ingress:
        return
    yield Remark(
        "egress-isolates-ingress",
        "spec.egress",
        "without policyTypes, a policy with egress rules also isolates its pods for ingress, and "
        "having no ingress rules it denies them all incoming traffic: the API server makes it "
        "policyTypes [Ingress, Egress]. Write policyTypes: [Egress] if only egress is meant, "
        "or list both to say that the denial is meant",
    )


def _empty_ports(spec: NetworkPolicySpec) -> Iterator[Remark]:
    """Find port elements without any field: all TCP ports, not all ports (A2.2)."""
    for path, ports in _port_lists(spec):
        for i, port in enumerate(ports):
            if port == NetworkPolicyPort():
                yield Remark(
                    "empty-port-is-tcp",
                    f"{path}[{i}]",
                    "an empty element of ports means every TCP port and nothing else; leave "
                    "ports out to mean all ports and protocols",
                )


def _null_elements(spec: NetworkPolicySpec) -> Iterator[Remark]:
    """Find null list elements, which decode to zero values (A0.5)."""
    for direction, rules in (("ingress", spec.ingress), ("egress", spec.egress)):
        for i, rule in enumerate(rules or ()):
            if rule is None:
                yield _null(f"spec.{direction}[{i}]", "an empty rule, which allows everything")
    for path, peers in _peer_lists(spec):
        for i, peer in enumerate(peers):
            if peer is None:
                yield _null(f"{path}[{i}]", "an empty peer")
    for path, ports in _port_lists(spec):
        for i, port in enumerate(ports):
            if port is None:
                yield _null(f"{path}[{i}]", "an empty port, which is every TCP port")


def _null(path: str, meaning: str) -> Remark:
    return Remark("null-element", path, f"a null list element is read as {meaning}")


def _port_lists(
    spec: NetworkPolicySpec,
) -> Iterator[tuple[str, Sequence[NetworkPolicyPort | None]]]:
    for i, ingress in enumerate(spec.ingress or ()):
        if ingress is not None and ingress.ports:
            yield f"spec.ingress[{i}].ports", ingress.ports
    for i, egress in enumerate(spec.egress or ()):
        if egress is not None and egress.ports:
            yield f"spec.egress[{i}].ports", egress.ports


def _peer_lists(spec: NetworkPolicySpec) -> Iterator[tuple[str, Sequence[object | None]]]:
    for i, ingress in enumerate(spec.ingress or ()):
        if ingress is not None and ingress.from_:
            yield f"spec.ingress[{i}].from", ingress.from_
    for i, egress in enumerate(spec.egress or ()):
        if egress is not None and egress.to:
            yield f"spec.egress[{i}].to", egress.to
