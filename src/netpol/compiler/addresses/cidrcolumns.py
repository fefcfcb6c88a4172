"""Takes the sets of address peers that addresses have, gives each a column, and who is in which.

Columns are numbered in the order of the addresses at which their sets first come up, so the columns
of a peer are a few intervals, as its addresses are, however many there are.
"""

from __future__ import annotations

from netpol.compiler.shared.budget import Budget
from netpol.compiler.shared.intervals import Interval
from netpol.compiler.shared.placesets import PlaceSets

__all__ = ["CidrColumns"]

_BYTES = 200  # of one interval in Python


class CidrColumns:
    """CIDR columns of one side; column 0 is the empty set.

    Attributes
    ----------
    of : number of a set -> its column.
    members : per place, the columns that have it: disjoint intervals, in order.
    """

    def __init__(self, sets: PlaceSets, size: int, budget: Budget) -> None:
        self._sets = sets
        self._budget = budget
        self.of = {0: 0}
        self.members: list[list[Interval]] = [[] for _ in range(size)]
        self._open: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self.of)

    def switch(self, place: int) -> None:
        """Let a place hold from here on, or no longer; ``reach`` then says what the set is."""
        start = self._open.pop(place, None)
        if start is None:
            self._open[place] = len(self.of)
        elif start < len(self.of):
            self._add(place, (start, len(self.of)))

    def reach(self, number: int) -> None:
        """Return the set that holds here a column, if it has none."""
        self.of.setdefault(number, len(self.of))

    def close(self) -> None:
        """End a family of addresses."""
        for place in list(self._open):
            self.switch(place)

    def add(self, number: int) -> None:
        """Return a column to a set that comes of no range of addresses."""
        if number in self.of:
            return
        column = self.of[number] = len(self.of)
        self._budget.take(
            self._sets.count(number) * _BYTES, "address peers, as pods and nodes or DNS have them"
        )
        for place in self._sets.places(number):
            self._add(place, (column, column + 1))

    def _add(self, place: int, interval: Interval) -> None:
        known = self.members[place]
        if known and known[-1][1] == interval[0]:
            known[-1] = (known[-1][0], interval[1])
        else:
            known.append(interval)
