"""What reading logs came across: counts, and the first records that did not parse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from netpol.errors import FlowError, Location
from netpol.flows.batch import SkippedRecord

__all__ = ["LostValues", "ReadStats", "heaviest_first"]

MAX_SAMPLES = 10
MAX_TEXT = 200


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

    def nothing_since(self, lines: int, skipped: Mapping[str, int]) -> str:
        """Say why no record came since ``lines`` and ``skipped`` were what is given."""
        read = self.lines - lines
        new = heaviest_first(self.skipped - Counter(skipped))
        causes = [f"{number} {cause}" for cause, number in new.items()]
        if not read:
            return "no records: the file is empty"
        why = f" ({', '.join(causes)})" if causes else ""
        return f"no records in {read} {'line' if read == 1 else 'lines'}{why}"


def heaviest_first(skipped: Mapping[str, int]) -> dict[str, int]:
    """Give the causes in an order that does not depend on which came first."""
    return dict(sorted(skipped.items(), key=lambda item: (-item[1], item[0])))
