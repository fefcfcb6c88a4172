"""Warnings on policies beside a cluster: selectors that match nothing, names, ranges."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from cluster_policy_text import EVERY, Value, accepts, anp, banp, cnp, egress, ingress
from policy_text import manifest

from netpol.kube.policies import policies_from_objects
from netpol.kube.snapshot import snapshot_from_objects
from netpol.lint.lint import lint
from netpol.model.switches import Switches

CLUSTER = """
- {apiVersion: v1, kind: Namespace, metadata: {name: x, labels: {team: x}}}
- {apiVersion: v1, kind: Namespace, metadata: {name: empty, labels: {team: none}}}
- apiVersion: v1
  kind: Pod
  metadata: {name: a, namespace: x, labels: {app: a}}
  spec: {containers: [{name: c, ports: [{name: http, containerPort: 80}]}]}
  status: {podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: 'fd00::1'}]}
- apiVersion: v1
  kind: Pod
  metadata: {name: b, namespace: unseen, labels: {app: b}}
  spec: {containers: [{name: c, ports: [{name: dns, containerPort: 53, protocol: UDP}]}]}
  status: {podIP: 10.0.1.1}
- apiVersion: v1
  kind: Pod
  metadata: {name: h, namespace: x, labels: {app: h}}
  spec: {hostNetwork: true, containers: [{name: c, ports: [{name: host, containerPort: 9}]}]}
  status: {podIP: 192.168.0.1}
- apiVersion: v1
  kind: Pod
  metadata: {name: done, namespace: x, labels: {app: a}}
  status: {podIP: 172.16.0.1, phase: Succeeded}
- apiVersion: v1
  kind: Service
  metadata: {name: s, namespace: x}
  spec: {clusterIP: 10.96.0.10, externalIPs: [203.0.113.7]}
- apiVersion: v1
  kind: Node
  metadata: {name: n, labels: {disk: ssd}}
  spec: {podCIDR: 10.0.0.0/24, podCIDRs: [10.0.0.0/24, 'fd00::/64']}
  status: {addresses: [{address: 192.168.0.1}]}
