"""Takes policies, a snapshot and one flow, gives the verdict, slowly and obviously right (C5).

Written from the specification item by item, the item's number beside each branch, and sharing
nothing with the compiler but the object model.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace

from netpol.errors import ConfigError, FlowError
from netpol.flows.flow import Flow
from netpol.kube.policies import PolicySet
from netpol.kube.snapshot import Snapshot
from netpol.reference.addresses import Address, parse_address
from netpol.reference.clustermatch import ClusterMatcher
from netpol.reference.clusterstage import ClusterStage
from netpol.reference.explain import Explainer
from netpol.reference.identities import End, Identities, Identity, Kind, KnownPod
from netpol.reference.matching import Matcher, Packet
from netpol.reference.outcome import NOT_A_POD, Outcome, SideOutcome
from netpol.reference.services import Destination, Services, Target
from netpol.reference.stages import Direction, NetworkPolicyStage, Question, Stage
from netpol.reference.story import Explanation
from netpol.reference.storytext import written
from netpol.reference.tiers import decide
from netpol.switches import Switches
from netpol.verdict import Note, Reason, Side, Tier, Verdict

__all__ = ["ReferenceEvaluator"]

ICMP, ICMPV6 = 1, 58
NEIGHBOUR_DISCOVERY = range(133, 138)  # A17.4
ICMP_ERRORS = {ICMP: {3, 4, 5, 11, 12}, ICMPV6: {1, 2, 3, 4}}  # R18
SPECIFIED_PROTOCOLS = (6, 17, 132)  # A17.1
NOT_RECORDED = 255  # as protocol or ICMP type; reserved by IANA
BY_RULE = (Reason.NP_RULE, Reason.CNP_ACCEPT)  # C3.2: a side allowed by a rule
NO_PACKET_NAMES: frozenset[tuple[str, int, int]] = frozenset()


@dataclass(frozen=True, slots=True)
class Query:
    """A flow in its initiator's direction, addresses parsed, placeholders turned to None."""

    src: Address
    dst: Address
    protocol: int | None
    port: int | None
    icmp_type: int | None
    time: int | None
    via_service: bool
    src_seen: Address | None  # the client's own address where it was not translated
    dialled: tuple[Address, int] | None  # of a flow recorded behind its service
    src_pod: str | None
    dst_pod: str | None


