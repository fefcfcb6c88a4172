"""Signals end the command line at once, in every phase, and leave nothing behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
from functools import partial
from pathlib import Path

import pytest

from cli_support import EXAMPLES, FLOWS, GUIDE
from process_support import HANGS, heard_from, is_running, started, stopped_in, until

pytestmark = pytest.mark.usefixtures("in_examples")

LAB = ["-c", "lab/cluster.json", "-p", "lab/policies"]
ENDS = {
    signal.SIGINT: (130, b"netpol: error: interrupted\n"),
    signal.SIGTERM: (143, b"netpol: error: terminated\n"),
    signal.SIGHUP: (129, b"netpol: error: hung up\n"),
}
EVERY_END = pytest.mark.parametrize("number", ENDS, ids=lambda number: number.name)


def ends_by(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal a child; it must end as documented, although its stdin stays open."""
    child.send_signal(number)
    assert ended(child) == ENDS[number]


def ended(child: subprocess.Popen[bytes]) -> tuple[int, bytes]:
    """Wait for a child, while its stdin stays open; give its exit code and what it said."""
    try:
        code = child.wait(timeout=HANGS)
    finally:
        child.kill()
    said = b"" if child.stderr is None else child.stderr.read()
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()
    return code, said


def temporary_in(folder: Path) -> list[Path]:
    return list(folder.glob(".*.tmp"))


def conntrack(size: int) -> bytes:
    """Give records of which none has a zone: all text with zones would be kept first."""
    text = (EXAMPLES / "lab/node1.conntrack.txt").read_bytes()
    text = re.sub(rb" zone[a-z-]*=\d+", b"", text)
    return text * (size // len(text) + 1)


# --- reading ----------------------------------------------------------------------------------


@EVERY_END
@pytest.mark.parametrize("jobs", ["1", "2", "4"])
def test_while_flows_come_from_a_pipe(number: signal.Signals, jobs: str, tmp_path: Path) -> None:
    words = ["replay", "-", *LAB, "-q", "-j", jobs, "--output-file", str(tmp_path / "out")]
    child = started(*words)
    assert child.stdin is not None
    child.stdin.write(conntrack(1 << 20))  # more than a pipe holds: it is being read
    child.stdin.flush()
    assert temporary_in(tmp_path)
    ends_by(child, number)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_while_records_of_a_table_come_from_a_pipe(jobs: str, tmp_path: Path) -> None:
    child = started("replay", "-", *GUIDE, "-q", "-j", jobs, "-o", "csv", "--output-file",
                    str(tmp_path / "out"))  # fmt: skip
    head, _, rows = (EXAMPLES / FLOWS).read_bytes().partition(b"\n")
    assert child.stdin is not None
    child.stdin.write(head + b"\n" + rows * 2000)
    child.stdin.flush()
    ends_by(child, signal.SIGINT)
    assert not list(tmp_path.iterdir())


@EVERY_END
def test_while_nothing_has_come_yet(number: signal.Signals, tmp_path: Path) -> None:
    child = started("replay", "-", *GUIDE, "-q", "--report", str(tmp_path / "page.html"))
    until(lambda: bool(temporary_in(tmp_path)), child)
    ends_by(child, number)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [["check", "-"], ["explain", "a", "b", "1", "-c", "-"]])
def test_while_manifests_come_from_a_pipe(words: list[str]) -> None:
    child = started(*words)
    assert child.stdin is not None
    child.stdin.write(b"# a comment\n" * 20_000)
    child.stdin.flush()
    ends_by(child, signal.SIGINT)


def test_while_a_fifo_has_no_writer_and_then_one(tmp_path: Path) -> None:
    fifo = tmp_path / "flows"
    os.mkfifo(fifo)
    out = tmp_path / "out"
    out.mkdir()
    words = ["replay", str(fifo), *LAB, "-q", "--output-file", str(out / "file")]
    child = started(*words)
    until(lambda: bool(temporary_in(out)), child)
    ends_by(child, signal.SIGTERM)
    child = started(*words)
    with fifo.open("wb", buffering=0) as writer:
        writer.write(conntrack(1 << 18))
        ends_by(child, signal.SIGINT)
    assert not list(out.iterdir())


