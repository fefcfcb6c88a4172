"""A target that breaks every promise there is, by its input's first byte."""

from __future__ import annotations

import os
import time


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
        bytearray(1 << 40)
    if data == b"W":
        held = b"w" * (1 << 29)
        time.sleep(600)
        assert held


def seeds() -> list[bytes]:
    return [b"fine", b"R and more!", b"X", b"A and more!", b"H", b"S", b"W"]
