"""Beside a cluster: why a peer matches nothing, and ports that are a Service's and no pod's."""

from __future__ import annotations

import pytest
from lint_support import CLUSTER, Value, beside, endpoints, namespace, pod, policy, service, warned

from netpol.kube.read.findings import Finding

WEB = "podSelector: {matchLabels: {app: web}}\n"
EGRESS = WEB + "policyTypes: [Egress]\n"
DNS = "[{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]"


def one(code: str, *policies: str, cluster: list[Value] | None = None) -> Finding:
    (found,) = [each for each in beside(*policies, cluster=cluster) if each.code == code]
    return found


def codes(*policies: str, cluster: list[Value] | None = None) -> list[str]:
    return [code for code, _ in warned(beside(*policies, cluster=cluster))]


# --- subjects -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "labels", "message"),
    [
        ("shop/p", "app: wbe", "selects no pod of the cluster"),
        (
            "ingress/p",
            "app: nginx",
            "selects no pod of the cluster, only hostNetwork ones (pod ingress/nginx), which "
            "policies are not about",
        ),
        (
            "data/p",
            "app: web",
            "selects no pod of the cluster; pods with these labels stand in namespace shop, not in "
            "data",
        ),
        ("shpo/p", "app: wbe", "selects no pod of the cluster: there is no namespace shpo"),
        ("default/p", "app: wbe", "selects no pod of the cluster: namespace default has no pods"),
    ],
)
def test_selects_nothing_says_why(place: str, labels: str, message: str) -> None:
    found = beside(policy(f"podSelector: {{matchLabels: {{{labels}}}}}", place))
    said = [(each.code, each.message) for each in found if each.code != "unknown-namespace"]
    assert said == [("selects-nothing", message)]


def test_a_policy_for_the_whole_of_a_host_network_namespace() -> None:
    (found,) = beside(policy("podSelector: {}", "ingress/p"))
    assert "only hostNetwork ones (pod ingress/nginx)" in found.message


# --- peers --------------------------------------------------------------------------------------


def peer(text: str) -> str:
    return policy(WEB + f"ingress: [{{from: [{text}]}}]")


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (
            "{podSelector: {matchLabels: {app: prometheus}}}",
            "peer-in-other-namespace",
            "matches no pod of namespace shop; pods with these labels stand in namespace "
            "monitoring.",
        ),
        (
            "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress}}}",
            "peer-is-host-network",
            "matches only hostNetwork pods (pod ingress/nginx)",
        ),
        (
            "{namespaceSelector: {}, podSelector: {matchLabels: {app: nginx}}}",
            "peer-is-host-network",
            "matches only hostNetwork pods",
        ),
        (
            "{podSelector: {matchLabels: {app: nginx}}}",
            "peer-is-host-network",
            "matches only hostNetwork pods",
        ),
        (
            "{namespaceSelector: {matchLabels: {name: monitoring}}}",
            "namespace-name-label",
            "there is a namespace monitoring, but it has no label name=monitoring. Every "
            "namespace has its name as label kubernetes.io/metadata.name",
        ),
        (
            "{namespaceSelector: {matchExpressions: [{key: ns, operator: In, values: [a, data]}]}}",
            "namespace-name-label",
            "there is a namespace data, but it has no label ns=data",
        ),
        (
            "{namespaceSelector: {matchLabels: {name: nowhere}}}",
            "peer-matches-nothing",
            "matches no namespace of the cluster",
        ),
        (
            "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: nowhere}}}",
            "peer-matches-nothing",
            "matches no namespace of the cluster: there is no namespace nowhere",
        ),
        (
            "{namespaceSelector: {matchLabels: {team: data}}, "
            "podSelector: {matchLabels: {app: prometheus}}}",
            "peer-matches-nothing",
            "matches no pod of the cluster; pods with these labels stand in namespace monitoring",
        ),
        (
            "{podSelector: {matchLabels: {app: none}}}",
            "peer-matches-nothing",
            "matches no pod of namespace shop",
        ),
    ],
)
def test_why_a_peer_matches_nothing(text: str, code: str, message: str) -> None:
    (found,) = beside(peer(text))
    assert (found.code, found.severity) == (code, "warning")
    assert message in found.message
    assert found.location.field is not None
    assert found.location.field.startswith("spec.ingress[0].from[0]")


