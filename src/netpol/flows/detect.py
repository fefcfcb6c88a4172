"""Takes the first bytes of an input, gives the name of its format, or an error saying what it is.

What netpol recognises but does not read is named, with what to do about it.
"""

from __future__ import annotations

import re

from netpol._core.conntrack import Scanner
from netpol.errors import FlowError, Location
from netpol.flows.table_columns import looks_like_header

__all__ = ["FORMATS", "detect_format", "is_binary", "refuse_empty_and_packed"]

#: Values of ``--format`` besides ``auto``.
FORMATS = ("conntrack", "csv", "parquet", "arrow")

_MAGIC = (
    (b"PAR1", "parquet"),
    (b"ARROW1", "arrow"),
    (b"\xff\xff\xff\xff", "arrow"),
)

_UNSUPPORTED_MAGIC = (
    (b"\xd4\xc3\xb2\xa1", "a packet capture (pcap)"),
    (b"\xa1\xb2\xc3\xd4", "a packet capture (pcap)"),
    (b"\x4d\x3c\xb2\xa1", "a packet capture (pcap)"),
    (b"\xa1\xb2\x3c\x4d", "a packet capture (pcap)"),
    (b"\x0a\x0d\x0d\x0a", "a packet capture (pcapng)"),
)
_CAPTURE_HINT = "read the node's connection table instead: conntrack -L -o extended"

_COMPRESSED = (
    (b"\xfd7zXZ\0", "xz"),
    (b"BZh", "bzip2"),
    (b"PK\x03\x04", "zip"),
    (b"\x04\x22\x4d\x18", "lz4"),
)

_UNSUPPORTED_TEXT = (
    (
        re.compile(rb"\s*(<\?xml[^>]*\?>\s*)?<(conntrack|flow)\b"),
        "conntrack XML (-o xml)",
        "write the dump without -o xml: conntrack -L -o extended",
    ),
    (
        re.compile(rb"\s*-[AUD] (-\S+ \S+ )*-[stu] "),
        "conntrack commands (-o save)",
        "write the dump without -o save: conntrack -L -o extended",
    ),
    (
        re.compile(rb"Date first seen|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ +[\d:.]+ +\S+ +\S+ +->"),
        "nfdump's output for people (-o line)",
        "export CSV with the columns src,dst,protocol,port instead",
    ),
    (
        re.compile(
            rb"ts,te,td,sa,da,|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,"
        ),
        "nfdump CSV",
        "its records are one direction each; convert it to CSV with the columns "
        "src,dst,protocol,port and is_reply",
    ),
    (
        re.compile(rb"#separator "),
        "a Zeek log",
        "convert it to CSV with the columns src,dst,protocol,port",
    ),
    (
        re.compile(rb"version account-id |\d+ \d{12} eni-"),
        "an AWS VPC flow log",
        "convert it to CSV with the columns src,dst,protocol,port and is_reply",
    ),
    (
        re.compile(rb"\s*[\[{]\s*[\"{\]}]"),
        "JSON",
        "JSON flow logs are not read yet; convert it to CSV with the columns src,dst,protocol,port",
    ),
)

_LOOKS_CONNTRACK = re.compile(
    rb"(?m)^[ \t]*(\d+[:\t ][ \t]*)?(\[\d{9,}\.\d{6}\]\s+)?(\[(NEW|UPDATE|DESTROY)\] +)?"
    rb"((ipv4|ipv6) +\d+ |(tcp|udp|udplite|icmp|icmpv6|sctp|gre|dccp|unknown) +\d+ )"
    rb"|\(conntrack-tools\): "
)


def detect_format(head: bytes, name: str) -> str:
    """Give the format, one of ``FORMATS``, of an input that begins with ``head``.

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
    for magic, what in _UNSUPPORTED_MAGIC:
        if head.startswith(magic):
            raise FlowError(f"{what}, which netpol does not read; {_CAPTURE_HINT}", where)
    for pattern, what, advice in _UNSUPPORTED_TEXT:
        if pattern.match(head):
            raise FlowError(f"{what}, which netpol does not read; {advice}", where)
    if _LOOKS_CONNTRACK.search(head) or _has_record(head):
        return "conntrack"
    if is_binary(head):
        raise FlowError("binary data, not a flow log", where)
    if looks_like_header(head):
        return "csv"
    raise FlowError(
        f"not a flow log that netpol knows (it begins {_first_line(head)!r}); "
        f"--format names one of {', '.join(FORMATS)}",
        where,
    )


def refuse_empty_and_packed(head: bytes, where: Location) -> None:
    """Raise ``FlowError`` for an input that is empty, or compressed as netpol does not read."""
    if not head.strip(b" \t\r\n"):
        raise FlowError("no records: the file is empty", where)
    for magic, what in _COMPRESSED:
        if head.startswith(magic):
            raise FlowError(
                f"compressed with {what}; decompress it first (gzip and zstd are read)", where
            )


def is_binary(head: bytes) -> bool:
    """Whether an input that begins with ``head`` is no text."""
    return b"\0" in head or _binary_share(head) > 0.1


def _has_record(head: bytes) -> bool:
    """Whether any whole line of ``head`` is a conntrack record, or of its other table.

    A log whose every line is empty behind its prefix is one of an empty table.
    """
    scanner = Scanner(1)
    scanner.scan(head, 0, len(head), b"\n" not in head)
    blank = scanner.blank > 0 and not any(scanner.counts)
    return scanner.rows > 0 or scanner.expectations > 0 or blank


def _binary_share(head: bytes) -> float:
    """Give the share of bytes that are no text."""
    text = bytes(range(32, 127)) + b"\t\r\n"
    odd = head.translate(None, text)
    # Other scripts are text too, where they are valid UTF-8.
    try:
        head[: len(head) - 4].decode("utf-8")
    except UnicodeDecodeError:
        return len(odd) / len(head)
    return len(odd.translate(None, bytes(range(128, 256)))) / len(head)


def _first_line(head: bytes) -> str:
    line = head.lstrip(b"\r\n").split(b"\n", 1)[0][:60]
    return line.decode("utf-8", "replace").rstrip("\r")
