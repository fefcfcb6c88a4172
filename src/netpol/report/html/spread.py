"""Takes the spread of flows over time and namespaces, gives the sections that show it."""

from __future__ import annotations

from collections.abc import Mapping

from netpol.report.html.sections import HeatMap, Timeline, tone_of
from netpol.run.distribution.collect import Spread

__all__ = ["spread_sections"]


def spread_sections(
    spread: Spread, words: Mapping[str, str] | None = None, *, of: str = ""
) -> tuple[Timeline, HeatMap]:
    """Return the spread of flows over time and over namespaces.

    Parameters
    ----------
    spread : Spread
        What was added up.
    words : mapping, optional
        What to call each series, by its name there.
    of : str
        What flows these are, to stand before both headings.
    """
    names = words or {}
    series = [(names.get(word, word), tone_of(word)) for word in spread.series]
    time = spread.time
    cells = [
        (item.src, item.dst, [weight.flows for weight in item.series])
        for item in spread.namespaces
        if item.total.flows
    ]
    titles = [f"{of}, over time", f"{of}, namespace by namespace"] if of else []
    return (
        Timeline(
            series, time.starts(), time.width, time.flows, time.untimed, time.outside, *titles[:1]
        ),
        HeatMap(series, cells, *titles[1:]),
    )
