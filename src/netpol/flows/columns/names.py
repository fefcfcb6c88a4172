"""Takes the header of a table, gives which of its columns is which column of a flow batch."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping

from netpol.model.errors import FlowError, Location

__all__ = [
    "COLUMNS",
    "DELIMITERS",
    "ended",
    "first_line",
    "header_names",
    "looks_like_header",
    "map_columns",
    "plain_name",
    "sniff_delimiter",
]

_LINE_END = re.compile(rb"[\r\n]")

DELIMITERS = (",", "\t", ";", "|")

#: Column of a flow batch: the names it goes by, compared in lower case, "_" for "-", "." and " ".
COLUMNS: dict[str, tuple[str, ...]] = {
    "src": (
        "src", "source", "src_ip", "srcip", "source_ip", "sourceip", "src_addr", "srcaddr",
        "source_address", "saddr", "client", "client_ip", "ip_src",
    ),
    "dst": (
        "dst", "dest", "destination", "dst_ip", "dstip", "dest_ip", "destination_ip",
        "destinationip", "dst_addr", "dstaddr", "dest_addr", "destination_address", "daddr",
        "server", "server_ip", "ip_dst",
    ),
    "protocol": ("protocol", "proto", "l4_protocol", "ip_protocol", "ip_proto"),
    "dport": (
        "dport", "port", "dst_port", "dstport", "dest_port", "destport", "destination_port",
        "server_port",
    ),
    "sport": ("sport", "src_port", "srcport", "source_port", "client_port"),
    "time": ("time", "timestamp", "ts", "start", "start_time", "first_seen"),
    "flows": ("flows", "count", "connections", "weight"),
    "packets": ("packets", "pkts"),
    "bytes": ("bytes", "octets"),
    "original_dst": ("original_dst", "original_destination", "orig_dst", "dialled", "dialled_ip"),
    "original_dport": (
        "original_dport", "original_dst_port", "original_port", "orig_dport", "dialled_port",
    ),
    "src_seen": ("src_seen", "src_seen_by_server", "source_seen"),
    "evidence": ("evidence",),
    "is_reply": ("is_reply", "reply"),
    "icmp_type": ("icmp_type",),
    "icmp_code": ("icmp_code",),
    "verdict": ("verdict", "recorded_verdict", "action"),
    "src_pod": ("src_pod", "source_pod", "client_pod"),
    "dst_pod": ("dst_pod", "dest_pod", "destination_pod", "server_pod"),
}  # fmt: skip

_NEEDED = ("src", "dst")

#: What the network said. Records that a replay wrote have its own verdicts beside these.
RECORDED = "recorded_verdict"
_BOTH_OF_RECORDS = {RECORDED, "verdict"}


def plain_name(name: str) -> str:
    """Return a header's name as it is compared."""
    name = name.strip().strip("\ufeff").lower()
    for other in "-. ":
        name = name.replace(other, "_")
    return name


def _by_name(columns: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    return {name: column for column, names in columns.items() for name in names}


def map_columns(
    names: Iterable[str],
    where: Location,
    columns: Mapping[str, tuple[str, ...]] = COLUMNS,
    needed: tuple[str, ...] = _NEEDED,
) -> dict[str, str]:
    """Give, for each of ``columns`` found, the table's name of it. Others are left out.

    Of ``verdict`` and ``recorded_verdict`` the latter is what was recorded.

    Raises
    ------
    FlowError
        Two columns mean the same, or there is none for one that is needed.
    """
    names = list(names)
    known = _by_name(columns)
    found: dict[str, str] = {}
    for name in names:
        column = known.get(plain_name(name))
        if column is None:
            continue
        if column in found and {plain_name(name), plain_name(found[column])} == _BOTH_OF_RECORDS:
            name = next(n for n in (name, found[column]) if plain_name(n) == RECORDED)
        elif column in found:
            raise FlowError(
                f"columns {found[column]!r} and {name!r} both mean {column}; keep one", where
            )
        found[column] = name
    for column in needed:
        if column not in found:
            raise FlowError(
                f"no column for {column} (any of {', '.join(columns[column])}); "
                f"there are: {', '.join(names)}",
                where,
            )
    return found


def sniff_delimiter(header: str) -> str:
    """Return the delimiter of a header line: the one that occurs most."""
    return max(DELIMITERS, key=header.count)


def header_names(header: str) -> list[str]:
    """Split a header line."""
    try:
        return next(csv.reader([header], delimiter=sniff_delimiter(header)), [])
    except csv.Error:  # a line end within: no header
        return [header]


def looks_like_header(
    head: bytes,
    columns: Mapping[str, tuple[str, ...]] = COLUMNS,
    needed: tuple[str, ...] = _NEEDED,
) -> bool:
    """Return whether an input begins with a header that names what is needed."""
    known = _by_name(columns)
    found = {known.get(plain_name(name)) for name in header_names(first_line(head))}
    return set(needed) <= found


def first_line(head: bytes) -> str:
    """Return the first line of an input that is not blank; LF, CRLF or CR ends it, as in CSV."""
    return ended(head.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n"))


def ended(text: bytes) -> str:
    """Return text up to the end of its first line."""
    return _LINE_END.split(text, maxsplit=1)[0].decode("utf-8", "replace")
