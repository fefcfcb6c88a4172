"""What reading logs came across: counts, and the first records that did not parse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from netpol.model.batch import SkippedRecord
from netpol.model.errors import FlowError, Location

__all__ = ["LostValues", "Mark", "ReadStats", "heaviest_first"]

MAX_SAMPLES = 10
MAX_TEXT = 200


class Mark(NamedTuple):
    """What was counted before an input."""

    lines: int
    blank: int
    expectations: int
    skipped: Counter[str]


@dataclass(slots=True)
class LostValues:
    """Values of a column that did not parse alike: the first of them, and how many."""

    first: SkippedRecord
    number: int = 0


@dataclass(slots=True)
class ReadStats:
    """Counts over all inputs read so far.

    Attributes
    ----------
    records, batches : int
        Flow records given, and in how many batches.
    lines : int
        Lines of text or rows of tables read.
    blank, notices : int
        Lines without content, and lines that were a message of conntrack itself.
    repaired : int
        Records put together from a line that a message had cut in two.
    skipped : collections.Counter
        Records that did not parse, by cause.
    samples : list of SkippedRecord
        The first of them, at most 10.
    lost : dict of LostValues
        Values of optional columns that did not parse and whose records stay, by column and cause.
    suspected_reversed : int
        Records that look as if the server were the client (picked up mid-stream). They are judged
        as recorded.
    duplicates : int
        Records left out by ``dedup``.
    events : int
        conntrack events merged into flows.
    expectations : int
        Lines of conntrack's table of expected connections, which are none yet.
    zoned : int
        Records of conntrack that name a zone.
    linked : int
        Of text with zones, records left out because another zone has their connection.
    zones_unlinked : int
        Records that name a zone in text that named none at its beginning, so that none of it was
        linked (``netpol.flows.formats.conntrack.zones``).
    hops_missing : int
        Flows of text with zones that begin or end at an address that OVN-Kubernetes keeps to
        itself: a hop of theirs was not found.
    empty : list of str
        Inputs without any record, among others with some.
    evicted : int
        Connections given before their end was seen, because too many were open.
    bytes_read : int
        Bytes of text read, after decompression.
    """

    records: int = 0
    batches: int = 0
    lines: int = 0
    blank: int = 0
    notices: int = 0
    repaired: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    samples: list[SkippedRecord] = field(default_factory=list)
    lost: dict[str, LostValues] = field(default_factory=dict)
    suspected_reversed: int = 0
    duplicates: int = 0
    events: int = 0
    evicted: int = 0
    expectations: int = 0
    zoned: int = 0
    linked: int = 0
    zones_unlinked: int = 0
    hops_missing: int = 0
    empty: list[str] = field(default_factory=list)
    bytes_read: int = 0

    def skip(self, file: str, line: int, cause: str, text: str, *, strict: bool) -> None:
        """Record that one record did not parse.

        Raises
        ------
        FlowError
            ``strict`` is set.
        """
        if strict:
            raise FlowError(f"{cause}: {text[:MAX_TEXT]!r}", Location(file, line))
        self.skipped[cause] += 1
        self.sample(file, line, cause, text)

    def lose(self, first: SkippedRecord, number: int, *, strict: bool) -> None:
        """Record that ``number`` values did not parse, whose records stay; ``first`` is one.

        Raises
        ------
        FlowError
            ``strict`` is set.
        """
        if strict:
            text = f"{first.cause}: {first.text[:MAX_TEXT]!r}"
            raise FlowError(text, Location(first.file, first.line))
        first.text = first.text[:MAX_TEXT]
        kept = self.lost.setdefault(first.cause, LostValues(first))
        kept.number += number

    def sample(self, file: str, line: int, cause: str, text: str) -> None:
        """Keep a skipped record as an example if there is room; does not count it."""
        if len(self.samples) < MAX_SAMPLES:
            self.samples.append(SkippedRecord(file, line, cause, text[:MAX_TEXT]))

    @property
    def skipped_total(self) -> int:
        """Records that did not parse."""
        return self.skipped.total()

    def mark(self) -> Mark:
        """Return what is counted so far, to tell later what an input added."""
        return Mark(self.lines, self.blank, self.expectations, self.skipped.copy())

    def is_blank_since(self, mark: Mark) -> bool:
        """Whether all that was read since is nothing, or messages: an input without content."""
        return self.skipped == mark.skipped and self.expectations == mark.expectations

    def nothing_since(self, mark: Mark, file: str) -> str:
        """Say why no record of ``file``, read since ``mark``, came."""
        read = self.lines - mark.lines
        if read == self.blank - mark.blank:
            return "no records: the file is empty"
        expected = self.expectations - mark.expectations
        if expected:
            return (
                f"no records in {_lines(read)}: {expected} of conntrack's table of expected "
                "connections (conntrack -L expect); conntrack -L lists the connections"
            )
        new = heaviest_first(self.skipped - mark.skipped)
        causes = [f"{number} {cause}" for cause, number in new.items()]
        why = f" ({', '.join(causes)})" if causes else ""
        first = next((sample for sample in self.samples if sample.file == file), None)
        shown = f"; the first is line {first.line}: {first.text[:80]!r}" if first else ""
        return f"no records in {_lines(read)}{why}{shown}"


def _lines(number: int) -> str:
    return f"{number} {'line' if number == 1 else 'lines'}"


def heaviest_first(skipped: Mapping[str, int]) -> dict[str, int]:
    """Return the causes in an order that does not depend on which came first."""
    return dict(sorted(skipped.items(), key=lambda item: (-item[1], item[0])))
