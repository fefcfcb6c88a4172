"""Arrow IPC streams and files, and Parquet, as flow logs; foreign Arrow data given to an engine.

What must hold: no crash, no error outside the tree of ``netpol.model.errors``, and every row that
was read is judged, skipped or blank.

The first byte says what the rest is: an input as it stands (0), or changes to a valid one. Changes
are numbers that lengths, offsets and indices go wrong with, put where numbers lie.
"""

from __future__ import annotations

import io
import tempfile
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import netpol
from netpol.engine.engine import Engine
from netpol.flows.reader import FlowStream, open_flows
from netpol.kube.policies import PolicySet
from netpol.kube.snapshot import Snapshot
from netpol.model.errors import NetpolError

__all__ = ["one", "seeds"]

_RAW, _STREAM, _FILE, _PARQUET, _MEMORY = range(5)
_CHANGE = 4  # bytes of a change: two of its place, what is put there, how wide that is
_NUMBERS = (
    -1, -5, 0, 1, 2, 3, 5, 7, 8, 127, 128, 255, 256, 1 << 15, (1 << 16) - 1, 1 << 24, 1 << 30,
    (1 << 31) - 1, -(1 << 31), 1 << 32, 1 << 40, 1 << 62, (1 << 63) - 1, -(1 << 63),
)  # fmt: skip


def seeds() -> list[bytes]:
    """Return an unchanged input of each table in each form, and some changed."""
    forms = (_STREAM, _FILE, _PARQUET, _MEMORY)
    plain = [bytes((form, table)) for form in forms for table in range(len(_tables()))]
    changed = [seed + bytes((3, place, 16, 2)) for seed in plain for place in (0, 64, 200)]
    whole = [bytes((_RAW,)) + _packed(form, table) for form in forms[:3] for table in range(2)]
    return plain + changed + whole


def one(data: bytes) -> None:
    """Read, or judge, one input; raises only if something does not hold."""
    if len(data) < 2:
        return
    form = data[0] % 5
    if form == _RAW:
        _read(data[1:])
        return
    content = bytearray(_packed(form, data[1] % len(_tables())))
    for at in range(2, len(data) - _CHANGE + 1, _CHANGE):
        _change(content, data[at : at + _CHANGE])
    if form == _MEMORY:
        _judge_memory(bytes(content))
    else:
        _read(bytes(content))


def _change(content: bytearray, change: bytes) -> None:
    """Put a number where one may lie."""
    size = 1 << (change[3] & 3)
    place = int.from_bytes(change[:2], "big") * max(1, len(content) >> 16) % len(content)
    if not change[3] & 64:
        place -= place % size
    if change[3] & 128:  # near the end, where a file says what is in it
        place = max(0, len(content) - 1 - place)
    number = _NUMBERS[change[2] % len(_NUMBERS)] if change[2] < 128 else change[2] - 192
    content[place : place + size] = (number & ((1 << 8 * size) - 1)).to_bytes(size, "little")


def _read(content: bytes) -> None:
    kind = "parquet" if content.startswith(b"PAR1") else "arrow"
    with tempfile.NamedTemporaryFile(suffix=".table") as file:
        file.write(content)
        file.flush()
        stream = open_flows(file.name, format=kind, one_way=True)
        judged = 0
        try:
            for batch in stream:
                judged += len(_engine().evaluate(batch))
        except NetpolError:
            return
        _adds_up(stream, judged)


def _adds_up(stream: FlowStream, judged: int) -> None:
    stats = stream.stats
    skipped = sum(stats.skipped.values())
    if judged + skipped + stats.blank != stats.lines:
        raise AssertionError(f"{stats.lines} rows: {judged} judged, {skipped} skipped")


def _judge_memory(content: bytes) -> None:
    """Judge batches whose buffers are the input's own."""
    try:
        table = pa.ipc.open_stream(content).read_all()
    except (pa.ArrowException, OSError, ValueError, MemoryError):
        return
    try:
        verdicts = _engine().evaluate(table)
    except NetpolError:
        return
    if len(verdicts) != table.num_rows:
        raise AssertionError(f"{table.num_rows} rows: {len(verdicts)} judged")


@cache
def _engine() -> Engine:
    return netpol.compile(PolicySet(), Snapshot())


@cache
def _tables() -> list[Any]:
    """Return tables with a column of every type that a cell may have."""
    src = ["10.0.0.1", "10.0.0.2", "2001:db8::1", "10.0.0.1"]
    dst = pa.array(["10.0.0.9", "10.0.0.8", None, "::1"])
    types = (
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.dictionary(pa.int8(), pa.string()),
    )
    tables = [pa.table({"src": pa.array(src).cast(kind), "dst": dst}) for kind in types]
    raw = [b"\x0a\0\0\1", b"\x0a\0\0\2", b"\0" * 16, b"\x20" * 16]
    for kind in (pa.binary(), pa.large_binary(), pa.binary_view()):
        tables.append(pa.table({"src": pa.array(raw, kind), "dst": dst, "port": [80, 53, None, 1]}))
    tables.append(
        pa.table(
            {
                "src": pa.array(src)
                .dictionary_encode()
                .cast(pa.dictionary(pa.int16(), pa.large_string())),
                "dst": pa.array([b"\1" * 16] * 4, pa.binary(16)),
                "protocol": pa.array(["tcp", "tcp", "udp", "udp"]).dictionary_encode(),
                "dport": pa.array([80, 443, 53, 53], pa.uint16()),
                "time": pa.array([1, 2, 3, None], pa.timestamp("us", "UTC")),
                "is_reply": [True, False, None, False],
                "src_pod": ["a/b", None, "c", "d/e"],
                "other": pa.array([[1], [2, 3], None, []]),
            }
        )
    )
    tables.append(
        pa.table(
            {
                "src": pa.array([167772161, 2, 3, 4], pa.uint32()),
                "dst": pa.array(src),
                "protocol": pa.array([6.0, 17.0, None, 1.0]),
                "sport": pa.array([1, 2, 3, 4], pa.int64()),
                "flows": pa.array([1, 2, 3, 4], pa.uint64()),
                "verdict": ["allow", "deny", "", None],
            }
        )
    )
    words = {"src": src, "dst": src, "src_pod": pa.array([1, 2, 3, None], pa.date64())}
    for kind in (pa.date32(), pa.time64("ns"), pa.duration("s"), pa.timestamp("s", "Asia/Tokyo")):
        moments = pa.array([1, 2, 3, None], pa.int32() if kind == pa.date32() else pa.int64())
        tables.append(
            pa.table({**words, "time": moments.cast(kind), "verdict": moments.cast(kind)})
        )
    return tables


def _run_ends(table: Any) -> Any:
    encoded = pc.run_end_encode(pa.array(["tcp", "tcp", "udp", "udp"]))
    return table.append_column("proto", encoded) if "protocol" not in table.column_names else table


@cache
def _packed(form: int, number: int) -> bytes:
    """Return a table in a form, in two batches or row groups, so that something comes after one."""
    table = _tables()[number]
    sink = io.BytesIO()
    if form == _PARQUET:
        pq.write_table(table, sink, row_group_size=2, compression="none")
        return sink.getvalue()
    table = _run_ends(table)
    make = pa.ipc.new_file if form == _FILE else pa.ipc.new_stream
    options = pa.ipc.IpcWriteOptions(compression="lz4" if number == 1 else None)
    with make(sink, table.schema, options=options) as writer:
        writer.write_table(table, 2)
    return sink.getvalue()
