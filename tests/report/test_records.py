"""Each record format gives back the table that was written, row by row and in order."""

from __future__ import annotations

import csv
import io
import json
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

import netpol
from fuzz import rules
from netpol.flows.reader import open_flows
from netpol.model.errors import OutputError
from netpol.report.records import parquet
from netpol.report.records.files import OutputSink, output_file
from netpol.report.records.records import FORMATS, csv_lines, json_lines, record_writer

LAB = Path(__file__).parent.parent.parent / "examples" / "lab"
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ROWS = st.lists(
    st.tuples(TEXT, st.none() | TEXT, st.none() | st.integers(0, 65535)), min_size=1, max_size=20
)


def table(rows: list[tuple[str, str | None, int | None]]) -> pa.Table:
    src, policy, port = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.table(
        {
            "src": pa.array(src, pa.string()),
            "policy": pa.array(policy, pa.string()).dictionary_encode(),
            "port": pa.array(port, pa.uint16()),
        }
    )


class FakeVerdicts:
    """All that a writer asks of verdicts."""

    def __init__(self, content: pa.Table) -> None:
        self._content = content

    def to_arrow(self, *, encode_addresses: bool = False) -> pa.Table:
        src = self._content["src"]
        return self._content.set_column(
            0, "src", src.dictionary_encode() if encode_addresses else src
        )


def read(kind: str, path: Path) -> list[dict[str, Any]]:
    if kind == "csv":
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return [
            {
                "src": row["src"],
                "policy": row["policy"] or None,
                "port": int(row["port"]) if row["port"] else None,
            }
            for row in rows
        ]
    if kind == "jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if kind == "arrow":
        with path.open("rb") as file:
            return pyarrow.ipc.open_stream(file).read_all().to_pylist()
    return pyarrow.parquet.read_table(path).to_pylist()


@pytest.mark.parametrize("kind", FORMATS)
def test_batches_with_different_dictionaries_come_back(kind: str, tmp_path: Path) -> None:
    first = [("10.0.0.1", "shop/web", 80), ("10.0.0.2", None, None)]
    second = [("fd00::1", 'odd,"name"\n', 65535), ("10.0.0.1", "shop/web", 0)]
    path = tmp_path / "out"
    with output_file(str(path)) as sink, record_writer(kind, sink, "exact") as writer:
        for rows in (first, second):
            writer.write(FakeVerdicts(table(rows)))
    assert read(kind, path) == table(first + second).to_pylist()


@pytest.mark.parametrize("kind", FORMATS)
def test_no_flow_at_all_still_gives_the_columns(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "out"
    with output_file(str(path)) as sink, record_writer(kind, sink) as writer:
        writer.write(FakeVerdicts(table([])))
    assert read(kind, path) == []
    if kind == "csv":
        assert path.read_text() == "src,policy,port\n"


def lab() -> Any:
    return netpol.compile(
        netpol.read_policies([str(LAB / "policies")]),
        netpol.read_snapshot([str(LAB / "cluster.json")]),
    )


@pytest.mark.parametrize("group_rows", [1, 100, 1 << 18])
def test_parquet_has_the_rows_and_types_of_the_arrow_table(
    group_rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "GROUP_ROWS", group_rows)
    monkeypatch.setattr(parquet, "_LARGE", 3)
    engine, path, tables = lab(), tmp_path / "out", []
    logs = [*(LAB / f"node{n}.conntrack.txt" for n in (1, 2)), LAB.parent / "guide" / "flows.csv"]
    with output_file(str(path)) as sink, record_writer("parquet", sink) as writer:
        for batch in open_flows(logs):  # of IPv4 and IPv6
            verdicts = engine.evaluate(batch)
            tables.append(verdicts.to_arrow())
            writer.write(verdicts)
    expected = pa.concat_tables(tables)
    found = pyarrow.parquet.read_table(path)
    assert found.to_pylist() == expected.to_pylist()
    assert {field.name: field.type for field in found.schema} == {
        field.name: field.type for field in expected.schema
    }
    for field in found.schema:
        assert field.nullable or not expected[field.name].null_count
    assert pyarrow.parquet.ParquetFile(path).num_row_groups == (1 if group_rows > 1000 else 3)


def test_parquet_holds_the_words_that_occur_only(tmp_path: Path) -> None:
    words = pa.array([f"pod-{n:05}" for n in range(50_000)])
    codes = pa.array([7, None, 49_999, 7], pa.int32())
    content = table([("10.0.0.1", None, None)] * 4).append_column(
        "pod", pa.DictionaryArray.from_arrays(codes, words)
    )
    path = tmp_path / "out"
    with output_file(str(path)) as sink, record_writer("parquet", sink) as writer:
        writer.write(FakeVerdicts(content))
        writer.write(FakeVerdicts(content))
    assert pyarrow.parquet.read_table(path)["pod"].to_pylist() == content["pod"].to_pylist() * 2
    assert path.stat().st_size < 5000


def test_what_fails_in_the_thread_is_raised_and_the_thread_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parquet, "GROUP_ROWS", 1)
    before = threading.active_count()

    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            if self.tell() > 100:
                raise OSError(28, "no space left")
            return super().write(data)

    def fill() -> None:
        sink = OutputSink(Full(), "out")
        with record_writer("parquet", sink) as writer:
            for _ in range(100):
                writer.write(FakeVerdicts(table([("10.0.0.1", "shop/web", 80)])))

    with pytest.raises(OutputError, match="out: cannot be written: no space left"):
        fill()
    assert threading.active_count() == before


@given(rows=ROWS)
def test_json_lines_hold_any_text(rows: list[tuple[str, str | None, int | None]]) -> None:
    content = table(rows).combine_chunks()
    (batch,) = content.to_batches()
    lines = json_lines(batch).decode().removesuffix("\n").split("\n")
    assert [json.loads(line) for line in lines] == content.to_pylist()


@given(rows=ROWS)
def test_csv_lines_hold_any_text(rows: list[tuple[str, str | None, int | None]]) -> None:
    (batch,) = table(rows).combine_chunks().to_batches()
    back = list(csv.reader(io.StringIO(csv_lines(batch, "exact").decode(), newline="")))
    assert back == [
        [src, policy or "", "" if port is None else str(port)] for src, policy, port in rows
    ]


def test_a_slice_of_a_batch_gives_its_own_rows_only() -> None:
    (batch,) = table([("a", None, 1), ("b", "x", 2), ("c", "y", 3)]).to_batches()
    assert csv_lines(batch.slice(1, 1)) == b"b,x,2\n"
    assert csv_lines(batch.slice(3, 0)) == b""


@given(rows=ROWS)
def test_csv_lines_are_safe_by_default(rows: list[tuple[str, str | None, int | None]]) -> None:
    (batch,) = table(rows).combine_chunks().to_batches()
    cells = [[src, policy or "", "" if port is None else str(port)] for src, policy, port in rows]
    rules.check_csv(csv_lines(batch), cells)


@pytest.mark.parametrize("text", ["-1", " -1", "=1", "plain", "", "a-b c", "a;-b", 'x"', "\u202e"])
def test_a_column_of_plain_words_but_one(text: str) -> None:
    """Plain columns are written without looking at each text."""
    words = ["10.0.0.1", "shop/web", text]
    (batch,) = table([(word, None, 1) for word in words]).to_batches()
    rules.check_csv(csv_lines(batch), [[word, "", "1"] for word in words])
    lines = rules.check_json_lines(json_lines(batch))
    assert [line["src"] for line in lines] == words
