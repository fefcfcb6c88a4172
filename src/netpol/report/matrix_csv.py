"""Takes a ``Matrix`` or exposures, gives CSV: one row for each pair of names and set of ports."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from netpol.analysis.exposure import Exposure
from netpol.analysis.matrix import Matrix
from netpol.report.text import escape_controls

__all__ = ["render", "render_exposures"]

_COLUMNS = (
    "src", "dst", "src_networks", "dst_networks", "ports", "verdict", "allow", "deny", "unknown",
)  # fmt: skip
_EXPOSED = ("workload", "pods", "external", "networks", "stranger")


def render(matrix: Matrix) -> bytes:
    """Give the rows; lists in a field are apart by blanks, ``verdict`` is empty if pairs differ."""
    return _written(
        _COLUMNS,
        (
            (
                reach.src, reach.dst, " ".join(reach.src_networks), " ".join(reach.dst_networks),
                _words(cell.ports), "" if cell.verdict is None else cell.verdict.label,
                cell.allow, cell.deny, cell.unknown,
            )
            for reach in matrix.reaches()
            for cell in reach.cells
        ),
    )  # fmt: skip


def render_exposures(exposures: Sequence[Exposure]) -> bytes:
    """Give one row for each workload."""
    return _written(
        _EXPOSED,
        (
            (one.workload, one.pods, _words(one.external), " ".join(one.networks),
             _words(one.stranger))
            for one in exposures
        ),
    )  # fmt: skip


def _words(ports: Iterable[object]) -> str:
    return " ".join(str(item).replace("other protocols", "other") for item in ports)


def _written(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([escape_controls(str(field)) for field in row])
    return text.getvalue().encode()
