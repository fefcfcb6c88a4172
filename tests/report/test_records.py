"""Each record format gives back the table that was written, row by row and in order."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netpol.report.files import output_file
from netpol.report.records import FORMATS, csv_lines, json_lines, record_writer

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

    def to_arrow(self) -> pa.Table:
        return self._content


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
    with output_file(str(path)) as sink, record_writer(kind, sink) as writer:
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


@given(rows=ROWS)
def test_json_lines_hold_any_text(rows: list[tuple[str, str | None, int | None]]) -> None:
    content = table(rows).combine_chunks()
    (batch,) = content.to_batches()
    lines = json_lines(batch).decode().removesuffix("\n").split("\n")
    assert [json.loads(line) for line in lines] == content.to_pylist()


@given(rows=ROWS)
def test_csv_lines_hold_any_text(rows: list[tuple[str, str | None, int | None]]) -> None:
    (batch,) = table(rows).combine_chunks().to_batches()
    back = list(csv.reader(io.StringIO(csv_lines(batch).decode(), newline="")))
    assert back == [
        [src, policy or "", "" if port is None else str(port)] for src, policy, port in rows
    ]


def test_a_slice_of_a_batch_gives_its_own_rows_only() -> None:
    (batch,) = table([("a", None, 1), ("b", "x", 2), ("c", "y", 3)]).to_batches()
    assert csv_lines(batch.slice(1, 1)) == b"b,x,2\n"
    assert csv_lines(batch.slice(3, 0)) == b""
