"""Takes totals, a timeline or a heat map, gives their pictures as SVG."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from netpol.report.html.sections import HeatMap, Timeline, Tone, Totals
from netpol.report.html.svg import drawn, drawn_map, short
from netpol.report.words.layout import plural
from netpol.report.words.wording import count, percent

__all__ = [
    "OTHERS",
    "compact",
    "duration",
    "heat_maps",
    "moment",
    "timeline",
    "timeline_note",
    "totals",
]

OTHERS = "(others)"
_NAMESPACES = 16  # rows and columns of a heat map
_FIELD = 32  # pixels of a field in it: a number of four letters
_SHADES = 5  # of a tone, from light to dark
_PLOT = 84  # pixels that the highest bar of a timeline may be
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_UNITS = ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute"), (1, "second"))
#: Seconds, and months, from one label of a timeline to the next.
_SECONDS = (
    1, 2, 5, 10, 15, 30, *(n * _MINUTE for n in (1, 2, 5, 10, 15, 30)),
    *(n * _HOUR for n in (1, 2, 3, 6, 12)), *(n * _DAY for n in (1, 2, 4, 7, 14)),
)  # fmt: skip
_MONTHS = (1, 2, 3, 6, *(12 * years for years in (1, 2, 5, 10, 20, 50, 100, 200, 500)))
#: Letters of all labels along a timeline, on a wide screen and on a narrow one (from 320 pixels).
_ALONG = {"wide": 45, "narrow": 24}
_OF_DAY = slice(5, 10)


def totals(section: Totals) -> str:
    """Draw a bar for flows, and one for bytes where they are known, divided by kind."""
    measures = [("flows", [part[2] for part in section.parts])]
    if all(part[3] is not None for part in section.parts):
        measures.append(("bytes", [part[3] or 0 for part in section.parts]))
    bars = []
    for name, numbers in measures:
        shares = [100 * number / (sum(numbers) or 1) for number in numbers]
        begins = itertools.accumulate([0.0, *shares[:-1]])
        tones = (tone for _, tone, *_ in section.parts)
        bars.append((name, list(zip(tones, begins, shares, strict=True))))
    words = [
        f"{word} {percent(number, sum(numbers)) or '0 %'} of {name}"
        for name, numbers in measures
        for (word, *_), number in zip(section.parts, numbers, strict=True)
    ]
    return drawn("totals", section.title, ", ".join(words), bars=bars)


def timeline(section: Timeline) -> str:
    """Draw flows by time, one axis of its own for each series, so that few are seen beside many."""
    shown = [
        (word, tone, [row[index] for row in section.flows])
        for index, (word, tone) in enumerate(section.series)
    ]
    shown = [item for item in shown if any(item[2])] or shown[:1]
    heaviest = (
        f"{word}: at most {count(max(numbers))} at "
        f"{moment(section.starts[numbers.index(max(numbers))])} UTC"
        for word, _, numbers in shown
    )
    first, end = section.starts[0], section.starts[-1] + section.width
    begin, until = (moment(time)[: 16 if section.width >= _MINUTE else 19] for time in (first, end))
    return drawn(
        "timeline",
        section.title,
        "; ".join(heaviest),
        per=duration(section.width),
        series=[(short(word), tone, *_bars(numbers)) for word, tone, numbers in shown],
        plot=_PLOT,
        bar=100 / len(section.starts),
        times={look: _times(first, end, room) for look, room in _ALONG.items()},
        span=f"{begin} to {until.removeprefix(begin[:11])} UTC",
    )


def _bars(numbers: Sequence[int]) -> tuple[list[tuple[int, float]], list[tuple[float, str]]]:
    """Return (place, height) of each bar, and (height, label) of a few round numbers."""
    most = max(numbers)
    rounds = (digit * 10**power for power in itertools.count() for digit in (1, 2, 5))
    step = next(one for one in rounds if 3 * one >= most)
    top = max(1, -(-most // step)) * step
    # What there is can be seen, be it one in a million.
    bars = [(n, max(1.0, _PLOT * flows / top)) for n, flows in enumerate(numbers) if flows]
    return bars, [(_PLOT * flows / top, compact(flows)) for flows in range(0, top + 1, step)]


def _times(first: int, end: int, room: int) -> list[tuple[float, str]]:
    """Return (percent, label) of round times whose labels have so many letters at most."""
    for times, letters in _round_times(first, end):
        if len(times) * (letters.stop - letters.start) <= room:
            break
    labels = [
        text[_OF_DAY if letters.start and text.endswith("00:00:00") else letters]
        for text in map(moment, times)
    ]
    return [
        (100 * (t - first) / (end - first), word) for t, word in zip(times, labels, strict=True)
    ]


def _round_times(first: int, end: int) -> Iterator[tuple[Sequence[int], slice]]:
    """Yield the multiples of every step, and the letters of a moment that tell them apart."""
    for step in _SECONDS:
        clock = slice(11, 16 if step >= _MINUTE else 19)
        yield range(-(-first // step) * step, end + 1, step), _OF_DAY if step >= _DAY else clock
    begin, last = (12 * time.year + time.month - 1 for time in map(_utc, (first, end)))
    for step in _MONTHS:
        months = (divmod(month, 12) for month in range(begin // step * step, last + 1, step))
        times = [int(datetime(year, n + 1, 1, tzinfo=UTC).timestamp()) for year, n in months]
        yield [time for time in times if first <= time], slice(0, 7 if step < 12 else 4)


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
        cells: Counter[tuple[int, int]] = Counter()
        for src, dst, flows in section.cells:
            if flows[index]:
                row, column = (place.get(name, len(names) - 1) for name in (src, dst))
                cells[row, column] += flows[index]
        if cells:
            maps.append((word, _heat_map(f"{section.title}: {word}", tone, names, cells)))
    return maps


def _most_used(section: HeatMap) -> list[str]:
    """Return the namespaces to show: those with most flows, by name; those in brackets last."""
    used: Counter[str] = Counter()
    for src, dst, flows in section.cells:
        used[src] += sum(flows)
        used[dst] += sum(flows)
    whole = len(used) <= _NAMESPACES
    picked = [name for name, _ in used.most_common(_NAMESPACES if whole else _NAMESPACES - 1)]
    return sorted(picked, key=lambda name: (name.startswith("("), name)) + [OTHERS] * (not whole)


def _heat_map(
    title: str, tone: Tone, names: Sequence[str], cells: Mapping[tuple[int, int], int]
) -> str:
    least, most = min(cells.values()), max(cells.values())
    span = math.log(most / least) or 1.0

    def shade(flows: int) -> int:
        """Return a step on a scale of powers: one further is several times as much."""
        if flows == most:
            return _SHADES
        return max(1, math.ceil(_SHADES * math.log(flows / least) / span))

    fields = [(place, shade(flows), compact(flows)) for place, flows in sorted(cells.items())]
    row, column = min(place for place, flows in cells.items() if flows == most)
    text = f"Flows by namespace; most, {count(most)}, from {names[row]} to {names[column]}"
    letters = max(len(label) for *_, label in fields)
    return drawn_map(
        "heat_map", title, text, (names, names), _FIELD, tone=tone, fields=fields, letters=letters
    )


def compact(number: int) -> str:
    """Return a number in at most four letters: ``1.2M``."""
    value = float(number)
    units = iter(("", *"kMGTPEZYRQ"))
    unit = next(units)
    while value >= 999.5:
        value, unit = value / 1000, next(units)
    return f"{value:.1f}{unit}" if unit and value < 9.95 else f"{value:.0f}{unit}"


def moment(seconds: int) -> str:
    """Return a time: ``2026-01-31 12:00:00``."""
    return f"{_utc(seconds):%Y-%m-%d %H:%M:%S}"


def _utc(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def duration(seconds: int) -> str:
    """Return a time in the largest unit that divides it: ``5 minutes``."""
    for unit, word in _UNITS:
        if seconds % unit == 0:
            number = seconds // unit
            return word if number == 1 else f"{number} {word}s"
    return f"{seconds} seconds"
