"""Takes paths of flow logs, gives one stream of flow batches, each log read by its own reader."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from typing import Protocol, TypeVar
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from netpol._core.suspects import Suspects
from netpol.flows.detect import FORMATS, detect_format, refuse_lone_cr
from netpol.flows.formats.conntrack.dedup import Deduplicator
from netpol.flows.formats.conntrack.events import merge_events
from netpol.flows.formats.conntrack.links import Links
from netpol.flows.formats.conntrack.text import Entries, entries_to_batch, read_entries
from netpol.flows.formats.conntrack.zones import count_zoned, ends_inside_ovn, names_zones
from netpol.flows.formats.table.table import read_table
from netpol.flows.limits import SkipLimit, skip_limit
from netpol.io.reread import Again
from netpol.io.stream import RestOfSource, Source
from netpol.model.batch import FlowBatch
from netpol.model.errors import ConfigError, FlowError, Location
from netpol.model.evidence import Evidence
from netpol.model.read_stats import ReadStats

__all__ = ["FlowStream", "SumText", "open_flows"]

PathLike = str | os.PathLike[str]
Part = TypeVar("Part", FlowBatch, FlowBatch | int)
Ahead = Callable[[Iterator[FlowBatch]], Iterator[FlowBatch]]


class SumText(Protocol):
    """What adds conntrack text up itself, as far as it can: ``run.conntrack_sums.TextSums``."""

    def __call__(
        self, source: Source, stats: ReadStats, suspects: Suspects, *, strict: bool
    ) -> Generator[int, None, RestOfSource | None]:
        """Yield numbers of records added; return what is left to be read."""


def open_flows(
    paths: PathLike | Sequence[PathLike],
    *,
    format: str = "auto",  # noqa: A002 - the name of the command line's option
    strict: bool = False,
    dedup: bool = False,
    start_zone: str | None = None,
    one_way: bool = False,
    max_skipped: int | str | SkipLimit | None = None,
) -> FlowStream:
    """Open flow logs for reading.

    Parameters
    ----------
    paths : path or sequence of paths
        Files, or ``-`` for standard input; gzip and zstd are recognised by content.
    format : str
        ``auto`` (by content), or one of ``conntrack``, ``csv``, ``parquet``, ``arrow``.
    strict : bool
        Raise at the first record that does not parse, instead of counting it.
    dedup : bool
        Count a connection that several nodes' conntrack dumps hold once. Reads the inputs twice;
        what can be read only once is kept in a temporary file. Without it, only the records that
        zones of one dump have of a connection are counted once.
    start_zone : str, optional
        Time zone (``Europe/Berlin``) of the ``[start=]`` times of conntrack, and of times in tables
        that say none. Without it they are not used, because nothing names their zone.
    one_way : bool
        Every row of a table is of who began its connection. Without it a table without a
        column ``is_reply`` in which rows answer others is refused.
    max_skipped : int or str, optional
        How many records may be skipped because they cannot be read: a number, or ``"1%"`` of all.

    Returns
    -------
    FlowStream
        Nothing is read before it is iterated.

    Raises
    ------
    ConfigError
        An argument makes no sense.
    """
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    names = [os.fspath(path) for path in paths]
    if not names:
        raise ConfigError("no flow logs given")
    if names.count("-") > 1:
        raise ConfigError("standard input (-) can be read only once")
    if format != "auto" and format not in FORMATS:
        raise ConfigError(f"format: {format!r} is not one of auto, {', '.join(FORMATS)}")
    if dedup and format not in ("auto", "conntrack"):
        raise ConfigError("dedup needs conntrack input: other records have no reply tuple")
    if max_skipped is not None and not isinstance(max_skipped, SkipLimit):
        max_skipped = skip_limit(max_skipped)
    return FlowStream(
        names,
        format,
        strict=strict,
        dedup=dedup,
        start_zone=_zone(start_zone),
        one_way=one_way,
        max_skipped=max_skipped,
    )


def _zone(name: str | None) -> ZoneInfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise ConfigError(f"start_zone: {name!r} is no time zone") from None


class FlowStream:
    """Flow batches of several logs, in input order, in constant memory.

    Iterating gives ``FlowBatch`` objects of at most 65,536 rows and raises ``FlowError`` where a
    log cannot be read, has lines but no record, or (``strict``) has a bad one; and at the end,
    where no log has a record, or more were bad than ``max_skipped`` allows. What was given before
    the error is then not the whole input. Iterating again reads again.

    Attributes
    ----------
    paths : list of str
        The inputs.
    stats : ReadStats
        What was read so far; complete when the iteration has ended.
    """

    def __init__(
        self,
        paths: list[str],
        format: str,  # noqa: A002
        *,
        strict: bool,
        dedup: bool,
        start_zone: ZoneInfo | None,
        one_way: bool,
        max_skipped: SkipLimit | None = None,
    ) -> None:
        self.paths = paths
        self.stats = ReadStats()
        self._format = format
        self._strict = strict
        self._dedup = dedup
        self._start_zone = start_zone
        self._one_way = one_way
        self._nothing: FlowError | None = None  # of the first empty input
        self._max_skipped = max_skipped

    def __iter__(self) -> Iterator[FlowBatch]:
        self._begin()
        if not self._dedup:
            for path in self.paths:
                with Source(path) as source:
                    yield from self._counted(source, self._batches(source, path))
        else:
            with Again() as again:
                links = _Place(self._decide(again))
                for path in self.paths:
                    with again.open(path) as source:
                        yield from self._counted(source, self._batches(source, path, links))
        self._end()

    def summed(self, sum_text: SumText, ahead: Ahead = iter) -> Iterator[FlowBatch | int]:
        """Yield the batches of the logs; of conntrack text, numbers of records that were added up.

        Where the text has to be read twice, or times are to be read in it, and from where
        ``sum_text`` stops, it comes as batches, too.

        Parameters
        ----------
        sum_text : SumText
            Is given every conntrack text.
        ahead : callable
            Takes an iterator of batches, gives them perhaps read ahead, which a thread that reads
            the whole stream could not: it would overtake the batches before a text.
        """
        if self._dedup or self._start_zone is not None:
            yield from ahead(iter(self))
            return
        self._begin()
        for path in self.paths:
            # Whoever reads in a thread must have ended when the source is closed.
            with (
                Source(path) as source,
                closing(self._parts(source, path, sum_text, ahead)) as parts,
            ):
                yield from self._counted(source, parts)
        self._end()

    def _parts(
        self, source: Source, path: str, sum_text: SumText, ahead: Ahead
    ) -> Generator[FlowBatch | int, None, None]:
        if self._detect(source) == "conntrack" and not names_zones(source):
            yield from self._summed_text(source, sum_text, ahead)
        else:
            yield from ahead(self._batches(source, path))

    def _summed_text(
        self, source: Source, sum_text: SumText, ahead: Ahead
    ) -> Iterator[FlowBatch | int]:
        suspects = Suspects()
        rest = yield from sum_text(source, self.stats, suspects, strict=self._strict)
        if rest is not None:
            yield from ahead(self._conntrack(rest, None, suspects))
        self.stats.suspected_reversed += suspects.count()

    def _decide(self, again: Again) -> Links:
        """Read all inputs once for their tuples; say what to keep."""
        chooser = Deduplicator()
        for number, path in enumerate(self.paths):
            with again.open(path) as source:
                if self._detect(source) != "conntrack":
                    raise FlowError(
                        "dedup needs conntrack input: other records have no reply tuple",
                        Location(source.name),
                    )
                for entries in self._entries(source, ReadStats()):
                    chooser.add(entries, number)
        return chooser.decide()

    def _detect(self, source: Source) -> str:
        """Return the input's format. One that was named is still checked for being packed."""
        if not source.head.strip(b" \t\r\n"):
            return "conntrack"  # which has an empty table now and then
        kind = self._format
        if kind == "auto":
            kind = detect_format(source.head, source.name)
        if kind == "conntrack":
            refuse_lone_cr(source.head, Location(source.name))
        return kind

    def _entries(self, source: Source | RestOfSource, stats: ReadStats) -> Iterator[Entries]:
        return merge_events(read_entries(source, stats, strict=self._strict), stats)

    def _batches(
        self, source: Source, path: str, links: _Place | None = None
    ) -> Iterator[FlowBatch]:
        """Read one input, of conntrack text what ``links`` leave."""
        kind = self._detect(source)
        if kind != "conntrack":
            yield from read_table(
                source,
                kind,
                self.stats,
                strict=self._strict,
                one_way=self._one_way,
                zone=self._start_zone,
            )
            return
        suspects = Suspects()
        if links is None and names_zones(source):
            yield from self._zoned(source, path, suspects)
        else:
            yield from self._conntrack(source, links, suspects)
        self.stats.suspected_reversed += suspects.count()

    def _zoned(self, source: Source, path: str, suspects: Suspects) -> Iterator[FlowBatch]:
        """Read conntrack text with zones, whose records of one connection become one flow."""
        with Again() as again:
            again.keep(path, source)
            chooser = Deduplicator(repeats=True)
            with again.open(path) as first:
                for entries in self._entries(first, ReadStats()):
                    chooser.add(entries, 0)
            links = _Place(chooser.decide(), per_dump=True)
            with again.open(path) as second:
                yield from self._conntrack(second, links, suspects)
                source.bytes_read = second.bytes_read

    def _counted(self, source: Source, parts: Iterator[Part]) -> Iterator[Part]:
        """Yield what is read of one input; count it."""
        stats = self.stats
        mark, seen, left_out = stats.mark(), False, stats.duplicates + stats.linked
        for part in parts:
            rows = part if isinstance(part, int) else len(part)
            if rows:
                seen = True
                stats.records += rows
                stats.batches += 1
                yield part
        stats.bytes_read += source.bytes_read
        if seen or stats.duplicates + stats.linked != left_out:
            return
        nothing = FlowError(stats.nothing_since(mark, source.name), Location(source.name))
        if not stats.is_blank_since(mark):
            raise nothing
        stats.empty.append(source.name)
        self._nothing = self._nothing or nothing

    def _begin(self) -> None:
        self.stats = ReadStats()
        self._nothing = None

    def _end(self) -> None:
        """Refuse inputs of which too little was read, now that all of them are."""
        if self._nothing is not None and len(self.stats.empty) == len(self.paths):
            if len(self.paths) == 1:
                raise self._nothing
            raise FlowError("no records in any of the logs", self._nothing.location)
        if self._max_skipped is not None:
            self._max_skipped.check(self.stats)

    def _conntrack(
        self, source: Source | RestOfSource, links: _Place | None, suspects: Suspects
    ) -> Iterator[FlowBatch]:
        """Yield the batches of conntrack text, those that ``links`` leave; maybe empty ones."""
        stats = self.stats
        for entries in self._entries(source, stats):
            suspects.add(entries["protocol"], entries["orig_sport"], entries["reply_sport"])
            zoned = count_zoned(entries)
            stats.zoned += zoned
            if links is None:
                stats.zones_unlinked += zoned
                batch = entries_to_batch(entries, source.name, start_zone=self._start_zone)
                if zoned:
                    _doubt(batch, np.flatnonzero(entries["zone_orig"] | entries["zone_reply"]))
                yield batch
                continue
            kept, proofs, doubted = links.applied(entries)
            if links.per_dump:
                stats.linked += entries.rows - kept.rows
            else:
                stats.duplicates += entries.rows - kept.rows
            batch = entries_to_batch(kept, source.name, start_zone=self._start_zone, proofs=proofs)
            _doubt(batch, doubted)
            if links.zoned:
                stats.hops_missing += ends_inside_ovn(batch)
            yield batch


class _Place:
    """How far the records of inputs were read, and what becomes of them."""

    def __init__(self, links: Links, *, per_dump: bool = False) -> None:
        self._links = links
        self._begin = 0
        self.zoned = links.zoned > 0
        self.per_dump = per_dump

    def applied(
        self, entries: Entries
    ) -> tuple[Entries, npt.NDArray[np.uint8] | None, npt.NDArray[np.int64]]:
        """Return what is kept of the next records, what they prove together, and what none does."""
        found = self._links.applied(entries, self._begin)
        self._begin += entries.rows
        return found


def _doubt(batch: FlowBatch, rows: npt.NDArray[np.int64]) -> None:
    """Take it back that the client's node did not translate: another zone of it may have."""
    if len(rows) and batch.evidence is not None:
        batch.evidence[rows] &= np.uint8(0xFF & ~Evidence.EGRESS_DIALLED)