def test_control_c_at_a_terminal(tmp_path: Path) -> None:
    master, slave = pty.openpty()

    def take_terminal() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    child = started("replay", "-", *LAB, "-q", "--output-file", str(tmp_path / "out"), stdin=slave,
                    preexec_fn=take_terminal)  # fmt: skip
    os.write(master, conntrack(1)[:300].splitlines(keepends=True)[0])

    def is_read() -> bool:
        waiting = fcntl.ioctl(slave, termios.FIONREAD, b"\0" * 4)
        return struct.unpack("i", waiting)[0] == 0 and bool(temporary_in(tmp_path))

    until(is_read, child)
    os.write(master, b"\x03")
    assert ended(child) == ENDS[signal.SIGINT]
    assert not list(tmp_path.iterdir())
    os.close(master)
    os.close(slave)


def test_an_error_ends_it_though_the_pipe_stays_open() -> None:
    # A thread holds the lock of stdin then, at which the interpreter would abort.
    for jobs in ("1", "2", "4"):
        child = started("replay", "-", *LAB, "-q", "--strict", "-j", jobs)
        assert child.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it ends before all is read
            child.stdin.write(conntrack(1 << 20) + b"no record\n" + conntrack(1 << 22))
        code, said = ended(child)
        assert code == 2
        assert said.startswith(b"netpol: error: <stdin>:")


# --- every other phase ------------------------------------------------------------------------

REPLAY = ["replay", FLOWS, *GUIDE, "-q"]
PHASES = {
    "reading-manifests": ("netpol.kube.snapshot:read_snapshot", REPLAY),
    "compiling": ("netpol.engine.engine:compile", REPLAY),
    "packing": ("netpol.compiler.build:compile_program", REPLAY),
    "judging": ("netpol.questions.replay.replay:replay", REPLAY),
    "judging-in-threads": (
        "netpol.run.conntrack_sums:_Worker.add",
        ["replay", "CONNTRACK", *LAB, "-q", "-j", "3"],
    ),
    "text": ("netpol.report.text.replay:render", REPLAY),
    "writing": ("netpol.report.records.files:OutputSink.write", REPLAY),
    "records": ("netpol.report.records.files:OutputSink.write", [*REPLAY, "-o", "csv"]),
    "page": ("netpol.report.html.page:render", REPLAY),
    "diff": ("netpol.questions.diff.diff:diff", ["diff", FLOWS, *GUIDE, "--after", "none", "-q"]),
}


@pytest.mark.parametrize("phase", PHASES)
def test_in_every_phase(phase: str, tmp_path: Path) -> None:
    place, words = PHASES[phase]
    log = tmp_path / "log"
    log.write_bytes(conntrack(1 << 20))
    words = [str(log) if word == "CONNTRACK" else word for word in words]
    out = tmp_path / "out"
    out.mkdir()
    written = ["--output-file", str(out / "file")]
    if "-j" not in words:  # threads add text up only where no page is asked for
        written += ["--report", str(out / "page.html")]
    child = stopped_in(place, tmp_path / "fifo", *words, *written)
    assert len(temporary_in(out)) == len(written) // 2
    number = list(ENDS)[len(phase) % 3]
    ends_by(child, number)
    assert not list(out.iterdir())


def test_what_stood_at_the_path_stays(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "file").write_text("before")
    child = stopped_in("netpol.questions.replay.replay:replay", tmp_path / "fifo", *REPLAY,
                       "--output-file", str(out / "file"))  # fmt: skip
    ends_by(child, signal.SIGTERM)
    assert [path.name for path in out.iterdir()] == ["file"]
    assert (out / "file").read_text() == "before"


