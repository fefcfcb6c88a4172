"""Takes how many records a log may hold that cannot be read, gives whether a reading kept to it."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

from netpol.model.errors import ConfigError, FlowError, Location
from netpol.model.read_stats import ReadStats, heaviest_first

__all__ = ["SkipLimit", "skip_limit"]

_WRITTEN = re.compile(r"\s*(\d{1,18}(?:\.\d{1,9})?)\s*(%?)\s*", re.ASCII)


class SkipLimit(NamedTuple):
    """A number of records, or a share of all in percent; ``str`` is as written.

    ``named`` is what it is called where it is exceeded.
    """

    number: Fraction
    percent: bool
    named: str = "max_skipped allows"

    def __str__(self) -> str:
        number = f"{float(self.number):.9f}".rstrip("0").rstrip(".")
        return f"{number}%" if self.percent else str(int(self.number))

    def check(self, stats: ReadStats) -> None:
        """Raise ``FlowError`` where more records were skipped than this allows."""
        skipped = stats.skipped_total
        read = stats.records + stats.duplicates + stats.linked + skipped
        if skipped * 100 <= self.number * read if self.percent else skipped <= self.number:
            return
        causes = ", ".join(f"{n:,} {why}" for why, n in heaviest_first(stats.skipped).items())
        message = (
            f"{skipped:,} of {read:,} records could not be read ({causes}), more than the {self} "
            f"that {self.named}"
        )
        if not stats.samples:
            raise FlowError(message)
        first = stats.samples[0]
        text = f"{message}; the first here: {first.cause}: {first.text!r}"
        raise FlowError(text, Location(first.file, first.line))


def skip_limit(text: int | str) -> SkipLimit:
    """Return the limit that ``N`` or ``N%`` means; raises ``ConfigError``."""
    match = _WRITTEN.fullmatch(str(text))
    if match is not None:
        number, percent = Fraction(match[1]), bool(match[2])
        if number <= 100 if percent else number.denominator == 1:
            return SkipLimit(number, percent)
    raise ConfigError(f"max_skipped: {text!r} is not a number of records, or a share such as 1%")
