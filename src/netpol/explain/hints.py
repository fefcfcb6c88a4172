"""Takes a judged flow, gives hints: what a person who wonders about the verdict may not know.

Each is said only where it holds of this flow and bears on its verdict; what it promises was judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from netpol.explain.address_hints import address_hints
from netpol.explain.hint_context import HintContext
from netpol.explain.order_hints import order_hints
from netpol.explain.service_hints import service_hints
from netpol.explain.story import Hint
from netpol.model.flow import Flow
from netpol.reference.outcome import Outcome
from netpol.reference.query import reversed_flow

if TYPE_CHECKING:
    from netpol.reference.evaluate import ReferenceEvaluator

__all__ = ["hints_of"]


def hints_of(evaluator: ReferenceEvaluator, flow: Flow, outcome: Outcome) -> Iterator[Hint]:
    """Yield the hints on one flow, each text once."""
    context = HintContext(evaluator, reversed_flow(flow) if flow.is_reply else flow, outcome)
    yield from dict.fromkeys(_all(context))


def _all(context: HintContext) -> Iterable[Hint]:
    yield from address_hints(context)
    yield from service_hints(context)
    yield from order_hints(context)
