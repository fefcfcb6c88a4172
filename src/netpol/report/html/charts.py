"""Takes totals, a timeline or a heat map, gives their pictures as SVG, drawn by matplotlib."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from netpol.model.text import escape_controls
from netpol.report.html.sections import HeatMap, Timeline, Tone, Totals
from netpol.report.html.svg import PAINTS, STEPS, drawn
from netpol.report.words.layout import plural
from netpol.report.words.wording import count, percent

__all__ = [
    "OTHERS",
    "compact",
    "duration",
    "heat_maps",
    "moment",
    "short",
    "timeline",
    "timeline_note",
    "totals",
]

OTHERS = "(others)"
_NAMESPACES = 16  # rows and columns of a heat map
_LABEL = 28  # letters of a name in a picture; the table beside it has the whole
_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def totals(section: Totals) -> str:
    """Draw a bar for flows, and one for bytes where they are known, divided by kind."""
    measures = [("flows", [part[2] for part in section.parts])]
    if all(part[3] is not None for part in section.parts):
        measures.append(("bytes", [part[3] or 0 for part in section.parts]))

    def draw(figure: Any) -> None:
        axes = figure.add_subplot()
        for row, (_, numbers) in enumerate(measures):
            begin = 0.0
            for (_, tone, *_), number in zip(section.parts, numbers, strict=True):
                share = 100 * number / (sum(numbers) or 1)
                axes.barh(row, share, 0.6, begin, color=PAINTS[tone], edgecolor=PAINTS["back"])
                begin += share
        axes.set_yticks(range(len(measures)), [name for name, _ in measures])
        axes.set_xlim(0, 100)
        axes.set_xticks(range(0, 101, 25), [f"{share} %" for share in range(0, 101, 25)])
        axes.invert_yaxis()
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)

    words = [
        f"{word} {percent(number, sum(numbers)) or '0 %'} of {name}"
        for name, numbers in measures
        for (word, *_), number in zip(section.parts, numbers, strict=True)
    ]
    return drawn(draw, (5.5, 0.3 + 0.35 * len(measures)), section.title, ", ".join(words))


def timeline(section: Timeline) -> str:
    """Draw flows by time, one axis of its own for each series, so that few are seen beside many."""
    shown = [
        (word, tone, [row[index] for row in section.flows])
        for index, (word, tone) in enumerate(section.series)
    ]
    shown = [item for item in shown if any(item[2])] or shown[:1]
    starts = [datetime.fromtimestamp(start, UTC) for start in section.starts]

    def draw(figure: Any) -> None:
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
        from matplotlib.ticker import FuncFormatter, MaxNLocator

        all_axes = figure.subplots(len(shown), sharex=True, squeeze=False)[:, 0]
        for axes, (word, tone, numbers) in zip(all_axes, shown, strict=True):
            wide = section.width / 86_400  # matplotlib counts days
            axes.bar(starts, numbers, wide * 0.92, align="edge", color=PAINTS[tone], linewidth=0)
            axes.set_title(
                f"{short(word)}, flows per {duration(section.width)}", loc="left", fontsize=10
            )
            axes.set_ylim(0, max(numbers, default=0) * 1.05 or 1)
            axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: compact(int(value))))
            axes.grid(visible=True, axis="y", linewidth=0.5)
            axes.set_axisbelow(True)
            axes.tick_params(axis="y", length=0)
        locator = AutoDateLocator(tz=UTC, minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
        last = all_axes[-1]
        last.set_xlim(starts[0], starts[-1] + timedelta(seconds=section.width))
        last.xaxis.set_major_locator(locator)
        form = ConciseDateFormatter(locator, tz=UTC)  # type: ignore[no-untyped-call]
        last.xaxis.set_major_formatter(form)
        last.set_xlabel("time, UTC")
        figure.subplots_adjust(hspace=0.5)

    heaviest = (
        f"{word}: at most {count(max(numbers))} at "
        f"{moment(section.starts[numbers.index(max(numbers))])} UTC"
        for word, _, numbers in shown
        if numbers
    )
    return drawn(draw, (9, 0.5 + 1.25 * len(shown)), section.title, "; ".join(heaviest))


def timeline_note(section: Timeline) -> str:
    """Say what a timeline does not show."""
    if not section.starts:
        return "The log records no times." if section.untimed else "There are no flows."
    notes = []
    if section.untimed:
        notes.append(f"Without a time: {plural(section.untimed, 'flow')}.")
    if section.outside:
        notes.append(f"Left out, far away from all others: {plural(section.outside, 'flow')}.")
    return " ".join(notes)


def heat_maps(section: HeatMap) -> list[tuple[str, str]]:
    """Draw one map for each series that occurs; give (word, picture) of each."""
    names = _most_used(section)
    place = {name: index for index, name in enumerate(names)}
    maps = []
    for index, (word, tone) in enumerate(section.series):
        grid = np.zeros((len(names), len(names)), np.float64)
        for src, dst, flows in section.cells:
            row, column = (place.get(name, len(names) - 1) for name in (src, dst))
            grid[row, column] += flows[index]
        if grid.any():
            maps.append((word, _heat_map(section.title, word, tone, names, grid)))
    return maps


def _most_used(section: HeatMap) -> list[str]:
    """Give the namespaces to show: those with most flows, by name; those in brackets last."""
    used: Counter[str] = Counter()
    for src, dst, flows in section.cells:
        used[src] += sum(flows)
        used[dst] += sum(flows)
    whole = len(used) <= _NAMESPACES
    picked = [name for name, _ in used.most_common(_NAMESPACES if whole else _NAMESPACES - 1)]
    return sorted(picked, key=lambda name: (name.startswith("("), name)) + [OTHERS] * (not whole)


def _heat_map(title: str, word: str, tone: Tone, names: Sequence[str], grid: Any) -> str:
    def draw(figure: Any) -> None:
        from matplotlib.colors import ListedColormap

        axes = figure.add_subplot()
        steps = _steps(grid)
        shades = [PAINTS[f"{tone}-{step}"] for step in range(1, STEPS + 1)]
        axes.pcolormesh(
            steps,
            cmap=ListedColormap([PAINTS["empty"], *shades]),
            vmin=-0.5,
            vmax=STEPS + 0.5,
            edgecolors=PAINTS["back"],
            linewidth=1.5,
        )
        for row, column in zip(*np.nonzero(steps), strict=True):
            axes.text(
                column + 0.5,
                row + 0.5,
                compact(int(grid[row, column])),
                ha="center",
                va="center",
                fontsize=8,
                color=PAINTS[f"on-{steps[row, column]}"],
            )
        centres = np.arange(len(names)) + 0.5
        labels = [short(name) for name in names]
        axes.set_xticks(centres, labels, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(centres, labels)
        axes.set_xlim(0, len(names))
        axes.set_ylim(len(names), 0)
        axes.set_xlabel("to")
        axes.set_ylabel("from")
        axes.set_aspect("equal")
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)

    row, column = divmod(int(grid.argmax()), len(names))
    most = f"most, {count(int(grid.max()))}, from {names[row]} to {names[column]}"
    inches = 0.7 + 0.38 * len(names)
    return drawn(draw, (inches, inches), f"{title}: {word}", f"Flows by namespace; {most}")


def _steps(grid: Any) -> Any:
    """Give the step of each cell on a scale of powers, 0 where there is nothing."""
    least, most = grid[grid > 0].min(), grid.max()
    span = math.log(most / least) or 1.0
    scaled = np.ceil(STEPS * np.log(np.maximum(grid, least) / least) / span).astype(int)
    if least == most:
        scaled[:] = STEPS
    return np.where(grid > 0, np.clip(scaled, 1, STEPS), 0)


def compact(number: int) -> str:
    """Give a number in at most four letters: ``1.2M``."""
    value = float(number)
    units = iter(("", "k", "M", "G", "T", "P", "E"))
    unit = next(units)
    while value >= 999.5:
        value, unit = value / 1000, next(units)
    return f"{value:.1f}{unit}" if unit and value < 9.95 else f"{value:.0f}{unit}"


def moment(seconds: int) -> str:
    """Give a time: ``2026-01-31 12:00:00``."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


def duration(seconds: int) -> str:
    """Give a time in the largest unit that divides it: ``5 minutes``."""
    for unit, word in _UNITS:
        if seconds % unit == 0:
            number = seconds // unit
            return word if number == 1 else f"{number} {word}s"
    return f"{seconds} seconds"


def short(name: str) -> str:
    """Give a name as a picture has room for it."""
    shown = escape_controls(name)
    # Names of pods and the like differ at their ends.
    return shown if len(shown) <= _LABEL else f"{shown[: _LABEL - 12]}…{shown[-11:]}"
