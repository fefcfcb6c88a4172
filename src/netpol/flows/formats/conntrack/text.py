"""Takes conntrack text, gives flow batches; one record is one connection with both its tuples.

Reads what ``conntrack -L``, ``/proc/net/nf_conntrack`` and ``conntrack -E`` print. The client is
the source of the original tuple, the server the source of the *reply* tuple: that is who really
talked, whatever NAT there was. The original destination is what the client dialled, the reply's
destination the source that the server saw.

Events (``-E``) are merged by ``conntrack_events``. A dump has no time: its ``delta-time`` counts
from a moment it does not say, and its ``[start=]`` is a clock of an unnamed zone, read only where
the caller names the zone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from netpol._core.conntrack import CAUSES, Scanner
from netpol.flows.formats.conntrack.scan_codes import RecordFlag
from netpol.io.stream import RestOfSource, Source
from netpol.model.batch import NO_ICMP, NO_TIME, PORT_PROTOCOLS, Column, FlowBatch
from netpol.model.evidence import Evidence
from netpol.model.read_stats import ReadStats

__all__ = [
    "BATCH_ROWS",
    "Entries",
    "add_counts",
    "entries_to_batch",
    "joined",
    "note_errors",
    "read_entries",
]

BATCH_ROWS = 1 << 16
BLOCK_BYTES = 1 << 20

# As numbers: NumPy widens an array of uint16 beside a member of an enum.
ACCT, WIDE = int(RecordFlag.ACCT), int(RecordFlag.WIDE)

_HAS_PORTS = np.zeros(256, np.bool_)  # by protocol number
_HAS_PORTS[list(PORT_PROTOCOLS)] = True


@dataclass(slots=True)
class Entries:
    """Records as the scanner gives them: columns by name, the first ``rows`` of each."""

    rows: int
    columns: dict[str, Column]

    def __getitem__(self, name: str) -> Column:
        return self.columns[name][: self.rows]

    @property
    def wide(self) -> bool:
        """Whether any record is IPv6; the ``_wide`` columns are then filled for all."""
        return bool((self["flags"] & WIDE).any())

    def address(self, name: str, *, wide: bool) -> Column:
        """Return an address column in the layout asked for."""
        return self[f"{name}_wide"] if wide else self[name]

    def take(self, chosen: Column) -> Entries:
        """Return the records that a mask or an index array chooses, as copies."""
        columns = {name: column[: self.rows][chosen] for name, column in self.columns.items()}
        return Entries(len(columns["protocol"]), columns)


def joined(parts: Sequence[Entries]) -> Entries:
    """Return the records of all parts, in their order; all are wide or none."""
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0].columns}
    return Entries(len(columns["protocol"]), columns)


def read_entries(
    source: Source | RestOfSource,
    stats: ReadStats,
    *,
    strict: bool = False,
    batch_rows: int = BATCH_ROWS,
    block_bytes: int = BLOCK_BYTES,
    fast: bool = True,
) -> Iterator[Entries]:
    """Scan a stream of conntrack text.

    Parameters
    ----------
    source : Source or RestOfSource
        The text.
    stats : ReadStats
        Counts are added here.
    strict : bool
        Raise at the first line that is no record.
    batch_rows, block_bytes : int
        Most records given at once; size of the buffer read into (at least 256 KiB).
    fast : bool
        Use the fast parser for common lines. Results do not depend on it.

    Yields
    ------
    Entries
        At most ``batch_rows`` records, valid until the next is asked for.

    Raises
    ------
    FlowError
        The source cannot be read, or a line is no record and ``strict`` is set.
    """
    scanner = Scanner(batch_rows, fast)
    scanner.restart(source.lines)
    buffer = bytearray(max(block_bytes, 1 << 18))
    view = memoryview(buffer)
    have = 0
    final = False
    while not final:
        got = source.readinto(view[have:])
        final = got == 0
        have += got
        done = 0
        while True:
            done = scanner.scan(buffer, done, have, final)
            note_errors(scanner, view, source.name, stats, strict=strict)
            if scanner.rows < batch_rows:
                break
            yield _entries(scanner)
        view[: have - done] = view[done:have]
        have -= done
    if scanner.rows:
        yield _entries(scanner)
    add_counts(scanner, stats, source.lines)


def _entries(scanner: Scanner) -> Entries:
    """Return the scanner's records and let it begin anew; they stay until it scans again."""
    entries = Entries(scanner.rows, scanner.columns)
    if entries.wide:
        scanner.widen()
    scanner.clear()
    return entries


def note_errors(
    scanner: Scanner,
    view: memoryview,
    file: str,
    stats: ReadStats,
    *,
    strict: bool,
    before: int = 0,
) -> None:
    """Keep the first bad lines of the last scan as samples; they are counted at the end.

    ``view`` is what was scanned, ``before`` how many lines the scanner does not know of.
    """
    for line, offset, length, cause in scanner.errors():
        text = bytes(view[offset : offset + min(length, 256)]).decode("utf-8", "replace")
        if strict:
            stats.skip(file, before + line, CAUSES[cause], text, strict=True)
        stats.sample(file, before + line, CAUSES[cause], text)


