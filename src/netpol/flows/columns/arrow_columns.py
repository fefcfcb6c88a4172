"""Takes an Arrow column of any type, gives the same values in a type that cells are read from.

One dictionary or another, views and run-length codes are ways to hold text and numbers: what a
data frame calls a categorical is read like the text it stands for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from netpol.flows.columns.arrow_checks import ARROW_ERRORS

__all__ = ["plain_column", "shown"]


def plain_column(column: Any) -> Any:
    """Return one ``pyarrow.Array`` of numbers, booleans, times, text or bytes.

    Parameters
    ----------
    column : pyarrow.Array or pyarrow.ChunkedArray
        Also of dictionaries (polars Categorical and Enum, pandas categoricals), views, run-length
        codes and extension types, one in the other.

    Raises
    ------
    pyarrow.ArrowException
        The type holds something else, such as lists.
    """
    if isinstance(column, pa.ChunkedArray):
        # Dictionaries may differ from chunk to chunk.
        parts = [plain_column(chunk) for chunk in column.chunks]
        if not parts:
            return plain_column(pa.array([], column.type))
        return parts[0] if len(parts) == 1 else pa.concat_arrays(parts)
    kind = column.type
    if isinstance(column, pa.ExtensionArray):
        return plain_column(column.storage)
    if pa.types.is_dictionary(kind):
        return plain_column(column.dictionary).take(column.indices)
    if pa.types.is_run_end_encoded(kind):
        return plain_column(pc.run_end_decode(column))
    if pa.types.is_null(kind) or str(kind) == "string_view":
        return column.cast(pa.large_string())
    if str(kind) == "binary_view":
        return column.cast(pa.large_binary())
    if pa.types.is_nested(kind):
        raise pa.ArrowTypeError(f"{kind} is no type of a cell")
    return column


def shown(cell: Any, write: Callable[[object], str] = str, absent: str = "") -> str:
    """Return a ``pyarrow.Scalar`` as ``write`` writes its value, ``absent`` for null.

    Times are as Arrow writes them, since Python's end at microseconds. What neither can write, such
    as a year or a zone that it does not know, is named by its type.
    """
    if not cell.is_valid:
        return absent
    try:
        return str(cell) if pa.types.is_timestamp(cell.type) else write(cell.as_py())
    except (*ARROW_ERRORS, KeyError):
        return f"({type(cell).__name__} out of range)"
