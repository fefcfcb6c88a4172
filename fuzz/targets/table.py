"""CSV and its like as flow logs: any bytes, with any delimiter, encoding and option.

What must hold: no crash, no error outside the tree of ``netpol.model.errors``, every row that was
read is judged, skipped or blank, and the same text reads alike from a file and from a pipe.

The first two bytes choose the options and what is put before the text.
"""

from __future__ import annotations

import io
import tempfile
from functools import cache
from typing import Any, cast

import netpol
from netpol.engine.engine import Engine
from netpol.flows.formats.table.table import read_table
from netpol.flows.reader import open_flows
from netpol.io.stream import Source
from netpol.kube.policies import PolicySet
from netpol.kube.snapshot import Snapshot
from netpol.model.batch import FlowBatch
from netpol.model.errors import NetpolError
from netpol.model.read_stats import ReadStats

__all__ = ["one", "seeds"]

_HEADERS = (
    b"",
    b"src,dst,protocol,port\n",
    b"src\tdst\tproto\tdport\tsport\ttime\n",
    b"time;src;dst;protocol;port;original_dst;original_port;src_seen;is_reply\r\n",
    b"src|dst|icmp_type|icmp_code|flows|packets|bytes|evidence|verdict|src_pod|dst_pod\n",
)
_ROWS = (
    b"10.0.0.1,10.0.0.2,tcp,80\n10.0.0.1,::1,17,53\n,,,\n-,x,tcp,99999\n",
    b"10.0.0.1\t10.0.0.2\tudp\t53\t4000\t2026-11-30T12:00:00Z\nfe80::1%eth0\t10.0.0.2\t\t\t\t1e9\n",
    b'1700000000;10.0.0.1;"10.0.0.2";tcp;"80";10.96.0.1;443;;false\r\n1;2;3\r\n'
    b"2026-11-30 12:00:00;a;b;c;d;e;f;g;h\r\n",
    b"10.0.0.1|10.0.0.2|8|0|1|2|18446744073709551615|3|allow|a/b|c/d\n"
    b"::ffff:10.0.0.1|10.0.0.2|255|256|-1|2.0|3.5||drop|a|/\n",
)
_CODES = ("utf-8", "utf-16", "utf-8-sig", "utf-32")


def seeds() -> list[bytes]:
    """Return a small table with each header, and each way to read it."""
    found = []
    for number, rows in enumerate(_ROWS, start=1):
        found += [bytes((options, number)) + rows for options in (0, 1, 2, 4, 8, 24, 32, 48)]
        found.append(b"\0\0" + _HEADERS[number] + rows)
    return found


def one(data: bytes) -> None:
    """Read one table, some twice; raises only if something does not hold."""
    if len(data) < 2:
        return
    options, header, text = data[0], data[1] % len(_HEADERS), _HEADERS[data[1] % len(_HEADERS)]
    text += data[2:]
    code = _CODES[options >> 3 & 3]
    if code != "utf-8" and header:
        text = text.decode("utf-8", "replace").encode(code)
    chosen = {"strict": bool(options & 1), "one_way": bool(options & 2)}
    zone = "Europe/Berlin" if options & 4 else None
    found = _from_file(text, zone, **chosen)
    if options & 32 and found != _from_pipe(text, zone, **chosen):
        raise AssertionError("a file and a pipe are read otherwise")


def _from_file(text: bytes, zone: str | None, **chosen: bool) -> object:
    with tempfile.NamedTemporaryFile(suffix=".csv") as file:
        file.write(text)
        file.flush()
        stream = open_flows(file.name, format="csv", start_zone=zone, **chosen)
        try:
            judged = [len(_engine().evaluate(batch)) for batch in stream]
        except NetpolError:
            return None
        return _adds_up(stream.stats, sum(judged))


def _from_pipe(text: bytes, zone: str | None, **chosen: bool) -> object:
    """Read it as ``-`` is, 7 bytes at a time, whatever looks at the first line left aside."""
    stats = ReadStats()
    stream = open_flows("-", format="csv", start_zone=zone, **chosen)
    try:
        with Source("-", cast("Any", _Slow(text))) as source:
            if not source.head.strip(b" \t\r\n"):
                raise NetpolError
            batches: list[FlowBatch] = list(
                read_table(source, "csv", stats, zone=stream._start_zone, **chosen)
            )
        judged = sum(len(_engine().evaluate(batch)) for batch in batches)
        if not judged:
            raise NetpolError
    except NetpolError:
        return None
    return _adds_up(stats, judged)


class _Slow(io.BufferedReader):
    """A pipe that gives 7 bytes at a time."""

    def __init__(self, text: bytes) -> None:
        super().__init__(_SlowRaw(text), 8)


class _SlowRaw(io.RawIOBase):
    def __init__(self, text: bytes) -> None:
        self._rest = io.BytesIO(text)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._rest.read(min(7, len(buffer)))
        buffer[: len(piece)] = piece
        return len(piece)


def _adds_up(stats: ReadStats, judged: int) -> object:
    skipped = sum(stats.skipped.values())
    if judged + skipped + stats.blank != stats.lines:
        raise AssertionError(f"{stats.lines} rows: {judged} judged, {skipped} skipped")
    return judged, stats.blank, dict(stats.skipped), stats.lines


@cache
def _engine() -> Engine:
    return netpol.compile(PolicySet(), Snapshot())
