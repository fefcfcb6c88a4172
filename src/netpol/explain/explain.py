"""Takes a flow and its outcome, gives the story: why each policy selects, what each rule missed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from typing import TYPE_CHECKING

from netpol.explain.cluster_descriptions import ClusterDescriber
from netpol.explain.flips import find_flips
from netpol.explain.hints import hints_of
from netpol.explain.match_descriptions import MatchDescriber, NamespaceLabels, pod_text
from netpol.explain.near_misses import Candidate, NearMisses, leaves
from netpol.explain.readings import grouped
from netpol.explain.story import (
    Explanation,
    PairStory,
    PolicyStory,
    Reading,
    RuleStory,
    SideStory,
)
from netpol.explain.story_text import written
from netpol.kube.api.requirements import held, selector_text
from netpol.model.errors import ConfigError
from netpol.model.flow import Flow
from netpol.model.verdict import Reason, Tier, Verdict
from netpol.policy.edits import Edit, applied
from netpol.reference.addresses import Address
from netpol.reference.clusterstage import LAST, ClusterStage, RankedPolicy
from netpol.reference.outcome import Effect, Match, Outcome, PolicyTrial, RuleTrial, SideOutcome
from netpol.reference.query import query_of
from netpol.reference.side_query import Direction, SideQuery
from netpol.reference.stages import NetworkPolicyStage, policy_types, rules_of

if TYPE_CHECKING:
    from netpol.kube.api.objects import NetworkPolicy
    from netpol.reference.evaluate import ReferenceEvaluator

__all__ = ["explained", "explanation_of"]

Rules = Callable[[RuleTrial], RuleStory]


def explanation_of(evaluator: ReferenceEvaluator, flow: Flow) -> Explanation:
    """Return the decision on one flow and what would flip it, as data.

    Raises
    ------
    FlowError
        If an address of the flow is not an IP address.
    """
    return Explainer(evaluator).explanation(flow)


def explained(evaluator: ReferenceEvaluator, flow: Flow) -> str:
    """Return the decision step by step as text; control characters of names are escaped.

    Raises
    ------
    FlowError
        If an address of the flow is not an IP address.
    """
    return written(explanation_of(evaluator, flow))


class Explainer:
    """Tells outcomes of one evaluator."""

    def __init__(self, evaluator: ReferenceEvaluator) -> None:
        self._evaluator = evaluator
        policies = evaluator.policies
        self._sources = {loaded.label: loaded.source for loaded in policies.policies}
        self._sources |= {loaded.label: loaded.source for loaded in policies.cluster_policies}
        namespaces = NamespaceLabels(evaluator.snapshot)
        self._namespaces = namespaces
        self._describer = MatchDescriber(
            evaluator.matcher, namespaces, evaluator.switches.ipblock_scope
        )
        self._wide = ClusterDescriber(evaluator.wide, evaluator.matcher, namespaces)
        self._near = self._near_misses(evaluator)

    def explanation(self, flow: Flow) -> Explanation:
        """Return the story of one flow, and what would flip its verdict."""
        outcome = self._evaluator.judge(flow)
        flips = find_flips(outcome, self._near.of(outcome), self._judge_with(flow))
        pairs = tuple(self._pairs(flow, outcome))
        remarks = [*self._remarks(flow, outcome)]
        if not flips and outcome.verdict is Verdict.DENY:
            remarks.append("no small change was found that would allow it")
        return Explanation(
            flow=flow,
            outcome=outcome,
            pairs=pairs,
            remarks=tuple(remarks),
            hints=tuple(hints_of(self._evaluator, flow, outcome)),
            flips=flips,
        )

    # --- what would flip it -------------------------------------------------------------------

    def _near_misses(self, evaluator: ReferenceEvaluator) -> NearMisses:
        namespaces = self._namespaces
        if evaluator is not self._evaluator:
            namespaces = NamespaceLabels(evaluator.snapshot)
        return NearMisses(evaluator.stages, evaluator.matcher, namespaces, self._sources)

    def _judge_with(
        self, flow: Flow
    ) -> Callable[[tuple[Edit, ...]], tuple[Outcome, Callable[[], list[Candidate]]] | None]:
        before = self._evaluator

        def judge(
            edits: tuple[Edit, ...],
        ) -> tuple[Outcome, Callable[[], list[Candidate]]] | None:
            changed = before.on(*applied(before.policies, before.snapshot, edits))
            try:
                outcome = changed.judge(flow)
            except ConfigError:  # cnp_tie=error: the change makes priorities clash
                return None
            return outcome, lambda: self._near_misses(changed).of(outcome)

        return judge

    def _remarks(self, flow: Flow, outcome: Outcome) -> Iterator[str]:
        """Say what is worth knowing beside the steps."""
        if flow.is_reply:
            yield "a reply: judged as the connection it answers, ends swapped"
        told = []
        for leaf in leaves(outcome):
            for side in (leaf.egress, leaf.ingress):
                if side.question is not None and side.verdict is outcome.verdict:
                    told += list(self._remark(side, side.question))
        yield from dict.fromkeys(told)

    def _remark(self, side: SideOutcome, question: SideQuery) -> Iterator[str]:
        direction = question.direction
        if side.verdict is Verdict.DENY and side.rule is not None:
            drop = self._near.drop(side, question)
            name = f"rule {drop.name} ({direction}[{drop.rule}])" if drop.name else drop.place
            of = f" of {drop.policy}" if drop.name else ""
            when = "before NetworkPolicies are asked"
            if side.tier is Tier.BASELINE:
                when = f"as no NetworkPolicy isolates {pod_text(question.subject)} for {direction}"
            yield f"{name}{of} denies it {when}"
        if side.reason is Reason.NP_RULE:
            rules = self._near.allowing(question)
            if len(rules) > 1:
                names = [f"{policy} {direction}[{index}]" for policy, index in rules[:5]]
                more = f" and {len(rules) - 5} more" if len(rules) > 5 else ""
                yield f"several rules allow it for {direction}: {', '.join(names)}{more}"

    # --- steps --------------------------------------------------------------------------------

    def _pairs(self, flow: Flow, outcome: Outcome) -> Iterator[PairStory]:
        """Tell each pair; pairs that the same rules decide are told once."""
        query = query_of(flow)
        named = (query.src, query.dst, query.src_seen, query.dialled and query.dialled[0])
        mentioned = {address for address in named if address is not None}
        groups: dict[object, list[Outcome]] = {}
        for leaf in leaves(outcome):
            sides = (leaf.egress, leaf.ingress)
            key = (
                leaf.verdict,
                leaf.reason,
                leaf.side,
                tuple(map(_decided, sides)),
            )
            groups.setdefault(key, []).append(leaf)
        for first, *others in groups.values():
            alike = [f"{each.src} -> {each.dst}" for each in others]
            yield PairStory(
                outcome=first,
                egress=self._side("egress", first.egress, mentioned),
                ingress=self._side("ingress", first.ingress, mentioned),
                alike=tuple(dict.fromkeys(alike)),
            )

    def _side(self, direction: Direction, side: SideOutcome, mentioned: Set[Address]) -> SideStory:
        readings = tuple(
            Reading(text=words, ends=ends, story=self._side(direction, one, mentioned))
            for words, ends, one in grouped(side, direction, mentioned)
        )
        policies = () if side.question is None else tuple(self._policies(side, side.question))
        return SideStory(direction=direction, outcome=side, policies=policies, readings=readings)

    def _policies(self, side: SideOutcome, question: SideQuery) -> Iterator[PolicyStory]:
        """Tell the policies that select the pod, tier by tier, up to the one that decides."""
        trials = {trial.policy: trial for trial in side.alternatives}
        decided = False
        for stage in self._evaluator.stages:
            if isinstance(stage, ClusterStage):
                passed = False
                for ranked, selects in stage.selecting(question.subject):
                    trial = None if decided or passed else trials.get(ranked.label)
                    yield self._ranked(ranked, selects, stage.tier, question, trial)
                    last = trial.rules[-1] if trial and trial.rules else None
                    if last is not None and last.match is Match.YES:
                        passed = True
                        decided = last.effect is not Effect.PASS
            elif isinstance(stage, NetworkPolicyStage):
                for policy in stage.selecting(question.subject):
                    trial = None if decided else trials.get(_label(policy))
                    yield self._plain(policy, question, trial)
                decided |= bool(stage.isolating(question.direction, question.subject))

    def _plain(
        self, policy: NetworkPolicy, question: SideQuery, trial: PolicyTrial | None
    ) -> PolicyStory:
        pod, direction = question.subject, question.direction
        selector = policy.spec.pod_selector if policy.spec else None
        rules = rules_of(policy, direction)
        label, namespace = _label(policy), policy.metadata.namespace or "default"

        def story(tried: RuleTrial) -> RuleStory:
            rule = rules[tried.rule]
            return RuleStory(
                index=tried.rule,
                effect=tried.effect,
                match=tried.match,
                doubt=tried.doubt,
                where=self._near.place(label, f"spec.{direction}[{tried.rule}]"),
                peers=self._describer.peers(rule, namespace, question.peer),
                ports=self._describer.ports(rule, question),
            )

        labels = held(selector, pod.labels)
        has = f": {pod_text(pod)} has {labels}" if labels else ""
        return PolicyStory(
            policy=label,
            tier=Tier.NETWORKPOLICY,
            where=self._near.place(label, ""),
            selects=Match.YES,
            why=f"podSelector {selector_text(selector)}{has}",
            governs=direction in policy_types(policy),
            tried=trial is not None,
            rules=tuple(map(story, trial.rules)) if trial else (),
        )

    def _ranked(
        self,
        ranked: RankedPolicy,
        selects: Match,
        tier: Tier,
        question: SideQuery,
        trial: PolicyTrial | None,
    ) -> PolicyStory:
        direction = question.direction
        rules = ranked.rules(direction)

        def story(tried: RuleTrial) -> RuleStory:
            rule = rules[tried.rule]
            return RuleStory(
                index=tried.rule,
                name=rule.name or "",
                effect=tried.effect,
                match=tried.match,
                fail_closed=tried.fail_closed,
                doubt=tried.doubt,
                where=self._near.place(ranked.label, f"spec.{direction}[{tried.rule}]"),
                peers=self._wide.peers(rule, question),
                ports=self._wide.ports(rule, question),
            )

        return PolicyStory(
            policy=ranked.label,
            tier=tier,
            priority=None if ranked.priority == LAST else ranked.priority,
            where=self._near.place(ranked.label, ""),
            selects=selects,
            why=self._wide.subject(ranked.subject, question.subject),
            governs=bool(rules),
            tried=trial is not None,
            rules=tuple(map(story, trial.rules)) if trial else (),
        )


def _label(policy: NetworkPolicy) -> str:
    return f"{policy.metadata.namespace or 'default'}/{policy.metadata.name}"


def _decided(side: SideOutcome) -> tuple[object, ...]:
    """Return what makes two sides decided alike, in each of their readings."""
    readings = frozenset(_decided(one) for _, one in side.readings)
    return side.applicable, side.verdict, side.reason, side.policy, side.rule, readings
