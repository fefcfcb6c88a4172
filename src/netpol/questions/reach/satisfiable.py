"""Takes a selector, gives whether any labels at all satisfy it (A3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netpol.compiler.shared.selection import NO, LabelSets
from netpol.policy.program import Operator, Requirement, Selector

__all__ = ["can_match", "is_satisfiable"]


def is_satisfiable(selector: Selector) -> bool:
    """Whether some set of labels satisfies every requirement; keys do not depend on each other."""
    by_key: dict[str, list[Requirement]] = {}
    for requirement in selector.requirements:
        by_key.setdefault(requirement.key, []).append(requirement)
    return all(_key_is_satisfiable(tests) for tests in by_key.values())


def can_match(selector: Selector, label_sets: Sequence[Mapping[str, str]]) -> bool:
    """Return whether one of some sets of labels satisfies a selector."""
    return bool((LabelSets(label_sets).match(selector) != NO).any())


def _key_is_satisfiable(tests: Sequence[Requirement]) -> bool:
    """Either without the key, or with a value: values of no IN never run out."""
    operators = {test.operator for test in tests}
    if not operators & {Operator.IN, Operator.EXISTS}:
        return True
    if Operator.DOES_NOT_EXIST in operators:
        return False
    wanted = [test.values for test in tests if test.operator is Operator.IN]
    refused = frozenset[str]().union(
        *(test.values for test in tests if test.operator is Operator.NOT_IN)
    )
    return not wanted or bool(frozenset.intersection(*wanted) - refused)
