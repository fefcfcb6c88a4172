"""The documentation is what the program does: made by it, run by it, or listing all it has."""

from __future__ import annotations

import importlib.util
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from netpol.flows.known.registry import KNOWN
from netpol.model.verdict import Cause, Note, Reason
from netpol.report.words.wording import CAUSES, NOTES, REASONS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_cli_page_is_the_commands_own_help() -> None:
    assert text(DOCS / "cli.md") == script("generate_cli").page(), "run: make docs"


def test_readme_shows_real_output() -> None:
    readme = text(ROOT / "README.md")
    assert readme.count("```console\n$ netpol") == 8
    assert script("run_examples").refreshed(readme) == readme, "run: make docs"


def test_readme_python_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT / "examples")
    (code,) = re.findall(r"```python\n(.*?)```", text(ROOT / "README.md"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, "README.md", "exec"), names)
    assert "{'allow': 1, 'deny': 1, 'unknown': 0}" in capsys.readouterr().out
    assert names["table"].num_rows == 2


def test_output_page_lists_every_reason_note_and_cause() -> None:
    page = text(DOCS / "output.md")
    for reason in Reason:
        assert f"| `{reason.label}` | {REASONS[reason]} |" in page
    for note in Note:
        if note:
            assert f"| `{note.labels[0]}` | {NOTES[note]} |" in page
    for cause in Cause:
        assert f"| `{cause.label}` | {CAUSES[cause]} |" in page
        assert f"| `{cause.label}` |" in text(DOCS / "recorded.md")


def test_links_lead_somewhere() -> None:
    for page in (*ROOT.glob("*.md"), *DOCS.glob("*.md"), *ROOT.glob("examples/*/README.md")):
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text(page)):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def known_table() -> str:
    def cell(words: str) -> str:
        return (
            words.replace("|", "\\|")
            .replace("<", "&lt;")
            .replace("docs/formats.md has", "below is")
        )

    return "\n".join(f"| {cell(one.what)} | {cell(one.advice)} |" for one in KNOWN)


def test_formats_page_lists_every_known_format() -> None:
    assert known_table() in text(DOCS / "formats.md")


def test_sql_marks_the_answers() -> None:
    (query,) = re.findall(r"```sql\n(.*?)```", text(DOCS / "formats.md"), re.DOTALL)
    with closing(sqlite3.connect(":memory:")) as base:
        base.execute("CREATE TABLE flows (src, dst, protocol, sport, port)")
        rows = [
            ("10.0.0.1", "10.0.0.2", "tcp", 50000, 443),
            ("10.0.0.2", "10.0.0.1", "tcp", 443, 50000),
            ("10.0.0.2", "10.0.0.3", "tcp", 443, 50000),
        ]
        base.executemany("INSERT INTO flows VALUES (?, ?, ?, ?, ?)", rows)
        assert [row[-1] for row in base.execute(query)] == [0, 1, 0]


def test_security_page_names_tests_that_exist() -> None:
    cited = re.findall(r"`([\w/]+\.py)::(\w+)`", text(DOCS / "security.md"))
    assert len(cited) > 60
    for file, name in cited:
        assert f"def {name}(" in text(ROOT / "tests" / file), f"{file}::{name}"
