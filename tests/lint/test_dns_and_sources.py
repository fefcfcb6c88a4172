"""Beside a cluster: ways to its DNS, what API servers call, addresses that are not seen."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from lint_support import CLUSTER, Value, beside, endpoints, pod, policy, service, warned

from netpol.kube.policies import policies_from_objects
from netpol.kube.read.findings import Finding
from netpol.kube.snapshot import snapshot_from_objects
from netpol.lint.lint import lint

EGRESS = "podSelector: {matchLabels: {app: web}}\npolicyTypes: [Egress]\n"
TO_DB = "- to: [{podSelector: {matchLabels: {app: db}}}]\n"
BOTH = "[{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]"
KUBE_DNS = """- to:
  - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
    podSelector: {matchLabels: {k8s-app: kube-dns}}
"""


def egress(*rules: str) -> str:
    return policy(EGRESS + "egress:\n" + "".join(rules))


def of(code: str, *policies: str, cluster: list[Value] | None = None) -> list[Finding]:
    return [each for each in beside(*policies, cluster=cluster) if each.code == code]


# --- DNS ----------------------------------------------------------------------------------------


def test_egress_without_dns() -> None:
    (found,) = beside(egress(TO_DB))
    assert (found.code, found.severity, found.location.field) == (
        "egress-without-dns",
        "warning",
        "spec.egress",
    )
    assert found.message == (
        "2 pods such as shop/web-1 cannot ask the cluster's DNS, Service kube-system/kube-dns "
        "(pods k8s-app=kube-dns of namespace kube-system on 53/TCP, 53/UDP): egress is isolated "
        "and no rule leads there, so names do not resolve; allow it by UDP and TCP 53"
    )


def test_the_rule_that_misses_dns_is_named() -> None:
    missed = KUBE_DNS.replace("k8s-app: kube-dns", "k8s-app: dns") + f"  ports: {BOTH}\n"
    found = warned(beside(egress(TO_DB, missed)))
    assert ("egress-without-dns", "spec.egress[1]") in found


@pytest.mark.parametrize(
    "rule",
    [
        f"- ports: {BOTH}\n",
        f"- to: [{{namespaceSelector: {{}}}}]\n  ports: {BOTH}\n",
        KUBE_DNS,
        KUBE_DNS + "  ports: [{port: dns, protocol: UDP}, {port: dns-tcp}]\n",
        "- to: [{ipBlock: {cidr: 10.0.0.0/8}}]\n",
        f"- to: [{{ipBlock: {{cidr: 10.96.0.10/32}}}}]\n  ports: {BOTH}\n",
        f"- to: [{{ipBlock: {{cidr: 198.51.100.53/32}}}}]\n  ports: {BOTH}\n",  # its own server
    ],
)
def test_ways_to_dns(rule: str) -> None:
    found = beside(egress(TO_DB, rule))
    assert not {each.code for each in found} & {"egress-without-dns", "dns-one-protocol"}


def test_another_policy_may_lead_there() -> None:
    other = policy(f"podSelector: {{}}\npolicyTypes: [Egress]\negress:\n- ports: {BOTH}", "shop/q")
    assert of("egress-without-dns", egress(TO_DB), other) == []
    narrow = other.replace("podSelector: {}", "podSelector: {matchLabels: {app: db}}")
    assert len(of("egress-without-dns", egress(TO_DB), narrow)) == 1


@pytest.mark.parametrize("dns_policy", ["None", "Default"])
def test_pods_with_servers_of_their_own(dns_policy: str) -> None:
    cluster = [*CLUSTER, pod("shop/own", "10.0.1.70", {"app": "own"}, dnsPolicy=dns_policy)]
    spec = egress(TO_DB).replace("app: web", "app: own")
    assert of("egress-without-dns", spec, cluster=cluster) == []


def test_pods_that_have_ended_ask_nothing() -> None:
    ended = pod("shop/job", "10.0.1.71", {"app": "job"})
    ended["status"]["phase"] = "Succeeded"
    spec = egress(TO_DB).replace("app: web", "app: job")
    assert of("egress-without-dns", spec, cluster=[*CLUSTER, ended]) == []


def test_a_cluster_whose_dns_is_not_shown() -> None:
    cluster = [each for each in CLUSTER if each["metadata"].get("namespace") != "kube-system"]
    assert of("egress-without-dns", egress(TO_DB), cluster=cluster) == []
    rule = "- ports: [{port: 53, protocol: UDP}]\n"
    assert len(of("dns-one-protocol", egress(TO_DB, rule), cluster=cluster)) == 1


def test_dns_on_another_port_behind_the_service() -> None:
    cluster = [each for each in CLUSTER if each["metadata"].get("namespace") != "kube-system"]
    labels = {"dns.operator.openshift.io/daemonset-dns": "default"}
    cluster += [
        pod("openshift-dns/dns", "10.0.1.80", labels, "dns=5353/UDP dns-tcp=5353"),
        service("openshift-dns/dns-default", "10.96.0.10", labels, "53:dns/UDP 53:dns-tcp"),
    ]
    every = "- to: [{namespaceSelector: {}}]\n"
    there = of("egress-without-dns", egress(TO_DB, every + f"  ports: {BOTH}\n"), cluster=cluster)
    assert [each.location.field for each in there] == ["spec.egress[1]"]
    ports = BOTH.replace("53,", "5353,")
    assert (
        of("egress-without-dns", egress(TO_DB, every + f"  ports: {ports}\n"), cluster=cluster)
        == []
    )


@pytest.mark.parametrize(("protocol", "other"), [("UDP", "TCP"), ("TCP", "UDP")])
def test_dns_by_one_protocol(protocol: str, other: str) -> None:
    rule = KUBE_DNS + f"  ports: [{{port: 53, protocol: {protocol}}}]\n"
    (found,) = beside(egress(TO_DB, rule))
    assert (found.code, found.location.field) == ("dns-one-protocol", "spec.egress[1]")
    assert f"can ask DNS by {protocol} alone" in found.message
    assert f"allow {other} 53, too" in found.message
    another = policy(
        EGRESS + "egress:\n" + KUBE_DNS + f"  ports: [{{port: 53, protocol: {other}}}]\n",
        "shop/q",
    )
    assert of("dns-one-protocol", egress(TO_DB, rule), another) == []


def test_a_policy_of_the_admin_tier_may_lead_there() -> None:
    there = {"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
    accepting: Value = {
        "apiVersion": "policy.networking.k8s.io/v1alpha2",
        "kind": "ClusterNetworkPolicy",
        "metadata": {"name": "dns"},
        "spec": {
            "tier": "Admin",
            "priority": 1,
            "subject": {"namespaces": {}},
            "egress": [{"action": "Accept", "to": [there]}],
        },
    }
    objects = [accepting, yaml.safe_load(egress(TO_DB))]
    found = lint(policies_from_objects(objects), snapshot_from_objects(CLUSTER))
    assert "egress-without-dns" not in {each.code for each in found}
    accepting["spec"]["egress"][0]["action"] = "Pass"
    found = lint(policies_from_objects(objects), snapshot_from_objects(CLUSTER))
    assert "egress-without-dns" in {each.code for each in found}


# --- node-local DNS -----------------------------------------------------------------------------

NODE_LOCAL = [
    *CLUSTER,
    pod(
        "kube-system/node-local-dns-x",
        "192.168.0.11",
        {"k8s-app": "node-local-dns"},
        hostNetwork=True,
    ),
]


def test_node_local_dns_needs_a_range() -> None:
    rule = KUBE_DNS + f"  ports: {BOTH}\n"
    (found,) = beside(egress(TO_DB, rule), cluster=NODE_LOCAL)
    assert (found.code, found.location.field) == ("dns-node-local", "spec.egress[1]")
    assert "pod kube-system/node-local-dns-x" in found.message
    assert "allow ipBlock 169.254.20.10/32" in found.message
    for cidr in ("169.254.20.10/32", "169.254.25.10/32", "0.0.0.0/0"):
        block = f"- to: [{{ipBlock: {{cidr: {cidr}}}}}]\n  ports: {BOTH}\n"
        assert of("dns-node-local", egress(TO_DB, rule, block), cluster=NODE_LOCAL) == []
    assert of("dns-node-local", egress(TO_DB, f"- ports: {BOTH}\n"), cluster=NODE_LOCAL) == []
    assert of("dns-node-local", egress(TO_DB, rule)) == []


# --- what API servers call ----------------------------------------------------------------------

HOOK = "podSelector: {matchLabels: {app: webhook}}\n"


def hooks(spec: str, cluster: list[Value] | None = None) -> list[Finding]:
    return of("webhook-unreachable", policy(spec, "certs/p"), cluster=cluster)


@pytest.mark.parametrize(
    "rules",
    [
        "ingress: []",
        "ingress: [{from: [{namespaceSelector: {}}]}]",
        "ingress: [{ports: [{port: 443}]}]",  # the Service's
        "ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24}}]}]",
    ],
)
def test_a_webhook_that_nobody_can_call(rules: str) -> None:
    (found,) = hooks(HOOK + rules)
    assert found.severity == "warning"
    assert found.location.field == "spec.podSelector"
    assert found.message.startswith(
        "no API server can reach Service certs/cert-webhook (ValidatingWebhookConfiguration certs)"
    )


@pytest.mark.parametrize(
    "rules",
    [
        "ingress: [{}]",
        "ingress: [{ports: [{port: 10250}]}]",
        "ingress: [{ports: [{port: https}]}]",
        "ingress: [{from: [{ipBlock: {cidr: 192.168.0.0/24}}]}]",
        "ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/16}}]}]",  # tunnels of some networks
        "policyTypes: [Egress]",
    ],
)
def test_a_webhook_that_api_servers_can_call(rules: str) -> None:
    assert hooks(HOOK + rules) == []


def test_a_webhook_beside_an_api_server_is_reached_by_its_own_node() -> None:
    moved = [
        {**each, "spec": {**each["spec"], "nodeName": "cp"}}
        if each["metadata"]["name"] == "webhook" and each["kind"] == "Pod"
        else each
        for each in CLUSTER
    ]
    assert hooks(HOOK + "ingress: []", moved) == []
    found = beside(policy(HOOK, "certs/p"), cluster=moved, own_node_ingress="enforce")
    assert "webhook-unreachable" in {each.code for each in found}


def test_a_webhook_called_through_a_tunnel() -> None:
    agent = pod("kube-system/agent", "10.0.1.81", {"k8s-app": "konnectivity-agent"})
    kube_system = (
        "ingress: [{from: [{namespaceSelector: {matchLabels: "
        "{kubernetes.io/metadata.name: kube-system}}}]}]"
    )
    assert hooks(HOOK + kube_system, [*CLUSTER, agent]) == []
    assert len(hooks(HOOK + kube_system)) == 1


def test_api_servers_that_the_snapshot_does_not_show() -> None:
    hidden = [
        each
        for each in CLUSTER
        if each["kind"] not in ("Node", "EndpointSlice")
        and each["metadata"]["name"] != "kubernetes"
    ]
    assert hooks(HOOK + "ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24}}]}]", hidden) == []
    assert len(hooks(HOOK + "ingress: [{from: [{namespaceSelector: {}}]}]", hidden)) == 1


def api_service(where: str, name: str) -> Value:
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": "v1.things"},
        "spec": {"service": {"namespace": where, "name": name, "port": 8443}},
    }


def conversion(where: str, name: str) -> Value:
    reference = {"service": {"namespace": where, "name": name, "port": 8443}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things"},
        "spec": {"conversion": {"strategy": "Webhook", "webhook": {"clientConfig": reference}}},
    }


@pytest.mark.parametrize("make", [api_service, conversion])
def test_other_things_that_api_servers_call(make: Any) -> None:
    cluster = [
        *CLUSTER,
        pod("shop/api", "10.0.1.82", {"app": "api"}, nodeName="n1"),
        service("shop/things", "10.96.0.82", {"app": "api"}, "8443:6000 443:7000"),
        make("shop", "things"),
    ]
    spec = policy("{podSelector: {matchLabels: {app: api}}, ingress: [{ports: [{port: 7000}]}]}")
    (found,) = of("webhook-unreachable", spec, cluster=cluster)
    assert f"({make('shop', 'things')['kind']} " in found.message
    opened = spec.replace("7000", "6000")
    assert of("webhook-unreachable", opened, cluster=cluster) == []


@pytest.mark.parametrize("name", ["cert-webhook", "nginx-admission", "metrics-server"])
def test_without_configurations_names_are_a_note(name: str) -> None:
    cluster = [each for each in CLUSTER if each["kind"] != "ValidatingWebhookConfiguration"]
    cluster = [each for each in cluster if each["metadata"]["name"] != "cert-webhook"]
    cluster += [service(f"certs/{name}", "10.96.0.83", {"app": "webhook"}, "443:https")]
    (found,) = hooks(HOOK + "ingress: []", cluster)
    assert found.severity == "info"


def test_names_count_where_their_kind_of_object_is_not_there() -> None:
    labels = {"k8s-app": "metrics-server"}
    cluster = [
        *CLUSTER,
        pod("monitoring/ms", "10.0.1.87", labels, "10250"),
        service("monitoring/metrics-server", "10.96.0.87", labels, "443:10250"),
    ]
    shut = policy("podSelector: {matchLabels: {k8s-app: metrics-server}}", "monitoring/p")
    (found,) = of("webhook-unreachable", shut, cluster=cluster)
    assert (found.severity, "by its name an aggregated API" in found.message) == ("info", True)
    # The local ones name no Service: those that are there are all that are called.
    local = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService"}
    shown = [*cluster, {**local, "metadata": {"name": "v1."}, "spec": {}}]
    assert of("webhook-unreachable", shut, cluster=shown) == []


# --- masqueraded sources ------------------------------------------------------------------------

GATEWAY = "podSelector: {matchLabels: {app: gateway}}\n"
CLIENTS = "ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24}}], ports: [{port: 8000}]}]"


def with_gateway(**spec: Any) -> list[Value]:
    kept = [
        each
        for each in CLUSTER
        if (each["kind"], each["metadata"]["name"]) != ("Service", "gateway")
    ]
    return [*kept, service("edge/gateway", "10.96.0.20", {"app": "gateway"}, "80:http", **spec)]


@pytest.mark.parametrize(
    ("spec", "hidden"),
    [
        ({"type": "NodePort"}, True),
        ({"type": "LoadBalancer"}, True),
        ({"type": "LoadBalancer", "externalTrafficPolicy": "Cluster"}, True),
        ({"type": "ClusterIP", "externalIPs": ["203.0.113.99"]}, True),
        ({"type": "LoadBalancer", "externalTrafficPolicy": "Local"}, False),
        ({"type": "ClusterIP"}, False),
    ],
)
def test_a15_5_clients_behind_a_nodes_address(spec: dict[str, Any], hidden: bool) -> None:
    found = of(
        "ipblock-masqueraded", policy(GATEWAY + CLIENTS, "edge/p"), cluster=with_gateway(**spec)
    )
    assert [each.location.field for each in found] == (
        ["spec.ingress[0].from[0].ipBlock.cidr"] if hidden else []
    )


@pytest.mark.parametrize(
    "rules",
    [
        "ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24}}], ports: [{port: 9}]}]",
        "ingress: [{from: [{ipBlock: {cidr: 192.168.0.0/24}}]}]",
        CLIENTS[:-1] + ", {from: [{ipBlock: {cidr: 192.168.0.0/24}}]}]",
        CLIENTS[:-1] + ", {ports: [{port: 8000}]}]",
        "ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]",
        "ingress: [{from: [{namespaceSelector: {}}]}]",
    ],
)
def test_ranges_that_are_not_about_hidden_clients(rules: str) -> None:
    assert of("ipblock-masqueraded", policy(GATEWAY + rules, "edge/p")) == []


# --- one family ---------------------------------------------------------------------------------

DUAL = [
    *CLUSTER,
    pod("shop/dual", "10.0.1.84 fd00::84", {"app": "dual"}),
]
DUAL_SPEC = "podSelector: {matchLabels: {app: dual}}\npolicyTypes: [Ingress, Egress]\n"


@pytest.mark.parametrize("rules", ["egress: [{to: [%s]}]", "ingress: [{from: [%s]}]"])
@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        (["0.0.0.0/0"], True),
        (["::/0"], True),
        (["0.0.0.0/0", "::/0"], False),
        (["0.0.0.0/0", "2001:db8::/32"], False),  # thought of
        (["10.0.0.0/8"], False),
    ],
)
def test_everything_in_one_family(rules: str, blocks: list[str], expected: bool) -> None:
    peers = ", ".join(f"{{ipBlock: {{cidr: '{each}'}}}}" for each in blocks)
    spec = policy(DUAL_SPEC + rules % peers)
    assert bool(of("one-address-family", spec, cluster=DUAL)) is expected
    single = spec.replace("app: dual", "app: web")
    assert of("one-address-family", single, cluster=DUAL) == []


def test_another_policy_may_have_the_other_family() -> None:
    spec = policy(DUAL_SPEC + "egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]")
    other = policy(DUAL_SPEC + "egress: [{to: [{ipBlock: {cidr: '::/0'}}]}]", "shop/q")
    assert of("one-address-family", spec, other, cluster=DUAL) == []


def test_managed_control_planes_are_known_by_their_endpoints() -> None:
    cluster = [each for each in CLUSTER if each["metadata"]["name"] not in ("cp", "kubernetes")]
    cluster += [
        service("default/kubernetes", "10.96.0.1", None, "https=443:443"),
        endpoints("default/kubernetes", "198.51.100.7", 443, "https"),
    ]
    assert hooks(HOOK + "ingress: [{from: [{ipBlock: {cidr: 198.51.100.0/24}}]}]", cluster) == []
    assert len(hooks(HOOK + "ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24}}]}]", cluster)) == 1
