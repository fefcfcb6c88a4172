"""Takes the catalogue of codes, puts it into docs/check.md between the marks of each family."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from netpol.lint.catalogue import FAMILIES, Family
from netpol.lint.catalogue.text import as_markdown

TARGET = Path(__file__).with_name("check.md")

_MARKED = re.compile(r"(<!-- codes: ([^\n]+) -->\n).*?(<!-- end -->\n)", re.DOTALL)


def page(text: str) -> str:
    """Give the page with what stands between the marks made anew."""
    families = {family.title: family for family in FAMILIES}
    return _MARKED.sub(lambda m: m[1] + "\n".join(_family(families[m[2]])) + m[3], text)


def _family(family: Family) -> Iterator[str]:
    rows = [f"| `{rule.code}` | {rule.summary} |" for rule in family.rules]
    yield "\n".join(["| code | meaning |", "|---|---|", *rows]) + "\n"
    for rule in family.rules:
        yield f"### {rule.code}\n\n{as_markdown(rule)}"


if __name__ == "__main__":
    TARGET.write_text(page(TARGET.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stderr.write(f"wrote {TARGET}\n")
