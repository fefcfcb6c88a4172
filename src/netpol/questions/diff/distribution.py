"""Takes flows that are judged differently as a writer does, gives their spread by kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from netpol.model.verdict import Verdict
from netpol.questions.diff.groups import Kind, kind_of
from netpol.run.distribution.collect import SpreadSums

if TYPE_CHECKING:
    from netpol.engine.engine import Engine

__all__ = ["DifferingSpread"]

_KINDS = tuple(Kind)
#: The kind by both verdicts, uint8[verdicts, verdicts].
_KIND_OF = np.array(
    [[_KINDS.index(kind_of(before, after)) for after in Verdict] for before in Verdict], np.uint8
)


class DifferingSpread(SpreadSums):
    """Goes among the writers of a diff; the kinds are those of ``netpol.questions.diff.diff.Kind``.

    Namespaces are those that ``after``, the second engine, knows.
    """

    def __init__(self, after: Engine) -> None:
        super().__init__(after.endpoints, [str(kind) for kind in _KINDS])

    def write(self, flows: Any) -> None:
        """Add the flows of one batch that differ; ``flows.differing`` are their judgements."""
        first, second, _ = flows.differing
        self.add(second, _KIND_OF[first.verdict, second.verdict])
