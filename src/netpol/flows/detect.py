"""Takes the first bytes of an input, gives the name of its format, or an error saying what it is.

What netpol recognises but does not read is named, with what to do about it.
"""

from __future__ import annotations

import re

from netpol._core.conntrack import Scanner
from netpol.flows.columns.known_tables import known_table
from netpol.flows.columns.names import first_line, header_names, looks_like_header
from netpol.flows.known.formats import (
    Envelope,
    KnownFormat,
    find_envelope,
    find_keys,
    find_magic,
    find_text,
    json_keys,
    looks_like_json,
)
from netpol.flows.known.registry import ENVELOPES, KNOWN
from netpol.model.errors import FlowError, Location

__all__ = ["FORMATS", "detect_format", "is_binary", "refuse_empty_and_packed", "refuse_lone_cr"]

#: Values of ``--format`` besides ``auto``.
FORMATS = ("conntrack", "csv", "parquet", "arrow")

_MAGIC = (
    (b"PAR1", "parquet"),
    (b"ARROW1", "arrow"),
    (b"\xff\xff\xff\xff", "arrow"),
)

_COMPRESSED = (
    (b"\xfd7zXZ\0", "xz"),
    (b"BZh", "bzip2"),
    (b"PK\x03\x04", "zip"),
    (b"\x04\x22\x4d\x18", "lz4"),
)

#: Cells with an address and a number among them, where a header should be.
_NO_HEADER = re.compile(
    rb"(?=[^\n]*(?:^|[,;\t|])[ \"]*\d{1,3}(?:\.\d{1,3}){3}[ \"]*(?:[,;\t|]|$))"
    rb"(?=[^\n]*[,;\t|][ \"]*\d+[ \"]*(?:[,;\t|\r]|$))",
    re.MULTILINE,
)

_LOOKS_CONNTRACK = re.compile(
    rb"(?m)^[ \t]*(\d+[:\t ][ \t]*)?(\[\d{9,}\.\d{6}\]\s+)?(\[(NEW|UPDATE|DESTROY)\] +)?"
    rb"((ipv4|ipv6) +\d+ |(tcp|udp|udplite|icmp|icmpv6|sctp|gre|dccp|unknown) +\d+ )"
    rb"|\(conntrack-tools\): "
)


def detect_format(head: bytes, name: str) -> str:
    """Return the format, one of ``FORMATS``, of an input that begins with ``head``.

    Raises
    ------
    FlowError
        The input is empty, or of a format that is not read; the message says which.
    """
    where = Location(name)
    refuse_empty_and_packed(head, where)
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    refuse_known(find_magic(head, KNOWN), where)
    if looks_like_json(head):
        _refuse_json(head, where)
    envelope = find_envelope(head, frozenset(), ENVELOPES)
    refuse_known(find_text(head, KNOWN), where, envelope)
    if _LOOKS_CONNTRACK.search(head) or _has_record(head):
        return "conntrack"
    if is_binary(head) and not looks_like_header(head):
        raise FlowError(_binary(head), where)
    _refuse_known_header(head, where)
    if looks_like_header(head):
        return "csv"
    if _NO_HEADER.match(head[:2048]):
        raise FlowError(
            "a table without a header: write one that names its columns (src,dst,protocol,port, "
            f"and is_reply where a row may be an answer) above {_first_line(head)!r}",
            where,
        )
    raise FlowError(
        f"not a flow log that netpol knows (it begins {_first_line(head)!r}); "
        f"--format names one of {', '.join(FORMATS)}",
        where,
    )


def refuse_known(
    known: KnownFormat | None, where: Location, envelope: Envelope | None = None
) -> None:
    """Raise ``FlowError`` that says what an input is and what to do with it, if it is known."""
    if known is not None:
        within = "" if envelope is None else f", in {envelope.what}"
        raise FlowError(f"{known.what}{within}, which netpol does not read; {known.advice}", where)


def _refuse_json(head: bytes, where: Location) -> None:
    """Raise ``FlowError``: JSON is not read. Who wrote it is named, and what it is wrapped in."""
    keys = json_keys(head)
    envelope = find_envelope(head, keys, ENVELOPES)
    refuse_known(find_keys(keys, KNOWN) or find_text(head, KNOWN), where, envelope)
    if envelope is None:
        raise FlowError(
            "JSON of no producer that netpol knows; give a table (CSV, Parquet) with columns src,"
            "dst,protocol,port, and is_reply where a record may be of the answering direction",
            where,
        )
    raise FlowError(
        f"{envelope.what}, in JSON; take out of it what was logged: {envelope.unwrap}", where
    )


def _refuse_known_header(head: bytes, where: Location) -> None:
    """Raise ``FlowError`` for text whose first line is the header of a known format."""
    line = first_line(head)
    names = header_names(line)
    refuse_known(known_table(names), where)
    if len(names) == 1:
        refuse_known(known_table(line.split()), where)


def _binary(head: bytes) -> str:
    """Say what binary data is."""
    if head[257:262] == b"ustar":
        return "a tar archive; unpack it first"
    even, odd = head[0:400:2].count(0), head[1:400:2].count(0)
    for encoding, zeros, others in (("UTF-16LE", odd, even), ("UTF-16BE", even, odd)):
        if zeros > 0.3 * len(head[:400]) and others < 0.1 * zeros:
            return f"{encoding} without a byte order mark; write it as UTF-8: iconv -f {encoding}"
    return "binary data, not a flow log"


def refuse_empty_and_packed(head: bytes, where: Location) -> None:
    """Raise ``FlowError`` for an input that is empty, or compressed as netpol does not read."""
    if not head.strip(b" \t\r\n"):
        raise FlowError("no records: the file is empty", where)
    for magic, what in _COMPRESSED:
        if head.startswith(magic):
            raise FlowError(
                f"compressed with {what}; decompress it first (gzip and zstd are read)", where
            )


def refuse_lone_cr(head: bytes, where: Location) -> None:
    """Raise ``FlowError`` for text whose lines end with CR alone: all of it would be one line."""
    if b"\n" not in head and b"\r" in head.rstrip(b"\r"):
        raise FlowError(
            "its lines end with CR alone, as on old Macs; end them with LF: tr '\\r' '\\n'", where
        )


def is_binary(head: bytes) -> bool:
    """Return whether an input that begins with ``head`` is no text.

    A NUL further on, as a crash leaves it in a log, only costs its line.
    """
    return b"\0" in head.lstrip(b"\r\n").split(b"\n", 1)[0] or _binary_share(head) > 0.1


def _has_record(head: bytes) -> bool:
    """Return whether any whole line of ``head`` is a conntrack record, or of its other table.

    A log whose every line is empty behind its prefix is one of an empty table.
    """
    scanner = Scanner(1)
    scanner.scan(head, 0, len(head), b"\n" not in head)
    blank = scanner.blank > 0 and not any(scanner.counts)
    return scanner.rows > 0 or scanner.expectations > 0 or blank


def _binary_share(head: bytes) -> float:
    """Return the share of bytes that are no text."""
    text = bytes(range(32, 127)) + b"\t\r\n"
    odd = head.translate(None, text)
    # Other scripts are text too, where they are valid UTF-8.
    try:
        head[: len(head) - 4].decode("utf-8")
    except UnicodeDecodeError:
        return len(odd) / len(head)
    return len(odd.translate(None, bytes(range(128, 256)))) / len(head)


def _first_line(head: bytes) -> str:
    return first_line(head[:512])[:60]
