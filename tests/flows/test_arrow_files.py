"""Arrow and Parquet from outside: damaged ones are errors with their place, and never a crash.

Whatever might crash runs in a process of its own: the interpreter's end is what would fail.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import netpol
from netpol.model.errors import FlowError
from process_support import printed_by

SRC = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"]
FORMS = ("file", "stream")

READ = """
import sys
import netpol
from netpol.model.errors import FlowError
from netpol.kube.policies import PolicySet
from netpol.kube.snapshot import Snapshot

engine = netpol.compile(PolicySet(), Snapshot())
for path in sys.argv[1:]:
    stream = netpol.open_flows(path, one_way=True)
    try:
        rows = sum(len(engine.evaluate(batch)) for batch in stream)
    except FlowError as error:
        print("refused", error)
    else:
        print("read", rows)
"""


def packed(table: Any, form: str) -> bytes:
    sink = io.BytesIO()
    with (pa.ipc.new_file if form == "file" else pa.ipc.new_stream)(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def numbers(values: list[int], kind: type = np.int32) -> bytes:
    return np.array(values, kind).tobytes()


def changed(content: bytes, before: bytes, after: bytes) -> bytes:
    """Put other bytes where ``before`` is, which is there once."""
    assert len(before) == len(after)
    assert content.count(before) == 1
    return content.replace(before, after)


def text_table() -> Any:
    return pa.table({"src": pa.array(SRC), "dst": ["10.0.0.99"] * 4})


OFFSETS = numbers([0, 8, 16, 24, 32])


def coded() -> Any:
    codes = pa.array([3, 2, 1, 0, 3, 3], pa.int32())
    return pa.DictionaryArray.from_arrays(codes, pa.array(SRC))


def dictionary_table() -> Any:
    return pa.table({"src": coded(), "dst": ["10.0.0.9"] * 6})


CODES = numbers([3, 2, 1, 0, 3, 3])


def view_table() -> Any:
    long = pa.array(["2001:db8::1:2:3:4", "2001:db8::1:2:3:5"]).cast(pa.string_view())
    return pa.table({"src": long, "dst": ["10.0.0.9"] * 2})


def run_table() -> Any:
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([5, 9], pa.int32()), pa.array(SRC[:2]))
    return pa.table({"src": runs, "dst": ["10.0.0.9"] * 9})


def nested_table() -> Any:
    """A dictionary whose values are views: what is inside is checked, too."""
    text = pa.array(["2001:db8::1:2:3:4"]).cast(pa.string_view())
    codes = pa.DictionaryArray.from_arrays(pa.array([0, 0], pa.int8()), text)
    return pa.table({"src": codes, "dst": ["10.0.0.9"] * 2})


VIEW = numbers([17]) + b"2001"  # of a view, before the numbers of buffer and offset

#: What is damaged: table, bytes, instead of them.
DAMAGES = {
    "last offset": (text_table, OFFSETS, numbers([0, 8, 16, 24, 1 << 30])),
    "inner offset": (text_table, OFFSETS, numbers([0, 8, 1 << 30, 24, 32])),
    "negative offset": (text_table, OFFSETS, numbers([0, 8, -16, 24, 32])),
    "negative first offset": (text_table, OFFSETS, numbers([-(1 << 30), 8, 16, 24, 32])),
    "descending offsets": (text_table, OFFSETS, numbers([0, 16, 8, 24, 32])),
    "bytes that are no text": (text_table, b"10.0.0.3", b"10.0\xff\xfe.3"),
    "negative index": (dictionary_table, CODES, numbers([3, 2, -5, 0, 3, 3])),
    "large index": (dictionary_table, CODES, numbers([3, 2, 1, 0, 3, 1 << 28])),
    "index by one": (dictionary_table, CODES, numbers([3, 2, 1, 0, 3, 4])),
    "view beyond": (view_table, VIEW + numbers([0, 17]), VIEW + numbers([0, 1 << 28])),
    "view of no buffer": (view_table, VIEW + numbers([0, 17]), VIEW + numbers([9, 17])),
    "view in dictionary": (nested_table, VIEW + numbers([0, 0]), VIEW + numbers([0, 1 << 28])),
    "descending run ends": (run_table, numbers([5, 9]), numbers([9, 5])),
    "negative run end": (run_table, numbers([5, 9]), numbers([-5, 9])),
    "runs too short": (run_table, numbers([5, 9]), numbers([5, 7])),
}


@pytest.mark.parametrize("form", FORMS)
def test_damaged_values_are_refused_with_their_place(tmp_path: Path, form: str) -> None:
    paths = []
    for name, (make, before, after) in DAMAGES.items():
        path = tmp_path / f"{name}.arrow"
        path.write_bytes(changed(packed(make(), form), before, after))
        paths.append(str(path))
        whole = tmp_path / f"{name}.whole.arrow"
        whole.write_bytes(packed(make(), form))
        paths.append(str(whole))
    for path, said in zip(paths, printed_by(READ, *paths), strict=True):
        if path.endswith(".whole.arrow"):
            assert said.startswith("read "), (path, said)
        else:
            assert said.startswith(f"refused {path}: "), (path, said)
            assert "column src" in said or "not a readable arrow table" in said, said


def test_of_a_damaged_batch_nothing_is_given(tmp_path: Path) -> None:
    """The batch before it is: what is wrong in the second is not known before it is read."""
    table = text_table()
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
        writer.write_table(table)
    content = sink.getvalue()
    at = content.rindex(OFFSETS)
    content = content[:at] + numbers([0, 8, 16, 4, 32]) + content[at + len(OFFSETS) :]
    path = tmp_path / "two.arrow"
    path.write_bytes(content)
    batches = iter(netpol.open_flows(str(path), one_way=True))
    assert len(next(batches)) == 4
    with pytest.raises(FlowError, match="column src: damaged"):
        next(batches)


@pytest.mark.parametrize("form", [*FORMS, "parquet"])
def test_a_name_that_is_no_text_has_its_place(tmp_path: Path, form: str) -> None:
    table = text_table().append_column("zzzzz", pa.array([1, 2, 3, 4]))
    sink = io.BytesIO()
    if form == "parquet":
        pq.write_table(table, sink, store_schema=False)
    content = sink.getvalue() or packed(table, form)
    path = tmp_path / "names"
    path.write_bytes(content.replace(b"zzzzz", b"z\xff\xfezz"))
    with pytest.raises(FlowError) as found:
        list(netpol.open_flows(str(path)))
    assert str(found.value).startswith(f"{path}: ")
    assert "the name of a column is not UTF-8: b'z\\xff\\xfezz'" in str(found.value)
    if form != "parquet":
        assert found.value.location.field == "column 3"


@pytest.mark.parametrize("form", [*FORMS, "parquet"])
@pytest.mark.parametrize("width", [4, 8])
def test_a_huge_length_is_damage_and_no_lack_of_memory(
    tmp_path: Path, form: str, width: int
) -> None:
    """Every number of a file is made huge, one after the other; with 2 GiB of memory at most."""
    sink = io.BytesIO()
    if form == "parquet":
        pq.write_table(text_table(), sink)
    content = sink.getvalue() or packed(text_table(), form)
    kind = "parquet" if form == "parquet" else "arrow"
    code = f"""
