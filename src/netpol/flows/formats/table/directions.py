"""Takes the flow batches of a table, says whether its rows are of one direction each.

Where a record says nothing of its direction, an answer would be judged as a connection of its
own, and wrongly denied. So a table without a reply mark is looked at for what only such records
have: rows that are the way back of others, and rows that go from a server's port to a client's.
Memory is bounded: of more connections than ``CONNECTIONS`` a sample is kept, by a hash that
both directions share, so that whatever is kept is found again however far away its way back is.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from netpol.flows.columns.addresses import format_addresses
from netpol.model.batch import PORT_PROTOCOLS, PROTOCOL_NAMES, FlowBatch
from netpol.model.errors import FlowError, Location

__all__ = ["CONNECTIONS", "EPHEMERAL", "Directions"]

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

#: Connections that are looked at; of more of them, half as many are kept, again and again.
CONNECTIONS = 1 << 16
#: Lowest port that Linux gives to clients by default.
EPHEMERAL = 32768

_ADVICE = (
    "keep one row per connection, whose src is who began it, or add a column is_reply "
    "(docs/formats.md shows how); --one-way says that every row is of who began it"
)
_HAS_PORTS = np.zeros(256, np.bool_)
_HAS_PORTS[list(PORT_PROTOCOLS)] = True


class Directions:
    """Looks at one table, batch by batch.

    Parameters
    ----------
    file : str
        What errors call it.
    unit : str
        What the numbers of its records count: ``line`` or ``row``.
    """

    def __init__(self, file: str, unit: str = "line") -> None:
        self._file = file
        self._unit = unit
        self._said = False  # a mark said something
        self._found: FlowError | None = None
        self._rows = 0  # that have both ports
        self._from_server = 0  # of those, from a server's port to a client's
        self._first_from_server: FlowError | None = None
        self._ways = _Sample()  # connections by addresses and ports
        self._pairs = _Sample()  # rows without source ports by addresses, and to which kind of port

    def add(self, batch: FlowBatch, *, marked: bool) -> None:
        """Look at a batch.

        Parameters
        ----------
        marked : bool
            There is a column that says which rows are replies. Where it says something of any row
            of the table, no fault is found.

        Raises
        ------
        FlowError
            A row is the way back of another, and no column says which are.
        """
        self._said |= batch.is_reply is not None
        if self._said or self._found is not None or not len(batch):
            return
        ports = _HAS_PORTS[batch.protocol]
        if batch.dport_known is not None:
            ports &= batch.dport_known
        both = np.zeros(len(batch), np.bool_) if batch.sport is None else ports
        if batch.sport_known is not None:
            both = ports & batch.sport_known
        if both.any():
            self._add_ways(batch, np.flatnonzero(both))
        if not both.all():
            self._add_pairs(batch, np.flatnonzero(ports & ~both))
        if self._found is not None and not marked:
            raise self._found

    def finish(self) -> None:
        """Say what only the whole table tells.

        Raises
        ------
        FlowError
            Most rows, or ways back of others, go to a client's port.
        """
        if self._said:
            return
        if self._found is not None:
            raise self._found
        if self._first_from_server is not None and self._from_server * 2 > self._rows:
            raise FlowError(
                f"no column is_reply says which rows are answers, and {self._from_server:,} of "
                f"{self._rows:,} rows go from a server's port to a client's, as answers do (first: "
                f"{self._first_from_server.message}); {_ADVICE}",
                self._first_from_server.location,
            )
        self._judge_pairs()

    def _add_ways(self, batch: FlowBatch, rows: I64) -> None:
        sport, dport = batch.sport, batch.dport
        assert sport is not None
        self._rows += len(rows)
        odd = rows[(sport[rows] < EPHEMERAL) & (dport[rows] >= EPHEMERAL)]
        self._from_server += len(odd)
        if len(odd) and self._first_from_server is None:
            row = int(odd[0])
            self._first_from_server = FlowError(_told(batch, row), self._place(batch, row))
        # Programs that use the same port at both ends have no client's port.
        rows = rows[sport[rows] != dport[rows]]
        src = _hash(*_halves(batch.src, rows), sport[rows])
        dst = _hash(*_halves(batch.dst, rows), dport[rows])
        codes = _codes(src, dst, batch.protocol[rows])
        pair = self._ways.add(codes, _lines(batch, rows), mirror=np.uint64(1))
        if pair is not None:
            self._found = self._way_back(batch, int(rows[pair.at]), pair.line)

    def _way_back(self, batch: FlowBatch, row: int, other: int) -> FlowError:
        """Say that a row and that of another line are the two directions of a connection."""
        assert batch.sport is not None
        line = int(_lines(batch, np.array([row]))[0])
        begins = batch.dport[row] < batch.sport[row]
        first, answer = (line, other) if begins else (other, line)
        text = _told(batch, row, turned=not begins)
        return FlowError(
            f"no column is_reply says which rows are answers, and {self._unit} {answer} is the way "
            f"back of {self._unit} {first} ({text}): it would be judged as a connection of its "
            f"own; {_ADVICE}",
            Location(self._file, answer),
        )

    def _add_pairs(self, batch: FlowBatch, rows: I64) -> None:
        none = np.zeros(len(rows), np.uint16)
        src = _hash(*_halves(batch.src, rows), none)
        dst = _hash(*_halves(batch.dst, rows), none)
        codes = _codes(src, dst, batch.protocol[rows]) & ~np.uint64(2)
        codes |= (batch.dport[rows] >= EPHEMERAL).astype(np.uint64) << np.uint64(1)
        self._pairs.add(codes, _lines(batch, rows))

    def _judge_pairs(self) -> None:
        """Judge rows without source ports: many may go to a client that asks the other way."""
        codes, lines, counts = self._pairs.codes, self._pairs.lines, self._pairs.counts
        if not len(codes):
            return
        high = (codes & np.uint64(2)) != 0
        asked = (codes ^ np.uint64(1)) & ~np.uint64(2)
        at = np.minimum(np.searchsorted(codes, asked), len(codes) - 1)
        answers = high & (codes[at] == asked)
        if counts[answers].sum() * 3 > counts.sum():
            line = int(lines[answers].min())
            raise FlowError(
                "no column is_reply says which rows are answers, and more than a third of the rows "
                f"go to a client's port (from {EPHEMERAL} on) of an address that sends to a "
                f"server's port the other way (first: {self._unit} {line}), as answers do; "
                f"{_ADVICE}",
                Location(self._file, line),
            )

    def _place(self, batch: FlowBatch, row: int) -> Location:
        return Location(self._file, int(_lines(batch, np.array([row]))[0]))


class _Pair(NamedTuple):
    """A row, by its place among those added, and the line of the row it mirrors."""

    at: int
    line: int


class _Sample:
    """Codes with the first line and the number of rows of each; of too many, those below a limit.

    The lowest two bits of a code tell kinds of one connection apart, which stay or go together.
    """

    def __init__(self) -> None:
        self.codes: U64 = np.zeros(0, np.uint64)
        self.lines: I64 = np.zeros(0, np.int64)
        self.counts: I64 = np.zeros(0, np.int64)
        self._limit = np.uint64((1 << 64) - 1)

    def add(self, codes: U64, lines: I64, mirror: np.uint64 | None = None) -> _Pair | None:
        """Add rows; give the first that has, but for the bit ``mirror``, the code of an earlier."""
        kept = np.flatnonzero(codes <= self._limit)
        if not len(kept):
            return None
        new, first, counts = np.unique(codes[kept], return_index=True, return_counts=True)
        first = kept[first]
        merged = np.concatenate([self.codes, new])
        order = np.argsort(merged, kind="stable")
        merged = merged[order]
        is_first = np.ones(len(merged), np.bool_)
        is_first[1:] = merged[1:] != merged[:-1]
        starts = np.flatnonzero(is_first)
        self.lines = np.concatenate([self.lines, lines[first]])[order][starts]
        self.counts = np.add.reduceat(np.concatenate([self.counts, counts])[order], starts)
        self.codes = merged[starts]
        pair = None if mirror is None else self._mirrored(new, first, lines, mirror)
        if len(self.codes) > CONNECTIONS:
            self._halve()
        return pair

    def _mirrored(self, new: U64, first: I64, lines: I64, mirror: np.uint64) -> _Pair | None:
        wanted = new ^ mirror
        at = np.minimum(np.searchsorted(self.codes, wanted), len(self.codes) - 1)
        # Of two new ones, the later is the one found.
        hits = (self.codes[at] == wanted) & (self.lines[at] < lines[first])
        if not hits.any():
            return None
        chosen = int(np.flatnonzero(hits)[np.argmin(first[hits])])
        return _Pair(int(first[chosen]), int(self.lines[at[chosen]]))

    def _halve(self) -> None:
        self._limit = self.codes[CONNECTIONS // 2] | np.uint64(3)
        kept = self.codes <= self._limit
        self.codes, self.lines, self.counts = (
            self.codes[kept],
            self.lines[kept],
            self.counts[kept],
        )


# --- hashing ------------------------------------------------------------------------------------

_STEPS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))  # of splitmix64
_MAPPED = np.uint64(0xFFFF << 32)
_NO_HIGH = np.zeros(1, np.uint64)


def _mix(values: U64) -> U64:
    """Mix the bits of numbers; in place, which is half the time."""
    for shift, factor in _STEPS:
        values ^= values >> np.uint64(shift)
        values *= np.uint64(factor)
    values ^= values >> np.uint64(31)
    return values


def _halves(addresses: Any, rows: I64) -> tuple[U64, U64]:
    """Return addresses as two numbers; IPv4 as its mapped address, whatever the batch's layout."""
    picked = addresses[rows]
    if picked.ndim == 1:
        return _NO_HIGH, picked.astype(np.uint64) | _MAPPED
    halves = np.ascontiguousarray(picked).view(">u8").astype(np.uint64)
    return halves[:, 0], halves[:, 1]


