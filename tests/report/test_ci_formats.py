"""What CI systems read: github, sarif, junit and markdown, on findings with hostile names."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli_support import golden, run
from netpol.report.ci.formats import Heading, render
from netpol.report.ci.markdown import escape_markdown
from netpol.report.ci.paths import Repository
from netpol.report.words.annotations import Annotation
from netpol.report.words.codes import CHECK_CODES
from netpol.report.words.formats import CI_FORMATS

HOSTILE = "\udc80x|`<b>*_[l](http://e.x)\x1b[2J\u202e @team #1 ::error::\ufffe%0A\r\n::warning::y"
FINDINGS = [
    Annotation("note", "aside", "an aside", "never mind", identity=("z",)),
    Annotation("warning", "hostile", HOSTILE, HOSTILE, HOSTILE, 3, (HOSTILE,), 12),
    Annotation(
        "error", "newly-denied", "denied now", "a to b", "p/a b.yaml", 7, ("p", "a", "b"), 2
    ),
    Annotation("error", "newly-denied", "denied now", "a to c", "p/a b.yaml", 7, ("p", "a", "b")),
]
HEADING = Heading(
    "diff", ("2 flows",), {"newly-denied": "A flow is denied now."}, ("NetworkPolicy x/q",)
)

POLICIES = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: good, namespace: shop}
spec: {podSelector: {}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: open, namespace: shop}
spec:
  podSelector: {}
  egress: [{to: [{podSelector: {}}]}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: 'a|`<b>', namespace: shop}
spec:
  podSelector: {matchLabels: {"\\e[2J|@team": b}}
  ingress: [{ports: [{}]}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: wrong, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [ingress]
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with policies, the command standing in a directory of it."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "policies.yaml").write_text(POLICIES)
    monkeypatch.chdir(tmp_path / "deploy")
    return tmp_path


@pytest.mark.parametrize("output", CI_FORMATS)
@pytest.mark.usefixtures("repository")
def test_check_in_each_format(output: str) -> None:
    result = run("check", "policies.yaml", "-o", output)
    assert result.exit_code == 2
    golden(f"check-{output}.txt", result.stdout.replace(run("-V").stdout.split()[-1], "VERSION"))
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize("output", ["table", "json", *CI_FORMATS])
def test_exit_codes_are_the_same_in_every_format(output: str, repository: Path) -> None:
    good, open_, _, wrong = POLICIES.split("---\n")
    for name, text in (("good", good), ("open", open_), ("wrong", wrong)):
        (repository / f"{name}.yaml").write_text(text)
    path = str(repository)
    assert run("check", f"{path}/good.yaml", "-o", output, "--strict").exit_code == 0
    assert run("check", f"{path}/open.yaml", "-o", output).exit_code == 0
    assert run("check", f"{path}/open.yaml", "-o", output, "--strict").exit_code == 1
    assert run("check", f"{path}/open.yaml", "-o", output, "--fail-on", "warning").exit_code == 1
    assert run("check", f"{path}/wrong.yaml", "-o", output).exit_code == 2


@pytest.mark.parametrize("output", CI_FORMATS)
def test_no_findings(output: str) -> None:
    text = render(output, [], Heading("check", ("1 valid policy",)))
    assert text.endswith("\n")
    assert "1 valid policy" in text


# --- GitHub ---------------------------------------------------------------------------------------


def commands(text: str) -> list[tuple[str, dict[str, str], str]]:
    """Read workflow commands as the runner does."""
    found = []
    for line in text.splitlines():
        match = re.fullmatch(r"::(\w+) ?(.*?)::(.*)", line)
        if match:
            settings = dict(word.split("=", 1) for word in match[2].split(",") if word)
            found.append(
                (match[1], {k: unquote(v) for k, v in settings.items()}, unquote(match[3]))
            )
    return found


def test_github_commands_read_back() -> None:
    found = commands(render("github", FINDINGS, HEADING))
    assert [each[0] for each in found] == ["error", "error", "warning", "notice"]
    assert found[0][1] == {"file": "p/a b.yaml", "line": "7", "title": "netpol: denied now"}
    assert found[0][2] == "a to b [newly-denied]"
    message = found[2][2]
    assert message.startswith("\\udc80x|`<b>*_[l](http://e.x)\\x1b[2J\\u202e @team #1 ::error::")
    assert "\n::warning::y" in message  # an escaped line break, within one command
    assert found[2][1]["line"] == "3"


def test_a_name_cannot_be_a_workflow_command() -> None:
    text = render("github", [], Heading("check", ("\n::error::gotcha",)))
    assert commands(text) == []


# --- SARIF ----------------------------------------------------------------------------------------


def check_sarif(document: Any) -> list[Any]:
    """Check what SARIF 2.1.0 demands of the properties that are used; give the results."""
    assert document["version"] == "2.1.0"  # 3.13.2
    assert document["$schema"].endswith("sarif-2.1.0.json")
    for one in document["runs"]:
        assert set(one) <= {
            "tool", "automationDetails", "columnKind", "originalUriBaseIds", "results",
            "properties",
        }  # fmt: skip
        assert one["columnKind"] in ("utf16CodeUnits", "unicodeCodePoints")  # 3.14.17
        driver = one["tool"]["driver"]  # 3.18.2
        assert driver["name"]  # 3.19.8
        ids = [rule["id"] for rule in driver["rules"]]
        assert len(set(ids)) == len(ids)  # 3.19.23
        for rule in driver["rules"]:
            for key in ("shortDescription", "fullDescription", "help"):
                assert rule[key]["text"]  # 3.12.3
            assert rule["defaultConfiguration"]["level"] in ("none", "note", "warning", "error")
        prints = set()
        for result in one["results"]:
            assert result["message"]["text"]  # 3.27.11
            assert result["level"] in ("none", "note", "warning", "error")  # 3.27.10
            assert ids[result["ruleIndex"]] == result["ruleId"]  # 3.27.6
            (value,) = result["partialFingerprints"].values()  # 3.27.17
            prints.add(value)
            assert result["locations"]  # code scanning refuses a result without one
            for location in result["locations"]:
                place = location["physicalLocation"]
                artifact = place["artifactLocation"]
                assert not re.search(r"[^!#-;=?-Z_a-z~\[\]@%]", artifact["uri"])  # 3.4.3: a URI
                if "uriBaseId" in artifact:
                    assert not artifact["uri"].startswith("/")
                    assert artifact["uriBaseId"] in one["originalUriBaseIds"]  # 3.14.14
                assert place.get("region", {}).get("startLine", 1) >= 1  # 3.30.5
        assert len(prints) == len(one["results"])
    return [result for one in document["runs"] for result in one["results"]]


def test_sarif_is_what_the_specification_demands() -> None:
    results = check_sarif(json.loads(render("sarif", FINDINGS, HEADING)))
    assert [each["level"] for each in results] == ["error", "error", "warning", "note"]
    place = results[0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "p/a%20b.yaml", "uriBaseId": "%SRCROOT%"}
    assert place["region"] == {"startLine": 7}
    nowhere = results[3]["locations"][0]["physicalLocation"]
    assert nowhere == {"artifactLocation": {"uri": ".", "uriBaseId": "%SRCROOT%"}}
    assert results[2]["properties"] == {"flows": 12}


def test_sarif_of_check_names_no_path_of_the_machine(repository: Path) -> None:
    given = repository / "deploy" / "policies.yaml"
    for name in ("policies.yaml", str(given), "../deploy/policies.yaml"):
        text = run("check", name, "-o", "sarif").stdout
        results = check_sarif(json.loads(text))
        assert str(repository) not in text
        assert {
            each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for each in results
        } == {"deploy/policies.yaml"}


def fingerprints(text: str) -> set[str]:
    return {
        value
        for result in json.loads(text)["runs"][0]["results"]
        for value in result["partialFingerprints"].values()
    }


def test_fingerprints_stay_when_lines_move_and_counts_change(repository: Path) -> None:
    before = fingerprints(run("check", "policies.yaml", "-o", "sarif").stdout)
    path = repository / "deploy" / "policies.yaml"
    path.write_text("# a comment\n\n" + POLICIES)
    assert fingerprints(run("check", "policies.yaml", "-o", "sarif").stdout) == before
    moved = [replace(each, line=99, flows=1_000, message="other") for each in FINDINGS]
    one, other = (fingerprints(render("sarif", each, HEADING)) for each in (FINDINGS, moved))
    assert one == other
    renamed = [replace(each, identity=("other",)) for each in FINDINGS]
    assert not one & fingerprints(render("sarif", renamed, HEADING))


def test_fingerprints_are_the_same_in_another_checkout(tmp_path: Path) -> None:
    found = set()
    for name in ("one", "two"):
        folder = tmp_path / name
        (folder / ".git").mkdir(parents=True)
        (folder / "p.yaml").write_text(POLICIES)
        found.add(
            frozenset(fingerprints(run_in(folder, "check", f"{folder}/p.yaml", "-o", "sarif")))
        )
    assert len(found) == 1


def run_in(folder: Path, *words: str) -> str:
    result = subprocess.run(
        [sys.executable, "-m", "netpol", *words], cwd=folder, capture_output=True, check=False
    )
    return result.stdout.decode()


# --- JUnit ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("gated", "failures"), [({"error"}, 2), ({"error", "warning"}, 3)])
def test_junit_reads_back(gated: set[str], failures: int) -> None:
    heading = replace(HEADING, gated=frozenset(gated))
    root = ET.fromstring(render("junit", FINDINGS, heading))
    suite = root.find("testsuite")
    assert suite is not None
    cases = suite.findall("testcase")
    assert len(cases) == int(suite.attrib["tests"]) == len(FINDINGS) + 1
    assert len(suite.findall(".//failure")) == int(suite.attrib["failures"]) == failures
    assert cases[0].attrib["classname"] == "netpol.diff.newly-denied"
    assert cases[-1].attrib == {"classname": "netpol.diff", "name": "NetworkPolicy x/q"}
    body = cases[2].find("failure") if failures == 3 else cases[2].find("system-out")
    assert body is not None
    assert body.text is not None
    assert "\\x1b[2J\\u202e @team #1 ::error::\\ufffe" in body.text


# --- Markdown -------------------------------------------------------------------------------------


def test_markdown_escapes_names() -> None:
    text = render("markdown", FINDINGS, HEADING)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert all(re.fullmatch(r"\|[^|]*\|[^|]*\|[^|]*\|", row) for row in rows)
    row = next(row for row in rows if "hostile" in row)
    cells = row.replace("<!-- -->", "").replace("<br>", "").replace("(`hostile`)", "")
    assert not re.search(r"[<>`\[\]\\]", cells)
    assert "@team" not in row
    assert "#1" not in row.replace("&#1", "")
    assert "http://" not in row
    assert escape_markdown("shop/web-0 to data/db-0: 12") == "shop/web-0 to data/db-0: 12"


def test_markdown_is_bounded() -> None:
    for letter in "m*@":
        many = [replace(FINDINGS[2], message=letter * 9_999)] * 500
        text = render("markdown", many, HEADING)
        assert len(text) < 65_536
        rows = text.count("error |")
        assert rows
        assert text.endswith(f"\nand {500 - rows} more\n")


# --- whatever the text ----------------------------------------------------------------------------

WORDS = st.text(min_size=1, max_size=40)
ANNOTATIONS = st.builds(
    Annotation,
    st.sampled_from(["error", "warning", "note"]),
    st.sampled_from(["some-code", "other-code"]),
    WORDS,
    WORDS,
    st.none() | st.text(min_size=1, max_size=20).filter(lambda name: "\0" not in name),
    st.none() | st.integers(1, 9_999),
    st.tuples(WORDS),
)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.lists(ANNOTATIONS, max_size=4), st.tuples(WORDS))
def test_any_text_is_safe(annotations: list[Annotation], counts: tuple[str]) -> None:
    heading = Heading("check", counts, passed=counts)
    texts = {output: render(output, annotations, heading) for output in CI_FORMATS}
    assert len(commands(texts["github"])) == len(annotations)
    assert texts["github"].count("\n") == len(annotations) + 1
    assert len(check_sarif(json.loads(texts["sarif"]))) == len(annotations)
    root = ET.fromstring(texts["junit"])
    assert len(root.findall(".//testcase")) == len(annotations) + 1
    rows = [line for line in texts["markdown"].splitlines() if line.startswith("|")]
    assert len(rows) == (len(annotations) + 2 if annotations else 0)
    for text in texts.values():
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
        text.encode()


# --- shared ---------------------------------------------------------------------------------------


def test_paths_are_relative_to_the_repository(tmp_path: Path) -> None:
    (tmp_path / "r" / ".git").mkdir(parents=True)
    here = tmp_path / "r" / "a"
    here.mkdir()
    repository = Repository.around(here)
    assert repository.relative("p.yaml") == "a/p.yaml"
    assert repository.relative("../p.yaml") == "p.yaml"
    assert repository.relative(str(here / "b" / "p.yaml")) == "a/b/p.yaml"
    assert repository.relative("../../out.yaml") == "../../out.yaml"
    assert repository.relative("<stdin>") == "<stdin>"
    (tmp_path / "link").symlink_to(tmp_path / "r")
    assert repository.relative(str(tmp_path / "link" / "p.yaml")) == "p.yaml"


def test_help_texts_are_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "check.md").read_text()
    texts: dict[str, list[str]] = {}
    for code, text in re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", page, re.MULTILINE):
        texts.setdefault(code, []).append(text.replace("`", ""))
    assert {code: "; or ".join(found) for code, found in texts.items()} == CHECK_CODES
