"""Names of formats that several commands write, importable before anything heavy is."""

from __future__ import annotations

__all__ = ["CI_FORMATS"]

#: What CI systems read; ``ci.py`` writes them.
CI_FORMATS = ("github", "sarif", "junit", "markdown")
