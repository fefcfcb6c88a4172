"""What stands above the findings of a command: its name, its counts, what it looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from netpol.report.words.annotations import Level

__all__ = ["Heading"]


@dataclass(frozen=True, slots=True)
class Heading:
    """What a CI format says beside the findings.

    Attributes
    ----------
    command : ``check``, ``diff`` or ``coverage``.
    counts : what is said in one line: ``3 valid policies``, ``1 error``.
    help : what each code means, one sentence; a code that is not here is explained by the titles.
    passed : names of what was looked at without a finding: test cases that pass.
    gated : the levels that the caller fails for, so that a test report says the same.
    version : of netpol, where the format has a place for it.
    pages : what is known of a code beyond that sentence, as Markdown, as ``netpol rule`` has it.
    """

    command: str
    counts: tuple[str, ...] = ()
    help: Mapping[str, str] = field(default_factory=dict)
    passed: tuple[str, ...] = ()
    gated: frozenset[Level] = frozenset({"error"})
    version: str = ""
    pages: Mapping[str, str] = field(default_factory=dict)

    def more(self, code: str) -> str:
        """Return the sentence on a code and who tells more; empty if there is nothing more."""
        if code not in self.pages:
            return ""
        return f"{code}: {self.help[code]}. More: netpol rule {code}"

    @property
    def line(self) -> str:
        """``netpol check: 3 valid policies, 1 error``."""
        counts = f": {', '.join(self.counts)}" if self.counts else ""
        return f"netpol {self.command}{counts}"
