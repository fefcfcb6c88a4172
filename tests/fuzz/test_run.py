"""What runs the targets finds what is broken, keeps it, and goes on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fuzz import limits
from fuzz.findings import ROOT, Finding, Folder
from fuzz.minimise import minimise, smallest
from fuzz.mutate import Mutator, tokens_of
from fuzz.registry import load, names
from fuzz.run import try_again
from fuzz.watch import Plan, attack
from tests.fuzz import broken

BROKEN = "tests.fuzz.broken"


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CPU_SECONDS", 2)
    monkeypatch.setattr(limits, "RESIDENT", 1 << 28)


def told(folder: Path) -> dict[str, bytes]:
    """The findings of a folder: what is told of each, and its input."""
    return {
        file.with_suffix(".txt").read_text().splitlines()[0].partition(" at ")[0]: file.read_bytes()
        for file in Folder(folder, BROKEN).files()
    }


@pytest.mark.long
def test_what_breaks_is_told_apart_and_made_small() -> None:
    found = {data: minimise(load(BROKEN), data) for data in broken.seeds()[:6]}
    assert {data: (item.kind, item.data) if item else None for data, item in found.items()} == {
        b"fine": None,
        b"R and more!": ("ZeroDivisionError", b"R!"),
        b"X": ("SystemExit", b"X"),
        b"A and more!": ("SIGABRT", b"A!"),
        b"H": ("hang", b"H"),
        b"S": ("MemoryError", b"S"),
    }


@pytest.mark.long
def test_workers_that_die_are_findings_and_others_take_over(tmp_path: Path) -> None:
    plan = Plan(seconds=600, runs=len(broken.seeds()) + 30, seed=3, blind=True)
    result = attack(BROKEN, plan, Folder(tmp_path, BROKEN))
    found = told(tmp_path)
    assert result.inputs >= plan.runs
    assert result.deaths >= 2
    assert found["SIGABRT"][:1] == b"A"
    assert found["hang"] == b"H"
    assert found["MemoryError"] == b"S"
    assert found["swelling"] == b"W"
    assert found["SystemExit"] == b"X"
    assert found["ZeroDivisionError"][:1] == b"R"


def test_the_command_tells_keeps_and_repeats(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fuzz.run", "tests.fuzz.broken_once", "--blind"]
    done = subprocess.run(
        [*command, "--runs", "3", "--seed", "1", "--folder", tmp_path],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "tests.fuzz.broken_once: 3 inputs, 1 findings, 0 workers died" in done.stdout
    (file,) = tmp_path.rglob("*.input")
    assert file.read_bytes() == b"!"
    assert f"--minimise {file}" in file.with_suffix(".txt").read_text()
    done = subprocess.run(
        [*command, "--minimise", file], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 1
    assert "AssertionError at tests/fuzz/broken_once.py" in done.stdout


def test_a_finding_counts_until_it_breaks_nothing(tmp_path: Path) -> None:
    folder = Folder(tmp_path, "tests.fuzz.broken_once")
    for data in (b"here: !", b"mended by now"):
        folder.add(Finding("AssertionError", str(data), data))
    assert len(folder.files()) == 2
    try_again("tests.fuzz.broken_once", folder)
    assert {file.read_bytes() for file in folder.files()} == {b"here: !", b"!"}


def test_mutations_follow_from_the_seed_and_differ() -> None:
    inputs = [b"key: value 10\n" * 20, b"\0\1\2\3", b""]
    first, again, other = (Mutator(inputs, seed, longest=2000) for seed in (1, 1, 2))
    made = [first.next() for _ in range(2000)]
    assert made == [again.next() for _ in range(2000)]
    assert made != [other.next() for _ in range(2000)]
    assert len(set(made)) > 1000
    assert max(map(len, made)) <= 2000
    assert b"value" in tokens_of(inputs)


@pytest.mark.parametrize("text", [b"abcXdefYghi", b"XY", b"YX" + b"-" * 999 + b"XY"])
def test_the_smallest_still_breaks(text: bytes) -> None:
    def breaks(data: bytes) -> bool:
        return b"X" in data and b"Y" in data.partition(b"X")[2]

    assert smallest(text, breaks, seconds=600) == b"XY"


def test_every_target_says_what_it_attacks() -> None:
    for name in names():
        module = sys.modules[load(name).one.__module__]
        assert len((module.__doc__ or "").splitlines()) > 2, name
