"""Takes conntrack records of several nodes, says which to keep so that each connection counts once.

A connection between two nodes is in both nodes' tables, with one reply tuple: what is on the wire
after the first node's NAT. The key is (protocol, ICMP type, reply tuple). Of the records of one key
the one that shows NAT is kept, because only the client's node knows what was dialled and who the
client was; else the first.

In a table a tuple is there once a node, so equal keys are one connection, also where zones make one
node list it several times. Events of one file that repeat a key (in one zone) are connections one
after the other: the k-th there is the k-th elsewhere.

The key of an IPv4 record is exact. That of an IPv6 record is a 112-bit hash: any two of a billion
connections fall together with a probability below 1e-15. Memory: 29 bytes a record, three
times that while deciding.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from netpol.flows.batch import NO_ICMP, Column
from netpol.flows.conntrack import WIDE, Entries

__all__ = ["Deduplicator"]

_U64 = npt.NDArray[np.uint64]
_WIDE_KEY = np.uint64(1 << 63)
_ORDINALS = (1 << 15) - 1


class Deduplicator:
    """Collects the keys of all records, then decides. Feed it records in input order."""

    def __init__(self) -> None:
        self._high: list[_U64] = []
        self._low: list[_U64] = []
        self._plain: list[npt.NDArray[np.bool_]] = []
        self._origin: list[npt.NDArray[np.int64]] = []

    def add(self, entries: Entries, file: int) -> None:
        """Take records of the ``file``-th input (below 2^31)."""
        high, low = _keys(entries)
        self._high.append(high)
        self._low.append(low)
        self._plain.append(~_shows_nat(entries))
        # Where a repetition is another connection: one file and zone of events; -1 nowhere.
        zone = entries["zone_orig"].astype(np.int64) << 16 | entries["zone_reply"]
        self._origin.append(np.where(entries["event"] != 0, file << 32 | zone, -1))

    def decide(self) -> npt.NDArray[np.bool_]:
        """Give, for every record in the order added, whether to keep it: bool[n]."""
        if not self._high:
            return np.zeros(0, np.bool_)
        high = np.concatenate(self._high)
        low = np.concatenate(self._low)
        plain = np.concatenate(self._plain)
        origin = np.concatenate(self._origin)
        for parts in (self._high, self._low, self._plain, self._origin):
            parts.clear()
        low |= _ordinals(high, low, origin)
        order = np.lexsort((plain, low, high))  # stable: input order within
        first = np.empty(len(order), np.bool_)
        first[0] = True
        sorted_high, sorted_low = high[order], low[order]
        first[1:] = (sorted_high[1:] != sorted_high[:-1]) | (sorted_low[1:] != sorted_low[:-1])
        keep = np.zeros(len(order), np.bool_)
        keep[order[first]] = True
        return keep


def _ordinals(high: _U64, low: _U64, origin: npt.NDArray[np.int64]) -> _U64:
    """Give how many earlier events of the same origin have the same key, in bits 48 to 62."""
    out = np.zeros(len(high), np.uint64)
    events = np.flatnonzero(origin >= 0)
    if not len(events):
        return out
    order = events[np.lexsort((origin[events], low[events], high[events]))]
    starts = np.zeros(len(order), np.bool_)
    starts[0] = True
    for column in (high, low, origin):
        starts[1:] |= column[order[1:]] != column[order[:-1]]
    position = np.arange(len(order))
    since = position - np.maximum.accumulate(np.where(starts, position, 0))
    out[order] = np.minimum(since, _ORDINALS).astype(np.uint64) << np.uint64(48)
    return out


def _shows_nat(entries: Entries) -> npt.NDArray[np.bool_]:
    """Whether the original tuple is not the reply tuple turned around."""
    wide = entries.wide
    changed = np.zeros(entries.rows, np.bool_)
    for one, other in (("orig_src", "reply_dst"), ("orig_dst", "reply_src")):
        differ = entries.address(one, wide=wide) != entries.address(other, wide=wide)
        changed |= differ.any(axis=1) if wide else differ
    ports = entries["icmp_type"] == NO_ICMP
    changed |= ports & (entries["orig_sport"] != entries["reply_dport"])
    changed |= ports & (entries["orig_dport"] != entries["reply_sport"])
    return changed


def _keys(entries: Entries) -> tuple[_U64, _U64]:
    """Give the two words of each record's key; bits 48 to 62 of the lower are for ordinals."""
    low = _u64(entries["reply_sport"]) << np.uint64(32)
    low |= _u64(entries["reply_dport"]) << np.uint64(16)
    low |= _u64(entries["protocol"]) << np.uint64(8)
    low |= _u64(entries["icmp_type"])
    high = _u64(entries["reply_src"]) << np.uint64(32) | _u64(entries["reply_dst"])
    is_wide = (entries["flags"] & WIDE) != 0
    if is_wide.any():
        words = [low[is_wide]]
        for name in ("reply_src_wide", "reply_dst_wide"):
            pair = np.ascontiguousarray(entries[name][is_wide]).view(np.uint64)
            words += [pair[:, 0], pair[:, 1]]
        high[is_wide] = _mix(words, np.uint64(0x9E3779B97F4A7C15))
        spread = _mix(words, np.uint64(0xD1B54A32D192ED03))
        low[is_wide] = (spread & np.uint64((1 << 48) - 1)) | _WIDE_KEY
    return high, low


def _u64(column: Column) -> _U64:
    return column.astype(np.uint64)


def _mix(words: list[_U64], seed: np.uint64) -> _U64:
    """Hash columns of words to one word a row: multiply and shift, as splitmix64 does."""
    state = np.full(len(words[0]), seed)
    for word in words:
        state = (state ^ word) * np.uint64(0xBF58476D1CE4E5B9)
        state ^= state >> np.uint64(27)
        state *= np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(31)
    return state
