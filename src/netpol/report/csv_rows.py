"""Takes rows of fields, gives CSV in which no field can do harm."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from netpol.report.text import escape_controls

__all__ = ["ports_field", "written"]


def written(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Give a header and rows; whatever a terminal would act on is escaped."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([escape_controls(str(field), whole=True) for field in row])
    return text.getvalue().encode()


def ports_field(ports: Iterable[object]) -> str:
    """Give ports apart by blanks: ``80,443/tcp udp other``."""
    return " ".join(str(item).replace("other protocols", "other") for item in ports)
