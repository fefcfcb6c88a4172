"""Takes records and what was decided about them, gives those kept, as what they stand for."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from netpol.flows.formats.conntrack.text import Entries
from netpol.flows.formats.conntrack.tuples import AFTER, BEFORE, Tuples, ipv4_tuples, put_tuples

__all__ = ["Links"]


def _no_rows() -> npt.NDArray[np.int64]:
    return np.zeros(0, np.int64)


def _no_tuples() -> Tuples:
    return ipv4_tuples(np.zeros(0, np.uint64), np.zeros(0, np.uint64))


@dataclass(slots=True)
class Links:
    """What becomes of the records of all inputs, numbered in the order read.

    Attributes
    ----------
    keep : bool[n]
        Whether a record stands for its connection.
    joined : int64[k]
        Records kept that stand for several with NAT, ascending.
    sent, arrived : Tuples
        Of each of those the first tuple before NAT and the last one after it.
    proved : int64[p]
        Records kept that prove more than each alone, ascending.
    proofs : uint8[p]
        What they prove, ``Evidence`` bits.
    doubted : int64[d]
        Records kept whose tuple another record translates, which one could not be told, ascending:
        that they show no NAT proves nothing.
    zoned : int
        Records that name a conntrack zone.
    """

    keep: npt.NDArray[np.bool_]
    joined: npt.NDArray[np.int64] = field(default_factory=_no_rows)
    sent: Tuples = field(default_factory=_no_tuples)
    arrived: Tuples = field(default_factory=_no_tuples)
    proved: npt.NDArray[np.int64] = field(default_factory=_no_rows)
    proofs: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))
    doubted: npt.NDArray[np.int64] = field(default_factory=_no_rows)
    zoned: int = 0

    def applied(
        self, entries: Entries, begin: int
    ) -> tuple[Entries, npt.NDArray[np.uint8] | None, npt.NDArray[np.int64]]:
        """Return the records kept of a chunk, and what they prove together with those left out.

        Parameters
        ----------
        entries : Entries
            Records.
        begin : int
            The number of the first. Records beyond those decided about (an input has grown) are
            kept.

        Returns
        -------
        entries : Entries
            Copies.
        proofs : uint8[len(entries)] or None
            None: nothing.
        doubted : int64[d]
            Those of the records given that prove nothing alone.
        """
        stop = begin + entries.rows
        keep = np.ones(entries.rows, np.bool_)
        decided = self.keep[begin:stop]
        keep[: len(decided)] = decided
        kept = entries.take(keep)
        place = np.cumsum(keep) - 1
        some = _between(self.joined, begin, stop)
        rows = place[self.joined[some] - begin]
        if len(rows):
            put_tuples(kept, rows, BEFORE, self.sent.take(some))
            put_tuples(kept, rows, AFTER, self.arrived.take(some))
        doubted = place[self.doubted[_between(self.doubted, begin, stop)] - begin]
        some = _between(self.proved, begin, stop)
        rows = place[self.proved[some] - begin]
        if not len(rows):
            return kept, None, doubted
        proofs = np.zeros(kept.rows, np.uint8)
        proofs[rows] = self.proofs[some]
        return kept, proofs, doubted


def _between(rows: npt.NDArray[np.int64], begin: int, stop: int) -> slice:
    first, last = np.searchsorted(rows, (begin, stop))
    return slice(int(first), int(last))
