"""Takes one column of a table as an Arrow array, gives numbers and what could not be read.

Every function gives ``(values, known, bad)``: a NumPy array, a mask of the cells that say something
(null, empty and ``-`` do not), and a mask of those that say it wrongly. The same code reads CSV,
Parquet and Python lists.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from netpol.flows.columns.arrow_checks import is_ascii
from netpol.model.batch import NO_TIME, PROTOCOL_NAMES, UNKNOWN_PROTOCOL, Column
from netpol.model.times import NANOSECONDS, nanoseconds
from netpol.model.verdict import Verdict

__all__ = ["Cells", "boolean", "integers", "lacks_zone", "protocols", "texts", "times", "verdicts"]

Mask = npt.NDArray[np.bool_]

#: Texts that say "not recorded", beside null.
ABSENT = ("", "-", "null", "none", "nan", "n/a")

#: What ``utf8_trim_whitespace`` trims of ASCII, and ``ascii_trim_whitespace`` only in part.
_ASCII_BLANKS = " \t\n\x0b\x0c\r\x1c\x1d\x1e\x1f"

_PROTOCOLS = {name: number for number, name in PROTOCOL_NAMES.items()} | {
    "icmpv4": 1,
    "ipv6-icmp": 58,
    "icmp6": 58,
    "icmp-v6": 58,
    "ipip": 4,
    "ipencap": 4,
    "igmp": 2,
    "ospf": 89,
}

_VERDICTS = {
    Verdict.ALLOW: (
        "allow", "allowed", "accept", "accepted", "permit", "permitted", "pass", "forwarded",
    ),
    Verdict.DENY: ("deny", "denied", "drop", "dropped", "reject", "rejected", "block", "blocked"),
    Verdict.UNKNOWN: ("unknown", "audit", "error"),
}  # fmt: skip
_VERDICT_OF = {word: int(verdict) for verdict, words in _VERDICTS.items() for word in words}

_BOOLEANS = {"true": 1, "false": 0, "1": 1, "0": 0, "yes": 1, "no": 0, "t": 1, "f": 0}


class Cells(NamedTuple):
    """A column read: values, which are recorded, and which are wrong."""

    values: Column
    known: Mask
    bad: Mask


def texts(column: Any) -> tuple[Any, Mask]:
    """Return a column as trimmed lower-case text and the mask of cells that say something."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    text = column.cast(pa.large_string())
    if is_ascii(text):  # 7 ns a cell instead of 25
        text = pc.ascii_lower(pc.ascii_trim(text, characters=_ASCII_BLANKS))
    else:
        text = pc.utf8_lower(pc.utf8_trim_whitespace(text))
    absent = pc.fill_null(pc.is_in(text, value_set=pa.array(ABSENT, pa.large_string())), True)
    known = ~_numpy(pc.or_(absent, pc.is_null(text)))
    return text, known


def _numpy(array: Any) -> npt.NDArray[Any]:
    result: npt.NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return result


def integers(column: Any, limit: int) -> Cells:
    """Read integers from 0 to ``limit``; uint64[n], 0 where not recorded.

    ``80.0`` is read as 80: that is what data frames make of integers beside nulls.
    """
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _numeric(column, limit)
    text, known = texts(column)
    shaped = _numpy(pc.fill_null(pc.match_substring_regex(text, r"^\d{1,20}(\.0+)?$"), False))
    digits = pc.replace_substring_regex(text, r"\.0+$", "")
    values = _to_uint64(digits, known & shaped)
    good = values[1] & (values[0] <= np.uint64(limit))
    return Cells(np.where(good, values[0], np.uint64(0)), known, known & ~good)


def _to_uint64(digits: Any, chosen: Mask) -> tuple[npt.NDArray[np.uint64], Mask]:
    """Convert the chosen texts, all digits; give values and which fit in 64 bits."""
    picked = pc.if_else(pa.array(chosen), digits, "0")
    try:
        return _numpy(picked.cast(pa.uint64())), chosen
    except pa.ArrowInvalid:  # one of them is larger: find it
        numbers = [int(text) for text in picked.to_pylist()]
        fits = np.fromiter((n < 1 << 64 for n in numbers), np.bool_, len(numbers))
        values = np.array([n if n < 1 << 64 else 0 for n in numbers], np.uint64)
        return values, chosen & fits


