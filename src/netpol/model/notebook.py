"""Takes counts and the first rows of a result, gives the HTML that a notebook shows of it.

Needs no package and no style sheet: notebooks style plain tables themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from netpol.model.text import escape_controls

__all__ = ["ROWS", "notebook_html"]

#: Rows to show.
ROWS = 10


def notebook_html(
    title: str,
    counts: Mapping[str, int],
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    total: int,
) -> str:
    """Return a result as a heading and a table.

    Parameters
    ----------
    title : str
        What it is.
    counts : mapping
        How many there are of each kind.
    columns, rows : sequences
        The table: its first rows, None for nothing.
    total : int
        How many rows there are.
    """
    shown = [_row("td", row) for row in rows]
    said = ", ".join(f"{number:,} {_text(name)}" for name, number in counts.items())
    caption = f"{_text(title)}: {said}" if said else _text(title)
    if len(shown) < total:
        caption += f"; the first {len(shown):,} of {total:,}"
    return (
        f"<table><caption>{caption}</caption>"
        f"<thead>{_row('th', columns)}</thead><tbody>{''.join(shown)}</tbody></table>"
    )


def _row(tag: str, cells: Sequence[Any]) -> str:
    return f"<tr>{''.join(f'<{tag}>{_text(cell)}</{tag}>' for cell in cells)}</tr>"


def _text(value: Any) -> str:
    return "" if value is None else escape(escape_controls(str(value)))
