"""Takes elements of a NetworkPolicy's rule and a question, gives what they say and why they miss.

Whether an element matches is ``Matcher``'s answer; here it is only told.
"""

from __future__ import annotations

from typing import NamedTuple

from netpol.explain.story import Element
from netpol.kube.api.objects import (
    IPBlock,
    LabelSelector,
    NetworkPolicyIngressRule,
    NetworkPolicyPeer,
    NetworkPolicyPort,
)
from netpol.kube.api.requirements import held, missed
from netpol.kube.api.words import EVERY_PORT, peer_text, port_text
from netpol.kube.snapshot import Snapshot
from netpol.reference.addresses import parse_cidr
from netpol.reference.identities import PROTOCOLS, End, Kind, KnownPod
from netpol.reference.matching import NAME_LABEL, Matcher, Rule, elements_of
from netpol.reference.outcome import Match
from netpol.reference.side_query import Packet, SideQuery

__all__ = [
    "PROTOCOL_WORDS",
    "MatchDescriber",
    "NamespaceLabels",
    "packet_text",
    "plain_why",
    "server_of",
]

PROTOCOL_WORDS = {1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMPv6", 132: "SCTP"}


class NamespaceLabels:
    """What is known of the labels of namespaces (A2.4, A3.8)."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._labels = {
            item.metadata.name: {**(item.metadata.labels or {}), NAME_LABEL: item.metadata.name}
            for item in snapshot.namespaces
        }

    def of(self, name: str) -> dict[str, str]:
        """Return the labels; those of a namespace that is not in the snapshot are its name."""
        return self._labels.get(name, {NAME_LABEL: name})

    def known(self, name: str) -> bool:
        """Return whether the snapshot has the namespace."""
        return name in self._labels

    def why(self, selector: LabelSelector, name: str, match: Match) -> str:
        """Say what a selector matched or missed on; empty where it demands nothing."""
        if match is Match.MAYBE:
            return f"labels of namespace {name} are not in the snapshot"
        if match is Match.NO:
            return f"namespace {name} {missed(selector, self.of(name)) or 'does not match'}"
        labels = held(selector, self.of(name))
        return f"namespace {name} has {labels}" if labels else ""


class Served(NamedTuple):
    """The end whose ports are named: in words, and whether it is a pod."""

    text: str
    is_pod: bool


def server_of(question: SideQuery) -> Served:
    """Return the destination of a question."""
    if question.direction == "ingress":
        return Served(pod_text(question.subject), True)
    who = question.peer.identity
    return Served(str(who), who.kind is Kind.POD)


def pod_text(pod: KnownPod) -> str:
    """Return ``pod ns/name``."""
    return f"pod {pod.namespace}/{pod.name}"


def packet_text(packet: Packet) -> str:
    """Return ``8080/TCP``, or what is known of it."""
    if packet.protocol is None:
        return f"{'an unknown port' if packet.port is None else packet.port} of unknown protocol"
    protocol = PROTOCOL_WORDS.get(packet.protocol, f"protocol {packet.protocol}")
    if packet.protocol not in PROTOCOLS.values():
        return protocol
    return f"an unknown port of {protocol}" if packet.port is None else f"{packet.port}/{protocol}"


class MatchDescriber:
    """Tells elements of NetworkPolicies."""

    def __init__(self, matcher: Matcher, namespaces: NamespaceLabels, scope: str) -> None:
        self._matcher = matcher
        self._namespaces = namespaces
        self._scope = scope

    def peers(self, rule: Rule | None, namespace: str, end: End) -> tuple[Element, ...]:
        """Tell every element of ``from`` or ``to``; none where the rule does not constrain."""
        list_ = "from" if isinstance(rule, NetworkPolicyIngressRule) else "to"
        found = []
        for index, element in enumerate(elements_of(rule)[0]):
            match = self._matcher.peer(element, namespace, end)
            why = self._peer(element, namespace, end, match)
            found.append(Element(f"{list_}[{index}]", peer_text(element), match, why))
        return tuple(found)

    def ports(self, rule: Rule | None, question: SideQuery) -> tuple[Element, ...]:
        """Tell every element of ``ports``."""
        found = []
        for index, element in enumerate(elements_of(rule)[1]):
            match = self._matcher.port(element, question.packet)
            why = port_why(element, question, match)
            found.append(Element(f"ports[{index}]", port_text(element), match, why))
        return tuple(found)

    def _peer(
        self, element: NetworkPolicyPeer | None, namespace: str, end: End, match: Match
    ) -> str:
        if element is None:
            return "null matches nothing"
        if element.ip_block is not None:
            return self._block(element.ip_block, end, match)
        pod = end.identity.pod
        if end.identity.kind is not Kind.POD or pod is None:
            return f"{end} is no pod"
        words = []
        if element.namespace_selector is not None:
            selector = element.namespace_selector
            found = self._matcher.namespace(selector, pod.namespace)
            if found is not Match.YES or match is not Match.NO:
                words.append(self._namespaces.why(selector, pod.namespace, found))
        elif pod.namespace != namespace:
            words.append(f"{pod_text(pod)} is not in namespace {namespace}")
        wrong = missed(element.pod_selector, pod.labels)
        labels = held(element.pod_selector, pod.labels)
        if wrong:
            words.append(f"{pod_text(pod)} {wrong}")
        elif labels and match is not Match.NO:
            words.append(f"{pod_text(pod)} has {labels}")
        return ", ".join(word for word in words if word)

    def _block(self, block: IPBlock, end: End, match: Match) -> str:
        if match is not Match.NO:
            return f"{end.address} is in {block.cidr}"
        kind, network = end.identity.kind, parse_cidr(block.cidr)
        if kind is Kind.POD and self._scope != "any":
            return f"with ipblock_scope={self._scope} an ipBlock matches no pod"
        if kind is Kind.NODE and self._scope == "non-cluster":
            return f"with ipblock_scope={self._scope} an ipBlock matches no node"
        if end.address.version != network.version:
            return f"{end.address} is an IPv{end.address.version} address"
        for text in block.except_ or ():
            if end.address in network and end.address in parse_cidr(text):
                return f"{end.address} is in except {text}"
        return f"{end.address} is not in {block.cidr}"


def port_why(element: NetworkPolicyPort | None, question: SideQuery, match: Match) -> str:
    """Say what an element of ``ports`` matched or missed on."""
    packet, wanted = question.packet, element.port if element else None
    flow = packet_text(packet)
    protocol = (element.protocol if element else None) or "TCP"
    if isinstance(wanted, str):
        return named_why(f"{wanted}/{protocol}", wanted, PROTOCOLS[protocol], question, match)
    return plain_why(flow, port_text(element), match)


def plain_why(flow: str, wanted: str, match: Match) -> str:
    """Say that a port is not what an element lists, or may be; nothing where it is."""
    wanted = wanted.removeprefix(EVERY_PORT)  # "80/TCP is not UDP"
    return {Match.YES: "", Match.NO: f"{flow} is not {wanted}", Match.MAYBE: f"{flow} may be it"}[
        match
    ]


def named_why(text: str, name: str, protocol: int | None, question: SideQuery, match: Match) -> str:
    """Say what a port name stands for; ``protocol`` None is whatever it is declared for (B4.5)."""
    server, packet = server_of(question), question.packet
    if not server.is_pod:
        return f"{server.text} declares no port names"
    declared = sorted(
        (number, PROTOCOL_WORDS[proto])
        for word, proto, number in packet.named
        if word == name and protocol in (None, proto)
    )
    if not declared:
        return f"{server.text} declares no port {text}"
    ports = " and ".join(f"{number}/{word}" for number, word in declared)
    is_ = {Match.YES: "", Match.NO: f", not {packet_text(packet)}", Match.MAYBE: " and may be it"}
    return f"{name} is {ports} on {server.text}{is_[match]}"
