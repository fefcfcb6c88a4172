"""Takes two engines, gives what ``netpol diff --exhaustive`` shows of them."""

from __future__ import annotations

from functools import partial
from typing import Any

from netpol.cli.judge import Outcome

__all__ = ["KINDS", "exhaustively"]

KINDS = {0: "newly-allowed", 1: "newly-denied", 2: "newly-unknown"}


def exhaustively(before: Any, after: Any, *, top: int, memory_budget: int) -> Outcome:
    """Compare everything; what is not proven counts as found, of every kind."""
    from netpol.analysis.exhaustive import exhaustive_diff
    from netpol.report import exhaustive, exhaustive_json

    diff = exhaustive_diff(before, after, top=top, memory_budget=memory_budget)
    found = set(KINDS.values()) if diff.sides else {KINDS[item] for item in diff.verdicts}
    return Outcome(found, partial(exhaustive.render, diff), partial(exhaustive_json.render, diff))
