"""What holds in every world (specification.md C7), put to both evaluators."""

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import permutations
from typing import Any

import msgspec
import pytest
from hypothesis import given

from drawing import draw_worlds
from netpol.model.dns_observations import DnsObservations
from netpol.model.flow import Flow
from pools import BROKEN_SELECTORS, NODE_NAMES, Object
from strategies import Case, cases, mapped
from worlds import EVALUATORS, Answer, judge_with, load, namespace, node, policy

both_evaluators = pytest.mark.parametrize("evaluator", EVALUATORS)
random_worlds = draw_worlds(80)
SPACES = ("x", "y", "z", "w")
SIDES = ("egress", "ingress")


def answers(evaluator: str, case: Case, flows: list[Flow] | None = None) -> list[Answer]:
    """Give the answers to the case's flows, or to others in the same world."""
    policies, snapshot = load(case.policies, case.objects, case.dns)
    asked = case.flows if flows is None else flows
    return judge_with(evaluator, policies, snapshot, case.switches)(asked) if asked else []


def verdicts(found: list[Answer]) -> list[tuple[str, str, str]]:
    return [(one.verdict, one.egress.verdict, one.ingress.verdict) for one in found]


def with_policies(case: Case, policies: list[Object]) -> Case:
    return replace(case, policies=policies)


def between_pods(case: Case) -> list[Flow]:
    """Give the case's flows, ends replaced by pairs of its pods, named so that each is certain."""
    held = []
    for item in case.objects:
        if item["kind"] != "Pod" or item["spec"].get("hostNetwork"):
            continue
        status, meta = item["status"], item["metadata"]
        own = [one["ip"] for one in status.get("podIPs") or ()] or [status.get("podIP")]
        if own[0]:
            held.append((f"{meta['namespace']}/{meta['name']}", own[0]))
    flows = []
    for index, ((src_pod, src), (dst_pod, dst)) in enumerate(permutations(held, 2)):
        like = case.flows[index % len(case.flows)]
        ends = {"src": src, "dst": dst, "src_pod": src_pod, "dst_pod": dst_pod}
        direct = {"original_dst": None, "original_dport": None, "src_seen": None}
        flows.append(replace(like, **ends, **direct, is_reply=False))
    return flows


@both_evaluators
@random_worlds
@given(case=cases())
def test_c7_1_without_policies_everything_is_allowed(evaluator: str, case: Case) -> None:
    found = answers(evaluator, with_policies(case, []))
    assert {one.verdict for one in found} == {"allow"}


@both_evaluators
@pytest.mark.parametrize("side", SIDES)
@random_worlds
@given(case=cases(network_policies_only=True))
def test_c7_2_the_empty_rule_allows_whatever_else_there_is(
    evaluator: str, side: str, case: Case
) -> None:
    spec = {"podSelector": {}, "policyTypes": [side.capitalize()], side: [{}]}
    everywhere = [policy(space, spec, "allow-all") for space in SPACES]
    # Without services: one that has no endpoints is unknown whatever the policies say.
    objects = [one for one in case.objects if one["kind"] != "Service"]
    open_case = Case(objects, [*case.policies, *everywhere], case.flows, case.switches)
    assert {getattr(one, side).verdict for one in answers(evaluator, open_case)} == {"allow"}


@both_evaluators
@random_worlds
@given(case=cases(network_policies_only=True))
def test_c7_3_adding_a_policy_denies_only_what_it_newly_isolates(
    evaluator: str, case: Case
) -> None:
    flows = between_pods(case)
    if not case.policies:
        return
    *fewer, added = case.policies
    before = answers(evaluator, with_policies(case, fewer), flows)
    after = answers(evaluator, case, flows)
    space = added["metadata"]["namespace"]
    for flow, old, new in zip(flows, before, after, strict=True):
        ends = {"egress": flow.src_pod, "ingress": flow.dst_pod}
        for side, end in ends.items():
            was, now = getattr(old, side), getattr(new, side)
            if was.verdict == "allow" and now.verdict == "deny":
                assert was.reason == "not-isolated"
                assert str(end).startswith(f"{space}/")
            if was.reason != "not-isolated" and was.verdict == "allow":
                assert now.verdict == "allow"


