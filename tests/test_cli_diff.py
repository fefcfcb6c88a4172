"""``netpol diff``: what it prints, when it fails, and where it reads each side from."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import Result

from cli_support import EXAMPLES, FLOWS, failure, golden, run

pytestmark = pytest.mark.usefixtures("in_examples")

GUIDE = ["-c", "guide/cluster.yaml", "-q"]
SIDES = ["--before", "guide/policies.yaml", "--after", "guide/proposed.yaml"]
DUMPS = ["lab/node1.conntrack.txt", "lab/node2.conntrack.txt", "--dedup"]
LAB = [*DUMPS, "-c", "lab/cluster.json", "--node-address", "node1=10.244.1.1"]

#: A change to the lab's api: nothing from web any more, and health checks instead of the outside.
WEB = "        - podSelector:\n            matchLabels:\n              app: web\n        - pod"
OFFICE = "cidr: 198.51.100.0/24\n      ports:\n        - port: http"


def diff(*words: str) -> Result:
    return run("diff", FLOWS, *GUIDE, *words)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The lab with a directory ``changed`` beside its policies, as the current directory."""
    shutil.copytree(EXAMPLES / "lab", tmp_path / "lab")
    shutil.copytree(EXAMPLES / "lab" / "policies", tmp_path / "changed")
    shop = tmp_path / "changed" / "shop.yaml"
    text = shop.read_text(encoding="utf-8")
    assert text.count(WEB) == text.count(OFFICE) == 1
    checks = OFFICE.replace("198.51.100.0/24", "10.244.1.0/29")
    shop.write_text(text.replace(WEB, "        - pod").replace(OFFICE, checks), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("width", [80, 120])
def test_the_lab_with_a_change(width: int, lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    result = run("diff", *LAB, "--before", "lab/policies", "--after", "changed")
    assert (result.exit_code, result.stderr) == (0, "")
    golden(f"diff-lab-{width}.txt", result.stdout)


def test_the_lab_with_a_change_as_json_and_records(lab: Path) -> None:
    words = ["diff", *LAB, "--before", "lab/policies", "--after", "changed", "-q"]
    golden("diff-lab.json", run(*words, "-o", "json", "--top", "3").stdout)
    golden("diff-lab.csv", run(*words, "-o", "csv").stdout)
    rows = [json.loads(line) for line in run(*words, "-o", "jsonl").stdout.splitlines()]
    assert len(rows) == run(*words, "-o", "csv").stdout.count("\n") - 1 > 0


def test_what_is_printed_of_the_guide() -> None:
    result = diff(*SIDES)
    assert result.exit_code == 0
    golden("diff-guide.txt", result.stdout)


@pytest.mark.parametrize("output", ["table", "json", "csv", "jsonl", "arrow", "parquet"])
def test_the_gate_is_the_same_in_every_format(output: str, tmp_path: Path) -> None:
    def code(*words: str) -> int:
        file = ["-o", output, "--output-file", str(tmp_path / "out")]
        return diff(*words, *file).exit_code

    assert code(*SIDES) == 0
    assert code(*SIDES, "--fail-on", "newly-denied") == 1
    assert code(*SIDES, "--fail-on", "newly-unknown,newly-allowed") == 1
    assert code(*SIDES, "--fail-on", "newly-unknown,other-rule") == 0
    same = ["--before", "guide/policies.yaml", "--after", "guide/policies.yaml"]
    kinds = "newly-denied,newly-allowed,newly-unknown,other-rule"
    assert code(*same, "--fail-on", kinds) == 0
    assert code("--before", "guide/policies.yaml", "--after", "nowhere", "--fail-on", kinds) == 2


def test_nothing_is_written_if_something_fails(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("old", encoding="utf-8")
    bad = tmp_path / "bad.csv"
    bad.write_text("src,dst,protocol,port\n10.244.0.20,10.244.0.40,tcp,9090\nx,y,tcp,1\n")
    words = ["diff", str(bad), *GUIDE, *SIDES, "--strict", "-o", "csv"]
    failure(run(*words, "--output-file", str(target)))
    assert target.read_text(encoding="utf-8") == "old"
    assert {file.name for file in tmp_path.iterdir()} == {"out.csv", "bad.csv"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-c", "guide/cluster.yaml"], "nothing to compare"),
        (["--before", "guide/policies.yaml"], "name the cluster"),
        (["--cluster-before", "guide/cluster.yaml", *SIDES], "name the cluster"),
        (["-c", "-", "--before", "-", "--after", "guide/policies.yaml"], "only once"),
        ([*GUIDE, *SIDES, "--fail-on", "deny"], "'deny' is not one of newly-denied"),
        ([*GUIDE, "--before", "guide/policies.yaml"], "no network policy found"),
    ],
)
def test_what_makes_no_sense(words: list[str], message: str) -> None:
    result = run("diff", FLOWS, *words)
    assert message in failure(result)


def test_a_side_that_is_not_named_is_the_policies_or_those_of_the_cluster(tmp_path: Path) -> None:
    named = diff("-p", "guide/policies.yaml", "--after", "guide/proposed.yaml").stdout
    assert named == diff(*SIDES).stdout
    both = tmp_path / "both.yaml"
    texts = [(EXAMPLES / "guide" / f"{name}.yaml").read_text() for name in ("cluster", "policies")]
    both.write_text("---\n".join(texts), encoding="utf-8")
    result = run("diff", FLOWS, "-q", "-c", str(both), "--after", "guide/proposed.yaml")
    assert "Newly denied" in result.stdout


def test_a_side_on_stdin() -> None:
    def text(name: str) -> str:
        return (EXAMPLES / "guide" / f"{name}.yaml").read_text(encoding="utf-8")

    expected = diff(*SIDES).stdout
    result = run(
        "diff", FLOWS, *GUIDE, "--before", "-", "--after", "guide/proposed.yaml",
        stdin=text("policies"),
    )  # fmt: skip
    assert result.stdout == expected.replace("guide/policies.yaml", "<stdin>")
    cluster = text("cluster") + "---\n" + text("policies")
    for unnamed, named in (("after", "before"), ("before", "after")):
        words = ["-q", "-c", "-", f"--{named}", "guide/proposed.yaml", "-o", "json"]
        found = json.loads(run("diff", FLOWS, *words, stdin=cluster).stdout)
        assert found["newly_denied"]["flows"] == found["newly_allowed"]["flows"] == 1, unnamed
    clusters = ["--cluster-before", "guide/cluster.yaml", "--cluster-after", "lab/cluster.json"]
    result = run("diff", FLOWS, "-q", "-p", "-", *clusters, stdin=text("policies"))
    assert (result.exit_code, result.stderr) == (0, "")


def test_two_clusters() -> None:
    result = run(
        "diff", FLOWS, "-q", "-o", "json", "-p", "guide/policies.yaml",
        "--cluster-before", "guide/cluster.yaml", "--cluster-after", "lab/cluster.json",
    )  # fmt: skip
    document = json.loads(result.stdout)
    assert [one["what"] for one in document["changes"]] == ["cluster"]
    assert document["changes"][0]["alone"] == document["differing"]
    assert document["newly_allowed"]["flows"] == 7
    judged = document["newly_allowed"]["top"][0]["judged"]
    assert judged[0]["dst"] != judged[1]["dst"] == "external"


# --- git ------------------------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose main has the guide's policies, and whose work tree has others."""
    for variable in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "nobody")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "nobody@example.com")
    root = tmp_path / "repository"
    (root / "policies" / "deep").mkdir(parents=True)
    for name in ("cluster.yaml", "flows.csv"):
        shutil.copy(EXAMPLES / "guide" / name, root / name)
    policies = root / "policies" / "deep" / "all.yaml"
    shutil.copy(EXAMPLES / "guide" / "policies.yaml", policies)
    (root / "policies" / "notes.txt").write_text("no manifest\n", encoding="utf-8")
    (root / "empty").mkdir()
    (root / "empty" / "notes.txt").write_text("no manifest\n", encoding="utf-8")
    (root / "link.yaml").symlink_to("policies/deep/all.yaml")
    (root / "away.yaml").symlink_to("/etc/hostname")
    git(root, "init", "-q", "-b", "main")
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    git(root, "tag", "v1.2")
    shutil.copy(EXAMPLES / "guide" / "proposed.yaml", policies)
    monkeypatch.chdir(root)
    return root


