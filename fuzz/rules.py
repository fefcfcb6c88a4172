"""Takes what was written in a medium, raises ``AssertionError`` where it breaks the medium's rule.

The rules are those of ``netpol.model.text``; they are checked by other means than they are kept:
Unicode's own categories, and parsers that others wrote.
"""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import msgspec
from markdown_it import MarkdownIt

__all__ = [
    "as_csv_cell",
    "check_csv",
    "check_dot",
    "check_github",
    "check_html",
    "check_json",
    "check_json_lines",
    "check_markdown",
    "check_svg",
    "check_text",
    "check_xml",
    "encodable",
    "hidden",
    "shown",
]

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}
_FILLERS = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
_FORMULA = re.compile(r"[\s'\"]*[=+\-@\uff1d\uff0b\uff0d\uff20]")
_MARKED = re.compile(r"(^|[;|])'(?=[\s'\"]*[=+\-@\uff1d\uff0b\uff0d\uff20])")


def hidden(c: str) -> bool:
    """Return whether nobody sees a character, or it acts on what stands beside it."""
    selector = "\ufe00" <= c <= "\ufe0f" or "\U000e0100" <= c <= "\U000e01ef"
    return c != " " and (unicodedata.category(c) in _HIDDEN or c in _FILLERS or selector)


def shown(text: str) -> str:
    """Return text as a person is shown it."""
    return "".join(c.encode("unicode_escape").decode() if hidden(c) else c for c in text)


def encodable(text: str) -> str:
    """Return text as UTF-8 can hold it."""
    return "".join(shown(c) if "\ud800" <= c <= "\udfff" else c for c in text)


def check_text(text: str | bytes, *, beside: str = "\n") -> str:
    """Text shows all that is in it, and has line breaks of its own alone."""
    if isinstance(text, bytes):
        text = text.decode()
    found = {c for c in text if hidden(c) and c not in beside}
    assert not found, f"hidden: {sorted(map(ascii, found))}"
    return text


# --- JSON ---------------------------------------------------------------------------------------


def check_json(data: bytes | str) -> Any:
    """JSON that any reader takes and any terminal can show; gives what it holds."""
    text = check_text(data)
    content = json.loads(text, parse_constant=_refuse_constant)
    assert msgspec.json.decode(text.encode()) == content
    for item in _strings(content):
        item.encode()  # no half of a character
    return content


def check_json_lines(data: bytes) -> list[Any]:
    """JSON lines: a record is a line."""
    lines = data.decode().split("\n")
    assert lines.pop() == ""
    return [check_json(line) for line in lines]


def _refuse_constant(word: str) -> Any:
    raise AssertionError(f"{word} is no JSON")


def _strings(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict):
        for key, value in content.items():
            yield key
            yield from _strings(value)
    elif isinstance(content, list):
        for value in content:
            yield from _strings(value)


# --- CSV ----------------------------------------------------------------------------------------


def as_csv_cell(text: str) -> str:
    """Return what a cell of CSV must be read as where cells are safe."""
    text = shown(text)
    starts = [0, *(m.end() for m in re.finditer(r"[;|]", text))]
    for place in reversed(starts):
        if _FORMULA.match(text, place):
            text = f"{text[:place]}'{text[place:]}"
    return text


def check_csv(data: bytes, rows: Sequence[Sequence[str]], cells: str = "safe") -> None:
    """CSV gives back every cell; safe ones start no formula, and take one line a record."""
    text = data.decode()
    wanted = as_csv_cell if cells == "safe" else encodable
    read = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert read == [[wanted(cell) for cell in row] for row in rows]
    if cells == "exact":
        return
    check_text(text)
    assert text.count("\n") == len(rows)
    for row, original in zip(read, rows, strict=True):
        for cell, whole in zip(row, original, strict=True):
            for part in re.split("[;|]", cell):
                assert not _FORMULA.match(part) or part.lstrip(" ").startswith("'"), cell
            assert _MARKED.sub(r"\1", cell) == shown(whole)


# --- XML, SVG, HTML -----------------------------------------------------------------------------


def check_xml(text: str) -> ElementTree.Element:
    """Well-formed XML, of visible characters alone, also behind references; gives its root."""
    check_text(text)
    root = ElementTree.fromstring(text)
    for element in root.iter():
        for value in (element.text, element.tail, *element.attrib.values()):
            check_text(value or "")
    return root