def _shuffled(policies: list[Object]) -> list[Object]:
    """Turn every list round: policies, rules, peers and ports."""
    turned = copy.deepcopy(policies[::-1])
    for one in turned:
        for side, peers in (("ingress", "from"), ("egress", "to")):
            rules = one["spec"].get(side)
            if rules:
                rules.reverse()
            for rule in rules or ():
                for key in (peers, "ports"):
                    if rule and rule.get(key):
                        rule[key].reverse()
    return turned


@both_evaluators
@random_worlds
@given(case=cases(network_policies_only=True))
def test_c7_4_order_never_changes_a_verdict(evaluator: str, case: Case) -> None:
    turned = with_policies(case, _shuffled(case.policies))
    flows = between_pods(case)
    assert verdicts(answers(evaluator, turned, flows)) == verdicts(answers(evaluator, case, flows))
    assert [one.verdict for one in answers(evaluator, turned)] == [
        one.verdict for one in answers(evaluator, case)
    ]


def _split(policies: list[Object]) -> list[Object]:
    """Make a rule of several peers several rules of one peer."""
    found = copy.deepcopy(policies)
    for one in found:
        for side, peers in (("ingress", "from"), ("egress", "to")):
            rules: list[Any] = []
            for rule in one["spec"].get(side) or ():
                listed = (rule or {}).get(peers)
                rules += [{**rule, peers: [peer]} for peer in listed] if listed else [rule]
            if rules:
                one["spec"][side] = rules
    return found


@both_evaluators
@random_worlds
@given(case=cases(network_policies_only=True))
def test_c7_5_splitting_a_rule_by_peers_keeps_the_verdict(evaluator: str, case: Case) -> None:
    split = with_policies(case, _split(case.policies))
    assert verdicts(answers(evaluator, split)) == verdicts(answers(evaluator, case))


@both_evaluators
@random_worlds
@given(case=cases(network_policies_only=True))
def test_c7_7_defaulting_is_idempotent(evaluator: str, case: Case) -> None:
    policies, _ = load(case.policies, case.objects)
    stored = [msgspec.to_builtins(loaded.policy) for loaded in policies.policies]
    again, _ = load(stored, case.objects)
    assert [one.policy for one in again.policies] == [one.policy for one in policies.policies]
    assert answers(evaluator, with_policies(case, stored)) == answers(evaluator, case)


@both_evaluators
@random_worlds
@given(case=cases())
def test_c7_6_rules_that_never_meet_may_be_swapped(evaluator: str, case: Case) -> None:
    apart = copy.deepcopy(case.policies)
    for one in apart:
        for side in SIDES:
            if "subject" in one["spec"] and len(one["spec"].get(side) or ()) > 1:
                _set_apart(one["kind"], *one["spec"][side][:2])
    swapped = copy.deepcopy(apart)
    for one in swapped:
        for side in SIDES:
            rules = one["spec"].get(side) or ()
            if "subject" in one["spec"] and len(rules) > 1:
                rules[:2] = rules[1::-1]
    before, after = (answers(evaluator, with_policies(case, it)) for it in (apart, swapped))
    assert verdicts(after) == verdicts(before)


def _is_broken(peer: Object) -> bool:
    """Whether a peer has a selector that nobody can read: its rule then denies everything."""
    return any(str(broken) in str(peer) for broken in BROKEN_SELECTORS)


def _set_apart(kind: str, first: Object, second: Object) -> None:
    """Let one rule be about TCP alone and the other about UDP alone, peers that can be read."""
    for rule, protocol in ((first, "TCP"), (second, "UDP")):
        peers = "from" if "from" in rule else "to"
        readable = [peer for peer in rule[peers] if peer and not _is_broken(peer)]
        rule[peers] = readable or [{"namespaces": {}}]
        if kind == "ClusterNetworkPolicy":
            rule["protocols"] = [{protocol.lower(): {"destinationPort": {"number": 80}}}]
        else:
            rule["ports"] = [{"portNumber": {"protocol": protocol, "port": 80}}]


