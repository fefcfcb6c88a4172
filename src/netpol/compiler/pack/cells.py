"""Takes both sides' packed rows and every endpoint's row and columns, gives the kernel's tables.

The row tables are exact for any label column beside any CIDR column. The kernel needs only the
pairs that some endpoint has: those are the *columns* here. A row says few different things to them
(4 on average, rarely 20), so a cell is one byte, and rows share pages of 64 cells (10 MB at 100 000
pods and 5 000 policies, where flat bytes would be 100 MB and twice as slow to judge by).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from netpol._core.cells import Pages, pack_rows
from netpol.compiler.layout import (
    CELL_VERDICT_SHIFT,
    HALF_MASK,
    HALF_SHIFT,
    NO_COLUMN,
    OWN_NODE_COLUMN,
    PAGE_CELLS,
    PARTS_OF,
    PORTS,
    RECORD_COLUMN_MASK,
    RECORD_COLUMNS,
    RECORD_FLAG_SHIFT,
    RECORD_MAP_MASK,
    RECORD_NODE_SHIFT,
    SPLIT_ROW,
    UNKNOWN_NODE,
    EndpointFlag,
    Part,
    Record,
    Row,
)
from netpol.compiler.pack.rowtables import SideTables
from netpol.compiler.shared.portclasses import PORT_PROTOCOLS, PortClasses
from netpol.model.verdict import Side

__all__ = [
    "Endpoints",
    "Kernel",
    "RowTables",
    "build_kernel",
    "fold_ports",
    "without_cells",
]

_COLUMN_LIMIT, _NODE_LIMIT, _MAP_LIMIT = RECORD_COLUMN_MASK + 1, UNKNOWN_NODE, RECORD_MAP_MASK + 1
_CELL_LIMIT = 1 << 32
_SIDES = (Side.EGRESS, Side.INGRESS)
U32 = npt.NDArray[np.uint32]


class Endpoints(NamedTuple):
    """What the kernel judges an endpoint by.

    Attributes
    ----------
    parts : uint32[E, 8], ``endpoint_parts`` of ``tables.LAYOUT``, hidden CIDR columns as 0 (R20).
    flags : uint32[E], ``EndpointFlag``.
    """

    parts: U32
    flags: U32


class Kernel(NamedTuple):
    """Arrays by their names in ``tables.LAYOUT``, and the own-node column of each side.

    A pair of a column and the bits of a node's own column that are added to it.
    """

    arrays: dict[str, npt.NDArray[Any]]
    own_columns: list[tuple[int, int]]


class _Side(NamedTuple):
    """One side's part of the kernel's tables."""

    pages: U32
    runs: U32
    run_base: npt.NDArray[np.int64]
    locals_: npt.NDArray[np.int64]
    column: npt.NDArray[np.int64]  # of each endpoint
    own: tuple[int, int]


@dataclass(frozen=True, slots=True)
class RowTables:
    """What both sides' rows share.

    Attributes
    ----------
    pages : uint16[pages, 16]; port_maps : uint32[maps, classes]; runs : uint32[...]
        As ``tables.LAYOUT`` describes them.
    verdicts : uint8[decisions], the verdict of each.
    """

    pages: npt.NDArray[np.uint16]
    port_maps: U32
    runs: U32
    verdicts: npt.NDArray[np.uint8]

    @property
    def classes(self) -> int:
        """How many port classes there are."""
        return int(self.port_maps.shape[1])

    def maps_of(self, side: SideTables) -> npt.NDArray[np.int64]:
        """Return the port map of each row."""
        return side.rows[:, Row.PORT_MAP].astype(np.int64) // self.classes


def build_kernel(
    sides: tuple[SideTables, SideTables],
    tables: RowTables,
    endpoints: Endpoints,
    own_exempt: tuple[bool, bool],
    limit: int,
    own_by_address: tuple[bool, bool] = (False, False),
) -> Kernel | None:
    """Return the tables, or None where they would exceed ``limit`` bytes or their narrow fields.

    Parameters
    ----------
    sides : egress and ingress, whose pairs point into the runs of ``tables``.
    own_exempt : per side, whether own-node traffic is exempt.
    own_by_address : per side, whether what is said of the own node depends on its address.
    """
    if limit <= 0 or int(endpoints.parts[:, Part.NODE].max(initial=0)) >= _NODE_LIMIT:
        return None
    if any((side.rows[:, Row.FLAGS] & SPLIT_ROW).any() for side in sides):
        return None  # the runs of such a row by cell are just what it is split to avoid
    store = Pages(PAGE_CELLS, limit)
    built = []
    for number, side in enumerate(sides):
        packed = _pack_side(
            store, side, tables, endpoints.parts, number, limit, own_by_address[number]
        )
        if packed is None:
            return None
        built.append(packed)
    scaled = _scale_maps(
        [(tables.maps_of(t), b.locals_) for t, b in zip(sides, built, strict=True)],
        tables.port_maps,
        limit,
    )
    if scaled is None:
        return None
    maps, map_of = scaled
    cells = store.array()
    narrow = int(cells.max(initial=0)) < 256 and int(maps.max(initial=0)) < 65536
    narrow &= tables.classes <= PORTS
    flat = maps.reshape(-1).astype(np.uint16 if narrow else np.uint32)
    runs = np.concatenate([side.runs for side in built])
    arrays: dict[str, npt.NDArray[Any]] = {
        "cell_index_egress": built[0].pages,
        "cell_index_ingress": built[1].pages,
        "cell_pages": cells.astype(np.uint8) if narrow else cells,
        "cell_runs": (
            runs | tables.verdicts[runs].astype(np.uint32) << np.uint32(CELL_VERDICT_SHIFT)
        ),
        # The kernel reads aligned words of two entries.
        "cell_maps": np.concatenate([flat, np.zeros(len(flat) % 2, flat.dtype)]),
    }
    arrays.update(_records(built, map_of, endpoints))
    own = [
        side.own if exempt else (NO_COLUMN, 0)
        for side, exempt in zip(built, own_exempt, strict=True)
    ]
    return Kernel(arrays, own)


def without_cells(endpoints: Endpoints) -> Kernel:
    """Return the tables where only the row tables are used: records hold flags alone."""
    records = np.zeros((len(endpoints.flags), RECORD_COLUMNS), np.uint32)
    records[:, Record.COLUMN] = endpoints.flags << np.uint32(RECORD_FLAG_SHIFT)
    none = np.zeros((0, 0), np.uint32)
    arrays: dict[str, npt.NDArray[Any]] = {
        "cell_index_egress": none,
        "cell_index_ingress": none,
        "cell_pages": np.zeros((0, PAGE_CELLS), np.uint8),
        "cell_runs": np.zeros(0, np.uint32),
        "cell_maps": np.zeros(0, np.uint16),
        "src_records": records,
        "dst_records": records.copy(),
    }
    return Kernel(arrays, [(NO_COLUMN, 0), (NO_COLUMN, 0)])


def fold_ports(ports: PortClasses, *, narrow: bool) -> npt.NDArray[Any]:
    """Return uint16|uint32[3 * 65536 + 512]: the class of each port of TCP, UDP and SCTP.

    Then that of each protocol number: for the other protocols, and where no port is recorded.
    """
    first = ports.slot_first.astype(np.uint32)
    by_port = [
        ports.lookup[slot * PORTS : (slot + 1) * PORTS].astype(np.uint32) + first[protocol]
        for slot, protocol in enumerate(PORT_PROTOCOLS)
    ]
    # What follows the ports is never asked for TCP, UDP and SCTP themselves.
    folded = np.concatenate([*by_port, first])
    return folded.astype(np.uint16) if narrow else folded


def _pack_side(
    store: Pages,
    side: SideTables,
    tables: RowTables,
    parts: U32,
    number: int,
    limit: int,
    own_by_address: bool,
) -> _Side | None:
    """Return one side's index, its runs by row, and each endpoint's column."""
    mine = PARTS_OF[_SIDES[number]]
    label, cidr = (parts[:, column].astype(np.int64) for column in (mine.label, mine.cidr))
    pairs, column = np.unique(label << HALF_SHIFT | cidr, return_inverse=True)
    pairs, column, own = _with_own_node(pairs, column.reshape(-1), own_by_address)
    rows, width = len(side.rows), -(-len(pairs) // PAGE_CELLS)
    if len(pairs) >= _COLUMN_LIMIT or rows * width * PAGE_CELLS >= _CELL_LIMIT:
        return None
    if rows * width * 4 > limit:
        return None
    index = np.zeros((rows, width), np.uint32)
    found = pack_rows(
        store, side.rows, side.pairs, side.label_pages, side.cidr_pages, tables.pages,
        (pairs >> HALF_SHIFT).astype(np.uint32), (pairs & HALF_MASK).astype(np.uint32),
        len(tables.runs), index,
    )  # fmt: skip
    if found is None:
        return None
    starts, bases = found[0].astype(np.int64), found[1]
    locals_ = np.diff(starts)
    sizes = locals_ * (tables.port_maps.max(axis=1).astype(np.int64) + 1)[tables.maps_of(side)]
    if int(sizes.sum()) * 4 > limit:
        return None
    run_base = np.cumsum(sizes) - sizes
    owner = np.repeat(np.arange(rows), sizes)
    port, cell = np.divmod(np.arange(len(owner)) - run_base[owner], locals_[owner])
    runs = tables.runs[bases[starts[owner] + cell] + port]
    return _Side(index, runs, run_base, locals_, column, own)


def _with_own_node(
    pairs: npt.NDArray[np.int64], column: npt.NDArray[np.int64], by_address: bool
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], tuple[int, int]]:
    """Add the columns of the own node: one, or one for each column of what is no pod.

    Those stand in the same order, so that adding a constant leads from one to the other.
    """
    no_pod = int(np.searchsorted(pairs, OWN_NODE_COLUMN << HALF_SHIFT))
    own = pairs[:no_pod] if by_address else np.zeros(1, np.int64)
    added = np.concatenate([pairs[:no_pod], own | OWN_NODE_COLUMN << HALF_SHIFT, pairs[no_pod:]])
    column = np.where(column < no_pod, column, column + len(own))
    return added, column, (no_pod, RECORD_COLUMN_MASK if by_address else 0)


def _scale_maps(
    sides: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]],
    port_maps: U32,
    limit: int,
) -> tuple[U32, list[npt.NDArray[np.int64]]] | None:
    """Return port maps times the number of a row's runs, and the map of each row of each side.

    A row's runs stand port by port, so a cell and a scaled map add up to a place in them.
    """
    wanted = np.concatenate([maps << HALF_SHIFT | locals_ for maps, locals_ in sides])
    distinct, which = np.unique(wanted, return_inverse=True)
    if len(distinct) > _MAP_LIMIT or len(distinct) * port_maps.shape[1] * 4 > limit:
        return None
    scale = (distinct & HALF_MASK).astype(np.int64)[:, None]
    scaled = port_maps[distinct >> HALF_SHIFT].astype(np.int64) * scale
    if int(scaled.max(initial=0)) >= 1 << 32:
        return None
    rows = len(sides[0][0])
    return scaled.astype(np.uint32), [which.reshape(-1)[:rows], which.reshape(-1)[rows:]]


def _records(
    built: list[_Side], map_of: list[npt.NDArray[np.int64]], endpoints: Endpoints
) -> dict[str, U32]:
    """Return what each endpoint is as source and as destination; see ``tables.LAYOUT``."""
    flags = endpoints.flags.astype(np.int64) << RECORD_FLAG_SHIFT
    node = endpoints.parts[:, Part.NODE].astype(np.int64)
    # Two ends without a node are not on the same one if an end is a node.
    node[(node == 0) & ((endpoints.flags & EndpointFlag.NODE) != 0)] = UNKNOWN_NODE
    shift = (0, len(built[0].runs))
    records = {}
    for mine, name in enumerate(("src_records", "dst_records")):
        side = built[mine]
        row = endpoints.parts[:, PARTS_OF[_SIDES[mine]].row].astype(np.int64)
        words = (  # in the order of Record
            row * side.pages.shape[1] * PAGE_CELLS,
            side.run_base[row] + shift[mine],
            built[1 - mine].column | flags,
            map_of[mine][row] | node << RECORD_NODE_SHIFT,
        )
        records[name] = np.ascontiguousarray(np.column_stack(words), np.uint32)
    return records
