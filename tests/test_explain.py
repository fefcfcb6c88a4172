"""The story of a flow: it never fails, agrees with the verdict, and no suggestion is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

import netpol
from cli_support import golden
from drawing import draw_worlds, drawn
from netpol.explain.explain import explained, explanation_of
from netpol.explain.story import Explanation, SideStory
from netpol.model.errors import ConfigError
from netpol.model.flow import Flow
from netpol.model.switches import Switches
from netpol.model.verdict import Verdict
from netpol.policy.edits import Isolate, ListPort, Relabel, applied
from netpol.reference import ReferenceEvaluator
from netpol.reference.outcome import Match
from strategies import Case, cases
from worlds import (
    adapt_engine,
    baseline_policy,
    cluster_policy,
    fixture,
    flow,
    load,
    policy,
)  # fmt: skip

EXAMPLES = drawn(150)
random_worlds = draw_worlds(150)


@random_worlds
@given(cases())
def test_every_suggestion_flips_the_verdict(case: Case) -> None:
    policies, snapshot = load(case.policies, case.objects, case.dns)
    reference = ReferenceEvaluator(policies, snapshot, case.switches)
    for one in case.flows:
        try:
            outcome = reference.judge(one)
        except ConfigError:  # cnp_tie=error
            continue
        explanation = explanation_of(reference, one)
        assert explanation.outcome == outcome
        assert explained(reference, one)
        if outcome.verdict is Verdict.UNKNOWN:
            assert explanation.flips == ()
        for flip in explanation.flips:
            changed = ReferenceEvaluator(
                *applied(policies, snapshot, flip.edits), case.switches
            ).judge(one)
            assert {outcome.verdict, changed.verdict} == {Verdict.ALLOW, Verdict.DENY}, flip.text
            assert changed.verdict is flip.verdict


@settings(random_worlds, max_examples=max(EXAMPLES // 5, 20))
@given(cases())
def test_the_engine_agrees_with_suggestions(case: Case) -> None:
    policies, snapshot = load(case.policies, case.objects, case.dns)
    chosen = {name: getattr(case.switches, name) for name in case.switches.__dataclass_fields__}
    reference = ReferenceEvaluator(policies, snapshot, case.switches)
    for one in case.flows[:3]:
        try:
            flips = explanation_of(reference, one).flips
        except ConfigError:
            continue
        for flip in flips[:1]:
            engine = netpol.compile(*applied(policies, snapshot, flip.edits), **chosen)
            assert adapt_engine(engine, [one])[0].verdict == flip.verdict.label, flip.text


@settings(random_worlds, max_examples=max(EXAMPLES // 2, 20))
@given(cases())
def test_elements_told_are_those_of_the_trial(case: Case) -> None:
    """What is told of each element agrees with what the evaluator made of the rule."""
    policies, snapshot = load(case.policies, case.objects, case.dns)
    reference = ReferenceEvaluator(policies, snapshot, case.switches)
    for one in case.flows:
        try:
            explanation = explanation_of(reference, one)
        except ConfigError:
            continue
        for rule in (r for side in sides(explanation) for p in side.policies for r in p.rules):
            if rule.fail_closed:
                continue
            best = [
                max((each.match for each in elements), default=Match.YES)
                for elements in (rule.peers, rule.ports)
            ]
            # A subject that only may be selected makes a match a MAYBE (R24).
            assert min(best) == rule.match or (rule.match is Match.MAYBE and min(best) > Match.NO)
            for each in (*rule.peers, *rule.ports):
                assert each.match is not Match.NO or each.why


def sides(explanation: Explanation) -> list[SideStory]:
    found: list[SideStory] = []
    for pair in explanation.pairs:
        for side in (pair.egress, pair.ingress):
            found += [side, *(reading.story for reading in side.readings)]
    return found


# --- suggestions ----------------------------------------------------------------------------------


def told(policies: Any, asked: str | Flow, **switches: Any) -> Explanation:
    read, snapshot = load(policies, fixture())
    one = flow(asked) if isinstance(asked, str) else asked
    return explanation_of(ReferenceEvaluator(read, snapshot, Switches(**switches)), one)


WEB = """
podSelector: {matchLabels: {pod: a}}
ingress:
- from: [{podSelector: {matchLabels: {pod: b}}}]
  ports: [{port: 80}]
