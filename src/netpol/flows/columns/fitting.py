"""Takes a flow batch that anybody may have made, gives it with every column as the core reads it.

The core reads columns by their address: one that is shorter than the others would be read beyond
its end, and one of another type be read as other flows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from netpol.flows.columns.arrow_checks import check_values
from netpol.model.batch import FlowBatch
from netpol.model.errors import FlowError, Location

__all__ = ["fitting"]

_NEEDED = ("src", "dst", "protocol", "dport")
#: Columns and their dtypes; None is that of addresses.
_DTYPES: tuple[tuple[str, np.dtype[Any] | None], ...] = (
    *((name, None) for name in ("src", "dst", "original_dst", "src_seen")),
    *((name, np.dtype(kind)) for name, kind in (
        ("protocol", np.uint8), ("dport", np.uint16), ("dport_known", np.bool_),
        ("sport", np.uint16), ("sport_known", np.bool_), ("icmp_type", np.uint8),
        ("icmp_code", np.uint8), ("time", np.int64), ("flows", np.uint64),
        ("packets", np.uint64), ("bytes", np.uint64), ("original_dport", np.uint16),
        ("evidence", np.uint8), ("is_reply", np.bool_), ("recorded_verdict", np.uint8),
        ("line", np.int64),
    )),
)  # fmt: skip
_NARROW, _WIDE = np.dtype(np.uint32), np.dtype(np.uint8)
_READABLE = 0x101  # of NumPy's flags: contiguous in C's order, and aligned


def fitting(batch: FlowBatch) -> FlowBatch:
    """Return a batch whose columns have the dtypes and shapes that ``FlowBatch`` names.

    Takes 4 us where they have already. Integers of another width or byte order are converted if
    every one of them fits.

    Raises
    ------
    FlowError
        A column is missing, of another length or shape, masked, not of integers (or booleans where
        it is a mask), or holds a number that is out of range; the location's field is the column.
    """
    rows = len(_array("protocol", batch.protocol))
    wide = _array("src", batch.src).ndim == 2
    address = _WIDE if wide else _NARROW
    many, shape = (rows,), (rows, 16) if wide else (rows,)
    changed: dict[str, Any] = {}
    for name, dtype in _DTYPES:
        value = getattr(batch, name)
        if value is None and name not in _NEEDED:
            continue
        wanted, size = (dtype, many) if dtype is not None else (address, shape)
        # Most columns are as they should be: nothing but this is done with them.
        if (
            type(value) is not np.ndarray
            or value.dtype is not wanted
            or value.shape != size
            or value.flags.num & _READABLE != _READABLE
        ):
            changed[name] = _fitted(name, value, wanted, size)
    for name in ("src_pod", "dst_pod"):
        _check_pods(name, getattr(batch, name), rows)
    return replace(batch, **changed) if changed else batch


def _fitted(
    name: str, value: Any, dtype: np.dtype[Any], shape: tuple[int, ...]
) -> npt.NDArray[Any]:
    """Return one column as the core reads it; raises ``FlowError`` where it cannot be."""
    array = _array(name, value)
    if array.shape != shape:
        wanted = f"{dtype}[{', '.join(map(str, shape))}]"
        raise _wrong(name, f"{array.dtype}{list(array.shape)} is not {wanted}")
    return _converted(name, array, dtype)


def _array(name: str, value: Any) -> npt.NDArray[Any]:
    if value is None:
        raise _wrong(name, "missing")
    if isinstance(value, np.ma.MaskedArray):
        raise _wrong(name, "a masked array; masks of a batch are columns of their own")
    if not isinstance(value, np.ndarray | list | tuple):
        raise _wrong(name, f"{type(value).__name__} is no NumPy array")
    try:
        return np.asarray(value)
    except (ValueError, TypeError, OverflowError):
        raise _wrong(name, "rows of different lengths, or no numbers") from None


def _converted(name: str, array: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return the same integers in another type."""
    if not array.size:
        return array.astype(dtype)
    if array.dtype.kind not in ("biu" if dtype.kind == "b" else "iu"):
        raise _wrong(name, f"{array.dtype} is not {dtype}")
    least, most = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    for found in (int(array.min()), int(array.max())):
        if not least <= found <= most:
            raise _wrong(name, f"{found} is no {dtype}")
    return array.astype(dtype)


def _check_pods(name: str, pods: Any, rows: int) -> None:
    """Check names of pods as far as they are read row by row."""
    if pods is None:
        return
    if isinstance(pods, pa.Array | pa.ChunkedArray):
        check_values(pods, name, Location())
    elif isinstance(pods, str | bytes) or not hasattr(pods, "__len__"):
        raise _wrong(name, f"{type(pods).__name__} is no sequence of names")
    if len(pods) != rows:
        raise _wrong(name, f"{len(pods)} names for {rows} flows")


def _wrong(name: str, cause: str) -> FlowError:
    return FlowError(cause, Location(field=f"column {name}"))
