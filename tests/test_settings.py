"""``netpol.toml``: what it may say, of which type; a found one never says where to write."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cli_support import EXAMPLES, failure, run
from netpol.cli.config import default_map
from netpol.cli.main import main
from netpol.cli.options import OutputPath
from netpol.cli.registry import COMMANDS
from netpol.model.errors import ConfigError

pytestmark = pytest.mark.usefixtures("in_examples")

WORDS = ["replay", "flows.csv", "-c", "cluster.yaml", "-p", "policies.yaml", "-q"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("cluster.yaml", "policies.yaml", "flows.csv"):
        shutil.copy(EXAMPLES / "guide" / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def every_option() -> Iterator[tuple[str, click.Option]]:
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        assert command is not None
        for param in command.params:
            if isinstance(param, click.Option) and param.name is not None:
                yield name, param


OPTIONS = [pytest.param(*each, id=f"{each[0]}-{each[1].name}") for each in every_option()]
WRONG = ["1.5", "nan", "inf", "1979-05-27", "07:32:00", "{a = 1}", "[[1]]", "[{}]", '"\\u0000"']
ODD = [*WRONG, "true", "-1", '""', '"maybe"', "99999999999999999999999", "[]", '["a", 1]']


@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_no_value_of_another_type(command: str, option: click.Option, folder: Path) -> None:
    settings = folder / "other.toml"
    found = main.get_command(click.Context(main), command)
    assert found is not None
    for value in ODD:
        settings.write_text(f"\n[{command}]\n{option.name} = {value}\n")
        try:
            default_map(str(settings), found)
        except ConfigError as error:
            said = str(error)
        else:
            said = "" if value not in WRONG else "it was taken"
        assert not said or said.startswith(f"{settings}:3: {command}.{option.name}: "), value


def _least_words(command: str) -> list[str]:
    return {
        "check": ["check", "policies.yaml"],
        "completion": ["completion", "bash"],
        "explain": ["explain", "default/batch", "default/db", "6379", *WORDS[2:]],
        "matrix": ["matrix", *WORDS[2:]],
        "rule": ["rule", "dns"],
        "diff": ["diff", *WORDS[1:], "--after", "none"],
        "coverage": ["coverage", *WORDS[1:]],
    }.get(command, WORDS)


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ('quiet = "maybe"', ":1: quiet: 'maybe' is not true or false"),
        ("quiet = 1", ":1: quiet: 1 is not true or false"),
        ('\n[replay]\n"quiet" = "yes"', ":3: replay.quiet: 'yes' is not true or false"),
        ("replay.quiet = 0", ":1: replay.quiet: 0 is not true or false"),
        ('top = "3"', ":1: top: '3' is not a whole number"),
        ("top = -1", ":1: top: -1 is not in the range x>=0"),
        ("top = true", ":1: top: True is not a whole number"),
        ("jobs = 0", ":1: jobs: 0 is not in the range"),
        ('memory-budget = "1EiB"', ":1: memory-budget: '1EiB' is not a size"),
        ("memory-budget = -1", ":1: memory-budget: '-1' is not a size"),
        ("max-skipped = 1.5", ":1: max-skipped: 1.5 is not a whole number or text"),
        ("cluster = [3]", ":1: cluster: 3 is not a path"),
        ("host-network = 'x'", ":1: host-network: 'x' is not one of"),
        ("hostnetwork = 'pod'", ":1: hostnetwork: no such setting; close is host-network"),
        ("[replays]\ntop = 1", ":1: replays: no such setting; close is replay"),
        ("top = 1\n[replay]\nfail-on = 'deny'\nfail_on = 'deny'", "replay.fail_on: is set twice"),
        ("top = 1\ntop = 2", "not TOML: Cannot overwrite a value"),
        ("a = " + "[" * 5000, "not TOML: nested too deep"),
        ("a = " + "9" * 5000, "not TOML: "),
        ("a." * 501 + "a = 1", ":1: more than 500 dots in a line"),
        ("#" * 70_000, "more than 64 KiB"),
        ("top = 1\n# \udcff", ":2: not TOML: not UTF-8"),
    ],
)
def test_what_is_refused_with_its_place(toml: str, message: str, folder: Path) -> None:
    (folder / "netpol.toml").write_bytes(toml.encode(errors="surrogateescape"))
    found = failure(run(*WORDS))
    assert found.startswith("netpol: error: netpol.toml:")
    assert message in found


def test_a_byte_order_mark_is_no_setting(folder: Path) -> None:
    (folder / "netpol.toml").write_bytes(b"\xef\xbb\xbftop = 1\n")
    assert "(top 1 of 7)" in run(*WORDS).stdout


def test_what_is_no_file(folder: Path) -> None:
    (folder / "netpol.toml").mkdir()
    assert run(*WORDS).exit_code == 0  # nothing was found
    assert "netpol.toml: Is a directory" in failure(run("--config", "netpol.toml", *WORDS))
    assert "--config: names no file" in failure(run("--config", "", *WORDS))
    (folder / "netpol.toml").rmdir()
    os.mkfifo(folder / "netpol.toml")
    assert run(*WORDS).exit_code == 0  # nobody waits for a writer
    assert "more than 64 KiB" in failure(run("--config", "/dev/zero", *WORDS))


OUTPUTS = [each for each in OPTIONS if isinstance(each.values[1].type, OutputPath)]


def test_every_option_that_writes_is_known_to() -> None:
    named = {each.values[1].name for each in OUTPUTS}
    assert named == {"output_file", "report", "annotate_dir"}
    # Whoever adds one names it so, or adds it here.
    parts = {str(o.name): str(o.name).split("_") for _, o in every_option()}
    assert {name for name in parts if {"file", "dir"} & {*parts[name]}} == named - {"report"}


@pytest.mark.parametrize("place", ["top", "table"])
@pytest.mark.parametrize(("command", "option"), OUTPUTS)
def test_a_found_file_cannot_say_where_to_write(
    command: str, option: click.Option, place: str, folder: Path, tmp_path: Path
) -> None:
    head = "" if place == "top" else f"[{command}]\n"
    (folder / "netpol.toml").write_text(f'{head}{option.name} = "written"\n')
    before = sorted(tmp_path.iterdir())
    message = failure(run(*_least_words(command)))
    assert f"{option.name}: says where to write: " in message
    assert "--config" in message
    assert sorted(tmp_path.iterdir()) == before
    named = run("--config", "netpol.toml", *_least_words(command))
    assert named.exit_code in (0, 2)
    assert "says where" not in named.stderr
    assert (tmp_path / "written").exists()


def test_a_found_file_does_not_run_git(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_git(*_: object, **__: object) -> None:
        raise AssertionError("git is run")

    monkeypatch.setattr(subprocess, "Popen", run_git)
    (folder / "netpol.toml").write_text('[diff]\nbefore = "HEAD"\n')
    words = ["diff", *WORDS[1:]]
    message = failure(run(*words, "--after", "none"))
    assert "netpol.toml:2: diff.before: 'HEAD' does not exist, and git is not asked" in message
    (folder / "netpol.toml").write_text('[diff]\nbefore = "policies.yaml"\nafter = "none"\n')
    assert run(*words).exit_code == 0
