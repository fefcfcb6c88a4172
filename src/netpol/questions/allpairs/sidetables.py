"""Takes engines' row tables, gives what every kind of subject says to every kind of peer.

What a row says to a column is a vector: one verdict per port class, and who decides where that is
asked for. There are few different ones (hundreds at 10 000 pods, thousands with who decides), so
each is stored once and tables hold numbers of vectors. Vectors are shared by engines and sides: two
engines say the same exactly where the numbers are the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from netpol.compiler.layout import (
    HAIRPIN_COLUMN,
    HALF_MASK,
    HALF_SHIFT,
    OWN_NODE_COLUMN,
    PAGE,
    PARTS_OF,
    SPLIT_ROW,
    VERDICT_MASK,
    Piece,
    Seen,
)
from netpol.model.verdict import Side, Verdict
from netpol.questions.allpairs.portsets import PortSets

if TYPE_CHECKING:
    from netpol.engine.engine import Engine

__all__ = ["Differences", "EngineSide", "Vectors", "combined"]

Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]
UInt32s = npt.NDArray[np.uint32]
# Columns of ``EngineSide.peers``.
_LABEL, _CIDR = 0, 1
_DENY = np.uint8(Verdict.DENY)


class Differences(NamedTuple):
    """Whether some vectors differ: in verdicts at all, on recorded ports, and in who decides."""

    anything: bool
    recorded: bool
    rules: bool


class Vectors:
    """Verdict vectors by number: uint8[K] each; ``deciders`` are uint32[K] each, if asked for."""

    def __init__(self, ports: PortSets) -> None:
        self.ports = ports
        self.deciders: list[UInt32s] = []
        self._ids: dict[bytes, int] = {}
        self._items: list[npt.NDArray[np.uint8]] = []
        # By number: which vectors are the same whole, and on recorded ports without and with who.
        self._alike: list[tuple[int, int, int]] = []
        self._alike_ids: tuple[dict[bytes, int], ...] = ({}, {}, {})
        self._table: Int64s = np.zeros((0, 3), np.int64)

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, number: int) -> npt.NDArray[np.uint8]:
        return self._items[number]

    def intern(self, vector: npt.NDArray[np.uint8], deciders: UInt32s | None = None) -> int:
        """Return the number of a vector."""
        who = b"" if deciders is None else deciders.tobytes()
        whole = vector.tobytes()
        found = self._ids.get(whole + who)
        if found is None:
            found = self._ids[whole + who] = len(self._items)
            self._items.append(vector)
            told = self.ports.recorded
            keys = [whole, vector[told].tobytes()]
            keys.append(keys[1])
            if deciders is not None:
                self.deciders.append(deciders)
                keys[2] += deciders[told].tobytes()
            first, second, third = (
                ids.setdefault(key, len(ids))
                for ids, key in zip(self._alike_ids, keys, strict=True)
            )
            self._alike.append((first, second, third))
        return found

    def differ(self, first: Int32s, second: Int32s) -> Differences:
        """Say how any of some vectors differs from the one beside it."""
        places = np.flatnonzero(first != second)
        if not len(places):
            return Differences(anything=False, recorded=False, rules=False)
        if len(self._table) < len(self._alike):
            self._table = np.array(self._alike, np.int64)
        unlike = self._table[first[places]] != self._table[second[places]]
        return Differences(*unlike.any(axis=0).tolist())


class EngineSide:
    """One side of one engine; ``number`` is the engine's column in ``PortSets.classes``.

    ``deciders`` is uint32[decisions], who decides by each: vectors then tell that, too.
    """

    def __init__(
        self,
        engine: Engine,
        side: Side,
        vectors: Vectors,
        number: int,
        deciders: UInt32s | None = None,
    ) -> None:
        arrays = engine.tables.arrays
        name = side.label
        self.side = side
        self._vectors = vectors
        self._ports = vectors.ports.classes[:, number]
        self._rows = arrays[f"rows_{name}"].astype(np.int64)
        self._pairs = arrays[f"pairs_{name}"]
        self._label_pages = arrays[f"label_pages_{name}"]
        self._cidr_pages = arrays[f"cidr_pages_{name}"]
        self._strips = arrays[f"strips_{name}"].astype(np.int64)
        self._pieces = arrays[f"pieces_{name}"]
        self._pages = arrays["pages"]
        self._runs = arrays["runs"]
        self._maps = arrays["port_maps"].reshape(-1)
        self._verdicts = (arrays["decision_info"] & VERDICT_MASK).astype(np.uint8)
        self._deciders = deciders
        self._hairpin_rows = arrays[f"hairpin_rows_{name}"].astype(np.int64)
        self._seen = arrays[f"seen_cidr_{name}"].astype(np.int64)
        self._hairpin_exempt = engine.switches.np_service_hairpin == "allow"
        self.own_exempt = getattr(engine.switches, f"own_node_{name}") == "allow"
        self._parts = arrays["endpoint_parts"].astype(np.int64)
        self._memo: dict[tuple[int, int], int] = {}

    def subjects(self, endpoints: Int64s) -> Int64s:
        """Return the row of each endpoint as a subject."""
        rows: Int64s = self._parts[endpoints, PARTS_OF[self.side].row]
        return rows

    def peers(self, endpoints: Int64s, pods: Any, nodes: Any) -> Int64s:
        """Return int64[n, 2], label and CIDR column of each endpoint as a peer sees it (A6.4)."""
        mine = PARTS_OF[self.side]
        columns: Int64s = self._parts[endpoints[:, None], [mine.label, mine.cidr]]
        columns[pods, _CIDR] = self._seen[Seen.POD, columns[pods, _CIDR]]
        columns[nodes, _CIDR] = self._seen[Seen.NODE, columns[nodes, _CIDR]]
        return columns

    def own_node(self, peers: Int64s) -> Int64s:
        """Return the columns of nodes as the pods on them see them (A11.2)."""
        own = peers.copy()
        if self.own_exempt:
            own[:, _LABEL] = OWN_NODE_COLUMN
        return own

    def row(self, row: int, peers: Int64s) -> Int32s:
        """Return int32[n], the number of the vector that a row has for each of n peers."""
        base, width, ports, flags = self._rows[row].tolist()
        labels = self._locals(self._label_pages[row], peers[:, _LABEL])
        if flags & SPLIT_ROW:
            return self._split_row(base + labels * width, ports, peers[:, _CIDR])
        cidrs = self._locals(self._cidr_pages[row], peers[:, _CIDR])
        places = labels * width + cidrs
        number_at: Int32s = np.zeros(int(places.max(initial=0)) + 1, np.int32)
        number_at[places] = 1
        for place in np.flatnonzero(number_at).tolist():
            number_at[place] = self._vector(int(self._pairs[base + place]), ports)
        numbers: Int32s = number_at[places]
        return numbers

    def _split_row(self, pairs: Int64s, ports: int, columns: Int64s) -> Int32s:
        """Return what ``row`` does for a row that is split by port (``compiler/rows/strips.py``).

        All peers in the same place get it once; there are as many as its rules tell apart.
        """
        locals_ = self._maps[ports + self._ports].astype(np.int64)
        distinct, which = np.unique(pairs << HALF_SHIFT | columns, return_inverse=True)
        numbers = np.empty(len(distinct), np.int32)
        for place, key in enumerate(distinct.tolist()):
            strips = self._pairs[(key >> HALF_SHIFT) + locals_].astype(np.int64)
            runs = self._in_strips(strips, np.full(len(strips), key & HALF_MASK))
            numbers[place] = self._told(self._runs[runs])
        found: Int32s = numbers[which.reshape(-1)]
        return found

    def _in_strips(self, strips: Int64s, columns: Int64s) -> Int64s:
        """Return the place in the runs that each strip has for the column beside it."""
        low, high = self._strips[strips], self._strips[strips + 1]
        while (high - low > 1).any():
            middle = (low + high) // 2
            inside = (self._pieces[middle, Piece.COLUMN] <= columns) & (high - low > 1)
            low = np.where(inside, middle, low)
            high = np.where(inside | (high - low <= 1), high, middle)
        found: Int64s = self._pieces[low, Piece.RUN].astype(np.int64)
        return found

    def hairpin(self, row: int, own: Int64s) -> int:
        """Return the vector for traffic of a pod to itself through a service (A10.3)."""
        twin = int(self._hairpin_rows[row])
        peer = own[None, :].copy()
        if twin:
            return int(self.row(twin, peer)[0])
        if self._hairpin_exempt:
            peer[0, _LABEL] = HAIRPIN_COLUMN
        return int(self.row(row, peer)[0])

    def decisions(self, rows: Int64s, peers: Int64s, ports: Int64s) -> Int64s:
        """Return int64[n, m], the decision ids of n rows with n peers' columns.

        At m port classes.
        """
        base, width, maps, flags = self._rows[rows].T
        pages = (self._label_pages, self._cidr_pages)
        label, cidr = (
            self._pages[index[rows, column // PAGE], column % PAGE].astype(np.int64)
            for index, column in zip(pages, peers.T, strict=True)
        )
        split = flags & SPLIT_ROW != 0
        places = self._maps[maps[:, None] + self._ports[ports]].astype(np.int64)
        pairs = base + label * width
        runs = self._pairs[pairs + np.where(split, 0, cidr)].astype(np.int64)[:, None] + places
        if split.any():
            strips = self._pairs[pairs[split][:, None] + places[split]].astype(np.int64)
            columns = np.repeat(peers[split, _CIDR], places.shape[1])
            runs[split] = self._in_strips(strips.reshape(-1), columns).reshape(strips.shape)
        found: Int64s = self._runs[runs].astype(np.int64)
        return found

    def _locals(self, index: npt.NDArray[np.uint32], columns: Int64s) -> Int64s:
        found: Int64s = self._pages[index[columns // PAGE], columns % PAGE].astype(np.int64)
        return found

    def _vector(self, run: int, ports: int) -> int:
        found = self._memo.get((run, ports))
        if found is None:
            decisions = self._runs[run + self._maps[ports + self._ports].astype(np.int64)]
            found = self._memo[run, ports] = self._told(decisions)
        return found

    def _told(self, decisions: UInt32s) -> int:
        """Return the number of the vector of some decisions, one a port class."""
        who = None if self._deciders is None else self._deciders[decisions]
        return self._vectors.intern(self._verdicts[decisions], who)


def combined(
    egress: npt.NDArray[np.uint8], ingress: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    """DENY if any side denies, else UNKNOWN if any is unknown, else ALLOW (C5)."""
    result = np.maximum(egress, ingress)
    result[(egress == _DENY) | (ingress == _DENY)] = _DENY
    return result
