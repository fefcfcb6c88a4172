"""Takes elements of a cluster-scoped policy's rule, gives what they say and why they miss.

Whether an element matches is ``ClusterMatcher``'s answer; here it is only told.
"""

from __future__ import annotations

from netpol.explain.match_descriptions import (
    NamespaceLabels,
    named_why,
    packet_text,
    plain_why,
    pod_text,
)
from netpol.explain.story import Element
from netpol.kube.api.cluster_objects import (
    AdminPort,
    ClusterEgressPeer,
    ClusterIngressPeer,
    ClusterProtocol,
    ClusterSubject,
    NamespacedPod,
)
from netpol.kube.api.objects import LabelSelector
from netpol.kube.api.requirements import held, missed, selector_text
from netpol.kube.api.words import EVERY_PORT
from netpol.reference.clustermatch import ClusterMatcher
from netpol.reference.clusterstage import Rule, peers_of, ports_of
from netpol.reference.identities import End, Kind, KnownPod
from netpol.reference.matching import Matcher
from netpol.reference.outcome import Match
from netpol.reference.side_query import SideQuery

__all__ = ["ClusterDescriber"]

UNUSABLE = "cannot be read, so the whole rule cannot be used"


class ClusterDescriber:
    """Tells subjects and elements of cluster-scoped policies."""

    def __init__(self, wide: ClusterMatcher, matcher: Matcher, namespaces: NamespaceLabels) -> None:
        self._wide = wide
        self._matcher = matcher
        self._namespaces = namespaces

    def subject(self, subject: ClusterSubject | None, pod: KnownPod) -> str:
        """Tell why a policy is about a pod, or may be."""
        if subject is None:
            return ""
        if subject.namespaces is not None:
            why = self._namespace(subject.namespaces, pod)
            return _joined(f"namespaces {selector_text(subject.namespaces)}", why)
        if subject.pods is None:
            return ""
        return _joined(_pods_text(subject.pods), self._pods(subject.pods, pod, Match.YES))

    def peers(self, rule: Rule, question: SideQuery) -> tuple[Element, ...]:
        """Tell every element of ``from`` or ``to``."""
        list_ = "from" if question.direction == "ingress" else "to"
        found = []
        for index, peer in enumerate(peers_of(rule)):
            answer = self._wide.peer(peer, question.peer, question.time)
            text = _peer_text(peer)
            match = Match.NO if answer is None else answer[0]
            why = UNUSABLE if answer is None else self._peer(peer, question.peer, match)
            found.append(Element(f"{list_}[{index}]", text, match, why))
        return tuple(found)

    def ports(self, rule: Rule, question: SideQuery) -> tuple[Element, ...]:
        """Tell every element of ``protocols`` or ``ports``."""
        found = []
        for index, element in enumerate(ports_of(rule)):
            answer = self._wide.port(element, question.packet)
            list_ = "protocols" if isinstance(element, ClusterProtocol) else "ports"
            match = Match.NO if answer is None else answer[0]
            why = UNUSABLE if answer is None else _port_why(element, question, match)
            found.append(Element(f"{list_}[{index}]", _port_text(element), match, why))
        return tuple(found)

    def _peer(self, peer: ClusterIngressPeer | ClusterEgressPeer, end: End, match: Match) -> str:
        pod = end.identity.pod if end.identity.kind is Kind.POD else None
        if peer.namespaces is not None or peer.pods is not None:
            if pod is None:
                return f"{end} is no pod"
            if pod.host_network:
                return f"{pod_text(pod)} is on the host network"
        if peer.namespaces is not None and pod is not None:
            return self._namespace(peer.namespaces, pod)
        if peer.pods is not None and pod is not None:
            return self._pods(peer.pods, pod, match)
        assert isinstance(peer, ClusterEgressPeer)
        return _outside_why(peer, end, match)

    def _namespace(self, selector: LabelSelector, pod: KnownPod) -> str:
        found = self._matcher.namespace(selector, pod.namespace)
        return self._namespaces.why(selector, pod.namespace, found)

    def _pods(self, pods: NamespacedPod, pod: KnownPod, match: Match) -> str:
        words = []
        if pods.namespace_selector is not None:
            found = self._matcher.namespace(pods.namespace_selector, pod.namespace)
            if found is not Match.YES or match is not Match.NO:
                words.append(self._namespace(pods.namespace_selector, pod))
        wrong = missed(pods.pod_selector, pod.labels)
        labels = held(pods.pod_selector, pod.labels)
        if wrong:
            words.append(f"{pod_text(pod)} {wrong}")
        elif labels and match is not Match.NO:
            words.append(f"{pod_text(pod)} has {labels}")
        return ", ".join(word for word in words if word)


