"""``netpol diff``: sides without policies, and what deleting policies would do."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

import netpol
from cli_support import FLOWS, failure, run
from netpol.kube.policies import policies_from_objects
from netpol.model.errors import ConfigError, ManifestError
from netpol.policy.selecting import only, without
from netpol.report.words.formats import CI_FORMATS
from worlds import policy

pytestmark = pytest.mark.usefixtures("in_examples")

CLUSTER = ["-c", "guide/cluster.yaml"]
POLICIES = "guide/policies.yaml"
SAID = "before: no policies, so nothing is denied"


def diff(*words: str, before: str, after: str = POLICIES) -> tuple[dict[str, object], str]:
    """Give the JSON and what was said on stderr."""
    sides = ["--before", before, "--after", after]
    result = run("diff", FLOWS, *CLUSTER, *sides, "-o", "json", *words)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout), result.stderr


def git(folder: Path, *words: str) -> None:
    command = ["git", "-c", "user.name=n", "-c", "user.email=e@example.org", *words]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose only commit has no policies, as the current directory."""
    for name in ("policies", "cluster"):
        (tmp_path / f"{name}.yaml").write_bytes(Path(f"guide/{name}.yaml").read_bytes())
    (tmp_path / "flows.csv").write_bytes(Path(FLOWS).read_bytes())
    (tmp_path / "README").write_text("no policies yet\n")
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", "README")
    git(tmp_path, "commit", "-q", "-m", "first")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_way_to_have_no_policies_is_the_same(tmp_path: Path) -> None:
    empty, none = tmp_path / "empty", tmp_path / "none.yaml"
    empty.mkdir()
    none.write_text("# soon\n")
    said, stderr = diff(before="none")
    assert said["policies"] == [0, 3]
    assert said["newly_denied"]["flows"] > 0  # type: ignore[index]
    assert stderr.startswith(f"netpol: warning: {SAID}\n")
    assert diff(before=str(empty))[0] == said
    assert diff(before=str(none))[0] == said
    only_pods = tmp_path / "pods.yaml"
    only_pods.write_bytes(Path("guide/cluster.yaml").read_bytes())
    assert diff(before=str(only_pods))[0] == said
    after, _ = diff(before=POLICIES, after="none")
    assert after["policies"] == [3, 0]
    assert after["newly_denied"]["flows"] == 0  # type: ignore[index]


def test_a_revision_that_lacks_the_path(repository: Path) -> None:
    words = ["diff", "flows.csv", "-c", "cluster.yaml", "-o", "json"]
    result = run(*words, "-p", "policies.yaml", "--before", "main")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["policies"] == [0, 3]
    assert "before: no policies (main:policies.yaml: not in this revision)" in result.stderr
    written = run(*words, "--before", "main:policies.yaml", "--after", "policies.yaml")
    assert written.stdout == result.stdout
    # Of several paths, those that are there are read.
    git(repository, "add", "policies.yaml")
    git(repository, "commit", "-q", "-m", "second")
    (repository / "more").mkdir()
    (repository / "more" / "p.yaml").write_text(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: more}\n"
        "spec: {podSelector: {}}\n"
    )
    both = run(*words, "-p", "policies.yaml", "-p", "more", "--before", "main")
    assert json.loads(both.stdout)["policies"] == [3, 4]
    assert "before: main:more: not in this revision" in both.stderr


def test_a_revision_that_does_not_exist_is_an_error(repository: Path) -> None:
    words = ["diff", "flows.csv", "-c", "cluster.yaml", "-p", "policies.yaml"]
    message = failure(run(*words, "--before", "mian"))
    assert "mian" in message
    assert "'none' is a side without policies" in message


@pytest.mark.parametrize("output", ["table", *CI_FORMATS])
def test_every_output_says_it(output: str) -> None:
    words = ["--before", "none", "--after", POLICIES, "-q", "-o", output]
    flows = run("diff", FLOWS, *CLUSTER, *words)
    pairs = run("diff", "--exhaustive", *CLUSTER, *words)
    for result in (flows, pairs):
        assert result.exit_code == 0, result.output
        assert SAID in result.stdout
        assert result.stderr == ""


