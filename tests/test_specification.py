"""What code, tests and documents cite is in docs/specification.md; readings, in semantics.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from netpol.model.switches import Switches

ROOT = Path(__file__).parent.parent
SPECIFICATION = (ROOT / "docs" / "specification.md").read_text(encoding="utf-8")
SEMANTICS = (ROOT / "docs" / "semantics.md").read_text(encoding="utf-8")

HEADING = re.compile(r'^###? <a id="(\w+)"></a>([A-D]\d*|0)\. ', re.MULTILINE)
SECTIONS = [number for _, number in HEADING.findall(SPECIFICATION)]
ITEMS = re.findall(r"^- \*\*([A-D]\d+\.\d+)\*\* ", SPECIFICATION, re.MULTILINE)
READINGS = re.findall(r"^- \*\*(R\d+)\*\* ", SEMANTICS, re.MULTILINE)

#: An item, a section or a reading, as a word of its own. Codes of linters have three digits.
NUMBER = r"(?<![\w.])(?:[A-D](?:0|[1-9]\d?)(?:\.\d+)?|R[1-9]\d?)(?!\.?\w)"
RANGE = re.compile(rf"({NUMBER})(?:-| to )({NUMBER})")
#: A range whose end is not written in full would be checked at one end alone.
HALF_RANGE = re.compile(rf"{NUMBER}(?:-\d+|-?\u2013)")
#: C0 and C1 of ISO 6429, which the project names together with the word.
CONTROLS = re.compile(r"\bcontrols \([^)]*\)")
VECTORS = re.compile(r"\bD(\d+) \(?(\d+)(?:-(\d+))?\b|\b[Vv]ectors ((?:\d+(?:, | and )?)+)")

#: What text there is in Python and Cython: triple-quoted, in other strings, in comments.
PYTHON = re.compile(
    r'"""(?P<long>.*?)"""|"(?P<short>(?:\\.|[^"\\\n])*)"'
    r"|'(?P<single>(?:\\.|[^'\\\n])*)'|#(?P<comment>[^\n]*)",
    re.DOTALL,
)
C = re.compile(r"/\*(?P<long>.*?)\*/|//(?P<comment>[^\n]*)", re.DOTALL)


def sources() -> list[Path]:
    """Give every file that may cite, but for this one, which has wrong citations in it."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*/*.md")]
    for folder in ("src", "tests", "bench", "fuzz", "docs"):
        for suffix in ("py", "pyi", "pyx", "pxd", "h", "c"):
            found += (ROOT / folder).rglob(f"*.{suffix}")
        found += (ROOT / folder).rglob("*.md")
    return sorted(set(found) - {Path(__file__)})


def texts(content: str, suffix: str) -> Iterator[str]:
    """Give what may cite: all of a document, of code what is no code.

    In strings that are data only numbers with a dot count: ``"C1"`` may be anything there.
    """
    if suffix == ".md":
        yield CONTROLS.sub("", content)
        return
    for match in (C if suffix in {".h", ".c"} else PYTHON).finditer(content):
        kinds = match.groupdict()
        for kind in ("long", "comment"):
            if kinds.get(kind):
                yield re.sub(r"\bnoqa\b.*", "", kinds[kind])
        data = kinds.get("short") or kinds.get("single") or ""
        yield " ".join(number for number in re.findall(NUMBER, data) if "." in number)
    yield from named(content)


def named(code: str) -> Iterator[str]:
    """Give the numbers in names: ``test_a1_9_…``, ``test_d10_112_…``, ``test_vector_12_…``."""
    for name in re.findall(r"^def (test_\w+)", code, re.MULTILINE):
        vector = re.match(r"test_(?:d(\d+)|vector)_(\d+)_", name)
        if vector:
            section = vector[1] or section_of(int(vector[2]))
            yield f"D{section} {int(vector[2])}"
        elif re.match(r"test_[abc]\d", name):
            for section, item in re.findall(r"(?<=_)([abc]\d+)(?:_(\d+))?(?=_)", name):
                yield f"{section.upper()}.{item}" if item else section.upper()


def vectors() -> dict[int, list[int]]:
    """Give the numbers of the vectors of each section of D."""
    _, *parts = re.split(r"^### .*?D(\d+)\. .*$", SPECIFICATION, flags=re.MULTILINE)
    return {
        int(section): [int(row) for row in re.findall(r"^\| (\d+) \| ", body, re.MULTILINE)]
        for section, body in zip(parts[::2], parts[1::2], strict=True)
    }


VECTORS_OF = vectors()


def section_of(vector: int) -> int:
    """Give the section a vector stands in, 0 if there is none of that number."""
    return next((section for section, rows in VECTORS_OF.items() if vector in rows), 0)


def order(number: str) -> tuple[str, ...]:
    """Give what numbers are sorted by."""
    return number[0], *(part.zfill(3) for part in number[1:].split("."))


