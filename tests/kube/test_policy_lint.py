"""Warnings on policies that are valid and may still not do what is meant."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from policy_text import check_text, codes, manifest

from netpol.kube.policies import policies_from_objects
from netpol.kube.snapshot import snapshot_from_objects
from netpol.lint.lint import lint
from netpol.model.switches import Switches

CLUSTER = """
- {apiVersion: v1, kind: Namespace, metadata: {name: x}}
- apiVersion: v1
  kind: Pod
  metadata: {name: a, namespace: x, labels: {app: a}}
  spec:
    containers: [{name: c, ports: [{name: http, containerPort: 80}]}]
    initContainers:
    - {name: i, ports: [{name: init, containerPort: 81}]}
    - {name: s, restartPolicy: Always, ports: [{name: side, containerPort: 82}]}
  status: {podIP: 10.0.0.1}
- apiVersion: v1
  kind: Pod
  metadata: {name: b, namespace: z, labels: {app: b}}
  spec: {containers: [{name: c, ports: [{name: dns, containerPort: 53, protocol: UDP}]}]}
  status: {podIP: 'fd00::2'}
- apiVersion: v1
  kind: Pod
  metadata: {name: h, namespace: x, labels: {app: h}}
  spec: {hostNetwork: true}
  status: {podIP: 192.168.0.1}
- apiVersion: v1
  kind: Service
  metadata: {name: s, namespace: x}
  spec: {clusterIP: 10.96.0.10, externalIPs: [203.0.113.7]}
  status: {loadBalancer: {ingress: [{ip: 203.0.113.8}, {hostname: lb.example}]}}
