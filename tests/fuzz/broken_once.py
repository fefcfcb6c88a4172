"""A target that breaks a promise where an input has an exclamation mark."""

from __future__ import annotations


def one(data: bytes) -> None:
    assert b"!" not in data


def seeds() -> list[bytes]:
    return [b"fine", b"nothing", b"and here it is!"]
