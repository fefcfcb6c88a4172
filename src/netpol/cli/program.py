"""Takes a process as it was started, runs the command line in it and ends it with an exit code.

What only a process has is seen to here, before anything else is imported: descriptors that were
closed, signals, and how to end while a thread waits for a pipe.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
from types import FrameType
from typing import NoReturn

from netpol.io import cleanup as unfinished

__all__ = ["run"]

#: Signals that end the program, and what is said of them; 128 and their number is the exit code.
_ENDS = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "terminated",
    signal.SIGHUP: "hung up",
}
_WATCH = "netpol-signals"


def run(prog_name: str | None = None) -> NoReturn:
    """Run the command line of this process, and end it."""
    _occupy_descriptors()
    _end_on_signals()
    from netpol.cli.main import main

    code = 0
    try:
        main(prog_name=prog_name)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    code = _flushed(code)
    unfinished.wait_if_ending()
    if code or any(thread.name != _WATCH for thread in threading.enumerate()[1:]):
        # A thread that waits for a pipe would be met by the interpreter's end, which aborts if the
        # thread holds the lock of a stream. Those of Arrow, which an error may leave reading, are
        # not even listed. All that is written is out.
        os._exit(code)
    sys.exit(code)


# --- descriptors ------------------------------------------------------------------------------


def _occupy_descriptors() -> None:
    """Let no file that is opened later be what ``print`` or a library writes to.

    A closed descriptor is the next that ``open`` gives. What was closed fails when it is used: the
    null device is opened the wrong way round. Save for stderr, where nobody wants to hear it.
    """
    for number, mode in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, mode)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    # A name that the terminal's encoding lacks is no reason to fail.
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _flushed(code: int) -> int:
    """Write out what is buffered; give the exit code, which is no gate's where that fails."""
    from netpol.cli.errors import flush_or_drop

    failed = [flush_or_drop(stream) for stream in (sys.stdout, sys.stderr)]
    return max(code, *failed) if any(failed) and code < 2 else code


# --- signals ----------------------------------------------------------------------------------


def _end_on_signals() -> None:
    """End the program at once on a signal, whatever the main thread does.

    A thread waits for it, since Python's own handlers wait for the main thread, which may be in
    compiled code. A signal that is ignored, as under ``nohup``, stays ignored.
    """
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    watch = threading.Thread(target=_watch, args=(read_end,), daemon=True, name=_WATCH)
    handler = _leave_it_to_the_thread
    try:
        watch.start()
    except RuntimeError:  # no more threads are allowed
        handler = _end_in_handler
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    for number in _ENDS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def _leave_it_to_the_thread(number: int, frame: FrameType | None) -> None:
    """Do nothing: that there is a handler makes the interpreter wake the thread."""


def _end_in_handler(number: int, frame: FrameType | None) -> None:
    _end(number)


def _watch(read_end: int) -> None:
    _end(os.read(read_end, 1)[0])


def _end(number: int) -> NoReturn:
    """Undo what is not finished, say why, and end; nothing of the interpreter is waited for."""
    unfinished.undo_all()
    text = f"netpol: error: {_ENDS[signal.Signals(number)]}\n".encode()
    with contextlib.suppress(OSError):
        if select.select([], [2], [], 0)[1]:  # a full pipe would hold the end up
            os.write(2, text)
    os._exit(128 + number)