def test_exhaustive_json_counts_policies() -> None:
    result = run("diff", "--exhaustive", *CLUSTER, "--after", "none", "-p", POLICIES, "-o", "json")
    assert json.loads(result.stdout)["policies"] == [3, 0]


def test_the_page_says_it(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    words = ["--before", "none", "--after", POLICIES, "-q", "--report", str(page)]
    assert run("diff", FLOWS, *CLUSTER, *words).exit_code == 0
    assert SAID in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--before", "none", "--after", "none"], "neither side has a policy"),
        (["--before", "none", "--before", POLICIES, "-p", POLICIES], "stands alone"),
        (["--after", POLICIES], "no network policy found"),  # of the cluster: not asked for?
        (["--after", POLICIES], "or say --before none if there are none"),
        (["--before", "no-such-file.yaml", "-p", POLICIES], "no-such-file.yaml"),
    ],
)
def test_what_is_no_side(words: list[str], message: str) -> None:
    assert message in failure(run("diff", FLOWS, *CLUSTER, *words))


def test_a_file_that_is_called_none_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("policies.yaml", "cluster.yaml", "flows.csv"):
        (tmp_path / name).write_bytes(Path("guide", name).read_bytes())
    (tmp_path / "none").write_bytes((tmp_path / "policies.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)
    sides = ["--before", "none", "--after", "policies.yaml"]
    result = run("diff", "flows.csv", "-c", "cluster.yaml", *sides, "-o", "json")
    assert json.loads(result.stdout)["policies"] == [3, 3]


def test_python_reads_no_policies_on_request(tmp_path: Path) -> None:
    (tmp_path / "none.yaml").write_text("")
    for path in (tmp_path, tmp_path / "none.yaml", "guide/cluster.yaml"):
        assert len(netpol.read_policies(path, allow_empty=True)) == 0
        with pytest.raises(ManifestError, match=r"no network policy found|the file is empty"):
            netpol.read_policies(path)
    with pytest.raises(ManifestError):  # nowhere is not nothing
        netpol.read_policies(tmp_path / "nowhere", allow_empty=True)
    (tmp_path / "none.yaml").unlink()
    assert len(netpol.read_policies(tmp_path, allow_empty=True)) == 0
    with pytest.raises(ManifestError, match=r"no \*\.yaml"):
        netpol.read_policies(tmp_path)


# --- --without and --only -------------------------------------------------------------------------

DB = "default/my-network-policy"


def changed(*words: str) -> dict[str, object]:
    result = run("diff", FLOWS, *CLUSTER, "-q", "-o", "json", *words)
    assert result.exit_code == 0, result.output
    found: dict[str, object] = json.loads(result.stdout)
    return found


def cut(folder: Path, *keep: str) -> str:
    """Write the policies whose name is among ``keep``."""
    documents = Path(POLICIES).read_text(encoding="utf-8").split("\n---\n")
    kept = [text for text in documents if any(f"name: {name}\n" in text for name in keep)]
    path = folder / "kept.yaml"
    path.write_text("\n---\n".join(kept))
    return str(path)


def same(first: dict[str, object], second: dict[str, object]) -> bool:
    """Whether two diffs say the same, whatever file they say it of."""
    text = [json.dumps(one).replace("kept.yaml", POLICIES) for one in (first, second)]
    keys = ("total", "differing", "verdicts", "policies")
    return all(first[key] == second[key] for key in keys) and len(text) == 2


def test_deleting_a_policy_is_leaving_it_out(tmp_path: Path) -> None:
    kept = cut(tmp_path, "deny-all-ingress", "allow-all-egress")
    by_hand = changed("--before", POLICIES, "--after", kept)
    for words in (["-p", POLICIES], ["--before", POLICIES]):
        found = changed(*words, "--without", DB)
        assert same(found, by_hand)
        assert found["policies"] == [3, 2]
        assert [(one["what"], one["label"]) for one in found["changes"]] == [("removed", DB)]  # type: ignore[attr-defined]
    alone = changed("-p", POLICIES, "--only", "closed/deny-all-ingress", "--only", "open/*")
    assert same(alone, by_hand)
    both = changed("-p", POLICIES, "--only", "*/*", "--without", f"netpol/{DB}")
    assert same(both, by_hand)


def test_deleting_every_policy_is_a_side_without_any() -> None:
    result = run("diff", FLOWS, *CLUSTER, "-p", POLICIES, "--without", "*/*")
    assert result.exit_code == 0
    assert "after: no policies, so nothing is denied" in result.stdout


@pytest.mark.parametrize("more", [["--exhaustive"], [FLOWS]])
@pytest.mark.parametrize("output", ["table", "json", "csv", *CI_FORMATS])
def test_every_output_can_ask_it(more: list[str], output: str) -> None:
    words = ["diff", *more, *CLUSTER, "-p", POLICIES, "--without", DB, "-q", "-o", output]
    assert run(*words).exit_code == 0
    assert run(*words, "--fail-on", "newly-allowed").exit_code == 1


def test_the_page_can_ask_it(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    words = ["-p", POLICIES, "--without", DB, "-q", "--report", str(page)]
    assert run("diff", FLOWS, *CLUSTER, *words).exit_code == 0
    assert f"removed NetworkPolicy {DB}" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--without", "default/my-netwrk-policy"], DB),
        (["--without", "my-network-policy"], DB),
        (["--without", "shop/my-network-policy"], DB),
        (["--without", f"anp/{DB}"], DB),
        (["--only", "zzz"], "zzz: no such policy; there are closed/deny-all-ingress"),
        (["--without", "zzz/*"], "zzz/*: no such policy"),
        (["--without", DB, "--after", POLICIES], "leave --after out"),
    ],
)
def test_unknown_policies_are_errors_with_suggestions(words: list[str], message: str) -> None:
    assert message in failure(run("diff", FLOWS, *CLUSTER, "-p", POLICIES, *words))


def cluster_policy(kind: str, version: str, name: str, **spec: object) -> dict[str, object]:
    return {
        "apiVersion": f"policy.networking.k8s.io/{version}",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"subject": {"namespaces": {}}, **spec},
    }


