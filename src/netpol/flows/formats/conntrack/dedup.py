"""Takes conntrack records of several nodes or zones, says which are one connection.

A connection is in the table of every node, and every zone, that it passes, each time as it came in
there and as it went on. What goes on from one comes in at the next (``tuples``), so the records of
one connection are a chain of tuples (``chains``), and all that show the same tuple after them are
of one connection. One record of a chain is kept, the one that shows most: NAT of both ends before
NAT of one before none, then the first of the chain, then the first read. It is given the chain's
first tuple before NAT (client and what it dialled) and the last one after NAT (server and the
source it saw); counters, time and place stay its own.

In a table a tuple is there once a zone, so equal keys are one connection. Events of one file that
repeat a key (in one zone) are connections one after the other: the k-th there is the k-th
elsewhere.

What the kept record proves, because it is known where which record was made (A15.13):

- EGRESS_DIALLED: the destination is translated, but not in any file that has the chain's first
  record. That file is then of the client's node, or of one on the way before the translation, and
  what it sent on was the address dialled. Two records of one file (zones of one node) prove
  nothing: policies of a zone may lie before or after its NAT.
- INGRESS_SEEN: a file has the connection as it was after all NAT, and translates nothing of it. It
  is downstream of the NAT, so that what it saw as the source, the server's policies saw.

A record kept whose tuple others translate, of which none could be chained to it, does not even
prove that its node sent on what was dialled: another zone of it may not have.

Memory: 16 bytes a record, 41 (IPv6 113) where there was NAT, 8 more for events; while deciding up
to 70 a record, 190 (IPv6 300) where there was NAT.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from netpol.flows.formats.conntrack.chains import Chains, among, chains_of, distinct
from netpol.flows.formats.conntrack.links import Links
from netpol.flows.formats.conntrack.text import Entries
from netpol.flows.formats.conntrack.tuples import (
    AFTER,
    BEFORE,
    ORDINAL_SHIFT,
    Tuples,
    differing,
    ipv4_tuples,
    is_wide_key,
    joined_tuples,
    keys_of,
    mix,
    tuples_of,
)
from netpol.model.evidence import Evidence

__all__ = ["Deduplicator"]

_U64 = npt.NDArray[np.uint64]
_Ints = npt.NDArray[np.signedinteger[Any]]  # int32 where that is wide enough
_Bools = npt.NDArray[np.bool_]
_ORDINALS = (1 << 15) - 1


_SEEDS = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1B54A32D192ED03))
_NO_WORDS = np.zeros(0, np.uint64)


class _Translated(NamedTuple):
    """Records with NAT: their places, the keys before it, what was translated."""

    row: _Ints  # int64[m], ascending
    high: _U64
    low: _U64
    ends: npt.NDArray[np.uint8]  # 2 where both ends were translated, else 1
    dst: _Bools  # whether the destination was


class _Case(NamedTuple):
    """All records as a graph of tuples, which are numbered."""

    after: _Ints  # int64[n], the vertex of each record
    nat: _Translated
    before: _Ints  # int64[m], the vertex before each record with NAT
    first: _Ints  # int64[vertices], the record that stands for it; -1 where only steps begin


class _Steps(NamedTuple):
    """What chains of at least two tuples come to, one entry a chain."""

    head: _Ints
    kept: _Ints  # the record that shows most
    opening: _Ints  # the first and the last record with NAT, as places among those
    closing: _Ints


class Deduplicator:
    """Collects the keys of all records, then decides. Feed it records in input order.

    Parameters
    ----------
    repeats : bool
        Records that a zone has alike are connections one after the other: the text is one dump, so
        what repeats in it is another one, put behind it.
    """

    def __init__(self, *, repeats: bool = False) -> None:
        self._repeats = repeats
        self._high: list[_U64] = []
        self._low: list[_U64] = []
        self._origin: list[_Ints | None] = []  # None: no events
        self._nat: list[_Translated] = []
        self._wide: list[tuple[Tuples, Tuples]] = []  # of IPv6 records with NAT: before, after
        self._files: list[tuple[int, int]] = []  # its first record, the number of a file
        self._zones: list[_Ints] = []  # where ``repeats`` matters; -1: events
        self._rows = 0
        self._zoned = 0

    def add(self, entries: Entries, file: int) -> None:
        """Take records of the ``file``-th input (below 2^31)."""
        high, low = keys_of(entries, AFTER)
        self._high.append(high)
        self._low.append(low)
        self._add_translated(entries, high, low)
        zone = entries["zone_orig"].astype(np.int64) << 16 | entries["zone_reply"]
        events = entries["event"] != 0
        # Where a repetition is another connection: one file and zone of events; -1 nowhere.
        origin = np.where(events, file << 32 | zone, -1) if events.any() else None
        self._origin.append(origin)
        if self._repeats:
            self._zones.append(np.where(events, -1, zone))
        if not self._files or self._files[-1][1] != file:
            self._files.append((self._rows, file))
        self._rows += entries.rows
        self._zoned += int(np.count_nonzero(zone))

    def _add_translated(self, entries: Entries, high: _U64, low: _U64) -> None:
        before_high, before_low = keys_of(entries, BEFORE)
        rows = np.flatnonzero((before_high != high) | (before_low != low))
        if not len(rows):
            return
        high, low = before_high[rows], before_low[rows]
        chosen = entries.take(rows)
        sent, arrived = tuples_of(chosen, BEFORE), tuples_of(chosen, AFTER)
        wide = is_wide_key(low)
        src, dst = differing(sent, arrived, wide)
        ends = 1 + (src & dst).astype(np.uint8)
        self._nat.append(_Translated(self._rows + rows, high, low, ends, dst))
        if wide.any():
            self._wide.append((sent.take(wide), arrived.take(wide)))

    def decide(self) -> Links:
        """Say what becomes of the records, in the order added. Once only."""
        if not self._rows:
            return Links(np.zeros(0, np.bool_))
        case = self._case()
        chains = chains_of(case.before, case.after[case.nat.row], case.first >= 0)
        steps = _steps_of(case, chains)
        chain = np.arange(len(case.first), dtype=case.after.dtype)
        chain[chains.vertex] = chains.head
        kept = case.first.copy()  # by the first vertex of each chain
        kept[chains.vertex] = -1
        kept[steps.head] = steps.kept
        keep = np.zeros(self._rows, np.bool_)
        keep[kept[kept >= 0]] = True
        links = Links(keep, zoned=self._zoned)
        self._join(case, steps, links)
        before = case.before[chain[case.before] != chain[case.after[case.nat.row]]]
        doubted = kept[chain[before]]
        links.doubted = distinct(doubted[doubted >= 0])
        if len({number for _, number in self._files}) > 1:
            proofs = self._proofs(case, chain, chains)
            proved = np.flatnonzero(proofs)
            proved = proved[np.argsort(kept[proved])]
            links.proved, links.proofs = kept[proved], proofs[proved]
        return links

    def _case(self) -> _Case:
        """Find a number for each tuple, and the record that stands for each."""
        sizes = [len(part) for part in self._high]
        high, low = np.concatenate(self._high), np.concatenate(self._low)
        self._high, self._low = [high], [low]
        nat = self._all_translated()
        low_before = nat.low
        if self._repeats:
            repeat = self._repeats_of(high, low, nat)
            low, low_before = low | repeat, low_before | repeat[nat.row]
        if any(part is not None for part in self._origin):
            origin = np.concatenate(
                [
                    np.full(size, -1) if part is None else part
                    for part, size in zip(self._origin, sizes, strict=True)
                ]
            )
            every_high, every_low = high.copy(), low.copy()
            every_high[nat.row], every_low[nat.row] = nat.high, low_before
            low_before = low_before | _ordinals(every_high, every_low, origin)[nat.row]
            low = low | _ordinals(high, low, origin)
        self._origin = []
        vertex, count = _numbered(
            np.concatenate((high, nat.high)), np.concatenate((low, low_before))
        )
        rows = len(high)
        first = np.full(count, -1, _index_type(rows))
        # Of several values for one place the last stays; so the first of the records, but of those
        # with NAT if there are any.
        first[vertex[:rows][::-1]] = np.arange(rows, dtype=first.dtype)[::-1]
        first[vertex[nat.row][::-1]] = nat.row[::-1]
        return _Case(vertex[:rows], nat, vertex[rows:], first)

    def _repeats_of(self, high: _U64, low: _U64, nat: _Translated) -> _U64:
        """Return how many earlier records of its zone are like each, as ``_ordinals`` does."""
        before_high, before_low = high.copy(), low.copy()
        before_high[nat.row], before_low[nat.row] = nat.high, nat.low
        words = [high, low, before_high, before_low]
        zones = np.concatenate(self._zones)
        return _ordinals(mix(words, _SEEDS[0]), mix(words, _SEEDS[1]), zones)

    def _all_translated(self) -> _Translated:
        nothing = _Translated(
            np.zeros(0, np.int64), _NO_WORDS, _NO_WORDS,
            np.zeros(0, np.uint8), np.zeros(0, np.bool_),
        )  # fmt: skip
        parts = [nothing, *self._nat]
        return _Translated(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def _join(self, case: _Case, steps: _Steps, links: Links) -> None:
        """Return the records kept of chains the chain's tuples, where those are not their own."""
        row = case.nat.row
        other = (row[steps.opening] != steps.kept) | (row[steps.closing] != steps.kept)
        order = np.flatnonzero(other)
        order = order[np.argsort(steps.kept[order])]
        opening, closing = steps.opening[order], steps.closing[order]
        links.joined = steps.kept[order]
        links.sent = ipv4_tuples(case.nat.high[opening], case.nat.low[opening])
        links.arrived = ipv4_tuples(self._high[0][row[closing]], self._low[0][row[closing]])
        wide = is_wide_key(case.nat.low[opening])
        if wide.any():
            place = np.cumsum(is_wide_key(case.nat.low)) - 1
            sent, arrived = (joined_tuples(parts) for parts in zip(*self._wide, strict=True))
            links.sent.put(wide, sent.take(place[opening[wide]]))
            links.arrived.put(wide, arrived.take(place[closing[wide]]))

    def _proofs(self, case: _Case, chain: _Ints, chains: Chains) -> npt.NDArray[np.uint8]:
        """Return the Evidence bits of each chain, by its first vertex."""
        vertices = len(case.first)
        row, dst = case.nat.row, case.nat.dst
        begins = np.array([begin for begin, _ in self._files])
        numbers = np.array([number for _, number in self._files])

        def places(rows: _Ints) -> _Ints:
            """Return chain and file of records as one number."""
            file = numbers[np.searchsorted(begins, rows, "right") - 1]
            found: _Ints = file * vertices + chain[case.after[rows]]
            return found

        of_nat = chain[case.after[row]]
        translated, redirected = np.zeros((2, vertices), np.bool_)
        translated[of_nat] = True
        redirected[of_nat[dst]] = True
        certain = ~chains.several  # different tuples lead to the first: which is it?
        plain = np.ones(len(case.after), np.bool_)
        plain[row] = False
        plain_rows = np.flatnonzero(plain & (translated & certain)[chain[case.after]])
        at = case.after[plain_rows]
        opens = plain[case.first[chain[at]]] & (chain[at] == at)
        last = np.arange(vertices, dtype=chain.dtype)
        order = np.argsort(chains.depth)  # the deepest is written last
        last[chains.head[order]] = chains.vertex[order]
        closes = last[chain[at]] == at
        proofs = np.zeros(vertices, np.uint8)

        untranslated = np.concatenate(
            (plain_rows[opens], row[~dst & (of_nat == case.after[row]) & certain[of_nat]])
        )
        untranslated = untranslated[redirected[chain[case.after[untranslated]]]]
        elsewhere = ~among(places(untranslated), places(row[dst]))
        proofs[chain[case.after[untranslated[elsewhere]]]] |= np.uint8(Evidence.EGRESS_DIALLED)

        seen = plain_rows[closes]
        elsewhere = ~among(places(seen), places(row))
        proofs[chain[case.after[seen[elsewhere]]]] |= np.uint8(Evidence.INGRESS_SEEN)
        return proofs