def _numeric(column: Any, limit: int) -> Cells:
    """Check a column that holds numbers already."""
    known = ~_numpy(column.is_null())
    if pa.types.is_floating(column.type):
        values = _numpy(pc.fill_null(column.cast(pa.float64()), 0.0))
        known &= ~np.isnan(values)
        values = np.where(known, values, 0.0)
        good = (values == np.floor(values)) & (values >= 0) & (values <= float(limit))
        good &= values < 2.0**63
        return Cells(np.where(good, values, 0.0).astype(np.uint64), known, known & ~good)
    values = _numpy(pc.fill_null(column, 0))
    good = (values >= 0) & (values.astype(np.uint64) <= np.uint64(limit))
    return Cells(np.where(good, values, 0).astype(np.uint64), known, known & ~good)


def _by_name(column: Any, names: dict[str, int], fill: int) -> Cells:
    """Read words by a table; few distinct ones, so each is looked up once."""
    text, known = texts(column)
    encoded = pc.dictionary_encode(text)
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    table = [names.get(word, -1) for word in encoded.dictionary.to_pylist()]
    table.append(-1)
    at = _numpy(pc.fill_null(encoded.indices, len(table) - 1)).astype(np.int64)
    values = np.array(table, np.int64)[at]
    bad = known & (values < 0)
    return Cells(np.where(known & ~bad, values, fill), known, bad)


def protocols(column: Any) -> Cells:
    """Read protocols by name or number: uint8[n], ``UNKNOWN_PROTOCOL`` where not recorded."""
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        values, known, bad = integers(column, UNKNOWN_PROTOCOL - 1)
        return Cells(np.where(known & ~bad, values, UNKNOWN_PROTOCOL).astype(np.uint8), known, bad)
    names = _PROTOCOLS | {str(n): n for n in range(UNKNOWN_PROTOCOL)}
    names |= {f"{n}.0": n for n in range(UNKNOWN_PROTOCOL)}
    values, known, bad = _by_name(column, names, UNKNOWN_PROTOCOL)
    return Cells(values.astype(np.uint8), known, bad)


def verdicts(column: Any) -> Cells:
    """Read recorded verdicts: uint8[n] of ``Verdict`` codes, UNKNOWN where not recorded."""
    values, known, bad = _by_name(column, _VERDICT_OF, int(Verdict.UNKNOWN))
    return Cells(values.astype(np.uint8), known, bad)


def boolean(column: Any) -> Cells:
    """Read booleans, False where not recorded."""
    if pa.types.is_boolean(column.type):
        known = ~_numpy(column.is_null())
        return Cells(_numpy(pc.fill_null(column, False)), known, np.zeros(len(column), np.bool_))
    values, known, bad = _by_name(column, _BOOLEANS, 0)
    return Cells(values.astype(np.bool_), known, bad)


def times(column: Any, zone: ZoneInfo | None = None) -> Cells:
    """Read times: int64[n] ns since the epoch UTC, ``NO_TIME`` where not recorded.

    RFC 3339 text, as SQL writes it, too (without a zone it is in ``zone``, or not read), or
    seconds, milli-, micro- or nanoseconds since the epoch, told apart by magnitude: below 1e11
    seconds, below 1e14 ms, below 1e17 us, else ns (each unit covers 1973 to 5138, seconds from
    1970). Decimals are allowed. Arrow timestamps without a zone are UTC.
    """
    if pa.types.is_timestamp(column.type):
        return _timestamps(column, ~_numpy(column.is_null()))
    if pa.types.is_integer(column.type):
        values, known, bad = integers(column, (1 << 63) - 1)
        scaled = np.where(known & ~bad, _scale(values.astype(np.int64)), NO_TIME)
        return Cells(scaled, known, known & (scaled == NO_TIME))
    if pa.types.is_floating(column.type):
        return _float_times(column)
    text, known = texts(column)
    return _time_texts(text, known, zone)


def lacks_zone(column: Any) -> Mask:
    """Return which cells hold a time that says no zone; bool[n]."""
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return np.zeros(len(column), np.bool_)
    shaped = pc.match_substring_regex(texts(column)[0], f"^{_MOMENT.pattern}$")
    return _numpy(pc.fill_null(shaped, False))


