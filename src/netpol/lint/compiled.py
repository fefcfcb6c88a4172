"""Takes policies and a snapshot, gives findings: rules that never act, priorities that tie.

What acts is worked out as judging does it, for the pods, nodes and addresses of the snapshot: see
``netpol.compiler.overlap.overlaps``. Here it is put into words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from netpol.compiler.build import overlaps_of
from netpol.compiler.overlap.overlaps import Overlaps, RuleId, Superseded, Tie, Unused
from netpol.compiler.rows.subjects import rules_of
from netpol.io.gcpause import gc_paused
from netpol.kube.api.objects import Source
from netpol.kube.policies import PolicySet
from netpol.kube.read.findings import Finding, Remark, in_order, placed, policy_title
from netpol.kube.snapshot import Snapshot
from netpol.model.switches import Switches
from netpol.model.verdict import Side, Tier
from netpol.policy.dialects.lower import lower
from netpol.policy.program import Action, Policy, Rule

__all__ = ["find_overlaps", "overlaps"]

_NOWHERE = Source("", 0)
_DOES = {Action.ALLOW: "accepts", Action.DENY: "denies", Action.PASS: "passes on"}
_PROTOCOLS = {6: "tcp", 17: "udp", 132: "sctp", 1: "icmp"}
#: Findings of one code on one policy and side: further rules are named in the last of them.
_MOST_WARNINGS, _MOST_NAMED = 3, 8


def overlaps(
    policies: PolicySet, snapshot: Snapshot, *, memory_budget: int = 1 << 30, **switches: Any
) -> list[Finding]:
    """Return the rules that never act in a cluster, and the policies whose priorities tie.

    Parameters
    ----------
    policies, snapshot
        As ``read_policies`` and ``read_snapshot`` give them.
    memory_budget
        Bytes that may be taken, as for ``netpol.compile``.
    **switches
        Fields of ``Switches``; ``cnp_tie`` makes no difference.

    Returns
    -------
    list of Finding
        Of the codes ``priority-tie``, ``shadowed-rule``, ``redundant-rule`` and
        ``unreachable-baseline``, ordered by file and line. Rules that are named may be removed,
        all of them: no verdict changes.

    Raises
    ------
    ConfigError
        A switch has no such value.
    CapacityError
        The policies are more than can be compiled.
    """
    found, order = find_overlaps(policies, snapshot, Switches(**switches), memory_budget)
    return in_order(_Words(order).findings(found))


def find_overlaps(
    policies: PolicySet, snapshot: Snapshot, switches: Switches, memory_budget: int = 1 << 30
) -> tuple[Overlaps, list[Policy]]:
    """Return what ``overlaps`` puts into words, and the policies that its indexes mean."""
    program = lower(policies)
    order = [policy for stage in program.stages for policy in stage.policies]
    with gc_paused():
        # Ties are what is looked for, so they must not end it.
        chosen = replace(switches, cnp_tie="name-and-flag")
        return overlaps_of(program, snapshot, chosen, memory_budget), order


class _Words:
    """Puts into words what was found of some policies."""

    def __init__(self, policies: Sequence[Policy]) -> None:
        self._policies = policies

    def findings(self, found: Overlaps) -> Iterator[Finding]:
        """Yield the findings, a few for each policy."""
        usable = [one for one in found.unused if not self._rule(one.side, one.rule).fail_closed]
        for (side, policy, _), group in groupby(sorted(usable, key=_kind), _kind):
            yield from self._unused(side, policy, list(group))
        for superseded in found.superseded:
            yield self._superseded(superseded)
        ties: dict[tuple[int, int], Tie] = {}
        for tie in found.ties:
            ties.setdefault((tie.first[0], tie.second[0]), tie)
        for tie in ties.values():
            yield self._tie(tie)

    def _unused(self, side: Side, policy: int, group: list[Unused]) -> Iterator[Finding]:
        most = 1 if group[0].added_up else _MOST_WARNINGS
        for place, one in enumerate(group[:most], 1):
            by = _listed([self._named(side, rule, policy) for rule in one.by])
            more = self._more(side, group[most:]) if place == most else ""
            if one.added_up:
                code, text = "redundant-rule", f"whatever this allows is allowed by {by}"
            elif one.tier is Tier.BASELINE:
                code, text = "unreachable-baseline", f"no flow reaches this rule: first comes {by}"
            else:
                code, text = "shadowed-rule", f"this rule never decides: first comes {by}"
            yield self._placed(code, side, one.rule, text + more, info=one.added_up)

    def _more(self, side: Side, rest: list[Unused]) -> str:
        if not rest:
            return ""
        names = [_field(side, one.rule) for one in rest[:_MOST_NAMED]]
        dots = ", ..." if len(rest) > _MOST_NAMED else ""
        return f". The same holds for {len(rest)} more: {', '.join(names)}{dots}"

    def _superseded(self, one: Superseded) -> Finding:
        pods = f"all {one.pods} pods" if one.pods > 1 else "the one pod"
        by = _listed([policy_title(self._policies[each].label) for each in one.by])
        text = (
            f"no flow reaches these rules: NetworkPolicies isolate {pods} of the subject for "
            f"{one.side.label} and settle what the baseline would ({by})"
        )
        policy = self._policies[one.policy]
        remark = Remark("unreachable-baseline", f"spec.{one.side.label}", text, "info")
        return placed(remark, policy.source or _NOWHERE, policy.label)

    def _tie(self, tie: Tie) -> Finding:
        actions = [self._rule(tie.side, rule).action for rule in (tie.first, tie.second)]
        priority = self._policies[tie.second[0]].priority
        arrow = "from" if tie.side is Side.INGRESS else "to"
        example = f"{tie.side.label} of {tie.subject} {arrow} {tie.peer}"
        text = (
            f"{_DOES[actions[1]]} what {self._named(tie.side, tie.first, None)} "
            f"{_DOES[actions[0]]}, and both policies have priority {priority}: which is tried "
            f"first is not defined. For example {example}, {_port(tie.protocol, tie.port)}"
        )
        return self._placed("priority-tie", tie.side, tie.second, text)

    def _placed(
        self, code: str, side: Side, rule: RuleId, text: str, *, info: bool = False
    ) -> Finding:
        policy = self._policies[rule[0]]
        remark = Remark(code, _field(side, rule), text, "info" if info else "warning")
        return placed(remark, policy.source or _NOWHERE, policy.label)

    def _named(self, side: Side, rule: RuleId, where: int | None) -> str:
        """Return a rule's place: with its policy and line, if that is not the policy ``where``."""
        if rule[0] == where:
            return _field(side, rule)
        policy = self._policies[rule[0]]
        source = policy.source or _NOWHERE
        line = f" ({source.file}:{source.line_of(_field(side, rule))})" if source.file else ""
        return f"{_field(side, rule)} of {policy_title(policy.label)}{line}"

    def _rule(self, side: Side, rule: RuleId) -> Rule:
        return next(one for one in rules_of(self._policies[rule[0]], side) if one.index == rule[1])


def _kind(one: Unused) -> tuple[Side, int, bool]:
    return one.side, one.rule[0], one.added_up


def _field(side: Side, rule: RuleId) -> str:
    return f"spec.{side.label}[{rule[1]}]"


def _listed(names: list[str]) -> str:
    return ", ".join(names) if names else "others"


def _port(protocol: int, port: int) -> str:
    name = _PROTOCOLS.get(protocol, "a protocol other than TCP, UDP, SCTP and ICMP")
    return name if port < 0 else f"{port}/{name}"
