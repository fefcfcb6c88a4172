"""The engine takes the same text and numbers in every type that data frames hold them in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import netpol
from netpol.flows.columns.names import COLUMNS as COLUMN_NAMES
from netpol.flows.columns.normalise import batch_from
from netpol.model.errors import FlowError
from test_engine import COLUMNS, EXPECTED, POLICIES, labels, mapped
from worlds import fixture, load


@pytest.fixture(scope="module")
def engine() -> netpol.Engine:
    return netpol.compile(*load(POLICIES, fixture()))


def categorical(name: str) -> pl.Series:
    values = COLUMNS[name]
    kind = pl.Int64 if name == "dport" else pl.Categorical
    return pl.Series(name, values).cast(kind)


def arrow_columns(change: Callable[[pa.Array], pa.Array]) -> pa.Table:
    """Give the columns as text, every one changed."""
    texts = {name: pa.array(map(str, values)) for name, values in COLUMNS.items()}
    return pa.table({name: change(array) for name, array in texts.items()})


FORMS: dict[str, Any] = {
    "polars": pl.DataFrame(COLUMNS),
    "polars categoricals": pl.DataFrame([categorical(name) for name in COLUMNS]),
    "polars enums": pl.DataFrame(
        [
            pl.Series(name, map(str, values)).cast(pl.Enum(sorted({*map(str, values)})))
            for name, values in COLUMNS.items()
        ]
    ),
    "polars series": {name: categorical(name) for name in COLUMNS},
    "polars chunks": pl.concat([pl.DataFrame(COLUMNS)[:2], pl.DataFrame(COLUMNS)[2:]]).with_columns(
        pl.col(pl.String).cast(pl.Categorical)
    ),
    "pandas": pd.DataFrame(COLUMNS),
    "pandas categoricals": pd.DataFrame(COLUMNS).astype("category"),
    "pandas series": {name: pd.Series(v, dtype="category") for name, v in COLUMNS.items()},
    "pandas objects": pd.DataFrame(COLUMNS).astype(object),
    "pandas arrays": {name: pd.Categorical(values) for name, values in COLUMNS.items()},
    "dictionaries": arrow_columns(lambda array: array.dictionary_encode()),
    "dictionaries of large text": arrow_columns(
        lambda array: array.cast(pa.large_string()).dictionary_encode()
    ),
    "dictionaries in chunks": pa.concat_tables(
        [
            arrow_columns(lambda array: array[:1].dictionary_encode()),
            arrow_columns(lambda array: array[1:].dictionary_encode()),
        ]
    ),
    "large text": arrow_columns(lambda array: array.cast(pa.large_string())),
    "views": arrow_columns(lambda array: array.cast(pa.string_view())),
    "run lengths": arrow_columns(pc.run_end_encode),
    "no chunk and others": pa.concat_tables([pa.table(COLUMNS)[:0], pa.table(COLUMNS)]),
    "bytes": COLUMNS
    | {
        name: pa.array([mapped(a) for a in COLUMNS[name]], pa.binary_view())
        for name in ("src", "dst")
    },
}


def test_every_column_may_be_of_any_type(engine: netpol.Engine) -> None:
    """Also those that are optional: the batch read of them is the same."""
    texts = {
        **{name: [str(value) for value in values] for name, values in COLUMNS.items()},
        "sport": ["1", "2", "3", "4"],
        "time": ["2026-01-01T00:00:00Z", "1700000000", "-", "1.5"],
        "flows": ["1", "2", "3", "4"],
        "packets": ["1", "2", "3", "4"],
        "bytes": ["1", "2", "3", "4"],
        "original_dst": ["10.9.9.9", "-", "-", "-"],
        "original_dport": ["443", "-", "-", "-"],
        "src_seen": ["10.9.9.8", "-", "-", "-"],
        "is_reply": ["true", "false", "-", "no"],
        "icmp_type": ["-", "-", "3", "-"],
        "icmp_code": ["-", "-", "1", "-"],
        "verdict": ["allow", "deny", "-", "drop"],
        "src_pod": ["ns/a", "-", "-", "-"],
        "dst_pod": ["ns/b", "-", "-", "-"],
        "evidence": ["1", "-", "2", "0"],
    }
    assert set(texts) == set(COLUMN_NAMES)
    plain = batch_from(texts)
    frames = [
        pl.DataFrame(texts).cast(pl.Categorical),
        pd.DataFrame(texts).astype("category"),
        pa.table({name: pa.array(v).dictionary_encode() for name, v in texts.items()}),
        pa.table({name: pa.array(v, pa.string_view()) for name, v in texts.items()}),
    ]
    for frame in frames:
        batch = batch_from(frame)
        for item in fields(plain):
            value, other = getattr(plain, item.name), getattr(batch, item.name)
            assert (value is None) == (other is None)
            assert np.array_equal(value, other), item.name


def test_columns_of_lists_are_refused(engine: netpol.Engine) -> None:
    for form in (
        pa.table(COLUMNS | {"src": [["a"]] * 4}),
        pl.DataFrame(COLUMNS | {"src": [[1]] * 4}),
    ):
        with pytest.raises(FlowError, match=r"column src: cannot be read: .*list"):
            engine.evaluate(form)


def test_own_records_are_read_again(engine: netpol.Engine, tmp_path: Path) -> None:
    """A replay's Parquet, by whatever reads it."""
    records = engine.evaluate(COLUMNS).to_arrow(encode_addresses=True)
    path = tmp_path / "records.parquet"
    pq.write_table(records, path)
    for frame in (pl.read_parquet(path), pd.read_parquet(path), pq.read_table(path), records):
        assert labels(engine.evaluate(frame)) == EXPECTED


@pytest.mark.parametrize("form", FORMS)
def test_flows_may_be_of_any_type(engine: netpol.Engine, form: str) -> None:
    assert labels(engine.evaluate(FORMS[form])) == EXPECTED
