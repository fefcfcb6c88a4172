"""Attacks the reading of DNS logs: CoreDNS's lines, JSON lines and CSV.

What must hold: a log gives observations or an error of netpol's own tree; every record is taken or
counted as skipped; an answer has a name, an address and a window that is not empty; and what is
read says the same with every line twice, packed, or cut into two logs.
"""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from netpol.dns.gather import is_name
from netpol.dns.read import read_dns
from netpol.model.dns_observations import DnsObservations
from netpol.model.errors import NetpolError
from netpol.model.read_stats import ReadStats

__all__ = ["one", "seeds"]

MOST_BYTES = 1 << 17

_CORE = (
    '[INFO] 10.244.1.5:45678 - 1234 "A IN db.shop.svc.cluster.local. udp 45 false 512" NOERROR '
    "qr,aa,rd 106 0.000123s\n"
    '2024-05-01T10:00:00Z stdout F [INFO] [fd00::5]:4 - 9 "AAAA IN a.example.com. tcp 45 false '
    '512" NXDOMAIN - 0 2.0s\n'
    "CoreDNS-1.11.1\n"
)
_JSON = (
    '{"time":"2024-05-01T10:00:00Z","name":"a.example.com.","address":"1.2.3.4","ttl":30}\n'
    '{"ts":1714557600.5,"query":"b.example.com","answers":["c.example.com","::1"],"ttls":[5,6]}\n'
    '{"log":"[INFO] 10.0.0.1:4 - 9 \\"A IN x.y. udp 45 false 512\\" NOERROR qr 1 2s\\n"}\n'
)
_CSV = "time,name,address,ttl\n2024-05-01T10:00:00Z,a.b,10.0.0.1,30\n,c.d,,\n"
_ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1e308, 1e-320, 2**31, 2**63, 2**64, 10**30, "", ".", "a" * 64, "a" * 254,
    "*.x.y", "A.B.", "\u0130", "\0", "::ffff:1.2.3.4", "1.2.3.4", "::", "9999-12-31T23:59:59Z",
    "1677-01-01T00:00:00Z", "1e3", "nan", "-0", [], ["1.1.1.1"], ["a.b", "::1"], [1], [[]], {},
)  # fmt: skip


def seeds() -> list[bytes]:
    """Return a valid log for each way of mutating it, behind the byte that chooses the way."""
    texts = [text.encode() for text in (_CORE, _JSON, _CSV)]
    return [bytes([way]) + text for way in range(len(_WAYS)) for text in texts]


def one(data: bytes) -> None:
    """Read one log; the first byte says what the rest does."""
    if not data:
        return
    text = _WAYS[data[0] % len(_WAYS)](data[1:MOST_BYTES])
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        found = _read(log, text)
        _read(log, text, strict=True)
        if found is None:
            return
        assert _read(log, gzip.compress(text, 1)) == found, "something else when it is packed"
        if (
            not text.startswith((b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff"))
            and b'"' not in text
        ):
            head, newline, rest = text.partition(b"\n")
            twice = head + newline + rest.rstrip(b"\n") + b"\n" + rest
            again = _read(log, twice)  # None where it now looks like no text at all
            same = again is None or again.answered == found.answered
            assert same, "other names when lines stand twice"


def _read(path: Path, data: bytes, *, strict: bool = False) -> DnsObservations | None:
    path.write_bytes(data)
    stats = ReadStats()
    try:
        found = read_dns(path, strict=strict, stats=stats)
    except NetpolError as error:
        return _bounded(error)
    assert stats.records > 0, "a log without a record"
    for answer in found.answers:
        assert is_name(answer.name), answer.name
        start, end = answer.window
        assert start is None or end is None or start < end, answer
    assert all(map(is_name, found.asked))
    return found


def _bounded(error: NetpolError) -> None:
    assert len(str(error)) < 1 << 20, "a message of more than 1 MB"


# --- ways to make a log of bytes ----------------------------------------------------------------


def _as_it_is(data: bytes) -> bytes:
    return data


def _behind(text: str) -> Callable[[bytes], bytes]:
    """Put the bytes behind a good log, so that its format is found."""
    return lambda data: text.encode() + data


def _json(data: bytes) -> bytes:
    """Write records whose values are chosen by the bytes."""
    choices = iter(data)
    lines = [_JSON.splitlines()[0]]
    for _ in range(next(choices, 0) % 8):
        keys = ("time", "name", "address", "ttl", "answers", "log")
        record = {key: _ODD[next(choices, 0) % len(_ODD)] for key in keys if next(choices, 1) % 2}
        lines.append(json.dumps(record))
    return "\n".join(lines).encode(errors="replace")


def _csv(data: bytes) -> bytes:
    """Write rows whose cells are chosen by the bytes."""
    choices = iter(data)
    lines = _CSV.splitlines()
    for _ in range(next(choices, 0) % 8):
        lines.append(",".join(str(_ODD[next(choices, 0) % len(_ODD)]) for _ in range(4)))
    return "\n".join(lines).encode(errors="replace")


def _core(data: bytes) -> bytes:
    """Put pieces of the bytes where a line of CoreDNS has its words."""
    words = _CORE.splitlines()[0].split(" ")
    for place, piece in enumerate(data.split(b"\0")[: len(words)]):
        if piece:
            words[place] = piece.decode("latin-1")
    return (_CORE + " ".join(words)).encode()


_WAYS: tuple[Callable[[bytes], bytes], ...] = (
    _as_it_is, _behind(_CORE), _behind(_JSON), _behind(_CSV), _json, _csv, _core,
)  # fmt: skip
