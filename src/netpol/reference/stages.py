"""Takes a subject pod and its peer, gives the trial of the NetworkPolicy tier (B8, A9).

``clusterstage.py`` does the same for the admin and baseline tiers; ``tiers.py`` puts the trials
together.
"""

from __future__ import annotations

from typing import Protocol

from netpol.kube.api.objects import NetworkPolicy
from netpol.kube.policies import PolicySet
from netpol.model.switches import Switches
from netpol.model.verdict import Reason, Tier, Verdict
from netpol.reference.identities import KnownPod
from netpol.reference.matching import Matcher, Rule, selector_match
from netpol.reference.outcome import Match, PolicyTrial, RuleTrial, SideOutcome, TierTrial
from netpol.reference.side_query import Direction, SideQuery

__all__ = ["NetworkPolicyStage", "Stage", "policy_types", "rules_of"]

FILTERED_EVERYWHERE = (1, 6, 17, 58, 132)  # A17.5: what ``other_protocols=ignore`` leaves filtered
WITH_PORTS = (6, 17, 132)  # A17.1


class Stage(Protocol):
    """One tier of rules."""

    def trial(self, question: SideQuery) -> TierTrial | None:
        """Try the tier's rules; None where the tier does not govern this side."""
        ...


class NetworkPolicyStage:
    """The NetworkPolicy tier."""

    def __init__(self, policies: PolicySet, matcher: Matcher, switches: Switches) -> None:
        self._matcher = matcher
        self._switches = switches
        # C3.1: credit goes by (namespace, name); order never changes a verdict (A9.2).
        self._policies = sorted(
            (loaded.policy for loaded in policies.policies),
            key=lambda policy: (policy.metadata.namespace or "default", policy.metadata.name),
        )
        self._isolating: dict[tuple[str, tuple[str, str]], list[NetworkPolicy]] = {}

    def selecting(self, pod: KnownPod) -> list[NetworkPolicy]:
        """Return the policies that select a pod: those of its own namespace only (A5.7)."""
        return [
            policy
            for policy in self._policies
            if (policy.metadata.namespace or "default") == pod.namespace
            and self._selects(policy, pod)
        ]

    def _selects(self, policy: NetworkPolicy, pod: KnownPod) -> bool:
        """Whether ``spec.podSelector`` matches; absent is the empty selector (A1.4, A3.5)."""
        selector = policy.spec.pod_selector if policy.spec else None
        return selector_match(selector, pod.labels) is Match.YES

    def isolating(self, direction: Direction, pod: KnownPod) -> list[NetworkPolicy]:
        """Return the policies that isolate a pod in a direction (A9.1); remembered."""
        key = (direction, pod.key)
        if key not in self._isolating:
            self._isolating[key] = [
                policy for policy in self.selecting(pod) if direction in policy_types(policy)
            ]
        return self._isolating[key]

    def trial(self, question: SideQuery) -> TierTrial | None:
        """Try the rules; None where no policy isolates the pod (A9.1, B5.3)."""
        tier = Tier.NETWORKPOLICY
        isolating = self.isolating(question.direction, question.subject)
        if not isolating:
            if self._switches.baseline_gate == "any-direction" and self.selecting(question.subject):
                open_ = SideOutcome(verdict=Verdict.ALLOW, reason=Reason.NOT_ISOLATED)
                return TierTrial(tier=tier, settled=open_)  # B5.4
            return None
        exempt = self._exemption(question)
        if exempt is not None:
            side = SideOutcome(verdict=Verdict.ALLOW, reason=exempt)
            return TierTrial(tier=tier, settled=side)
        trials: list[PolicyTrial] = []
        for policy in isolating:
            trial = self._try(policy, question)
            trials.append(trial)
            if trial.rules and trial.rules[-1].match is Match.YES:  # A9.2: the rest cannot matter
                break
        groups = tuple((trial,) for trial in trials)  # A9.2: order never changes the verdict
        return TierTrial(tier=tier, groups=groups, end=self._unmatched(question, trials))

    def _exemption(self, question: SideQuery) -> Reason | None:
        """Return why isolation does not bind this traffic, None if it does (B8's order)."""
        switches = self._switches
        if question.hairpin and switches.np_service_hairpin == "allow":  # A10.3
            return Reason.NP_HAIRPIN
        if question.from_own_node:
            ingress = question.direction == "ingress"
            switch = switches.own_node_ingress if ingress else switches.own_node_egress
            if switch == "allow":  # A11.1, A11.3
                return Reason.OWN_NODE
        protocol = question.packet.protocol
        if (
            switches.other_protocols == "ignore"
            and protocol is not None
            and protocol not in FILTERED_EVERYWHERE
        ):  # A17.5, R17
            return Reason.DEFAULT_ALLOW
        return None

    def _try(self, policy: NetworkPolicy, question: SideQuery) -> PolicyTrial:
        """Try the rules of a policy in order, up to the first that matches."""
        namespace = policy.metadata.namespace or "default"
        trials: list[RuleTrial] = []
        for index, rule in enumerate(rules_of(policy, question.direction)):
            trial = self._matcher.rule(index, rule, namespace, question.peer, question.packet)
            trials.append(trial)
            if trial.match is Match.YES:
                break
        return PolicyTrial(f"{namespace}/{policy.metadata.name}", tuple(trials))

    def _unmatched(self, question: SideQuery, trials: list[PolicyTrial]) -> SideOutcome:
        """Return what an isolated side is where no rule matches (A9.2, A17.2)."""
        protocol = question.packet.protocol
        verdict, reason = Verdict.DENY, Reason.NP_IMPLICIT_DENY
        if (
            self._switches.other_protocols == "unknown"
            and protocol is not None
            and protocol not in WITH_PORTS
        ):  # R17
            verdict, reason = Verdict.UNKNOWN, Reason.UNKNOWN_PROTOCOL
        return SideOutcome(
            verdict=verdict,
            reason=reason,
            tier=Tier.NETWORKPOLICY,
            policy=trials[0].policy,
        )


def policy_types(policy: NetworkPolicy) -> set[str]:
    """Return the directions a policy governs, in lower case (A1.3, A2.1)."""
    spec = policy.spec
    if spec is None:
        return {"ingress"}
    if spec.policy_types:
        return {name.lower() for name in spec.policy_types}
    return {"ingress", "egress"} if spec.egress else {"ingress"}


def rules_of(policy: NetworkPolicy, direction: Direction) -> list[Rule | None]:
    """Return the rules of a direction; absent, null and empty are no rule (A4)."""
    if policy.spec is None:
        return []
    rules = policy.spec.ingress if direction == "ingress" else policy.spec.egress
    return list(rules or ())
