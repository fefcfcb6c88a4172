"""Hostile names in every output: each medium keeps its rule (``netpol.model.text``)."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import pytest
from rich.cells import cell_len

from cli_support import ROOT, process, run
from fuzz import rules
from fuzz.targets import lines, outputs
from fuzz.targets.outputs import MEDIA
from hostile import HOSTILE
from netpol.cli import steps
from netpol.model.text import escape_controls, escape_hidden_in_json

CORPUS = sorted((ROOT / "fuzz" / "corpus").glob("outputs/*"))
CORPUS += sorted((ROOT / "fuzz" / "corpus").glob("lines/*"))


def _joined(names: Iterable[str], most: int) -> list[str]:
    """Give the names, as many in one as there is room for."""
    found = [""]
    for name in names:
        if found[-1] and len(os.fsencode(found[-1] + name)) > most:
            found.append("")
        found[-1] += name if not found[-1] else f"\u00b7{name}"
    return [name for name in found if len(os.fsencode(name)) <= most]


@pytest.mark.parametrize("medium", MEDIA)
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_name_in_every_medium(kind: str, medium: str) -> None:
    MEDIA[medium](HOSTILE[kind])


def test_every_character_that_nobody_sees_is_an_escape() -> None:
    for code in (*range(0x30000), *range(0xE0000, 0xE0200), *range(0x10FF00, 0x110000)):
        c = chr(code)
        assert escape_controls(f"a{c}") == f"a{rules.shown(c)}", hex(code)


def test_json_of_every_character_means_the_same() -> None:
    text = "".join(map(chr, (*range(0xD800), *range(0xE000, 0x30000), *range(0xE0000, 0xE0200))))
    assert (
        rules.check_json(escape_hidden_in_json(json.dumps(text, ensure_ascii=False).encode()))
        == text
    )


# --- the command line ---------------------------------------------------------------------------

#: What a name of an object can be in JSON: anything but halves of characters.
NAMES = _joined(
    # As a template, which is refused, it would not come so far.
    (
        name.replace("{{", "{ {").replace("${", "$ {")
        for name in HOSTILE.values()
        if name == rules.encodable(name)
    ),
    290,
)
#: What a name of a file can be.
PATHS = _joined((name for name in HOSTILE.values() if not {"\0", "/", "\ud800"} & {*name}), 190)
WAYS = {
    "replay": ("table", "json", "csv", "jsonl", "arrow", "parquet"),
    "diff": ("table", "json", "csv", "jsonl", "github", "sarif", "junit", "markdown"),
    "coverage": ("table", "json", "github", "sarif", "junit", "markdown"),
    "matrix": ("table", "json", "csv", "dot"),
    "check": ("table", "json", "github", "sarif", "junit", "markdown"),
}


def _pod(name: str, namespace: str, address: str, labels: dict[str, str]) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {},
        "status": {"podIP": address, "podIPs": [{"ip": address}], "phase": "Running"},
    }


def _world(folder: Path, name: str) -> tuple[str, str, str]:
    """Write a cluster whose pods, labels and annotations are all called so; a policy; flows."""
    items: list[object] = [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": "shop", "labels": {"n": name}},
        },
        _pod(name, "shop", "10.0.0.1", {"app": name}),
        _pod("web", "shop", "10.0.0.2", {"app": "web", name: name}),
    ]
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "web", "namespace": "shop", "annotations": {name: name}},
        "spec": {
            "podSelector": {"matchLabels": {"app": "web"}},
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "none"}}}]}],
        },
    }
    flows = (
        "src,dst,protocol,port,src_pod\n10.0.0.1,10.0.0.2,tcp,80,\n"
        "10.0.0.2,10.0.0.1,tcp,80,\n10.0.0.2,x,tcp,80,\n"
    )
    paths = (folder / "cluster.json", folder / "policy.json", folder / "flows.csv")
    everything = json.dumps({"kind": "List", "apiVersion": "v1", "items": items})
    for path, text in zip(paths, (everything, json.dumps(policy), flows), strict=True):
        path.write_text(text)
    cluster, policies, log = map(str, paths)
    return cluster, policies, log


def _checked(way: str, data: bytes) -> None:
    """Check standard output of a command by the way it was asked for."""
    if way in ("table", "dot"):
        rules.check_text(data)
        if way == "dot":
            rules.check_dot(data)
    elif way in ("json", "sarif"):
        rules.check_json(data)
    elif way == "jsonl":
        rules.check_json_lines(data)
    elif way == "csv":
        text = rules.check_text(data)
        header, *rows = csv.reader(io.StringIO(text), strict=True)
        assert {len(row) for row in rows} <= {len(header)}
        assert text.count("\n") == len(rows) + 1
    elif way == "github":
        text = rules.check_text(data)
        rules.check_github(text, text.count("\n") - 1)
    elif way == "junit":
        rules.check_xml(data.decode().partition("\n")[2])
    elif way == "markdown":
        text = data.decode()
        rules.check_markdown(text, max(text.count("\n|") - 2, 0))
    elif way == "arrow":
        pyarrow.ipc.open_stream(data).read_all().validate(full=True)
    else:
        pyarrow.parquet.read_table(pa.BufferReader(data)).validate(full=True)


def _arguments(cluster: str, policies: str, log: str) -> dict[str, list[str]]:
    """Give what each command is asked about the world."""
    world = ["-c", cluster, "-p", policies]
    return {
        "replay": [log, *world],
        "diff": [log, "-c", cluster, "--before", policies, "--after", "none"],
        "coverage": [log, *world],
        "matrix": world,
        "check": [policies, "-c", cluster],
    }


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_cluster_of_hostile_names(name: str, tmp_path: Path) -> None:
    cluster, policies, log = _world(tmp_path, name)
    world = ["-c", cluster, "-p", policies]
    arguments = _arguments(cluster, policies, log)
    for command, ways in WAYS.items():
        for way in ways:
            result = run(command, *arguments[command], "-o", way)
            assert result.exit_code == 0 or command == "check", (command, way, result.output)
            rules.check_text(result.stderr)
            _checked(way, result.stdout_bytes)
            if (command, way) == ("replay", "jsonl"):
                first = json.loads(result.stdout_bytes.split(b"\n")[0])
                assert first["src_identity"] == f"shop/{name}"
    exact = run("replay", log, *world, "-o", "csv", "--csv-cells", "exact")
    rows = list(csv.DictReader(io.StringIO(exact.stdout_bytes.decode(), newline=""), strict=True))
    assert [row["src_identity"] for row in rows] == [f"shop/{name}", "shop/web"]
    for words in (["-o", "table"], ["-o", "json"]):
        result = run("explain", f"shop/{name}", "shop/web", "80", *world, *words)
        rules.check_text(result.output)


@pytest.mark.parametrize("name", PATHS, ids=ascii)
def test_files_of_hostile_names(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    cluster, policies, log = _world(folder, "web-2")
    arguments = _arguments(cluster, policies, log)
    for command, ways in WAYS.items():
        for way in ways:
            result = run(command, *arguments[command], "-o", way)
            assert "this is a bug" not in result.stderr
            assert result.exit_code == 0, (command, way, result.output)
            rules.check_text(result.stderr)
            _checked(way, result.stdout_bytes)


#: Commands that fail over a word, wherever words go: as a path, a name, a value, an option, a key.
WRONG = [
    ["{}"],
    ["--{}"],
    ["replay", "{}", "-c", "{}"],
    ["replay", "x", "-c", "x", "--{}"],
    ["replay", "x", "-c", "x", "--format", "{}"],
    ["replay", "x", "-c", "x", "--fail-on", "{}"],
    ["replay", "x", "-c", "x", "--start-zone", "{}"],
    ["replay", "x", "-c", "x", "--top", "{}"],
    ["replay", "x", "-c", "x", "--memory-budget", "{}"],
    ["replay", "x", "-c", "x", "--output-file", "{}/y"],
    ["replay", "x", "-c", "x", "--compare-profiles", "{}"],
    ["replay", "x", "-c", "x", "--node-address", "{}"],
    ["replay", "x", "-c", "x", "--namespace", "{}"],
    ["replay", "x", "-c", "x", "--max-skipped", "{}"],
    ["diff", "x", "-c", "x", "--before", "{}"],
    ["diff", "x", "-c", "x", "--before", "HEAD:{}"],
    ["diff", "x", "-c", "guide/cluster.yaml", "--without", "{}"],
    ["matrix", "-c", "guide/cluster.yaml", "--src", "{}"],
    ["matrix", "-c", "guide/cluster.yaml", "--port", "{}"],
    ["explain", "{}", "shop/web", "80", "-c", "guide/cluster.yaml"],
    ["explain", "shop/web", "shop/web", "{}", "-c", "guide/cluster.yaml"],
    ["check", "guide/policies.yaml", "--ignore", "x{}"],
    ["rule", "x{}"],
    ["completion", "{}"],
    ["--config", "{}", "check", "x"],
]


@pytest.mark.usefixtures("in_examples")
@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_errors_over_hostile_words(words: list[str]) -> None:
    for kind, name in HOSTILE.items():
        if "\0" in name or "\ud800" in name:
            continue  # no word of a command line has them
        given = [word.replace("{}", name) for word in words]
        result = run(*given)
        said = rules.check_text(result.stderr)
        assert result.exit_code == 2, (kind, given, said)
        assert "this is a bug" not in said, (kind, said)
        assert "Traceback" not in said
        assert result.stdout == ""
        assert not any(line.lstrip().startswith("::") for line in said.split("\n")), said


def test_a_name_that_is_not_utf8_on_a_real_command_line(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/a\xff\x9b.csv"
    done = process("replay", path, "-c", path, capture_output=True)  # type: ignore[arg-type]
    assert done.returncode == 2
    assert b"a\\udcff\\udc9b.csv" in done.stderr
    assert rules.check_text(done.stderr)


def test_exact_csv_is_not_for_a_terminal() -> None:
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    done = process(
        "replay", "x", "-c", "x", "-o", "csv", "--csv-cells", "exact", stdout=slave, stderr=-1
    )
    os.close(slave)
    os.close(master)
    assert done.returncode == 2
    assert b"--csv-cells exact writes what a terminal may act on" in done.stderr


def test_a_name_that_is_a_formula_where_cells_are_cut_starts_none(tmp_path: Path) -> None:
    """Namespaces are checked, so no cell begins with a hostile name; a part of one may."""
    cluster, policies, log = _world(tmp_path, "a;=1+1")
    world = ["-c", cluster, "-p", policies, "-q"]
    change = ["--before", policies, "--after", "none", "--exhaustive"]
    for words in (
        ["replay", log, *world],
        ["matrix", *world],
        ["matrix", *world, "--exposure"],
        ["diff", "-c", cluster, *change],
    ):
        safe = run(*words, "-o", "csv").stdout
        exact = run(*words, "-o", "csv", "--csv-cells", "exact").stdout
        assert "shop/a;'=1+1" in safe
        assert "'" not in exact
        assert safe.replace("'=", "=") == exact


def test_a_table_of_wide_and_combining_names_stays_aligned(tmp_path: Path) -> None:
    name = "\u4f60\u597d\U0001f600a\u0301\u0489\u202e\u05d0"
    cluster, policies, log = _world(tmp_path, name)
    found = run("replay", log, "-c", cluster, "-p", policies, "-q").stdout.split("\n")
    head = next(n for n, line in enumerate(found) if line.startswith("FLOWS  FROM"))
    row = found[head + 1]
    assert rules.shown(name) in row
    assert cell_len(row.partition("shop/web")[0]) == found[head].index("TO")
    assert cell_len(row.partition("80/tcp")[0]) == found[head].index("PORT")


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_text_of_manifests_is_shown_on_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = "a: b # \u202e\x9b31m\tc\r\nd: e\n"
    assert steps.shown_source(text, None) == text.encode()
    monkeypatch.setattr(sys, "stdout", _Terminal())
    assert steps.shown_source(text, "file") == text.encode()
    assert steps.shown_source(text, None) == b"a: b # \\u202e\\x9b31m\tc\r\nd: e\n"


@pytest.mark.usefixtures("in_examples")
@pytest.mark.parametrize("way", ["table", "json"])
def test_a_stdout_that_has_no_such_letters(tmp_path: Path, way: str) -> None:
    cluster, policies, _ = _world(tmp_path, "\u4f60")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    asked = ["explain", "shop/\u4f60", "shop/web", "80"]
    for words in (
        [*asked, "-c", cluster, "-p", policies, *(["-o", "json"] if way == "json" else [])],
        ["check", policies, "-c", cluster, "-o", way],
    ):
        done = process(*words, capture_output=True, env=environment)
        assert b"this is a bug" not in done.stderr
        assert done.returncode == 0, done.stderr
        if way == "json":
            rules.check_json(done.stdout)
        else:
            assert done.stdout.isascii()


@pytest.mark.parametrize("name", PATHS[:2], ids=ascii)
def test_a_page_about_files_of_hostile_names(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    cluster, policies, log = _world(folder, name.replace("\udcff", "").replace("\udc80", ""))
    page = folder / "page.html"
    result = run("replay", log, "-c", cluster, "-p", policies, "--report", str(page))
    assert result.exit_code == 0, result.output
    shown = rules.check_html(page.read_bytes(), scripts=1)
    assert rules.shown(log) in shown


@pytest.mark.parametrize("file", CORPUS, ids=lambda file: file.name)
def test_what_attacks_have_found(file: Path) -> None:
    target = {"outputs": outputs, "lines": lines}[file.parent.name]
    target.one(file.read_bytes())
