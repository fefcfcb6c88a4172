"""Takes a judged flow, gives hints: what a person who wonders about the verdict may not know.

Each is said only where it holds of this flow and bears on its verdict; what it promises was judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from netpol.explain.addresshints import address_hints
from netpol.explain.asked import Asked
from netpol.explain.orderhints import order_hints
from netpol.explain.servicehints import service_hints
from netpol.explain.story import Hint
from netpol.model.flow import Flow
from netpol.reference.outcome import Outcome
from netpol.reference.query import reversed_flow

if TYPE_CHECKING:
    from netpol.reference.evaluate import ReferenceEvaluator

__all__ = ["hints_of"]


def hints_of(evaluator: ReferenceEvaluator, flow: Flow, outcome: Outcome) -> Iterator[Hint]:
    """Give the hints on one flow, each text once."""
    asked = Asked(evaluator, reversed_flow(flow) if flow.is_reply else flow, outcome)
    yield from dict.fromkeys(_all(asked))


def _all(asked: Asked) -> Iterable[Hint]:
    yield from address_hints(asked)
    yield from service_hints(asked)
    yield from order_hints(asked)
