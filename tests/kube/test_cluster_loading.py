"""Reading the cluster-scoped kinds: from lists, YAML and JSON, beside other kinds; places; A0."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import yaml
from click.testing import CliRunner, Result
from cluster_policy_text import EVERY, HTTP, Value, anp, banp, cnp, egress, ingress
from policy_text import check_text

from netpol.cli.main import main
from netpol.kube.api.cluster_objects import (
    AdminNetworkPolicy,
    BaselineAdminNetworkPolicy,
    ClusterNetworkPolicy,
    ClusterPolicy,
)
from netpol.kube.policies import PolicySet, policies_from_objects, read_policies
from netpol.model.errors import ManifestError, ValidationError

NP: Value = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "p"},
    "spec": {},
}
POD: Value = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "a", "namespace": "x"},
    "status": {"podIP": "10.0.0.1"},
}

WHOLE = cnp(
    "whole",
    tier="Baseline",
    priority=1000,
    subject={"pods": {"podSelector": {"matchLabels": {"a": "b"}}}},
    ingress=[ingress("Pass", name="first", protocols=[HTTP, {"destinationNamedPort": "dns"}])],
    egress=[
        egress("Accept", {"domainNames": ["*.example.com"]}),
        egress(
            "Deny",
            {"networks": ["0.0.0.0/0", "::/0"]},
            protocols=[{"sctp": {"destinationPort": {"range": {"start": 1, "end": 9}}}}],
        ),
    ],
)
OLD = anp("old", egress=[egress("Pass", {"nodes": {}}, ports=[{"portNumber": {"port": 6443}}])])
BASE = banp(ingress=[ingress("Allow", EVERY, ports=[{"portRange": {"start": 1, "end": 2}}])])


def write(folder: Path, name: str, *values: Value, as_json: bool) -> Path:
    path = folder / name
    if as_json:
        path.write_text("\n".join(json.dumps(value, indent=1) for value in values))
    else:
        path.write_text(yaml.safe_dump_all(values, sort_keys=False))
    return path


def read(folder: Path, *values: Value, as_json: bool) -> PolicySet:
    return read_policies(write(folder, "p.json" if as_json else "p.yaml", *values, as_json=as_json))


def kept(policies: PolicySet) -> list[ClusterPolicy]:
    return [loaded.policy for loaded in policies.cluster_policies]


def test_json_and_yaml_give_equal_objects(tmp_path: Path) -> None:
    from_json = kept(read(tmp_path, WHOLE, OLD, BASE, as_json=True))
    from_yaml = kept(read(tmp_path, WHOLE, OLD, BASE, as_json=False))
    assert from_json == from_yaml == kept(policies_from_objects([WHOLE, OLD, BASE]))
    assert [type(policy) for policy in from_json] == [
        ClusterNetworkPolicy,
        AdminNetworkPolicy,
        BaselineAdminNetworkPolicy,
    ]


def test_nothing_written_is_lost(tmp_path: Path) -> None:
    for policy, value in zip(
        kept(read(tmp_path, WHOLE, OLD, BASE, as_json=True)), (WHOLE, OLD, BASE), strict=True
    ):
        assert _without_nones(msgspec.to_builtins(policy)) == value


def _without_nones(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_nones(child) for key, child in value.items() if child is not None}
    return [_without_nones(child) for child in value] if isinstance(value, list) else value


def test_order_is_that_of_reading() -> None:
    policies = policies_from_objects([anp("z"), NP, anp("y"), banp(), anp("a")])
    assert [loaded.label for loaded in policies.cluster_policies] == [
        "AdminNetworkPolicy/z",
        "AdminNetworkPolicy/y",
        "BaselineAdminNetworkPolicy/default",
        "AdminNetworkPolicy/a",
    ]
    assert [loaded.label for loaded in policies.policies] == ["default/p"]
    assert len(policies) == 5


@pytest.mark.parametrize("as_json", [True, False])
def test_kinds_mixed_in_a_list_as_kubectl_writes_it(tmp_path: Path, as_json: bool) -> None:
    items = [POD, NP, WHOLE, {**POD, "kind": "Secret"}]
    value = {"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items}
    policies = read(tmp_path, value, as_json=as_json)
    assert len(policies.policies) == 1
    assert [policy.metadata.name for policy in kept(policies)] == ["whole"]
    assert policies.ignored == {"Pod": 1, "Secret": 1}


@pytest.mark.parametrize("as_json", [True, False])
def test_items_of_a_typed_list_need_not_repeat_their_kind(tmp_path: Path, as_json: bool) -> None:
    bare = {key: OLD[key] for key in ("metadata", "spec")}
    value = {"apiVersion": OLD["apiVersion"], "kind": "AdminNetworkPolicyList", "items": [bare]}
    assert kept(read(tmp_path, value, as_json=as_json)) == kept(policies_from_objects([OLD]))


def test_only_cluster_scoped_policies_are_enough(tmp_path: Path) -> None:
    assert len(read(tmp_path, WHOLE, as_json=True)) == 1
    with pytest.raises(ManifestError, match="no network policy found, only 1 Pod"):
        read(tmp_path, POD, as_json=True)


# --- duplicates -------------------------------------------------------------------------------


def test_a0_6_duplicates_are_of_one_kind_and_name() -> None:
    assert len(policies_from_objects([cnp("default"), anp("default"), banp("default")])) == 3
    for policy in (cnp(), anp(), banp()):
        label = f"{policy['kind']}/{policy['metadata']['name']}"
        other = {**policy, "metadata": {**policy["metadata"], "labels": {"a": "b"}}}
        match = f"duplicate {label}, which differs from the first at objects.0.:1"
        with pytest.raises(ManifestError, match=match):
            policies_from_objects([policy, other])
        twice = policies_from_objects([policy, policy])
        assert len(twice) == 1
        assert str(twice.notes[0]).startswith(
            f"objects[1]:1: {label} was already read at objects[0]:1"
        )


def test_a0_6_the_namespace_ignored_makes_no_difference() -> None:
    there = cnp()
    there["metadata"]["namespace"] = "x"
    assert len(policies_from_objects([cnp(), there]).notes) == 1
    with pytest.raises(ManifestError, match="duplicate ClusterNetworkPolicy/p"):
        policies_from_objects([cnp(priority=1), there])


# --- places -----------------------------------------------------------------------------------

YAML = """\
apiVersion: v1
kind: Pod
metadata: {name: a}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata:
  name: p
