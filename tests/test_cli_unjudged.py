"""What is not judged is counted and named by every command, in every format."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli_support import failure, run

CLUSTER = """\
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
- {apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}, status: {podIP: 10.0.0.1}}
- {apiVersion: v1, kind: Pod, metadata: {name: api, namespace: shop}, status: {podIP: 10.0.0.2}}
- {apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: i}}
"""
POLICY = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: shop}
spec: {podSelector: {}, ingress: [{}]}
"""
CILIUM = """\
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: "c\\e[31m", namespace: shop}
"""
BOTH = "1 CiliumNetworkPolicy and 1 Istio AuthorizationPolicy"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "cluster.yaml").write_text(CLUSTER)
    (tmp_path / "p.yaml").write_text(POLICY)
    (tmp_path / "pc.yaml").write_text(POLICY + CILIUM)
    (tmp_path / "flows.csv").write_text("src,dst,protocol,port\n10.0.0.1,10.0.0.2,tcp,80\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


INPUTS = ["-c", "cluster.yaml", "-p", "pc.yaml", "--ignore-kinds"]
COMMANDS = {
    "replay": ["replay", "flows.csv", *INPUTS],
    "compare": ["replay", "flows.csv", "--compare-profiles", "spec,calico", *INPUTS],
    "coverage": ["coverage", "flows.csv", *INPUTS],
    "explain": ["explain", "shop/web", "shop/api", "80", *INPUTS],
    "matrix": ["matrix", *INPUTS],
    "exposure": ["matrix", "--exposure", *INPUTS],
    "diff": ["diff", "flows.csv", *INPUTS, "--before", "pc.yaml"],
    "exhaustive": ["diff", "--exhaustive", *INPUTS, "--before", "pc.yaml"],
    "check": ["check", "pc.yaml", "-c", "cluster.yaml", "--ignore-kinds"],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.usefixtures("world")
def test_text_and_json(command: str) -> None:
    words = COMMANDS[command]
    result = run(*words)
    assert result.exit_code == 0, result.output
    text = " ".join(result.stdout.split())
    if command == "check":
        assert "1 CiliumNetworkPolicy is not judged" in text
        assert "1 Istio AuthorizationPolicy is not judged" in text
    else:
        assert f"{BOTH} are not judged: allow means allowed by the policies" in text
    assert "\x1b" not in result.output
    found = json.loads(run(*words, "-o", "json").stdout)["unjudged"]
    sides = found if command in ("diff", "exhaustive") else [found]
    for side in sides:
        assert [(each["group"], each["kind"], each["count"]) for each in side] == [
            ("cilium.io", "CiliumNetworkPolicy", 1),
            ("security.istio.io", "AuthorizationPolicy", 1),
        ]
        assert (side[0]["file"], side[0]["line"]) == ("pc.yaml", 6)


@pytest.mark.parametrize("output", ["github", "sarif", "junit", "markdown"])
@pytest.mark.parametrize("command", ["check", "coverage", "diff", "exhaustive"])
@pytest.mark.usefixtures("world")
def test_findings(command: str, output: str) -> None:
    result = run(*COMMANDS[command], "-o", output)
    assert result.exit_code == 0, result.output
    assert "not-judged" in result.stdout
    assert "CiliumNetworkPolicy" in result.stdout
    assert "AuthorizationPolicy" in result.stdout


@pytest.mark.parametrize("output", ["csv", "dot"])
@pytest.mark.usefixtures("world")
def test_rows_cannot_say_it_so_stderr_does(output: str) -> None:
    result = run(*COMMANDS["matrix"], "-o", output)
    assert f"{BOTH} are not judged" in result.stderr
    if output == "csv":
        assert f"{BOTH} are not judged" in run(*COMMANDS["exhaustive"], "-o", "csv").stderr
        assert f"{BOTH} are not judged" in run(*COMMANDS["exposure"], "-o", "csv").stderr
    else:
        assert f"{BOTH} are not judged" in result.stdout


@pytest.mark.parametrize("command", ["replay", "compare", "coverage", "matrix", "diff"])
def test_pages(command: str, world: Path) -> None:
    pytest.importorskip("jinja2")
    result = run(*COMMANDS[command], "--report", "page.html")
    assert result.exit_code == 0, result.output
    page = (world / "page.html").read_text()
    assert f'<p class="notice">{BOTH} are not judged: allow means allowed by the policies' in page


def test_a_page_without_any_has_no_notice(world: Path) -> None:
    pytest.importorskip("jinja2")
    clean = CLUSTER.rpartition("- {")[0]
    (world / "cluster.yaml").write_text(clean)
    words = ["replay", "flows.csv", "-c", "cluster.yaml", "-p", "p.yaml", "--report", "page.html"]
    assert run(*words).exit_code == 0
    assert 'class="notice"' not in (world / "page.html").read_text()


@pytest.mark.usefixtures("world")
def test_sides_of_a_diff_may_have_others() -> None:
    words = ["flows.csv", "-c", "cluster.yaml", "--before", "p.yaml", "--after", "pc.yaml"]
    result = run("diff", *words, "--ignore-kinds")
    text = " ".join(result.stdout.split())
    assert (
        f"not judged are before 1 Istio AuthorizationPolicy, after {BOTH}: allow means "
        "allowed by the policies above" in text
    )


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "check"])
@pytest.mark.usefixtures("world")
def test_refused_among_the_policies_unless_they_may_be_there(command: str) -> None:
    words = [word for word in COMMANDS[command] if word != "--ignore-kinds"]
    message = failure(run(*words))
    assert "pc.yaml:6: CiliumNetworkPolicy of cilium.io: not judged by netpol" in message
    assert "--ignore-kinds" in message


