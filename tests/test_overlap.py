"""Rules that never act and priorities that tie, each case by its number (B3.2-B5.5)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

import netpol.lint.compiled
from netpol.cli.commands.check import check
from netpol.kube.read.findings import Finding
from netpol.lint.compiled import overlaps
from netpol.model.errors import CapacityError
from worlds import (
    Object,
    admin_policy,
    baseline_policy,
    cluster_policy,
    fixture,
    load,
    namespace,
    pod,
    policy,
)

X = {"namespaces": {"matchLabels": {"team": "x"}}}
EVERY: Object = {"namespaces": {}}
HTTP = [{"tcp": {"destinationPort": {"number": 80}}}]


def rule(action: str, peer: Object = EVERY, **more: Any) -> Object:
    return {"action": action, "from": [peer], **more}


def cnp(name: str, *rules: Object, tier: str = "Admin", priority: int = 5) -> Object:
    return cluster_policy(
        name, {"tier": tier, "priority": priority, "subject": X, "ingress": list(rules)}
    )


def findings(
    *policies: Object, objects: list[Object] | None = None, **switches: Any
) -> list[Finding]:
    return overlaps(*load(policies, fixture() if objects is None else objects), **switches)


def codes(*policies: Object, **more: Any) -> list[tuple[str, str, str | None, str | None]]:
    """Give (code, severity, policy, field) of each finding."""
    return [
        (one.code, one.severity, one.policy, one.location.field)
        for one in findings(*policies, **more)
    ]


def shadowed(name: str, place: int) -> tuple[str, str, str, str]:
    return "shadowed-rule", "warning", f"ClusterNetworkPolicy/{name}", f"spec.ingress[{place}]"


# --- ties -----------------------------------------------------------------------------------------

TIE = ("priority-tie", "warning", "ClusterNetworkPolicy/bb", "spec.ingress[0]")


def test_b3_4_equal_priorities_that_decide_differently() -> None:
    (found,) = findings(cnp("aa", rule("Accept")), cnp("bb", rule("Deny")))
    assert found.code == "priority-tie"
    assert "denies what spec.ingress[0] of ClusterNetworkPolicy/aa" in found.message
    assert "accepts, and both policies have priority 5" in found.message
    assert found.message.endswith("For example ingress of x/a from x/b, 1/tcp")


@pytest.mark.parametrize(
    "second",
    [
        cnp("bb", rule("Accept")),
        cnp("bb", rule("Deny"), priority=6),
        cnp("bb", rule("Deny"), tier="Baseline"),
        cnp("bb", rule("Deny", {"namespaces": {"matchLabels": {"team": "none"}}})),
    ],
    ids=["same action", "other priority", "other tier", "no such peer"],
)
def test_b3_4_no_tie(second: Object) -> None:
    found = codes(cnp("aa", rule("Accept")), second)
    assert "priority-tie" not in [code for code, *_ in found]


def test_b3_4_kinds_of_one_tier_tie() -> None:
    other = admin_policy("aa", {"priority": 5, "subject": EVERY, "ingress": [rule("Allow")]})
    assert TIE in codes(other, cnp("bb", rule("Deny")))


def test_b3_4_pass_ties_only_where_what_follows_decides_otherwise() -> None:
    passes, accepts = cnp("aa", rule("Pass")), cnp("bb", rule("Accept"))
    assert codes(passes, accepts) == []  # what follows is the default: allowed too
    assert codes(passes, accepts, policy("x", "{podSelector: {}}")) == [TIE]


def test_b3_4_each_pair_once() -> None:
    """Accept and a Pass that comes to the same are no pair, in a case that has others."""
    tied = [cnp("aa", rule("Accept")), cnp("bb", rule("Deny")), cnp("cc", rule("Pass"))]
    texts = [one.message for one in findings(*tied)]
    assert len(texts) == 2
    assert texts[0].startswith("denies what spec.ingress[0] of ClusterNetworkPolicy/aa")
    assert texts[1].startswith("passes on what spec.ingress[0] of ClusterNetworkPolicy/bb")


def test_b3_4_tied_policies_do_not_shadow_each_other() -> None:
    assert codes(cnp("aa", rule("Accept")), cnp("bb", rule("Accept"))) == []


def test_b3_4_a_pod_without_an_address_is_no_example() -> None:
    z = {"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "z"}}}
    tied = cnp("aa", rule("Accept", z)), cnp("bb", rule("Deny", z))
    assert codes(*tied) == [TIE]
    assert codes(*tied, objects=fixture(pod("z/c"))) == []


def test_b3_4_a_tie_does_not_end_the_search() -> None:
    assert codes(cnp("aa", rule("Accept")), cnp("bb", rule("Deny")), cnp_tie="error") == [TIE]


# --- ordered tiers --------------------------------------------------------------------------------


def test_b3_2_shadowed_by_its_own_policy() -> None:
    (found,) = findings(cnp("p", rule("Deny"), rule("Accept", X)))
    assert found.message == "this rule never decides: first comes spec.ingress[0]"
    assert codes(cnp("p", rule("Accept", X), rule("Deny"))) == []


def test_b3_2_shadowed_by_a_lower_priority() -> None:
    first, second = cnp("zz", rule("Deny"), priority=1), cnp("aa", rule("Accept", X))
    assert codes(first, second) == [shadowed("aa", 0)]


def test_b3_2_shadowed_by_several_rules_together() -> None:
    y, z = ({"namespaces": {"matchLabels": {"team": team}}} for team in ("y", "z"))
    objects = fixture(namespace("z", team="z"))
    rules = [rule("Deny", X), rule("Accept", y), rule("Deny", z), rule("Accept")]
    assert codes(cnp("p", *rules), objects=objects) == [shadowed("p", 3)]
    assert codes(cnp("p", *rules[1:]), objects=objects) == []


def test_b4_1_a_port_more_is_not_shadowed() -> None:
    assert codes(cnp("p", rule("Deny", protocols=HTTP), rule("Accept"))) == []
    assert codes(cnp("p", rule("Deny"), rule("Accept", protocols=HTTP))) == [shadowed("p", 1)]
    twice = [rule("Deny", protocols=HTTP), rule("Accept", protocols=HTTP)]
    assert codes(cnp("p", *twice)) == [shadowed("p", 1)]  # no packet is without its port


def test_b4_3_networks_shadow_the_pods_inside() -> None:
    """Exact for the cluster: whatever the labels, every pod has an address of the range."""
    spec = {"tier": "Admin", "priority": 5, "subject": X}
    inside = {"action": "Accept", "to": [{"networks": ["10.0.0.0/16", "fd00::/64"]}]}
    pods = {"action": "Deny", "to": [EVERY]}
    both = cluster_policy("p", {**spec, "egress": [inside, pods]})
    assert [one[0] for one in codes(both)] == ["shadowed-rule"]
    assert codes(both, objects=fixture(pod("z/new", labels={"new": "yes"}))) == []  # no address yet
    assert codes(both, objects=fixture(pod("z/out", "10.9.0.1"))) == []


def test_b4_8_rules_that_fail_closed_are_not_reported_twice() -> None:
    assert codes(cnp("p", rule("Deny"), rule("Deny", {}))) == []


def test_c4_a_rule_behind_one_in_doubt_is_not_shadowed() -> None:
    spec: Object = {"tier": "Admin", "priority": 5, "subject": X}
    nodes = {"action": "Deny", "to": [{"nodes": {}}]}
    accept = {"action": "Accept", "to": [{"networks": ["192.168.0.0/24"]}]}
    both = cluster_policy("p", {**spec, "egress": [nodes, accept]})
    assert codes(both, objects=fixture(without=("n1", "n2"))) == []


# --- the baseline ---------------------------------------------------------------------------------

ISOLATED = ("unreachable-baseline", "info", "ClusterNetworkPolicy/base", "spec.ingress")


def test_b5_3_isolated_pods_never_ask_the_baseline() -> None:
    base, isolates = cnp("base", rule("Deny"), tier="Baseline"), policy("x", "{podSelector: {}}")
    (found,) = findings(base, isolates)
    assert "NetworkPolicies isolate all 2 pods of the subject for ingress" in found.message
    assert found.message.endswith("(NetworkPolicy x/p)")
    assert codes(base, isolates) == [ISOLATED]
    assert codes(base, policy("x", "{podSelector: {matchLabels: {pod: a}}}")) == []


def test_b5_4_the_other_direction_is_not_isolated() -> None:
    base = cnp("base", rule("Deny"), tier="Baseline")
    egress_only = policy("x", "{podSelector: {}, policyTypes: [Egress]}")
    assert codes(base, egress_only) == []
    assert codes(base, egress_only, baseline_gate="any-direction") == [ISOLATED]


def test_b5_1_admin_rules_come_before_the_baseline() -> None:
    base = baseline_policy({"subject": EVERY, "ingress": [rule("Deny", X)]})
    everyone = {"tier": "Admin", "priority": 5, "subject": EVERY}
    admin = cluster_policy("aa", {**everyone, "ingress": [rule("Accept")]})
    (found,) = findings(base, admin)
    assert (found.code, found.severity) == ("unreachable-baseline", "warning")
    assert "spec.ingress[0] of ClusterNetworkPolicy/aa" in found.message


def test_b5_2_a_pass_asks_the_baseline() -> None:
    assert codes(cnp("aa", rule("Pass")), cnp("base", rule("Deny"), tier="Baseline")) == []


# --- NetworkPolicies ------------------------------------------------------------------------------

NARROW = "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: y}}}]}]}"
WIDE = "{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}"
REDUNDANT = ("redundant-rule", "info", "x/narrow", "spec.ingress[0]")


def test_a9_2_what_others_allow_is_redundant() -> None:
    narrow, wide = policy("x", NARROW, "narrow"), policy("x", WIDE, "wide")
    assert codes(narrow, wide) == [REDUNDANT]
    assert codes(narrow) == []


def test_a9_2_of_two_alike_one_stays() -> None:
    assert codes(policy("x", WIDE, "aa"), policy("x", WIDE, "narrow")) == [REDUNDANT]


def test_b5_1_what_admin_rules_accept_is_redundant_what_they_deny_shadowed() -> None:
    narrow = policy("x", NARROW, "narrow")
    assert codes(narrow, cnp("aa", rule("Accept"))) == [REDUNDANT]
    assert codes(narrow, cnp("aa", rule("Deny"))) == [
        ("shadowed-rule", "warning", "x/narrow", "spec.ingress[0]")
    ]


def test_many_rules_of_a_policy_are_summed_up() -> None:
    found = findings(cnp("p", *[rule("Deny")] * 9))
    assert [one.location.field for one in found] == [f"spec.ingress[{i}]" for i in (1, 2, 3)]
    assert found[2].message.endswith(
        "The same holds for 5 more: spec.ingress[4], spec.ingress[5], spec.ingress[6], "
        "spec.ingress[7], spec.ingress[8]"
    )


# --- netpol check ---------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    listed = {"apiVersion": "v1", "kind": "List", "items": fixture()}
    (tmp_path / "cluster.json").write_text(json.dumps(listed))
    return tmp_path


def run(folder: Path, *policies: Object, options: tuple[str, ...] = ()) -> Any:
    plain = json.loads(json.dumps(policies))  # or YAML would have anchors
    (folder / "p.yaml").write_text(yaml.safe_dump_all(plain, sort_keys=False))
    return CliRunner().invoke(check, ["p.yaml", "-c", "cluster.json", *options])


def test_check_gives_file_and_line_of_both_policies(folder: Path) -> None:
    tied = cnp("aa", rule("Accept")), cnp("bb", rule("Deny"))
    result = run(folder, *tied)
    assert result.exit_code == 0
    assert result.output.startswith(
        "p.yaml:29: warning: spec.ingress[0]: ClusterNetworkPolicy/bb: denies what "
        "spec.ingress[0] of ClusterNetworkPolicy/aa (p.yaml:13) accepts"
    )
    assert "[priority-tie]" in result.output
    assert run(folder, *tied, options=("--strict",)).exit_code == 1


def test_check_shows_few_notes_and_lists_all_as_json(folder: Path) -> None:
    policies = [policy("x", WIDE, f"p{number:02}") for number in range(14)]
    result = run(folder, *policies, options=("--strict",))
    assert result.exit_code == 0
    assert result.output.count("[redundant-rule]") == 11
    assert "info: 3 more, which -o json lists [redundant-rule]" in result.output
    assert result.output.endswith("14 valid policies, 0 errors, 0 warnings, 13 notes\n")
    document = json.loads(run(folder, *policies, options=("-o", "json")).output)
    assert [one["severity"] for one in document["warnings"]] == ["info"] * 13


def test_check_goes_on_where_the_policies_are_too_many(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise CapacityError("too many")

    monkeypatch.setattr(netpol.lint.compiled, "overlaps", refuse)
    result = run(folder, cnp("aa", rule("Accept")))
    assert result.exit_code == 0
    assert "warning: overlaps and ties of policies were not looked for: too many [capacity]" in (
        result.output
    )


def test_check_looks_for_no_overlaps_beside_errors(folder: Path) -> None:
    tied = cnp("aa", rule("Accept")), cnp("bb", rule("Deny"))
    broken = policy("x", "{podSelector: {}, policyTypes: [Sideways]}")
    result = run(folder, *tied, broken)
    assert result.exit_code == 2
    assert "priority-tie" not in result.output
