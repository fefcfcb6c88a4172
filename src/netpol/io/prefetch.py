"""Takes an iterable, gives its items in order, made in a thread of their own a few ahead."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

__all__ = ["read_ahead"]

T = TypeVar("T")
_DEPTH = 2  # batches: one is being judged, one is ready, one is being read


def read_ahead(items: Iterable[T]) -> Iterator[T]:
    """Yield the items of ``items``; what it raises is raised here, in its place.

    Leaving the iteration early stops the thread at its next item.
    """
    ready: queue.Queue[Any] = queue.Queue(_DEPTH)
    stopped = threading.Event()
    reader = threading.Thread(target=_read, args=(items, ready, stopped), daemon=True)
    reader.start()
    try:
        while True:
            item, error = ready.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
    finally:
        stopped.set()
        _drain(reader, ready)


def _drain(reader: threading.Thread, ready: queue.Queue[Any]) -> None:
    """Let the thread end, which may wait for room; not for ever, since it may wait for a pipe."""
    for _ in range(20):
        if not reader.is_alive():
            return
        with contextlib.suppress(queue.Empty):
            ready.get(timeout=0.05)


_END = object()


def _read(items: Iterable[Any], ready: queue.Queue[Any], stopped: threading.Event) -> None:
    try:
        for item in items:
            if stopped.is_set():
                return
            ready.put((item, None))
        ready.put((_END, None))
    except BaseException as error:  # given to who reads
        ready.put((None, error))
