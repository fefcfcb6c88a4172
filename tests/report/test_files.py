"""An output appears whole or not at all, and every failure says which output failed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from netpol.model.errors import OutputError
from netpol.report.records.files import output_file


def test_the_file_is_there_only_after_the_block(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with output_file(str(target)) as sink:
        sink.write(b"data")
        assert not target.exists()
    assert target.read_bytes() == b"data"
    assert list(tmp_path.iterdir()) == [target]


def test_after_a_failure_the_old_file_stays_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_bytes(b"old")

    def write_half() -> None:
        with output_file(str(target)) as sink:
            sink.write(b"new")
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        write_half()
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_other_errors_of_the_block_are_not_blamed_on_the_output(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), output_file(str(tmp_path / "out")):
        raise FileNotFoundError(2, "no such log")


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a directory"), output_file(str(tmp_path)):
        pytest.fail("opened a directory")


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    path = str(tmp_path / "none" / "out")
    with pytest.raises(OutputError, match="No such file") as error, output_file(path):
        pytest.fail("opened")
    assert path in str(error.value)


def test_a_full_disk_is_named() -> None:
    with (
        pytest.raises(OutputError, match=r"/dev/full: cannot be written: No space left"),
        output_file("/dev/full") as sink,
    ):
        sink.write(b"data")


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    with output_file(str(link)) as sink:
        sink.write(b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_mode_is_the_old_files_or_what_umask_allows(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.touch()
    old.chmod(0o604)
    umask = os.umask(0o027)
    try:
        for path in (old, new):
            with output_file(str(path)) as sink:
                sink.write(b"data")
    finally:
        os.umask(umask)
    assert stat.S_IMODE(old.stat().st_mode) == 0o604
    assert stat.S_IMODE(new.stat().st_mode) == 0o640
