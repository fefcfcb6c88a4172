"""Every code is explained, its example shows it, and the mended example shows nothing."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from lint_support import CLUSTER, Value, namespace, node, pod, service

from netpol.cli.main import main
from netpol.kube.policies import policies_from_objects
from netpol.kube.snapshot import snapshot_from_objects
from netpol.lint.catalogue import FAMILIES, RULES
from netpol.lint.catalogue.rule import Rule
from netpol.lint.check import CheckResult, check_policies
from netpol.lint.lint import lint
from netpol.lint.silence import ANNOTATION

DOCS = Path(__file__).parents[2] / "docs"
#: The cluster of the examples: that of all tests, as far as it is not another one's example.
BASE = [each for each in CLUSTER if each["metadata"].get("namespace") not in ("ingress",)] + [
    pod("ingress/nginx", "192.168.0.12", {"app": "nginx"}, "http=80", hostNetwork=True),
    node("n9", "192.168.0.40", "10.0.9.0/24"),
]
CLUSTERS: dict[str, list[Value]] = {
    "dns-node-local": [
        *BASE,
        pod("kube-system/nodelocaldns-x", "192.168.0.12", {"k8s-app": "x"}, hostNetwork=True),
    ],
    "ipblock-masqueraded": [
        *BASE,
        service("shop/front", "10.96.0.99", {"app": "web"}, "80:8080", type="NodePort"),
    ],
    "one-address-family": [*BASE, pod("shop/six", "10.0.1.99 fd00::99", {"app": "web"})],
    "webhook-unreachable": [
        *BASE,
        pod("shop/hook", "10.0.1.98", {"app": "web", "hook": "yes"}, "9443"),
        service("shop/hook", "10.96.0.98", {"hook": "yes"}, "443:9443"),
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": "hook"},
            "webhooks": [{"clientConfig": {"service": {"namespace": "shop", "name": "hook"}}}],
        },
    ],
}
SHOWN = [rule for rule in RULES.values() if rule.example]


def found(text: str, rule: Rule, folder: Path) -> CheckResult:
    policies, cluster = folder / "p.yaml", folder / "c.json"
    policies.write_text(text)
    objects = CLUSTERS.get(rule.code, BASE) if rule.needs != "policies" else []
    cluster.write_text("\n".join(json.dumps(each) for each in objects))
    return check_policies(policies, [cluster] if objects else ())


@pytest.mark.parametrize("rule", SHOWN, ids=lambda rule: rule.code)
def test_examples_show_it_and_mended_ones_do_not(rule: Rule, tmp_path: Path) -> None:
    result = found(rule.example, rule, tmp_path)
    errors = {"manifest", "invalid"} if result.errors else set()
    assert rule.code in {each.code for each in result.findings} | errors
    mended = found(rule.mended, rule, tmp_path)
    assert not mended.errors
    assert rule.code not in {each.code for each in mended.findings}
    # An example is of one thing; the gravest there is, is the severity that is told.
    grave = [each for each in result.findings if each.code == rule.code]
    assert not grave or {each.severity for each in grave} <= {rule.severity, "info"}


@pytest.mark.parametrize(
    "rule",
    # The example of the other is a comment that silences nothing.
    [each for each in SHOWN if each.silenced and each.code != "unused-ignore"],
    ids=lambda rule: rule.code,
)
def test_examples_can_be_silenced(rule: Rule, tmp_path: Path) -> None:
    policy = yaml.safe_load(rule.example)
    policy["metadata"]["annotations"] = {ANNOTATION: rule.code}
    result = found(yaml.safe_dump(policy), rule, tmp_path)
    assert rule.code not in {each.code for each in result.findings}
    assert result.silenced >= 1


def test_what_has_no_example_cannot_have_one() -> None:
    without = {code for code, rule in RULES.items() if not rule.example}
    assert without == {
        "capacity",
        "empty-file",
        "mixed-apis",
        "namespace-ignored",
        "no-namespace",
        "not-judged",
        "passed-over",
        "priority-tie",
        "read-twice",
        "redundant-rule",
        "shadowed-rule",
        "snapshot",
        "stray-lines",
        "unknown-field",
        "unknown-namespace",
        "unreachable-baseline",
    }


def test_the_page_is_what_the_catalogue_knows() -> None:
    spec = importlib.util.spec_from_file_location("generate_check", DOCS / "generate_check.py")
    assert spec is not None
    assert spec.loader is not None
    script: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    text = (DOCS / "check.md").read_text()
    assert script.page(text) == text, "run: make docs"
    assert all(f"<!-- codes: {family.title} -->" in text for family in FAMILIES)


# --- netpol rule --------------------------------------------------------------------------------


def rule(*words: str) -> Any:
    return CliRunner().invoke(main, ["rule", *words], prog_name="netpol")


def test_a_code_is_explained() -> None:
    result = rule("or-not-and")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "or-not-and (warning)"
    assert "Example:" in lines
    assert "Mended:" in lines
    assert "      - podSelector: {matchLabels: {k8s-app: kube-dns}}" in lines
    assert "To silence it: --ignore or-not-and;" in result.stdout
    assert "It cannot be silenced." in rule("invalid").stdout


def test_all_codes_are_listed() -> None:
    result = rule("--all")
    assert [line.split()[0] for line in result.stdout.splitlines()] == list(RULES)
    document = json.loads(rule("--all", "-o", "json").stdout)
    assert document["schema_version"] == 1
    assert [each["code"] for each in document["rules"]] == list(RULES)
    (only,) = json.loads(rule("service-port", "-o", "json").stdout)["rules"]
    assert only["needs"] == "cluster"
    assert yaml.safe_load(only["example"])["kind"] == "NetworkPolicy"


def test_first_words_are_several() -> None:
    assert rule("dns").stdout.count("\nExample:\n") == 2
    assert rule("dns", "-o", "markdown").stdout.count("### `dns-") == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["or-nor-and"], "no code 'or-nor-and'; close are or-not-and"),
        (["nosuch"], "no code 'nosuch'; `netpol rule --all` lists all"),
        ([""], "no code ''"),
        (["or-not-and", "--all"], "name a code, or give --all"),
        (["-o", "json"], "name a code, or give --all"),
    ],
)
def test_codes_that_do_not_exist(words: list[str], message: str) -> None:
    result = rule(*words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_without_arguments_help_is_shown() -> None:
    assert "Explain a code that netpol check gives" in rule().output


# --- cluster-scoped policies ---------------------------------------------------------------------


def cluster_policy(kind: str, **rules: list[Value]) -> Value:
    version = "v1alpha2" if kind == "ClusterNetworkPolicy" else "v1alpha1"
    pods = {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "web"}}}
    spec: Value = {"subject": {"pods": pods}, **rules}
    if kind != "BaselineAdminNetworkPolicy":
        spec["priority"] = 1
    if kind == "ClusterNetworkPolicy":
        spec["tier"] = "Admin"
    return {
        "apiVersion": f"policy.networking.k8s.io/{version}",
        "kind": kind,
        "metadata": {"name": "default"},
        "spec": spec,
    }


def codes_of(value: Value, cluster: list[Value] = CLUSTER) -> list[tuple[str, str | None]]:
    policies = policies_from_objects([value])
    return [(e.code, e.location.field) for e in lint(policies, snapshot_from_objects(cluster))]


PORTS: dict[str, tuple[str, str, Any]] = {
    "ClusterNetworkPolicy": (
        "protocols",
        "tcp.destinationPort.number",
        lambda n: {"tcp": {"destinationPort": {"number": n}}},
    ),
    "AdminNetworkPolicy": (
        "ports",
        "portNumber.port",
        lambda n: {"portNumber": {"protocol": "TCP", "port": n}},
    ),
}


@pytest.mark.parametrize("kind", PORTS)
def test_service_ports_of_cluster_scoped_policies(kind: str) -> None:
    field, end, make = PORTS[kind]
    everybody: Value = {"namespaces": {}}
    rule = {"action": "Deny", "from": [everybody], field: [make(80)]}
    path = f"spec.ingress[0].{field}[0].{end}"
    assert codes_of(cluster_policy(kind, ingress=[rule])) == [("service-port", path)]
    rule[field] = [make(80), make(8080)]
    assert codes_of(cluster_policy(kind, ingress=[rule])) == []
    edge = {"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "edge"}}}
    rule = {"action": "Deny", "to": [edge], field: [make(80)]}
    path = f"spec.egress[0].{field}[0].{end}"
    assert codes_of(cluster_policy(kind, egress=[rule])) == [("service-port", path)]


def test_one_family_of_networks() -> None:
    cluster = [namespace("shop"), pod("shop/six", "10.0.1.99 fd00::99", {"app": "web"})]

    def codes(*networks: str) -> list[str]:
        rule = {"action": "Deny", "to": [{"networks": list(networks)}]}
        value = cluster_policy("ClusterNetworkPolicy", egress=[rule])
        return [code for code, _ in codes_of(value, cluster)]

    assert codes("0.0.0.0/0") == ["one-address-family"]
    assert codes("0.0.0.0/0", "::/0") == []
    assert codes("10.96.0.0/16") == []
