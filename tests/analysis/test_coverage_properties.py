"""What coverage says of rules and elements is what the reference evaluator does without them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from unittest import mock

import msgspec
from hypothesis import Phase, given
from hypothesis import strategies as st

from drawing import draw_worlds, drawn
from netpol.compiler.rows import removals
from netpol.engine.endpoints import EndpointKind
from netpol.explain.explain import explained
from netpol.flows.columns.normalise import batch_from
from netpol.kube.policies import PolicySet
from netpol.model.flow import Flow
from netpol.model.verdict import Side
from netpol.questions.coverage.coverage import CoverageEngine
from netpol.questions.coverage.hits import Hits
from netpol.reference import ReferenceEvaluator
from strategies import Case, cases
from worlds import load

EXAMPLES = drawn(80)
random_worlds = draw_worlds(80, phases=[Phase.explicit, Phase.reuse, Phase.generate])
_PEERS = {Side.EGRESS: "to", Side.INGRESS: "from_"}


def shortened(items: list[Any], place: int) -> list[Any]:
    return [*items[:place], *items[place + 1 :]]


def removed(policies: PolicySet, label: str, side: Side, rule: int, element: str) -> PolicySet:
    """Give the policies without a rule, or an element of it; the last element takes its rule along.

    ``policyTypes`` stay: the policy goes on isolating its pods.
    """

    def without(loaded: Any) -> Any:
        if loaded.label != label:
            return loaded
        spec = loaded.policy.spec
        rules = list(getattr(spec, side.label))
        kind, _, rest = element.partition("[")
        field = _PEERS[side] if kind in ("to", "from") else kind
        listed = getattr(rules[rule], field) if kind else []
        if len(listed) > 1:
            left = shortened(list(listed), int(rest[:-1]))
            rules[rule] = msgspec.structs.replace(rules[rule], **{field: left})
        else:
            rules = shortened(rules, rule)
        spec = msgspec.structs.replace(spec, **{side.label: rules})
        return loaded._replace(policy=msgspec.structs.replace(loaded.policy, spec=spec))

    return replace(
        policies,
        policies=tuple(map(without, policies.policies)),
        cluster_policies=tuple(map(without, policies.cluster_policies)),
    )


def plain_pairs(compiled: CoverageEngine, flows: list[Flow]) -> list[Flow]:
    """Give the flows that are judged as one pair: of others, the first candidate is counted."""
    kinds = compiled.engine.endpoints.kind
    links = compiled.engine.tables.arrays["endpoint_links"]
    several = (EndpointKind.AMBIGUOUS, EndpointKind.SERVICE)
    found = []
    for flow in flows:
        verdicts = compiled.engine.evaluate([flow])
        ends = verdicts.src_endpoint[0], verdicts.dst_endpoint[0]
        ports = links[verdicts.dst_endpoint[0], 2:4].any()  # of a node: they stand for pods
        if not ports and not any(kinds[end] in several for end in ends):
            found.append(flow)
    return found


def every_hits(found: Any) -> Iterator[tuple[tuple[str, Side, int, str], Hits]]:
    for policy in found.policies:
        for rule in policy.rules:
            key = policy.label, rule.side, rule.index
            yield (*key, ""), rule.hits
            for element in rule.elements:
                yield (*key, element.field), element.hits


def compiled_world(case: Case) -> tuple[PolicySet, Any, CoverageEngine, list[Flow]]:
    objects = [one for one in case.objects if one["kind"] not in ("Service", "EndpointSlice")]
    policies, snapshot = load(case.policies, objects, case.dns)
    chosen = {name: getattr(case.switches, name) for name in case.switches.__dataclass_fields__}
    compiled = CoverageEngine(policies, snapshot, **chosen)
    flows = plain_pairs(compiled, [replace(flow, src_seen=None) for flow in case.flows])
    return policies, snapshot, compiled, flows


@random_worlds
@given(cases(8), st.sampled_from([0, 6]))
def test_removing_a_rule_or_element_changes_the_flows_it_is_the_sole_reason_for(
    case: Case, few: int
) -> None:
    with mock.patch.object(removals, "_FEW", few):  # both ways to find what takes part
        policies, snapshot, compiled, flows = compiled_world(case)
    reference = ReferenceEvaluator(policies, snapshot, case.switches)
    before = [reference.judge(flow).verdict for flow in flows]
    found = [dict(every_hits(compiled.cover([batch_from([flow])]))) for flow in flows]
    for key in found[0] if found else ():
        without = ReferenceEvaluator(removed(policies, *key), snapshot, case.switches)
        for flow, verdict, hits in zip(flows, before, found, strict=True):
            changes = without.judge(flow).verdict is not verdict
            assert hits[key].sole == changes, (
                f"{key} {flow}\n{explained(reference, flow)}\nwithout: {explained(without, flow)}"
            )
            assert not (changes and hits[key].never)


@random_worlds
@given(cases(12))
def test_removing_what_was_never_hit_changes_no_verdict(case: Case) -> None:
    """C6: also of flows to services, from addresses of several pods, and through unknown NAT."""
    policies, snapshot = load(case.policies, case.objects, case.dns)
    chosen = {name: getattr(case.switches, name) for name in case.switches.__dataclass_fields__}
    compiled = CoverageEngine(policies, snapshot, **chosen)
    reference = ReferenceEvaluator(policies, snapshot, case.switches)
    before = [reference.judge(flow).verdict for flow in case.flows]
    found = compiled.cover([batch_from([flow]) for flow in case.flows])
    for key, hits in every_hits(found):
        if hits.never:
            without = ReferenceEvaluator(removed(policies, *key), snapshot, case.switches)
            for flow, verdict in zip(case.flows, before, strict=True):
                assert without.judge(flow).verdict is verdict, (
                    f"{key} {flow}\n{explained(reference, flow)}\n"
                    f"without: {explained(without, flow)}"
                )


@random_worlds
@given(cases(12))
def test_split_rules_judge_as_whole_ones_do(case: Case) -> None:
    """C7.5: whatever the flows, services and doubts among them."""
    policies, snapshot = load(case.policies, case.objects, case.dns)
    chosen = {name: getattr(case.switches, name) for name in case.switches.__dataclass_fields__}
    compiled = CoverageEngine(policies, snapshot, **chosen)
    reference = ReferenceEvaluator(policies, snapshot, case.switches)
    for flow in case.flows:
        (verdict,) = compiled.engine.evaluate([flow]).verdict
        assert verdict == reference.judge(flow).verdict, explained(reference, flow)


@random_worlds
@given(cases(12))
def test_counts_of_elements_add_up(case: Case) -> None:
    _, _, compiled, flows = compiled_world(case)
    found = compiled.cover([batch_from([flow]) for flow in flows])
    assert found.evidence.flows == len(flows)
    for policy in found.policies:
        for side in (Side.EGRESS, Side.INGRESS):
            rules = [rule for rule in policy.rules if rule.side is side]
            most, least = policy.side(side).hits, max((r.hits.flows for r in rules), default=0)
            assert least <= most.flows <= sum(rule.hits.flows for rule in rules)
        for rule in policy.rules:
            for kind in ("peer", "port"):
                hits = [one.hits for one in rule.elements if one.kind == kind]
                if hits:
                    assert max(one.flows for one in hits) <= rule.hits.flows
                    assert rule.hits.flows <= sum(one.flows for one in hits)
                    assert all(one.sole <= rule.hits.sole for one in hits)