def test_while_it_is_imported(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    shadow = tmp_path / "click.py"
    shadow.write_text(f"import time\nopen({str(fifo)!r}, 'w').write('x')\ntime.sleep(10_000)\n")
    for number in ENDS:
        child = started("--version", env={**os.environ, "PYTHONPATH": str(tmp_path)})
        heard_from(fifo, child)
        ends_by(child, number)


def test_while_nobody_reads_its_output() -> None:
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    # Nine times, so that what is written is more than the pipe holds.
    child = started("replay", *[FLOWS] * 9, *GUIDE, "-q", "-o", "jsonl", stdout=write)

    def is_full() -> bool:
        return bool(struct.unpack("i", fcntl.ioctl(read, termios.FIONREAD, b"\0" * 4))[0] == 4096)

    until(is_full, child)
    ends_by(child, signal.SIGINT)
    os.close(read)
    os.close(write)


def test_while_its_output_is_a_fifo_without_a_reader(tmp_path: Path) -> None:
    fifo, told = tmp_path / "out", tmp_path / "told"
    os.mkfifo(fifo)
    os.mkfifo(told)
    code = (
        "import netpol.cli.program, sys\n"
        "def hear(event, words):\n"
        f"    if event == 'open' and str(words[0]) == {str(fifo)!r}:\n"
        f"        open({str(told)!r}, 'w').write('x')\n"
        "sys.addaudithook(hear)\n"
        "netpol.cli.program.run()\n"
    )
    child = started("replay", FLOWS, *GUIDE, "-q", "--output-file", str(fifo), code=code)
    heard_from(told, child)
    ends_by(child, signal.SIGTERM)


# --- children ---------------------------------------------------------------------------------


@EVERY_END
def test_its_children_end_too(number: signal.Signals, tmp_path: Path) -> None:
    fifo, born = tmp_path / "fifo", tmp_path / "born"
    os.mkfifo(fifo)
    git = tmp_path / "git"
    git.write_text(f"#!/bin/sh\necho $$ > {born}\nprintf x > {fifo}\nexec sleep 10000 >&- 2>&-\n")
    git.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    child = started("diff", FLOWS, *GUIDE, "--before", "HEAD", env={**os.environ, "PATH": path})
    heard_from(fifo, child)
    grandchild = int(born.read_text())
    ends_by(child, number)
    until(lambda: not is_running(grandchild))


# --- again and again --------------------------------------------------------------------------


def test_a_second_one_while_it_cleans_up(tmp_path: Path) -> None:
    begun, go_on = tmp_path / "begun", tmp_path / "go-on"
    os.mkfifo(begun)
    os.mkfifo(go_on)
    code = (
        "import netpol.cli.program, netpol.io.cleanup, sys\n"
        "def undo(made):\n"
        f"    open({str(begun)!r}, 'w').write('x')\n"
        f"    open({str(go_on)!r}).read()\n"
        "netpol.io.cleanup.begin(lambda: None, undo)\n"
        "netpol.cli.program.run()\n"
    )
    child = started("check", "-", code=code)
    assert child.stdin is not None
    child.stdin.write(b"# a comment\n" * 20_000)
    child.stdin.flush()
    child.send_signal(signal.SIGINT)
    heard_from(begun, child)
    for _ in range(3):
        child.send_signal(signal.SIGINT)
        child.send_signal(signal.SIGTERM)
    with go_on.open("w"):
        pass
    assert ended(child) == ENDS[signal.SIGINT]


def test_many_at_once() -> None:
    child = started("check", "-")
    assert child.stdin is not None
    child.stdin.write(b"# a comment\n" * 20_000)
    child.stdin.flush()
    for _ in range(50):
        child.send_signal(signal.SIGINT)
    assert ended(child) == ENDS[signal.SIGINT]


def test_one_that_is_ignored_stays_ignored() -> None:
    for number in ENDS:
        words = ["replay", "-", *LAB, "-q", "-o", "json"]
        ignore = partial(signal.signal, number, signal.SIG_IGN)
        child = started(*words, preexec_fn=ignore)
        assert child.stdin is not None
        child.stdin.write(conntrack(1 << 18))
        child.stdin.flush()
        child.send_signal(number)
        out, said = child.communicate(timeout=HANGS)
        assert (child.returncode, said) == (0, b"")
        assert out.startswith(b"{")


def test_the_cursor_is_shown_again(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    words = ["replay", FLOWS, *GUIDE]
    child = stopped_in(
        "netpol.questions.replay.replay:replay", fifo, *words, stderr=slave, env=environment
    )
    child.send_signal(signal.SIGINT)
    assert ended(child)[0] == 130
    os.close(slave)
    shown = b""
    try:
        while part := os.read(master, 65536):
            shown += part
    except OSError:
        pass  # what Linux says when the other end is closed
    os.close(master)
    assert b"\x1b[?25l" in shown
    assert b"\x1b[?25h" in shown[shown.rindex(b"\x1b[?25l") :]
    assert shown.endswith(b"netpol: error: interrupted\r\n")