"""


def test_a_rule_missed_by_its_port() -> None:
    first = told([policy("x", WEB)], "x/b -> x/a tcp/9090").flips[0]
    assert first.text == "would be allowed if rule x/p ingress[0] also listed port 9090/TCP"
    assert isinstance(first.edits[0], ListPort)


def test_a_rule_missed_by_a_label() -> None:
    policies = [policy("x", WEB.replace("{podSelector", "{namespaceSelector: {}, podSelector"))]
    flips = told(policies, "z/c -> x/a tcp/80").flips
    assert flips[0].text == "would be allowed if pod z/c had label pod=b"
    assert isinstance(flips[0].edits[0], Relabel)
    assert flips[1].text == (
        "would be allowed if rule x/p ingress[0] also listed in from: namespaceSelector "
        "kubernetes.io/metadata.name=z, podSelector {}"
    )


def test_both_sides_deny() -> None:
    deny = policy("y", "{podSelector: {}, policyTypes: [Egress]}", "out")
    flips = told([policy("x", WEB), deny], "y/a -> x/a tcp/9").flips
    assert flips
    assert all(len(flip.edits) == 2 for flip in flips)
    policies = {edit.policy for edit in flips[0].edits}  # type: ignore[union-attr]
    assert policies == {"x/p", "y/out"}


def test_icmp_is_not_listed_as_a_port() -> None:
    texts = [flip.text for flip in told([policy("x", WEB)], "x/b -> x/a icmp").flips]
    assert texts
    assert not any("port" in text for text in texts)


def test_a_cluster_wide_denial_comes_first() -> None:
    shield = cluster_policy(
        "shield",
        """
        tier: Admin
        priority: 1
        subject: {namespaces: {}}
        ingress: [{name: nobody-else, action: Deny, from: [{namespaces: {}}]}]
        """,
    )
    explanation = told([policy("x", WEB), shield], "x/b -> x/a tcp/80")
    assert explanation.remarks == (
        "rule nobody-else (ingress[0]) of ClusterNetworkPolicy/shield denies it before "
        "NetworkPolicies are asked",
    )
    assert explanation.flips[0].text == (
        "would be allowed if rule ClusterNetworkPolicy/shield ingress[0] (nobody-else) were not "
        "there"
    )
    both = told([policy("x", WEB), shield], "x/b -> x/a tcp/81").flips[0]
    assert both.text.endswith("and rule x/p ingress[0] also listed port 81/TCP")
    (asked,) = [p for p in explanation.pairs[0].ingress.policies if p.policy == "x/p"]
    assert not asked.tried


def test_several_rules_allow() -> None:
    wide = policy("x", "{podSelector: {}, ingress: [{}]}", "wide")
    explanation = told([policy("x", WEB), wide], "x/b -> x/a tcp/80")
    assert explanation.remarks == (
        "several rules allow it for ingress: x/p ingress[0], x/wide ingress[0]",
    )
    assert not any("ingress[0] were" in flip.text for flip in explanation.flips)
    alone = told([policy("x", WEB)], "x/b -> x/a tcp/80")
    assert alone.flips[0].text == "would be denied if rule x/p ingress[0] were not there"


def test_nothing_isolates() -> None:
    policies = [policy("y", "{podSelector: {}}")]
    flips = told(policies, "x/a -> z/c tcp/80").flips
    assert {flip.edits[0] for flip in flips} == {Isolate("x", "egress"), Isolate("z", "ingress")}


def test_what_no_policy_decides_has_no_suggestion() -> None:
    assert told([policy("x", WEB)], "x/a -> x/a tcp/80").flips == ()
    assert told([policy("x", WEB)], "ext -> n1 tcp/80").flips == ()


def test_every_kind_of_element_is_told() -> None:
    admin = cluster_policy(
        "admin",
        """
        tier: Admin
        priority: 7
        subject: {pods: {namespaceSelector: {matchLabels: {team: x}}, podSelector: {}}}
        egress:
        - {name: by-node, action: Deny, to: [{nodes: {matchLabels: {a: b}}}]}
        - action: Accept
          to:
          - {networks: [192.0.2.0/24, 2001:db8::/32]}
          - {namespaces: {matchLabels: {team: x}}}
          - {pods: {namespaceSelector: {}, podSelector: {matchLabels: {pod: c}}}}
        - action: Accept
          to: [{networks: [0.0.0.0/0]}]
          protocols:
          - {tcp: {destinationPort: {number: 443}}}
          - {tcp: {destinationPort: {range: {start: 90, end: 99}}}}
          - {udp: {destinationPort: {number: 53}}}
          - {destinationNamedPort: dns}
        - {name: onwards, action: Pass, to: [{namespaces: {}}]}
        """,
    )
    baseline = baseline_policy(
        """
        subject: {namespaces: {}}
        ingress:
        - action: Deny
          from: [{namespaces: {matchExpressions: [{key: team, operator: NotIn, values: [y, z]}]}}]
          ports:
          - {portNumber: {port: 80}}
          - {portRange: {start: 8000, end: 8090, protocol: UDP}}
          - {namedPort: http}
        """
    )
    plain = policy(
        "x",
        """
        podSelector: {matchExpressions: [{key: pod, operator: In, values: [a, b]}]}
        policyTypes: [Egress]
        egress:
        - to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.1.0/24]}}, {ipBlock: {cidr: 'fd00::/8'}}]
        - to: [{namespaceSelector: {matchExpressions: [{key: team, operator: Exists}]}}]
          ports: [{port: http}, {port: 8000, endPort: 8090, protocol: UDP}, {protocol: SCTP}]
        """,
    )
    policies, snapshot = load([admin, baseline, plain], fixture())
    evaluator = ReferenceEvaluator(policies, snapshot)
    texts = [explained(evaluator, flow(a)) for a in ("x/a -> y/a tcp/8080", "x/a -> z/c udp/8001")]
    golden("explain-elements.txt", "\n".join(texts))


# --- text -----------------------------------------------------------------------------------------


def test_control_characters_are_escaped() -> None:
    named = policy("x", {"podSelector": {}, "ingress": []}, "p")
    read, snapshot = load([named], fixture())
    loaded = read.policies[0]
    from msgspec.structs import replace as with_fields

    meta = with_fields(loaded.policy.metadata, name="a\x1b[2J\u202eb")
    hostile = loaded._replace(policy=with_fields(loaded.policy, metadata=meta))
    read = netpol.kube.policies.PolicySet((hostile,))
    text = explained(ReferenceEvaluator(read, snapshot), flow("x/b -> x/a tcp/80"))
    assert "x/a\\x1b[2J\\u202eb" in text
    assert "\x1b" not in text


@pytest.mark.parametrize("asked", ["x/b -> x/a tcp/9090", "ext -> svc-a tcp/80", "x/b -> ext icmp"])
def test_lines_fit(asked: str) -> None:
    read, snapshot = load([policy("x", WEB)], fixture())
    text = explained(ReferenceEvaluator(read, snapshot), flow(asked))
    assert max(map(len, text.splitlines())) <= 80
