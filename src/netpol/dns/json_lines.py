"""Takes JSON lines of DNS records, gives them as columns of text, one row an address.

A record holds one address or a list (``addresses``, ``answers``), with one TTL or a list of as
many. Where a list holds names among the addresses, the aliases on the way to them, these are passed
over. A record that is a container's log line (``log``, ``message``) is read as CoreDNS's.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from netpol.dns.columns import COLUMNS
from netpol.dns.coredns import take_line
from netpol.dns.gather import Gatherer, is_name
from netpol.dns.lines import read_lines
from netpol.flows.columns.names import plain_name
from netpol.io.stream import Source
from netpol.model.dns_observations import normalise_name

__all__ = ["read_json_lines"]

_ROWS = 1 << 16
_WRAPPED = ("log", "message", "msg")
_FOUND_AS = {name: (column, place) for column, names in COLUMNS.items()
             for place, name in enumerate(names)}  # fmt: skip


class _Row(NamedTuple):
    line: int
    time: str | None
    name: str | None
    address: str | None
    ttl: str | None


def read_json_lines(source: Source, gather: Gatherer) -> None:
    """Read a whole log."""
    decoder = msgspec.json.Decoder(dict[str, Any])
    rows: list[_Row] = []
    for number, line in read_lines(source, gather.stats, strict=gather.strict):
        try:
            record = decoder.decode(line)
        except (msgspec.DecodeError, RecursionError):
            if gather.strict:  # what comes first is to be complained of first
                _hand_over(rows, source.name, gather)
            gather.stats.skip(source.name, number, "bad JSON", line, strict=gather.strict)
            continue
        found = _columns(record)
        wrapped = next((v for k in _WRAPPED if isinstance(v := record.get(k), str)), None)
        if "name" not in found and wrapped is not None:
            take_line(wrapped.rstrip("\r\n"), source.name, number, gather)
            continue
        rows += _rows(found, number)
        if len(rows) >= _ROWS:
            _hand_over(rows, source.name, gather)
    _hand_over(rows, source.name, gather)


def _hand_over(rows: list[_Row], file: str, gather: Gatherer) -> None:
    if not rows:
        return
    lines, *texts = zip(*rows, strict=True)
    columns = {
        name: pa.array(values, pa.string())
        for name, values in zip(_Row._fields[1:], texts, strict=True)
    }
    rows.clear()
    gather.add(columns, file, np.array(lines, np.int64))


def _columns(record: dict[str, Any]) -> dict[str, Any]:
    """Return the record's values by column; of several keys for one, the commonest counts."""
    places: dict[str, int] = {}
    found: dict[str, Any] = {}
    for key, value in record.items():
        column, place = _column_of(key)
        if column and value is not None and place < places.get(column, len(COLUMNS[column])):
            places[column] = place
            found[column] = value
    return found


@lru_cache(maxsize=1024)
def _column_of(key: str) -> tuple[str, int]:
    return _FOUND_AS.get(plain_name(key), ("", 0))


def _rows(found: dict[str, Any], line: int) -> list[_Row]:
    time, name = _text(found.get("time")), _text(found.get("name"))
    addresses, ttls = found.get("address"), found.get("ttl")
    if not isinstance(addresses, list):
        return [_Row(line, time, name, _text(addresses), _text(ttls))]
    if not isinstance(ttls, list) or len(ttls) != len(addresses):
        ttls = [ttls] * len(addresses)
    rows = [
        _Row(line, time, name, _text(address), _text(ttl))
        for address, ttl in zip(addresses, ttls, strict=True)
        if not _is_alias(address)
    ]
    return rows or [_Row(line, time, name, None, None)]


def _is_alias(value: Any) -> bool:
    """Whether an answer is a name. An address's last label is a number, a name's never is."""
    if not isinstance(value, str) or ":" in value:
        return False
    name = normalise_name(value)
    return is_name(name) and not name.rpartition(".")[2].isdigit()


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:.9f}"  # never with an exponent, which is no time
    return msgspec.json.encode(value).decode()