def _joined(text: str, why: str) -> str:
    return f"{text}: {why}" if why else text


def _pods_text(pods: NamespacedPod) -> str:
    words = []
    if pods.namespace_selector is not None:
        words.append(f"namespaceSelector {selector_text(pods.namespace_selector)}")
    words.append(f"podSelector {selector_text(pods.pod_selector)}")
    return "pods " + ", ".join(words)


def _peer_text(peer: ClusterIngressPeer | ClusterEgressPeer) -> str:
    if peer.namespaces is not None:
        return f"namespaces {selector_text(peer.namespaces)}"
    if peer.pods is not None:
        return _pods_text(peer.pods)
    if isinstance(peer, ClusterEgressPeer):
        if peer.networks is not None:
            return f"networks {', '.join(peer.networks)}"
        if peer.nodes is not None:
            return f"nodes {selector_text(peer.nodes)}"
        if peer.domain_names is not None:
            return f"domainNames {', '.join(peer.domain_names)}"
    return "no known field"


def _outside_why(peer: ClusterEgressPeer, end: End, match: Match) -> str:
    if peer.networks is not None:
        return f"{end.address} is {'in one' if match is Match.YES else 'in none'} of them"
    if peer.nodes is not None:
        if match is Match.MAYBE:
            return f"the snapshot has no Node for {end.address}"
        if end.identity.kind is not Kind.NODE:
            return f"{end} is no node"
        return f"{end.identity} {'matches' if match is Match.YES else 'does not match'}"
    if match is Match.MAYBE:
        return f"whether one of them was {end.address} then is not known"
    return f"{end.address} was {'one' if match is Match.YES else 'none'} of their answers"


def _port_text(element: object) -> str:
    if isinstance(element, AdminPort):
        if element.named_port is not None:
            return f"namedPort {element.named_port}"
        if element.port_number is not None:
            return f"{element.port_number.port or 0}/{element.port_number.protocol or 'TCP'}"
        if element.port_range is not None:
            span = element.port_range
            return f"{span.start or 0}-{span.end or 0}/{span.protocol or 'TCP'}"
        return "no known field"
    assert isinstance(element, ClusterProtocol)
    if element.destination_named_port is not None:
        return f"destinationNamedPort {element.destination_named_port}"
    transports = (("TCP", element.tcp), ("UDP", element.udp), ("SCTP", element.sctp))
    for word, transport in transports:
        if transport is None:
            continue
        port = transport.destination_port
        if port is not None and port.number is not None:
            return f"{port.number}/{word}"
        if port is not None and port.range is not None:
            return f"{port.range.start or 0}-{port.range.end or 0}/{word}"
        return f"{EVERY_PORT}{word}"
    return "no known field"


def _port_why(element: object, question: SideQuery, match: Match) -> str:
    name = None
    if isinstance(element, AdminPort):
        name = element.named_port
    elif isinstance(element, ClusterProtocol):
        name = element.destination_named_port
    if name is not None:
        return named_why(name, name, None, question, match)
    return plain_why(packet_text(question.packet), _port_text(element), match)
