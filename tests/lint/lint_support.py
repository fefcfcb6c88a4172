"""A small cluster with what most clusters have, and ways to check policies beside it."""

from __future__ import annotations

from typing import Any

import yaml

from netpol.kube.policies import policies_from_objects
from netpol.kube.read.findings import Finding
from netpol.kube.snapshot import snapshot_from_objects
from netpol.lint.lint import lint
from netpol.model.switches import Switches

Value = dict[str, Any]


def namespace(name: str, **labels: str) -> Value:
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": labels},
    }


def pod(
    place: str,
    ip: str,
    labels: dict[str, str] | None = None,
    ports: str = "",
    **spec: Any,
) -> Value:
    """Give a pod at ``namespace/name``; ``ports`` is ``http=8080 dns=53/UDP 9090``."""
    where, _, name = place.partition("/")
    addresses = ip.split()
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": where, "labels": labels or {}},
        "spec": {"containers": [{"name": "c", "ports": [_port(each) for each in ports.split()]}]}
        | spec,
        "status": {
            "phase": "Running",
            "podIP": addresses[0],
            "podIPs": [{"ip": each} for each in addresses],
        },
    }


def _port(text: str) -> Value:
    name, _, number = text.rpartition("=")
    number, _, protocol = number.partition("/")
    named = {"name": name} if name else {}
    return {"containerPort": int(number), "protocol": protocol or "TCP"} | named


def service(
    place: str,
    ip: str,
    selector: dict[str, str] | None = None,
    ports: str = "",
    labels: dict[str, str] | None = None,
    **spec: Any,
) -> Value:
    """Give a Service; ``ports`` is ``80:8080 443:https dns=53:53/UDP``."""
    where, _, name = place.partition("/")
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": where, "labels": labels or {}},
        "spec": {
            "clusterIP": ip,
            "selector": selector,
            "ports": [_service_port(each) for each in ports.split()],
        }
        | spec,
    }


def _service_port(text: str) -> Value:
    name, _, rest = text.rpartition("=")
    rest, _, protocol = rest.partition("/")
    port, _, target = rest.partition(":")
    found: Value = {"port": int(port), "protocol": protocol or "TCP"}
    if name:
        found["name"] = name
    if target:
        found["targetPort"] = int(target) if target.isdigit() else target
    return found


def endpoints(place: str, addresses: str, port: int, name: str = "") -> Value:
    where, _, service_name = place.partition("/")
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": service_name,
            "namespace": where,
            "labels": {"kubernetes.io/service-name": service_name},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [each]} for each in addresses.split()],
        "ports": [{"port": port, "protocol": "TCP", "name": name}],
    }


def node(name: str, ip: str, pods: str, **labels: str) -> Value:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": {"podCIDR": pods, "podCIDRs": [pods]},
        "status": {"addresses": [{"type": "InternalIP", "address": ip}]},
    }


def webhook(name: str, place: str, port: int | None = None) -> Value:
    where, _, service_name = place.partition("/")
    reference: Value = {"namespace": where, "name": service_name}
    if port is not None:
        reference["port"] = port
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [{"name": "w", "clientConfig": {"service": reference}}],
    }


DNS = {"k8s-app": "kube-dns"}
CONTROL_PLANE = {"node-role.kubernetes.io/control-plane": ""}

