"""What a command found, as a place in a file with a message: what CI formats are written from.

``netpol check``, ``diff`` and ``coverage`` each turn their results into these; ``github``,
``sarif``, ``junit`` and ``markdown`` write them, one format a file.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

__all__ = ["Annotation", "Level"]

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Annotation:
    """One finding.

    Attributes
    ----------
    level : how grave it is; ``error`` is what a gate fails for.
    code : stable, lower case joined by hyphens: ``newly-denied``, ``never-hit-rule``.
    title : a few words, without numbers that change from run to run.
    message : one or several lines of plain text.
    file, line : where it is; None where it is no place's fault.
    identity : what makes it the same finding in the next run, beside code and file: a policy, rule
        and pair of workloads, never a count or a line.
    flows : how many flows it is about, None where it is about none.
    """

    level: Level
    code: str
    title: str
    message: str
    file: str | None = None
    line: int | None = None
    identity: tuple[str, ...] = ()
    flows: int | None = None

    @property
    def fingerprint(self) -> str:
        """32 hex digits that stay as long as the finding does."""
        text = "\0".join((self.code, self.file or "", *self.identity))
        return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:32]
