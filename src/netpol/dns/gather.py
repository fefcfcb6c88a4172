"""Takes columns of names, addresses, times and TTLs as text, gives ``DnsObservations``.

Cells are checked by themselves, so one bad cell costs one row. Names and addresses repeat, so each
distinct one of a batch is checked once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from netpol.dns.spans import FOREVER, NEVER, Int64s, SpanMerger
from netpol.flows.columns.addresses import parse_addresses
from netpol.flows.columns.cells import Cells, texts, times
from netpol.model.dns_observations import DnsAnswer, DnsObservations, Window, normalise_name
from netpol.model.read_stats import ReadStats

__all__ = ["Gatherer", "is_name"]

_NS = 1_000_000_000
_MAX_NAME = 253
# Labels of visible ASCII. A wildcard is a pattern, not a name that was looked up, and what a DNS
# server escapes (``\032``) or quotes is no name that a policy could mean.
_LABEL = r"[!#-)+,\-/-\[\]-~]{1,63}"
_NAME = rf"^(?:{_LABEL}\.)*{_LABEL}$"
_PLAIN_NAME = re.compile(_NAME)
_MAPPED = b"\0" * 10 + b"\xff\xff"

Mask = npt.NDArray[np.bool_]


def is_name(name: str) -> bool:
    """Return whether a normalised name can be one that was looked up."""
    return len(name) <= _MAX_NAME and _PLAIN_NAME.fullmatch(name) is not None


class Gatherer:
    """Collects answers and queries; memory follows the distinct ones.

    Parameters
    ----------
    stats : ReadStats
        Rows taken and rows refused are counted here.
    strict : bool
        Raise ``FlowError`` at the first row that cannot be read.
    """

    def __init__(self, stats: ReadStats, *, strict: bool) -> None:
        self.stats = stats
        self.strict = strict
        self._names: dict[str, int] = {}
        self._addresses: dict[bytes, int] = {}
        self._asked: set[str] = set()
        self._spans = SpanMerger()

    def ask(self, name: str) -> bool:
        """Take a name that was asked for; False if it is none."""
        name = normalise_name(name) if name.isascii() else ""
        if not is_name(name):
            return False
        self._asked.add(name)
        return True

    def add(self, columns: Mapping[str, Any], file: str, lines: Int64s) -> None:
        """Take rows of text.

        Parameters
        ----------
        columns : mapping of str to pyarrow.Array
            ``name`` and ``address``, perhaps ``time`` and ``ttl``; of one length.
        file : str
            Where they were read.
        lines : int64[n]
            Line of each row.
        """
        count = len(columns["name"])
        nothing = pa.nulls(count, pa.string())
        names = self._read_names(columns["name"])
        addresses = self._read_addresses(columns["address"])
        moments = times(columns.get("time", nothing))
        lives = _durations(columns.get("ttl", nothing))
        bad = {
            "bad name": names.ids < 0,
            "bad address": addresses.known & (addresses.ids < 0),
            "bad time": moments.bad,
            "bad ttl": lives.bad,
        }
        good = ~np.logical_or.reduce(list(bad.values()))
        self.stats.records += int(good.sum())
        self._skip(bad, good, columns, file, lines)
        start, end = _bounds(moments, lives)
        answers = good & addresses.known
        self._spans.add(names.ids[answers], addresses.ids[answers], start[answers], end[answers])
        # A name whose answer is not told, or was good for one use only (a TTL of 0), was asked for
        # all the same: what it stood for is not known.
        silent = (good & ~addresses.known) | (answers & (start >= end)) | bad["bad address"]
        self._asked.update(
            names.words[code] for code in np.unique(names.codes[silent & (names.ids >= 0)])
        )

    def _skip(
        self,
        bad: Mapping[str, Mask],
        good: Mask,
        columns: Mapping[str, Any],
        file: str,
        lines: Int64s,
    ) -> None:
        """Count the rows that cannot be read, blank ones apart."""
        for row in np.flatnonzero(~good):
            cells = [column[row].as_py() or "" for column in columns.values()]
            if not any(cell.strip() for cell in cells):
                self.stats.blank += 1
                continue
            cause = next(cause for cause, rows in bad.items() if rows[row])
            self.stats.skip(file, int(lines[row]), cause, ",".join(cells), strict=self.strict)

    def _read_names(self, column: Any) -> _Ids:
        text = pc.ascii_lower(pc.ascii_trim_whitespace(column.cast(pa.large_string())))
        codes, words = _distinct(pc.replace_substring_regex(pc.fill_null(text, ""), r"\.$", ""))
        fits = pc.less_equal(pc.binary_length(words), _MAX_NAME)
        right = _numpy(pc.and_(pc.match_substring_regex(words, _NAME), fits))
        known = self._names
        listed = words.to_pylist()
        ids = [
            known.setdefault(word, len(known)) if ok and word != "-" else -1
            for word, ok in zip(listed, right, strict=True)
        ]
        table = np.array(ids, np.int64)
        return _Ids(table[codes], np.ones(len(codes), np.bool_), codes, listed)

    def _read_addresses(self, column: Any) -> _Ids:
        text, known = texts(column)
        codes, words = _distinct(pc.fill_null(text, ""))
        _, wide, family = parse_addresses(words)
        octets = wide.tobytes()
        seen = self._addresses
        ids = [
            seen.setdefault(octets[16 * row : 16 * row + 16], len(seen)) if kind else -1
            for row, kind in enumerate(family.tolist())
        ]
        return _Ids(np.array(ids, np.int64)[codes], known, codes, [])

    def finish(self) -> DnsObservations:
        """Return everything taken so far; answers by first appearance of name, then of address."""
        names = list(self._names)
        addresses = [_address(octets) for octets in self._addresses]
        answers = tuple(
            DnsAnswer(
                names[name],
                addresses[address],
                Window(None if start == NEVER else start, None if end == FOREVER else end),
            )
            for name, address, start, end in self._spans.merged().tolist()
        )
        return DnsObservations(answers, frozenset(self._asked))


class _Ids(NamedTuple):
    """Ids of cells, -1 where they cannot be read; which say something; the distinct texts."""

    ids: Int64s
    known: Mask
    codes: Int64s
    words: list[str]


def _distinct(text: Any) -> tuple[Int64s, Any]:
    """Return the distinct texts and the place of each cell among them."""
    encoded = pc.dictionary_encode(text)
    return _numpy(encoded.indices).astype(np.int64), encoded.dictionary


def _numpy(array: Any) -> npt.NDArray[Any]:
    result: npt.NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return result


def _durations(column: Any) -> Cells:
    """Read seconds, decimals allowed: int64[n] of ns; not recorded is 0."""
    text, known = texts(column)
    right = known & _numpy(
        pc.fill_null(pc.match_substring_regex(text, r"^\d{1,10}(?:\.\d*)?$"), False)
    )
    seconds = _numpy(pc.if_else(pa.array(right), text, "0").cast(pa.float64()))
    # A TTL has 31 bits (RFC 2181, 8); what is longer than that is no TTL.
    right &= seconds < 2.0**31
    whole = np.where(right, np.floor(seconds), 0.0)
    rest = np.where(right, seconds - whole, 0.0)
    nanos = whole.astype(np.int64) * _NS + np.round(rest * _NS).astype(np.int64)
    return Cells(nanos, known, known & ~right)


def _bounds(moments: Cells, lives: Cells) -> tuple[Int64s, Int64s]:
    """Return start and end of each answer: ``[time, time + ttl)``, unbounded where not recorded."""
    timed = moments.known & ~moments.bad
    start = np.where(timed, moments.values, NEVER)
    # No sum may wrap: beyond 2262 there is no end.
    room = FOREVER - np.maximum(moments.values, 0)
    ends = timed & lives.known & (lives.values < room)
    end = np.where(
        ends, np.where(timed, moments.values, 0) + np.where(ends, lives.values, 0), FOREVER
    )
    return start.astype(np.int64), end.astype(np.int64)


def _address(octets: bytes) -> IPv4Address | IPv6Address:
    if octets.startswith(_MAPPED):
        return IPv4Address(octets[12:])
    return IPv6Address(octets)