def _float_times(column: Any) -> Cells:
    """Read times held as floats: whole part and fraction apart, so that no more is lost."""
    values = _numpy(pc.fill_null(column.cast(pa.float64()), np.nan))
    known = ~np.isnan(values)
    right = known & (values >= 0) & (values < 2.0**63)
    values = np.where(right, values, 0.0)
    whole = np.floor(values).astype(np.int64)
    scaled = _scale(whole)
    unit = np.where(whole > 0, scaled // np.maximum(whole, 1), 10**9)
    nanos = scaled + np.round((values - whole) * unit).astype(np.int64)
    good = right & (scaled != NO_TIME)
    return Cells(np.where(good, nanos, NO_TIME), known, known & ~good)


def _timestamps(column: Any, known: Mask) -> Cells:
    """Read Arrow's timestamps by their numbers, which are UTC: a zone's name may be anything."""
    factor = _NANOSECONDS[column.type.unit]
    most = ((1 << 63) - 1) // factor
    values = _numpy(pc.fill_null(column.cast(pa.int64()), 0))
    fits = known & (values >= -most) & (values <= most)  # years 1677 to 2262
    return Cells(np.where(fits, values * np.where(fits, factor, 0), NO_TIME), known, known & ~fits)


def _scale(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return ns of integers in the unit that their magnitude tells."""
    factor = np.where(
        values < 10**11,
        10**9,
        np.where(values < 10**14, 10**6, np.where(values < 10**17, 10**3, 1)),
    )
    # Seconds beyond 2262 do not fit; they stay unknown rather than wrap.
    fits = values <= ((1 << 63) - 1) // factor
    return np.where(fits, values * np.where(fits, factor, 0), NO_TIME)


def _time_texts(text: Any, known: Mask, zone: ZoneInfo | None) -> Cells:
    """Read times as text: whole numbers at once, the others one by one, each distinct text once."""
    encoded = pc.dictionary_encode(text)
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    table = [_one_time(word, zone) for word in encoded.dictionary.to_pylist()]
    values = np.array([t if t is not None else NO_TIME for t in table] + [NO_TIME], np.int64)
    right = np.array([t is not None for t in table] + [False], np.bool_)
    at = _numpy(pc.fill_null(encoded.indices, len(table))).astype(np.int64)
    good = known & right[at]
    return Cells(np.where(good, values[at], NO_TIME), known, known & ~good)


_EPOCH_TEXT = re.compile(r"(\d{1,19})(?:\.(\d{1,9})\d*)?")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[t ](\d\d:\d\d:\d\d(?:[.,]\d+)?)", re.ASCII)
# RFC 3339, or with a blank for the T or before the zone, or another zone, as many logs have it.
_WRITTEN = re.compile(_MOMENT.pattern + r" ?(?:(z|utc|gmt)|([+-]\d\d)(?::?(\d\d))?)?", re.ASCII)


def _one_time(text: str, zone: ZoneInfo | None) -> int | None:
    """Return ns since the epoch of one text, None if it is no time, or none that says its zone."""
    match = _EPOCH_TEXT.fullmatch(text)
    if match:
        whole = int(match[1])
        unit = next((u for limit, u in _UNITS if whole < limit), 1)
        nanos = whole * unit + int((match[2] or "").ljust(9, "0")) * unit // NANOSECONDS
        return nanos if nanos < 1 << 63 else None
    match = _WRITTEN.fullmatch(text)
    if match is None:
        return None
    named, hours, minutes = match.groups()[2:]
    time = nanoseconds(f"{match[1]}T{match[2]}" + (f"{hours}:{minutes or '00'}" if hours else "Z"))
    if not named and not hours:
        time = None if time is None or zone is None else _in_zone(time, zone)
    return time if time is not None and NO_TIME < time < 1 << 63 else None


def _in_zone(time: int, zone: ZoneInfo) -> int | None:
    """Return the ns of a wall clock of a zone, which are given as if it were UTC."""
    seconds, rest = divmod(time, NANOSECONDS)
    try:
        clock = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=zone)
        return int(clock.timestamp()) * NANOSECONDS + rest
    except (ValueError, OverflowError, OSError):
        return None


_UNITS = ((10**11, 10**9), (10**14, 10**6), (10**17, 10**3))
_NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}  # of Arrow's units
