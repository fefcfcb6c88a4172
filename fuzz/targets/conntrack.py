"""Conntrack text: the fast parser, the careful one, any split into pieces and the fused sums.

Attacked: ``_core/conntrack*.pyx`` and ``netpol.run.conntrack_sums``, by text of any shape. All ways
of reading give the same records, counts and causes of skipped lines; nothing is read outside the
text. The first four bytes choose what is put before and after the lines, where the text is cut,
and how many records the columns hold; every fourth input is also judged, as batches and as fused
sums.
"""

from __future__ import annotations

import gzip
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import netpol
import netpol.run.conntrack_sums
from netpol._core.conntrack import Scanner
from netpol.flows.reader import FlowStream, open_flows
from netpol.model.errors import NetpolError
from netpol.questions.replay.replay import ReplaySummary, replay

ROOT = Path(__file__).resolve().parent.parent.parent
DUMPS = ROOT / "tests" / "data" / "conntrack"
LAB = ROOT / "examples" / "lab"
#: What logs put before lines.
PREFIXES = (b"", b"", b"12:", b"     7\t", b"2026-11-30T12:00:00.1Z stdout F ",
            b"Nov 30 12:00:00 node1 conntrack[77]: ")  # fmt: skip
#: What follows the text: the fast parser is only tried where enough is left to be read.
ENDS = (b"", b"\n" * 600, b"\r\n", b"\0")
MESSAGE = b"conntrack v1.4.7 (conntrack-tools): 3 flow entries have been shown.\n"
HEAD = 4

Outcome = dict[str, object]


def one(data: bytes) -> None:
    """Read the text in every way, and compare."""
    head, text = data[:HEAD].ljust(HEAD, b"\0"), data[HEAD:]
    text = dressed(text, PREFIXES[head[0] % len(PREFIXES)], ENDS[head[0] // 16 % len(ENDS)])
    expected = in_pieces(text, [], len(text) // 64 + 2, fast=False)
    cuts = [len(text) * at // 256 for at in head[1:3]]
    capacity = head[3] % 61 + 1
    for fast in (True, False):
        assert in_pieces(text, [], len(text) // 64 + 2, fast=fast) == expected, "fast or careful"
        assert in_pieces(text, cuts, capacity, fast=fast) == expected, "whole or in pieces"
    if head[3] >= 192:
        judged(text, 64 + head[1] * 16, jobs=1 + head[2] % 2, strict=bool(head[2] & 2))


def dressed(text: bytes, prefix: bytes, end: bytes) -> bytes:
    """Put a prefix before each line, and something after the last."""
    if prefix:
        text = b"".join(prefix + line for line in text.splitlines(keepends=True))
    return text + end


def in_pieces(text: bytes, cuts: list[int], capacity: int, *, fast: bool) -> Outcome:
    """Scan the text as it arrives in pieces, the columns emptied where they are full.

    Each piece is a copy of its own: what is read beyond it is outside of an allocation.
    """
    scanner = Scanner(capacity, fast)
    columns: dict[str, list[bytes]] = {name: [] for name in scanner.columns}
    done = 0
    for stop in [*sorted(cuts), len(text)]:
        final = stop == len(text)
        while True:
            part = text[done:stop]
            done += scanner.scan(part, 0, len(part), final)
            scanner.widen()
            for name, column in scanner.columns.items():
                columns[name].append(column[: scanner.rows].tobytes())
            full = scanner.rows == capacity
            scanner.clear()
            if not full:
                break
    assert done == len(text), "text left unread"
    counts = (scanner.lines, scanner.blank, scanner.notices, scanner.repaired)
    joined: Outcome = {name: b"".join(parts) for name, parts in columns.items()}
    return {
        "counts": counts,
        "expectations": scanner.expectations,
        "causes": scanner.counts,
    } | joined


@cache
def engine() -> Any:
    """Compile the lab's policies."""
    policies = netpol.read_policies([str(LAB / "policies")])
    return netpol.compile(policies, netpol.read_snapshot([str(LAB / "cluster.json")]))


@cache
def file() -> Path:
    """Return where the text is put to be read as a file, of this process alone."""
    return Path(tempfile.mkdtemp(prefix="fuzz-conntrack-")) / "dump"


class Batches:
    """A stream that is nothing but its batches, so that they are judged one by one."""

    def __init__(self, stream: FlowStream) -> None:
        self._stream = stream

    def __iter__(self) -> Any:
        return iter(self._stream)

    @property
    def stats(self) -> Any:
        """What was read."""
        return self._stream.stats


def judged(text: bytes, size: int, *, jobs: int, strict: bool) -> None:
    """Judge the text as batches and as fused sums of pieces of ``size`` bytes, and compare."""
    file().write_bytes(text)

    def stream() -> FlowStream:
        return open_flows([file()], format="conntrack", strict=strict)

    expected = summary(Batches(stream()), 1)
    usual, netpol.run.conntrack_sums.PIECE_BYTES = netpol.run.conntrack_sums.PIECE_BYTES, size
    try:
        assert summary(stream(), jobs) == expected, "batches or fused sums"
    finally:
        netpol.run.conntrack_sums.PIECE_BYTES = usual


def summary(stream: Any, jobs: int) -> ReplaySummary | str:
    """Return the sums of a stream, or why there are none."""
    try:
        return replay(engine(), stream, jobs=jobs)
    except NetpolError as error:
        return str(error)


def seeds() -> list[bytes]:
    """Return the first lines of every real dump, alone, together and with a message between."""
    texts = []
    for path in sorted(DUMPS.glob("*.gz")):
        if not path.name.startswith("truth"):
            lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
            texts.append(b"".join(lines[:3]))
    texts.append(b"".join(texts)[:6000])
    texts.append(texts[0][:90] + MESSAGE + texts[0][90:])
    texts.append(b"y" * 70000 + b"\n" + texts[0])
    heads = (b"\x00\x80\xff\x00", b"\x10\x30\x60\x02", b"\x14\x10\x80\xff", b"\x10\x04\x42\xc0")
    return [heads[i % len(heads)] + text for i, text in enumerate(texts)]