"""
KINDS = [cnp, anp, banp]


def beside(policy: Value, cluster: str = CLUSTER, **switches: Any) -> list[tuple[str, str]]:
    """Give (code, field) of what a policy gets beside the cluster."""
    snapshot = snapshot_from_objects(yaml.safe_load(cluster))
    found = lint(policies_from_objects([policy]), snapshot, switches=Switches(**switches))
    return [(finding.code, str(finding.location.field)) for finding in found]


def network_policy(spec: str) -> Value:
    policy: Value = yaml.safe_load(manifest(spec))
    return policy


def labels(**wanted: str) -> Value:
    return {"matchLabels": wanted}


def pods(namespaces: Value, selector: Value) -> Value:
    return {"pods": {"namespaceSelector": namespaces, "podSelector": selector}}


# --- subjects ---------------------------------------------------------------------------------


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize(
    ("subject", "found"),
    [
        (EVERY, True),
        ({"namespaces": labels(team="x")}, True),
        ({"namespaces": labels(**{"kubernetes.io/metadata.name": "x"})}, True),
        ({"namespaces": labels(**{"kubernetes.io/metadata.name": "empty"})}, False),
        (pods({}, labels(app="b")), True),
        (pods(labels(team="x"), labels(app="a")), True),
        (pods({}, labels(app="h")), False),  # hostNetwork
        (pods({}, labels(app="c")), False),
    ],
)
def test_subjects_that_select_nothing(make: Any, subject: Value, found: bool) -> None:
    expected = [] if found else [("selects-nothing", "spec.subject")]
    for host_network in ("node", "pod"):
        assert beside(make(subject=subject), host_network=host_network) == expected


def test_b1_2_absent_namespace_selector_is_every_namespace() -> None:
    assert beside(cnp(subject={"pods": {"podSelector": labels(app="b")}})) == []


def test_a3_8_labels_of_namespaces_not_seen_may_be_anything() -> None:
    # The namespace of pod b is not in the snapshot.
    policy = cnp(subject=pods(labels(team="z"), labels(app="b")))
    assert beside(policy) == []
    nothing = [("selects-nothing", "spec.subject")]
    assert beside(policy, missing_namespace="name-label-only") == nothing
    named = labels(**{"kubernetes.io/metadata.name": "other"}, team="z")
    assert beside(cnp(subject=pods(named, labels(app="b")))) == nothing


def test_subjects_that_cannot_be_read_are_told_of_once() -> None:
    selector = {"matchExpressions": [{"key": "a", "operator": "Gt"}]}
    policy = cnp(
        subject={"namespaces": selector},
        ingress=[ingress(peer=pods({}, labels(app="none")))],
    )
    assert [code for code, _ in beside(policy)] == ["invalid-selector"]
    policy = cnp(egress=[egress(peer={"nodes": selector}), egress(peer=pods(selector, {}))])
    assert [code for code, _ in beside(policy)] == ["invalid-selector"] * 2


# --- peers ------------------------------------------------------------------------------------

NOTHING, HOST = "peer-matches-nothing", "peer-is-host-network"
#: Why a peer matches nothing, by what stands in it.
REASONS = {"app: h": HOST, "{podSelector: {matchLabels: {app: b}}}": "peer-in-other-namespace"}
NO_TEAM = "{matchExpressions: [{key: team, operator: In, values: [y]}]}"
NAMED_Y = "{matchLabels: {kubernetes.io/metadata.name: y}}"


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize(
    ("peer", "field"),
    [
        ({"namespaces": labels(team="x")}, None),
        ({"namespaces": labels(team="none", a="b")}, None),  # the namespace not seen
        ({"namespaces": yaml.safe_load(NAMED_Y)}, "namespaces"),
        (pods({}, labels(app="b")), None),
        (pods({}, labels(app="h")), "pods"),  # hostNetwork
        (pods(yaml.safe_load(NAMED_Y), {}), "pods.namespaceSelector"),
        (pods(labels(**{"kubernetes.io/metadata.name": "empty"}), {}), "pods"),
        ({"nodes": {}}, None),
        ({"nodes": labels(disk="ssd")}, None),
        ({"nodes": labels(disk="hdd")}, "nodes"),
    ],
)
def test_peers_that_match_nothing(make: Any, peer: Value, field: str | None) -> None:
    path = "spec.egress[0].to[1]"
    policy = make(egress=[{"action": "Deny", "to": [EVERY, peer]}])
    code = HOST if peer == pods({}, labels(app="h")) else NOTHING
    assert beside(policy) == ([] if field is None else [(code, f"{path}.{field}")])
    if "nodes" not in peer:
        policy = make(ingress=[ingress(peer=peer)])
        where = f"spec.ingress[0].from[0].{field}"
        assert beside(policy) == ([] if field is None else [(code, where)])


def test_without_nodes_nobody_knows_which_nodes_match() -> None:
    cluster = CLUSTER[: CLUSTER.index("- apiVersion: v1\n  kind: Node\n")]
    assert "kind: Node" not in cluster
    policy = cnp(egress=[egress(peer={"nodes": labels(disk="hdd")})])
    assert beside(policy, cluster) == []


@pytest.mark.parametrize(
    ("peer", "field"),
    [
        ("{podSelector: {}}", None),
        ("{podSelector: {matchLabels: {app: a}}}", None),
        ("{podSelector: {matchLabels: {app: b}}}", "podSelector"),  # of another namespace
        ("{podSelector: {matchLabels: {app: b}}, namespaceSelector: {}}", None),
        ("{podSelector: {matchLabels: {app: c}}, namespaceSelector: {}}", ""),
        ("{podSelector: {matchLabels: {app: h}}}", "podSelector"),
        (f"{{namespaceSelector: {NAMED_Y}}}", "namespaceSelector"),
        (f"{{namespaceSelector: {NO_TEAM}}}", None),  # the namespace not seen
    ],
)
def test_peers_of_a_network_policy_that_match_nothing(peer: str, field: str | None) -> None:
    for direction, side in (("Ingress", "from"), ("Egress", "to")):
        rules = direction.lower()
        spec = f"{{policyTypes: [{direction}], {rules}: [{{{side}: [{peer}]}}]}}"
        path = f"spec.{rules}[0].{side}[0]"
        where = f"{path}.{field}" if field else path
        code = next((code for text, code in REASONS.items() if text in peer), NOTHING)
        expected = [] if field is None else [(code, where)]
        assert beside(network_policy(spec)) == expected


def test_host_network_pods_as_peers() -> None:
    spec = "ingress: [{from: [{podSelector: {matchLabels: {app: h}}}]}]"
    assert beside(network_policy(spec), host_network="pod") == []


def test_peers_of_policies_without_effect_are_not_told_of() -> None:
    peer = "{podSelector: {matchLabels: {app: c}}}"
    inert = f"{{policyTypes: [Egress], ingress: [{{from: [{peer}]}}]}}"
    assert beside(network_policy(inert)) == [("inert-rules", "spec.ingress")]
    nobody = f"{{podSelector: {{matchLabels: {{app: c}}}}, ingress: [{{from: [{peer}]}}]}}"
    assert beside(network_policy(nobody)) == [("selects-nothing", "spec.podSelector")]


# --- port names -------------------------------------------------------------------------------


@pytest.mark.parametrize("make", KINDS)
def test_b4_5_port_names_nobody_declares(make: Any) -> None:
    field, element = (
        ("protocols", "destinationNamedPort") if make is cnp else ("ports", "namedPort")
    )

    def named(name: str, **spec: Any) -> list[tuple[str, str]]:
        ports = {field: [{element: name}]}
        action = accepts(make())
        return [
            *beside(make(ingress=[ingress(action, **ports)], **spec)),
            *beside(make(egress=[egress(action, **ports)], **spec)),
        ]

    def missing(rule: str) -> tuple[str, str]:
        return "undeclared-port-name", f"spec.{rule}[0].{field}[0].{element}"

    assert named("http") == []
    assert named("dns") == []  # whatever its protocol
    assert named("none") == [missing("ingress"), missing("egress")]
    assert named("host") == [missing("ingress"), missing("egress")]
    # Ingress ports are the subject's own.
    assert named("dns", subject=pods({}, labels(app="a"))) == [missing("ingress")]


# --- ranges -----------------------------------------------------------------------------------

RANGES = [
    ("0.0.0.0/0", {"one-address-family"}),
    ("::/0", {"one-address-family"}),
    ("8.8.8.0/24", set()),
    ("192.168.0.0/16", set()),  # nodes, and a hostNetwork pod
    ("172.16.0.0/12", set()),  # a pod that has ended
    ("10.0.0.0/8", {"ipblock-over-pods"}),
    ("10.0.0.1/32", {"ipblock-over-pods"}),
    ("10.0.0.128/25", {"ipblock-over-pods"}),  # part of a podCIDR
    ("10.0.1.0/24", {"ipblock-over-pods"}),  # a pod outside of every podCIDR known
    ("10.0.2.0/24", set()),
    ("fd00::/48", {"ipblock-over-pods"}),
    ("fd01::/48", set()),
    ("10.96.0.0/12", {"ipblock-names-service"}),
    ("203.0.113.7/32", {"ipblock-names-service"}),
]


@pytest.mark.parametrize(("cidr", "expected"), RANGES)
def test_ranges_over_pods_and_services(cidr: str, expected: set[str]) -> None:
    for make in KINDS:
        other = "2001:db8::/32" if ":" in cidr else "198.51.100.0/24"
        policy = make(egress=[egress(peer={"networks": [other, cidr]})])
        field = "spec.egress[0].to[0].networks[1]"
        assert beside(policy) == [(code, field) for code in expected]
    spec = f"{{policyTypes: [Egress], egress: [{{to: [{{ipBlock: {{cidr: '{cidr}'}}}}]}}]}}"
    field = "spec.egress[0].to[0].ipBlock.cidr"
    assert beside(network_policy(spec)) == [(code, field) for code in expected]


@pytest.mark.parametrize(
    ("excepts", "over"),
    [
        ("[10.0.0.0/16]", False),
        ("[10.0.0.0/24]", True),  # the pod 10.0.1.1 is left
        ("[10.0.0.0/24, 10.0.1.1/32]", False),
        ("[10.0.0.0/24, 10.0.0.0/16, 10.0.0.0/25]", False),  # overlapping
        ("[10.0.0.0/25, 10.0.0.128/25, 10.0.1.0/24]", False),  # adjoining
        ("[10.0.0.0/25, 10.0.1.0/24]", True),  # half of the podCIDR is left
    ],
)
def test_pods_that_except_leaves_out(excepts: str, over: bool) -> None:
    spec = f"ingress: [{{from: [{{ipBlock: {{cidr: 10.0.0.0/8, except: {excepts}}}}}]}}]"
    field = "spec.ingress[0].from[0].ipBlock.cidr"
    assert beside(network_policy(spec)) == ([("ipblock-over-pods", field)] if over else [])


def test_a6_4_ranges_that_never_match_pods() -> None:
    spec = "ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]"
    for scope in ("non-pod", "non-cluster"):
        assert beside(network_policy(spec), ipblock_scope=scope) == []


def test_findings_have_file_and_line() -> None:
    snapshot = snapshot_from_objects(yaml.safe_load(CLUSTER))
    policies = policies_from_objects([cnp(subject=pods({}, labels(app="c")))])
    (finding,) = lint(policies, snapshot)
    assert str(finding) == (
        "objects[0]:1: spec.subject: ClusterNetworkPolicy/p: selects no pod of the cluster"
    )
