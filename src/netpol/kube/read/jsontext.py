"""Takes JSON text, gives the objects in it still raw, lists opened as far as their own fields.

One document, several, or one a line; in each an object, a list of a kind, or an array of objects.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from netpol.kube.read.documents import duplicate_key
from netpol.kube.read.jsonlines import BAD_JSON, address_of
from netpol.model.errors import Location, ManifestError

__all__ = [
    "LineCounter",
    "Parsed",
    "array_of",
    "duplicate_beside_items",
    "is_list",
    "items_of",
    "parse_json",
]

_POSITION = re.compile(r"\(byte (\d+)\)")
_ARRAY = re.compile(rb"\s*\[")


class Envelope(Struct):
    """The top of a JSON document: enough to tell a list, its items left raw."""

    apiVersion: str | None = None  # noqa: N815
    kind: str | None = None
    items: list[Raw] | UnsetType | None = UNSET


_ENVELOPES = msgspec.json.Decoder(Envelope)
_RAWS = msgspec.json.Decoder(Raw)
_ARRAYS = msgspec.json.Decoder(list[Raw])


class Parsed(NamedTuple):
    """JSON text taken apart: lists already opened, or else documents still whole."""

    lists: list[Envelope]
    documents: list[Raw]


def parse_json(file: str, data: bytes, start: int = 0, end: int | None = None) -> Parsed:
    """Take JSON text apart; ``ManifestError`` if it is malformed.

    ``start`` and ``end`` are the part of ``data`` to look at, lines being counted from its top.
    """
    part = data if end is None else memoryview(data)[start:end]
    try:
        try:
            lists = _ENVELOPES.decode_lines(part)
        except msgspec.ValidationError:
            lists = []
        if lists and all(each.items is not UNSET and is_list(each.kind) for each in lists):
            return Parsed(lists, [])
        return Parsed([], _RAWS.decode_lines(part))
    except BAD_JSON as error:
        raise _malformed(file, data, error, start, len(data) if end is None else end) from None


def items_of(raw: Raw) -> list[Raw] | None:
    """Return the items of a list; None if the object has no such field."""
    try:
        items = _ENVELOPES.decode(raw).items
    except BAD_JSON:
        return None
    return None if items is UNSET else items or []


def array_of(raw: Raw) -> list[Raw] | None:
    """Return the elements of an array; None if it is none."""
    elements: list[Raw] | None = _ARRAYS.decode(raw) if _ARRAY.match(memoryview(raw)) else None
    return elements


def is_list(kind: str | None) -> bool:
    """Return whether a kind is that of a list."""
    return kind is not None and kind.endswith("List")


def duplicate_beside_items(
    data: bytes, lists: list[list[Raw]], start: int = 0, end: int | None = None
) -> str | None:
    """Look for a key met twice in the lists themselves (A0.2): a second ``items`` hides the first.

    ``lists`` are the items of each list in ``data[start:end]``. Cutting them out leaves little text
    to look through, however long they are.
    """
    if not lists:
        return None
    base, kept, pieces = address_of(data), start, []
    for items in lists:
        if items:
            pieces.append(data[kept : address_of(items[0]) - base])
            kept = address_of(items[-1]) - base + len(memoryview(items[-1]))
    pieces.append(data[kept:end])
    return duplicate_key(b"".join(pieces))


class LineCounter:
    """Gives the line of raw views into one text; going forward each byte is counted once."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._base = address_of(data)
        self._offset = 0
        self._line = 1

    def line_of(self, raw: Raw) -> int:
        """Return the 1-based line that a raw view begins on."""
        return self.line_at(address_of(raw) - self._base)

    def line_at(self, offset: int) -> int:
        """Return the 1-based line that an offset is on."""
        if offset < self._offset:
            self._offset, self._line = 0, 1
        self._line += self._data.count(b"\n", self._offset, offset)
        self._offset = offset
        return self._line


def _malformed(file: str, data: bytes, error: Exception, start: int, end: int) -> ManifestError:
    if isinstance(error, RecursionError):
        return ManifestError("not valid JSON: nested too deeply", Location(file))
    if isinstance(error, UnicodeDecodeError):
        return ManifestError("not valid JSON: not valid UTF-8", Location(file))
    found = _POSITION.search(str(error))
    place = start + int(found[1]) if found else end
    message = _POSITION.sub("", str(error)).strip()
    return ManifestError(
        f"not valid JSON: {message}", Location(file, data.count(b"\n", 0, place) + 1)
    )
