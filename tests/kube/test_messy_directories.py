"""Directories as repositories have them: what is read, what is passed over, what stays an error."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from policy_text import manifest

from netpol.cli.main import main
from netpol.kube.policies import read_policies
from netpol.lint.check import CheckResult, check_policies
from netpol.model.errors import ManifestError

ROOT = Path(__file__).parent.parent.parent
POLICY = manifest("podSelector: {}")
CLUSTER = """\
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "x"},
 "status": {"phase": "Running", "podIP": "10.0.0.1"}}
"""
FLOW = "src,dst,protocol,port\n10.0.0.1,10.0.0.2,tcp,80\n"

#: What repositories hold beside policies, each with why it is passed over.
OTHERS = {
    "Chart.yaml": ("apiVersion: v2\nname: web\n", "no object"),
    "values.yaml": ("networkPolicy: {enabled: true}\n", "no object"),
    "kustomization.yml": ("resources: [p.yaml]\n", "no object"),
    "patch.yaml": ("- op: replace\n  path: /spec\n", "no object"),
    "patch.json": ('[{"op": "add"}]', "no object"),
    "package.json": ('{"name": "x"}', "no object"),
    "list.json": ('{"kind": 3}', "no object"),
    "tsconfig.json": ('{\n// comment\n"a": 1}', "broken"),
    "mkdocs.yml": ("a: !!python/name:b.c\n", "broken"),
    "duplicate.yaml": ("a: 1\na: 2\n", "broken"),
    "front.yaml": ("title: a\n", "no object"),
    "latin.yaml": ("a: \u00e9".encode("latin-1"), "broken"),
    "templates/deployment.yaml": ("kind: Deployment\nname: {{ .Release.Name }}\n", "template"),
    "templates/x.json": ('{"a": {{ .Values.networkPolicy }}}', "template"),
    "empty.yaml": ("", "empty"),
}


def write(root: Path, **files: str | bytes) -> Path:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return root


def run(*words: str | Path) -> Any:
    return CliRunner().invoke(main, [str(word) for word in words], prog_name="netpol")


def messages(result: CheckResult) -> list[str]:
    return [error.message for error in result.errors]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    files = {name: text for name, (text, _) in OTHERS.items()}
    return write(tmp_path / "repo", **files, **{"k8s/p.yaml": POLICY})


def test_what_is_no_policy_is_one_note(repository: Path) -> None:
    result = check_policies(repository)
    assert (result.policies, result.errors) == (1, [])
    (note,) = result.findings
    assert (note.severity, note.code) == ("info", "passed-over")
    assert note.message.startswith("passed over: ")
    for part in ("1 empty file", "8 documents that are no Kubernetes objects", "2 templates"):
        assert part in note.message
    found = {
        str(Path(str(each.place.file)).relative_to(repository)): each.why for each in result.passed
    }
    assert found == {name: why for name, (_, why) in OTHERS.items()}


@pytest.mark.parametrize("name", list(OTHERS))
def test_named_outright_each_is_an_error(repository: Path, name: str) -> None:
    for paths in ([repository / name], [repository / "k8s", repository / name]):
        assert len(check_policies(paths).errors) == 1
    # However a file is reached first.
    assert len(check_policies([repository, repository / name]).errors) == 1


def test_every_command_says_so(tmp_path: Path, repository: Path) -> None:
    write(tmp_path, **{"c.json": CLUSTER, "f.csv": FLOW})
    named = ("-c", tmp_path / "c.json", "-p", repository)
    for words in (
        ("replay", tmp_path / "f.csv", *named),
        ("coverage", tmp_path / "f.csv", *named),
        ("matrix", *named),
        ("explain", "x/a", "10.0.0.2", "80", *named),
    ):
        result = run(*words)
        assert result.exit_code == 0, result.output
        assert result.stderr.count("netpol: note: passed over: ") == 1
        assert "no Kubernetes objects" in result.stderr
        assert "passed over" not in run(*words, "--quiet").stderr


def test_json_lists_what_was_passed_over(repository: Path) -> None:
    document = json.loads(run("check", repository, "-o", "json").stdout)
    assert len(document["passed_over"]) == len(OTHERS)
    assert document["passed_over"][0] == {
        "file": str(repository / "Chart.yaml"),
        "line": 1,
        "field": "kind",
        "reason": "no object",
        "message": "is missing: not a Kubernetes object",
    }
    assert [each["code"] for each in document["warnings"]] == ["passed-over"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [ # NetworkPolicy\n", "not valid YAML"),
        ("kind: NetworkPolicy\n", "apiVersion|is missing"),
        ("kind: networkpolicy\n", "is missing"),
        ("apiVersion: networking.k8s.io/v1\nspec: {podSelector: {}}\n", "is missing"),
        ("kind: CiliumNetworkPolicy\nname: {{ x }}\n", "looks like a template"),
        ('{"kind": "NetworkPolicy", "apiVersion": 1}', "expected a Kube|must be a name"),
        ("kind: List\napiVersion: v1\nitems: [{spec: {}}]\n", "is missing"),
        ("kind: EgressFirewall\na: [", "not valid YAML"),
        ("kind: NetworkPolicy\nkind: NetworkPolicy\napiVersion: networking.k8s.io/v1\n", "dupl"),
        (b"kind: NetworkPolicy\na: \xff", "UTF-8"),
    ],
)
def test_what_names_a_policy_stays_an_error(tmp_path: Path, text: str, words: str) -> None:
    write(tmp_path, **{"p.yaml": POLICY, "q.yaml": text})
    found = messages(check_policies(tmp_path))
    assert found
    assert re.search(words, found[0])


def test_a_broken_file_after_good_documents(tmp_path: Path) -> None:
    write(tmp_path, **{"p.yaml": POLICY + "---\na: [\n---\n" + manifest("policyTypes: [x]")})
    (error,) = check_policies(tmp_path).errors
    assert error.message.endswith("; the rest of the file was not read")
    write(tmp_path, **{"p.yaml": POLICY + "---\na: 1\na: 2\n---\n" + manifest("policyTypes: [x]")})
    assert [e.location.line for e in check_policies(tmp_path).errors] == [8, 14]


def test_the_whole_file_counts(tmp_path: Path) -> None:
    write(tmp_path, **{"p.yaml": POLICY + "---\na: {[b]: c}\n---\nd: ["})
    assert [e.location.line for e in check_policies(tmp_path).errors] == [7, 10]
    write(tmp_path, **{"p.yaml": POLICY, "q.yaml": "a: {[b]: c}\n---\nd: ["})
    result = check_policies(tmp_path)
    assert result.errors == []
    assert [each.place.line for each in result.passed] == [1, 4]


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    hidden = {".github/p.yaml": POLICY, ".p.yaml": "a: [NetworkPolicy", "a/.git/x.json": "{"}
    write(tmp_path, **hidden)
    with pytest.raises(ManifestError, match=r"no \*\.yaml.* \(hidden ones are left out\)"):
        read_policies(tmp_path)
    assert len(read_policies(tmp_path / ".github")) == 1
    assert len(read_policies(tmp_path / ".github" / "p.yaml")) == 1


def test_exclude(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    other = POLICY.replace("podSelector: {}", "podSelector: {matchLabels: {a: b}}")
    write(tmp_path, **{"k8s/base/p.yaml": POLICY, "k8s/dev/p.yaml": other, "k8s/dev/q.yaml": other})
    assert len(check_policies("k8s").errors) == 2
    for pattern in ("dev", "dev/", "dev/*", "k8s/dev/**", "**/dev/?.yaml"):
        assert messages(check_policies("k8s", exclude=[pattern])) == []
    assert len(read_policies("k8s", exclude=["base", "q.yaml"])) == 1
    assert len(read_policies("k8s/base/p.yaml", exclude=["*"])) == 1
    with pytest.raises(ManifestError, match="hidden and excluded ones are left out"):
        read_policies("k8s", exclude=["*.yaml"])
    write(tmp_path, **{"c.json": CLUSTER, "f.csv": FLOW, "netpol.toml": "exclude = ['dev']\n"})
    assert run("replay", "f.csv", "-c", "c.json", "-p", "k8s").exit_code == 0
    assert run("check", "k8s").exit_code == 0
    result = run("check", "k8s", "--exclude", "")
    assert result.exit_code == 2
    assert "'' is no pattern" in result.stderr


def test_overlays_that_say_the_same_are_one_note(tmp_path: Path) -> None:
    write(tmp_path, **{"base/p.yaml": POLICY, "a/p.yaml": POLICY, "b/p.yaml": f"# b\n{POLICY}"})
    policies = read_policies(tmp_path)
    assert len(policies) == 1
    (note,) = policies.notes
    assert note.code == "read-twice"
    assert note.message.startswith("2 policies were already read, each the same: the first is ")
    assert "render one, as with `kustomize build DIR | netpol check -`" in note.message


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("name", ["p.yaml", "p.json"])
def test_byte_order_marks(tmp_path: Path, encoding: str, name: str) -> None:
    text = POLICY if name == "p.yaml" else json.dumps(yaml.safe_load(POLICY))
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    write(tmp_path, **{name: (mark + text.replace("\n", "\r\n")).encode(encoding)})
    (loaded,) = read_policies(tmp_path).policies
    assert loaded.source.line == 1


def test_all_mistakes_of_one_policy(tmp_path: Path) -> None:
    spec = """
    podSelector: []
    ingres: []
    ingress:
    - from: [{ipBlock: {cidr: 10.0.0.300/8}}]
      ports: [{port: 99999}, {port: true}]
      ports: []
    policyTypes: [Ingress, x]
    """
    write(tmp_path, **{"p.yaml": manifest(spec)})
    result = check_policies(tmp_path)
    assert [(e.location.line, e.location.field) for e in result.errors] == [
        (5, "spec.podSelector"),
        (6, "spec.ingres"),
        (8, "spec.ingress[0].from[0].ipBlock.cidr"),
        (9, "spec.ingress[0].ports[1].port"),
        (9, "spec.ingress[0].ports[0].port"),
        (10, None),
        (11, "spec.policyTypes[1]"),
    ]
    assert result.findings == []


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        # What is only missing as its key is misspelt, or its value of another type, is not told.
        ("ingress: [{from: [{podSelecter: {}}]}]", ["spec.ingress[0].from[0].podSelecter"]),
        ("ingress: [{from: [{podSelector: []}]}]", ["spec.ingress[0].from[0].podSelector"]),
        ("ingress: [{from: [{ipBlock: {cdir: 10.0.0.0/8}}]}]",
         ["spec.ingress[0].from[0].ipBlock.cdir"]),
        ("ingress: [{from: [{ipBlock: {cidr: 8}}]}]", ["spec.ingress[0].from[0].ipBlock.cidr"]),
    ],
)  # fmt: skip
def test_no_mistake_is_told_twice(tmp_path: Path, spec: str, fields: list[str]) -> None:
    write(tmp_path, **{"p.yaml": manifest(spec)})
    assert [e.location.field for e in check_policies(tmp_path).errors] == fields


@pytest.mark.parametrize(
    ("spec", "place"),
    [
        ("", (1, None)),
        ("spec:\n", (1, None)),
        ("spec: {}\n", (4, "spec")),
        ("spec:\n  podSelector:\n  policyTypes: [Ingress]\n", (4, "spec")),
        ("spec:\n  podSelector: {}\n", None),
        ("spec: {podSelector: {matchLabels: {}}}\n", None),
    ],
)
def test_a1_4_the_whole_namespace_selected_by_leaving_out(
    tmp_path: Path, spec: str, place: tuple[int, str | None] | None
) -> None:
    text = POLICY[: POLICY.index("spec:")] + spec
    write(tmp_path, **{"p.yaml": text, "c.json": CLUSTER, "f.csv": FLOW})
    policies = read_policies(tmp_path / "p.yaml")
    found = [each for each in policies.findings if each.code == "selects-namespace"]
    assert [(each.location.line, each.location.field) for each in found] == (
        [place] if place else []
    )
    result = run("replay", tmp_path / "f.csv", "-c", tmp_path / "c.json", "-p", tmp_path / "p.yaml")
    assert ("selects every pod of its namespace" in result.stderr) == (place is not None)


# --- the hook ---------------------------------------------------------------------------------


def hook() -> dict[str, Any]:
    (found,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert isinstance(found, dict)
    return found


def test_the_hook_passes_over_what_is_no_policy(repository: Path) -> None:
    helm = POLICY.replace("name: p", "name: {{ .Release.Name }}")
    quoted = POLICY.replace("name: p", "name: '${NAME}'")
    write(repository, **{"templates/p.yaml": helm, "templates/q.yaml": quoted})
    _, *words = hook()["entry"].split()
    names = sorted(path for path in repository.rglob("*") if path.is_file())
    result = run(*words, *names)
    assert result.exit_code == 0
    assert "4 templates" in result.stdout
    assert "1 valid policy, 0 errors" in result.stdout
    only = run(*words, repository / "templates" / "p.yaml")
    assert (only.exit_code, "1 template " in only.stdout) == (0, True)
    broken = write(repository, **{"b.yaml": "kind: NetworkPolicy\na: ["}) / "b.yaml"
    assert run(*words, broken).exit_code == 2
    assert run("check", repository / "templates" / "p.yaml").exit_code == 2


@pytest.mark.parametrize(
    ("path", "taken"),
    [
        ("k8s/NetPol.yaml", True),
        ("network_policies/web.yml", True),
        ("k8s/NetworkPolicy-db.json", True),
        ("NETWORK-POLICIES/a/b.yaml", True),
        ("a/network.policy.yaml", True),
        ("charts/web/templates/networkpolicy.yaml", True),
        ("deploy/web.yaml", False),
        ("netpol.md", False),
        ("netpol/kustomization.yaml", False),
        ("netpol/Kustomization.yml", False),
        ("network_policies/values-prod.yaml", False),
    ],
)
def test_the_hook_finds_names_whatever_their_case(path: str, taken: bool) -> None:
    found = re.search(hook()["files"], path) and not re.search(hook()["exclude"], path)
    assert bool(found) is taken