#: Two namespaces of an application, what a cluster runs for itself, and hostNetwork agents.
CLUSTER: list[Value] = [
    node("cp", "192.168.0.9", "10.0.0.0/24", **CONTROL_PLANE),
    node("n1", "192.168.0.11", "10.0.1.0/24"),
    node("n2", "192.168.0.12", "10.0.2.0/24"),
    namespace("default"),
    namespace("kube-system"),
    namespace("shop", team="shop"),
    namespace("data", team="data"),
    namespace("monitoring", team="infra"),
    namespace("ingress", team="infra"),
    namespace("edge", team="infra"),
    namespace("certs", team="infra"),
    service("default/kubernetes", "10.96.0.1", None, "https=443:6443"),
    endpoints("default/kubernetes", "192.168.0.9", 6443, "https"),
    pod("kube-system/coredns-a", "10.0.1.2", DNS, "dns=53/UDP dns-tcp=53 metrics=9153",
        dnsPolicy="Default", nodeName="n1"),
    pod("kube-system/coredns-b", "10.0.2.2", DNS, "dns=53/UDP dns-tcp=53 metrics=9153",
        dnsPolicy="Default", nodeName="n2"),
    service("kube-system/kube-dns", "10.96.0.10", DNS, "dns=53:53/UDP dns-tcp=53:53", DNS),
    pod("kube-system/kube-proxy-a", "192.168.0.11", {"k8s-app": "kube-proxy"},
        hostNetwork=True, nodeName="n1"),
    pod("ingress/nginx", "192.168.0.12", {"app": "nginx"}, "http=80 https=443",
        hostNetwork=True, nodeName="n2"),
    pod("edge/gateway", "10.0.1.3", {"app": "gateway"}, "http=8000", nodeName="n1"),
    service("edge/gateway", "10.96.0.20", {"app": "gateway"}, "80:http", type="LoadBalancer"),
    pod("shop/web-1", "10.0.1.4", {"app": "web", "tier": "front"}, "http=8080 metrics=9090",
        nodeName="n1"),
    pod("shop/web-2", "10.0.2.4", {"app": "web", "tier": "front"}, "http=8080 metrics=9090",
        nodeName="n2"),
    service("shop/web", "10.96.0.30", {"app": "web"}, "80:http"),
    pod("shop/proxy", "10.0.1.5", {"app": "proxy"}, "http=8081", nodeName="n1"),
    pod("shop/db", "10.0.2.5", {"app": "db"}, "pg=5432", nodeName="n2"),
    service("shop/db", "10.96.0.31", {"app": "db"}, "5432"),
    pod("data/db", "10.0.2.6", {"app": "db"}, "pg=5432", nodeName="n2"),
    service("data/db", "10.96.0.40", {"app": "db"}, "5432:pg"),
    pod("data/cache", "10.0.1.6", {"app": "cache"}, "6379", nodeName="n1"),
    service("data/cache", "None", {"app": "cache"}, "6379"),
    pod("monitoring/prometheus", "10.0.1.7", {"app": "prometheus"}, "9090", nodeName="n1"),
    pod("certs/webhook", "10.0.2.8", {"app": "webhook"}, "https=10250", nodeName="n2"),
    service("certs/cert-webhook", "10.96.0.50", {"app": "webhook"}, "443:https"),
    webhook("certs", "certs/cert-webhook"),
]  # fmt: skip


def beside(*policies: str, cluster: list[Value] | None = None, **switches: Any) -> list[Finding]:
    """Give all findings on some policies, written as YAML, beside a cluster."""
    objects = [item for text in policies for item in yaml.safe_load_all(text) if item]
    found = policies_from_objects(objects)
    snapshot = snapshot_from_objects(CLUSTER if cluster is None else cluster)
    return lint(found, snapshot, switches=Switches(**switches))


def alone(*policies: str) -> list[Finding]:
    """Give all findings on some policies without a cluster."""
    objects = [item for text in policies for item in yaml.safe_load_all(text) if item]
    return lint(policies_from_objects(objects))


def policy(spec: str, place: str = "shop/p") -> str:
    """Give a NetworkPolicy whose spec is this YAML."""
    where, _, name = place.partition("/")
    value = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": where},
        "spec": yaml.safe_load(spec),
    }
    return yaml.safe_dump(value)


def warned(findings: list[Finding]) -> list[tuple[str, str | None]]:
    """Give (code, field) of what is more than a note."""
    return [(each.code, each.location.field) for each in findings if each.severity != "info"]


def all_codes(findings: list[Finding]) -> list[str]:
    """Give the codes of everything, notes too."""
    return [each.code for each in findings]