def add_counts(scanner: Scanner, stats: ReadStats, began: int = 0) -> None:
    """Add up what a scanner counted that began after so many lines."""
    stats.lines += scanner.lines - began
    stats.blank += scanner.blank
    stats.notices += scanner.notices
    stats.repaired += scanner.repaired
    stats.expectations += scanner.expectations
    for cause, count in zip(CAUSES, scanner.counts, strict=True):
        if count:
            stats.skipped[cause] += count


def entries_to_batch(
    entries: Entries,
    file: str,
    *,
    start_zone: ZoneInfo | None = None,
    proofs: npt.NDArray[np.uint8] | None = None,
) -> FlowBatch:
    """Return the flows of conntrack records, by the NAT rule above.

    Columns that would say nothing are None: ``original_dst`` and ``original_dport`` where no record
    went through destination NAT, ICMP, time and counters where no record has them. ``src_seen`` is
    always there: that the server saw the client itself is knowledge too (A15.5). A record without
    accounting in a batch with it counts 0.

    Parameters
    ----------
    entries : Entries
        Records; copied.
    file : str
        Where they were read.
    start_zone : zoneinfo.ZoneInfo, optional
        The zone of ``[start=]`` times. Without it they are not used.
    proofs : uint8[len(entries)], optional
        What other records of the same connections prove, ``Evidence`` bits. To these is added what
        each proves alone: where the destination is not translated, it is the one dialled (A15.9).
    """
    wide = entries.wide
    src, dialled, server, seen = (
        entries.address(name, wide=wide)
        for name in ("orig_src", "orig_dst", "reply_src", "reply_dst")
    )
    ports = _HAS_PORTS[entries["protocol"]]
    all_ports = bool(ports.all())
    dport = _ports(entries["reply_sport"], ports, all_ports)
    original_dport = _ports(entries["orig_dport"], ports, all_ports)
    redirected = _differ(dialled, server) | (dport != original_dport)
    dnat = bool(redirected.any())
    icmp = not all_ports and bool((entries["icmp_type"] != NO_ICMP).any())
    acct = bool((entries["flags"] & ACCT).any())
    return FlowBatch(
        src=src.copy(),
        dst=server.copy(),
        protocol=entries["protocol"].copy(),
        dport=dport,
        sport=_ports(entries["orig_sport"], ports, all_ports),
        icmp_type=entries["icmp_type"].copy() if icmp else None,
        icmp_code=entries["icmp_code"].copy() if icmp else None,
        time=_times(entries, start_zone),
        packets=entries["packets"].copy() if acct else None,
        bytes=entries["bytes"].copy() if acct else None,
        original_dst=dialled.copy() if dnat else None,
        original_dport=original_dport if dnat else None,
        src_seen=seen.copy(),
        evidence=_evidence(redirected, proofs),
        file=file,
        line=entries["line"].copy(),
    )


def _differ(one: Column, other: Column) -> npt.NDArray[np.bool_]:
    differ = np.asarray(one != other)
    return np.asarray(differ.any(axis=1)) if differ.ndim == 2 else differ


def _evidence(
    redirected: npt.NDArray[np.bool_], proofs: npt.NDArray[np.uint8] | None
) -> npt.NDArray[np.uint8]:
    """Return the Evidence bits of each record."""
    alone: npt.NDArray[np.uint8] = ~redirected * np.uint8(Evidence.EGRESS_DIALLED)
    return alone if proofs is None else alone | proofs


def _ports(column: Column, ports: Column, all_ports: bool) -> Column:
    """Copy a port column, 0 for records without ports (the scanner keeps ICMP ids there)."""
    return column.copy() if all_ports else np.where(ports, column, np.uint16(0))


def _times(entries: Entries, start_zone: ZoneInfo | None) -> Column | None:
    """Return the time of each record, None if no record has one."""
    time = entries["time"]
    if start_zone is not None:
        started = entries["start"] != NO_TIME
        if started.any():
            time = time.copy()
            time[started] = _from_local(entries["start"][started], start_zone)
            return time
    return time.copy() if (time != NO_TIME).any() else None


def _from_local(seconds: Column, zone: ZoneInfo) -> npt.NDArray[np.int64]:
    """Return ns UTC of wall clock seconds of a zone; few distinct ones, so one at a time."""
    distinct, inverse = np.unique(seconds, return_inverse=True)
    utc = [
        int(datetime.fromtimestamp(int(s), UTC).replace(tzinfo=zone).timestamp()) for s in distinct
    ]
    return np.array(utc, np.int64)[inverse] * 1_000_000_000
