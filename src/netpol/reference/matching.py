"""Takes one rule and the two ends of a flow, gives whether it matches: yes, no or maybe (C4)."""

from __future__ import annotations

from collections.abc import Sequence

from netpol.kube.api.objects import (
    IPBlock,
    LabelSelector,
    NetworkPolicyEgressRule,
    NetworkPolicyIngressRule,
    NetworkPolicyPeer,
    NetworkPolicyPort,
)
from netpol.kube.snapshot import Snapshot
from netpol.model.switches import Switches
from netpol.model.verdict import Reason
from netpol.reference.addresses import NOWHERE, parse_cidr
from netpol.reference.identities import PROTOCOLS, End, Kind
from netpol.reference.outcome import Match, RuleTrial
from netpol.reference.side_query import Packet

__all__ = ["NAME_LABEL", "Matcher", "Packet", "Rule", "elements_of", "selector_match"]

NAME_LABEL = "kubernetes.io/metadata.name"
Rule = NetworkPolicyIngressRule | NetworkPolicyEgressRule


def _requirement(operator: str, present: bool, value: str | None, values: Sequence[str]) -> bool:
    """Test one requirement on a label (A3.2-A3.4, A3.7)."""
    if operator == "In":
        return present and value in values  # A3.2: a missing key never matches
    if operator == "NotIn":
        return not present or value not in values  # A3.3: a missing key matches
    if operator == "Exists":
        return present  # A3.4
    if operator == "DoesNotExist":
        return not present  # A3.4
    raise ValueError(f"unknown selector operator {operator!r}")


def selector_match(
    selector: LabelSelector | None, labels: dict[str, str], *, complete: bool = True
) -> Match:
    """Match a selector; an empty one matches everything (A3.1, A3.5).

    ``complete=False`` says that ``labels`` are only those known: a requirement on any other key
    may hold (A3.8).
    """
    if selector is None:
        return Match.YES
    tests = [(key, "In", [value]) for key, value in (selector.match_labels or {}).items()]
    for item in selector.match_expressions or ():
        tests.append((item.key, item.operator, list(item.values or ())))
    result = Match.YES
    for key, operator, values in tests:
        if key not in labels and not complete:
            result = min(result, Match.MAYBE)
        elif not _requirement(operator, key in labels, labels.get(key), values):
            return Match.NO
    return result


