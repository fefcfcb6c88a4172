"""Takes a matplotlib figure, gives SVG to stand in a page: no styles, colours by class.

What matplotlib draws in a colour of ``PAINTS`` gets the paint's class instead, so the page's style
sheet colours it, in the dark as in the light; ``style`` attributes, which the page's
Content-Security-Policy forbids, become plain ones. Text stays text.
"""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree

from netpol.model.text import escape_controls

__all__ = ["PAINTS", "STEPS", "drawn", "quiet"]

#: Steps of a colour scale.
STEPS = 5
_TONES = ("allow", "deny", "unknown", "plain")
_NAMES = (
    "text",
    "grid",
    "back",
    "empty",
    *_TONES,
    *(f"{tone}-{step}" for tone in _TONES for step in range(1, STEPS + 1)),
    *(f"on-{step}" for step in range(1, STEPS + 1)),
)
#: The colour that stands for each class while matplotlib draws.
PAINTS = {name: f"#0000{index:02x}" for index, name in enumerate(_NAMES, start=1)}
_CLASSES = {colour: name for name, colour in PAINTS.items()}

_SVG = "http://www.w3.org/2000/svg"
_HREF = "{http://www.w3.org/1999/xlink}href"
_SCALE = 1.3  # pixels a point: text of 10 points is 13 pixels high
_ALLOWED = {
    "fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "text-anchor",
    "font-size", "font-weight", "opacity",
}  # fmt: skip
_FONT = re.compile(r"(?:(bold|[1-9]00) )?([\d.]+)px\b")


def drawn(draw: Callable[[Any], None], size: tuple[float, float], title: str, text: str) -> str:
    """Draw on a figure and give it as an ``svg`` element.

    Parameters
    ----------
    draw : callable
        Draws on the ``matplotlib.figure.Figure`` it gets, in colours of ``PAINTS``.
    size : (float, float)
        Width and height in inches; what does not fit widens it.
    title, text : str
        What the picture is and what it shows, for who cannot see it.
    """
    with quiet(), _own_settings(), warnings.catch_warnings():
        # A name may have letters the font lacks; the browser draws the text, with its own fonts.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        from matplotlib.figure import Figure

        figure = Figure(figsize=size)
        draw(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    # S314: what matplotlib wrote just now.
    root = ElementTree.fromstring(buffer.getvalue())  # noqa: S314
    return _inline(root, escape_controls(title), escape_controls(text))


@contextmanager
def quiet() -> Iterator[None]:
    """Keep matplotlib from telling about its caches and fonts."""
    log = logging.getLogger("matplotlib")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


@contextmanager
def _own_settings() -> Iterator[None]:
    """Draw as matplotlib does by default, whatever settings the user has."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(
            {
                "svg.fonttype": "none",
                "svg.hashsalt": "netpol",
                "text.parse_math": False,
                "font.size": 10,
                "text.color": PAINTS["text"],
                "axes.labelcolor": PAINTS["text"],
                "axes.edgecolor": PAINTS["grid"],
                "axes.facecolor": "none",
                "figure.facecolor": "none",
                "savefig.facecolor": "none",
                "xtick.color": PAINTS["grid"],
                "ytick.color": PAINTS["grid"],
                "xtick.labelcolor": PAINTS["text"],
                "ytick.labelcolor": PAINTS["text"],
                "grid.color": PAINTS["grid"],
                "axes.spines.top": False,
                "axes.spines.right": False,
            }
        )
        yield


def _inline(root: ElementTree.Element, title: str, text: str) -> str:
    width, height = (float(number) for number in root.attrib["viewBox"].split()[2:])
    view = root.attrib["viewBox"]
    _clean(root)
    root.attrib.clear()
    root.attrib.update(
        {
            "viewBox": view,
            "width": f"{width * _SCALE:.0f}",
            "height": f"{height * _SCALE:.0f}",
            "role": "img",
            "aria-label": f"{title}. {text}",
            "class": "chart",
        }
    )
    prefix = re.sub(r"\W+", "-", title.lower())
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{_SVG}}}")
        element.tail = None  # line breaks
        if list(element):
            element.text = None
        _paint(element, prefix)
    return ElementTree.tostring(root, encoding="unicode")


def _clean(element: ElementTree.Element) -> None:
    """Leave out metadata and styles, and what nothing is drawn by."""
    for child in list(element):
        name = child.tag.removeprefix(f"{{{_SVG}}}")
        if name in ("metadata", "style") or (name == "defs" and not list(child)):
            element.remove(child)
            continue
        _clean(child)
        if name in ("g", "defs") and not list(child):
            element.remove(child)


def _paint(element: ElementTree.Element, prefix: str) -> None:
    """Turn a style into attributes and paints into classes; make ids the page's own."""
    given = element.attrib
    rules = (rule.partition(":") for rule in given.pop("style", "").split(";"))
    styles = {name.strip(): value.strip() for name, _, value in rules}
    font = _FONT.search(styles.get("font", ""))
    if font is not None:
        styles["font-size"] = font[2]
        if font[1]:
            styles["font-weight"] = font[1]
    given.update({name: value for name, value in styles.items() if name in _ALLOWED})
    classes = []
    for name, letter in (("fill", "f"), ("stroke", "s")):
        paint = _CLASSES.get(given.get(name, ""))
        if paint is not None:
            del given[name]
            classes.append(f"{letter}-{paint}")
    if element.tag == "text" and not any(item.startswith("f-") for item in classes):
        classes.append("f-text")
    if classes:
        given["class"] = " ".join(classes)
    if element.tag == "g" or (element.tag == "text" and "id" in given):
        given.pop("id", None)
    elif "id" in given:
        given["id"] = f"{prefix}-{given['id']}"
    if _HREF in given:
        given["href"] = "#" + f"{prefix}-{given.pop(_HREF).removeprefix('#')}"
    if "clip-path" in given:
        given["clip-path"] = given["clip-path"].replace("url(#", f"url(#{prefix}-")