- {apiVersion: v1, kind: Node, metadata: {name: n}, status: {addresses: [{address: 192.168.0.1}]}}
"""


def with_cluster(spec: str, **switches: Any) -> list[tuple[str, str | None]]:
    """Give (code, field) of what a policy in namespace x gets beside the cluster."""
    policies = policies_from_objects([yaml.safe_load(manifest(spec))])
    snapshot = snapshot_from_objects(yaml.safe_load(CLUSTER))
    found = lint(policies, snapshot, switches=Switches(**switches))
    return [(finding.code, finding.location.field) for finding in found]


# --- as written -------------------------------------------------------------------------------


def test_egress_without_policy_types_also_isolates_for_ingress() -> None:
    result = check_text(manifest("podSelector: {}\negress: [{to: [{podSelector: {}}]}]"))
    (finding,) = result.findings
    assert finding.code == "egress-isolates-ingress"
    assert finding.severity == "warning"
    assert finding.policy == "x/p"
    assert (finding.location.line, finding.location.field) == (6, "spec.egress")
    assert "also isolates its pods for ingress" in finding.message
    assert "policyTypes: [Egress]" in finding.message


@pytest.mark.parametrize(
    "spec",
    [
        "{policyTypes: [Egress], egress: [{}]}",
        "{policyTypes: [Ingress, Egress], egress: [{}]}",
        "{ingress: [{}], egress: [{}]}",
        "{egress: []}",
        "{podSelector: {}}",
    ],
)
def test_egress_that_is_not_warned_of(spec: str) -> None:
    assert codes(spec) == []


def test_egress_rules_of_any_shape_are_warned_of() -> None:
    assert codes("egress: [{ports: [{port: 80}]}]\ningress: []") == ["egress-isolates-ingress"]


def test_empty_port_element_is_tcp_only() -> None:
    assert codes("ingress: [{ports: [{}]}]") == ["empty-port-is-tcp"]
    assert codes("ingress: [{ports: [{protocol: TCP}]}]") == []


@pytest.mark.parametrize(
    ("types", "field"), [("Ingress", "spec.egress"), ("Egress", "spec.ingress")]
)
def test_a4_2_inert_rules(types: str, field: str) -> None:
    spec = f"policyTypes: [{types}]\ningress: [{{}}]\negress: [{{}}]"
    found = [each for each in check_text(manifest(spec)).findings if each.severity != "info"]
    assert [(each.code, each.location.field) for each in found] == [("inert-rules", field)]


@pytest.mark.parametrize(
    ("except_", "expected"),
    [
        ("[10.0.0.0/9, 10.128.0.0/9]", ["except-covers-block"]),
        ("[10.0.0.0/9, 10.128.0.0/10, 10.192.0.0/10, 10.1.0.0/16]", ["except-covers-block"]),
        ("[10.0.0.0/9, 10.128.0.0/10]", []),
        ("[]", []),
    ],
)
def test_except_that_leaves_nothing(except_: str, expected: list[str]) -> None:
    block = f"{{cidr: 10.0.0.0/8, except: {except_}}}"
    assert codes(f"ingress: [{{from: [{{ipBlock: {block}}}]}}]") == expected


def test_pod_selector_beside_every_namespace() -> None:
    spec = "ingress: [{from: [{namespaceSelector: {}}, {podSelector: {matchLabels: {a: b}}}]}]"
    assert codes(spec) == ["redundant-pod-selector"]
    assert codes(spec.replace("}, {podSelector", ", podSelector")) == []
    assert codes(spec.replace("{namespaceSelector: {}}", "{podSelector: {}}")) == []


def test_findings_are_ordered_by_line() -> None:
    rule = "egress: [{to: [{podSelector: {}}]}]"
    text = manifest(rule) + "---\n" + manifest(f"ingress: [{{ports: [{{}}]}}]\n{rule}")
    text = text.replace("p, n", "q, n", 1)
    found = check_text(text).findings
    assert [finding.code for finding in found] == ["egress-isolates-ingress", "empty-port-is-tcp"]
    lines = [finding.location.line for finding in found]
    assert lines == sorted(lines, key=lambda line: line or 0)


# --- beside a cluster -------------------------------------------------------------------------


def test_policies_that_select_nothing() -> None:
    nothing = [("selects-nothing", "spec.podSelector")]
    assert with_cluster("podSelector: {matchLabels: {app: b}}") == nothing
    assert with_cluster("podSelector: {matchLabels: {app: h}}") == nothing
    assert with_cluster("podSelector: {matchLabels: {app: h}}", host_network="pod") == []
    assert with_cluster("podSelector: {}") == []


@pytest.mark.parametrize(
    ("expression", "matches"),
    [
        ("{key: app, operator: In, values: [a]}", True),
        ("{key: app, operator: In, values: [b]}", False),
        ("{key: app, operator: NotIn, values: [a]}", False),
        ("{key: none, operator: NotIn, values: [a]}", True),
        ("{key: app, operator: Exists}", True),
        ("{key: none, operator: Exists}", False),
        ("{key: none, operator: DoesNotExist}", True),
        ("{key: app, operator: DoesNotExist}", False),
    ],
)
def test_selecting_follows_a3(expression: str, matches: bool) -> None:
    found = with_cluster(f"podSelector: {{matchExpressions: [{expression}]}}")
    assert found == ([] if matches else [("selects-nothing", "spec.podSelector")])


def test_port_names_nobody_declares() -> None:
    field = "spec.ingress[0].ports[0].port"
    missing = [("undeclared-port-name", field)]
    assert with_cluster("ingress: [{ports: [{port: http}]}]") == []
    assert with_cluster("ingress: [{ports: [{port: http, protocol: UDP}]}]") == missing
    # Only another namespace's pod has it: too late for ingress, good for egress.
    assert with_cluster("ingress: [{ports: [{port: dns, protocol: UDP}]}]") == missing
    egress = "{policyTypes: [Egress], egress: [{ports: [{port: dns, protocol: UDP}]}]}"
    assert with_cluster(egress) == []
    assert with_cluster(egress.replace("UDP", "TCP")) == [
        ("undeclared-port-name", "spec.egress[0].ports[0].port")
    ]


def test_a8_5_port_names_of_init_containers() -> None:
    field = "spec.ingress[0].ports[0].port"
    for name, switch, good in [
        ("side", "sidecars", True),
        ("init", "sidecars", False),
        ("side", "none", False),
        ("init", "all-init", True),
    ]:
        found = with_cluster(f"ingress: [{{ports: [{{port: {name}}}]}}]", named_port_init=switch)
        assert found == ([] if good else [("undeclared-port-name", field)])


@pytest.mark.parametrize(
    ("cidr", "ingress", "egress"),
    [
        ("10.96.0.10/32", True, True),
        ("10.96.0.0/12", True, True),
        ("203.0.113.7/32", False, True),
        ("203.0.113.8/31", False, True),
        ("10.0.0.0/8", False, False),
        ("0.0.0.0/0", False, False),
        ("192.168.0.0/16", False, False),
        ("8.8.8.8/32", False, False),
        ("fd00::/64", False, False),
    ],
)
def test_a15_3_ip_block_naming_a_service(cidr: str, ingress: bool, egress: bool) -> None:
    block = f"ipBlock: {{cidr: '{cidr}'}}"
    found = with_cluster(f"ingress: [{{from: [{{{block}}}]}}]")
    named = ("ipblock-names-service", "spec.ingress[0].from[0].ipBlock.cidr")
    assert (named in found) == ingress
    found = with_cluster(f"{{policyTypes: [Egress], egress: [{{to: [{{{block}}}]}}]}}")
    named = ("ipblock-names-service", "spec.egress[0].to[0].ipBlock.cidr")
    assert (named in found) == egress
