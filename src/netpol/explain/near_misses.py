"""Takes an outcome, gives small changes that may flip it, the smallest first.

They are guesses from how far each rule was from matching; ``flips.py`` tries them. A change costs
about as many elements as it touches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from netpol.explain.match_descriptions import PROTOCOL_WORDS, NamespaceLabels
from netpol.kube.api.objects import (
    IPBlock,
    LabelSelector,
    NetworkPolicy,
    NetworkPolicyPeer,
    NetworkPolicyPort,
    Source,
)
from netpol.kube.api.requirements import Requirement, missing
from netpol.model.verdict import Reason, Tier, Verdict
from netpol.policy.edits import (
    DropRule,
    Edit,
    Isolate,
    ListPeer,
    ListPort,
    NewRule,
    Place,
    Relabel,
    Ungovern,
)
from netpol.reference.clusterstage import ClusterStage, Rule
from netpol.reference.identities import End, Kind, KnownPod
from netpol.reference.matching import NAME_LABEL, Matcher, elements_of
from netpol.reference.outcome import Match, Outcome, SideOutcome
from netpol.reference.side_query import SideQuery
from netpol.reference.stages import NetworkPolicyStage, Stage, rules_of

__all__ = ["Candidate", "NearMisses", "leaves"]

MOST = 12  # candidates of a kind, of one side
UNGOVERNED = 4  # policies that are told not to isolate together
#: Labels that controllers make: they tell revisions apart, not what a pod is.
MADE = frozenset(
    ("controller-revision-hash", "pod-template-generation", "pod-template-hash",
     "apps.kubernetes.io/pod-index", "statefulset.kubernetes.io/pod-name")
)  # fmt: skip


class Candidate(NamedTuple):
    """Changes to be made together, and how much they are."""

    cost: float
    edits: tuple[Edit, ...]


def leaves(outcome: Outcome) -> Iterator[Outcome]:
    """Yield the pairs that an outcome was merged from, or itself."""
    if not outcome.parts:
        yield outcome
    for part in outcome.parts:
        yield from leaves(part)


class NearMisses:
    """What may flip outcomes of one evaluator."""

    def __init__(
        self,
        stages: Sequence[Stage],
        matcher: Matcher,
        namespaces: NamespaceLabels,
        sources: Mapping[str, Source],
    ) -> None:
        self._plain = next(each for each in stages if isinstance(each, NetworkPolicyStage))
        self._wide = [each for each in stages if isinstance(each, ClusterStage)]
        self._matcher = matcher
        self._namespaces = namespaces
        self._sources = sources

    def of(self, outcome: Outcome) -> list[Candidate]:
        """Return candidates, the smallest first; none for a verdict that is unknown."""
        found: list[Candidate] = []
        for leaf in leaves(outcome):
            for side in (leaf.egress, leaf.ingress):
                if side.question is None or side.verdict is not outcome.verdict:
                    continue
                if side.verdict is Verdict.DENY:
                    found += self._denied(side, side.question)
                elif side.verdict is Verdict.ALLOW:
                    found += self._allowed(side, side.question)
        return sorted(dict.fromkeys(found), key=lambda each: each.cost)

    def place(self, policy: str, field: str) -> Place:
        """Return where a field of a policy is written."""
        source = self._sources.get(policy)
        return Place() if source is None else Place(source.file, source.line_of(field))

    def allowing(self, question: SideQuery) -> list[tuple[str, int]]:
        """Return every rule of a NetworkPolicy that allows what is asked."""
        found = []
        for policy in self._plain.isolating(question.direction, question.subject):
            namespace = policy.metadata.namespace or "default"
            for index, rule in enumerate(rules_of(policy, question.direction)):
                args = index, rule, namespace, question.peer, question.packet
                if self._matcher.rule(*args).match is Match.YES:
                    found.append((_label(policy), index))
        return found

    # --- allowed ------------------------------------------------------------------------------

    def _allowed(self, side: SideOutcome, question: SideQuery) -> list[Candidate]:
        found = [] if side.rule is None else [Candidate(1, (self.drop(side, question),))]
        if side.tier in (Tier.NONE, Tier.BASELINE):  # a NetworkPolicy would come before
            found.append(Candidate(2, (Isolate(question.subject.namespace, question.direction),)))
        return found

    def drop(self, side: SideOutcome, question: SideQuery) -> DropRule:
        """Return the change that takes out the rule which decided."""
        assert side.policy is not None
        assert side.rule is not None
        direction = question.direction
        where = self.place(side.policy, f"spec.{direction}[{side.rule}]")
        rule = self.wide_rule(side.policy, question, side.rule)
        name = (rule.name if rule is not None else None) or ""
        return DropRule(side.policy, direction, side.rule, where, name)

    def wide_rule(self, label: str, question: SideQuery, index: int) -> Rule | None:
        """Return a rule of a cluster-scoped policy that is about the subject."""
        for stage in self._wide:
            for policy, _ in stage.selecting(question.subject):
                if policy.label == label:
                    return policy.rules(question.direction)[index]
        return None

    # --- denied -------------------------------------------------------------------------------

    def _denied(self, side: SideOutcome, question: SideQuery) -> list[Candidate]:
        if side.rule is not None:
            return [Candidate(1, (self.drop(side, question),))]
        if side.reason is not Reason.NP_IMPLICIT_DENY:
            return []
        isolating = self._plain.isolating(question.direction, question.subject)
        found: list[Candidate] = []
        for policy in isolating:
            found += self._nearly(policy, question)
        found = sorted(found, key=lambda each: each.cost)[: 2 * MOST]
        first, direction = isolating[0], question.direction
        where = self.place(_label(first), f"spec.{direction}")
        peer = _peer_of(question.peer, first.metadata.namespace or "default")
        rule = NewRule(_label(first), direction, where, peer, _port_of(question))
        found.append(Candidate(3, (rule,)))
        if len(isolating) > UNGOVERNED:
            return found
        opened = tuple(
            Ungovern(_label(policy), direction, self.place(_label(policy), "spec.policyTypes"))
            for policy in isolating
        )
        found.append(Candidate(2 * len(opened), opened))
        return found

    def _nearly(self, policy: NetworkPolicy, question: SideQuery) -> Iterator[Candidate]:
        """Yield what would make rules match that miss by their peers or their ports alone."""
        label, namespace = _label(policy), policy.metadata.namespace or "default"
        direction = question.direction
        for index, rule in enumerate(rules_of(policy, direction)):
            peers, ports = elements_of(rule)
            by_peer = [self._matcher.peer(each, namespace, question.peer) for each in peers]
            by_port = [self._matcher.port(each, question.packet) for each in ports]
            peer_fits = not peers or Match.YES in by_peer
            port_fits = not ports or Match.YES in by_port
            where = self.place(label, f"spec.{direction}[{index}]")
            if peer_fits and not port_fits:
                port = _port_of(question)
                if port is not None:
                    yield Candidate(1, (ListPort(label, direction, index, where, port),))
            elif port_fits and not peer_fits:
                peer = _peer_of(question.peer, namespace)
                yield Candidate(1.2, (ListPeer(label, direction, index, where, peer),))
                for element in peers:
                    yield from self._relabelled(element, namespace, question)

    def _relabelled(
        self, element: NetworkPolicyPeer | None, namespace: str, question: SideQuery
    ) -> Iterator[Candidate]:
        """Yield the labels that would make the peer one that a selector selects."""
        pod = question.peer.identity.pod
        if element is None or element.ip_block is not None or pod is None:
            return
        edits = [
            Relabel("pod", pod.namespace, pod.name, key, value, Place())
            for key, value in _wanted(missing(element.pod_selector, pod.labels))
        ]
        if element.namespace_selector is None:
            if pod.namespace != namespace:
                return
        else:
            wrong = missing(element.namespace_selector, self._namespaces.of(pod.namespace))
            if wrong and not self._namespaces.known(pod.namespace):
                return
            edits += [
                Relabel("namespace", "", pod.namespace, key, value, Place())
                for key, value in _wanted(wrong)
            ]
        if edits and not any(edit.key == NAME_LABEL for edit in edits):
            yield Candidate(1.1 * len(edits), tuple(edits))


def _wanted(wrong: Sequence[Requirement]) -> Iterator[tuple[str, str | None]]:
    """Yield what labels would have to be to meet requirements they do not meet."""
    for each in wrong:
        if each.operator in ("In", "Exists"):
            yield each.key, each.values[0] if each.values else ""
        else:
            yield each.key, None


def _label(policy: NetworkPolicy) -> str:
    return f"{policy.metadata.namespace or 'default'}/{policy.metadata.name}"


def _port_of(question: SideQuery) -> NetworkPolicyPort | None:
    """Return the element that lists the port asked for; None if none can."""
    packet = question.packet
    word = PROTOCOL_WORDS.get(packet.protocol or 0)
    if word not in ("TCP", "UDP", "SCTP") or not packet.port:  # the API has no port 0
        return None
    return NetworkPolicyPort(protocol=word, port=packet.port)


def _peer_of(end: End, namespace: str) -> NetworkPolicyPeer:
    """Return the element that lists an end: pods with its labels, or its address."""
    pod: KnownPod | None = end.identity.pod
    if end.identity.kind is not Kind.POD or pod is None:
        return NetworkPolicyPeer(
            ip_block=IPBlock(cidr=f"{end.address}/{end.address.max_prefixlen}")
        )
    labels = {key: value for key, value in pod.labels.items() if key not in MADE}
    selector = LabelSelector(match_labels=labels) if labels else LabelSelector()
    if pod.namespace == namespace:
        return NetworkPolicyPeer(pod_selector=selector)
    where = LabelSelector(match_labels={NAME_LABEL: pod.namespace})
    return NetworkPolicyPeer(namespace_selector=where, pod_selector=selector)
