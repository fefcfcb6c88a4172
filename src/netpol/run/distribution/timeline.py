"""Takes times and series of flows, gives flows by time bucket, in bounded memory.

Buckets get wider whenever more of them are occupied than are kept, so a day and ten years of flows
take the same memory. Widths divide each other, so that widening is adding up.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from netpol._core.sums import Histogram
from netpol.model.batch import NO_TIME

__all__ = ["WIDTHS", "TimeSeries", "Timeline"]

_SECOND = 1_000_000_000
_DAY = 86_400
#: Seconds a bucket may last. Of the widest, int64 nanoseconds hold fewer than 600.
WIDTHS = (
    1, 5, 15, 30, 60, 300, 900, 1800, 3600, 10_800, 21_600, 43_200,
    _DAY, 7 * _DAY, 28 * _DAY, 364 * _DAY,
)  # fmt: skip

_KEPT = 4096
#: Flows at either end that may be left out of a window, one in so many: a single wrong clock must
#: not press everything else into one bar.
_STRAY = 1000
_WORTH = 4  # how much narrower a window must get for leaving strays out


@dataclass(frozen=True, slots=True)
class TimeSeries:
    """Flows by bucket and series.

    Attributes
    ----------
    start : ns since the epoch at which the first bucket begins.
    width : seconds a bucket lasts.
    flows : one row per bucket, empty ones too, with the flows of each series.
    untimed : flows without a time.
    outside : flows so far from all others that the buckets leave them out.
    """

    start: int
    width: int
    flows: tuple[tuple[int, ...], ...]
    untimed: int
    outside: int

    def starts(self) -> list[int]:
        """Return when each bucket begins, in seconds since the epoch."""
        first = self.start // _SECOND
        return [first + index * self.width for index in range(len(self.flows))]


class Timeline:
    """Adds flows up by time.

    Parameters
    ----------
    series : int
        How many kinds of flows there are, such as verdicts.
    kept : int
        Occupied buckets to keep.
    """

    def __init__(self, series: int, kept: int = _KEPT) -> None:
        self._series = series
        self._kept = kept
        self._level = 0
        self._buckets: dict[int, list[int]] = {}
        self._untimed = 0

    def add(
        self,
        time: npt.NDArray[np.int64] | None,
        series: npt.NDArray[np.uint8],
        flows: npt.NDArray[np.uint64] | None,
    ) -> None:
        """Add flows.

        Parameters
        ----------
        time : int64[n], ns since the epoch, ``NO_TIME`` where not recorded; None: nowhere.
        series : uint8[n], the kind of each flow.
        flows : uint64[n], how many flows each row stands for; None: one.
        """
        timed = np.zeros(len(series), np.bool_) if time is None else time != NO_TIME
        if not timed.all():
            self._untimed += _total(flows, ~timed)
            series, flows = series[timed], None if flows is None else flows[timed]
        if time is None or not len(series):
            return
        seconds = time[timed] // _SECOND
        distinct, places = self._fitting(seconds)
        sums = Histogram(len(distinct) * self._series)
        sums.add((places * self._series + series).astype(np.uint32), flows, None, None)
        starts = distinct.tolist()
        for key, weight in sums.items().items():
            place, kind = divmod(key, self._series)
            self._put(starts[place], kind, weight[0])
        while len(self._buckets) > self._kept and self._level < len(WIDTHS) - 1:
            self._widen()

    def _fitting(
        self, seconds: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.intp]]:
        """Return the batch's buckets and which each row is in; no more than are kept."""
        while True:
            buckets = seconds // WIDTHS[self._level]
            first, last = int(buckets.min()), int(buckets.max())
            if last - first < self._kept:  # no need to sort: 105 to 65 ns a flow, all told
                return np.arange(first, last + 1), buckets - first
            distinct, places = np.unique(buckets, return_inverse=True)
            if len(distinct) <= self._kept or self._level == len(WIDTHS) - 1:
                return distinct, places
            self._widen()

    def _put(self, bucket: int, series: int, flows: int) -> None:
        self._buckets.setdefault(bucket, [0] * self._series)[series] += flows

    def _widen(self) -> None:
        self._buckets = _coarser(self._buckets, WIDTHS[self._level], WIDTHS[self._level + 1])
        self._level += 1

    def result(self, bars: int = 120) -> TimeSeries:
        """Return at most ``bars`` buckets, as narrow as that allows."""
        buckets, outside = _without_strays(self._buckets)
        level = self._level
        while buckets and max(buckets) - min(buckets) >= bars and level < len(WIDTHS) - 1:
            buckets = _coarser(buckets, WIDTHS[level], WIDTHS[level + 1])
            level += 1
        width = WIDTHS[level]
        first = min(buckets, default=0)
        none = (0,) * self._series
        return TimeSeries(
            start=first * width * _SECOND,
            width=width,
            flows=tuple(
                tuple(buckets.get(bucket, none))
                for bucket in range(first, max(buckets, default=-1) + 1)
            ),
            untimed=self._untimed,
            outside=outside,
        )


def _total(flows: npt.NDArray[np.uint64] | None, rows: npt.NDArray[np.bool_]) -> int:
    if flows is None:
        return int(np.count_nonzero(rows))
    return sum(flows[rows].tolist())


def _coarser(buckets: dict[int, list[int]], width: int, wider: int) -> dict[int, list[int]]:
    factor = wider // width
    merged: dict[int, list[int]] = {}
    for bucket, sums in buckets.items():
        found = merged.get(bucket // factor)
        if found is None:
            merged[bucket // factor] = list(sums)
        else:
            found[:] = (a + b for a, b in zip(found, sums, strict=True))
    return merged


def _without_strays(buckets: dict[int, list[int]]) -> tuple[dict[int, list[int]], int]:
    """Leave out the few flows of either end that stretch the span; say how many they were."""
    order = sorted(buckets)
    allowed = sum(map(sum, buckets.values())) // _STRAY
    first = _beyond(order, buckets, allowed)
    last = len(order) - _beyond(order[::-1], buckets, allowed)
    if not order or (order[-1] - order[0] + 1) < _WORTH * (order[last - 1] - order[first] + 1):
        return buckets, 0
    window = {bucket: buckets[bucket] for bucket in order[first:last]}
    return window, sum(map(sum, buckets.values())) - sum(map(sum, window.values()))


def _beyond(order: list[int], buckets: dict[int, list[int]], allowed: int) -> int:
    """Return how many buckets come before the widest gap that few enough flows are in front of."""
    seen = 0
    widest = (0, 0)
    for index, (bucket, following) in enumerate(pairwise(order), start=1):
        seen += sum(buckets[bucket])
        if seen > allowed:
            break
        widest = max(widest, (abs(following - bucket), index))
    return widest[1]
