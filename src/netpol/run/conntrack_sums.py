"""Takes conntrack text, gives what is made of its records: piece by piece, without flow batches.

Where not every record is asked for, a piece of text is scanned and judged, and its records added
up, by one thread while it is in the cache, and several threads take pieces in turn. What they find
is taken over in the order of the text, so that nothing depends on their number.

A piece ends where a line does, and is independent of the others unless it holds an event, which is
merged with later ones, a zone, which is told of, or a line that is cut in two. The first such
piece ends the work here: it and all text after it is left to be read as batches.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, Self

from netpol._core.conntrack import Scanner
from netpol._core.fused import FusedRecords
from netpol._core.suspects import Suspects
from netpol.flows.formats.conntrack.text import add_counts, note_errors
from netpol.flows.reader import FlowStream
from netpol.io.prefetch import read_ahead
from netpol.io.stream import RestOfSource, Source
from netpol.model.batch import FlowBatch
from netpol.model.errors import FlowError
from netpol.model.read_stats import ReadStats

__all__ = ["Adder", "TextSums", "without_text"]

#: Bytes of a piece: what threads wait for each other is paid once a piece.
PIECE_BYTES = 1 << 20
#: Threads that may be asked for on any machine.
LEAST_JOBS = 4
_SHORTEST = 64  # bytes of the shortest line that is a record


class Adder(Protocol):
    """What records are added to: that of all threads, and one forked from it for each."""

    has_packets: bool
    has_bytes: bool

    def fork(self) -> Self:
        """Return an empty one, for another thread."""

    def on_text(self, capacity: int) -> FusedRecords:
        """Return what judges and adds a scanner's records, at most ``capacity`` of them."""

    def after_piece(self, records: FusedRecords, scanner: Scanner, file: str) -> None:
        """Keep what is needed of the records just added. In the thread whose piece it is."""

    def take_piece(self, other: Self, lines: int) -> None:
        """Take over what depends on the order of pieces; ``other`` may be this one.

        ``lines`` is how many lines of the file were before the piece.
        """

    def merge(self, other: Self) -> None:
        """Take over everything else, when all pieces are added."""


def without_text(
    stream: Iterable[FlowBatch], adder: Adder | None, jobs: int
) -> Generator[FlowBatch | int, None, None]:
    """Add the conntrack text of a stream up; give its numbers of records, and the other batches.

    Parameters
    ----------
    stream : iterable of FlowBatch
        Usually a ``FlowStream``; of anything else nothing is added.
    adder : Adder or None
        Where text goes; None: to nowhere, all of it comes as batches.
    jobs : int
        Threads. With 2 or more, batches are read in one of their own, a few ahead. There are never
        more than processors: each has its own sums and columns, 2.6 MB at least.
    """
    jobs = min(jobs, max(os.cpu_count() or 1, LEAST_JOBS))
    ahead: Any = read_ahead if jobs > 1 else iter
    if adder is None or not isinstance(stream, FlowStream):
        yield from ahead(stream)
        return
    sums = TextSums(adder, jobs)
    yield from stream.summed(sums, ahead)
    sums.finish()