class Matcher:
    """Matches peers, ports and rules in one snapshot."""

    def __init__(self, snapshot: Snapshot, switches: Switches) -> None:
        self._scope = switches.ipblock_scope
        self._guess_labels = switches.missing_namespace == "unknown-labels"
        # A2.4: the name label always says the name, whatever the manifest says.
        self._namespaces = {
            item.metadata.name: {**(item.metadata.labels or {}), NAME_LABEL: item.metadata.name}
            for item in snapshot.namespaces
        }

    def namespace(self, selector: LabelSelector, name: str) -> Match:
        """Match a namespace selector; without the Namespace object only its name is known."""
        labels = self._namespaces.get(name)
        if labels is not None:
            return selector_match(selector, labels)
        return selector_match(selector, {NAME_LABEL: name}, complete=not self._guess_labels)

    def ip_block(self, block: IPBlock, peer: End) -> Match:
        """Match an ipBlock against the peer's address (A6)."""
        kind = peer.identity.kind
        if self._scope != "any" and kind is Kind.POD:  # R20
            return Match.NO
        if self._scope == "non-cluster" and kind is Kind.NODE:
            return Match.NO
        if peer.address is NOWHERE:
            return Match.NO
        # A6.3: ``in`` is False across families.
        inside = peer.address in parse_cidr(block.cidr) and not any(
            peer.address in parse_cidr(text) for text in block.except_ or ()
        )
        return Match.YES if inside else Match.NO

    def peer(self, element: NetworkPolicyPeer | None, namespace: str, peer: End) -> Match:
        """Match one element of ``from`` or ``to`` of a policy in ``namespace`` (A5)."""
        if element is None:  # A1.5: refused by the API; must never widen a rule
            return Match.NO
        if element.ip_block is not None:
            return self.ip_block(element.ip_block, peer)
        pod = peer.identity.pod
        if peer.identity.kind is not Kind.POD or pod is None:  # A5.5
            return Match.NO
        if element.namespace_selector is None:  # A5.2
            in_namespace = Match.YES if pod.namespace == namespace else Match.NO
        else:  # A5.3
            in_namespace = self.namespace(element.namespace_selector, pod.namespace)
        return min(in_namespace, selector_match(element.pod_selector, pod.labels))  # A5.4

    def port(self, element: NetworkPolicyPort | None, packet: Packet) -> Match:
        """Match one element of ``ports`` (A7.2, A8.2)."""
        wanted = element.port if element else None
        protocol = _protocol(element)
        numbers = {n for name, p, n in packet.named if name == wanted and p == protocol}
        if packet.protocol is None:  # R16
            return Match.NO if isinstance(wanted, str) and not numbers else Match.MAYBE
        if packet.protocol != protocol:  # A7.3
            return Match.NO
        if wanted is None:
            return Match.YES
        if packet.port is None:  # R16
            return Match.NO if isinstance(wanted, str) and not numbers else Match.MAYBE
        if isinstance(wanted, str):  # A8.2
            return Match.YES if packet.port in numbers else Match.NO
        last = element.end_port if element and element.end_port is not None else wanted
        return Match.YES if wanted <= packet.port <= last else Match.NO

    def rule(
        self, index: int, rule: Rule | None, namespace: str, peer: End, packet: Packet
    ) -> RuleTrial:
        """Match one rule: its peers ORed, its ports ORed, the two ANDed (A5.1).

        ``None`` is a null list element, which is an empty rule (A0.5).
        """
        elements, port_elements = elements_of(rule)
        peers = [self.peer(item, namespace, peer) for item in elements]
        ports = [self.port(item, packet) for item in port_elements]
        # A4: absent and empty lists are no constraint.
        peer_match, peer_at = _best(peers)
        port_match, port_at = _best(ports)
        if peer_match is Match.NO:
            return RuleTrial(index, Match.NO, missed="peer")
        if port_match is Match.NO:
            known = {_protocol(element) for element in port_elements}
            missed = "port" if packet.protocol is None or packet.protocol in known else "protocol"
            return RuleTrial(index, Match.NO, missed=missed)
        doubt = None
        if peer_match is Match.MAYBE:  # R15: in this order
            doubt = Reason.NAMESPACE_LABELS_UNKNOWN
        elif port_match is Match.MAYBE:
            unknown_protocol = packet.protocol is None
            doubt = Reason.UNKNOWN_PROTOCOL if unknown_protocol else Reason.UNKNOWN_PORT
        return RuleTrial(
            index, min(peer_match, port_match), peer=peer_at, port=port_at, doubt=doubt
        )


def elements_of(
    rule: Rule | None,
) -> tuple[Sequence[NetworkPolicyPeer | None], Sequence[NetworkPolicyPort | None]]:
    """Return a rule's peers and ports; absent, null and empty are the same (A4)."""
    if rule is None:  # A0.5
        return (), ()
    peers = rule.from_ if isinstance(rule, NetworkPolicyIngressRule) else rule.to
    return peers or (), rule.ports or ()


def _protocol(element: NetworkPolicyPort | None) -> int:
    """Return the protocol number of a port element (A2.2)."""
    return PROTOCOLS[(element.protocol if element else None) or "TCP"]


def _best(matches: list[Match]) -> tuple[Match, int | None]:
    """Return the best of ORed elements and its first index; no elements match everything."""
    if not matches:
        return Match.YES, None
    best = max(matches)
    return best, matches.index(best)
