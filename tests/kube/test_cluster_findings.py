"""What CRDs let pass although it cannot work: B1.8, B1.9, B2.3, B3.5, B4.8, B7.2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cluster_policy_text import (
    EVERY,
    HTTP,
    Value,
    accepts,
    anp,
    banp,
    check,
    cnp,
    egress,
    findings,
    ingress,
)

from netpol.cli.commands.check import check as check_command
from netpol.kube.policies import policies_from_objects

KINDS = [cnp, anp, banp]


def with_element(make: Any, action: str, element: Value, peer: Value = EVERY) -> Value:
    name = "protocols" if make is cnp else "ports"
    return make(ingress=[ingress(action, peer, **{name: [element]})])


def message(policy: Value) -> str:
    (finding,) = check(policy).findings
    return finding.message


# --- B4.8 -------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", KINDS)
def test_b4_8_peer_without_a_field(make: Any) -> None:
    for action, result in [(accepts(make()), "matches nothing"), ("Deny", "denies everything")]:
        policy = make(ingress=[ingress(action, {})])
        assert findings(policy) == [("warning", "fail-closed", "spec.ingress[0].from[0]")]
        assert f"a rule that says {action} then {result}" in message(policy)
    policy = make(egress=[{"action": "Deny", "to": [EVERY, {"pods": None}]}])
    assert findings(policy) == [("warning", "fail-closed", "spec.egress[0].to[1]")]


@pytest.mark.parametrize("make", KINDS)
def test_b4_8_port_element_without_a_field(make: Any) -> None:
    name = "protocols" if make is cnp else "ports"
    for action, result in [(accepts(make()), "matches nothing"), ("Deny", "denies everything")]:
        policy = with_element(make, action, {})
        assert findings(policy) == [("warning", "fail-closed", f"spec.ingress[0].{name}[0]")]
        assert f"a rule that says {action} then {result}" in message(policy)


def test_b4_8_pass_denies_everything() -> None:
    assert "a rule that says Pass then denies everything" in message(
        cnp(egress=[egress("Pass", {})])
    )


# --- B7.2 -------------------------------------------------------------------------------------

BAD_SELECTORS: list[tuple[Value, str]] = [
    ({"matchLabels": {"a": "b c"}}, "matchLabels.a"),
    ({"matchLabels": {"-a": "b"}}, "matchLabels.-a"),
    ({"matchExpressions": [{"key": "a", "operator": "Gt"}]}, "matchExpressions[0].operator"),
    ({"matchExpressions": [{"key": "a", "operator": "In"}]}, "matchExpressions[0].values"),
    (
        {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]},
        "matchExpressions[0].values",
    ),
    (
        {"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b", "c c"]}]},
        "matchExpressions[0].values[1]",
    ),
]


@pytest.mark.parametrize(("selector", "field"), BAD_SELECTORS)
@pytest.mark.parametrize("make", KINDS)
def test_b7_2_selectors_that_cannot_be_read_are_stored(
    make: Any, selector: Value, field: str
) -> None:
    pods = {"pods": {"namespaceSelector": {}, "podSelector": selector}}
    policy = make(
        subject={"namespaces": selector},
        ingress=[ingress(peer=pods)],
        egress=[egress(peer={"nodes": selector})],
    )
    # All on one line of the file, so ordered by field.
    assert findings(policy) == [
        ("error", "invalid-selector", f"spec.egress[0].to[0].nodes.{field}"),
        ("error", "invalid-selector", f"spec.ingress[0].from[0].pods.podSelector.{field}"),
        ("error", "invalid-selector", f"spec.subject.namespaces.{field}"),
    ]
    rule, _, subject = check(policy).findings
    assert "selects no pod" in subject.message
    assert "a rule that says Deny then denies everything" in rule.message
    assert len(policies_from_objects([policy]).cluster_policies) == 1


def test_b7_2_readable_selectors() -> None:
    expressions = [
        {"key": "a.example/b", "operator": "In", "values": ["", "c"]},
        {"key": "b", "operator": "DoesNotExist"},
    ]
    assert findings(cnp(subject={"namespaces": {"matchExpressions": expressions}})) == []


# --- B1.8, B1.9, B2.3 -------------------------------------------------------------------------


@pytest.mark.parametrize("make", [cnp, anp])
def test_vector_137_domain_names_only_accept(make: Any) -> None:
    peer = {"domainNames": ["a.example"]}
    assert findings(make(egress=[egress(accepts(make()), peer)])) == []
    for action in ("Deny", "Pass"):
        policy = make(egress=[egress(action, peer)])
        field = "spec.egress[0].to[0].domainNames"
        assert findings(policy) == [("error", "domain-names-action", field)]


@pytest.mark.parametrize("name", ["HTTP", "80", "-a", "a--b", "a-name-too-long-x"])
def test_port_names_that_no_container_port_can_have(name: str) -> None:
    policy = with_element(cnp, "Accept", {"destinationNamedPort": name})
    field = "spec.ingress[0].protocols[0].destinationNamedPort"
    assert ("error", "invalid-port-name", field) in findings(policy)
    good = with_element(cnp, "Accept", {"destinationNamedPort": "http"})
    assert findings(good) == []


@pytest.mark.parametrize("make", [anp, banp])
@pytest.mark.parametrize(
    ("start", "end", "result"),
    [(80, 80, "only port 80 matches"), (81, 80, "no port matches"), (80, 81, None)],
)
def test_b2_3_range_that_does_not_rise(make: Any, start: int, end: int, result: str | None) -> None:
    policy = with_element(make, "Deny", {"portRange": {"start": start, "end": end}})
    found = check(policy).findings
    assert [finding.code for finding in found] == ([] if result is None else ["port-range-order"])
    assert all(finding.message.endswith(str(result)) for finding in found)


# --- sets -------------------------------------------------------------------------------------


def test_b3_5_both_generations_in_one_set_are_told_once() -> None:
    assert findings(anp("a"), banp(), anp("b")) == []
    assert findings(cnp("a"), cnp("b")) == []
    result = check(anp("a"), cnp("b"), cnp("c"), banp())
    (finding,) = result.findings
    assert (finding.severity, finding.code) == ("warning", "mixed-apis")
    assert (finding.policy, finding.location.line) == ("ClusterNetworkPolicy/b", 3)
    assert "p.yaml:1" in finding.message


def test_namespace_of_a_cluster_scoped_policy_is_ignored() -> None:
    policy = cnp()
    policy["metadata"]["namespace"] = "x"
    assert findings(policy) == [("warning", "namespace-ignored", "metadata.namespace")]
    (loaded,) = policies_from_objects([policy]).cluster_policies
    assert loaded.policy.metadata.namespace is None
    assert loaded.label == "ClusterNetworkPolicy/p"


# --- netpol check and netpol replay -----------------------------------------------------------

DENY_DOMAINS = cnp(egress=[egress("Deny", {"domainNames": ["a.example"]})])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.json").write_text(json.dumps(DENY_DOMAINS))
    (tmp_path / "ok.json").write_text(json.dumps(cnp("ok", ingress=[ingress(protocols=[HTTP])])))
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_check_counts_error_findings_as_errors() -> None:
    result = CliRunner().invoke(check_command, ["p.json", "ok.json"])
    assert result.exit_code == 2
    first, _, last = result.output.splitlines()
    assert first.startswith(
        "p.json:1: error: spec.egress[0].to[0].domainNames: ClusterNetworkPolicy/p: domain names "
    )
    assert first.endswith(" [domain-names-action]")
    assert last == "1 valid policy, 1 error, 0 warnings"


@pytest.mark.usefixtures("folder")
def test_check_as_json_lists_error_findings_among_errors() -> None:
    result = CliRunner().invoke(check_command, ["p.json", "ok.json", "-o", "json"])
    assert result.exit_code == 2
    document = json.loads(result.output)
    assert (document["policies"], document["warnings"]) == (1, [])
    (error,) = document["errors"]
    assert error.pop("message").startswith("domain names only work")
    assert error == {
        "code": "domain-names-action",
        "severity": "error",
        "file": "p.json",
        "line": 1,
        "field": "spec.egress[0].to[0].domainNames",
        "policy": "ClusterNetworkPolicy/p",
    }


@pytest.mark.usefixtures("folder")
def test_reading_goes_on_and_warns_of_error_findings() -> None:
    policies = policies_from_objects([DENY_DOMAINS])
    assert len(policies) == 1
    (warning,) = policies.warnings
    assert warning.startswith(
        "objects[0]:1: spec.egress[0].to[0].domainNames: ClusterNetworkPolicy/p: domain names"
    )
