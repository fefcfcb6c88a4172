"""Takes two engines and flows, as batches or conntrack text, gives those judged differently.

A flow is judged differently if its verdict is another, or a mark of who decided it (``deciders``).
All others are only counted, by both verdicts, in the core (``_core/contrast.pyx``).
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from netpol._core.conntrack import Scanner
from netpol._core.contrast import Contrast as CoreContrast
from netpol._core.fused import FusedContrast, FusedRecords
from netpol.flows.formats.conntrack.text import Entries, entries_to_batch, joined
from netpol.model.batch import FlowBatch
from netpol.model.verdict import Verdict
from netpol.questions.diff.deciders import Marks
from netpol.run.sums import HAS_PORTS, Weight, weights_of

if TYPE_CHECKING:
    from netpol.engine.engine import Engine
    from netpol.engine.verdicts import Verdicts

__all__ = ["Contrast"]

_VERDICTS = len(Verdict)

#: Flows judged differently that are given at once: of the few in a piece of text, each cost 1.8 us.
_AT_ONCE = 1 << 14

Judged: TypeAlias = "tuple[FlowBatch, Verdicts, Verdicts]"


class Contrast:
    """Finds the flows that two engines judge differently.

    Parameters
    ----------
    engines : two of Engine
        What is judged by.
    marks : callable
        Takes an engine, gives who decides by each of its decisions.
    found : callable
        Is given flows that are judged differently, with what both engines say of them: batch by
        batch, in the order of the flows.

    Attributes
    ----------
    has_packets, has_bytes : whether any flow carried such counters.
    """

    def __init__(
        self,
        engines: tuple[Engine, Engine],
        marks: Marks,
        found: Callable[[Verdicts, Verdicts], None],
    ) -> None:
        self._engines = engines
        self._marks = tuple(marks(engine) for engine in engines)
        self._give = found
        self._begin()

    def _begin(self) -> None:
        first, second = self._engines
        self.core = CoreContrast(first._core, second._core, *self._marks)
        self.has_packets = self.has_bytes = False
        self._reused: tuple[Verdicts | None, Verdicts | None] = None, None
        self._piece: tuple[str, Entries] | None = None  # of text, with its file
        self._held: list[Entries] = []  # taken over, all of one file, and all wide or none
        self._held_of = ""

    def add(self, batch: FlowBatch) -> None:
        """Judge a batch."""
        self.flush()
        self.has_packets |= batch.packets is not None
        self.has_bytes |= batch.bytes is not None
        first, second = self._reused = self._judge(batch, self._reused)
        differing = self.core.add(len(batch), first.storage, second.storage, *weights_of(batch))
        if len(differing):
            rows = differing.astype(np.int64)
            part = batch.take(rows)
            self._give(first.take(rows, part), second.take(rows, part))

    def _judge(
        self, batch: FlowBatch, reused: tuple[Verdicts | None, Verdicts | None] = (None, None)
    ) -> tuple[Verdicts, Verdicts]:
        before, after = self._engines
        return before.evaluate(batch, reused[0]), after.evaluate(batch, reused[1])

    def counts(self) -> dict[tuple[Verdict, Verdict], Weight]:
        """Return the weight of every pair of verdicts that occurred, equal ones too."""
        return {
            (Verdict(code // _VERDICTS), Verdict(code % _VERDICTS)): Weight(*weight)
            for code, weight in self.core.verdicts.items().items()
        }

    # --- conntrack text (netpol.run.conntrack_sums.Adder) -----------------------------------

    def fork(self) -> Contrast:
        """Return an empty one of the same engines, for another thread."""
        other = copy(self)
        other._begin()
        return other

    def on_text(self, capacity: int) -> FusedRecords:
        """Return what judges a scanner's records, at most ``capacity`` of them."""
        return FusedContrast(self.core, HAS_PORTS, capacity)

    def after_piece(self, records: FusedRecords, scanner: Scanner, file: str) -> None:
        """Keep the records judged differently."""
        assert isinstance(records, FusedContrast)
        found = Entries(scanner.rows, scanner.columns).take(records.rows)
        self._piece = (file, found) if found.rows else None

    def take_piece(self, other: Contrast, lines: int) -> None:
        """Return what was found in a piece that began after so many lines of its file."""
        piece, other._piece = other._piece, None
        if piece is None:
            return
        file, entries = piece
        entries["line"][:] += lines
        if self._held and (file != self._held_of or entries.wide != self._held[0].wide):
            self.flush()
        self._held_of = file
        self._held.append(entries)
        if sum(held.rows for held in self._held) >= _AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Return what was found but is not given yet; to be called at the end."""
        if self._held:
            batch = entries_to_batch(joined(self._held), self._held_of)
            self._held = []
            self._give(*self._judge(batch))

    def merge(self, other: Contrast) -> None:
        """Add the counts of another one of the same engines."""
        self.core.merge(other.core)
        self.has_packets |= other.has_packets
        self.has_bytes |= other.has_bytes
