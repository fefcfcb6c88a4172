"""Takes peers and ports of the program, gives each in a few words."""

from __future__ import annotations

from netpol.policy.program import (
    CidrPeer,
    DomainPeer,
    NamedPort,
    NodePeer,
    Operator,
    Peer,
    PodPeer,
    Port,
    Requirement,
    Selector,
)

__all__ = ["peer_words", "port_words"]

_PROTOCOLS = {6: "tcp", 17: "udp", 132: "sctp"}
_LAST_PORT = 65535


def peer_words(peer: Peer) -> str:
    """Return a peer: ``pods app=a in namespaces team=x``, ``10.0.0.0/8 except 10.1.0.0/16``."""
    if isinstance(peer, PodPeer):
        pods = f"pods {_selector(peer.pods)}"
        if peer.namespaces is None:
            return f"{pods} in {peer.namespace}"
        return f"{pods} in namespaces {_selector(peer.namespaces)}"
    if isinstance(peer, CidrPeer):
        holes = ", ".join(map(str, peer.excepts))
        return f"{peer.network} except {holes}" if holes else str(peer.network)
    if isinstance(peer, NodePeer):
        return f"nodes {_selector(peer.nodes)}"
    if isinstance(peer, DomainPeer):
        return peer.pattern
    raise TypeError(f"not a peer: {peer!r}")


def port_words(port: Port) -> str:
    """Return a port: ``80/tcp``, ``8000-8100/tcp``, ``http/tcp``, ``any/udp``."""
    if isinstance(port, NamedPort):
        return port.name if port.protocol is None else f"{port.name}/{_protocol(port.protocol)}"
    if (port.first, port.last) == (0, _LAST_PORT):
        numbers = "any"
    elif port.first == port.last:
        numbers = str(port.first)
    else:
        numbers = f"{port.first}-{port.last}"
    return f"{numbers}/{_protocol(port.protocol)}"


def _protocol(number: int) -> str:
    return _PROTOCOLS.get(number, str(number))


def _selector(selector: Selector) -> str:
    return ", ".join(sorted(map(_requirement, selector.requirements))) or "any"


def _requirement(test: Requirement) -> str:
    values = "|".join(sorted(test.values))
    return {
        Operator.IN: f"{test.key}={values}",
        Operator.NOT_IN: f"{test.key}!={values}",
        Operator.EXISTS: f"{test.key}",
        Operator.DOES_NOT_EXIST: f"!{test.key}",
    }[test.operator]