def test_policies_of_every_kind_are_named() -> None:
    found = policies_from_objects(
        [
            policy("anp", {"podSelector": {}}, "a"),
            policy("shop", {"podSelector": {}}, "a"),
            cluster_policy("AdminNetworkPolicy", "v1alpha1", "a", priority=1),
            cluster_policy("AdminNetworkPolicy", "v1alpha1", "b", priority=2),
            cluster_policy("BaselineAdminNetworkPolicy", "v1alpha1", "default"),
            cluster_policy("ClusterNetworkPolicy", "v1alpha2", "b", tier="Admin", priority=3),
        ]
    )

    def labels(name: str) -> set[str]:
        kept = only(found, [name])
        left = without(found, [name])
        assert len(kept) + len(left) == len(found)
        return {one.label for one in (*kept.policies, *kept.cluster_policies)}

    assert labels("shop/a") == {"shop/a"}
    assert labels("NetworkPolicy/shop/a") == labels("netpol/shop/a") == {"shop/a"}
    assert labels("networkpolicies.networking.k8s.io/shop/a") == {"shop/a"}
    assert labels("networkpolicy/*/a") == {"shop/a", "anp/a"}
    assert labels("AdminNetworkPolicy/b") == labels("anp/b") == {"AdminNetworkPolicy/b"}
    assert labels("adminnetworkpolicies/*") == {"AdminNetworkPolicy/a", "AdminNetworkPolicy/b"}
    assert labels("banp/default") == {"BaselineAdminNetworkPolicy/default"}
    assert labels("cnp/b") == {"ClusterNetworkPolicy/b"}
    with pytest.raises(ConfigError, match="two kinds; write NetworkPolicy/anp/a or AdminNetwork"):
        labels("anp/a")
    with pytest.raises(ConfigError, match=r"close are .*AdminNetworkPolicy/a"):
        labels("BaselineAdminNetworkPolicy/a")