import resource
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
import netpol
from netpol.model.errors import FlowError

content = open({str(tmp_path / "whole")!r}, "rb").read()
path = {str(tmp_path / "huge")!r}
refused = 0
for at in range(8, len(content) - {width}, {width}):
    for number in ((1 << {8 * width - 1}) - 1, 1 << {8 * width - 2}):
        with open(path, "wb") as file:
            file.write(content[:at] + number.to_bytes({width}, "little") + content[at + {width}:])
        try:
            for batch in netpol.open_flows(path, format={kind!r}):
                pass
        except FlowError as error:
            assert error.location.file == path
            refused += 1
print(refused)
"""
    (tmp_path / "whole").write_bytes(content)
    assert int(printed_by(code)[-1]) > 20


def test_a_stream_longer_than_what_is_looked_at_is_read_whole(tmp_path: Path) -> None:
    rows = 30_000
    table = pa.table({"src": ["10.0.0.1"] * rows, "dst": ["10.0.0.2"] * rows, "x": range(rows)})
    path = tmp_path / "long.arrows"
    path.write_bytes(packed(table, "stream"))
    assert sum(map(len, netpol.open_flows(str(path), one_way=True))) == rows


def test_a_table_that_is_cut_off_while_it_is_read(tmp_path: Path) -> None:
    """A mapped file would end the process with SIGBUS."""
    rows = 400_000
    table = pa.table({"src": ["10.0.0.1"] * rows, "dst": ["10.0.0.2"] * rows})
    path = tmp_path / "long.arrow"
    with pa.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table, 50_000)
    code = f"""
import os
import netpol
from netpol.model.errors import FlowError

batches = iter(netpol.open_flows({str(path)!r}, one_way=True))
print(len(next(batches)))
os.truncate({str(path)!r}, 4096)
try:
    print(sum(map(len, batches)))
except FlowError as error:
    print("refused", error)
"""
    first, second = printed_by(code)
    assert first == "50000"
    assert second.startswith(f"refused {path}: not a readable arrow table")


def test_columns_that_say_nothing_of_flows_are_not_read(tmp_path: Path) -> None:
    """Of Parquet and of Arrow: what is in them is no matter, however it is damaged."""
    table = text_table().append_column("other", pa.array(["a", "bb", "ccc", "dddd"]))
    content = changed(packed(table, "file"), numbers([0, 1, 3, 6, 10]), numbers([0, 1, 3, -6, 10]))
    path = tmp_path / "other.arrow"
    path.write_bytes(content)
    assert sum(map(len, netpol.open_flows(str(path), one_way=True))) == 4


def test_parquet_that_unpacks_to_far_more_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netpol.flows.formats.table.arrow_files._UNPACKED", 1 << 20)
    path = tmp_path / "bomb.parquet"
    for size in (1 << 19, 1 << 24):
        table = pa.table({"src": ["10.0.0.1", "a" * size], "dst": ["10.0.0.2"] * 2})
        pq.write_table(table, path, compression="zstd", use_dictionary=False)
        if size < 1 << 20:
            assert sum(map(len, netpol.open_flows(str(path), one_way=True))) == 1
    with pytest.raises(FlowError, match="row group 1 unpacks to"):
        list(netpol.open_flows(str(path), one_way=True))


@pytest.mark.long
def test_parquet_whose_columns_contradict_themselves(tmp_path: Path) -> None:
    """What pyarrow ends the process for, if it is asked: a column without the levels it counts."""
    table = pa.table({"src": pa.array(SRC, pa.string()), "dst": ["10.0.0.9"] * 4, "x": range(4)})
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="none")
    content = sink.getvalue()
    paths = []
    for at in range(len(content) - 900, len(content) - 12):
        for byte in (0, 2, 0x15):
            path = tmp_path / f"{at}-{byte}.parquet"
            path.write_bytes(content[:at] + bytes([byte]) + content[at + 1 :])
            paths.append(str(path))
    said = [
        line
        for part in range(0, len(paths), 500)
        for line in printed_by(READ, *paths[part : part + 500])
    ]
    assert len(said) == len(paths)
    assert any(line.startswith("refused") for line in said)
