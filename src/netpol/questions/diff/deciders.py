"""Takes engines, gives who decides each side of a flow: marks, numbers that all of them share.

A decider is a policy and one of its rules. A rule that only moved, or was edited where it stands,
is the same one. So engines that were compiled from different policies can be asked whether they
judge a flow alike and for the same cause.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from netpol.compiler.layout import RULE_ALLOWS, VERDICT_MASK
from netpol.model.verdict import Side, Verdict
from netpol.policy.edits import Loaded, by_key

if TYPE_CHECKING:
    from netpol.engine.engine import Engine

__all__ = ["Deciders", "Marks", "no_deciders"]

UInt32s = npt.NDArray[np.uint32]
#: Takes an engine, gives uint32[3, decisions]: who decides a flow of a verdict by a decision.
Marks: TypeAlias = "Callable[[Engine], UInt32s]"


def no_deciders(engine: Engine) -> UInt32s:
    """Return marks that are all the same: nothing but verdicts counts."""
    return np.zeros((len(Verdict), engine.tables.arrays["decision_info"].size), np.uint32)


class Deciders:
    """Marks of policies and rules; 0 where a side has no decider.

    Marked are the policies and rules credited by the sides that decide (specification.md C3.1). An
    implicit deny is credited to the first policy that isolates the pod.

    Parameters
    ----------
    before, after : Engine
        The two sides. Rules of engines that have only their tables are told apart by their place.
    """

    def __init__(self, before: Engine, after: Engine) -> None:
        self._names = _RuleNames(before, after)
        self._numbers: dict[Hashable, int] = {}
        self._tables: dict[int, tuple[Engine, UInt32s]] = {}

    def by_decision(self, engine: Engine) -> UInt32s:
        """Return uint32[decisions]: who decides by each, 0 where nobody does.

        A side's decision tells who decides a flow only where the flow has its verdict.
        """
        return np.asarray(self(engine).max(axis=0))

    def __call__(self, engine: Engine) -> UInt32s:
        """Return uint32[3, decisions]: who decides a flow of a verdict by a decision."""
        known = self._tables.get(id(engine))
        if known is None:
            known = self._tables[id(engine)] = engine, self._made(engine)
        return known[1]

    def _made(self, engine: Engine) -> UInt32s:
        names = self._names.of(engine)
        numbers = self._numbers
        deciders = np.array(
            [
                numbers.setdefault(names(side, policy, rule), len(numbers) + 1)
                if policy >= 0
                else 0
                for side, _, _, _, policy, rule, *_ in engine.tables.meta["decisions"]
            ],
            np.uint32,
        )
        info = np.asarray(engine.tables.arrays["decision_info"])
        decides = {
            Verdict.ALLOW: info & RULE_ALLOWS != 0,
            Verdict.DENY: info & VERDICT_MASK == Verdict.DENY,
            Verdict.UNKNOWN: info & VERDICT_MASK == Verdict.UNKNOWN,
        }
        parts = [np.where(decides[verdict], deciders, 0) for verdict in Verdict]
        return np.stack(parts).astype(np.uint32)


class _RuleNames:
    """Names the rules of both sides: by their place before, or as new ones after.

    A policy as it is after keeps its names in an engine that has only some of the changes, whose
    policies are those of the one side or of the other.
    """

    def __init__(self, before: Engine, after: Engine) -> None:
        self._after: dict[int, dict[int, list[int]]] = {}
        if before.source is None or after.source is None:
            return
        first = _by_identity(before)
        for key, loaded in _by_identity(after).items():
            other = first.get(key)
            if other is not None and other.policy.spec != loaded.policy.spec:
                self._after[id(loaded)] = {
                    side: _aligned(*(_rules(one, side) for one in (other, loaded)))
                    for side in (Side.EGRESS, Side.INGRESS)
                }
        self._kept = before, after  # else an id might be another object's

    def of(self, engine: Engine) -> Callable[[int, int, int], Hashable]:
        """Return what names (side, policy index, rule) of an engine.

        Rule -1 is the policy's own.
        """
        moved: list[dict[int, list[int]]] = [{}] * len(engine.policies)
        if self._after:
            loaded = _by_identity(engine)
            moved = [
                self._after.get(id(loaded[info.kind, info.label]), {}) for info in engine.policies
            ]

        def name(side: int, policy: int, rule: int) -> Hashable:
            info = engine.policies[policy]
            places = moved[policy].get(side)
            return info.kind, info.label, rule if rule < 0 or places is None else places[rule]

        return name


def _by_identity(engine: Engine) -> dict[tuple[str, str], Loaded]:
    assert engine.source is not None
    return {(key[0], one.label): one for key, one in by_key(engine.source[0]).items()}


def _rules(loaded: Loaded, side: Side) -> list[bytes]:
    spec = loaded.policy.spec
    rules = None if spec is None else spec.egress if side is Side.EGRESS else spec.ingress
    return [msgspec.json.encode(rule) for rule in rules or ()]


def _aligned(before: Sequence[bytes], after: Sequence[bytes]) -> list[int]:
    """Give, for each rule after, which one before it was; places from ``len(before)`` on are new.

    Rules that say the same are the same, in their order. Where as many are left on both sides, the
    first was edited into the first, and so on; otherwise those left after are new.
    """
    left: dict[bytes, list[int]] = {}
    for place, rule in enumerate(before):
        left.setdefault(rule, []).append(place)
    found = [left[rule].pop(0) if left.get(rule) else None for rule in after]
    spare = sorted(place for places in left.values() for place in places)
    if found.count(None) != len(spare):
        spare = [len(before) + place for place in range(len(after))]
    unused = iter(spare)
    return [next(unused) if place is None else place for place in found]
