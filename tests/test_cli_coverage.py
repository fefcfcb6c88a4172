"""``netpol coverage`` on the command line: every output, exit codes, files that are annotated."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest
from click.testing import Result

from cli_support import EXAMPLES, FLOWS, GUIDE, failure, golden, run
from netpol.kube.policies import read_policies

pytestmark = pytest.mark.usefixtures("in_examples")

LAB = [
    "lab/node1.conntrack.txt", "lab/node2.conntrack.txt", "--dedup", "-c", "lab/cluster.json",
    "-p", "lab/policies", "--node-address", "node1=10.244.1.1",
]  # fmt: skip


def guide(*words: str, stdin: str | None = None) -> Result:
    return run("coverage", FLOWS, *GUIDE, "-q", *words, stdin=stdin)


@pytest.mark.parametrize("width", [80, 120])
def test_table(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    golden(f"coverage-guide-{width}.txt", guide().stdout)
    golden(f"coverage-lab-{width}.txt", run("coverage", *LAB).stdout)


def test_json() -> None:
    golden("coverage-guide.json", guide("-o", "json").stdout)


def test_yaml() -> None:
    golden("coverage-guide.yaml", guide("-o", "yaml").stdout)
    golden("coverage-lab.yaml", run("coverage", *LAB, "-o", "yaml").stdout)


def test_counts_are_those_of_replay() -> None:
    """Matched flows are the same with rules split into elements and without."""
    words = [*LAB, "-o", "json"]
    found = json.loads(run("coverage", *words).stdout)
    replayed = json.loads(run("replay", *words).stdout)
    assert found["evidence"]["verdicts"] == {
        verdict: sums["flows"] for verdict, sums in replayed["verdicts"].items()
    }
    for mine, theirs in zip(found["policies"], replayed["policies"], strict=True):
        assert mine["policy"] == theirs["policy"]
        assert [(rule["side"], rule["rule"], rule["flows"]) for rule in mine["rules"]] == [
            (rule["side"], rule["rule"], rule["matched"]["flows"]) for rule in theirs["rules"]
        ]


@pytest.mark.parametrize("jobs", ["1", "3"])
@pytest.mark.parametrize("log", [LAB[:1], LAB[:3]], ids=["text", "dedup"])
def test_the_number_of_threads_changes_nothing(jobs: str, log: list[str]) -> None:
    words = [*log, *LAB[3:], "-o", "json"]
    assert run("coverage", *words, "-j", jobs).stdout == run("coverage", *words).stdout


def test_fail_on_never_hit() -> None:
    assert guide("--fail-on", "never-hit").exit_code == 0
    assert run("coverage", *LAB, "--fail-on", "never-hit").exit_code == 1


# --- annotated files ------------------------------------------------------------------------------


def test_annotated_files_are_the_same_policies(tmp_path: Path) -> None:
    result = run("coverage", *LAB, "--annotate-dir", str(tmp_path / "new" / "place"))
    assert result.exit_code == 0
    for path in (EXAMPLES / "lab/policies").iterdir():
        written = tmp_path / "new" / "place" / path.name
        before, after = read_policies([path]), read_policies([written])
        assert [one.policy for one in before.policies] == [one.policy for one in after.policies]
        lines = path.read_text().splitlines(), written.read_text().splitlines()
        assert all(new.startswith(old) for old, new in zip(*lines, strict=True))
    assert "# egress[0]: never hit" in (tmp_path / "new/place/kube-system.yaml").read_text()


def test_annotating_never_overwrites_a_policy_file(tmp_path: Path) -> None:
    policies = tmp_path / "policies.yaml"
    shutil.copy("guide/policies.yaml", policies)
    words = ["coverage", FLOWS, *GUIDE[:2], "-q", "-p", str(policies)]
    message = failure(run(*words, "--annotate-dir", str(tmp_path)))
    assert "is the policy file itself" in message
    assert policies.read_text() == Path("guide/policies.yaml").read_text()


def test_packed_files_are_annotated_unpacked(tmp_path: Path) -> None:
    packed = tmp_path / "policies.yaml.gz"
    packed.write_bytes(gzip.compress(Path("guide/policies.yaml").read_bytes()))
    words = ["coverage", FLOWS, *GUIDE[:2], "-q", "-p", str(packed)]
    assert run(*words, "--annotate-dir", str(tmp_path)).exit_code == 0
    assert (tmp_path / "policies.yaml").read_text() == guide("-o", "yaml").stdout


def test_json_and_standard_input_cannot_be_annotated(tmp_path: Path) -> None:
    text = Path("guide/policies.yaml").read_text()
    words = ["coverage", FLOWS, *GUIDE[:2], "-p", "-", "-o", "yaml", "-q"]
    assert "no policy file can carry comments" in failure(run(*words, stdin=text))
    policy = tmp_path / "policy.json"
    policy.write_text(
        '{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"p"}}'
    )
    words = ["coverage", FLOWS, *GUIDE, "-p", str(policy), "-o", "yaml"]
    result = run(*words)
    assert "JSON has no comments" in result.stderr
    assert result.stdout == guide("-o", "yaml").stdout


# --- times ----------------------------------------------------------------------------------------


def test_first_and_last_hit(tmp_path: Path) -> None:
    log = tmp_path / "flows.csv"
    log.write_text(
        "time,src,dst,protocol,port\n"
        "2026-03-01T10:00:00Z,10.244.0.11,10.244.0.10,tcp,6379\n"
        "2026-03-01T11:30:00Z,10.244.0.11,10.244.0.10,tcp,6379\n"
        "2026-03-01T12:00:00Z,10.244.0.12,10.244.0.10,tcp,6379\n"
    )
    words = ["coverage", str(log), *GUIDE, "-q"]
    found = json.loads(run(*words, "-o", "json").stdout)
    evidence = found["evidence"]
    assert (evidence["first"], evidence["last"]) == ("2026-03-01T10:00:00Z", "2026-03-01T12:00:00Z")
    (rule,) = [r for r in found["policies"][1]["rules"] if r["side"] == "ingress"]
    assert (rule["first"], rule["last"]) == ("2026-03-01T10:00:00Z", "2026-03-01T11:30:00Z")
    assert (
        "2 flows, sole reason for 2, last 2026-03-01T11:30:00Z" in run(*words, "-o", "yaml").stdout
    )
    assert "LAST" in run(*words).stdout
