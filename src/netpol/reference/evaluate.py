"""Takes policies, a snapshot and one flow, gives the verdict, slowly and obviously right (C5).

Written from the specification item by item, the item's number beside each branch, and sharing
nothing with the compiler but the object model.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import NamedTuple

from netpol.kube.policies import PolicySet
from netpol.kube.snapshot import Snapshot
from netpol.model.errors import ConfigError
from netpol.model.flow import Flow
from netpol.model.switches import Switches
from netpol.model.verdict import Note, Reason, Side, Tier, Verdict
from netpol.reference.clustermatch import ClusterMatcher
from netpol.reference.clusterstage import ClusterStage
from netpol.reference.identities import EXTERNAL, End, Identities, Identity, Kind, KnownPod
from netpol.reference.matching import Matcher
from netpol.reference.nat import Nat, Pair
from netpol.reference.outcome import NOT_A_POD, Outcome, SideOutcome, verdict_of
from netpol.reference.query import Query, query_of, reversed_flow
from netpol.reference.services import Destination, Services, Target, Way
from netpol.reference.side_query import Direction, SideQuery
from netpol.reference.stages import NetworkPolicyStage, Stage
from netpol.reference.tiers import decide

__all__ = ["ReferenceEvaluator"]

ICMP, ICMPV6 = 1, 58
NEIGHBOUR_DISCOVERY = range(133, 138)  # A17.4
ICMP_ERRORS = {ICMP: {3, 4, 5, 11, 12}, ICMPV6: {1, 2, 3, 4}}  # R18
SPECIFIED_PROTOCOLS = (6, 17, 132)  # A17.1
EPHEMERAL = 32768  # lowest port that Linux gives to clients by default
BY_RULE = (Reason.NP_RULE, Reason.CNP_ACCEPT)  # C3.2: a side allowed by a rule


class Route(NamedTuple):
    """One who may have opened a flow, and one of whom it may have reached."""

    source: Identity
    destination: Destination


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
    services : what a dialled address and port lead to.
    matcher, wide : what matches elements of NetworkPolicies and of cluster-scoped policies.
    """

    def __init__(
        self, policies: PolicySet, snapshot: Snapshot, switches: Switches | None = None
    ) -> None:
        self.switches = switches = switches or Switches()
        self.snapshot = snapshot
        self.identities = Identities(snapshot, switches)
        self.services = Services(snapshot, self.identities)
        self.matcher = Matcher(snapshot, switches)
        self.wide = ClusterMatcher(snapshot, self.matcher, self.identities)
        self._judge_by(policies)

    def _judge_by(self, policies: PolicySet) -> None:
        self.policies = policies
        self._any_policy = len(policies) > 0
        self._nat = Nat(self.identities, policies, self.switches, self.side)
        self.stages: tuple[Stage, ...] = (  # B3.1
            ClusterStage(Tier.ADMIN, policies, self.wide),
            NetworkPolicyStage(policies, self.matcher, self.switches),
            ClusterStage(Tier.BASELINE, policies, self.wide),
        )

    def on(self, policies: PolicySet, snapshot: Snapshot) -> ReferenceEvaluator:
        """Return an evaluator of other objects.

        What is known of an unchanged snapshot is shared.
        """
        if snapshot is not self.snapshot:
            return ReferenceEvaluator(policies, snapshot, self.switches)
        other = copy(self)
        other._judge_by(policies)
        return other

    def under(self, switches: Switches) -> ReferenceEvaluator:
        """Return an evaluator of the same objects under other switches."""
        return ReferenceEvaluator(self.policies, self.snapshot, switches)

    def judge(self, flow: Flow) -> Outcome:
        """Return the verdict of one flow.

        Raises
        ------
        FlowError
            If an address of the flow is not an IP address.
        """
        if flow.is_reply:  # A16.1, R19
            return replace(self.judge(reversed_flow(flow)), reason=Reason.REPLY)
        query = query_of(flow)
        routes = [
            Route(source, destination)
            for source in self.identities.of(query.src, query.time, query.src_pod)
            for destination in self.services.destinations(
                query.dst, query.protocol, query.port, query.time, query.dst_pod, source
            )
        ]
        outcome = self._decide(query, routes)
        notes = self._notes(query, routes) | _maybe_reply(flow)
        if outcome.egress.tie or outcome.ingress.tie:  # B3.4
            notes |= Note.AMBIGUOUS_PRIORITY
        if _denied_own_node(outcome.egress):  # A11.6
            notes |= Note.OWN_NODE_EGRESS
        return replace(outcome, notes=notes | outcome.notes)

    def _decide(self, query: Query, routes: list[Route]) -> Outcome:
        """Follow C5 from neighbour discovery on."""
        ends = _first_ends(query, routes[0])
        if query.protocol == ICMPV6 and query.icmp_type in NEIGHBOUR_DISCOVERY:  # A17.4
            return _allowed(Reason.NEIGHBOUR_DISCOVERY, *ends)
        if query.icmp_type in ICMP_ERRORS.get(query.protocol or 0, ()):  # A17.3, R18
            return replace(_allowed(Reason.REPLY, *ends), notes=Note.RELATED_ICMP)
        if query.src.is_loopback or query.dst.is_loopback:  # A10.2
            return _allowed(Reason.LOOPBACK, *ends)
        pairs = [  # R13: sources vary slowest
            self._pair(query, End(route.source, query.src), route.destination) for route in routes
        ]
        # C5 compares sides too; where every pair allows, no side can make a difference (R13).
        if len({(p.verdict, p.verdict is not Verdict.ALLOW and p.side) for p in pairs}) == 1:
            return pairs[0] if len(pairs) == 1 else _agreed(pairs)
        return _merged(pairs, Reason.AMBIGUOUS_IP)

    def _pair(self, query: Query, source: End, destination: Destination) -> Outcome:
        """Judge one source against one destination, a service being all its backends (C6)."""
        cases = [self._target(query, source, target) for target in destination.targets]
        if not cases:
            return self._no_endpoints(query, source, destination)
        if destination.merge is None:
            return cases[0]
        if len({case.verdict for case in cases}) > 1:  # R8, R9
            return replace(_merged(cases, destination.merge), dst=destination.name)
        return _agreed(cases)

    def _no_endpoints(self, query: Query, source: End, destination: Destination) -> Outcome:
        """Return what a service without backends is (C6, R8)."""
        reason = Reason.SERVICE_NO_ENDPOINTS if self._any_policy else Reason.NOT_ISOLATED  # C7.1
        verdict = Verdict.UNKNOWN if self._any_policy else Verdict.ALLOW
        side = SideOutcome(verdict=verdict, reason=reason)
        egress = NOT_A_POD
        if source.identity.kind is Kind.POD:
            pair = Pair(query, source, None, query.protocol, destination.ways)
            judged = self._nat.egress(pair) if self._any_policy else None
            egress = judged or replace(side, subject=str(source))
        ingress = side if self._any_policy else NOT_A_POD
        outcome = _combined(egress, ingress)
        if outcome.verdict is verdict:
            outcome = replace(outcome, reason=reason)
        return replace(outcome, src=str(source), dst=destination.name)

    def _target(self, query: Query, source: End, target: Target) -> Outcome:
        """Judge one source against one real destination: ``eval_pair`` of C5."""
        client, server = source.identity.pod, target.end.identity.pod
        if client is None and server is None:  # A9.4
            return _allowed(Reason.NO_POD_ENDPOINT, source, target.end)
        ways = (target.way,) if target.way else self._dialled(query)
        pair = Pair(query, source, target, target.protocol, ways)
        if client is not None and server is not None and client.key == server.key:  # A10.4
            if not target.way and not query.via_service:  # A10.1, R12
                return _allowed(Reason.SELF_TRAFFIC, source, target.end)
            pair = replace(pair, hairpin=not pair.proxied)
        egress = ingress = NOT_A_POD
        if client is not None:
            egress = self._nat.egress(pair) or NOT_A_POD
        if server is not None:
            ingress = self._nat.ingress(pair)
        notes = self._nat.order_note(pair, egress, ingress)
        outcome = _combined(egress, ingress)
        return replace(outcome, notes=notes, src=str(source), dst=str(target.end))

    def _dialled(self, query: Query) -> tuple[Way, ...]:
        """Return the ways that a flow recorded behind its service may have taken (R10)."""
        if query.dialled is None or query.protocol is None:
            return ()
        return tuple(self.services.ways(*query.dialled, query.protocol, query.time))

    def side(self, question: SideQuery) -> SideOutcome:
        """Judge one side: the tiers in order; after the last one it is allowed (B8)."""
        subject = f"{question.subject.namespace}/{question.subject.name}"
        trials = [stage.trial(question) for stage in self.stages]
        side = decide([trial for trial in trials if trial is not None], self.switches)
        if side.tie and self.switches.cnp_tie == "error":  # B3.4
            names = " and ".join(str(witness.policy) for witness in side.witnesses)
            raise ConfigError(f"cnp_tie=error: {names} have equal priority and decide differently")
        return replace(side, subject=subject, question=question)

    def _notes(self, query: Query, routes: list[Route]) -> Note:
        """Return the hints that hold whatever the verdict."""
        notes = Note.NONE
        if query.protocol is not None and query.protocol not in SPECIFIED_PROTOCOLS:  # A17.2
            notes |= Note.UNSPECIFIED_PROTOCOL
        newest = self.identities.newest
        if query.time is not None and newest is not None and query.time < newest:  # A13.7
            notes |= Note.SNAPSHOT_AGE
        for route in routes:
            notes |= self.identities.notes(End(route.source, query.src))
        for target in (target for route in routes for target in route.destination.targets):
            notes |= self.identities.notes(target.end)
            pod = target.end.identity.pod
            if pod is not None and not self.identities.own_node_known(pod):  # A11.4
                notes |= Note.OWN_NODE_UNKNOWN
        return notes