class ReferenceEvaluator:
    """Judges flows one at a time.

    Parameters
    ----------
    policies
        Validated, defaulted policies.
    snapshot
        The cluster.
    switches
        Behaviour upstream leaves open.

    Attributes
    ----------
    policies, snapshot, switches : what it judges by.
    stages : the tiers in order.
    identities : who owns which address.
    matcher, wide : what matches elements of NetworkPolicies and of cluster-scoped policies.
    """

    def __init__(
        self, policies: PolicySet, snapshot: Snapshot, switches: Switches | None = None
    ) -> None:
        self.switches = switches = switches or Switches()
        self.snapshot = snapshot
        self.identities = Identities(snapshot, switches)
        self._services = Services(snapshot, self.identities)
        self.matcher = Matcher(snapshot, switches)
        self.wide = ClusterMatcher(snapshot, self.matcher, self.identities)
        self._judge_by(policies)

    def _judge_by(self, policies: PolicySet) -> None:
        self.policies = policies
        self._any_policy = len(policies) > 0
        self.stages: tuple[Stage, ...] = (  # B3.1
            ClusterStage(Tier.ADMIN, policies, self.wide),
            NetworkPolicyStage(policies, self.matcher, self.switches),
            ClusterStage(Tier.BASELINE, policies, self.wide),
        )

    def on(self, policies: PolicySet, snapshot: Snapshot) -> ReferenceEvaluator:
        """Give an evaluator of other objects; what is known of an unchanged snapshot is shared."""
        if snapshot is not self.snapshot:
            return ReferenceEvaluator(policies, snapshot, self.switches)
        other = copy(self)
        other._judge_by(policies)
        return other

    def judge(self, flow: Flow) -> Outcome:
        """Give the verdict of one flow.

        Raises
        ------
        FlowError
            If an address of the flow is not an IP address.
        """
        if flow.is_reply:  # A16.1, R19
            return replace(self.judge(_reversed(flow)), reason=Reason.REPLY)
        query = _query(flow)
        sources = self.identities.of(query.src, query.time, query.src_pod)
        destinations = self._services.destinations(
            query.dst, query.protocol, query.port, query.time, query.dst_pod
        )
        outcome = self._decide(query, sources, destinations)
        notes = self._notes(query, sources, destinations)
        if outcome.egress.tie or outcome.ingress.tie:  # B3.4
            notes |= Note.AMBIGUOUS_PRIORITY
        return replace(outcome, notes=notes | outcome.notes)

    def explain(self, flow: Flow) -> str:
        """Tell the decision step by step; control characters of names are escaped.

        Raises
        ------
        FlowError
            If an address of the flow is not an IP address.
        """
        return written(self.explanation(flow))

    def explanation(self, flow: Flow) -> Explanation:
        """Give the decision and what would flip it, as data.

        Raises
        ------
        FlowError
            If an address of the flow is not an IP address.
        """
        return Explainer(self).explanation(flow)

    def _decide(
        self, query: Query, sources: list[Identity], destinations: list[Destination]
    ) -> Outcome:
        """Follow C5 from neighbour discovery on."""
        ends = _first_ends(query, sources, destinations)
        if query.protocol == ICMPV6 and query.icmp_type in NEIGHBOUR_DISCOVERY:  # A17.4
            return _allowed(Reason.NEIGHBOUR_DISCOVERY, *ends)
        if query.icmp_type in ICMP_ERRORS.get(query.protocol or 0, ()):  # A17.3, R18
            return replace(_allowed(Reason.REPLY, *ends), notes=Note.RELATED_ICMP)
        if query.src.is_loopback or query.dst.is_loopback:  # A10.2
            return _allowed(Reason.LOOPBACK, *ends)
        pairs = [
            self._pair(query, End(source, query.src), destination)
            for source in sources  # R13: sources vary slowest
            for destination in destinations
        ]
        # C5 compares sides too; where every pair allows, no side can make a difference (R13).
        if len({(p.verdict, p.verdict is not Verdict.ALLOW and p.side) for p in pairs}) == 1:
            return pairs[0] if len(pairs) == 1 else replace(pairs[0], parts=tuple(pairs))
        return _merged(pairs, Reason.AMBIGUOUS_IP)

    def _pair(self, query: Query, source: End, destination: Destination) -> Outcome:
        """Judge one source against one destination, a service being all its backends (C6)."""
        cases = [self._target(query, source, target) for target in destination.targets]
        if not cases:
            return self._no_endpoints(source, destination)
        if destination.merge is None:
            return cases[0]
        if len({case.verdict for case in cases}) > 1:  # R8, R9
            return replace(_merged(cases, destination.merge), dst=destination.name)
        return replace(cases[0], parts=tuple(cases))

    def _no_endpoints(self, source: End, destination: Destination) -> Outcome:
        """Give what a service without backends is (C6, R8)."""
        from_pod = source.identity.kind is Kind.POD
        if not self._any_policy:  # C7.1
            verdict, reason = Verdict.ALLOW, Reason.NOT_ISOLATED
        else:
            verdict, reason = Verdict.UNKNOWN, Reason.SERVICE_NO_ENDPOINTS
        side = SideOutcome(verdict=verdict, reason=reason)
        egress = replace(side, subject=str(source)) if from_pod else NOT_A_POD
        ingress = NOT_A_POD if not self._any_policy else side
        return replace(
            _combined(egress, ingress),
            reason=reason,
            src=str(source),
            dst=destination.name,
        )

    def _target(self, query: Query, source: End, target: Target) -> Outcome:
        """Judge one source against one real destination: ``eval_pair`` of C5."""
        who_from, who_to = source.identity, target.end.identity
        client, server = who_from.pod, who_to.pod
        if client is None and server is None:  # A9.4
            return _allowed(Reason.NO_POD_ENDPOINT, source, target.end)
        same_pod = client is not None and server is not None and client.key == server.key  # A10.4
        hairpin = same_pod and (target.via_service or query.via_service)
        if same_pod and not hairpin:  # A10.1, R12
            return _allowed(Reason.SELF_TRAFFIC, source, target.end)
        packet = Packet(
            target.protocol, target.port, server.named_ports if server else NO_PACKET_NAMES
        )
        egress = ingress = NOT_A_POD
        if client is not None:
            # Services stand as the snapshot shows them, whatever the time (R6, R26).
            time = None if target.via_service else query.time
            egress = self._side(Question("egress", client, target.end, packet, hairpin, time))
        if server is not None:
            question = Question("ingress", server, source, packet, hairpin)
            ingress = self._ingress(query, question, target)
        return replace(_combined(egress, ingress), src=str(source), dst=str(target.end))

    def _ingress(self, query: Query, question: Question, target: Target) -> SideOutcome:
        """Judge ingress for every source the server may have seen (A15.5, R10-R12)."""
        first = self._side(question)
        if question.hairpin:  # R11: traffic to the pod itself is not read twice
            return first
        others: Sequence[End] = target.sources
        if query.dialled and query.protocol is not None and not target.via_service:  # R10
            others = self._services.nat_sources(*query.dialled, query.protocol)
        if query.src_seen == query.src:  # R11: known not to be translated
            others = ()
        elif query.src_seen is not None:
            seen = query.src_seen
            others = [End(who, seen) for who in self.identities.of(seen, query.time)]
        readings = [(str(question.peer), first)]
        for end in others:
            readings.append((str(end), self._side(replace(question, peer=end))))
        if len({side.verdict for _, side in readings}) == 1:
            return first
        return SideOutcome(
            verdict=Verdict.UNKNOWN,
            reason=Reason.SOURCE_NAT,
            subject=first.subject,
            readings=tuple(readings),
        )

    def _side(self, question: Question) -> SideOutcome:
        """Try the tiers in order; after the last one the side is allowed (B8)."""
        subject = f"{question.subject.namespace}/{question.subject.name}"
        trials = [stage.trial(question) for stage in self.stages]
        side = decide([trial for trial in trials if trial is not None], self.switches)
        if side.tie and self.switches.cnp_tie == "error":  # B3.4
            names = " and ".join(str(witness.policy) for witness in side.witnesses)
            raise ConfigError(f"cnp_tie=error: {names} have equal priority and decide differently")
        return replace(side, subject=subject, question=question)

    def _notes(
        self, query: Query, sources: list[Identity], destinations: list[Destination]
    ) -> Note:
        """Give the hints that hold whatever the verdict."""
        notes = Note.NONE
        if query.protocol is not None and query.protocol not in SPECIFIED_PROTOCOLS:  # A17.2
            notes |= Note.UNSPECIFIED_PROTOCOL
        newest = self.identities.newest
        if query.time is not None and newest is not None and query.time < newest:  # A13.7
            notes |= Note.SNAPSHOT_AGE
        for source in sources:
            notes |= self.identities.notes(End(source, query.src))
        for target in (target for item in destinations for target in item.targets):
            notes |= self.identities.notes(target.end)
            pod = target.end.identity.pod
            if pod is not None and not self.identities.own_node_known(pod):  # A11.4
                notes |= Note.OWN_NODE_UNKNOWN
        return notes


