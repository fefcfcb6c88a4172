"""Takes a subject pod and its peer, gives the trial of the admin or the baseline tier (B1-B6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from netpol.kube.api.cluster_objects import (
    AdminEgressRule,
    AdminIngressRule,
    AdminNetworkPolicy,
    BaselineAdminNetworkPolicy,
    ClusterEgressPeer,
    ClusterEgressRule,
    ClusterIngressPeer,
    ClusterIngressRule,
    ClusterNetworkPolicy,
    ClusterPolicy,
    ClusterSubject,
)
from netpol.kube.policies import PolicySet
from netpol.model.verdict import Reason, Tier
from netpol.reference.clustermatch import ClusterMatcher
from netpol.reference.identities import KnownPod
from netpol.reference.outcome import Effect, Match, PolicyTrial, RuleTrial, TierTrial
from netpol.reference.side_query import Direction, SideQuery

__all__ = ["LAST", "ClusterStage", "RankedPolicy", "Rule", "peers_of", "ports_of"]

Rule = ClusterIngressRule | ClusterEgressRule | AdminIngressRule | AdminEgressRule
EFFECTS = {
    "Accept": Effect.ALLOW, "Allow": Effect.ALLOW, "Deny": Effect.DENY, "Pass": Effect.PASS,
}  # fmt: skip
LAST = 1 << 31  # B3.5: the BaselineAdminNetworkPolicy comes after all others


@dataclass(frozen=True, slots=True)
class RankedPolicy:
    """A policy with what ordering needs already read off."""

    policy: ClusterPolicy
    kind: str
    priority: int

    @property
    def label(self) -> str:
        """``Kind/name``."""
        return f"{self.kind}/{self.policy.metadata.name}"

    @property
    def subject(self) -> ClusterSubject | None:
        """What the policy is about."""
        return self.policy.spec.subject if self.policy.spec else None

    def rules(self, direction: Direction) -> Sequence[Rule]:
        """Return the rules of a direction; without any the policy does not touch it (B3.3)."""
        spec = self.policy.spec
        if spec is None:
            return ()
        return (spec.ingress if direction == "ingress" else spec.egress) or ()


class ClusterStage:
    """The admin tier or the baseline tier."""

    def __init__(self, tier: Tier, policies: PolicySet, matcher: ClusterMatcher) -> None:
        self._tier = tier
        self._matcher = matcher
        mine = (_read(loaded.policy) for loaded in policies.cluster_policies)
        self._policies = sorted(
            (policy for in_tier, policy in mine if in_tier is tier),
            key=lambda policy: (policy.priority, policy.kind, policy.policy.metadata.name),
        )  # B3.2, B3.4

    def trial(self, question: SideQuery) -> TierTrial | None:
        """Try the rules of every policy that may select the pod."""
        groups = []
        for _, tied in groupby(self._policies, key=lambda policy: policy.priority):
            trials = [self._try(policy, question) for policy in tied]
            groups.append(tuple(trial for trial in trials if trial is not None))
        return TierTrial(tier=self._tier, groups=tuple(group for group in groups if group))

    @property
    def tier(self) -> Tier:
        """Which of the two it is."""
        return self._tier

    def selecting(self, pod: KnownPod) -> list[tuple[RankedPolicy, Match]]:
        """Return the policies that select a pod or may, in the order tried."""
        found = [(each, self._matcher.subject(each.subject, pod)) for each in self._policies]
        return [(policy, match) for policy, match in found if match is not Match.NO]

    def _try(self, policy: RankedPolicy, question: SideQuery) -> PolicyTrial | None:
        selected = self._matcher.subject(policy.subject, question.subject)
        if selected is Match.NO:
            return None
        trials = []
        for index, rule in enumerate(policy.rules(question.direction)):
            trial = self._rule(index, rule, question)
            if selected is Match.MAYBE and trial.match is not Match.NO:  # R24
                trial = replace(trial, match=Match.MAYBE, doubt=Reason.NAMESPACE_LABELS_UNKNOWN)
            trials.append(trial)
            if trial.match is Match.YES:
                break
        return PolicyTrial(policy.label, tuple(trials))

    def _rule(self, index: int, rule: Rule, question: SideQuery) -> RuleTrial:
        """Match one rule: its peers ORed, its ports ORed, the two ANDed (B4.1)."""
        effect = EFFECTS[rule.action]
        matcher = self._matcher
        peers = [matcher.peer(peer, question.peer, question.time) for peer in peers_of(rule)]
        elements = ports_of(rule)
        ports = [matcher.port(element, question.packet) for element in elements]
        if None in peers or None in ports:  # B4.8
            if effect is Effect.ALLOW:
                return RuleTrial(index, Match.NO, "rule", effect=effect, fail_closed=True)
            return RuleTrial(index, Match.YES, effect=Effect.DENY, fail_closed=True)
        peer_match, peer_at, doubt = _best([peer for peer in peers if peer is not None])
        port_match, port_at, port_doubt = _best([port for port in ports if port is not None])
        if not elements:  # B4.1: no protocols is every protocol, ICMP among them
            port_match, port_at = Match.YES, None
        if peer_match is Match.NO:
            return RuleTrial(index, Match.NO, "peer", effect=effect)
        if port_match is Match.NO:
            return RuleTrial(index, Match.NO, "port", effect=effect)
        return RuleTrial(
            index,
            min(peer_match, port_match),
            peer=peer_at,
            port=port_at,
            doubt=doubt if peer_match is Match.MAYBE else port_doubt,  # R15
            effect=effect,
        )


def _read(policy: ClusterPolicy) -> tuple[Tier, RankedPolicy]:
    """Return the tier and the place in it (B1.1, B2.1, B3.5)."""
    if isinstance(policy, BaselineAdminNetworkPolicy):
        return Tier.BASELINE, RankedPolicy(policy, "BaselineAdminNetworkPolicy", LAST)
    priority = (policy.spec.priority if policy.spec else None) or 0
    if isinstance(policy, AdminNetworkPolicy):
        return Tier.ADMIN, RankedPolicy(policy, "AdminNetworkPolicy", priority)
    assert isinstance(policy, ClusterNetworkPolicy)
    baseline = policy.spec is not None and policy.spec.tier == "Baseline"
    tier = Tier.BASELINE if baseline else Tier.ADMIN
    return tier, RankedPolicy(policy, "ClusterNetworkPolicy", priority)


def peers_of(rule: Rule) -> Sequence[ClusterIngressPeer | ClusterEgressPeer]:
    """Return a rule's peers."""
    if isinstance(rule, ClusterIngressRule | AdminIngressRule):
        return rule.from_ or ()
    return rule.to or ()


def ports_of(rule: Rule) -> Sequence[object]:
    """Return a rule's elements of ``protocols`` or ``ports``."""
    if isinstance(rule, ClusterIngressRule | ClusterEgressRule):
        return rule.protocols or ()
    return rule.ports or ()


#: Which doubt is named where several are there (R15): the first of these.
DOUBTS = (Reason.NAMESPACE_LABELS_UNKNOWN, Reason.NODES_UNKNOWN, Reason.DNS_UNKNOWN)


def _best(
    found: Sequence[tuple[Match, Reason | None]],
) -> tuple[Match, int | None, Reason | None]:
    """Return the best of ORed elements, its first index, and why it is in doubt if it is."""
    best = max((match for match, _ in found), default=Match.NO)
    if best is not Match.MAYBE:
        at = next((i for i, (match, _) in enumerate(found) if match is best), None)
        return best, at, None
    doubts = [doubt for match, doubt in found if match is Match.MAYBE]
    named = next((reason for reason in DOUBTS if reason in doubts), doubts[0])
    return best, found.index((Match.MAYBE, named)), named