def git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout


def state(root: Path) -> dict[str, bytes]:
    """Everything in the repository and its work tree, index and all."""
    return {str(file): file.read_bytes() for file in sorted(root.rglob("*")) if file.is_file()}


def in_git(*words: str) -> Result:
    return run("diff", "flows.csv", "-c", "cluster.yaml", "-q", "-o", "json", *words)


@pytest.mark.parametrize(
    "words",
    [
        ["-p", "policies", "--before", "main"],
        ["-p", "./policies/", "--before", "v1.2"],
        ["--before", "main", "--after", "policies"],
        ["--before", "v1.2:policies/", "--after", "policies"],
        ["--before", "HEAD:policies/deep/all.yaml", "--after", "policies"],
        ["--before", "main:./policies", "--after", "policies"],
        ["--before", "main:link.yaml", "--after", "policies"],
    ],
)
def test_a_revision_is_read_without_touching_anything(repository: Path, words: list[str]) -> None:
    before = state(repository)
    result = in_git(*words)
    assert result.exit_code == 0, result.stderr
    assert state(repository) == before
    document = json.loads(result.stdout)
    assert (document["newly_denied"]["flows"], document["newly_allowed"]["flows"]) == (1, 1)
    (denied,) = document["newly_denied"]["top"]
    revision = words[words.index("--before") + 1].partition(":")[0]
    file = "link.yaml" if "main:link.yaml" in words else "policies/deep/all.yaml"
    assert denied["judged"][0]["decided_by"][0]["file"] == f"{revision}:{file}"