def _query(flow: Flow) -> Query:
    """Parse a flow (C2.1)."""
    src, dst = _address(flow.src, "src"), _address(flow.dst, "dst")
    dialled = _address(flow.original_dst, "original_dst") if flow.original_dst else None
    seen = _address(flow.src_seen, "src_seen") if flow.src_seen else None
    other_port = (
        flow.original_dport is not None
        and flow.dport is not None
        and flow.original_dport != flow.dport
    )
    via_service = dialled is not None and (dialled != dst or other_port)  # R12
    behind = None
    if via_service and dialled is not None and flow.original_dport is not None:
        behind = (dialled, flow.original_dport)
    return Query(
        src=src,
        dst=dst,
        protocol=None if flow.protocol == NOT_RECORDED else flow.protocol,
        port=flow.dport,
        icmp_type=None if flow.icmp_type == NOT_RECORDED else flow.icmp_type,
        time=flow.time,
        via_service=via_service,
        src_seen=seen,
        dialled=behind,
        src_pod=flow.src_pod,
        dst_pod=flow.dst_pod,
    )


def _address(text: str, field: str) -> Address:
    try:
        return parse_address(text)
    except ValueError as error:
        raise FlowError(f"{field}: {text!r} is not an IP address") from error


def _reversed(flow: Flow) -> Flow:
    """Give the flow of the initiator for one recorded in the reply direction (R19)."""
    return Flow(
        src=flow.dst,
        dst=flow.src,
        protocol=flow.protocol,
        dport=flow.sport,
        sport=flow.dport,
        icmp_type=flow.icmp_type,
        icmp_code=flow.icmp_code,
        time=flow.time,
        src_pod=flow.dst_pod,
        dst_pod=flow.src_pod,
    )


