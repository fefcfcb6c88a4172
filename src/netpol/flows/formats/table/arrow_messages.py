"""Takes Arrow IPC messages, gives how many bytes they unpack to, which pyarrow allocates unasked.

Each compressed buffer begins with the length it unpacks to. Where those are is in the message's
metadata, a FlatBuffer whose fields are looked up here by their number in Arrow's schemas
(format/Message.fbs and File.fbs). A place outside of what there is ends as ``DamagedMessageError``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

__all__ = ["DamagedMessageError", "Message", "blocks_of", "message_of", "unpacked"]

_I32, _I64, _U16 = struct.Struct("<i"), struct.Struct("<q"), struct.Struct("<H")
_DICTIONARY, _RECORDS = 2, 3  # kinds of messages that have buffers
_V4 = 3  # Arrow 0.17 said in a message's own metadata that it was compressed
_OLD_COMPRESSION = b"ARROW:experimental_compression"
_BUFFER, _BLOCK = 16, 24  # bytes of each in their vectors


class DamagedMessageError(ValueError):
    """Metadata points outside of itself, or a buffer outside of its message."""


class Message(NamedTuple):
    """What is to be known of a message. ``buffers`` are the compressed ones: first byte, length."""

    body_length: int
    buffers: list[tuple[int, int]]


class _Table:
    """A table of a FlatBuffer at a place in it."""

    def __init__(self, data: bytes, place: int) -> None:
        self._data = data
        self._place = place
        self._fields = place - _number(_I32, data, place)

    def at(self, field: int) -> int:
        """Return where a field is; 0 if the table has none."""
        slot = 4 + 2 * field
        if slot >= _number(_U16, self._data, self._fields):
            return 0
        offset = _number(_U16, self._data, self._fields + slot)
        return self._place + offset if offset else 0

    def table(self, field: int) -> _Table | None:
        """Return a field that is a table."""
        place = self.at(field)
        return _Table(self._data, place + _number(_I32, self._data, place)) if place else None

    def items(self, field: int, size: int) -> Iterator[int]:
        """Yield where each item of a vector is."""
        place = self.at(field)
        if place:
            place += _number(_I32, self._data, place)
            first, count = place + 4, _number(_I32, self._data, place)
            if not 0 <= count <= len(self._data) // size:
                raise DamagedMessageError(f"a list of {count} items")
            yield from range(first, first + count * size, size)


def message_of(metadata: bytes) -> Message:
    """Read a message's metadata.

    Raises
    ------
    DamagedMessageError
        It points outside of itself.
    """
    message = _Table(metadata, _number(_I32, metadata, 0))
    version, kind, length = message.at(0), message.at(1), message.at(3)
    body_length = _number(_I64, metadata, length) if length else 0
    if body_length < 0:
        raise DamagedMessageError(f"a body of {body_length} bytes")
    records = message.table(2)
    number = metadata[kind] if 0 < kind < len(metadata) else 0
    if number == _DICTIONARY and records is not None:
        records = records.table(1)
    elif number != _RECORDS:
        records = None
    old = _number(_U16, metadata, version) == _V4 if version else False
    if records is None or not (records.at(3) or (old and _OLD_COMPRESSION in metadata)):
        return Message(body_length, [])
    return Message(
        body_length,
        [
            (_number(_I64, metadata, place), _number(_I64, metadata, place + 8))
            for place in records.items(2, _BUFFER)
        ],
    )


def unpacked(message: Message, read: Callable[[int, int], bytes | bytearray]) -> int:
    """Return the bytes that the buffers of a message say they unpack to.

    ``read`` gives as many bytes of its body from a place as are asked for.

    Raises
    ------
    DamagedMessageError
        A buffer lies outside of the body.
    """
    total = 0
    for first, length in message.buffers:
        if first < 0 or length < 0 or first + length > message.body_length:
            raise DamagedMessageError(f"a buffer of {length} bytes at {first}")
        if length >= _I64.size:
            total += max(_number(_I64, read(first, _I64.size), 0), 0)  # -1: it is not compressed
    return total


def blocks_of(footer: bytes) -> list[tuple[int, int]]:
    """Return the messages of a file by its footer: where each begins, and its metadata's length.

    Raises
    ------
    DamagedMessageError
        It points outside of itself.
    """
    table = _Table(footer, _number(_I32, footer, 0))
    return [
        (_number(_I64, footer, place), _number(_I32, footer, place + 8))
        for field in (2, 3)  # dictionaries, record batches
        for place in table.items(field, _BLOCK)
    ]


def _number(kind: struct.Struct, data: bytes | bytearray, place: int) -> int:
    if not 0 <= place <= len(data) - kind.size:
        raise DamagedMessageError(f"a place at {place} of {len(data)} bytes")
    number: int = kind.unpack_from(data, place)[0]
    return number
