"""Takes what must not outlive the program, undoes it where a signal ends the program first.

A half-written file, a child process, a hidden cursor: whoever begins such a thing says how it is
undone, and says when it is finished. What ends the program (``netpol.cli.program``) undoes the rest
from a thread of its own, so nothing here may wait for the thread that began it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

__all__ = ["Ending", "begin", "no_end_within", "undo_all", "wait_if_ending"]

T = TypeVar("T")

_LONGEST_WAIT = 2.0  # seconds for a step that is under way; a rename and a fork take milliseconds
_step = threading.Lock()  # held while something is begun or finished, and for ever at the end
_ending = threading.Event()
_undo: dict[Ending, Callable[[], object]] = {}


class Ending:
    """Something begun; ``finished`` says that it needs no undoing any more."""

    def __init__(self, undo: Callable[[], object]) -> None:
        _undo[self] = undo

    def finished(self) -> None:
        """Forget how it is undone."""
        _undo.pop(self, None)


def begin(make: Callable[[], T], undo: Callable[[T], object]) -> tuple[T, Ending]:
    """Make something that must not outlive the program; no signal ends it in between.

    Parameters
    ----------
    make : callable
        Makes it, soon; what it raises is raised.
    undo : callable
        Undoes it, from any thread, without a lock; what it raises is dropped.
    """
    with no_end_within():
        made = make()
        return made, Ending(partial(undo, made))


@contextlib.contextmanager
def no_end_within() -> Iterator[None]:
    """Let no signal end the program within the block, which is short."""
    with _step:
        yield


def undo_all() -> None:
    """Undo what is not finished. The program ends after it: nothing begins or finishes any more."""
    _ending.set()
    _step.acquire(timeout=_LONGEST_WAIT)
    for undo in list(_undo.values()):
        with contextlib.suppress(Exception):
            undo()


def wait_if_ending() -> None:
    """Wait for ever where a signal is ending the program: its exit code and message are the end's.

    What this thread has just met, such as a child that was killed, is no error of its own.
    """
    if _ending.is_set():
        threading.Event().wait()
