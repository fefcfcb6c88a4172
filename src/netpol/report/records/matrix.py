"""Takes a ``Matrix`` or exposures, gives CSV: one row for each pair of names and set of ports."""

from __future__ import annotations

from collections.abc import Sequence

from netpol.questions.reach.exposure import Exposure
from netpol.questions.reach.matrix import Matrix
from netpol.report.records.csv_rows import ports_field, written
from netpol.report.words.formats import CsvCells

__all__ = ["render", "render_exposures"]

_COLUMNS = (
    "src", "dst", "src_networks", "dst_networks", "ports", "verdict", "allow", "deny", "unknown",
)  # fmt: skip
_EXPOSED = ("workload", "pods", "external", "networks", "stranger")


def render(matrix: Matrix, cells: CsvCells = "safe") -> bytes:
    """Return rows; lists in a field are apart by blanks, ``verdict`` is empty if pairs differ."""
    return written(
        _COLUMNS,
        (
            (
                reach.src, reach.dst, " ".join(reach.src_networks), " ".join(reach.dst_networks),
                ports_field(cell.ports), "" if cell.verdict is None else cell.verdict.label,
                cell.allow, cell.deny, cell.unknown,
            )
            for reach in matrix.reaches()
            for cell in reach.cells
        ),
        cells,
    )  # fmt: skip


def render_exposures(exposures: Sequence[Exposure], cells: CsvCells = "safe") -> bytes:
    """Return one row for each workload."""
    return written(
        _EXPOSED,
        (
            (one.workload, one.pods, ports_field(one.external), " ".join(one.networks),
             ports_field(one.stranger))
            for one in exposures
        ),
        cells,
    )  # fmt: skip
