"""Takes sections, gives the HTML page: one file that needs nothing else and may load nothing.

A Content-Security-Policy in the page allows this page's own style and script, by their digests, and
nothing else, so that not even a mistake in escaping could run or fetch anything. Every text goes
through ``escape_controls`` and HTML escaping on its way, whatever the template does.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any

from netpol.model.errors import MissingExtraError
from netpol.model.text import escape_controls
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
    from netpol.report.html.svg import quiet

    try:
        with quiet():
            import jinja2  # noqa: F401
            import matplotlib as mpl  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("--report", error.name or "", "report") from None


def render(page: Page) -> bytes:
    """Give the page as UTF-8.

    Raises
    ------
    MissingExtraError
        The packages of the extra ``report`` are not installed.
    """
    require_extra()
    style, script = _asset("page.css"), _asset("page.js")
    html: str = _template().render(
        page=page,
        sections=[_view(section, number) for number, section in enumerate(page.sections)],
        style=_raw(style),
        script=_raw(script),
        style_digest=_digest(style),
        script_digest=_digest(script),
    )
    return html.encode()


@cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.from_string(_asset("page.html.j2"))


def _visible(value: Any) -> Any:
    """Show what cannot be seen in a text; the page's own markup is left as it is."""
    from markupsafe import Markup

    if isinstance(value, str) and not isinstance(value, Markup):
        return escape_controls(value)
    return value


def _raw(text: str) -> Any:
    from markupsafe import Markup

    return Markup(text)  # noqa: S704 - files of this package, and what matplotlib drew


@cache
def _asset(name: str) -> str:
    folder = resources.files("netpol.report.html") / "templates"
    return (folder / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _view(section: Section, number: int) -> dict[str, Any]:
    """Give what the template writes of a section."""
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
            charted = [("", reachmap.reach_map(section))] if section.fields else []
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
    view["charts"] = [
        {"word": word, "tone": tone_of(word), "svg": _raw(svg)} for word, svg in charted
    ]
    return view
