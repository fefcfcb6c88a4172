"""``netpol check``: what it prints and the code it ends with."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from policy_text import manifest

from netpol.cli.commands.check import check
from netpol.lint.catalogue import RULES
from netpol.report.words.safe import escape_controls

GOOD = manifest("podSelector: {}")
WARNED = manifest("egress: [{to: [{podSelector: {}}]}]")
WRONG = manifest("policyTypes: [ingress]\ningress: [{from: [{}]}]")
CLI = "src/netpol/cli/commands/check.py"
CLUSTER = "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: x}}\n"


def run(*arguments: str | Path, stdin: str | None = None) -> Result:
    return CliRunner().invoke(check, [str(each) for each in arguments], input=stdin)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in (("good", GOOD), ("warned", WARNED), ("wrong", WRONG), ("pods", CLUSTER)):
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_good_policies() -> None:
    result = run("good.yaml")
    assert (result.exit_code, result.output) == (0, "1 valid policy, 0 errors, 0 warnings\n")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("options", "code"), [([], 0), (["--strict"], 1), (["--fail-on", "warning"], 1)]
)
def test_warnings(options: list[str], code: int) -> None:
    result = run("warned.yaml", *options)
    assert result.exit_code == code
    first, *_, last = result.output.splitlines()
    assert first.startswith(
        "warned.yaml:5: warning: spec.egress: NetworkPolicy x/p: without policyTypes"
    )
    assert first.endswith("[egress-isolates-ingress]")
    assert last == "1 valid policy, 0 errors, 1 warning"


@pytest.mark.usefixtures("folder")
def test_every_error_is_listed() -> None:
    result = run("wrong.yaml", "none.yaml", "--strict")
    assert result.exit_code == 2
    assert result.output.splitlines() == [
        "none.yaml: error: cannot be read: No such file or directory",
        'wrong.yaml:5: error: spec.policyTypes[0]: NetworkPolicy x/p: Unsupported value: "ingress":'
        ' supported values: "Egress", "Ingress"',
        "wrong.yaml:6: error: spec.ingress[0].from[0]: NetworkPolicy x/p: Required value: must "
        "specify a peer",
        "",
        "0 valid policies, 2 errors, 0 warnings".replace("2", "3"),
    ]


@pytest.mark.usefixtures("folder")
def test_json() -> None:
    result = run("warned.yaml", "wrong.yaml", "-o", "json")
    assert result.exit_code == 2
    document = json.loads(result.output)
    assert document["schema_version"] == 1
    assert document["policies"] == 1
    assert document["errors"][0] == {
        "code": "invalid",
        "severity": "error",
        "file": "wrong.yaml",
        "line": 5,
        "field": "spec.policyTypes[0]",
        "policy": None,
        "message": 'NetworkPolicy x/p: Unsupported value: "ingress": supported values: "Egress", '
        '"Ingress"',
    }
    (warning,) = document["warnings"]
    assert (warning["code"], warning["policy"], warning["line"]) == (
        "egress-isolates-ingress",
        "x/p",
        5,
    )


@pytest.mark.usefixtures("folder")
def test_standard_input_and_namespace() -> None:
    text = WARNED.replace(", namespace: x", "")
    result = run("-", "-n", "shop", stdin=text)
    assert "<stdin>:5: warning: spec.egress: NetworkPolicy shop/p" in result.output


@pytest.mark.usefixtures("folder")
def test_cluster() -> None:
    result = run("good.yaml", "--cluster", "pods.yaml")
    assert result.exit_code == 0
    assert "namespaces that are not in the snapshot (x)" in result.output
    result = run("good.yaml", "--cluster", "good.yaml")
    assert result.exit_code == 2
    assert "error: the snapshot has no pods (found: 1 NetworkPolicy)" in result.output


@pytest.mark.usefixtures("folder")
def test_switches(folder: Path) -> None:
    (folder / "old.yaml").write_text(
        manifest("colour: red\ningress: [{from: [{ipBlock: {cidr: 10.0.0.1/8}}]}]")
    )
    assert run("old.yaml").exit_code == 2
    assert run("old.yaml", "--unknown-fields", "warn").exit_code == 0
    assert run("old.yaml", "--unknown-fields", "warn", "--strict-cidr", "reject").exit_code == 2


def test_control_characters_are_escaped(folder: Path) -> None:
    hostile = 'podSelector: {matchLabels: {"a\\e[2J\\u202e": "b"}}'
    (folder / "hostile.yaml").write_text(manifest(hostile))
    output = run("hostile.yaml").output
    assert "\\x1b[2J\\u202e" in output
    assert "\x1b" not in output
    assert "\u202e" not in output


def test_usage_errors() -> None:
    assert run().exit_code == 2
    assert run("x", "-o", "xml").exit_code == 2


def test_escape_controls() -> None:
    assert escape_controls("a\n\t\x1b\x7f\x9b\u2028\u202e\udc80é😀") == (
        "a\\n\\t\\x1b\\x7f\\x9b\\u2028\\u202e\\udc80é😀"
    )


def test_every_code_is_documented() -> None:
    root = Path(__file__).parent.parent.parent
    page = (root / "docs/check.md").read_text()
    assert set(re.findall(r"^\| `([a-z-]+)`", page, re.M)) == set(RULES)
    assert set(re.findall(r"^### ([a-z-]+)$", page, re.M)) == set(RULES)
    folders = [*root.glob("src/netpol/lint/*.py"), *root.glob("src/netpol/kube/**/*.py")]
    sources = "".join(path.read_text() for path in folders)
    given = re.findall(r'(?:Remark|Finding)\(\s*(?:"[a-z]+",\s*)?"([a-z]+(?:-[a-z]+)+)"', sources)
    assert set(given) <= set(RULES)
    quoted = set(re.findall(r'"([a-z]+(?:-[a-z]+)*)"', sources + (root / CLI).read_text()))
    assert set(RULES) <= quoted
