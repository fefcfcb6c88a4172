"""Takes a text stream, gives how text is laid out on it: whether escapes are, and how wide."""

from __future__ import annotations

import os
from typing import NamedTuple, TextIO

__all__ = ["NARROWEST", "WIDEST", "Size", "size_of", "takes_escapes"]

#: Columns within which text is laid out; a narrower terminal breaks the lines itself.
NARROWEST, WIDEST = 50, 1000
_ELSEWHERE = 120  # columns of what is no terminal


class Size(NamedTuple):
    """Columns and lines."""

    columns: int
    lines: int


def size_of(target: TextIO) -> Size:
    """Return how much fits on ``target``: what COLUMNS says, else what the terminal has.

    COLUMNS is unset where it is no number from 1 on. What is no terminal has lines of 120.
    """
    columns, lines = _number("COLUMNS"), _number("LINES")
    try:
        terminal = os.get_terminal_size(target.fileno())
    except (OSError, ValueError, AttributeError):
        terminal = os.terminal_size((_ELSEWHERE, 25))
    columns = columns or terminal.columns or _ELSEWHERE
    return Size(min(max(columns, NARROWEST), WIDEST), min(lines or terminal.lines or 25, WIDEST))


def _number(variable: str) -> int:
    """Return the number an environment variable holds; 0 where it holds none, or one too low."""
    text = os.environ.get(variable, "").strip()
    if not (text.isascii() and text.isdigit()):
        return 0
    return int(text) if len(text) < 7 else WIDEST


def takes_escapes(target: TextIO) -> bool:
    """Return whether escape sequences may be written to ``target``.

    They may where it is a terminal that knows them (``TERM`` is not ``dumb``) and ``NO_COLOR`` is
    not set, or empty (no-color.org). Without colour nothing else of that kind is sent either.
    """
    return (
        target.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") not in ("dumb", "unknown")
    )
