"""Takes peers and ports of NetworkPolicies as written, gives each in a few words."""

from __future__ import annotations

from netpol.kube.api.objects import NetworkPolicyPeer, NetworkPolicyPort
from netpol.kube.api.requirements import selector_text

__all__ = ["EVERY_PORT", "peer_text", "port_text"]

EVERY_PORT = "every port of "


def port_text(port: NetworkPolicyPort | None) -> str:
    """Return ``80/TCP``, ``8000-8080/TCP``, ``http/TCP``, or ``every port of TCP``."""
    protocol = (port.protocol if port else None) or "TCP"
    if port is None or port.port is None:
        return f"{EVERY_PORT}{protocol}"
    last = "" if port.end_port is None or port.end_port == port.port else f"-{port.end_port}"
    return f"{port.port}{last}/{protocol}"


def peer_text(peer: NetworkPolicyPeer | None) -> str:
    """Return ``namespaceSelector team=y, podSelector app=web``, or ``ipBlock CIDR``."""
    if peer is None:
        return "null"
    if peer.ip_block is not None:
        inner = ", ".join(peer.ip_block.except_ or ())
        return f"ipBlock {peer.ip_block.cidr}" + (f" except {inner}" if inner else "")
    words = []
    if peer.namespace_selector is not None:
        words.append(f"namespaceSelector {selector_text(peer.namespace_selector)}")
    if peer.pod_selector is not None:
        words.append(f"podSelector {selector_text(peer.pod_selector)}")
    return ", ".join(words) or "no field"
