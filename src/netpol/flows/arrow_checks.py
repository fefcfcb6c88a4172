"""Takes Arrow data that others made, gives it back if every value in it is what it says it is.

Arrow trusts what it holds: an offset, an index of a dictionary or a view that points outside its
buffer is followed by whatever touches the column next. So nothing may touch foreign columns, not
even a cast or a slice that is taken, before they were here.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from netpol.errors import FlowError, Location

__all__ = ["arrow_reason", "check_values", "column_names"]

#: What Arrow's own functions raise for data that is wrong; lengths nobody has memory for, too.
ARROW_ERRORS = (pa.ArrowException, OSError, MemoryError, UnicodeError, OverflowError, ValueError)


def arrow_reason(error: BaseException) -> str:
    """Say in one line why Arrow refused something."""
    if isinstance(error, MemoryError):
        return "a length in it is larger than there is memory (damaged?)"
    if isinstance(error, UnicodeDecodeError):
        return f"the name of a column is not UTF-8: {error.object[:80]!r}"
    return str(error).split("\n", 1)[0][:500] or type(error).__name__


def column_names(schema: Any, where: Location) -> list[str]:
    """Give the names of a schema's columns.

    Raises
    ------
    FlowError
        One of them is not UTF-8; the location's field is which, from 1.
    """
    names: list[str] = []
    for index in range(len(schema)):
        try:
            names.append(schema.field(index).name)
        except UnicodeDecodeError as error:
            place = where._replace(field=f"column {index + 1}")
            raise FlowError(arrow_reason(error), place) from None
    return names


def check_values(column: Any, name: str, where: Location) -> None:
    """Check all of a column: lengths, offsets, indices, run ends, views, UTF-8, what it is made of.

    Costs 1 ns a value of text, less than a tenth of what reading it does.

    Parameters
    ----------
    column : pyarrow.Array or pyarrow.ChunkedArray
        Of any type.
    name : str
        What errors call it.
    where : Location
        Of the table.

    Raises
    ------
    FlowError
        It is damaged; the location's field is the column.
    """
    try:
        column.validate(full=True)
    except ARROW_ERRORS as error:
        place = where._replace(field=f"column {name}")
        raise FlowError(f"damaged: {arrow_reason(error)}", place) from None
