"""``diff`` and ``coverage`` as findings for CI, as pages, and ``diff --exhaustive``."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import Result

from cli_support import FLOWS, failure, golden, run
from html_support import words

pytestmark = pytest.mark.usefixtures("in_examples")

GUIDE = ["-c", "guide/cluster.yaml", "-q"]
SIDES = ["--before", "guide/policies.yaml", "--after", "guide/proposed.yaml"]
POLICIES = ["-p", "guide/policies.yaml"]


def diff(*more: str) -> Result:
    return run("diff", FLOWS, *GUIDE, *SIDES, *more)


def coverage(*more: str) -> Result:
    return run("coverage", FLOWS, *GUIDE, *POLICIES, *more)


@pytest.mark.parametrize("kind", ["github", "markdown"])
def test_a_diff_as_findings(kind: str) -> None:
    golden(f"diff-{kind}.txt", diff("-o", kind).stdout)


def test_findings_leave_nothing_out_and_gate_alike() -> None:
    everything = diff("-o", "sarif")
    assert diff("-o", "sarif", "--top", "0").stdout == everything.stdout
    results = json.loads(everything.stdout)["runs"][0]["results"]
    assert {one["ruleId"] for one in results} <= {
        "newly-denied", "newly-allowed", "newly-unknown", "other-rule",
    }  # fmt: skip
    assert results
    for kind in ("github", "sarif", "junit", "markdown"):
        assert diff("-o", kind, "--fail-on", "newly-denied,newly-allowed").exit_code == 1
        assert diff("-o", kind).exit_code == 0


def test_coverage_as_findings(tmp_path: Path) -> None:
    unused = tmp_path / "unused.yaml"
    unused.write_text(
        "apiVersion: networking.k8s.io/v1\n"
        "kind: NetworkPolicy\n"
        "metadata: {name: unused}\n"
        "spec:\n"
        "  podSelector: {matchLabels: {role: db}}\n"
        "  ingress:\n"
        "    - ports: [{port: 9999}]\n",
        encoding="utf-8",
    )
    more = ["-p", str(unused)]
    assert "line=7," in coverage(*more, "-o", "github").stdout
    suite = ElementTree.fromstring(coverage(*more, "-o", "junit", "--fail-on", "never-hit").stdout)
    assert len(list(suite.iter("failure"))) == 1
    assert not list(ElementTree.fromstring(coverage("-o", "junit").stdout).iter("failure"))
    assert coverage(*more, "-o", "markdown", "--fail-on", "never-hit").exit_code == 1


def test_pages_of_a_diff_and_of_coverage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1769860805")
    page = tmp_path / "page.html"
    assert diff("--report", str(page)).stdout == diff().stdout
    shown = words(page.read_bytes())
    for part in ("Verdicts, before and after", "Newly denied", "What changed", "How this was made"):
        assert part in shown
    assert coverage("--report", str(page)).stdout == coverage().stdout
    shown = words(page.read_bytes())
    for part in ("Rules never hit", "Rules and elements", "default/my-network-policy", "Pods"):
        assert part in shown


def test_a_page_shows_more_than_the_top(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert diff("--top", "0", "--report", str(page)).stdout == diff("--top", "0").stdout
    assert "open/crawler" in words(page.read_bytes())
    assert "open/crawler" not in diff("--top", "0").stdout.partition("Changes, and")[0]


EXHAUSTIVE = ["diff", *GUIDE, *SIDES, "--exhaustive"]
SAME = ["diff", *GUIDE, "--before", "guide/policies.yaml", "--after", "guide/policies.yaml"]
NEWLY = "newly-denied,newly-allowed,newly-unknown"


def test_an_exhaustive_diff() -> None:
    golden("diff-exhaustive.txt", run(*EXHAUSTIVE).stdout)
    assert json.loads(run(*EXHAUSTIVE, "-o", "json").stdout)["other_rules"] is None
    assert run(*EXHAUSTIVE, "--fail-on", "newly-denied,newly-allowed").exit_code == 1
    assert run(*EXHAUSTIVE, "--fail-on", "newly-unknown").exit_code == 0
    result = run(*SAME, "--exhaustive", "--fail-on", f"{NEWLY},other-rule")
    assert result.exit_code == 0
    assert "equivalent" in result.stdout


def test_the_same_verdict_by_another_rule(tmp_path: Path) -> None:
    listed = [*EXHAUSTIVE, "--other-rule"]
    golden("diff-exhaustive-rules.txt", run(*listed).stdout)
    golden("diff-exhaustive.csv", run(*listed, "-o", "csv").stdout)
    golden("diff-exhaustive.json", run(*listed, "-o", "json").stdout)
    # The same policy twice under another name: equivalent, and only a gate for rules fails.
    text = Path("guide/policies.yaml").read_text(encoding="utf-8")
    renamed = tmp_path / "renamed.yaml"
    renamed.write_text(text.replace("my-network-policy", "renamed"), encoding="utf-8")
    sides = ["diff", *GUIDE, "--before", "guide/policies.yaml", "--after", str(renamed)]
    result = run(*sides, "--exhaustive", "--fail-on", NEWLY)
    assert result.exit_code == 0
    assert "equivalent" in result.stdout
    assert "judged the same by another rule" in result.stdout
    assert run(*sides, "--exhaustive", "--fail-on", "other-rule").exit_code == 1
    assert run(*sides, "--exhaustive", "-o", "csv").stdout.count("\n") == 1
    assert "other-rule," in run(*sides, "--exhaustive", "-o", "csv", "--other-rule").stdout


@pytest.mark.parametrize("kind", ["github", "markdown"])
def test_an_exhaustive_diff_as_findings(kind: str) -> None:
    golden(f"diff-exhaustive-{kind}.txt", run(*EXHAUSTIVE, "--other-rule", "-o", kind).stdout)


def test_exhaustive_findings_gate_alike(tmp_path: Path) -> None:
    for kind in ("github", "sarif", "junit", "markdown"):
        assert run(*EXHAUSTIVE, "-o", kind, "--fail-on", "newly-denied").exit_code == 1
        assert run(*EXHAUSTIVE, "-o", kind).exit_code == 0
    results = json.loads(run(*EXHAUSTIVE, "-o", "sarif").stdout)["runs"][0]["results"]
    assert {one["ruleId"] for one in results} == {"newly-denied", "newly-allowed"}
    places = [one["locations"][0]["physicalLocation"] for one in results]
    assert all(place["artifactLocation"]["uri"].endswith(".yaml") for place in places)
    for gate, failures in (((), 0), (("--fail-on", "newly-denied"), 1)):
        suite = ElementTree.fromstring(run(*EXHAUSTIVE, "-o", "junit", *gate).stdout)
        assert len(list(suite.iter("failure"))) == failures
    file = tmp_path / "found.sarif"
    assert run(*EXHAUSTIVE, "-o", "sarif", "--output-file", str(file)).stdout == ""
    assert file.read_text(encoding="utf-8") == run(*EXHAUSTIVE, "-o", "sarif").stdout


def test_an_exhaustive_diff_takes_no_flows() -> None:
    assert "takes no flows" in failure(diff("--exhaustive"))
    assert "FLOWS" in failure(run("diff", *GUIDE, *SIDES))
    assert "table, json, csv" in failure(run(*EXHAUSTIVE, "-o", "parquet"))
    assert "is for --exhaustive" in failure(diff("--other-rule"))
