"""Takes the text of many YAML documents, gives where each is, and the text again after a mistake.

Reading begins with the whole text. After a mistake it goes on behind that document, with little at
a time as long as there are more of them: each new start costs as much as the text it is given, so
that a file of mistakes would take the square of its length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Piece", "Region", "yaml_pieces"]

_LEAST = 1 << 10
# Not behind what may belong to the next document: directives, and comments between them.
_SPLIT = re.compile(r"^[^%#\s].*\n(?=---(?:\s|$))", re.MULTILINE)


class Region(NamedTuple):
    """One document: where it begins and ends in its piece, its first line in the file, its text."""

    end: int
    line: int
    text: str


class Piece:
    """Some documents, and where they are. Asked for in order of lines, it is gone through once."""

    def __init__(self, text: str, first_line: int) -> None:
        self.text = text
        self.first_line = first_line
        self.done = len(text)
        self._line = first_line
        self._place = 0

    def around(self, line: int) -> Region:
        """Return the document that holds a line of the file.

        A mistake may show only at the mark of the next document, which then is not its own.
        """
        text, place = self.text, self._offset_of(line)
        start = _last_mark(text, place)
        after = place
        if not text[start:place].strip("- \t\r\n"):  # Nothing stands before it: it begins here.
            after = place + 1
        end = _next_mark(text, after)
        first = self._line - text.count("\n", start, place)
        return Region(end, first, text[start:end])

    def stop_after(self, region: Region) -> None:
        """Leave what comes behind a document to the next piece."""
        self.done = region.end

    def _offset_of(self, line: int) -> int:
        if line < self._line:
            self._line, self._place = self.first_line, 0
        while self._line < line:
            after = self.text.find("\n", self._place) + 1
            if not after:
                return len(self.text)
            self._place = after
            self._line += 1
        return self._place


def yaml_pieces(text: str) -> Iterator[Piece]:
    """Yield the text piece by piece; where reading one stopped early, the next begins."""
    piece = Piece(text, 1)
    place, size = 0, len(text)
    while place < len(text):
        yield piece
        size = min(_LEAST, size) if piece.done < len(piece.text) else 2 * size
        place += piece.done
        line = piece.first_line + piece.text.count("\n", 0, piece.done)
        piece = Piece(text[place : _split(text, place + size)], line)


def _split(text: str, place: int) -> int:
    """Return the first place from there on where a document surely begins."""
    if place >= len(text):
        return len(text)
    found = _SPLIT.search(text, place)
    return found.end() if found else len(text)


def _last_mark(text: str, place: int) -> int:
    """Return where the last mark between documents stands before a place; 0 if none does."""
    while (place := text.rfind("---", 0, place)) > 0:
        if text[place - 1] == "\n" and _ends(text, place):
            return place
    return 0


def _next_mark(text: str, place: int) -> int:
    """Return where the first mark stands from there on; the end if none does."""
    place -= 1
    while (place := text.find("---", place + 1)) >= 0:
        if (place == 0 or text[place - 1] == "\n") and _ends(text, place):
            return place
    return len(text)


def _ends(text: str, place: int) -> bool:
    after = text[place + 3 : place + 4]
    return not after or after.isspace()