spec:
  tier: Admin
  priority: 1
  subject:
    namespaces: {}
  egress:
  - action: Deny
    to:
    - networks:
      - 10.0.0.0/8
      - 010.0.0.0/8
    protocols:
    - tcp:
        destinationPort:
          number: 0
"""


def test_lines_in_yaml() -> None:
    errors = check_text(YAML).errors
    assert [(each.location.line, each.location.field) for each in errors] == [
        (19, "spec.egress[0].to[0].networks[1]"),
        (23, "spec.egress[0].protocols[0].tcp.destinationPort.number"),
    ]


def test_lines_in_json() -> None:
    _, value = yaml.safe_load_all(YAML)
    listed = {"apiVersion": "v1", "kind": "List", "items": [POD, value]}
    text = json.dumps(listed, indent=1)
    lines = text.splitlines()
    first, second = check_text(text, "p.json").errors
    assert '"010.0.0.0/8"' in lines[(first.location.line or 0) - 1]
    assert '"number": 0' in lines[(second.location.line or 0) - 1]
    assert str(first).startswith(str(first.location.file))
    assert first.location.field == "spec.egress[0].to[0].networks[1]"


def test_the_first_error_is_raised_with_the_others(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(YAML)
    with pytest.raises(ValidationError) as caught:
        read_policies(path)
    assert str(caught.value).startswith(f"{path}:19: spec.egress[0].to[0].networks[1]: Cluster")
    assert caught.value.message.count(f"\n{path}:") == 1


def test_unknown_fields_are_manifest_errors() -> None:
    with pytest.raises(ManifestError, match=r"spec\.tiers: ClusterNetworkPolicy/p: unknown field"):
        policies_from_objects([cnp(tiers="Admin")])


def test_duplicate_keys() -> None:
    twice = YAML.replace("  tier: Admin\n", "  tier: Admin\n  tier: Admin\n")
    first, *others = check_text(twice).errors
    assert "duplicate key 'tier'" in first.message
    assert len(others) == len(check_text(YAML).errors)
    text = json.dumps(WHOLE).replace('"tier"', '"tier": "Admin", "tier"')
    (error,) = check_text(text, "p.json").errors
    assert "duplicate key 'tier'" in error.message


# --- replay -----------------------------------------------------------------------------------


@pytest.fixture
def replayable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder with a cluster and a flow."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "cluster.json", POD, as_json=True)
    Path("flows.csv").write_text("src,dst,protocol,port\n10.0.0.1,8.8.8.8,tcp,80\n")
    return tmp_path


def replay(*options: str) -> Result:
    return CliRunner().invoke(
        main, ["replay", "flows.csv", "-c", "cluster.json", "-p", "p.json", *options]
    )


def test_replay_warns_of_what_cannot_work_and_goes_on(replayable: Path) -> None:
    policy = cnp(egress=[egress("Deny", {"domainNames": ["a.example"]})])
    write(replayable, "p.json", NP, policy, as_json=True)
    result = replay()
    assert result.exit_code == 0
    assert "netpol: warning: p.json:" in result.stderr
    assert "ClusterNetworkPolicy/p: domain names only work" in result.stderr
    assert "1 flows judged" in result.stdout or "1 flow judged" in result.stdout


@pytest.mark.parametrize(
    "spoil",
    [
        lambda policy: policy["spec"].update(priority=1001),
        lambda policy: policy["spec"].update(tiers="Admin"),
        lambda policy: policy.update(apiVersion="policy.networking.k8s.io/v1alpha1"),
    ],
)
def test_a_bad_policy_leaves_no_output(replayable: Path, spoil: Callable[[Value], object]) -> None:
    policy = cnp()
    spoil(policy)
    write(replayable, "p.json", policy, as_json=True)
    before = sorted(replayable.iterdir())
    result = replay("-o", "csv", "--output-file", "out.csv")
    assert result.exit_code == 2
    assert result.stderr.startswith("netpol: error: p.json:")
    assert result.stderr.count("\n") == 1
    assert sorted(replayable.iterdir()) == before
