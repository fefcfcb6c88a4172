"""Columns that somebody else made: of another shape, type or owner. An error, or the same flows."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import netpol
from netpol.kube.policies import PolicySet
from netpol.kube.snapshot import Snapshot
from netpol.model.batch import FlowBatch
from netpol.model.errors import FlowError
from process_support import printed_by

BASE = {"src": ["10.0.0.1", "10.0.0.2"], "dst": ["10.0.0.9", "10.0.0.8"], "protocol": ["tcp"] * 2}


@pytest.fixture(scope="module")
def engine() -> netpol.Engine:
    return netpol.compile(PolicySet(), Snapshot())


def batch() -> FlowBatch:
    return FlowBatch(
        src=np.array([1, 2], np.uint32),
        dst=np.array([3, 4], np.uint32),
        protocol=np.array([6, 17], np.uint8),
        dport=np.array([80, 53], np.uint16),
        time=np.array([1, 2], np.int64),
        packets=np.array([1, 2], np.uint64),
    )


# --- batches -----------------------------------------------------------------------------------

WRONG = {
    "short": ({"dport": np.array([80], np.uint16)}, "column dport: uint16[1] is not uint16[2]"),
    "long": ({"src": np.zeros(3, np.uint32)}, "column src: uint32[3] is not uint32[2]"),
    "as many bytes": ({"dport": np.zeros(4, np.uint8)}, "column dport: uint8[4]"),
    "negative": ({"dport": np.array([80, -1])}, "column dport: -1 is no uint16"),
    "too large": ({"dport": np.array([80, 65536])}, "column dport: 65536 is no uint16"),
    "not whole": ({"dport": np.array([80.0, 53.0])}, "column dport: float64 is not uint16"),
    "square": ({"dport": np.zeros((2, 2), np.uint16)}, "column dport: uint16[2, 2]"),
    "no dimension": ({"dport": np.array(80, np.uint16)}, "column dport: uint16[] is not"),
    "objects": ({"dport": np.array([80, None], object)}, "column dport: object is not uint16"),
    "text": ({"dport": np.array(["80", "53"])}, "column dport: <U2 is not uint16"),
    "masked": ({"dport": np.ma.array([80, 53], mask=[0, 1])}, "column dport: a masked array"),
    "ragged": ({"dport": [[80], [53, 54]]}, "column dport: rows of different lengths"),
    "nothing": ({"dport": None}, "column dport: missing"),
    "no protocol": ({"protocol": None}, "column protocol: missing"),
    "a number": ({"protocol": 6}, "column protocol: int is no NumPy array"),
    "a table": ({"src": pa.table({"a": [1, 2]})}, "column src: Table is no NumPy array"),
    "narrow beside wide": ({"src": np.zeros((2, 16), np.uint8)}, "column dst: uint32[2] is not"),
    "wide beside narrow": ({"src_seen": np.zeros((2, 16), np.uint8)}, "column src_seen: uint8[2"),
    "15 bytes": ({"src": np.zeros((2, 15), np.uint8)}, "column src: uint8[2, 15] is not"),
    "half known": ({"dport_known": np.array([True])}, "column dport_known: bool[1]"),
    "known by 2": ({"dport_known": np.array([1, 2])}, "column dport_known: 2 is no bool"),
    "dates": ({"time": np.array(["2026-01-01"] * 2, "M8[ns]")}, "column time: datetime64[ns]"),
    "weights": ({"packets": np.array([1, -2])}, "column packets: -2 is no uint64"),
    "lines": ({"line": np.array([1])}, "column line: int64[1] is not int64[2]"),
    "a pod": ({"src_pod": ["a/b"]}, "column src_pod: 1 names for 2 flows"),
    "text of pods": ({"src_pod": "ab"}, "column src_pod: str is no sequence"),
    "replies": ({"is_reply": np.zeros((2, 1), bool)}, "column is_reply: bool[2, 1]"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_batch_that_does_not_fit_is_refused(engine: netpol.Engine, name: str) -> None:
    columns, message = WRONG[name]
    with pytest.raises(FlowError) as found:
        engine.evaluate(replace(batch(), **columns))
    assert str(found.value).startswith(message)


SAME = {
    "another byte order": lambda a: a.astype(a.dtype.newbyteorder()),
    "wider": lambda a: a.astype(np.int64),
    "strided": lambda a: np.repeat(a, 3, axis=0)[::3],
    "backwards": lambda a: a[::-1].copy()[::-1],
    "read-only": lambda a: (a.setflags(write=False), a)[1],
    "misaligned": lambda a: np.frombuffer(b"x" + a.tobytes(), a.dtype, offset=1),
    "a list": lambda a: a.tolist(),
    "a subclass": lambda a: a.view(np.recarray),
}


@pytest.mark.parametrize("name", SAME)
def test_the_same_numbers_held_otherwise_are_the_same_flows(
    engine: netpol.Engine, name: str
) -> None:
    whole = batch()
    other = replace(whole, **{column: SAME[name](a.copy()) for column, a in whole.columns()})
    expected, found = engine.evaluate(whole), engine.evaluate(other)
    for column, array in expected.storage.items():
        assert np.array_equal(array, found.storage[column]), column
    for column, array in whole.columns():
        assert np.array_equal(array, getattr(found.batch, column)), column


def test_a_batch_that_fits_is_the_one_that_is_judged(engine: netpol.Engine) -> None:
    whole = batch()
    assert engine.evaluate(whole).batch is whole


# --- columns -----------------------------------------------------------------------------------

COLUMNS = {
    "a negative port": ("dport", np.array([80, -1]), "line 2: bad port"),
    "too large a port": ("dport", np.array([80, 70000]), "line 2: bad port"),
    "foreign bytes, too large": ("dport", np.array([80, 70000], ">u4"), "line 2: bad port"),
    "a square": ("dport", np.zeros((2, 2)), "column dport: float64[2, 2]"),
    "a cube": ("dport", np.zeros((2, 2, 2)), "column dport: values of"),
    "no dimension": ("dport", np.array(5), "column dport: values of"),
    "a number": ("dport", 5, "column dport: int is no column"),
    "None": ("dport", None, "column dport: NoneType is no column"),
    "text": ("dport", "80", "column dport: str is no column"),
    "ragged": ("dport", [[1], [2, 3]], "column dport: values of"),
    "an object": ("dport", [80, object()], "column dport: values of"),
    "half a character": ("dport", np.array(["80", "\ud800"]), "column dport: values of"),
    "bytes that are no text": ("dport", [b"80", b"\xff"], "a column cannot be read"),
    "complex": ("dport", np.array([1 + 2j, 3]), "column dport: values of"),
    "years": ("time", np.array(["2020"] * 2, "M8[Y]"), "column time: values of"),
    "too short": ("dport", [80], "columns differ in length"),
    "a masked address": ("src", np.ma.array([1, 2], mask=[0, 1]), "line 2: bad src"),
    "15 bytes": ("src", np.zeros((2, 15), np.uint8), "column src: uint8[2, 15]"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_that_does_not_fit_is_refused(engine: netpol.Engine, name: str) -> None:
    column, values, message = COLUMNS[name]
    with pytest.raises(FlowError) as found:
        engine.evaluate({**BASE, column: values})
    assert message in str(found.value)


@pytest.mark.parametrize(
    "flows",
    [None, 5, "abc", b"x", [1], [None], object(), np.zeros(3), np.zeros((3, 3)), pa.array([1]),
     pa.chunked_array([[1]]), pa.table({}), {}, {0: [1]}, {b"src": [1]},
     pa.table([[1], [1], [2]], names=["src", "src", "dst"])],
    ids=lambda flows: type(flows).__name__,
)  # fmt: skip
def test_what_is_no_table_of_flows_is_refused(engine: netpol.Engine, flows: Any) -> None:
    with pytest.raises(FlowError):
        engine.evaluate(flows)


@pytest.mark.parametrize("make", [np.array, lambda a, t: np.array(a, np.dtype(t).newbyteorder())])
def test_masked_and_foreign_numbers_are_read(engine: netpol.Engine, make: Any) -> None:
    ports = make([80, 443], np.uint16)
    found = engine.evaluate({**BASE, "dport": ports}).batch
    assert found.dport.tolist() == [80, 443]
    assert found.dport_known is None
    masked = engine.evaluate({**BASE, "dport": np.ma.array(ports, mask=[0, 1])}).batch
    assert masked.dport_known is not None
    assert masked.dport_known.tolist() == [True, False]


def test_no_rows_are_no_flows(engine: netpol.Engine) -> None:
    for empty in ([], np.zeros(0), np.zeros(0, object), pa.array([], pa.string())):
        assert len(engine.evaluate({"src": empty, "dst": empty})) == 0


# --- Arrow -------------------------------------------------------------------------------------

ARROW = """
import sys
import pyarrow as pa
import netpol
from netpol.model.errors import FlowError
from netpol.kube.policies import PolicySet
from netpol.kube.snapshot import Snapshot

