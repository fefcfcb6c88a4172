"""Takes compiled rows of one side, gives its packed row tables: pairs and pages."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from netpol._core.cells import Pages
from netpol.compiler.layout import (
    HAIRPIN_COLUMN,
    ISOLATED_ROW,
    OWN_NODE_COLUMN,
    PAGE,
    ROW_COLUMNS,
    SPLIT_ROW,
)
from netpol.compiler.rows.row import has_own_column
from netpol.compiler.rows.sides import SideCompiler
from netpol.compiler.shared.budget import Budget
from netpol.compiler.shared.columns import Grouped
from netpol.model.switches import Switches

__all__ = ["SideTables", "local_pages", "pack_side"]

U16 = npt.NDArray[np.uint16]
U32 = npt.NDArray[np.uint32]


class SideTables(NamedTuple):
    """One side's arrays, as ``tables.LAYOUT`` describes them."""

    rows: U32
    pairs: U32
    label_pages: U32
    cidr_pages: U32
    strips: U32
    pieces: U32


def local_pages(budget: Budget) -> Pages:
    """Return the store of pages of local classes; page 0 is all zeros."""
    store = Pages(PAGE, budget.limit)
    store.put_sparse(np.zeros(1, np.uint32), np.zeros(1, np.int64), np.zeros(1, np.uint16))
    return store


def pack_side(
    side: SideCompiler,
    switches: Switches,
    port_classes: int,
    store: Pages,
    budget: Budget,
    first_run: int,
) -> SideTables:
    """Compile every row of a side and pack it; its runs stand behind ``first_run`` others.

    Raises
    ------
    CapacityError
        If the page indexes would exceed the budget; decided before they are allocated.
    """
    count = len(side.rows)
    labels = len(side.column_ports)
    cidrs = len(side.columns)
    name = side.side.label
    label_pages = _indexes(budget, count, labels, f"{count} {name} rows x {labels} label columns")
    cidr_pages = _indexes(budget, count, cidrs, f"{count} {name} rows x {cidrs} CIDR columns")
    rows = np.zeros((count, ROW_COLUMNS), np.uint32)
    pairs: list[U32] = []
    base = 0
    own = has_own_column(side.side, switches)
    hairpin = switches.np_service_hairpin == "allow"
    for index in range(count):
        row = side.compile_row(index)
        flat = row.pairs.reshape(-1)
        if not row.split:
            flat += np.uint32(first_run)
        pairs.append(flat)
        isolated = bool(side.isolating(side.rows[index]))
        flags = isolated * ISOLATED_ROW | row.split * SPLIT_ROW
        rows[index] = base, row.pairs.shape[1], row.port_map * port_classes, flags
        base += len(flat)
        columns, values = _with_special(row.labels, row.special, isolated and own,
                                        isolated and hairpin)  # fmt: skip
        store.put_sparse(label_pages[index], columns, values)
        store.put_sparse(cidr_pages[index], row.cidrs.touched, row.cidrs.local.astype(np.uint16))
    strips = side.strips.arrays(first_run)
    return SideTables(rows, np.concatenate(pairs), label_pages, cidr_pages, *strips)


def _indexes(budget: Budget, rows: int, columns: int, cause: str) -> U32:
    pages = -(-columns // PAGE)
    budget.take(rows * pages * 4, cause)
    return np.zeros((rows, pages), np.uint32)


def _with_special(
    labels: Grouped, special: tuple[int, int], own: bool, hairpin: bool
) -> tuple[npt.NDArray[np.int64], U16]:
    """Own node and hairpin are label columns of their own, right after "no pod"."""
    columns, values = [], []
    if own:
        columns.append(OWN_NODE_COLUMN)
        values.append(special[0])
    if hairpin:
        columns.append(HAIRPIN_COLUMN)
        values.append(special[1])
    return (
        np.concatenate([np.array(columns, np.int64), labels.touched]),
        np.concatenate([np.array(values, np.uint16), labels.local.astype(np.uint16)]),
    )
