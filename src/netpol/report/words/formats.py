"""Names of formats that several commands write, importable before anything heavy is."""

from __future__ import annotations

from typing import Literal

__all__ = ["CI_FORMATS", "CSV_CELLS", "CsvCells"]

#: What CI systems read; ``ci.py`` writes them.
CI_FORMATS = ("github", "sarif", "junit", "markdown")

CsvCells = Literal["safe", "exact"]
#: How fields of CSV may be written, the default first; ``csv_rows.py`` writes them.
CSV_CELLS: tuple[CsvCells, ...] = ("safe", "exact")
