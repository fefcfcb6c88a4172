"""Attacks what a line is: of conntrack text, CSV and JSON lines of DNS.

The first byte chooses the kind and how lines end (LF, CRLF, CR), the second how the text is cut
into pieces, the rest makes the lines: good ones, bad ones, blank ones, some too long, some with
NULs or no UTF-8 in them, the last perhaps without its end. Whatever the way they are given, the
same lines are read, skipped and numbered, and none is lost: each is a record, blank, or skipped
with its number.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

from netpol.dns.gather import Gatherer
from netpol.dns.json_lines import read_json_lines
from netpol.flows.detect import refuse_lone_cr
from netpol.flows.formats.conntrack.text import read_entries
from netpol.flows.formats.table.table import read_table
from netpol.io.stream import Source
from netpol.model.errors import NetpolError
from netpol.model.read_stats import ReadStats

__all__ = ["one", "seeds"]

ENDS = (b"\n", b"\r\n", b"\r")
LONG = 70_000  # bytes, more than a line may have
_TUPLE = b"src=10.0.0.1 dst=10.0.0.%d sport=4%04d dport=80 "
_MOST = 40  # lines


def one(data: bytes) -> None:
    """Read the same lines given in several ways."""
    if len(data) < 3:
        return
    kind = _KINDS[data[0] % len(_KINDS)]
    end = ENDS[data[0] // len(_KINDS) % len(ENDS)]
    terminated = data[0] < 128
    lines = [kind.line(byte, place) for place, byte in enumerate(data[2 : 2 + _MOST])]
    text = end.join([*kind.header, *lines]) + (end if terminated else b"")
    pieces = data[1] % 97 + 1 + len(text) // 500
    try:
        found = _read(kind, text, len(text) + 1)
    except NetpolError:
        # Not a record among them, or lines that end with CR alone, which must be said in any way.
        for size in (pieces, 4096):
            try:
                again = _read(kind, text, size)
            except NetpolError:
                continue
            raise AssertionError(f"read in pieces of {size} alone: {again}") from None
        return
    _check(kind, found, lines, terminated=terminated, mac=end == b"\r")
    for size in (pieces, 4096):
        assert _read(kind, text, size) == found, f"pieces of {size}"


def seeds() -> list[bytes]:
    """Return every kind and end of lines, with every kind of line."""
    body = bytes(range(12)) + b"\0\0\4"
    return [
        bytes([number + whole, cut]) + body
        for number in range(len(_KINDS) * len(ENDS))
        for whole in (0, 128 - 128 % (len(_KINDS) * len(ENDS)) + len(_KINDS) * len(ENDS))
        for cut in (0, 50)
    ]


class _Kind:
    """How one kind of text is made and read; ``good`` bytes make records."""

    def __init__(
        self,
        header: list[bytes],
        record: Callable[[int], bytes],
        read: Callable[[Source, ReadStats], Iterator[int]],
    ) -> None:
        self.header = header
        self._record = record
        self.read = read

    def line(self, byte: int, place: int) -> bytes:
        """Make a line."""
        good = self._record(place)
        return (
            good, b"", b"nonsense", b"x" * LONG, b"\0" * 9, good[:9] + b"\0" + good[10:],
            b"  ", good[:30], b"\xfe\xc2\x85", b"\xe2\x80\xa8", good, good,
        )[byte % 12]  # fmt: skip

    def is_good(self, line: bytes, place: int) -> bool:
        """Return whether a line is a record."""
        return line == self._record(place)


def _conntrack(source: Source, stats: ReadStats) -> Iterator[int]:
    refuse_lone_cr(source.head, _WHERE)
    for entries in read_entries(source, stats):
        yield from entries["line"].tolist()


def _csv(source: Source, stats: ReadStats) -> Iterator[int]:
    for batch in read_table(source, "csv", stats, one_way=True):
        yield from batch.line.tolist()


def _json(source: Source, stats: ReadStats) -> Iterator[int]:
    refuse_lone_cr(source.head, _WHERE)
    gather = Gatherer(stats, strict=False)
    read_json_lines(source, gather)
    yield stats.records


_WHERE: Any = None
_KINDS = (
    _Kind(
        [],
        lambda n: b"tcp 6 9 TIME_WAIT " + _TUPLE % (n, n) + _TUPLE % (n, n) + b"mark=0 use=1",
        _conntrack,
    ),
    _Kind(
        [b"src,dst,protocol,port,c"],
        lambda n: b"10.0.0.1,10.0.0.%d,tcp,80,x" % n,
        _csv,
    ),
    _Kind(
        [],
        lambda n: b'{"name":"a%d.example.com","address":"10.0.0.%d"}' % (n, n),
        _json,
    ),
)


class _Pieces(io.BufferedReader):
    """A stream that gives so many bytes at a time."""

    def __init__(self, text: bytes, size: int) -> None:
        super().__init__(io.BytesIO(text))
        self._size = size

    def read1(self, size: int = -1) -> bytes:
        return super().read1(self._size if size < 0 else min(size, self._size))

    def readinto(self, buffer: Any) -> int:
        return super().readinto(memoryview(buffer)[: self._size])


def _read(
    kind: _Kind, text: bytes, size: int
) -> tuple[list[int], int, int, dict[str, int], list[Any]]:
    stats = ReadStats()
    with Source("-", _Pieces(text, size)) as source:
        lines = list(kind.read(source, stats))
    samples = [(sample.line, sample.cause) for sample in stats.samples]
    return lines, stats.lines, stats.blank, dict(stats.skipped), samples


def _check(kind: _Kind, found: Any, lines: list[bytes], *, terminated: bool, mac: bool) -> None:
    """Every line is a record, blank or skipped; and those that are records have their numbers."""
    numbers, counted, blank, skipped, samples = found
    first = 1 + len(kind.header)
    if not terminated and lines and not lines[-1]:
        lines = lines[:-1]  # nothing stands behind the last end
    if mac and kind.header == []:
        return  # one line at most, else it was refused
    assert counted == len(lines), (counted, len(lines))
    good = [first + n for n, line in enumerate(lines) if kind.is_good(line, n)]
    if kind.read is _json:
        assert numbers == [len(good)]
    else:
        assert numbers == good
    assert blank == sum(not line.strip(b" ") for line in lines)
    assert sum(skipped.values()) == len(lines) - len(good) - blank
    bad = [first + n for n, x in enumerate(lines) if x.strip(b" ") and not kind.is_good(x, n)]
    shown = [line for line, _ in samples]
    assert len(set(shown)) == len(shown)
    assert set(shown) <= set(bad)
    if kind.read is not _csv:  # rows of another length come before others there
        assert shown == bad[: len(shown)]
    assert len(samples) == min(len(bad), 10)
