"""In random worlds, rules that are said not to act can go, and ties are ties (B3.4, B5.3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from typing import Any

import msgspec
from hypothesis import given

from drawing import draw_worlds
from netpol.compiler.overlap.overlaps import Overlaps, Tie
from netpol.kube.policies import PolicySet
from netpol.lint.compiled import find_overlaps
from netpol.model.flow import Flow
from netpol.model.verdict import Side
from netpol.policy.program import Policy
from netpol.reference import Outcome, ReferenceEvaluator
from strategies import Case, cases
from worlds import load

random_worlds = draw_worlds(240)
WITH_PORTS = (6, 17, 132)
ASKED = ((6, 80), (17, 53), (6, 8080), (1, None), (6, 443), (132, 9), (47, None))
#: A rule of a policy: kind, namespace, name, side, place; no place is all of the side.
Where = tuple[str, str, str, Side, int | None]


def addresses(case: Case) -> dict[str, list[str]]:
    """Give the addresses of each pod that is not its node's."""
    found = {}
    for item in case.objects:
        if item["kind"] == "Pod" and not item["spec"].get("hostNetwork"):
            status, meta = item["status"], item["metadata"]
            own = [one["ip"] for one in status.get("podIPs") or ()] or [status.get("podIP")]
            found[f"{meta['namespace']}/{meta['name']}"] = [one for one in own if one]
    return found


def packets(case: Case) -> list[Flow]:
    """Give the case's flows as packets are, without the gaps of a recording, and between pods."""
    flows = []
    for one in case.flows:
        protocol = 6 if one.protocol is None else one.protocol
        turned = one.is_reply and one.sport is not None
        dport = 80 if one.dport is None and protocol in WITH_PORTS else one.dport
        flows.append(
            replace(
                one, protocol=protocol, dport=dport, is_reply=turned, src_pod=None, dst_pod=None
            )
        )
    held = [own[0] for own in addresses(case).values() if own]
    for index, (src, dst) in enumerate(product(held, held)):
        for step in range(3):
            protocol, dport = ASKED[(index + step) % len(ASKED)]
            flows.append(Flow(src=src, dst=dst, protocol=protocol, dport=dport))
    return flows


def places(found: Overlaps, order: list[Policy]) -> list[Where]:
    """Give the rules that are said not to act."""
    named = [(one.side, *one.rule) for one in found.unused]
    named += [(one.side, one.policy, None) for one in found.superseded]
    policies = [order[policy] for _, policy, _ in named]
    return [
        (policy.kind, policy.namespace, policy.name, side, place)
        for policy, (side, _, place) in zip(policies, named, strict=True)
    ]


def without(policies: PolicySet, gone: Iterable[Where]) -> PolicySet:
    """Give the policies without some rules."""
    listed = list(gone)

    def kept(loaded: Any, kind: str, namespace: str) -> Any:
        changed = {}
        for side in (Side.EGRESS, Side.INGRESS):
            own = [
                where[4]
                for where in listed
                if where[:4] == (kind, namespace, loaded.policy.metadata.name, side)
            ]
            rules = getattr(loaded.policy.spec, side.label, None) or []
            changed[side.label] = [
                rule for at, rule in enumerate(rules) if at not in own and None not in own
            ]
        if loaded.policy.spec is None:
            return loaded
        spec = msgspec.structs.replace(loaded.policy.spec, **changed)
        return loaded._replace(policy=msgspec.structs.replace(loaded.policy, spec=spec))

    return replace(
        policies,
        policies=tuple(
            kept(one, "NetworkPolicy", one.policy.metadata.namespace or "default")
            for one in policies.policies
        ),
        cluster_policies=tuple(
            kept(one, type(one.policy).__name__, "") for one in policies.cluster_policies
        ),
    )


def sides(found: Outcome) -> tuple[Any, ...]:
    return found.verdict, found.egress.verdict, found.ingress.verdict


@random_worlds
@given(cases())
def test_b3_2_rules_that_never_act_can_go(case: Case) -> None:
    policies, snapshot = load(case.policies, case.objects, case.dns)
    gone = places(*find_overlaps(policies, snapshot, case.switches))
    if not gone:
        return
    asked = packets(case)
    before = ReferenceEvaluator(policies, snapshot, case.switches)
    expected = [sides(before.judge(flow)) for flow in asked]
    for some in [gone, *([one] for one in gone if len(gone) > 1)]:
        after = ReferenceEvaluator(without(policies, some), snapshot, case.switches)
        for flow, answer in zip(asked, expected, strict=True):
            assert sides(after.judge(flow)) == answer, f"without {some}: {flow}"


@random_worlds
@given(cases())
def test_b3_4_every_tie_is_found_and_is_one(case: Case) -> None:
    policies, snapshot = load(case.policies, case.objects, case.dns)
    found, _ = find_overlaps(policies, snapshot, case.switches)
    reference = ReferenceEvaluator(policies, snapshot, case.switches)
    known = {tie.side for tie in found.ties}
    for flow in packets(case):
        outcome = reference.judge(flow)
        for side, answer in ((Side.EGRESS, outcome.egress), (Side.INGRESS, outcome.ingress)):
            assert not answer.tie or side in known, flow
    held = addresses(case)
    for tie in found.ties:
        asked = examples(tie, held)
        outcomes = [reference.judge(flow) for flow in asked]
        ends = [one.egress if tie.side is Side.EGRESS else one.ingress for one in outcomes]
        assert not asked or any(end.tie for end in ends), tie


def examples(tie: Tie, held: dict[str, list[str]]) -> list[Flow]:
    """Give the flows of a tie's example; none if it is with itself, or has no address."""
    ends = [tie.subject, tie.peer] if tie.side is Side.EGRESS else [tie.peer, tie.subject]
    if tie.subject == tie.peer:
        return []
    protocol, port = (47 if tie.protocol == -2 else tie.protocol), tie.port
    return [
        Flow(
            src=src, dst=dst, protocol=protocol, dport=port if port >= 0 else None,
            src_pod=ends[0], dst_pod=ends[1],
        )
        for src, dst in product(held.get(ends[0], ()), held.get(ends[1], ()))
    ]  # fmt: skip
