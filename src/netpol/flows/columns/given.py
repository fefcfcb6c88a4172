"""Takes flows in whatever shape a program holds them, gives their columns as Arrow arrays.

What others made is checked before anything touches it. The C interface of Arrow carries no sizes:
offsets and indices that come over it are checked against each other alone.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from netpol.flows.columns.arrow_checks import ARROW_ERRORS, arrow_reason, check_values, column_names
from netpol.flows.columns.arrow_columns import plain_column
from netpol.flows.columns.names import map_columns
from netpol.model.errors import FlowError, Location
from netpol.model.evidence import Evidence
from netpol.model.flow import Flow

__all__ = ["as_arrow", "columns_of"]


def columns_of(flows: Any) -> Mapping[str, Any]:
    """Return the columns of any accepted object, by the name it gives them."""
    if isinstance(flows, Mapping):
        for name in flows:
            if not isinstance(name, str):
                raise FlowError(f"the name of a column is {name!r}, which is no text")
        return flows
    if hasattr(flows, "__arrow_c_stream__") or hasattr(flows, "__arrow_c_array__"):
        return _of_table(flows)
    if isinstance(flows, Iterable) and not isinstance(flows, np.ndarray):
        rows = list(flows)
        if all(isinstance(row, Flow) for row in rows):
            return _columns_of_flows(rows)
    raise FlowError(
        f"cannot read flows from {type(flows).__name__}: give a mapping of columns, "
        "a data frame, or a list of Flow"
    )


def _of_table(flows: Any) -> dict[str, Any]:
    """Return the columns of what speaks the Arrow C interface; none is touched yet."""
    try:
        table = _imported(flows)
    except (*ARROW_ERRORS, TypeError, KeyError) as error:
        raise FlowError(
            f"cannot read flows from {type(flows).__name__}: {arrow_reason(error)}"
        ) from None
    names = column_names(table.schema, Location())
    # Of two columns with one name that means something, none can be chosen.
    map_columns((name for name in names if names.count(name) > 1), Location(), needed=())
    return dict(zip(names, table.columns, strict=True))


def _imported(flows: Any) -> Any:
    """Return a ``pyarrow.Table`` or ``RecordBatch``.

    Those that are one already are taken as they are: to export a damaged one may crash.
    """
    if isinstance(flows, pa.Table | pa.RecordBatch):
        return flows
    if isinstance(flows, pa.RecordBatchReader):
        return flows.read_all()
    return pa.table(flows) if hasattr(flows, "__arrow_c_stream__") else pa.record_batch(flows)


def _columns_of_flows(rows: list[Flow]) -> dict[str, list[Any]]:
    columns = {item.name: [getattr(row, item.name) for row in rows] for item in fields(Flow)}
    needed = ("src", "dst", "protocol", "dport")
    present = {
        name: values
        for name, values in columns.items()
        if name in needed or any(_says_something(v) for v in values)
    }
    if "time" in present:
        present["time"] = _nanoseconds(present["time"])
    return present


def _says_something(value: object) -> bool:
    """Whether a field of a flow says more than its default does; a port or type of 0 does."""
    if isinstance(value, Evidence):
        return value != Evidence.NONE
    return value is not None and value is not False


def _nanoseconds(times: list[int | None]) -> Any:
    """Return times whose unit is known, so that none is guessed; raises ``FlowError``."""
    for row, time in enumerate(times, start=1):
        if time is not None and not -(1 << 63) < time < 1 << 63:
            raise FlowError(f"bad time: time={time!r}", Location(None, row))
    return pa.array(times, pa.int64()).cast(pa.timestamp("ns", tz="UTC"))


def as_arrow(values: Any, name: str) -> Any:
    """Return a column as one Arrow array."""
    if hasattr(values, "__arrow_c_stream__") or hasattr(values, "__arrow_c_array__"):
        return _of_arrow(values, name)
    if isinstance(values, np.ndarray):
        if values.ndim == 2:
            return _rows_of_bytes(values, name)
        if values.dtype == object:
            values = values.tolist()
        elif not values.dtype.isnative:
            values = values.astype(values.dtype.newbyteorder("="))
    elif not hasattr(values, "__array__"):
        if isinstance(values, str | bytes) or not isinstance(values, Iterable):
            raise FlowError(f"column {name}: {type(values).__name__} is no column of values")
        values = list(values)
    if isinstance(values, list):
        values = [_plain_cell(value) for value in values]
        if len({type(v) for v in values if v is not None} - {int, float}) > 1 or (
            any(isinstance(v, str) for v in values)
            and not all(v is None or isinstance(v, str) for v in values)
        ):
            values = [None if v is None else str(v) for v in values]
        if not any(v is not None for v in values):
            return pa.array(values, pa.string())
    try:
        return plain_column(pa.array(values))
    except (*ARROW_ERRORS, TypeError):
        raise FlowError(f"column {name}: values of mixed or unknown types") from None


def _of_arrow(values: Any, name: str) -> Any:
    """Return a column that others made as one Arrow array, once all of it has been checked."""
    try:
        column = values
        if not isinstance(values, pa.Array | pa.ChunkedArray):
            stream = hasattr(values, "__arrow_c_stream__")
            column = pa.chunked_array(values) if stream else pa.array(values)
        check_values(column, name, Location())
        return plain_column(column)
    except (*ARROW_ERRORS, TypeError) as error:
        raise FlowError(f"column {name}: cannot be read: {arrow_reason(error)}") from None


def _plain_cell(value: Any) -> Any:
    """Return text for objects that Arrow does not know."""
    if isinstance(value, ipaddress.IPv4Address | ipaddress.IPv6Address):
        return str(value)
    return value.item() if isinstance(value, np.generic) else value


def _rows_of_bytes(values: npt.NDArray[Any], name: str) -> Any:
    if values.dtype != np.uint8 or values.shape[1] != 16:
        raise FlowError(f"column {name}: {values.dtype}{list(values.shape)} is not uint8[n, 16]")
    data = pa.py_buffer(np.ascontiguousarray(values))
    rows = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(values), [None, data])
    if isinstance(values, np.ma.MaskedArray):
        masked = np.ma.getmaskarray(values).any(axis=1)
        return pc.if_else(pa.array(masked), pa.scalar(None, pa.binary(16)), rows)
    return rows
