"""Takes engines, gives the address space cut wherever one of them tells addresses apart.

The prefix tables cover every address, so the pieces do too: what holds for one address of a piece
holds for all of it, in every engine.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from netpol.compiler.addresses.identities import V4_MAPPED
from netpol.compiler.layout import BLOCK_ENTRIES, EMPTY_SLOT, POINTER

if TYPE_CHECKING:
    from netpol.engine.engine import Engine

__all__ = ["AddressSpace", "cut_addresses"]

_POINTER = np.uint32(POINTER)  # so that its complement is one of uint32
_MAPPED_FIRST, _MAPPED_END = V4_MAPPED, V4_MAPPED + (1 << 32)
_END = {4: 1 << 32, 6: 1 << 128}


@dataclass(frozen=True, slots=True)
class AddressSpace:
    """Pieces of both families in order, each with its endpoint in every engine.

    Attributes
    ----------
    family : uint8[N], 4 or 6. IPv4-mapped addresses are IPv4 alone.
    first, last : the addresses a piece begins and ends with.
    endpoints : int64[N, engines].
    """

    family: npt.NDArray[np.uint8]
    first: list[int]
    last: list[int]
    endpoints: npt.NDArray[np.int64]


def cut_addresses(engines: Sequence[Engine]) -> AddressSpace:
    """Return the pieces that the prefix tables of all engines need."""
    family: list[int] = []
    first: list[int] = []
    last: list[int] = []
    found: list[npt.NDArray[np.int64]] = []
    for number, pieces_of in ((4, _v4_pieces), (6, _v6_pieces)):
        pieces = [pieces_of(engine.tables.arrays) for engine in engines]
        starts, values = _joined([starts for starts, _ in pieces], [held for _, held in pieces])
        ends = [*starts[1:], _END[number]]
        keep = [
            index
            for index, start in enumerate(starts)
            if number == 4 or not _MAPPED_FIRST <= start < _MAPPED_END
        ]
        family += [number] * len(keep)
        first += [starts[index] for index in keep]
        last += [ends[index] - 1 for index in keep]
        found.append(values[keep])
    return AddressSpace(np.array(family, np.uint8), first, last, np.concatenate(found))


def _joined(
    starts: Sequence[list[int]], values: Sequence[npt.NDArray[np.int64]]
) -> tuple[list[int], npt.NDArray[np.int64]]:
    """Cut at every start of any; neighbours that are alike for all are one piece."""
    edges = sorted(set().union(*starts))
    columns = [
        held[[bisect_right(mine, edge) - 1 for edge in edges]]
        for mine, held in zip(starts, values, strict=True)
    ]
    joint = np.column_stack(columns)
    new = np.ones(len(edges), bool)
    new[1:] = (joint[1:] != joint[:-1]).any(axis=1)
    new |= np.array([edge in (_MAPPED_FIRST, _MAPPED_END) for edge in edges])
    return [edge for edge, kept in zip(edges, new.tolist(), strict=True) if kept], joint[new]


def _v4_pieces(arrays: dict[str, Any]) -> tuple[list[int], npt.NDArray[np.int64]]:
    """Walk the trie of 16, 8 and 8 bits from the top, level by level."""
    blocks = np.asarray(arrays["v4_blocks"]).reshape(-1, BLOCK_ENTRIES)
    entries = np.asarray(arrays["v4_root"])
    places = np.arange(len(entries), dtype=np.int64) << 16
    starts, values = [], []
    for shift in (8, 0, None):
        inner = (entries & _POINTER) != 0
        starts.append(places[~inner])
        values.append(entries[~inner].astype(np.int64))
        if shift is None or not inner.any():
            break
        below = np.arange(BLOCK_ENTRIES, dtype=np.int64) << shift
        places = (places[inner][:, None] + below).reshape(-1)
        entries = blocks[entries[inner] & ~_POINTER].reshape(-1)
    start, value = np.concatenate(starts), np.concatenate(values)
    order = start.argsort(kind="stable")
    start, value = start[order], value[order]
    new = np.ones(len(start), bool)
    new[1:] = value[1:] != value[:-1]
    return start[new].tolist(), value[new]


def _v6_pieces(arrays: dict[str, Any]) -> tuple[list[int], npt.NDArray[np.int64]]:
    """Lay the known addresses over the regions."""
    regions = [(high << 64) | low for high, low in np.asarray(arrays["v6_starts"]).tolist()]
    held = np.asarray(arrays["v6_values"]).tolist()
    known = {
        (high << 64) | low: endpoint
        for high, low, endpoint, _ in np.asarray(arrays["v6_hash"]).tolist()
        if endpoint != EMPTY_SLOT
    }
    edges = {*regions, _MAPPED_FIRST, _MAPPED_END, *known, *(address + 1 for address in known)}
    starts = sorted(edge for edge in edges if edge < _END[6])
    values = [
        known[start] if start in known else held[bisect_right(regions, start) - 1]
        for start in starts
    ]
    return starts, np.array(values, np.int64)