def wrong(text: str) -> list[str]:
    """Give the citations of a text that lead nowhere."""
    known = {*SECTIONS, *ITEMS, *READINGS}
    found = [number for number in re.findall(NUMBER, text) if number not in known]
    found += [f"{a}-{b}" for a, b in RANGE.findall(text) if order(a) >= order(b)]
    found += [match[0] for match in HALF_RANGE.finditer(text)]
    for match in VECTORS.finditer(text):
        section, first, last, listed = match.groups()
        if listed:
            found += [each for each in re.findall(r"\d+", listed) if not section_of(int(each))]
        elif not {int(first), int(last or first)} <= set(VECTORS_OF.get(int(section), ())):
            found.append(match[0])
    return found


def test_what_is_cited_exists() -> None:
    cited = 0
    lost = []
    for path in sources():
        for text in texts(path.read_text(encoding="utf-8"), path.suffix):
            cited += len(re.findall(NUMBER, text))
            lost += [f"{path.relative_to(ROOT)}: {number}" for number in wrong(text)]
    assert lost == []
    assert cited > 1500


@pytest.mark.parametrize(
    ("suffix", "content", "expected"),
    [
        (".py", "x = 1  # as A15.9 says, not as A15.99\n", ["A15.99"]),
        (".py", '"""Gives it (A5.2-A5.8, R33, R34)."""\n', ["A5.8", "R34"]),
        (".py", 'x = "denied (A11.7), C9"  # noqa: A001, C4\n', ["A11.7"]),
        (".py", "def test_a1_9_b4_11_cidrs(): ...\n", ["B4.11"]),
        (".py", "def test_d10_111_accept(): ...\n", ["D10 111"]),
        (".py", "def test_vector_999_peer(): ...\n", ["D0", "D0 999"]),
        (".pyx", "    cdef int a  # A0 (A18)\n", ["A18"]),
        (".h", "x = 0xA19; /* (C5, C8) */ // D12\n", ["C8", "D12"]),
        (".md", "A15.8 to A15.14, B9, controls (C0), A5.4-A5.1", ["A15.14", "B9", "A5.4-A5.1"]),
        (".md", "A8.1-3; vectors 41 and 500; D1 (1-21)", ["A8.1-3", "500", "D1 (1-21"]),
    ],
)
def test_a_citation_that_leads_nowhere_is_found(
    suffix: str, content: str, expected: list[str]
) -> None:
    assert [each for text in texts(content, suffix) for each in wrong(text)] == expected


def test_numbers_are_defined_once_and_in_order() -> None:
    assert [f"R{number}" for number in range(1, len(READINGS) + 1)] == READINGS
    chapters = {"A": range(18), "B": range(1, 9), "C": range(1, 8), "D": range(1, 12)}
    in_order = [[chapter, *(f"{chapter}{n}" for n in of)] for chapter, of in chapters.items()]
    assert ["0", *(number for chapter in in_order for number in chapter)] == SECTIONS
    _, *parts = HEADING.split(SPECIFICATION)
    for section, body in zip(parts[1::3], parts[2::3], strict=True):
        items = re.findall(r"^- \*\*(\w+\.\d+)\*\* ", body, re.MULTILINE)
        assert items == [f"{section}.{number}" for number in range(1, len(items) + 1)]
    rows = [row for section in VECTORS_OF.values() for row in section]
    assert rows == list(range(1, len(rows) + 1))


def test_every_item_says_what_it_rests_on() -> None:
    for item in ITEMS:
        status = r" `\[[SDU]\]`" if item[0] in "AB" else ""
        assert re.search(rf"^- \*\*{re.escape(item)}\*\*{status} \S", SPECIFICATION, re.MULTILINE)


def test_contents_lead_to_every_section() -> None:
    anchors = HEADING.findall(SPECIFICATION)
    assert [anchor for anchor, _ in anchors] == [number.lower() for _, number in anchors]
    contents, _ = SPECIFICATION.split("## ", 1)
    assert re.findall(r"\(#(\w+)\)", contents) == [anchor for anchor, _ in anchors]
    assert set(re.findall(r"\(#(\w+)\)", SPECIFICATION)) == {anchor for anchor, _ in anchors}


def test_every_vector_has_a_test() -> None:
    """Those of D11 are tested under the items they are about."""
    tested = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r"^def test_(?:d\d+|vector)_(\d+)_", text, re.MULTILINE):
            tested.add(int(name))
    assert [row for row in range(1, 146) if row not in tested] == []


def test_the_table_of_switches_is_the_one_of_the_program() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `([\w-]+)` \| (.*?) \| ([AB]\S+) \|$", SPECIFICATION, re.M)
    found = {name: (default, set(re.findall(r"[\w-]+", of))) for name, default, of, _ in rows}
    hints = get_type_hints(Switches)
    assert found == {
        field.name: (field.default, set(get_args(hints[field.name])))
        for field in fields(Switches)
        if field.name != "node_addresses"
    }
