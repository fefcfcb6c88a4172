"""An attack changes nothing outside of its folder, whatever the words say."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fuzz.confined import confined
from fuzz.targets import arguments

WAYS: dict[str, Callable[[Path], object]] = {
    "written": lambda path: path.write_text("x"),
    "appended to": lambda path: path.open("a"),
    "read and written": lambda path: path.open("r+b"),
    "opened by number": lambda path: os.open(path, os.O_WRONLY),
    "by its bytes": lambda path: open(os.fsencode(path), "w"),  # noqa: SIM115, PTH123
    "removed": lambda path: path.unlink(),
    "moved away": lambda path: path.rename("mine"),
    "replaced": lambda path: Path("other").replace(path),
    "truncated": lambda path: os.truncate(path, 0),
    "of another mode": lambda path: path.chmod(0),
    "linked": lambda path: os.link(path, "mine"),
    "a folder in its place": lambda path: path.with_name("new").mkdir(),
    "by a symlink": lambda path: Path("link").write_text("x"),
    "by a way up": lambda path: Path("../outside").write_text("x"),
}


@pytest.mark.parametrize("way", WAYS)
def test_nothing_outside_is_changed(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, outside = tmp_path / "in", tmp_path / "outside"
    inside.mkdir()
    outside.write_text("kept")
    monkeypatch.chdir(inside)
    Path("link").symlink_to(outside)
    Path("other").write_text("other")
    with confined(inside), pytest.raises(PermissionError):
        WAYS[way](outside)
    assert (outside.read_text(), sorted(p.name for p in tmp_path.iterdir())) == (
        "kept", ["in", "outside"],
    )  # fmt: skip


def test_what_is_inside_and_devices_are_free(tmp_path: Path) -> None:
    with confined(tmp_path):
        (tmp_path / "a").write_text("x")
        (tmp_path / "a").replace(tmp_path / "b")
        Path("/dev/null").write_text("x")
        assert Path(__file__).read_text()
    assert (tmp_path / "b").read_text() == "x"


@pytest.mark.parametrize("linked", [False, True])
def test_a_command_of_the_attack_writes_nowhere_else(linked: bool, tmp_path: Path) -> None:
    outside = target = tmp_path / "localtime"
    outside.write_text("kept")
    if linked:
        target = tmp_path / "link"
        target.symlink_to(outside)
    words = ["matrix", "-c", "cluster.yaml", "-p", "policies.yaml", "--output-file", str(target)]
    result = arguments.check(words)
    assert (result.exit_code, outside.read_text()) == (2, "kept")
    assert "cannot be written" in result.stderr
    up = arguments.check([*words[:-1], "../../../../../localtime"])
    assert up.exit_code == 2
