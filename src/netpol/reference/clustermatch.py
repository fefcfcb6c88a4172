"""Takes elements of cluster-scoped policies, gives whether they match (B1.2-B1.9, B2.3, B4).

Every answer is a match with the reason of its doubt, or None where the element has no known field
and its whole rule cannot be used (B4.8).
"""

from __future__ import annotations

from netpol.kube.api.cluster_objects import (
    AdminPort,
    ClusterEgressPeer,
    ClusterIngressPeer,
    ClusterProtocol,
    ClusterSubject,
    NamespacedPod,
)
from netpol.kube.api.objects import LabelSelector
from netpol.kube.snapshot import Snapshot
from netpol.kube.validation.policies import is_valid_selector
from netpol.model.dns_observations import DnsObservations, normalise_name
from netpol.model.verdict import Reason
from netpol.reference.addresses import NOWHERE, Address, parse_cidr, try_address
from netpol.reference.identities import PROTOCOLS, End, Identities, Kind, KnownPod
from netpol.reference.matching import Matcher, selector_match
from netpol.reference.outcome import Match
from netpol.reference.side_query import Packet

__all__ = ["ClusterMatcher"]

Answer = tuple[Match, Reason | None]
YES: Answer = (Match.YES, None)
NO: Answer = (Match.NO, None)


class ClusterMatcher:
    """Matches subjects, peers and ports in one snapshot."""

    def __init__(self, snapshot: Snapshot, matcher: Matcher, identities: Identities) -> None:
        self._matcher = matcher
        self._identities = identities
        self._nodes = snapshot.nodes
        self._dns: DnsObservations | None = snapshot.dns

    def subject(self, subject: ClusterSubject | None, pod: KnownPod) -> Match:
        """Return whether a policy is about a pod (B1.2); hostNetwork pods never are (B6.1)."""
        if subject is None or pod.host_network:
            return Match.NO
        if subject.namespaces is not None:
            if not is_valid_selector(subject.namespaces):  # B7.2
                return Match.NO
            return self._matcher.namespace(subject.namespaces, pod.namespace)
        if subject.pods is None:
            return Match.NO
        return self._pods(subject.pods, pod) or Match.NO  # B7.2

    def peer(
        self, peer: ClusterIngressPeer | ClusterEgressPeer, end: End, time: int | None
    ) -> Answer | None:
        """Match one element of ``from`` or ``to`` (B1.4, B1.5, B4.2-B4.6)."""
        pod = end.identity.pod if end.identity.kind is Kind.POD else None
        if peer.namespaces is not None:
            if not is_valid_selector(peer.namespaces):  # B7.2
                return None
            if pod is None or pod.host_network:  # B4.2, B4.9
                return NO
            return _by_labels(self._matcher.namespace(peer.namespaces, pod.namespace))
        if peer.pods is not None:
            if not _valid(peer.pods):  # B7.2
                return None
            if pod is None or pod.host_network:
                return NO
            return _by_labels(self._pods(peer.pods, pod) or Match.NO)
        if isinstance(peer, ClusterIngressPeer):
            return None
        if peer.networks is not None:  # B4.3, B1.7: pods included, host bits masked
            inside = end.address is not NOWHERE and any(
                end.address in parse_cidr(text) for text in peer.networks
            )
            return YES if inside else NO
        if peer.nodes is not None:
            return self._node(peer.nodes, end) if is_valid_selector(peer.nodes) else None
        if peer.domain_names is not None:
            if end.address is NOWHERE:
                return NO
            answers = [self._domain(name, end.address, time) for name in peer.domain_names]
            return max(answers, key=lambda answer: answer[0], default=NO)
        return None

    def _pods(self, pods: NamespacedPod, pod: KnownPod) -> Match | None:
        """Match ``pods``; an absent namespace selector is every namespace (B1.2)."""
        if not _valid(pods):
            return None
        namespaces = Match.YES
        if pods.namespace_selector is not None:
            namespaces = self._matcher.namespace(pods.namespace_selector, pod.namespace)
        return min(namespaces, selector_match(pods.pod_selector, pod.labels))

    def _node(self, selector: LabelSelector, end: End) -> Answer:
        """Match ``nodes``: the address is one of a matching node's (B4.4, R25)."""
        if end.identity.kind is Kind.POD or end.address is NOWHERE:
            return NO
        for node in self._nodes:
            listed = (node.status.addresses if node.status else None) or ()
            here = end.address in [try_address(item.address) for item in listed]
            labels = dict(node.metadata.labels or {})
            if here and selector_match(selector, labels) is Match.YES:
                return YES
        known = {node.metadata.name for node in self._nodes}
        owners = self._identities.node_addresses.get(end.address, set())
        if not known or owners - known:
            return Match.MAYBE, Reason.NODES_UNKNOWN
        return NO

    def _domain(self, pattern: str, address: Address, time: int | None) -> Answer:
        """Match one domain name (B4.6, R26)."""
        maybe = Match.MAYBE, Reason.DNS_UNKNOWN
        if self._dns is None:  # C4
            return maybe
        name = normalise_name(pattern)
        windows = [
            answer.window for answer in self._dns.answers_to(name) if answer.address == address
        ]
        for start, end in windows:
            if start is None and end is None:
                return YES
            if (
                time is not None
                and (start is None or start <= time)
                and (end is None or time < end)
            ):
                return YES
        if windows and time is None:
            return maybe
        return maybe if self._dns.may_have_more(name) else NO

    def port(self, element: object, packet: Packet) -> Answer | None:
        """Match one element of ``protocols`` or ``ports`` (B1.6, B2.3, B4.5, R16)."""
        if isinstance(element, ClusterProtocol):
            return self._protocol(element, packet)
        assert isinstance(element, AdminPort)
        if element.named_port is not None:
            return _named(element.named_port, packet)
        if element.port_number is not None:
            number = element.port_number.port or 0
            protocol = PROTOCOLS[element.port_number.protocol or "TCP"]
            return _interval(protocol, number, number, packet)
        if element.port_range is not None:
            first, last = element.port_range.start or 0, element.port_range.end or 0
            protocol = PROTOCOLS[element.port_range.protocol or "TCP"]
            return _interval(protocol, first, last, packet)
        return None

    def _protocol(self, element: ClusterProtocol, packet: Packet) -> Answer | None:
        if element.destination_named_port is not None:
            return _named(element.destination_named_port, packet)
        for protocol, transport in ((6, element.tcp), (17, element.udp), (132, element.sctp)):
            if transport is None:
                continue
            port = transport.destination_port
            if port is not None and port.number is not None:
                return _interval(protocol, port.number, port.number, packet)
            if port is not None and port.range is not None:
                return _interval(protocol, port.range.start or 0, port.range.end or 0, packet)
            if packet.protocol is None:
                return Match.MAYBE, Reason.UNKNOWN_PROTOCOL
            return YES if packet.protocol == protocol else NO
        return None


