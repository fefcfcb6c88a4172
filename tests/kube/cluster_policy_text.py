"""Writes cluster-scoped policies as plain values and reads them, for the tests of this folder."""

from __future__ import annotations

import copy
import json
from typing import Any

from policy_text import check_text

from netpol.lint.check import CheckResult

GROUP = "policy.networking.k8s.io"
EVERY: dict[str, Any] = {"namespaces": {}}
HTTP: dict[str, Any] = {"tcp": {"destinationPort": {"number": 80}}}

Value = dict[str, Any]


def cnp(name: str = "p", **spec: Any) -> Value:
    """Give a ClusterNetworkPolicy; ``spec`` overrides single fields, None leaves one out."""
    return _policy(
        "ClusterNetworkPolicy", "v1alpha2", name, {"tier": "Admin", "priority": 5, **spec}
    )


def anp(name: str = "p", **spec: Any) -> Value:
    """Give an AdminNetworkPolicy."""
    return _policy("AdminNetworkPolicy", "v1alpha1", name, {"priority": 5, **spec})


def banp(name: str = "default", **spec: Any) -> Value:
    """Give a BaselineAdminNetworkPolicy."""
    return _policy("BaselineAdminNetworkPolicy", "v1alpha1", name, spec)


def _policy(kind: str, version: str, name: str, spec: Value) -> Value:
    spec = {"subject": EVERY, **spec}
    return {
        "apiVersion": f"{GROUP}/{version}",
        "kind": kind,
        "metadata": {"name": name},
        "spec": copy.deepcopy({key: value for key, value in spec.items() if value is not None}),
    }


def accepts(policy: Value) -> str:
    """Give the word by which rules of the policy's kind let traffic in."""
    return "Accept" if policy["kind"] == "ClusterNetworkPolicy" else "Allow"


def ingress(action: str = "Deny", peer: Value = EVERY, **rule: Any) -> Value:
    """Give an ingress rule with one peer."""
    return {"action": action, "from": [peer], **rule}


def egress(action: str = "Deny", peer: Value = EVERY, **rule: Any) -> Value:
    """Give an egress rule with one peer."""
    return {"action": action, "to": [peer], **rule}


def ports(make: Any, *elements: Value) -> Value:
    """Give a policy whose first ingress rule has some elements of protocols or ports."""
    return make(ingress=[ingress(**{"protocols" if make is cnp else "ports": list(elements)})])


def tcp(port: Value) -> Value:
    """Give a ClusterNetworkPolicy whose first ingress rule has a TCP port."""
    return ports(cnp, {"tcp": {"destinationPort": port}})


#: Where ``tcp`` puts its port.
TCP_FIELD = "spec.ingress[0].protocols[0].tcp.destinationPort"


def check(*policies: Value, **switches: str) -> CheckResult:
    """Check policies as one YAML file of JSON documents."""
    return check_text("\n---\n".join(map(json.dumps, policies)), **switches)


def errors(*policies: Value, **switches: str) -> list[tuple[str | None, str]]:
    """Give (field, message) of every error, the policy's name left out."""
    return [
        (each.location.field, each.message.partition(": ")[2])
        for each in check(*policies, **switches).errors
    ]


def fields(*policies: Value, **switches: str) -> list[str | None]:
    """Give only the fields of the errors."""
    return [field for field, _ in errors(*policies, **switches)]


def findings(*policies: Value, **switches: str) -> list[tuple[str, str, str | None]]:
    """Give (severity, code, field) of the findings on policies that have no errors."""
    result = check(*policies, **switches)
    assert not result.errors, [str(error) for error in result.errors]
    return [(each.severity, each.code, each.location.field) for each in result.findings]