class TextSums:
    """Adds conntrack text up.

    Parameters
    ----------
    adder : Adder
        Where everything ends up; complete after ``finish``.
    jobs : int
        Threads that scan and judge. The results are the same.
    piece_bytes : int
        Bytes of text taken at a time.
    """

    def __init__(self, adder: Any, jobs: int = 1, piece_bytes: int | None = None) -> None:
        self._adder = adder
        self._piece_bytes = piece_bytes or PIECE_BYTES
        self._seats = [_Seat(self._new_worker) for _ in range(max(jobs, 1))]

    def _new_worker(self) -> _Worker:
        own = self._adder if len(self._seats) == 1 else self._adder.fork()
        return _Worker(own, self._piece_bytes)

    def __call__(
        self, source: Source, stats: ReadStats, suspects: Suspects, *, strict: bool
    ) -> Generator[int, None, RestOfSource | None]:
        """Add one input up as far as its pieces are independent.

        Parameters
        ----------
        source : Source
            Conntrack text.
        stats : ReadStats
            Counts and samples are added here.
        suspects : Suspects
            Records are added here.
        strict : bool
            Raise at the first line that is no record.

        Yields
        ------
        int
            Records added, not 0.

        Returns
        -------
        RestOfSource or None
            What is left to be read in another way, if anything is.

        Raises
        ------
        FlowError
            The source cannot be read, or a line is no record and ``strict`` is set.
        """
        work = _Work(source, stats, strict=strict, shared=self._adder)
        for worker in self._there():
            worker.begin()
        yield from work.in_turn(self._seats)
        for worker in self._there():
            suspects.merge(worker.records.suspects)
        return work.rest()

    def _there(self) -> Iterator[_Worker]:
        return (seat.worker for seat in self._seats if seat.worker is not None)

    def finish(self) -> None:
        """Bring together what the threads have added."""
        for worker in self._there():
            if worker.adder is not self._adder:
                self._adder.merge(worker.adder)
        self._seats = []


class _Seat:
    """A thread's place: what it works with is made when there is a piece for it, and kept."""

    def __init__(self, make: Callable[[], _Worker]) -> None:
        self._make = make
        self.worker: _Worker | None = None

    def take(self) -> _Worker:
        """Return what the thread works with."""
        if self.worker is None:
            self.worker = self._make()
        return self.worker