def test_a_revision_is_found_from_below(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository / "policies")
    result = run(
        "diff", "../flows.csv", "-c", "../cluster.yaml", "-q", "-o", "json",
        "--before", "main", "--after", "deep",
    )  # fmt: skip
    assert json.loads(result.stdout)["newly_denied"]["flows"] == 1


def test_sides_in_the_settings_are_relative_to_their_file(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repository / "netpol.toml").write_text(
        "cluster = ['cluster.yaml']\n[diff]\nbefore = ['main:policies']\nafter = ['policies']\n"
    )
    monkeypatch.chdir(repository / "empty")
    words = ["--config", "../netpol.toml", "diff", "../flows.csv", "-q", "-o", "json"]
    assert json.loads(run(*words).stdout)["newly_denied"]["flows"] == 1


def test_a_path_wins_over_a_revision_of_its_name(repository: Path) -> None:
    git(repository, "branch", "policies")
    result = in_git("--before", "policies", "--after", "policies")
    assert json.loads(result.stdout)["differing"]["flows"] == 0


@pytest.mark.parametrize(
    ("before", "message"),
    [
        ("nothing", "nothing: no such file, and no revision"),
        ("--upload-pack=touch pwned", "no such file, and not the name of a revision"),
        ("-x", "no such file, and not the name of a revision"),
        ("main\nmain", "not the name of a revision"),
        ("main:../policies", "not in the repository"),
        ("main:away.yaml", "main:away.yaml: is a symbolic link to no file of this revision"),
        ("main..v1.2", "no such file, and no revision"),
        (":policies", "not the name of a revision"),
    ],
)
def test_what_is_no_revision_is_one_error(repository: Path, before: str, message: str) -> None:
    shown = failure(in_git(f"--before={before}", "--after", "policies"))
    assert message in shown
    assert shown.count("netpol: error") == 1
    assert not (repository / "pwned").exists()


@pytest.mark.parametrize("path", ["-x", "none", "empty"])
def test_a_revision_may_have_no_policies(repository: Path, path: str) -> None:
    result = in_git(f"--before=main:{path}", "--after", "policies")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["policies"][0] == 0


def test_a_revision_needs_paths(repository: Path) -> None:
    assert "name the paths to read" in failure(in_git("--before", "main", "--after", "HEAD"))


def test_bad_policies_of_a_revision_are_named_by_it(repository: Path) -> None:
    bad = repository / "policies" / "bad.yaml"
    bad.write_text("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nspec: 3\n")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "bad")
    bad.unlink()
    assert "main:policies/bad.yaml:" in failure(in_git("--before", "main", "--after", "policies"))


def test_no_repository_and_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["diff", str(EXAMPLES / FLOWS), "-c", str(EXAMPLES / "guide" / "cluster.yaml")]
    words += ["--before", "main", "--after", str(EXAMPLES / "guide" / "policies.yaml")]
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert "not a git repository" in failure(run(*words))
    monkeypatch.setenv("PATH", str(here))
    assert "git is not installed" in failure(run(*words))
