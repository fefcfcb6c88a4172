"""What decision ids and policy indexes of an engine stand for, in words of the API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from netpol.compiler.pack.tablemeta import PolicyMeta
from netpol.kube.api.times import NO_TIMES, PolicyTimes
from netpol.model.verdict import Reason, Side, Tier, Verdict
from netpol.policy.program import Action

__all__ = ["Decision", "PolicyInfo", "Witness", "decision", "policy_info"]


class Witness(NamedTuple):
    """One way to a verdict: by a rule, by a policy's isolation (no rule), by default (None)."""

    verdict: Verdict
    policy: str | None
    rule: int | None


@dataclass(frozen=True, slots=True)
class Decision:
    """What one side says; ids index ``Engine.decisions``.

    Attributes
    ----------
    id : the id that verdict columns carry. Id 0 is "this side is not a pod".
    side : NONE for id 0 and for sides on which merged candidates disagree.
    reason : None where the side is not a pod.
    policy, policy_index : label and index of the credited policy; None if there is none (C3.1).
    rule : index of the credited rule in that policy, None for an implicit deny.
    matching : (policy index, rule index) of every rule that certainly matches, in order.
    isolating : indexes of every NetworkPolicy that isolates the subject.
    witnesses : two ways to two verdicts, where a doubt (C4) or a tie of priorities (B3.4) leaves
        both open.
    tie : whether policies of equal priority, tried in another order, decide otherwise (B3.4).
    """

    id: int
    side: Side
    verdict: Verdict
    reason: Reason | None
    tier: Tier
    policy: str | None
    rule: int | None
    policy_index: int | None
    matching: tuple[tuple[int, int], ...]
    isolating: tuple[int, ...]
    witnesses: tuple[Witness, ...] = ()
    tie: bool = False


@dataclass(frozen=True, slots=True)
class PolicyInfo:
    """One policy of the program, by index.

    ``egress_rules`` and ``ingress_rules`` count rules that are in force; ``rule_lines`` gives the
    line of each, egress then ingress, 0 where not known, and ``rule_actions`` what each does.
    ``tier`` and ``priority`` say where the policy stands among others (B3.1, B3.2), ``times`` since
    when it says what it says.
    """

    kind: str
    namespace: str
    name: str
    label: str
    file: str
    line: int
    egress_rules: int
    ingress_rules: int
    isolates_egress: bool
    isolates_ingress: bool
    rule_lines: tuple[tuple[int, ...], tuple[int, ...]]
    tier: Tier = Tier.NETWORKPOLICY
    priority: int = 0
    rule_actions: tuple[tuple[Action, ...], tuple[Action, ...]] = ((), ())
    times: PolicyTimes = NO_TIMES


def policy_info(item: PolicyMeta) -> PolicyInfo:
    """Return what is known of a policy, by the metadata of the tables."""
    namespace, name = item["namespace"], item["name"]
    egress, ingress = (tuple(lines) for lines in item["rules"])
    return PolicyInfo(
        kind=item["kind"],
        namespace=namespace,
        name=name,
        label=f"{namespace or item['kind']}/{name}",
        file=item["file"],
        line=item["line"],
        egress_rules=len(egress),
        ingress_rules=len(ingress),
        isolates_egress=item["isolates"][0],
        isolates_ingress=item["isolates"][1],
        rule_lines=(egress, ingress),
        tier=Tier(item["tier"]),
        priority=item["priority"],
        rule_actions=(
            tuple(map(Action, item["effects"][0])),
            tuple(map(Action, item["effects"][1])),
        ),
        times=PolicyTimes(*item["times"]),
    )


def decision(index: int, item: Sequence[Any], policies: Sequence[PolicyInfo]) -> Decision:
    """Return the decision of an id, by the metadata of the tables."""
    side, verdict, reason, tier, policy, rule, matching, isolating, witnesses, tie, _ = item
    return Decision(
        id=index,
        side=Side(side),
        verdict=Verdict(verdict),
        reason=None if reason is None else Reason(reason),
        tier=Tier(tier),
        policy=policies[policy].label if policy >= 0 else None,
        rule=rule if rule >= 0 else None,
        policy_index=policy if policy >= 0 else None,
        matching=tuple((p, r) for p, r in matching),
        isolating=tuple(isolating),
        witnesses=tuple(
            Witness(
                Verdict(found), policies[by].label if by >= 0 else None, at if at >= 0 else None
            )
            for found, by, at in witnesses
        ),
        tie=bool(tie),
    )