def _first_ends(
    query: Query, sources: list[Identity], destinations: list[Destination]
) -> tuple[End, End]:
    """Give the ends that stand for a flow which is decided before its pairs are judged."""
    targets = destinations[0].targets
    end = targets[0].end if targets else End(Identity(Kind.EXTERNAL), query.dst)
    return End(sources[0], query.src), end


def _allowed(reason: Reason, source: End, target: End) -> Outcome:
    """Allow a whole flow for one reason; the ends that are pods carry it too."""

    def side(pod: KnownPod | None) -> SideOutcome:
        if pod is None:
            return NOT_A_POD
        subject = f"{pod.namespace}/{pod.name}"
        return SideOutcome(verdict=Verdict.ALLOW, reason=reason, subject=subject)

    return Outcome(
        verdict=Verdict.ALLOW,
        side=Side.NONE,
        reason=reason,
        egress=side(source.identity.pod),
        ingress=side(target.identity.pod),
        src=str(source),
        dst=str(target),
    )


def _sides_with(egress: bool, ingress: bool) -> Side:
    """Give the side or sides for which something holds (C3.2)."""
    if egress and ingress:
        return Side.BOTH
    if egress:
        return Side.EGRESS
    return Side.INGRESS if ingress else Side.NONE


def _combined(egress: SideOutcome, ingress: SideOutcome) -> Outcome:
    """Put two sides together: deny beats unknown beats allow (A9.3, C5)."""
    verdicts = {egress.verdict, ingress.verdict}
    verdict = next(v for v in (Verdict.DENY, Verdict.UNKNOWN, Verdict.ALLOW) if v in verdicts)
    if verdict is Verdict.ALLOW:
        side = _sides_with(egress.reason in BY_RULE, ingress.reason in BY_RULE)
    else:
        side = _sides_with(egress.verdict is verdict, ingress.verdict is verdict)
    return Outcome(
        verdict=verdict,
        side=side,
        reason=_reason(verdict, egress, ingress),
        egress=egress,
        ingress=ingress,
    )


def _reason(verdict: Verdict, egress: SideOutcome, ingress: SideOutcome) -> Reason:
    """Give the flow's reason: that of the side that decides, egress first."""
    reasons = [side.reason for side in (egress, ingress) if side.verdict is verdict]
    if verdict is Verdict.ALLOW:
        reasons = [reason for reason in reasons if reason is not Reason.NOT_ISOLATED]
        # An exemption or a rule says more than that nothing filters the protocol.
        reasons.sort(key=lambda reason: reason is Reason.DEFAULT_ALLOW)
    return next((reason for reason in reasons if reason is not None), Reason.NOT_ISOLATED)


def _merged(parts: Sequence[Outcome], reason: Reason) -> Outcome:
    """Make cases that differ one unknown outcome; sides they agree on stay (R14)."""

    def side(direction: Direction) -> SideOutcome:
        sides: list[SideOutcome] = [getattr(part, direction) for part in parts]
        if len({one.verdict for one in sides}) == 1:
            return sides[0]
        return SideOutcome(verdict=Verdict.UNKNOWN, reason=reason)

    egress, ingress = side("egress"), side("ingress")
    unknown = Verdict.UNKNOWN
    return Outcome(
        verdict=unknown,
        side=_sides_with(egress.verdict is unknown, ingress.verdict is unknown),
        reason=reason,
        egress=egress,
        ingress=ingress,
        src=" or ".join(dict.fromkeys(part.src for part in parts)),
        dst=" or ".join(dict.fromkeys(part.dst for part in parts)),
        parts=tuple(parts),
    )
