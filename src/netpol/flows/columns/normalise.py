"""Takes flows in whatever shape a program holds them, gives a flow batch.

A record is no flow if a cell that says which connection it is of cannot be read: address, protocol,
destination port, dialled address and port, source as the server saw it, reply mark. Of other cells
that cannot be read only the value is lost. Readers of logs count both, ``batch_from`` raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from netpol.flows.columns.addresses import map_ipv4, parse_addresses
from netpol.flows.columns.arrow_checks import arrow_reason
from netpol.flows.columns.arrow_columns import shown
from netpol.flows.columns.cells import (
    boolean,
    integers,
    lacks_zone,
    protocols,
    texts,
    times,
    verdicts,
)
from netpol.flows.columns.given import as_arrow, columns_of
from netpol.flows.columns.known_tables import check_columns
from netpol.flows.columns.names import map_columns
from netpol.model.batch import NO_ICMP, Column, FlowBatch
from netpol.model.errors import FlowError, Location
from netpol.model.evidence import Evidence

__all__ = ["Loss", "Normalised", "Problem", "batch_from", "normalise"]

Mask = npt.NDArray[np.bool_]
U64_MAX = (1 << 64) - 1


class Problem(NamedTuple):
    """Row (from 0) of a record that could not be read, and why."""

    row: int
    cause: str


class Loss(NamedTuple):
    """Values of one optional column that could not be read, whose records are in the batch.

    ``name`` is the column in ``table_columns.COLUMNS``, ``rows`` (int64[m], from 0) are of the
    table.
    """

    name: str
    cause: str
    rows: npt.NDArray[np.int64]


class Normalised(NamedTuple):
    """The rows that could be read, what could not of them, and the rows that could not."""

    batch: FlowBatch
    problems: list[Problem]
    losses: list[Loss]


def batch_from(flows: Any) -> FlowBatch:
    """Return a flow batch of flows held in memory.

    Parameters
    ----------
    flows : object
        A ``FlowBatch`` (given back as it is); a list of ``Flow``; a mapping of columns; or a table
        that speaks the Arrow C interface (pyarrow, pandas, polars, DuckDB ...). Columns:

        - ``src``, ``dst`` (needed), ``original_dst``, ``src_seen``: text, ``ipaddress`` objects,
          uint32 in host order, or 16 bytes in network order (also as uint8[n, 16]);
        - ``protocol``: name or number; ``dport`` (or ``port``), ``sport``, ``original_dport``;
        - ``icmp_type``, ``icmp_code``, ``time``, ``flows``, ``packets``, ``bytes``, ``is_reply``,
          ``verdict``, ``src_pod``, ``dst_pod``, ``evidence``.

        The synonyms that CSV headers may use are accepted; None or null is "not recorded".

    Returns
    -------
    FlowBatch
        One row for each flow, in order.

    Raises
    ------
    FlowError
        A column is missing, double, damaged or of another length or shape, the columns are those
        of a known format that is not read, or a cell cannot be read; the location's line is the
        row, from 1.
    """
    if isinstance(flows, FlowBatch):
        return flows
    columns = columns_of(flows)
    check_columns(list(columns), Location())
    names = map_columns(columns, Location())
    chosen = {column: as_arrow(columns[name], name) for column, name in names.items()}
    lengths = {name: len(chosen[column]) for column, name in names.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise FlowError(f"columns differ in length: {said}")
    try:
        batch, problems, losses = normalise(chosen)
    except pa.ArrowException as error:  # bytes that are no text
        raise FlowError(f"a column cannot be read: {arrow_reason(error)}") from None
    problems += [Problem(int(loss.rows[0]), loss.cause) for loss in losses]
    if problems:
        row, cause = min(problems)
        raise FlowError(f"{cause}: {_show(chosen, row)}", Location(None, row + 1))
    return batch


def _show(columns: Mapping[str, Any], row: int) -> str:
    return ", ".join(
        f"{name}={shown(column[row], repr, 'None')}" for name, column in columns.items()
    )


# --- from Arrow arrays to a batch --------------------------------------------------------------


class _Addresses(NamedTuple):
    v4: npt.NDArray[np.uint32]
    wide: npt.NDArray[np.uint8]
    family: npt.NDArray[np.uint8]
    known: Mask


def _addresses(column: Any) -> _Addresses:
    """Read an address column of any accepted type."""
    kind = column.type
    if pa.types.is_integer(kind):
        values, known, bad = integers(column, 0xFFFFFFFF)
        v4 = values.astype(np.uint32)
        return _Addresses(v4, map_ipv4(v4), np.where(bad | ~known, 0, 4).astype(np.uint8), known)
    if _is_bytes(kind):
        return _binary_addresses(column)
    text, known = texts(column)
    return _Addresses(*parse_addresses(text), known)


def _is_bytes(kind: Any) -> bool:
    tests = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
    return any(test(kind) for test in tests) or str(kind) == "binary_view"


def _binary_addresses(column: Any) -> _Addresses:
    """Read addresses of 16 (or 4) bytes."""
    known = ~column.is_null().to_numpy(zero_copy_only=False)
    cells = [b"" if cell is None else cell for cell in column.to_pylist()]
    sizes = np.fromiter((len(cell) for cell in cells), np.int64, len(cells))
    padded = [
        (b"\0" * 10 + b"\xff\xff" + c) if len(c) == 4 else c if len(c) == 16 else b"\0" * 16
        for c in cells
    ]
    wide = np.frombuffer(b"".join(padded), np.uint8).reshape(-1, 16).copy()
    mapped = (wide[:, :10] == 0).all(axis=1) & (wide[:, 10:12] == 255).all(axis=1)
    v4 = np.ascontiguousarray(wide[:, 12:]).view(">u4")[:, 0].astype(np.uint32)
    right = (sizes == 16) | (sizes == 4)
    family = np.where(right, np.where(mapped, 4, 6), 0).astype(np.uint8)
    return _Addresses(np.where(mapped, v4, np.uint32(0)), wide, family, known)


class _BadRows:
    """Collects which rows are bad; the first cause of a row stays."""

    def __init__(self, rows: int) -> None:
        self.cause_of = np.zeros(rows, np.uint8)
        self.causes = [""]
        self.lost: list[tuple[str, str, Mask]] = []

    def note(self, bad: Mask, cause: str) -> None:
        if bad.any():
            self.causes.append(cause)
            self.cause_of[bad & (self.cause_of == 0)] = len(self.causes) - 1

    def lose(self, bad: Mask, name: str, cause: str) -> None:
        """Note values whose rows stay."""
        if bad.any():
            self.lost.append((name, cause, bad))

    def losses(self) -> list[Loss]:
        good = self.cause_of == 0
        found = ((n, cause, np.flatnonzero(bad & good)) for n, cause, bad in self.lost)
        return [Loss(n, cause, rows) for n, cause, rows in found if len(rows)]

    def problems(self) -> list[Problem]:
        rows = np.flatnonzero(self.cause_of)
        return [Problem(int(row), self.causes[self.cause_of[row]]) for row in rows]


def normalise(
    columns: Mapping[str, Any],
    *,
    file: str = "",
    lines: Column | None = None,
    zone: ZoneInfo | None = None,
) -> Normalised:
    """Return the flow batch of a table's columns.

    Parameters
    ----------
    columns : mapping of str to pyarrow.Array
        Columns by their name in ``table_columns.COLUMNS``, of one length; ``src`` and ``dst`` are
        needed.
    file : str
        Where they were read.
    lines : int64[n], optional
        Line of each row.
    zone : zoneinfo.ZoneInfo, optional
        Of times that say none; without it they are not read.
    """
    rows = len(columns["src"])
    judge = _BadRows(rows)
    parts: dict[str, Any] = {}
    _read_protocol(columns, judge, parts, rows)
    _read_ports(columns, judge, parts, rows)
    _read_sport(columns, judge, parts)
    _read_optional(columns, judge, parts)
    _read_words(columns, judge, parts, zone)
    addresses = _read_addresses(columns, judge)
    _settle_original_port(addresses, parts)
    good = judge.cause_of == 0
    if judge.causes != [""]:
        parts = {name: _choose(values, good) for name, values in parts.items()}
        lines = None if lines is None else lines[good]
    parts |= _address_columns(addresses, good)
    _drop_untranslated(parts)
    batch = FlowBatch(**parts, file=file, line=lines)
    return Normalised(batch, judge.problems(), judge.losses())


def _choose(values: Any, good: Mask) -> Any:
    if values is None or isinstance(values, np.ndarray):
        return None if values is None else values[good]
    return [value for value, keep in zip(values, good, strict=True) if keep]


def _read_protocol(
    columns: Mapping[str, Any], judge: _BadRows, parts: dict[str, Any], rows: int
) -> None:
    column = columns.get("protocol", pa.nulls(rows, pa.string()))
    parts["protocol"], _, bad = protocols(column)
    judge.note(bad, "bad protocol")


def _read_ports(
    columns: Mapping[str, Any], judge: _BadRows, parts: dict[str, Any], rows: int
) -> None:
    dport, known, bad = integers(columns.get("dport", pa.nulls(rows, pa.uint16())), 65535)
    judge.note(bad, "bad port")
    parts["dport"] = dport.astype(np.uint16)
    if not known.all():
        parts["dport_known"] = known
    if "original_dport" in columns:
        original, known, bad = integers(columns["original_dport"], 65535)
        judge.note(bad, "bad original port")
        if known.any():
            parts["original_dport"] = np.where(known, original, dport).astype(np.uint16)


def _read_sport(columns: Mapping[str, Any], judge: _BadRows, parts: dict[str, Any]) -> None:
    if "sport" not in columns:
        return
    sport, known, bad = integers(columns["sport"], 65535)
    judge.lose(bad, "sport", "bad source port")
    known &= ~bad
    if known.any():
        parts["sport"] = sport.astype(np.uint16)
        parts["sport_known"] = None if known.all() else known


def _read_optional(columns: Mapping[str, Any], judge: _BadRows, parts: dict[str, Any]) -> None:
    """Read numbers that are neither address, protocol nor port. One without a value stays out."""
    for name in ("icmp_type", "icmp_code"):
        if name in columns:
            values, known, bad = integers(columns[name], NO_ICMP)
            judge.lose(bad, name, f"bad {name.replace('_', ' ')}")
            known &= ~bad
            if known.any():
                parts[name] = np.where(known, values, NO_ICMP).astype(np.uint8)
    for name, absent in (("flows", 1), ("packets", 0), ("bytes", 0)):
        if name in columns:
            values, known, bad = integers(columns[name], U64_MAX)
            judge.lose(bad, name, f"bad {name}")
            known &= ~bad
            if known.any():
                parts[name] = np.where(known, values, np.uint64(absent))


def _read_words(
    columns: Mapping[str, Any], judge: _BadRows, parts: dict[str, Any], zone: ZoneInfo | None
) -> None:
    """Read what is no number. A column without any value stays out."""
    if "time" in columns:
        values, known, bad = times(columns["time"], zone)
        if bad.any():
            local = bad & lacks_zone(columns["time"])
            judge.lose(local, "time", "a time without a zone (--start-zone names it)")
            judge.lose(bad & ~local, "time", "bad time")
        if (known & ~bad).any():
            parts["time"] = values
    if "is_reply" in columns:
        values, known, bad = boolean(columns["is_reply"])
        judge.note(bad, "bad is_reply")
        if known.any():
            parts["is_reply"] = values
    if "verdict" in columns:
        values, known, bad = verdicts(columns["verdict"])
        judge.lose(bad, "verdict", "bad verdict")
        if (known & ~bad).any():
            parts["recorded_verdict"] = values
    if "evidence" in columns:
        values, known, bad = integers(columns["evidence"], max(Evidence) * 2 - 1)
        judge.note(bad, "bad evidence")
        if known.any():
            parts["evidence"] = np.where(known, values, 0).astype(np.uint8)
    for name in ("src_pod", "dst_pod"):
        if name in columns:
            parts[name] = _pods(columns[name], judge, name)


def _pods(column: Any, judge: _BadRows, name: str) -> list[str | None] | None:
    """Read ``namespace/pod`` hints; None if no row has one."""
    text = column.cast(pa.large_string())
    cells = [cell.strip() if cell is not None else "" for cell in text.to_pylist()]
    hints = [None if cell in ("", "-") else cell for cell in cells]
    bad = np.fromiter((h is not None and h.count("/") != 1 for h in hints), np.bool_, len(hints))
    judge.lose(bad, name, f"bad {name} (not namespace/name)")
    if bad.any():
        hints = [None if wrong else hint for hint, wrong in zip(hints, bad, strict=True)]
    return hints if any(hint is not None for hint in hints) else None


def _read_addresses(columns: Mapping[str, Any], judge: _BadRows) -> dict[str, _Addresses]:
    """Read the address columns.

    An unrecorded ``original_dst`` is ``dst``: nothing was translated. An unrecorded ``src_seen`` is
    all zeros, since "not known" and "the client" judge differently.
    """
    read = {
        name: _addresses(columns[name])
        for name in ("src", "dst", "original_dst", "src_seen")
        if name in columns
    }
    for name in ("src", "dst"):
        judge.note(read[name].family == 0, f"bad {name} address")
    for name, otherwise in (("original_dst", "dst"), ("src_seen", "src")):
        if name not in read:
            continue
        own = read[name]
        judge.note(own.known & (own.family == 0), f"bad {name} address")
        absent, fallback = ~own.known, read[otherwise]
        own.v4[absent] = fallback.v4[absent]
        own.wide[absent] = fallback.wide[absent]
        own.family[absent] = fallback.family[absent]
        if name == "src_seen":
            own.v4[absent] = 0
            own.wide[absent] = 0
    return read


def _settle_original_port(addresses: Mapping[str, _Addresses], parts: dict[str, Any]) -> None:
    """Drop a dialled port that has no dialled address: alone it says nothing (R12)."""
    if "original_dport" in parts:
        dialled = addresses.get("original_dst")
        if dialled is None:
            del parts["original_dport"]
        else:
            parts["original_dport"] = np.where(
                dialled.known, parts["original_dport"], parts["dport"]
            ).astype(np.uint16)


def _drop_untranslated(parts: dict[str, Any]) -> None:
    """Leave the dialled address and port out where no row went through a service."""
    if "original_dst" not in parts or not np.array_equal(parts["original_dst"], parts["dst"]):
        return
    if np.array_equal(parts.get("original_dport", parts["dport"]), parts["dport"]):
        del parts["original_dst"]
        parts.pop("original_dport", None)


def _address_columns(addresses: dict[str, _Addresses], good: Mask) -> dict[str, Column]:
    """Return the address columns in one layout, narrow if every row is IPv4."""
    narrow = all((item.family[good] == 4).all() for item in addresses.values())
    columns = {name: (item.v4 if narrow else item.wide)[good] for name, item in addresses.items()}
    if "src_seen" in columns and not columns["src_seen"].any():
        del columns["src_seen"]
    return columns
