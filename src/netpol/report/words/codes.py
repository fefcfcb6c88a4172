"""What each code of ``netpol check`` means, as docs/check.md has it: help texts of CI formats."""

from __future__ import annotations

from netpol.lint.catalogue import RULES
from netpol.lint.catalogue.rule import plain
from netpol.lint.catalogue.text import as_markdown

__all__ = ["CHECK_CODES", "CHECK_PAGES"]

#: One sentence on each code, as plain text.
CHECK_CODES = {code: plain(rule.summary) for code, rule in RULES.items()}
#: Why, an example and its mended form, as Markdown.
CHECK_PAGES = {code: as_markdown(rule) for code, rule in RULES.items()}