def _maybe_reply(flow: Flow) -> Note:
    """Note a record that goes from a server's port to a client's, as a reply does (A16.1)."""
    ports = flow.sport is not None and flow.dport is not None
    if not ports or flow.protocol not in SPECIFIED_PROTOCOLS:
        return Note.NONE
    answers = (flow.sport or 0) < EPHEMERAL <= (flow.dport or 0)
    return Note.MAYBE_REPLY if answers else Note.NONE


def _first_ends(query: Query, route: Route) -> tuple[End, End]:
    """Return the ends that stand for a flow which is decided before its pairs are judged."""
    targets = route.destination.targets
    end = targets[0].end if targets else End(EXTERNAL, query.dst)
    return End(route.source, query.src), end


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
    """Return the side or sides for which something holds (C3.2)."""
    if egress and ingress:
        return Side.BOTH
    if egress:
        return Side.EGRESS
    return Side.INGRESS if ingress else Side.NONE


def _combined(egress: SideOutcome, ingress: SideOutcome) -> Outcome:
    """Put two sides together, with the side or sides that decide (C3.2)."""
    verdict = verdict_of(egress.verdict, ingress.verdict)
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
    """Return the flow's reason: that of the side that decides, egress first."""
    reasons = [side.reason for side in (egress, ingress) if side.verdict is verdict]
    if verdict is Verdict.ALLOW:
        reasons = [reason for reason in reasons if reason is not Reason.NOT_ISOLATED]
        # An exemption or a rule says more than that nothing filters the protocol.
        reasons.sort(key=lambda reason: reason is Reason.DEFAULT_ALLOW)
    return next((reason for reason in reasons if reason is not None), Reason.NOT_ISOLATED)


def _agreed(parts: Sequence[Outcome]) -> Outcome:
    """Return cases with one verdict as the first of them, with the notes of all."""
    return replace(parts[0], notes=_all_notes(parts), parts=tuple(parts))


def _all_notes(parts: Sequence[Outcome]) -> Note:
    notes = Note.NONE
    for part in parts:
        notes |= part.notes
    return notes


def _denied_own_node(egress: SideOutcome) -> bool:
    """Whether a side is one on which upstream's texts contradict each other (A11.3, A11.6)."""
    question = egress.question
    denied = egress.reason is Reason.NP_IMPLICIT_DENY
    return denied and question is not None and question.from_own_node


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
        notes=_all_notes(parts),
        src=" or ".join(dict.fromkeys(part.src for part in parts)),
        dst=" or ".join(dict.fromkeys(part.dst for part in parts)),
        parts=tuple(parts),
    )
