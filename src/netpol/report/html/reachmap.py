"""Takes a map of who can reach whom, gives its picture: a sign and a colour in each field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from netpol.report.html.sections import Reach, ReachMap, Tone
from netpol.report.html.svg import drawn_map
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
_WIDEST, _NARROWEST, _ALL = 28, 14, 720  # pixels: of a field, and of all of them side by side
_LINE = 22  # pixels of a line of the legend


def reach_map(section: ReachMap, prefix: str) -> str:
    """Draw a field for each pair; nothing is told by colour alone.

    Parameters
    ----------
    prefix : str
        What ids in the picture begin with; no other picture of the page has the same.
    """
    rows, columns = section.rows, section.columns
    found = Counter(section.fields.values())
    words = "; ".join(f"{WORDS[reach]}: {count(found[reach])}" for reach in WORDS)
    legend = [(reach, f"{WORDS[reach]} ({count(found[reach])})") for reach in WORDS if found[reach]]
    return drawn_map(
        "reach_map",
        section.title,
        f"{count(len(rows))} rows by {count(len(columns))} columns; pairs with {words}",
        (rows, columns),
        min(_WIDEST, max(_NARROWEST, _ALL // max(len(rows), len(columns)))),
        above=_LINE * len(legend),
        prefix=prefix,
        tones=_TONES,
        legend=legend,
        line=_LINE,
        fields=sorted(section.fields.items()),
        borders=(list(_borders(rows)), list(_borders(columns))),
    )


def _borders(names: Sequence[str]) -> Iterator[int]:
    """Yield where another namespace begins, where names are those of workloads."""
    spaces = [name.partition("/")[0] for name in names]
    if len(set(spaces)) < len(spaces):
        yield from (n for n in range(1, len(spaces)) if spaces[n] != spaces[n - 1])
