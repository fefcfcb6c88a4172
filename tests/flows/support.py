"""What the tests of the readers share."""

from __future__ import annotations

import gzip
from pathlib import Path

from netpol._core.conntrack import Scanner

DATA = Path(__file__).parent.parent / "data" / "conntrack"

#: Lines of each dump, as counted when it was taken.
LINES = {
    "n1.L.txt": 344,
    "n1.L.ipv4.txt": 307,
    "n1.L.ipv6.txt": 37,
    "n1.L.extended.txt": 344,
    "n1.L.extended.ipv6.txt": 37,
    "n1.L.extended_id_timestamp.txt": 344,
    "n1.L.extended_id_timestamp_ktimestamp_labels.txt": 344,
    "n1.L.ktimestamp.txt": 344,
    "n1.L.n_srcnat.txt": 74,
    "n1.L.g_dstnat.txt": 194,
    "n1.L.midstream_reversed.txt": 16,
    "n1.L.noacct.txt": 11,
    "n1.L.extended.noacct.txt": 11,
    "n1.proc.txt": 344,
    "n1.proc.noacct.txt": 11,
    "n1.events.txt": 1464,
    "n1.events.timestamp.txt": 1464,
    "n1.events.timestamp_extended_id_ktimestamp_labels.txt": 1464,
    "n1.events.NEWonly.userspace.txt": 356,
    "n2.L.extended.txt": 160,
    "bulk.proc.txt": 19981,
    "libfmt.L.txt": 43,
    "libfmt.L.extended_id_ktimestamp.txt": 43,
    "libfmt.events_NEW.txt": 43,
    "libfmt.events_UPDATE.txt": 43,
    "libfmt.events_DESTROY.txt": 43,
}


def dump(name: str) -> bytes:
    """The content of a dump."""
    return gzip.decompress((DATA / f"{name}.gz").read_bytes())


def path(name: str) -> str:
    """The (gzipped) file of a dump."""
    return str(DATA / f"{name}.gz")


def scan(text: bytes, *, fast: bool = True, final: bool = True, capacity: int = 32768) -> Scanner:
    """A scanner that has read ``text``, its wide columns filled."""
    scanner = Scanner(capacity, fast)
    assert scanner.scan(text, 0, len(text), final) == len(text)
    scanner.widen()
    return scanner


def outcome(scanner: Scanner) -> dict[str, object]:
    """All that a scan gives, to be compared. IPv4 columns count only where the record is IPv4."""
    columns = {name: column[: scanner.rows].tobytes() for name, column in scanner.columns.items()}
    counts = (scanner.lines, scanner.blank, scanner.notices, scanner.repaired)
    return {"rows": scanner.rows, "counts": counts, "causes": scanner.counts} | columns
