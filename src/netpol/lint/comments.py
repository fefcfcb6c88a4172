"""Takes the text of a manifest, gives its comments that silence: ``# netpol: ignore CODE``.

After ``ignore`` stand codes joined by commas; what follows them is for people. A comment beside
something is about that line, one that stands alone about the next line that has anything on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

__all__ = ["Comment", "comments_in"]

_COMMENT = re.compile(r"(?:^|(?<=\s))#\s*netpol:\s*ignore\b[:\s]*([^#\n\r]*)", re.IGNORECASE)
_CODES = re.compile(r"[A-Za-z][\w-]*(?:\s*,\s*[A-Za-z][\w-]*)*")
_MARKER = re.compile(rb"netpol:\s*ignore", re.IGNORECASE)
_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Position = tuple[int, int]  # line and column, both from 0


class Comment(NamedTuple):
    """One comment: the file and line it stands on, the line it is about, the codes it names."""

    file: str
    line: int
    about: int
    words: tuple[str, ...]


def comments_in(file: str, data: bytes) -> list[Comment]:
    """Return the comments of a manifest in order; none if its text cannot be read."""
    text = _text(data)
    if text is None:
        return []
    lines = text.splitlines()
    found = []
    scalars: list[tuple[_Position, _Position]] | None = None
    for index, line in enumerate(lines):
        for match in _COMMENT.finditer(line):
            if scalars is None:
                scalars = list(_scalars(text))
            here = index, match.start()
            if not any(start < here < end for start, end in scalars):
                found.append(Comment(file, index + 1, _about(lines, index), _words(match[1])))
    return found


def _text(data: bytes) -> str | None:
    """Decode text that may hold such a comment; None for all other."""
    coding = next((name for bom, name in _BOMS if data.startswith(bom)), "utf-8")
    if coding == "utf-8" and _MARKER.search(data) is None:
        return None
    try:
        return data.decode(coding)
    except UnicodeDecodeError:
        return None


def _words(text: str) -> tuple[str, ...]:
    match = _CODES.match(text)
    return tuple(re.split(r"\s*,\s*", match[0])) if match is not None else ()


def _about(lines: list[str], index: int) -> int:
    """Return the line, from 1, that a comment is about."""
    if not _is_bare(lines[index]):
        return index + 1
    for below in range(index + 1, len(lines)):
        if not _is_bare(lines[below]):
            return below + 1
    return index + 1


def _is_bare(line: str) -> bool:
    """Return whether nothing stands on a line but a comment, or the mark between two documents."""
    content = line.strip()
    if content.startswith("---"):
        content = content[3:].lstrip()
    return not content or content.startswith("#")


def _scalars(text: str) -> Iterator[tuple[_Position, _Position]]:
    """Yield where each text value begins and ends that may hold what looks like a comment."""
    try:
        loader = _Loader(text)
    except yaml.YAMLError:
        return
    try:
        while (event := loader.get_event()) is not None:
            if type(event) is yaml.ScalarEvent:
                start: Any = event.start_mark
                end: Any = event.end_mark
                yield (start.line, start.column), (end.line, end.column)
    except yaml.YAMLError:
        return
    finally:
        loader.dispose()
