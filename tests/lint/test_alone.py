"""Without a cluster: alternatives, rules that are split, lists without elements, DNS by UDP."""

from __future__ import annotations

import pytest
from lint_support import all_codes, alone, policy, warned

from kube.policy_text import check_text, manifest

NS = "{namespaceSelector: {matchLabels: {team: a}}}"
POD = "{podSelector: {matchLabels: {app: b}}}"
BLOCK = "{ipBlock: {cidr: 203.0.113.0/24}}"


def found(spec: str) -> list[tuple[str, str, str | None]]:
    """Give (code, severity, field) of what a policy gets."""
    return [(e.code, e.severity, e.location.field) for e in alone(policy(spec))]


@pytest.mark.parametrize(
    ("peers", "fields"),
    [
        (f"{NS}, {POD}", ["from[1]"]),
        (f"{POD}, {NS}", ["from[1]"]),
        (f"{NS}, {BLOCK}, {POD}", []),  # no neighbours
        (f"{NS}, {{podSelector: {{}}}}", []),  # all pods of its own namespace
        (f"{NS}, {NS}", []),
        ("{namespaceSelector: {matchLabels: {a: b}}, podSelector: {matchLabels: {a: b}}}", []),
    ],
)
@pytest.mark.parametrize("side", ["from", "to"])
def test_a5_4_alternatives_are_a_note(peers: str, fields: list[str], side: str) -> None:
    rules = "ingress" if side == "from" else "egress"
    spec = (
        f"{{podSelector: {{}}, policyTypes: [{rules.title()}], {rules}: [{{{side}: [{peers}]}}]}}"
    )
    where = [f"spec.{rules}[0].{each.replace('from', side)}" for each in fields]
    assert found(spec) == [("or-not-and", "info", each) for each in where]


def test_alternatives_that_name_dns_are_a_warning() -> None:
    dns = "{podSelector: {matchLabels: {k8s-app: kube-dns}}}"
    spec = f"{{podSelector: {{}}, policyTypes: [Egress], egress: [{{to: [{NS}, {dns}]}}]}}"
    assert [each[:2] for each in found(spec)] == [("or-not-and", "warning")]
    there = alone(policy(spec, "kube-system/p"))
    assert [each.severity for each in there] == ["info"]


@pytest.mark.parametrize(
    ("rules", "severity"),
    [
        (f"[{{from: [{POD}]}}, {{ports: [{{port: 80}}]}}]", "warning"),
        (f"[{{ports: [{{port: 80}}]}}, {{from: [{POD}]}}]", "info"),
        (f"[{{from: [{POD}]}}, {{ports: [{{port: 53, protocol: UDP}}]}}]", None),
        (f"[{{from: [{POD}], ports: [{{port: 80}}]}}, {{ports: [{{port: 81}}]}}]", None),
        (f"[{{from: [{POD}]}}, {{from: [{NS}]}}]", None),
        (f"[{{from: [{POD}]}}, {{from: [{NS}], ports: [{{port: 80}}]}}]", None),
    ],
)
def test_split_rules(rules: str, severity: str | None) -> None:
    expected = [] if severity is None else [("split-rule", severity, "spec.ingress[1]")]
    assert found(f"{{podSelector: {{}}, ingress: {rules}}}") == expected


def test_rules_of_different_directions_are_not_split() -> None:
    spec = (
        f"{{podSelector: {{}}, ingress: [{{from: [{POD}]}}], egress: [{{ports: [{{port: 80}}]}}]}}"
    )
    assert found(spec) == []


@pytest.mark.parametrize(
    ("rule", "code", "field"),
    [
        ("{from: []}", "empty-list", ".from"),
        ("{from: }", "empty-list", ".from"),
        ("{from: null}", "empty-list", ".from"),
        ("{from: [], ports: [{port: 80}]}", "empty-list", ".from"),
        (f"{{from: [{POD}], ports: []}}", "empty-list", ".ports"),
        (f"{{from: [{POD}], ports: }}", "empty-list", ".ports"),
        ("{ports: []}", "allows-everything", ""),
        ("{}", "allows-everything", ""),
        ("{ports: [{port: 80}]}", None, None),
        (f"{{from: [{POD}]}}", None, None),
    ],
)
def test_a4_1_lists_without_elements(rule: str, code: str | None, field: str | None) -> None:
    text = manifest(f"podSelector: {{}}\ningress: [{rule}]")
    places = [(each.code, each.location.field) for each in check_text(text).findings]
    assert places == ([] if code is None else [(code, f"spec.ingress[0]{field}")])


def test_an_empty_rule_beside_others_is_a_warning() -> None:
    assert found(f"{{podSelector: {{}}, ingress: [{{from: [{POD}]}}, {{}}]}}") == [
        ("allows-everything", "warning", "spec.ingress[1]")
    ]
    assert found("{podSelector: {}, ingress: [{}]}") == [
        ("allows-everything", "info", "spec.ingress[0]")
    ]


def test_rules_without_effect_open_nothing() -> None:
    assert all_codes(alone(policy("{podSelector: {}, policyTypes: [Ingress], egress: [{}]}"))) == [
        "inert-rules"
    ]


def test_a_null_rule_is_told_of_once() -> None:
    found = check_text(manifest("podSelector: {}\ningress:\n-\n")).findings
    assert [each.code for each in found] == ["null-element"]


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ("{port: 53, protocol: UDP}", True),
        ("{port: 53, protocol: TCP}", True),
        ("{port: 53}", True),
        ("{port: 53, protocol: UDP}, {port: 53}", False),
        ("{port: 53, protocol: UDP}, {protocol: TCP}", False),
        ("{port: 54, protocol: UDP}", False),
    ],
)
def test_dns_by_one_protocol(ports: str, expected: bool) -> None:
    rule = f"{{to: [{{namespaceSelector: {{}}}}], ports: [{ports}]}}"
    spec = f"{{podSelector: {{}}, policyTypes: [Egress], egress: [{rule}]}}"
    codes = [("dns-one-protocol", "spec.egress[0].ports[0]")] if expected else []
    assert warned(alone(policy(spec))) == codes
    inert = spec.replace("policyTypes: [Egress], ", "policyTypes: [Ingress], ")
    assert "dns-one-protocol" not in all_codes(alone(policy(inert)))


def test_another_policy_of_the_namespace_may_have_the_other_protocol() -> None:
    spec = "{{podSelector: {{}}, policyTypes: [Egress], egress: [{{ports: [{0}]}}]}}"
    udp = policy(spec.format("{port: 53, protocol: UDP}"), "shop/udp")
    tcp = policy(spec.format("{port: 53}"), "shop/tcp")
    assert warned(alone(udp, tcp)) == []
    assert len(warned(alone(udp, tcp.replace("shop", "data")))) == 2
