"""What the registry of known formats is written with: headers, keys, patterns, common advice."""

from __future__ import annotations

import re

from netpol.flows.known.formats import Header

__all__ = ["CONNTRACK", "ONE_DIRECTION", "all_of", "header", "text"]

ONE_DIRECTION = (
    "its records are one direction each: give a table with one row per connection whose src is "
    "who began it, or with a column is_reply"
)
CONNTRACK = "read the node's connection table instead: conntrack -L -o extended"


def all_of(*names: str) -> frozenset[str]:
    """Return keys that must all be there."""
    return frozenset(names)


def header(needed: str, any_of: str = "", *, marked: bool = False) -> Header:
    """Return a header of names that blanks part."""
    return Header(frozenset(needed.split()), frozenset(any_of.split()), marked)


def text(*patterns: bytes) -> tuple[re.Pattern[bytes], ...]:
    """Return patterns whose ``^`` and ``$`` are the ends of lines."""
    return tuple(re.compile(pattern, re.MULTILINE) for pattern in patterns)