def _replaced(value: Any, old: object, new: object) -> Any:
    if isinstance(value, dict):
        return {
            key: new if key == "port" and item == old else _replaced(item, old, new)
            for key, item in value.items()
        }
    return [_replaced(item, old, new) for item in value] if isinstance(value, list) else value


@both_evaluators
@random_worlds
@given(case=cases(network_policies_only=True))
def test_c7_8_a_name_is_the_number_it_resolves_to(evaluator: str, case: Case) -> None:
    declared = [
        {"name": "http", "containerPort": 8080, "protocol": protocol}
        for protocol in ("TCP", "UDP", "SCTP")
    ]
    objects = copy.deepcopy(case.objects)
    for item in objects:
        if item["kind"] == "Pod":
            item["spec"]["containers"] = [{"name": "main", "ports": declared}]
            item["spec"].pop("initContainers", None)
    named = replace(case, objects=objects)
    numbered = with_policies(named, _replaced(case.policies, "http", 8080))
    flows = [replace(flow, dport=port) for flow in between_pods(case) for port in (8080, 80)]
    assert answers(evaluator, numbered, flows) == answers(evaluator, named, flows)


@both_evaluators
@random_worlds
@given(case=cases())
def test_c7_9_mapped_addresses_are_plain_ones(evaluator: str, case: Case) -> None:
    wide = [
        replace(
            flow,
            src=mapped(flow.src),
            dst=mapped(flow.dst),
            original_dst=flow.original_dst and mapped(flow.original_dst),
            src_seen=flow.src_seen and mapped(flow.src_seen),
        )
        for flow in case.flows
    ]
    assert answers(evaluator, case, wide) == answers(evaluator, case)


@both_evaluators
@random_worlds
@given(case=cases(network_policies_only=True))
def test_c7_10_a_policy_stays_within_its_namespace(evaluator: str, case: Case) -> None:
    flows = between_pods(case)
    for space in {one["metadata"]["namespace"] for one in case.policies}:
        elsewhere = [
            flow
            for flow in flows
            if not f"{flow.src_pod} {flow.dst_pod}".startswith(f"{space}/")
            and f" {space}/" not in f"{flow.src_pod} {flow.dst_pod}"
        ]
        others = [one for one in case.policies if one["metadata"]["namespace"] != space]
        without = with_policies(case, others)
        assert answers(evaluator, without, elsewhere) == answers(evaluator, case, elsewhere)


@both_evaluators
@random_worlds
@given(case=cases(network_policies_only=True))
def test_c7_11_nothing_is_unknown_where_everything_is_known(evaluator: str, case: Case) -> None:
    flows = [
        replace(flow, protocol=flow.protocol or 6, dport=flow.dport or 80)
        for flow in between_pods(case)
    ]
    known = replace(
        case,
        objects=[o for o in case.objects if o["kind"] != "Namespace"]
        + [namespace(space, team="t") for space in SPACES],
        switches=replace(case.switches, other_protocols="match-portless"),
    )
    assert "unknown" not in {one.verdict for one in answers(evaluator, known, flows)}


@both_evaluators
@random_worlds
@given(case=cases())
def test_c7_11_with_admin_tiers_names_and_nodes_have_to_be_known_too(
    evaluator: str, case: Case
) -> None:
    flows = [
        replace(flow, protocol=flow.protocol or 6, dport=flow.dport or 80)
        for flow in between_pods(case)
    ]
    known = replace(
        case,
        objects=[o for o in case.objects if o["kind"] not in ("Namespace", "Node")]
        + [namespace(space, team="t") for space in SPACES]
        + [node(name, "192.168.9.9") for name in (*NODE_NAMES, "n9")],
        switches=replace(case.switches, other_protocols="match-portless", cnp_tie="name-and-flag"),
        dns=DnsObservations(),
    )
    assert "unknown" not in {one.verdict for one in answers(evaluator, known, flows)}
