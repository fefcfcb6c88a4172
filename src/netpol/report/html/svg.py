"""Takes what a picture shows, gives SVG to stand in a page, coloured by the page's style sheet.

Charts along an axis (class ``fluid``) are as wide as their column: places are in percent, so that
text keeps its size on a phone. Maps have a size of their own and shrink to their column; so there
are two of each, one of which the style sheet shows (classes ``wide`` and ``narrow``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from netpol.model.text import escape_controls
from netpol.report.html.markup import filled, raw

__all__ = ["drawn", "drawn_map", "short"]

#: Letters of a name in a picture; the table beside it has the whole.
_LETTERS = {"wide": 28, "narrow": 18}
_FONT = 12  # pixels, as in the style sheet
_COLUMN = 331  # pixels of the column of a page at a width of 360
_LEAST = 12  # pixels of a field: those of a line of text
# Widths of letters by their height, as in DejaVu Sans; what other systems have is narrower.
_THIN = frozenset("filjrtI.,:;'|!()[]/ -")
_BROAD = frozenset("mwMW%@…")


def drawn(template: str, title: str, text: str, **values: object) -> str:
    """Fill a template of a picture.

    Parameters
    ----------
    title, text : str
        What the picture is and what it shows, for who cannot see it.
    """
    return filled(f"{template}.svg.j2", title=title, text=text, **values)


def drawn_map(
    template: str,
    title: str,
    text: str,
    names: tuple[Sequence[str], Sequence[str]],
    field: int,
    *,
    above: int = 0,
    **values: object,
) -> str:
    """Fill a template of a map, whose fields are in rows and columns: for wide and narrow screens.

    Parameters
    ----------
    names : of the rows, and of the columns.
    field : pixels from one field to the next, where there is room.
    above : pixels of the legend above the names of the columns.
    """
    pictures = []
    for look, letters in _LETTERS.items():
        rows, columns = ([short(name, letters) for name in side] for side in names)
        left, top = _room(rows), _room(columns)
        size, scale = field, 1.0
        if look == "narrow":
            size = min(field, max(_LEAST, (_COLUMN - left) // len(columns)))
            # A map that shrinks leaves its legend as large as text.
            scale = max(1.0, (left + len(columns) * size) / _COLUMN)
        pictures.append(
            drawn(
                template, title, text, look=look, rows=rows, columns=columns, field=size,
                left=left, top=top + above * scale, scale=scale, **values,
            )
        )  # fmt: skip
    return raw("".join(pictures))


def short(name: str, letters: int = _LETTERS["wide"]) -> str:
    """Return a name as a picture has room for it."""
    shown = escape_controls(name)
    # Names of pods and the like differ at their ends.
    end = letters * 2 // 5
    return shown if len(shown) <= letters else f"{shown[: letters - end - 1]}…{shown[-end:]}"


def _room(labels: Sequence[str]) -> int:
    """Return the pixels that labels take beside a map, or what it says in its corner."""
    return max(52, 12 + math.ceil(_FONT * max(sum(map(_width, label)) for label in labels)))


def _width(letter: str) -> float:
    if letter in _THIN:
        return 0.42
    if letter in _BROAD:
        return 1.0
    if letter >= "\u0250":  # beyond Latin
        return 1.25
    return 0.8 if letter.isupper() else 0.64
