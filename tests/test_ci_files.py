"""The GitHub action and the pre-commit hook, run as their runners run them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from kube.policy_text import manifest

ROOT = Path(__file__).parent.parent
ACTION: Any = yaml.safe_load((ROOT / "action.yml").read_text())
GOOD, WARNED = manifest("podSelector: {}"), manifest("egress: [{to: [{podSelector: {}}]}]")
WRONG = manifest("policyTypes: [ingress]")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checked out repository with policies."""
    folder = tmp_path / "work space"
    (folder / ".git").mkdir(parents=True)
    for name, text in (("good", GOOD), ("warned", WARNED), ("wrong", WRONG)):
        (folder / f"{name}.yaml").write_text(text)
    monkeypatch.chdir(folder)
    return folder


def executable(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)


def run_step(
    number: int, workspace: Path, path: str = "", **inputs: str
) -> subprocess.CompletedProcess[str]:
    """Run a step of the action as a runner does: inputs put in, a file for the outputs."""
    step = ACTION["runs"]["steps"][number]
    defaults = {name: item["default"] for name, item in ACTION["inputs"].items()}
    assert set(inputs) <= {name.replace("-", "_") for name in defaults}
    values = {f"inputs.{k}": inputs.get(k.replace("-", "_"), v) for k, v in defaults.items()}
    values["github.action_path"] = "/action"
    environment = {
        name: re.sub(r"\$\{\{ (\S+) \}\}", lambda m: values[m[1]], text)
        for name, text in step["env"].items()
    }
    runner = {
        "RUNNER_TEMP": str(workspace / ".tmp"),
        "GITHUB_OUTPUT": str(workspace / ".out"),
        "PATH": f"{path}:{os.environ['PATH']}",
    }
    (workspace / ".tmp").mkdir(exist_ok=True)
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=workspace,
        env=environment | runner,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_action_puts_no_input_into_a_script() -> None:
    assert ACTION["runs"]["using"] == "composite"
    for step in ACTION["runs"]["steps"]:
        assert step["shell"] == "bash"
        assert "${{" not in step["run"]
    assert all(item["description"] for item in ACTION["inputs"].values())


@pytest.mark.parametrize(
    ("file", "fail_on", "code", "word"),
    [("good", "", 0, "1 valid policy"), ("warned", "", 0, "::warning file=warned.yaml,line=5"),
     ("warned", "warning", 1, "::warning"), ("wrong", "", 2, "::error file=wrong.yaml,line=5")],
)  # fmt: skip
def test_the_action_checks(workspace: Path, file: str, fail_on: str, code: int, word: str) -> None:
    netpol = workspace / ".tmp" / "netpol-venv" / "bin" / "netpol"
    executable(netpol, f'exec {shlex.quote(sys.executable)} -m netpol "$@"')
    result = run_step(1, workspace, policies=f"\n  {file}.yaml \n", fail_on=fail_on)
    assert (result.returncode, result.stderr) == (code, "")
    assert word in result.stdout
    assert (workspace / ".out").read_text() == f"exit-code={code}\n"


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (
            {"policies": "a b.yaml\n-c.yaml", "cluster": "k.json", "format": "sarif"},
            ["check", "--cluster", "k.json", "--output", "sarif", "--", "a b.yaml", "-c.yaml"],
        ),
        (
            {"before": "old", "policies": "new", "flows": "f g.csv\nh.csv", "cluster": "k.json",
             "fail_on": "newly-denied", "arguments": "--dedup"},
            ["diff", "--before", "old", "--after", "new", "--cluster", "k.json", "--fail-on",
             "newly-denied", "--output", "github", "--dedup", "--", "f g.csv", "h.csv"],
        ),
    ],
)  # fmt: skip
def test_the_action_words(workspace: Path, inputs: dict[str, str], expected: list[str]) -> None:
    netpol = workspace / ".tmp" / "netpol-venv" / "bin" / "netpol"
    executable(netpol, 'printf "%s\\n" "$@"')
    result = run_step(1, workspace, **inputs)
    assert result.stdout.splitlines() == expected
    result = run_step(1, workspace, **inputs, output_file="out put.txt")
    assert result.stdout == ""
    assert (workspace / "out put.txt").read_text().splitlines() == expected


def test_the_action_installs_its_own_checkout(workspace: Path) -> None:
    tools = workspace / ".tools"
    pip = workspace / ".tmp" / "netpol-venv" / "bin" / "pip"
    executable(pip, 'printf "%s\\n" "pip $*"')
    executable(tools / "python3", '[ "$1" = -c ] || printf "%s\\n" "python3 $*"')
    result = run_step(0, workspace, str(tools))
    assert result.returncode == 0
    assert result.stdout.splitlines()[1].endswith(" /action")
    executable(tools / "python3", "exit 1")
    result = run_step(0, workspace, str(tools))
    assert result.returncode == 2
    assert result.stdout.startswith("::error title=netpol::Python 3.11")


def test_the_pre_commit_hook_runs(workspace: Path) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert (hook["id"], hook["language"]) == ("netpol-check", "python")
    program, *words = shlex.split(hook["entry"])
    assert program == "netpol"
    for file, code in (("good", 0), ("warned", 0), ("wrong", 2)):
        result = subprocess.run(
            [sys.executable, "-m", program, *words, f"{file}.yaml"], cwd=workspace, check=False,
            capture_output=True,
        )  # fmt: skip
        assert result.returncode == code
    picked = [
        path
        for path in ("k8s/netpol.yaml", "network-policies/web.yml", "a/networkpolicy-db.yaml",
                     "deploy/web.yaml", "network-policies/kustomization.yaml", "netpol.md")
        if re.search(hook["files"], path) and not re.search(hook["exclude"], path)
    ]  # fmt: skip
    assert picked == ["k8s/netpol.yaml", "network-policies/web.yml", "a/networkpolicy-db.yaml"]
