"""What a person leaves out: --select, --ignore, comments, annotations; what is wrong with them."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from click.testing import CliRunner, Result

from kube.policy_text import manifest
from netpol.cli.main import main
from netpol.lint.comments import comments_in

ALL = manifest("podSelector: {}\ningress: [{}]")  # a note: allows-everything, on line 6


def check(text: str | bytes, *words: str, name: str = "p.yaml") -> Result:
    with TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return CliRunner().invoke(main, ["check", name, *words])


def left(text: str | bytes, *words: str, name: str = "p.yaml") -> list[str]:
    """Give the codes of what is left, and how many were silenced if any."""
    document = json.loads(check(text, "-o", "json", *words, name=name).stdout)
    codes = [each["code"] for each in document["errors"] + document["warnings"]]
    return codes + ([str(document["silenced"])] if document["silenced"] else [])


# --- comments -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        ALL.replace("[{}]", "[{}]  # netpol: ignore allows-everything"),
        ALL.replace("  ingress", "  # netpol: ignore allows-everything\n  ingress"),
        ALL.replace("  ingress", "  # netpol: ignore allows-everything\n\n  # why\n  ingress"),
        ALL.replace("[{}]", "[{}]  # NETPOL: Ignore: allows-everything on purpose"),
        ALL.replace("[{}]", "[{}]  # because # netpol: ignore allows-everything it is meant"),
        ALL.replace("[{}]", "[{}]  # netpol: ignore or-not-and-x,allows-everything").replace(
            "or-not-and-x,", ""
        ),
        ALL.replace("[{}]", "[{}]  # netpol: ignore allows"),  # its first words
        "# netpol: ignore allows-everything\n" + ALL,
        "# netpol: ignore allows-everything\n---\n" + ALL,
        "--- # netpol: ignore allows-everything\n" + ALL,
        ALL.replace("kind: NetworkPolicy", "kind: NetworkPolicy # netpol: ignore all"),
        ALL.replace("metadata", "# netpol: ignore allows-everything\nmetadata"),
    ],
)
def test_comments_that_silence(text: str) -> None:
    assert left(text) == ["1"]
    assert "1 silenced" in check(text).stdout


def test_a_comment_is_about_its_object_alone() -> None:
    other = ALL.replace("name: p", "name: q")
    assert left("# netpol: ignore allows-everything\n" + ALL + "---\n" + other) == [
        "allows-everything",
        "1",
    ]


def test_items_of_a_list_are_objects() -> None:
    item = "".join(f"  {line}\n" for line in ALL.splitlines())
    text = "apiVersion: v1\nkind: List\nitems:\n# netpol: ignore allows-everything\n-" + item[1:]
    assert left(text) == ["1"]
    assert left(text.replace("# netpol", "# nothing")) == ["allows-everything"]


def test_text_that_looks_like_a_comment_is_none() -> None:
    config = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  a: |\n"
        "    # netpol: ignore nosuch\n  b: 'x # netpol: ignore nosuch'\n---\n"
    )
    assert left(config + ALL) == ["allows-everything"]
    assert [
        each.line for each in comments_in("f", f"{config}a: 1 # netpol: ignore x".encode())
    ] == [9]


def test_comments_in_other_encodings_and_on_standard_input() -> None:
    text = "# netpol: ignore allows-everything\n" + ALL
    assert left(b"\xef\xbb\xbf" + text.encode()) == ["1"]
    assert [c.words for c in comments_in("f", text.encode("utf-16"))] == [("allows-everything",)]
    result = CliRunner().invoke(main, ["check", "-"], input=text)
    assert "1 silenced" in result.stdout


def test_comments_on_broken_text_do_no_harm() -> None:
    result = check("a: [1 # netpol: ignore all\n")
    assert result.exit_code == 2
    assert "Traceback" not in result.output


# --- annotations --------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["allows-everything", "'or-not-and, allows'", "'all'"])
def test_annotations_that_silence(value: str) -> None:
    text = ALL.replace("namespace: x", f"namespace: x, annotations: {{netpol/ignore: {value}}}")
    assert "allows-everything" not in left(text)


def test_annotations_in_json_and_on_cluster_scoped_policies() -> None:
    policy = {
        "apiVersion": "policy.networking.k8s.io/v1alpha2",
        "kind": "ClusterNetworkPolicy",
        "metadata": {"name": "c", "annotations": {"netpol/ignore": "invalid-selector"}},
        "spec": {
            "tier": "Admin",
            "priority": 1,
            "subject": {"namespaces": {"matchExpressions": [{"key": "a", "operator": "Is"}]}},
        },
    }
    result = check(json.dumps(policy), name="p.json")
    assert (result.exit_code, result.stdout.strip()) == (
        0,
        "1 valid policy, 0 errors, 0 warnings, 1 silenced",
    )
    del policy["metadata"]["annotations"]  # type: ignore[attr-defined]
    assert check(json.dumps(policy), name="p.json").exit_code == 2


# --- what is wrong with them --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("allow-everything", "no code 'allow-everything'; close are allows-everything"),
        ("", "names no code to ignore"),
        ("allows-everything, on purpose", "no code 'on'"),
        ("manifest", "manifest cannot be silenced"),
    ],
)
def test_what_cannot_be_silenced_is_an_error(words: str, message: str) -> None:
    text = ALL.replace("[{}]", f"[{{}}]  # netpol: ignore {words}")
    result = check(text, "--ignore", "all")
    assert result.exit_code == 2
    assert f"p.yaml:6: error: {message}" in result.stdout
    assert "[unknown-code]" in result.stdout


def test_what_silences_nothing_is_a_note() -> None:
    text = ALL.replace("podSelector: {}", "podSelector: {}  # netpol: ignore split-rule")
    assert left(text) == ["unused-ignore", "allows-everything"]
    assert check(text, "--strict").exit_code == 0
    assert left(text, "--ignore", "unused-ignore") == ["allows-everything"]


def test_what_was_not_looked_for_is_not_unused() -> None:
    # Beside a cluster it may well be needed.
    text = ALL.replace("podSelector: {}", "podSelector: {}  # netpol: ignore selects-nothing")
    assert left(text) == ["allows-everything"]
    chosen = ALL.replace("podSelector: {}", "podSelector: {}  # netpol: ignore split-rule")
    assert left(chosen, "--ignore", "split-rule") == ["allows-everything"]


def test_beside_a_cluster_nothing_is_left_out(tmp_path: Path) -> None:
    cluster = tmp_path / "c.json"
    cluster.write_text('{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"x"}}')
    text = ALL.replace("podSelector: {}", "podSelector: {}  # netpol: ignore selects-nothing")
    assert left(text, "-c", str(cluster)) == ["snapshot", "unused-ignore", "allows-everything"]


# --- the command line ---------------------------------------------------------------------------

TWO = manifest("podSelector: {}\ningress: [{}, {from: []}]")


@pytest.mark.parametrize(
    ("words", "codes"),
    [
        ([], ["allows-everything", "empty-list"]),
        (["--select", "empty-list"], ["empty-list"]),
        (["--select", "empty"], ["empty-list"]),
        (["--select", "all", "--ignore", "empty-list"], ["allows-everything"]),
        (["--ignore", "empty-list,allows-everything"], []),
        (["--ignore", "empty-list", "--ignore", "allows"], []),
        (["--select", "split-rule"], []),
    ],
)
def test_codes_that_are_chosen(words: list[str], codes: list[str]) -> None:
    assert left(TWO, *words) == codes


def test_what_is_refused_is_always_told() -> None:
    wrong = manifest("policyTypes: [ingress]")
    assert check(wrong, "--select", "or-not-and", "--ignore", "all").exit_code == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--select", "or-and"], "no code 'or-and'"),
        (["--ignore", "emptylist"], "no code 'emptylist'; close are empty-list"),
        (["--ignore", "a,"], "no code 'a'"),
        (["--ignore", "invalid,"], "no code ''"),
        (["--ignore", "manifest"], "manifest cannot be ignored: it is an error"),
    ],
)
def test_codes_that_do_not_exist(words: list[str], message: str) -> None:
    result = check(TWO, *words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_settings_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("p.yaml").write_text(TWO)
    Path("netpol.toml").write_text('[check]\nignore = ["empty-list", "allows"]\n')
    result = CliRunner().invoke(main, ["check", "p.yaml"])
    assert result.stdout == "1 valid policy, 0 errors, 0 warnings\n"
    Path("netpol.toml").unlink()
    environment = {"NETPOL_CHECK_SELECT": "empty-list,split-rule"}
    result = CliRunner().invoke(main, ["check", "p.yaml", "-o", "json"], env=environment)
    assert [each["code"] for each in json.loads(result.stdout)["warnings"]] == ["empty-list"]
