"""Takes engines, gives who decides each side of a flow, as numbers that all of them share.

A decider is a policy and what its rule says: a rule that only moved is the same one. So two engines
that were compiled from different policies can be asked whether they judge a flow alike and for the
same cause.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from netpol.verdict import Side, Verdict

__all__ = ["OtherDecider"]

UInt32s = npt.NDArray[np.uint32]
Booleans = npt.NDArray[np.bool_]


class OtherDecider:
    """A flow differs if it gets another verdict, or the same one by another rule or policy.

    Compared are the policies and rules credited by the sides that decide (semantics.md C3.1). An
    implicit deny is credited to the first policy that isolates the pod.

    Parameters
    ----------
    by_content : bool
        Tell rules apart by what they say; else by their place in the policy, which is all that an
        engine knows that was loaded or unpickled.
    """

    def __init__(self, *, by_content: bool = True) -> None:
        self._by_content = by_content
        self._numbers: dict[Hashable, int] = {}
        self._tables: dict[int, tuple[Any, UInt32s]] = {}

    def between(self, first: Any, second: Any) -> Booleans:
        """Say which flows have another verdict or decider."""
        marks = self._marks(first), self._marks(second)
        return np.asarray((first.verdict != second.verdict) | _unlike(*marks))

    def settled(self, first: Any, second: Any, third: Any) -> Booleans:
        """Say which flows ``third`` gives the second verdict, where that is none, the decider."""
        same = third.verdict == second.verdict
        unlike = _unlike(self._marks(third), self._marks(second))
        return np.asarray(same & ((first.verdict != second.verdict) | ~unlike))

    def _marks(self, verdicts: Any) -> tuple[UInt32s, UInt32s]:
        """Give the decider of each flow's egress and ingress; 0 where a side has none."""
        table = self._table(verdicts.engine)
        base = verdicts.verdict.astype(np.intp) * (len(table) // len(Verdict))
        return table[base + verdicts.egress], table[base + verdicts.ingress]

    def _table(self, engine: Any) -> UInt32s:
        """Give uint32[verdicts * decisions]: who decides a flow of a verdict by a decision."""
        known = self._tables.get(id(engine))
        if known is None:
            known = self._tables[id(engine)] = engine, self._made(engine)
        return known[1]

    def _made(self, engine: Any) -> UInt32s:
        rules = _Rules(engine, by_content=self._by_content)
        numbers = self._numbers
        deciders = np.array(
            [
                numbers.setdefault(rules.key(side, policy, rule), len(numbers) + 1)
                if policy >= 0
                else 0
                for side, _, _, _, policy, rule, *_ in engine.tables.meta["decisions"]
            ],
            np.uint32,
        )
        info = np.asarray(engine.tables.arrays["decision_info"])
        decides = {
            Verdict.ALLOW: info & 4 != 0,
            Verdict.DENY: info & 3 == Verdict.DENY,
            Verdict.UNKNOWN: info & 3 == Verdict.UNKNOWN,
        }
        parts = [np.where(decides[verdict], deciders, 0) for verdict in Verdict]
        return np.concatenate(parts).astype(np.uint32)


def _unlike(first: tuple[UInt32s, UInt32s], second: tuple[UInt32s, UInt32s]) -> Booleans:
    return np.asarray((first[0] != second[0]) | (first[1] != second[1]))


class _Rules:
    """What tells an engine's rules from all others."""

    def __init__(self, engine: Any, *, by_content: bool) -> None:
        self._policies = engine.policies
        self._specs: dict[tuple[str, str], Any] = {}
        self._keys: dict[tuple[int, int, int], Hashable] = {}
        if by_content:
            loaded = engine.source[0]
            self._specs = {
                (type(one.policy).__name__, one.label): one.policy.spec
                for one in (*loaded.policies, *loaded.cluster_policies)
            }

    def key(self, side: int, policy: int, rule: int) -> Hashable:
        """Give what stands for a rule, or for a policy where ``rule`` is -1."""
        place = side, policy, rule
        found = self._keys.get(place)
        if found is None:
            info = self._policies[policy]
            found = self._keys[place] = info.kind, info.label, self._content(info, side, rule)
        return found

    def _content(self, info: Any, side: int, rule: int) -> bytes | int:
        spec = self._specs.get((info.kind, info.label))
        if rule < 0 or spec is None:
            return rule
        rules = spec.egress if side == Side.EGRESS else spec.ingress
        return msgspec.json.encode(rules[rule])
