"""Takes sections, gives the HTML page: one file that needs nothing else and may load nothing.

A Content-Security-Policy in the page allows this page's own style and script, by their digests, and
nothing else, so that not even a mistake in escaping could run or fetch anything.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from netpol.model.errors import MissingExtraError
from netpol.report.html.markup import asset, filled, raw
from netpol.report.html.sections import (
    Facts,
    HeatMap,
    ReachMap,
    Section,
    Table,
    Timeline,
    Totals,
    tone_of,
)

__all__ = ["Page", "render", "require_extra"]


@dataclass(frozen=True, slots=True)
class Page:
    """A page to be made.

    Attributes
    ----------
    title, lead : its heading, and a sentence that says what it found.
    sections : in their order.
    version : of netpol.
    generated : when, in UTC.
    notice : what limits all that is said.
    """

    title: str
    lead: str
    sections: tuple[Section, ...]
    version: str
    generated: datetime
    notice: str = ""


def require_extra() -> None:
    """Raise ``MissingExtraError`` if a page cannot be made here for want of a package."""
    try:
        import jinja2  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("--report", error.name or "", "report") from None


def render(page: Page) -> bytes:
    """Return the page as UTF-8.

    Raises
    ------
    MissingExtraError
        The package of the extra ``report`` is not installed.
    """
    require_extra()
    style, script = asset("page.css"), asset("page.js")
    html = filled(
        "page.html.j2",
        page=page,
        sections=[_view(section, number) for number, section in enumerate(page.sections)],
        style=raw(style),
        script=raw(script),
        style_digest=_digest(style),
        script_digest=_digest(script),
    )
    return html.encode()


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _view(section: Section, number: int) -> dict[str, Any]:
    """Return what the template writes of a section."""
    from netpol.report.html import charts, reachmap, tables

    view: dict[str, Any] = {"id": f"s{number}", "title": section.title, "intro": ""}
    charted: list[tuple[str, str]] = []
    match section:
        case Totals():
            charted = [("", charts.totals(section))]
            view |= {"kind": "totals", "table": tables.of_totals(section)}
        case Timeline():
            charted = [("", charts.timeline(section))] if section.starts else []
            view |= {"kind": "chart", "table": tables.of_timeline(section)}
            view["intro"] = charts.timeline_note(section)
        case HeatMap():
            charted = charts.heat_maps(section)
            view |= {"kind": "chart", "table": tables.of_heat_map(section)}
            view["intro"] = (
                "Flows from a namespace (row) to another (column); each map has a scale of its own."
            )
        case ReachMap():
            charted = [("", reachmap.reach_map(section, view["id"]))] if section.fields else []
            view |= {"kind": "chart", "table": tables.of_reach_map(section)}
            view["intro"] = section.intro
        case Table():
            view |= {"kind": "table", "table": tables.viewed(section), "intro": section.intro}
        case Facts():
            view |= {"kind": "facts", "intro": section.intro}
            view["facts"] = [
                {
                    "name": name,
                    "lines": [text] if isinstance(text, str) else list(text),
                    "literal": literal,
                }
                for name, text, literal in section.items
            ]
            view["short"] = not any(literal for _, _, literal in section.items)
            view["tables"] = [tables.viewed(table) for table in section.tables]
    view["charts"] = [{"word": word, "tone": tone_of(word), "svg": svg} for word, svg in charted]
    return view