def _valid(pods: NamespacedPod) -> bool:
    return all(
        selector is None or is_valid_selector(selector)
        for selector in (pods.namespace_selector, pods.pod_selector)
    )


def _by_labels(match: Match) -> Answer:
    return match, Reason.NAMESPACE_LABELS_UNKNOWN if match is Match.MAYBE else None


def _interval(protocol: int, first: int, last: int, packet: Packet) -> Answer:
    """Match ports of one protocol; an interval that is none matches nothing (B2.3)."""
    if first > last:
        return NO
    if packet.protocol is None:
        return Match.MAYBE, Reason.UNKNOWN_PROTOCOL
    if packet.protocol != protocol:
        return NO
    if packet.port is None:
        return Match.MAYBE, Reason.UNKNOWN_PORT
    return YES if first <= packet.port <= last else NO


def _named(name: str, packet: Packet) -> Answer:
    """Match what the destination pod declares under a name, of whatever protocol (B4.5)."""
    declared = {(protocol, port) for word, protocol, port in packet.named if word == name}
    if packet.protocol is None:
        return (Match.MAYBE, Reason.UNKNOWN_PROTOCOL) if declared else NO
    numbers = {port for protocol, port in declared if protocol == packet.protocol}
    if packet.port is None:
        return (Match.MAYBE, Reason.UNKNOWN_PORT) if numbers else NO
    return YES if packet.port in numbers else NO