def check_svg(text: str, pictures: int = 1) -> None:
    """See that so many pictures side by side only draw: they run nothing and load nothing."""
    found = check_xml(f"<div>{text}</div>")
    assert [element.tag for element in found] == ["svg"] * pictures
    for element in found.iterfind("svg//*"):
        assert element.tag in _DRAWN, element.tag
        _check_element(element.tag, element.attrib, scripts=False)


_DRAWN = {"title", "desc", "defs", "g", "use", "text", "rect", "circle", "path", "line"}


def check_html(data: bytes | str, *, scripts: int = 0) -> str:
    """HTML that runs so many scripts, loads nothing, and shows what cannot be seen; gives its text.

    What a reference stands for is looked at as well.
    """
    text = check_text(data)
    page = _Html()
    page.feed(text)
    page.close()
    assert page.scripts == scripts
    return check_text("".join(page.texts))


class _Html(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.scripts = 0
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        _check_element(tag, {name: value or "" for name, value in attrs}, scripts=True)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data!r}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"an instruction: {data!r}")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


_ACTIVE = {"iframe", "object", "embed", "base", "form", "input", "audio", "video", "img", "a:data"}


def _check_element(tag: str, attributes: dict[str, str], *, scripts: bool) -> None:
    assert tag not in _ACTIVE, tag
    assert scripts or tag not in {"script", "foreignObject", "style"}, tag
    for name, value in attributes.items():
        name = name.rpartition("}")[2]
        check_text(value)
        assert not name.startswith("on"), name
        assert name not in {"src", "srcdoc", "action", "formaction"}, name
        if name == "href":
            assert value.startswith("#") or value == "data:,", value


# --- what CI reads ------------------------------------------------------------------------------


def check_github(text: str, findings: int) -> list[str]:
    """As many commands as findings, then a line that is none; gives the messages as shown."""
    check_text(text)
    *commands, last, end = text.split("\n")
    assert end == ""
    assert len(commands) == findings
    assert not last.lstrip().startswith("::")
    assert "##[" not in last
    messages = []
    for line in commands:
        found = re.fullmatch(r"::(?:error|warning|notice) ([^:]*)::(.*)", line)
        assert found is not None, line
        for setting in found[1].split(","):
            assert re.fullmatch(r"(?:file|line|title)=.*", setting), setting
        messages.append(found[2].replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%"))
        check_text(messages[-1])
    return messages


_INLINE = {"text", "strong_open", "strong_close", "softbreak", "code_inline", "html_inline"}


def check_markdown(text: str, findings: int) -> None:
    """See a heading, counts and a table of the findings, in which every name is text."""
    text = check_text(text.replace("\n| \u26a0\ufe0f warning |", "\n| warning |"))
    table = text.partition("\n<details><summary>")[0]  # behind it stands what is known of codes
    tokens = MarkdownIt("commonmark").enable("table").parse(table)
    rows = sum(token.type == "tr_open" for token in tokens)
    more = re.search(r"^and ([\d,]+) more$", table, re.MULTILINE)  # a comment holds 64 KiB
    listed = findings - (int(more[1].replace(",", "")) if more else 0)
    assert rows == (listed + 1 if findings else 0)
    assert not more or len(text) > 1 << 15, "left out although there was room"
    for token in tokens:
        assert token.type not in {"html_block", "fence", "code_block", "blockquote_open"}, token
        assert not token.type.endswith("list_open"), token
        for child in token.children or ():
            assert child.type in _INLINE, child
            if child.type == "html_inline":
                assert child.content in ("<br>", "<!-- -->"), child
            if child.type == "text":
                check_text(child.content)
    bare = table.replace("<!-- -->", "\0")
    assert not re.search(r"@[\w-]|&#35;\d|://|www\.|GH-\d", bare, re.IGNORECASE)


_STRING = r'"(?:[^"\\\n]|\\[n\\"])*"'
_DOT = re.compile(
    rf"digraph netpol \{{|  rankdir=LR;|  node \[[^\]]*\];|  label={_STRING};|\}}|"
    rf"  n\d+ \[label={_STRING}\];|"
    rf"  n\d+ -> n\d+ \[label={_STRING}, style=(?:solid|dashed|dotted)\];"
)


def check_dot(data: bytes) -> None:
    """See a graph whose names end no string of it."""
    for line in check_text(data).removesuffix("\n").split("\n"):
        assert _DOT.fullmatch(line), line