class _Worker:
    """What one thread works with, used again for every piece."""

    def __init__(self, adder: Any, piece_bytes: int) -> None:
        self.adder = adder
        self.buffer = bytearray(piece_bytes)
        self.scanner = Scanner(max(piece_bytes // _SHORTEST, 1))
        self.begin()

    def begin(self) -> None:
        """Begin an input."""
        self.records = self.adder.on_text(self.scanner.capacity)

    def add(self, file: str, piece: _Piece) -> bool:
        """Judge the records of the piece scanned, and add them up."""
        self.records.add(self.scanner)
        self.adder.after_piece(self.records, self.scanner, file)
        return True

    def scan(self, piece: _Piece) -> bool:
        """Scan a piece; say whether it is independent of what comes after it."""
        scanner = self.scanner
        scanner.restart()
        done = scanner.scan(self.buffer, 0, piece.stop, piece.final)
        whole = done == piece.stop and scanner.between_lines
        columns = (scanner.columns[name] for name in ("event", "zone_orig", "zone_reply"))
        return whole and not any(column[: scanner.rows].any() for column in columns)


@dataclass(slots=True)
class _Piece:
    """A part of the text, in the buffer of who took it."""

    number: int
    last: bool  # nothing more can be read
    final: bool = False  # nothing more is there
    stop: int = 0
    ends_well: bool = True  # where a line does
    error: BaseException | None = None


class _Work:
    """One input, its pieces and what was found in them."""

    def __init__(self, source: Source, stats: ReadStats, *, strict: bool, shared: Any) -> None:
        self._source = source
        self._stats = stats
        self._strict = strict
        self._shared = shared
        self._lines = 0  # of the pieces taken over
        self._carried = b""  # text read beyond the last piece
        self._left: list[bytes] = []  # pieces that are not taken over
        self._number = 0
        self._failure: FlowError | None = None  # of the source
        self._ended = False  # nothing more to be read
        self._stopped = False  # nothing more to be taken over
        self._reading = threading.Lock()
        self._scanned, self._added = _Turns(), _Turns()
        self._found: queue.SimpleQueue[int | BaseException | None] = queue.SimpleQueue()

    def in_turn(self, seats: list[_Seat]) -> Iterator[int]:
        """Let the workers do everything; give the records of each piece, in order."""
        if len(seats) == 1:
            while self._step(seats[0]):
                yield from self._results()
            yield from self._results()
            return
        threads = [threading.Thread(target=self._run, args=(seat,), daemon=True) for seat in seats]
        for thread in threads:
            thread.start()
        try:
            running = len(threads)
            while running:
                item = self._found.get()
                running -= item is None
                yield from _results_of(item)
        finally:
            self._stopped = self._ended = True
            for thread in threads:
                thread.join(1)  # not for ever: it may wait for a pipe

    def rest(self) -> RestOfSource | None:
        """Return the text from the first piece on that was not taken over."""
        if not self._left:
            return None
        held = b"".join([*self._left, self._carried])
        return RestOfSource(held, self._source, self._lines, self._failure)

    def _results(self) -> Iterator[int]:
        while not self._found.empty():
            yield from _results_of(self._found.get())

    def _run(self, seat: _Seat) -> None:
        try:
            while self._step(seat):
                pass
        except BaseException as error:  # given to who waits: else the sums would lack a piece
            self._found.put(error)
        self._found.put(None)

    def _step(self, seat: _Seat) -> bool:
        """Take the next piece all the way; False where there is none."""
        with self._reading:
            if self._ended:
                return False
            worker = seat.take()
            piece = self._next(worker.buffer)
        if piece is None:
            return False
        independent = piece.ends_well and _tried(piece, worker.scan)
        with self._scanned.turn(piece.number):
            # Judged only now: all that comes after a piece that is left must be left, too.
            taken = independent and not self._stopped
            if not taken:
                self._ended = self._stopped = True
                self._left.append(bytes(worker.buffer[: piece.stop]))
        if taken:
            _tried(piece, partial(worker.add, self._source.name))
        with self._added.turn(piece.number):
            if taken and piece.error is None:
                _tried(piece, partial(self._take_over, worker))
            error = piece.error or (self._failure if taken and piece.last else None)
            if error is not None:
                self._ended = self._stopped = True
                self._found.put(error)
        return True

    def _next(self, buffer: bytearray) -> _Piece | None:
        """Read the next piece into ``buffer``; None at the end. One thread at a time."""
        have = self._fill(buffer)
        if have == 0 and self._failure is None:
            return None
        piece = _Piece(self._number, last=self._ended)
        self._number += 1
        piece.final = self._ended and self._failure is None
        piece.stop = have if piece.final else buffer.rfind(b"\n", 0, have) + 1
        piece.ends_well = piece.stop > 0 or have == 0
        self._carried = bytes(buffer[piece.stop : have])
        return piece

    def _fill(self, buffer: bytearray) -> int:
        """Read on after what was carried, until a piece is worth its costs or nothing more comes.

        What is read before a failure is looked at before it is raised.
        """
        view = memoryview(buffer)
        have = len(self._carried)
        view[:have] = self._carried
        while have <= len(buffer) // 2:
            try:
                got = self._source.readinto(view[have:])
            except FlowError as error:
                self._failure, got = error, 0
            if got == 0:
                self._ended = True
                break
            have += got
        return have

    def _take_over(self, worker: _Worker, piece: _Piece) -> bool:
        """Bring what was found in a piece to where everybody's ends up. In the text's order."""
        scanner, stats = worker.scanner, self._stats
        text = memoryview(worker.buffer)
        note_errors(
            scanner, text, self._source.name, stats, strict=self._strict, before=self._lines
        )
        add_counts(scanner, stats)
        self._shared.take_piece(worker.adder, self._lines)
        self._lines += scanner.lines
        if worker.records.counted:
            self._shared.has_packets = self._shared.has_bytes = True
        if scanner.rows:
            self._found.put(scanner.rows)
        return True


def _tried(piece: _Piece, step: Callable[[_Piece], bool]) -> bool:
    """Do a step with a piece; what it raises is the piece's, to be raised in its turn."""
    try:
        return step(piece)
    except BaseException as error:
        piece.error = error
        return False


def _results_of(item: int | BaseException | None) -> Iterator[int]:
    if isinstance(item, BaseException):
        raise item
    if item is not None:
        yield item


class _Turns:
    """Lets threads do something in the order of their numbers, from 0."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._next = 0

    @contextmanager
    def turn(self, number: int) -> Iterator[None]:
        """Wait for the turn of ``number``, have it, and give it on."""
        with self._changed:
            self._changed.wait_for(lambda: self._next == number)
        try:
            yield
        finally:
            with self._changed:
                self._next += 1
                self._changed.notify_all()
