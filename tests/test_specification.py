"""Every item that is cited stands in docs/specification.md, and every decision in semantics.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SPECIFICATION = (ROOT / "docs" / "specification.md").read_text(encoding="utf-8")
SEMANTICS = (ROOT / "docs" / "semantics.md").read_text(encoding="utf-8")

#: Items and sections as they are defined: ``**A1.2**``, ``### A1 …``; D1 to D11 are tables.
ITEMS = re.findall(r"^(?:- |\d+\. )\*\*([A-C]\d+\.\d+)\*\*", SPECIFICATION, re.MULTILINE)
SECTIONS = re.findall(r"^### ([A-D]\d+) ", SPECIFICATION, re.MULTILINE)
VECTORS = re.findall(r"^\| (\d+) \|", SPECIFICATION, re.MULTILINE)
DECISIONS = re.findall(r"\bR\d{1,2}\b", SEMANTICS)

#: ``A15.9``, and what follows it in ``A15.8 to A15.13`` or ``B5.2-3`` is found by itself.
CITED = re.compile(r"(?<![\w.#/-])([A-D]\d{1,2})(?:\.(\d{1,2}))?(?![\w-]*\w)(?!\.\w)")
DECIDED = re.compile(r"(?<![\w.#/-])(R\d{1,2})(?![\w.-]*\w)")
TEXTS = sorted(
    path
    for folder, pattern in [
        ("src", "*.py"), ("src", "*.p[yx]*"), ("src", "*.h"), ("tests", "*.py"), ("bench", "*.py"),
        ("fuzz", "*.py"), ("docs", "*.md"),
    ]
    for path in (ROOT / folder).rglob(pattern)
    if path.suffix not in {".pyc", ".typed"}
)  # fmt: skip


def prose(path: Path) -> str:
    """What people read of a file: of code, comments and docstrings, where all citations stand."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return text
    parts = re.findall(r'"""(.*?)"""', text, re.DOTALL) + re.findall(r"(?:#|//|/\*)(.*)", text)
    return "\n".join(parts)


def test_every_item_is_defined_once_and_in_order() -> None:
    def place(item: str) -> tuple[str, list[int]]:
        return item[0], [int(number) for number in item[1:].split(".")]

    assert len(set(ITEMS)) == len(ITEMS) > 150
    assert sorted(ITEMS, key=place) == ITEMS
    assert len(set(SECTIONS)) == len(SECTIONS)
    assert {item.split(".")[0] for item in ITEMS} <= set(SECTIONS)
    assert [int(number) for number in VECTORS] == list(range(1, len(VECTORS) + 1))


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_item_that_is_cited_exists(path: Path) -> None:
    known = {*ITEMS, *SECTIONS}
    cited = {
        f"{section}.{item}" if item else section for section, item in CITED.findall(prose(path))
    }
    vectors = {f"D{number}" for number in VECTORS}  # the number of a vector, as D88
    assert cited - known - vectors == set()


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_decision_that_is_cited_exists(path: Path) -> None:
    assert set(DECIDED.findall(prose(path))) - set(DECISIONS) == set()


def test_switches_are_those_of_the_engine() -> None:
    from dataclasses import fields

    from netpol.model.switches import Switches

    defaults = {field.name: field.default for field in fields(Switches)}
    listed = re.findall(r"^\| `(\w+)` \| `([\w-]+)` \|", SPECIFICATION, re.MULTILINE)
    assert len(listed) == 12
    assert all(str(defaults[name]) == default for name, default in listed)