def _steps_of(case: _Case, chains: Chains) -> _Steps:
    """Find the records of each chain that matter. Every vertex but the first has one with NAT."""
    row = case.nat.row
    stands = case.first[chains.vertex]
    place = np.minimum(np.searchsorted(row, stands), len(row) - 1)
    has_nat = row[place] == stands
    ends = np.where(has_nat, case.nat.ends[place], np.uint8(0)).astype(np.int64)
    best = _first_of_each(chains.head, -ends, chains.depth)
    inner = np.flatnonzero(has_nat)
    head, depth = chains.head[inner], chains.depth[inner]
    return _Steps(
        chains.head[best],
        stands[best],
        place[inner[_first_of_each(head, depth)]],
        place[inner[_first_of_each(head, -depth)]],
    )


def _first_of_each(group: _Ints, *keys: _Ints) -> _Ints:
    """Return the place of the smallest of each group, by the keys in turn; groups ascend."""
    order = np.lexsort((*reversed(keys), group))
    group = group[order]
    new = np.ones(len(order), np.bool_)
    new[1:] = group[1:] != group[:-1]
    return order[new]


def _numbered(high: _U64, low: _U64) -> tuple[_Ints, int]:
    """Return distinct keys numbers: that of each key, and how many there are.

    Sorted by one word that mixes both: two words take three times as long.
    """
    mixed = mix([high, low], _SEEDS[0])
    order = np.argsort(mixed)
    mixed = mixed[order]
    new = np.zeros(len(order), np.bool_)
    new[1:] = mixed[1:] != mixed[:-1]
    del mixed
    other = _changes(high, low, order)
    if not np.array_equal(new, other):  # unlike keys have one mix, and may stand in turn
        order = np.lexsort((low, high))
        new = _changes(high, low, order)
    vertex = np.empty(len(order), _index_type(len(order)))
    vertex[order] = np.cumsum(new, dtype=vertex.dtype)
    return vertex, int(np.count_nonzero(new)) + 1


def _changes(high: _U64, low: _U64, order: _Ints) -> _Bools:
    """Return whether each key, in an order, differs from the one before."""
    new = np.zeros(len(order), np.bool_)
    for column in (high, low):
        ordered = column[order]
        new[1:] |= ordered[1:] != ordered[:-1]
    return new


def _index_type(count: int) -> type[np.int32] | type[np.int64]:
    return np.int32 if count < 1 << 31 else np.int64


def _ordinals(high: _U64, low: _U64, origin: _Ints) -> _U64:
    """Return how many earlier events of the same origin have the same key, in bits 48 to 62."""
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
    out[order] = np.minimum(since, _ORDINALS).astype(np.uint64) << ORDINAL_SHIFT
    return out
