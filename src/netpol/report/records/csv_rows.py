"""Takes fields, gives CSV in which none can do harm, or, if that is asked for, CSV to the letter.

The two ways of writing it are in the table of ``text.py``. ``safe`` is the default because it costs
nobody anything: no name of Kubernetes, address or word of ours has a hidden character or begins as
a formula does, so only what is hostile, or broken, is written otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from netpol.model.text import encodable, escape_controls
from netpol.report.words.formats import CsvCells

__all__ = ["Field", "field_writer", "ports_field", "written"]

#: Writes one field.
Field = Callable[[str], str]

_SPECIAL = re.compile(r'[",\r\n]')
#: What is written as it is, in both ways; nearly every field, so this one search is all it costs.
_PLAIN = re.compile(r"[0-9A-Za-z:(][0-9A-Za-z :/._()-]*", re.ASCII)
#: Where a spreadsheet would begin a formula: at the start, also behind blanks and quotes, and
#: behind what separates cells where the comma is the decimal sign. The wide forms count, too.
_FORMULA = re.compile(r"""(?:^|(?<=[;|]))(?=[\s'"]*[=+\-@\uff1d\uff0b\uff0d\uff20])""")


def field_writer(cells: CsvCells) -> Field:
    """Return what writes a field, quoted where it has to be."""
    return _safe if cells == "safe" else _exact


def written(
    columns: Sequence[str], rows: Iterable[Sequence[object]], cells: CsvCells = "safe"
) -> bytes:
    """Return a header and rows."""
    field = field_writer(cells)
    lines = (",".join(field(str(item)) for item in row) + "\n" for row in (columns, *rows))
    return "".join(lines).encode()


def ports_field(ports: Iterable[object]) -> str:
    """Return ports apart by blanks: ``80,443/tcp udp other``."""
    return " ".join(str(item).replace("other protocols", "other") for item in ports)


def _safe(text: str) -> str:
    return (
        text
        if _PLAIN.fullmatch(text)
        else _quoted(_FORMULA.sub("'", escape_controls(text, whole=True)))
    )


def _exact(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else _quoted(encodable(text))


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if _SPECIAL.search(text) else text
