"""Directories of git revisions are read by the rules of directories on disk."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cli_support import failure, run
from kube.policy_text import manifest

POLICY = manifest("podSelector: {}")
CLUSTER = (
    '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "x"}, "status": '
    '{"phase": "Running", "podIP": "10.0.0.1"}}'
)
FILES = {
    "k8s/p.yaml": POLICY,
    "k8s/values.yaml": "a: 1\n",
    "k8s/.hidden.yaml": "a: [NetworkPolicy",
    "k8s/.github/ci.yaml": "kind: NetworkPolicy",
    "k8s/templates/d.yaml": "name: {{ .Release.Name }}\n",
    "chart/templates/p.yaml": POLICY.replace("name: p", "name: {{ .Release.Name }}"),
    "f.csv": "src,dst,protocol,port\n10.0.0.1,10.0.0.2,tcp,80\n",
    "c.json": CLUSTER,
    "new/p.yaml": POLICY,
}
COMMAND = ("diff", "f.csv", "-c", "c.json", "--after", "new")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose commit is all there is."""
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    who = ("-c", "user.name=netpol", "-c", "user.email=netpol@example.com")
    for words in (("init", "-q", "-b", "main"), ("add", "-f", "."), (*who, "commit", "-qm", "x")):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.usefixtures("repository")
def test_what_is_no_policy_is_passed_over() -> None:
    for side in ("main:k8s", "k8s"):
        result = run(*COMMAND, "--before", side)
        assert result.exit_code == 0, result.stderr
        (note,) = [line for line in result.stderr.splitlines() if "passed over" in line]
        assert "1 template, 1 document that is no Kubernetes object" in note
        assert f"({side}/templates/d.yaml:1, {side}/values.yaml:1)" in note


@pytest.mark.parametrize(
    ("side", "words"),
    [
        ("main:k8s/values.yaml", "main:k8s/values.yaml:1: apiVersion: is missing"),
        ("main:k8s/.hidden.yaml", "main:k8s/.hidden.yaml:2: not valid YAML"),
        ("main:k8s/.github", "main:k8s/.github/ci.yaml:1: apiVersion: is missing"),
        ("main:k8s/templates/d.yaml", "main:k8s/templates/d.yaml:1: looks like a Helm template"),
        ("main:chart", "helm template CHART | netpol check -"),
    ],
)
@pytest.mark.usefixtures("repository")
def test_what_stays_an_error(side: str, words: str) -> None:
    assert words in failure(run(*COMMAND, "--before", side))


@pytest.mark.parametrize("pattern", ["chart", "chart/templates/*.yaml", "p.yaml"])
@pytest.mark.usefixtures("repository")
def test_exclude(pattern: str) -> None:
    assert "looks like" in failure(run(*COMMAND, "--before", "main:."))
    result = run(*COMMAND, "--before", "main:.", "--exclude", pattern)
    if pattern == "p.yaml":
        assert "neither side has a policy" in failure(result)
    else:
        # The same policy twice: in k8s and in new.
        assert "was already read at main:k8s/p.yaml:1, the same" in result.stderr
        assert result.exit_code == 0


@pytest.mark.usefixtures("repository")
def test_a_directory_of_which_nothing_is_left() -> None:
    result = run(*COMMAND, "--before", "main:k8s", "--exclude", "*.yaml")
    assert "neither side has a policy" in failure(result)