def _hash(high: U64, low: U64, ports: Any) -> U64:
    return _mix(_mix(_mix(high + np.uint64(1)) ^ low) ^ ports.astype(np.uint64))


def _codes(src: U64, dst: U64, protocol: Any) -> U64:
    """Return what both directions of a connection share, but for the lowest bit."""
    shared = _mix(src + dst + protocol.astype(np.uint64)) & ~np.uint64(1)
    return np.asarray(shared | (src < dst).astype(np.uint64))


# --- words --------------------------------------------------------------------------------------


def _lines(batch: FlowBatch, rows: I64) -> I64:
    return rows + 1 if batch.line is None else np.asarray(batch.line[rows], np.int64)


def _told(batch: FlowBatch, row: int, *, turned: bool = False) -> str:
    """Write a row's ends, or those of its other direction."""
    assert batch.sport is not None
    ends = [
        f"{_address(address[row : row + 1])}:{port[row]}"
        for address, port in ((batch.src, batch.sport), (batch.dst, batch.dport))
    ]
    if turned:
        ends.reverse()
    number = int(batch.protocol[row])
    return f"{PROTOCOL_NAMES.get(number, number)} {ends[0]} -> {ends[1]}"


def _address(column: Any) -> str:
    text = str(format_addresses(column)[0].as_py())
    return f"[{text}]" if ":" in text else text
