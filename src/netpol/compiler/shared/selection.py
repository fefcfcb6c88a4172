"""Takes selectors and label sets, gives which match: NO, MAYBE or YES (specification.md A3, C4).

Distinct label sets are interned once; each label key becomes one column of value codes, so a
requirement is one vectorised comparison over the distinct sets instead of a walk over pods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from netpol.policy.program import Operator, Requirement, Selector

__all__ = ["MAYBE", "NO", "YES", "LabelSets", "TriVector"]

NO, MAYBE, YES = 0, 1, 2
TriVector = npt.NDArray[np.uint8]
_ABSENT = -1


class LabelSets:
    """Distinct label sets as columns of value codes.

    Parameters
    ----------
    label_sets
        One mapping per set. Labels that a set does not hold are absent, unless the set's entry in
        ``partial`` is true: then only the labels given are known, and a test of any other key is
        MAYBE (A3.8).
    """

    def __init__(
        self, label_sets: Sequence[Mapping[str, str]], partial: Sequence[bool] | None = None
    ) -> None:
        self.size = len(label_sets)
        self.partial = np.asarray(partial if partial is not None else [False] * self.size, bool)
        self._codes: dict[str, npt.NDArray[np.int32]] = {}
        self._values: dict[str, dict[str, int]] = {}
        self._memo: dict[Requirement, TriVector] = {}
        for row, labels in enumerate(label_sets):
            for key, value in labels.items():
                column = self._codes.get(key)
                if column is None:
                    column = self._codes[key] = np.full(self.size, _ABSENT, np.int32)
                    self._values[key] = {}
                values = self._values[key]
                column[row] = values.setdefault(value, len(values))

    def match(self, selector: Selector) -> TriVector:
        """Return uint8[size] of NO, MAYBE, YES; all requirements ANDed, i.e. the minimum (A3.1)."""
        result = np.full(self.size, YES, np.uint8)
        for requirement in selector.requirements:
            np.minimum(result, self._requirement(requirement), out=result)
        return result

    def _requirement(self, requirement: Requirement) -> TriVector:
        found = self._memo.get(requirement)
        if found is None:
            found = self._memo[requirement] = self._test(requirement)
        return found

    def _test(self, requirement: Requirement) -> TriVector:
        codes = self._codes.get(requirement.key)
        operator = requirement.operator
        if codes is None:
            present = hit = np.zeros(self.size, bool)
        else:
            present = codes != _ABSENT
            values = self._values[requirement.key]
            wanted = [values[value] for value in requirement.values if value in values]
            hit = codes == wanted[0] if len(wanted) == 1 else np.isin(codes, wanted)
        match operator:
            case Operator.IN:
                truth = hit  # A3.2
            case Operator.NOT_IN:
                truth = ~hit  # A3.3: a missing key matches
            case Operator.EXISTS:
                truth = present  # A3.4
            case Operator.DOES_NOT_EXIST:
                truth = ~present
        result = np.where(truth, np.uint8(YES), np.uint8(NO))
        result[self.partial & ~present] = MAYBE
        return result
