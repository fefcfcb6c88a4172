"""Takes text that may quote anything, gives it with what is too long to be read cut in its middle.

A name in a manifest may have 100 MB, and a message that quotes it would as well.
"""

from __future__ import annotations

import re

__all__ = ["MAX_LINE", "MAX_TEXT", "MAX_WORD", "shortened"]

#: Characters without a space between. The longest name Kubernetes has is a label's key beside its
#: value (381), the longest path of Linux 4 096: what is longer is told of by both its ends.
MAX_WORD = 1000
#: Characters of a line: some 100 names.
MAX_LINE = 20_000
#: Characters of a message, however many lines it has.
MAX_TEXT = 200_000

_LONG_WORD = re.compile(rf"\S{{{MAX_WORD + 1},}}")
_LONG_LINE = re.compile(rf"[^\n]{{{MAX_LINE + 1},}}")


def shortened(text: str) -> str:
    """Return ``text`` with long words and lines cut, saying how many characters are left out."""
    if len(text) <= MAX_WORD:
        return text
    text = _LONG_WORD.sub(_cut_word, text)
    if len(text) > MAX_LINE:
        text = _LONG_LINE.sub(_cut_line, text)
    return text if len(text) <= MAX_TEXT else _cut(text, MAX_TEXT)


def _cut_word(found: re.Match[str]) -> str:
    return _cut(found[0], MAX_WORD)


def _cut_line(found: re.Match[str]) -> str:
    return _cut(found[0], MAX_LINE)


def _cut(text: str, limit: int) -> str:
    head, tail = limit // 2, limit // 4
    return f"{text[:head]}…({len(text) - head - tail} more characters)…{text[-tail:]}"
