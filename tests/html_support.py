"""Pages of made-up data, hostile names among it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html.parser import HTMLParser

from netpol.report.html.page import Page, render
from netpol.report.html.pairs import ChangedRow, changed_table
from netpol.report.html.provenance import InputDigest, Provenance, provenance
from netpol.report.html.rules import RuleRow, rules_table
from netpol.report.html.sections import (
    Column,
    Facts,
    HeatMap,
    Section,
    Table,
    Timeline,
    Tone,
    Totals,
)

WHEN = datetime(2026, 1, 31, 12, 0, 5, tzinfo=UTC)
SERIES: list[tuple[str, Tone]] = [("allow", "allow"), ("deny", "deny"), ("unknown", "unknown")]
#: Everything a name must not be able to do: close what it stands in, run, hide, turn text round.
HOSTILE = (
    "</td></script></style></svg></title>"
    "<script>document.title='pwned'</script>"
    "<img src=x onerror=\"document.title='pwned'\">"
    "'\"&lt;&#60;{{7*7}}$x_1$--><!--"
    "\u2028\u2029\u202e\u2066\x00\x1b[31m\x07\u200b"
)
#: How all of the above must be shown.
SHOWN = HOSTILE.partition("\u2028")[0] + (r"\u2028\u2029\u202e\u2066\x00\x1b[31m\x07\u200b")


def page(*sections: Section, title: str = "A page", lead: str = "It says much.") -> bytes:
    return render(Page(title, lead, sections, "0.0", WHEN))


def numbers(rows: int = 12) -> Table:
    """Give a table whose columns sort differently as text and as numbers."""
    return Table(
        "Numbers",
        [
            Column("Flows", "number"),
            Column("Bytes", "bytes"),
            Column("Name"),
            Column("V", "verdict"),
        ],
        [
            [n * n % 101, n * 1999, f"ns/app-{n}", ("allow", "deny", "unknown")[n % 3]]
            for n in range(rows)
        ],
        total=1_000_000,
        rest="9 flows between others",
    )


def hostile_sections(name: str = HOSTILE) -> tuple[Section, ...]:
    """Give every kind of section, with the name wherever a text may be."""
    made = Provenance(
        f"netpol replay {name}",
        (f"NETPOL_CLUSTER={name}",),
        (f"cluster = {name}",),
        (InputDigest("flows", name, 7, "0" * 64, name), InputDigest("dns", "-", None, None, name)),
        name,
        WHEN,
    )
    row = ChangedRow(name, name, name, name, "deny", [name, name], [name], 3, 4)
    return (
        Totals([("allow", "allow", 9, 9), ("deny", "deny", 1, 1)]),
        Timeline(SERIES, [0, 60, 120], 60, [(1, 2, 0), (0, 0, 0), (5, 6, 0)], 1, 2),
        HeatMap(SERIES, [(name, "shop", (5, 1, 0)), ("shop", name, (0, 700, 2))]),
        changed_table(name, [row], names=(name, name), intro=name),
        rules_table([RuleRow(name, name, name, 3, name)], title=name),
        Table(name, [Column(name)], [], empty=name),
        Facts(name, [(name, name, False), (name, [name, name], True)], name, [numbers()]),
        provenance(made, {name: name}),
    )


class Reader(HTMLParser):
    """Reads a page as a browser would: its elements, attributes and texts."""

    def __init__(self, html: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._inside: list[str] = []
        self.feed(html.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while tag in self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if data.strip() and not {"script", "style"} & set(self._inside):
            self.texts.append(data.strip())


def words(html: bytes) -> str:
    """Give a page's text without its pictures."""
    plain = re.sub(rb"<svg.*?</svg>", b"", html, flags=re.DOTALL)
    return "\n".join(Reader(plain).texts) + "\n"