def test_a12_1_host_network_pods_may_be_selected_under_the_switch() -> None:
    text = "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress}}}"
    assert beside(peer(text), host_network="pod") == []


# --- or, not and --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("namespaces", "pods", "severity"),
    [
        ("kubernetes.io/metadata.name: monitoring", "app: prometheus", "warning"),
        ("kubernetes.io/metadata.name: data", "app: db", "info"),  # both have some
        ("kubernetes.io/metadata.name: monitoring", "app: db", None),  # only its own
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_or_not_and_beside_a_cluster(
    namespaces: str, pods: str, severity: str | None, turned: bool
) -> None:
    elements = [
        f"{{namespaceSelector: {{matchLabels: {{{namespaces}}}}}}}",
        f"{{podSelector: {{matchLabels: {{{pods}}}}}}}",
    ]
    found = beside(peer(", ".join(elements[::-1] if turned else elements)))
    expected = [] if severity is None else [("or-not-and", severity, "spec.ingress[0].from[1]")]
    assert [(each.code, each.severity, each.location.field) for each in found] == expected


# --- ports of Services ---------------------------------------------------------------------------


def test_a_service_port_in_an_ingress_rule() -> None:
    found = one("service-port", policy(WEB + "ingress: [{ports: [{port: 80}]}]"))
    assert found.location.field == "spec.ingress[0].ports[0].port"
    assert found.message == (
        "80 is the port of Service shop/web; its pods listen on 8080. Policies see the port of the "
        "pod, never the Service's: write 8080"
    )


def test_a_service_port_in_an_egress_rule() -> None:
    rule = "egress: [{to: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 80}]}]"
    spec = f"podSelector: {{matchLabels: {{app: proxy}}}}\npolicyTypes: [Egress]\n{rule}"
    found = one("service-port", policy(spec))
    assert found.location.field == "spec.egress[0].ports[0].port"
    assert "80 is the port of Service shop/web; its pods listen on 8080" in found.message


def test_each_peer_of_egress_is_looked_at_by_itself() -> None:
    # edge/gateway listens on 8000 behind 80, shop/front on 80 itself.
    cluster = [*CLUSTER, pod("shop/front", "10.0.1.50", {"app": "front"}, "80")]
    rule = """egress:
- to:
  - podSelector: {matchLabels: {app: front}}
  - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: edge}}
  ports: [{port: 80}]
"""
    found = one("service-port", policy(EGRESS + rule), cluster=cluster)
    assert "Service edge/gateway" in found.message


def test_the_endpoints_of_a_service_without_pods() -> None:
    rule = "egress: [{to: [{ipBlock: {cidr: 192.168.0.9/32}}], ports: [{port: 443}]}]"
    found = one("service-port", policy(EGRESS + rule))
    assert "443 is the port of Service default/kubernetes; its endpoints listen on 6443" in (
        found.message
    )


@pytest.mark.parametrize(
    "ports",
    [
        "{port: 80}, {port: 8080}",  # the pods' own, too
        "{port: 80}, {port: http}",
        "{port: 80, endPort: 9000}",
        "{port: 80, protocol: UDP}",  # not the Service's
        "{port: 8081}",
        "{port: http}",
        "{protocol: TCP}",
    ],
)
def test_ports_that_do_no_harm(ports: str) -> None:
    assert codes(policy(WEB + f"ingress: [{{ports: [{ports}]}}]")) == []


def test_a_port_on_which_some_pod_listens_is_no_mistake() -> None:
    plain = {"app": "web", "version": "2"}
    cluster = [*CLUSTER, pod("shop/web-3", "10.0.2.40", plain, "80")]
    assert codes(policy(WEB + "ingress: [{ports: [{port: 80}]}]"), cluster=cluster) == []
    other = [*CLUSTER, service("shop/plain", "10.96.0.77", {"app": "web"}, "8888:80")]
    assert codes(policy(WEB + "ingress: [{ports: [{port: 80}]}]"), cluster=other) == []


def test_pods_that_declare_no_ports_are_known_by_their_service() -> None:
    cluster = [
        namespace("x"),
        pod("x/a", "10.0.1.60", {"app": "a"}),
        service("x/a", "10.96.0.60", {"app": "a"}, "80:3000"),
    ]
    spec = "{podSelector: {}, ingress: [{ports: [{port: 80}]}]}"
    assert codes(policy(spec, "x/p"), cluster=cluster) == ["service-port"]
    unknown = [each for each in cluster if each["kind"] != "Service"]
    assert codes(policy(spec, "x/p"), cluster=unknown) == []


# --- ranges of Services -------------------------------------------------------------------------


def test_the_range_of_the_api_servers_service_names_its_endpoints() -> None:
    rule = "egress: [{to: [{ipBlock: {cidr: 10.96.0.1/32}}], ports: [{port: 443}]}]"
    found = one("ipblock-names-service", policy(EGRESS + rule))
    assert found.message == (
        "10.96.0.1 is the address of Service default/kubernetes: policies see what stands behind a "
        "Service, never its address; allow 192.168.0.9:6443/TCP instead"
    )


def test_the_range_of_a_service_names_its_pods() -> None:
    rule = f"egress: [{{to: [{{ipBlock: {{cidr: 10.96.0.31/32}}}}]}}, {{ports: {DNS}}}]"
    found = one("ipblock-names-service", policy(EGRESS + rule))
    assert "10.96.0.31 is the address of Service shop/db" in found.message
    assert found.message.endswith("select pods app=db of namespace shop on 5432/TCP instead")


def test_the_range_of_many_services() -> None:
    rule = "egress: [{to: [{ipBlock: {cidr: 10.96.0.0/12}}]}]"
    found = one("ipblock-names-service", policy(EGRESS + rule))
    assert found.message.startswith(
        "10.96.0.0/12 holds the addresses of 7 Services: default/kubernetes, kube-system/kube-dns, "
        "edge/gateway and 4 more: "
    )


def test_a_service_is_never_where_a_connection_comes_from() -> None:
    rule = "ingress: [{from: [{ipBlock: {cidr: 10.96.0.31/32}}]}]"
    found = one("ipblock-names-service", policy(WEB + rule))
    assert "connections never come from such an address" in found.message


def test_the_address_of_a_load_balancer() -> None:
    balanced = service("shop/lb", "10.96.0.70", {"app": "web"}, "80:8080", type="LoadBalancer")
    balanced["status"] = {"loadBalancer": {"ingress": [{"ip": "203.0.113.5"}]}}
    rule = "egress: [{to: [{ipBlock: {cidr: 203.0.113.5/32}}]}]"
    found = one("ipblock-names-service", policy(EGRESS + rule), cluster=[*CLUSTER, balanced])
    assert "203.0.113.5 is the address of Service shop/lb" in found.message
    # A15.10: nodes leave this one alone.
    balanced["status"]["loadBalancer"]["ingress"][0]["ipMode"] = "Proxy"
    assert "ipblock-names-service" not in codes(policy(EGRESS + rule), cluster=[*CLUSTER, balanced])


def test_excepts_take_the_service_out() -> None:
    block = "{ipBlock: {cidr: 10.96.0.0/28, except: [10.96.0.1/32, 10.96.0.10/32]}}"
    assert "ipblock-names-service" not in codes(policy(EGRESS + f"egress: [{{to: [{block}]}}]"))


def test_a_service_without_known_endpoints() -> None:
    cluster = [*CLUSTER, service("shop/out", "10.96.0.71", None, "443")]
    rule = "egress: [{to: [{ipBlock: {cidr: 10.96.0.71/32}}]}]"
    found = one("ipblock-names-service", policy(EGRESS + rule), cluster=cluster)
    assert found.message.endswith("allow its endpoints instead, which the snapshot does not show")
    shown = [*cluster, endpoints("shop/out", "203.0.113.8 203.0.113.9", 8443)]
    found = one("ipblock-names-service", policy(EGRESS + rule), cluster=shown)
    assert found.message.endswith("allow 203.0.113.8:8443/TCP, 203.0.113.9:8443/TCP instead")
