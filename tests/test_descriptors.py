"""Closed and failing descriptors: documented exit codes, and no file is what print writes to."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli_support import FLOWS, GUIDE, replay

pytestmark = pytest.mark.usefixtures("in_examples")

REPLAY = ["replay", FLOWS, *GUIDE]
GATE = ["--fail-on", "deny"]  # exits 1, where its output can be written
COMMANDS = {
    "replay": [*REPLAY, *GATE],
    "csv": [*REPLAY, "-o", "csv", *GATE],
    "parquet": [*REPLAY, "-o", "parquet", *GATE],
    "diff": ["diff", FLOWS, *GUIDE, "--after", "none", "--fail-on", "newly-allowed"],
    "exhaustive": ["diff", "--exhaustive", *GUIDE, "--after", "none"],
    "coverage": ["coverage", FLOWS, *GUIDE, "--fail-on", "never-hit"],
    "explain": ["explain", "default/batch", "default/db", "6379", *GUIDE, *GATE],
    "matrix": ["matrix", *GUIDE],
    "check": ["check", "guide/policies.yaml", "--strict"],
    "rule": ["rule", "dns"],
    "completion": ["completion", "bash"],
    "help": ["replay", "--help"],
    "version": ["--version"],
}


def closing(*numbers: int) -> Callable[[], None]:
    def close() -> None:
        for number in numbers:
            os.close(number)

    return close


def run(words: list[str], closed: tuple[int, ...] = (), **streams: object) -> tuple[int, bytes]:
    """Run with some descriptors closed; give the exit code and what was said on stderr."""
    given = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    done = subprocess.run(
        [sys.executable, "-m", "netpol", *words], check=False, preexec_fn=closing(*closed),
        **(given | streams),
    )  # type: ignore[call-overload]  # fmt: skip
    assert b"Traceback" not in (done.stderr or b"")
    assert b"this is a bug" not in (done.stderr or b"")
    assert b"Fatal Python error" not in (done.stderr or b"")
    return done.returncode, done.stderr or b""


@pytest.mark.parametrize("name", COMMANDS)
def test_stdout_is_closed_full_or_unread(name: str) -> None:
    code, said = run(COMMANDS[name], (1,))
    assert code == 2
    assert b"standard output: cannot be written: Bad file descriptor" in said
    with Path("/dev/full").open("wb") as full:
        code, said = run(COMMANDS[name], stdout=full)
    assert code == 2
    assert b"standard output: cannot be written: No space left on device" in said
    read, write = os.pipe()
    os.close(read)
    code, said = run(COMMANDS[name], stdout=write)
    os.close(write)
    assert code == 141
    assert b"error" not in said


@pytest.mark.parametrize(
    "closed", [c for n in (1, 2, 3) for c in itertools.combinations((0, 1, 2), n)], ids=str
)
def test_no_file_is_what_print_writes_to(closed: tuple[int, ...], tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = [*REPLAY, *GATE, "-o", "csv", "--output-file", str(out)]
    code, _ = run(words, closed)
    assert code == 1  # all that was asked for is written
    assert out.read_text() == replay("-o", "csv").stdout
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_stdin_is_closed() -> None:
    for words in (["replay", "-", *GUIDE], ["check", "-"], ["replay", FLOWS, "-c", "-"],
                  [*REPLAY, "--dns", "-"], ["diff", FLOWS, *GUIDE, "--after", "-"]):  # fmt: skip
        code, said = run([*words, "-q"] if words[0] != "check" else words, (0,))
        assert code == 2, words
        assert b"descriptor" in said.lower() or words[0] == "check"


def test_stderr_takes_nothing() -> None:
    assert run(["replay", "nowhere", *GUIDE], (2,))[0] == 2
    assert run([*REPLAY, *GATE], (2,))[0] == 1
    assert run(["replay", "--nonsense"], (2,))[0] == 2
    with Path("/dev/full").open("wb") as full:
        assert run(["replay", "nowhere", *GUIDE], stderr=full)[0] == 2
        assert run(["replay", "--nonsense"], stderr=full)[0] == 2
        assert run([*REPLAY, *GATE, "-o", "csv"], stderr=full)[0] == 2  # the summary is lost


def test_what_the_encoding_lacks_is_escaped(tmp_path: Path) -> None:
    policy = tmp_path / "politique-\u00e9.yaml"
    policy.write_text(Path("guide/policies.yaml").read_text())
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}
    for words in (["check", str(policy)], [*REPLAY, "-p", str(policy)]):
        code, _ = run(words, env=environment)
        assert code in (0, 2)


@pytest.mark.parametrize(
    "columns", ["1", "10", "20", "40", "500", "0", "-3", "x", "\u00b2", "9" * 5000]
)
def test_no_number_is_cut(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def numbers() -> set[str]:
        found = replay().stdout
        assert "\u2026" not in found
        return {
            word for word in found.split() if re.fullmatch(r"\d[\d.,:]*(/(tcp|udp|\d+))?", word)
        }

    # Some columns of numbers are only there from 100 on.
    monkeypatch.setenv("COLUMNS", "99" if columns in ("1", "10", "20", "40") else "200")
    whole = numbers()
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("LINES", columns)
    assert numbers() == whole
