"""Takes conntrack events, gives one record per connection.

NEW opens a connection, UPDATE changes nothing that is judged (NEW carries the final NAT mapping),
DESTROY closes it and brings its counters. A connection is given when it is closed or when the
stream ends, with the time and line at which it was first seen:

- an UPDATE or DESTROY whose NEW was not seen is a connection older than the recording and counts
  once; if its DESTROY has a delta-time, it is as old as that says;
- a NEW for a connection that is open closes it: the DESTROY was lost (events drop under load).

Open connections are held as rows of columns, found by a dict of their packed tuples: some 300 bytes
each. The kernel bounds their number; where DESTROYs are lost for long, the oldest are given early
(``ReadStats.evicted``). Events belong to one file: tuples say nothing about the node, so two
nodes' events are never merged.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from netpol.flows.columns.addresses import map_ipv4
from netpol.flows.formats.conntrack.scan_codes import Event
from netpol.flows.formats.conntrack.text import BATCH_ROWS, WIDE, Entries
from netpol.model.batch import NO_TIME
from netpol.model.read_stats import ReadStats

__all__ = ["merge_events"]

NEW, DESTROY = int(Event.NEW), int(Event.DESTROY)  # as numbers: compared for every event
MAX_OPEN = 4_000_000

#: What tells one connection from another at one moment; sport holds the ICMP identifier.
_KEY_COLUMNS = (
    "protocol", "icmp_type", "icmp_code", "zone_orig", "zone_reply",
    "orig_sport", "orig_dport", "reply_sport", "reply_dport",
)  # fmt: skip
_ADDRESSES = ("orig_src", "orig_dst", "reply_src", "reply_dst")


def merge_events(
    entries: Iterator[Entries], stats: ReadStats, *, max_open: int = MAX_OPEN
) -> Iterator[Entries]:
    """Merge the events among records; records that are no events pass through at their place.

    Parameters
    ----------
    entries : iterator of Entries
        Records in the order printed.
    stats : ReadStats
        ``events`` and ``evicted`` are counted here.
    max_open : int
        Most connections held open.

    Yields
    ------
    Entries
        Connections in the order in which they closed, then those still open, oldest first.
    """
    merger: _Merger | None = None
    for chunk in entries:
        typed = chunk["event"] != 0
        if not typed.any():
            yield chunk
            continue
        if merger is None:
            merger = _Merger(max_open)
        stats.events += int(typed.sum())
        if not typed.all():
            yield chunk.take(~typed)
            chunk = chunk.take(typed)
        yield from merger.add(chunk)
        stats.evicted = stats.evicted + merger.take_evicted()
    if merger is not None:
        yield from merger.flush()


def _keys(chunk: Entries) -> list[bytes]:
    """Return the packed tuple of each record; IPv4 and IPv6 differ in length."""
    wide = (chunk["flags"] & WIDE) != 0
    out: npt.NDArray[np.object_] = np.empty(chunk.rows, np.object_)
    for chosen, suffix in ((~wide, ""), (wide, "_wide")):
        if chosen.any():
            parts = [chunk[name][chosen] for name in _KEY_COLUMNS]
            parts += [chunk[name + suffix][chosen] for name in _ADDRESSES]
            out[chosen] = _pack(parts)
    return list(out)


def _pack(parts: list[npt.NDArray[np.generic]]) -> npt.NDArray[np.object_]:
    """Lay arrays of equal length side by side, one bytes object a row."""
    rows = len(parts[0])
    table = np.hstack([np.ascontiguousarray(p).view(np.uint8).reshape(rows, -1) for p in parts])
    width = table.shape[1]
    data = table.tobytes()
    out = np.empty(rows, np.object_)
    out[:] = [data[i : i + width] for i in range(0, rows * width, width)]
    return out


class _Merger:
    """The open connections of one stream."""

    def __init__(self, max_open: int) -> None:
        self._max_open = max_open
        self._slot_of: dict[bytes, int] = {}
        self._columns: dict[str, npt.NDArray[np.generic]] = {}
        self._size = 0  # slots there are
        self._free: list[int] = []
        self._evicted = 0

    def take_evicted(self) -> int:
        """Return how many connections were given early since the last call."""
        evicted, self._evicted = self._evicted, 0
        return evicted

    def add(self, chunk: Entries) -> Iterator[Entries]:
        """Take events, give the connections they close."""
        opened, closed, counted = self._walk(_keys(chunk), chunk["event"].tolist())
        rows = np.fromiter((row for row, _ in opened), np.int64, len(opened))
        slots = np.fromiter((slot for _, slot in opened), np.int64, len(opened))
        self._reserve(chunk, int(slots.max(initial=-1)) + 1)
        for name, column in self._columns.items():
            column[slots] = chunk[name][rows]
        self._settle(chunk, counted)
        evicted = self._evict()
        self._evicted += len(evicted)
        yield from self._give(evicted + closed)
        self._free += closed
        self._free += evicted

    def flush(self) -> Iterator[Entries]:
        """Yield the connections that are still open."""
        yield from self._give(list(self._slot_of.values()))
        self._slot_of.clear()

    def _walk(
        self, keys: list[bytes], events: list[int]
    ) -> tuple[list[tuple[int, int]], list[int], list[tuple[int, int]]]:
        """Find what each event does.

        Gives (row, slot) of connections opened, slots closed, and (row, slot) of DESTROYs. A slot
        closed here is not used again before its connection is given.
        """
        slot_of = self._slot_of
        opened: list[tuple[int, int]] = []
        closed: list[int] = []
        counted: list[tuple[int, int]] = []
        for row, (key, event) in enumerate(zip(keys, events, strict=True)):
            slot = slot_of.get(key)
            if event == NEW and slot is not None:
                closed.append(slot)
                del slot_of[key]  # the new one belongs at the end of the order
                slot = None
            if slot is None:
                slot = slot_of[key] = self._new_slot()
                opened.append((row, slot))
            if event == DESTROY:
                counted.append((row, slot))
                closed.append(slot_of.pop(key))
        return opened, closed, counted

    def _new_slot(self) -> int:
        if self._free:
            return self._free.pop()
        self._size += 1
        return self._size - 1

    def _reserve(self, chunk: Entries, slots: int) -> None:
        """Make the columns hold that many slots."""
        if not self._columns:
            self._columns = {
                name: np.zeros((1024, *column.shape[1:]), column.dtype)
                for name, column in chunk.columns.items()
            }
        held = len(self._columns["protocol"])
        if slots <= held:
            return
        for name, column in self._columns.items():
            larger = np.zeros((max(slots, 2 * held), *column.shape[1:]), column.dtype)
            larger[:held] = column
            self._columns[name] = larger

    def _settle(self, chunk: Entries, counted: list[tuple[int, int]]) -> None:
        """Bring the counters of DESTROYs, and the age of connections first seen there."""
        rows = np.fromiter((row for row, _ in counted), np.int64, len(counted))
        slots = np.fromiter((slot for _, slot in counted), np.int64, len(counted))
        for name in ("packets", "bytes", "flags"):
            self._columns[name][slots] = chunk[name][rows]
        time, delta = chunk["time"][rows], chunk["delta_time"][rows]
        unseen = self._columns["event"][slots] != NEW
        aged = unseen & (time != NO_TIME) & (delta >= 0) & (delta < time // 1_000_000_000)
        self._columns["time"][slots[aged]] = time[aged] - delta[aged] * 1_000_000_000

    def _evict(self) -> list[int]:
        """Let go of the oldest connections beyond the bound."""
        excess = len(self._slot_of) - self._max_open
        oldest = [key for key, _ in zip(self._slot_of, range(excess), strict=False)]
        return [self._slot_of.pop(key) for key in oldest]

    def _give(self, slots: list[int]) -> Iterator[Entries]:
        """Yield the connections in these slots."""
        for begin in range(0, len(slots), BATCH_ROWS):
            chosen = np.array(slots[begin : begin + BATCH_ROWS], np.int64)
            columns = {name: column[chosen] for name, column in self._columns.items()}
            entries = Entries(len(chosen), columns)
            _widen(entries)
            yield entries


def _widen(entries: Entries) -> None:
    """Fill the wide columns of IPv4 records if there are others among them."""
    narrow = (entries["flags"] & WIDE) == 0
    if not narrow.all():
        for name in _ADDRESSES:
            entries[f"{name}_wide"][narrow] = map_ipv4(entries[name][narrow])
