"""Takes a map of who can reach whom, gives its picture: a sign and a colour in each field."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from netpol.report.html.charts import short
from netpol.report.html.sections import Reach, ReachMap, Tone
from netpol.report.html.svg import PAINTS, drawn
from netpol.report.words.wording import count

__all__ = ["WORDS", "reach_map"]

#: What is said of a field.
WORDS: dict[Reach, str] = {
    "all": "everything allowed",
    "some": "some allowed",
    "unknown": "unknown",
    "none": "everything denied",
}
_TONES: dict[Reach, Tone] = {"all": "allow", "some": "plain", "unknown": "unknown", "none": "deny"}
_WIDEST, _NARROWEST, _ALL = 0.36, 0.15, 9.2  # inches: of a field, and of all of them side by side
_LEGEND = 22.0  # points of a field in the legend
_WIDE = 12  # columns from which the legend fits in a line


def reach_map(section: ReachMap) -> str:
    """Draw a field for each pair; nothing is told by colour alone."""
    height, width = len(section.rows), len(section.columns)
    inches = min(_WIDEST, max(_NARROWEST, _ALL / max(height, width)))
    found = Counter(section.fields.values())

    def draw(figure: Any) -> None:
        axes = figure.add_axes((0, 0, 1, 1))
        points = inches * 72
        pairs = itertools.product(range(height), range(width))
        no_pairs = [pair for pair in pairs if pair not in section.fields]
        _squares(axes, no_pairs, PAINTS["empty"])
        for reach in WORDS:
            fields = [field for field, one in section.fields.items() if one == reach]
            _squares(axes, fields, PAINTS[f"{_TONES[reach]}-{1 if reach == 'none' else 2}"])
            if fields:
                ends = [column + 0.5 for _, column in fields], [row + 0.5 for row, _ in fields]
                axes.plot(*ends, **_sign(reach, points))
        _names(axes, section, points)
        _apart(axes, section)
        _legend(axes, found)

    words = "; ".join(f"{WORDS[reach]}: {count(found[reach])}" for reach in WORDS)
    text = f"{count(height)} rows by {count(width)} columns; pairs with {words}"
    return drawn(draw, (inches * width, inches * height), section.title, text)


def _squares(axes: Any, fields: Sequence[tuple[int, int]], paint: str) -> None:
    """Paint fields, all in one path: 4 000 of them alone would be half a megabyte."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    corners = [
        point
        for row, column in fields
        for point in (
            (column + 0.04, row + 0.04),
            (column + 0.96, row + 0.04),
            (column + 0.96, row + 0.96),
            (column + 0.04, row + 0.96),
            (column + 0.04, row + 0.04),
        )
    ]
    if corners:
        codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * len(fields)
        axes.add_patch(PathPatch(Path(corners, codes), facecolor=paint, linewidth=0))


def _sign(reach: Reach, points: float) -> dict[str, Any]:
    """Give how matplotlib is to mark a field of so many points."""
    tone = _TONES[reach]
    looks: dict[Reach, dict[str, Any]] = {
        "all": {"marker": "o", "markersize": 0.45 * points, "markeredgewidth": 0},
        "some": {
            "marker": "o",
            "markersize": 0.48 * points,
            "markeredgewidth": 1,
            "fillstyle": "left",
            "markerfacecoloralt": PAINTS[f"{tone}-2"],
        },
        "unknown": {"marker": _question_mark(), "markersize": 0.55 * points, "markeredgewidth": 0},
        "none": {"marker": "x", "markersize": 0.26 * points, "markeredgewidth": 1.2},
    }
    return {"linestyle": "none", "color": PAINTS[f"{tone}-5"], "clip_on": False, **looks[reach]}


def _question_mark() -> Any:
    """Give a question mark as a marker, in the middle of its field."""
    from matplotlib.path import Path
    from matplotlib.textpath import TextPath

    drawn_text = TextPath((0, 0), "?", size=1)
    box = drawn_text.get_extents()
    middle = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    return Path(drawn_text.vertices - middle, drawn_text.codes)


def _names(axes: Any, section: ReachMap, points: float) -> None:
    height, width = len(section.rows), len(section.columns)
    size = 9 if max(height, width) <= 30 else 8
    axes.set_xticks(
        [place + 0.5 for place in range(width)],
        [short(name) for name in section.columns],
        # Slanted where lines of text have room side by side so.
        rotation=45 if points * math.sin(math.pi / 4) > 1.1 * size else 90,
        ha="left",
        va="center",
        rotation_mode="anchor",
        fontsize=size,
    )
    axes.set_yticks(
        [place + 0.5 for place in range(height)],
        [short(name) for name in section.rows],
        fontsize=size,
    )
    # Above the fields: who scrolls down a long map still knows how it began.
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("to")
    axes.set_ylabel("from")
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_aspect("equal")
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _apart(axes: Any, section: ReachMap) -> None:
    """Draw lines between namespaces, where names are those of workloads."""
    for names, line in ((section.rows, axes.axhline), (section.columns, axes.axvline)):
        spaces = [name.partition("/")[0] for name in names]
        if len(set(spaces)) == len(spaces):
            continue
        for place in range(1, len(spaces)):
            if spaces[place] != spaces[place - 1]:
                line(place, color=PAINTS["grid"], linewidth=1)


def _legend(axes: Any, found: Counter[Reach]) -> None:
    from matplotlib.lines import Line2D

    shown = [reach for reach in WORDS if found[reach]]
    axes.legend(
        [Line2D([], [], **_sign(reach, _LEGEND)) for reach in shown],
        [f"{WORDS[reach]} ({count(found[reach])})" for reach in shown],
        loc="upper left",
        bbox_to_anchor=(0, 0),
        borderaxespad=0.6,
        borderpad=0,
        handletextpad=0.2,
        ncols=1 if len(axes.get_xticks()) < _WIDE else len(shown),
        frameon=False,
        fontsize=9,
    )