@pytest.mark.usefixtures("world")
def test_check_refuses_them_too() -> None:
    result = run("check", "pc.yaml")
    assert result.exit_code == 2
    assert "pc.yaml:6: error: CiliumNetworkPolicy of cilium.io: not judged" in result.stdout


def test_policies_among_the_cluster_are_never_refused_for_it(world: Path) -> None:
    (world / "all.yaml").write_text(CLUSTER + "---\n" + POLICY + CILIUM)
    result = run("replay", "flows.csv", "-c", "all.yaml")
    assert result.exit_code == 0, result.output
    assert f"{BOTH} are not judged" in " ".join(result.stdout.split())


@pytest.mark.parametrize(
    "words",
    [
        ["--ignore-kinds", "flows.csv"],
        ["flows.csv", "--ignore-kinds"],
        ["--ignore-kinds=CiliumNetworkPolicy", "flows.csv"],
        ["--ignore-kinds", "ciliumnetworkpolicies", "flows.csv"],
        ["--ignore-kinds", "cilium.io,security.istio.io", "flows.csv"],
        ["--ignore-kinds", "--", "flows.csv"],
    ],
)
@pytest.mark.usefixtures("world")
def test_the_option_swallows_no_file(words: list[str]) -> None:
    result = run("replay", "-c", "cluster.yaml", "-p", "pc.yaml", *words)
    assert result.exit_code == 0, result.output


def test_the_option_in_the_environment_and_the_file(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["replay", "flows.csv", "-c", "cluster.yaml", "-p", "pc.yaml"]
    for value in ("all", "1", "true", "CiliumNetworkPolicy"):
        monkeypatch.setenv("NETPOL_IGNORE_KINDS", value)
        assert run(*words).exit_code == 0
    monkeypatch.setenv("NETPOL_IGNORE_KINDS", "0")
    assert run(*words).exit_code == 2
    monkeypatch.delenv("NETPOL_IGNORE_KINDS")
    for value in ("true", '"cilium.io"'):
        (world / "netpol.toml").write_text(f"ignore-kinds = {value}\n")
        assert run(*words).exit_code == 0, value


@pytest.mark.usefixtures("world")
def test_a_kind_that_nobody_knows_is_a_usage_error() -> None:
    result = run(*COMMANDS["replay"][:-1], "--ignore-kinds=CiliumNetwrkPolicy")
    assert "close are CiliumNetworkPolicy" in failure(result)