engine = netpol.compile(PolicySet(), Snapshot())
for path in sys.argv[1:]:
    with pa.OSFile(path) as file:
        table = pa.ipc.open_stream(file.read()).read_all()
    for flows in (
        table,
        table.to_batches()[0],
        {name: table[name] for name in table.column_names},
        {name: table[name].chunk(0) for name in table.column_names},
        pa.ipc.open_stream(open(path, "rb").read()),
    ):
        print(type(flows).__name__, flush=True)
        try:
            engine.evaluate(flows)
        except FlowError as error:
            assert "column src" in str(error), error
        else:
            raise SystemExit(f"{path} was judged")
"""


def test_damaged_arrow_in_memory_is_refused(tmp_path: Any) -> None:
    text = pa.table({"src": ["10.0.0.1"] * 4, "dst": ["10.0.0.99"] * 4})
    codes = pa.DictionaryArray.from_arrays(pa.array([1, 0, 1], pa.int32()), pa.array(["a", "b"]))
    coded = pa.table({"src": codes, "dst": ["10.0.0.99"] * 3})
    sound = np.array([0, 8, 16, 24, 32], np.int32).tobytes()
    indices = np.array([1, 0, 1], np.int32).tobytes()
    paths = []
    for table, before, after in (
        (text, sound, [0, 8, 16, 24, 1 << 30]),
        (text, sound, [0, 8, -16, 24, 32]),
        (coded, indices, [1, -5, 1]),
        (coded, indices, [1, 1 << 29, 1]),
    ):
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        content = sink.getvalue()
        assert content.count(before) == 1
        path = tmp_path / str(len(paths))
        path.write_bytes(content.replace(before, np.array(after, np.int32).tobytes()))
        paths.append(str(path))
    found = printed_by(ARROW, *paths)
    assert len(found) == 5 * len(paths)
