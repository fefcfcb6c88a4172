"""A target that breaks every promise there is, by its input's first byte."""

from __future__ import annotations

import os


def one(data: bytes) -> None:
    if data[:1] == b"R" and b"!" in data:
        raise ZeroDivisionError("nothing by nothing")
    if data == b"X":
        raise SystemExit(3)
    if data[:1] == b"A" and b"!" in data:
        os.abort()
    while data == b"H":
        pass
    if data == b"S":
        held = [bytearray(1 << 20) for _ in range(1 << 16)]
        assert held


def seeds() -> list[bytes]:
    return [b"fine", b"R and more!", b"X", b"A and more!", b"H", b"S"]
