"""Takes places that are switched on and off, gives a number to each set of them that comes up.

What holds at an address or a port is a set of places, of which a neighbour differs in one or two.
A set is a tree of blocks, and equal trees are stored once: so switching one place costs the height
of the tree, equal sets have equal numbers without a hash to trust, and n sets of which each differs
from the last in one place take n log n bytes, however large they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netpol.compiler.columns import set_bits

__all__ = ["PlaceSets"]

_SHIFT = 8
_BLOCK = 1 << _SHIFT


class PlaceSets:
    """Sets of places 0 to ``size - 1``; 0 is the number of the empty one."""

    def __init__(self, size: int) -> None:
        self._height = max(-(-size // _BLOCK) - 1, 0).bit_length()
        self._blocks = [0]
        self._block_ids = {0: 0}
        self._nodes = [(0, 0)]
        self._node_ids = {(0, 0): 0}
        self._sizes: dict[tuple[int, int], int] = {}
        self._without: dict[tuple[int, int, int], int] = {}

    def __len__(self) -> int:
        """Give how many pieces of trees there are."""
        return len(self._blocks) + len(self._nodes)

    def toggled(self, number: int, place: int) -> int:
        """Give the set in which a place is on if it was off, and off if it was on."""
        nodes, block = self._nodes, place >> _SHIFT
        path = []
        for level in range(self._height - 1, -1, -1):
            path.append(nodes[number])
            number = path[-1][block >> level & 1]
        number = self._block(self._blocks[number] ^ 1 << (place & _BLOCK - 1))
        for level, (left, right) in enumerate(reversed(path)):
            pair = (left, number) if block >> level & 1 else (number, right)
            number = self._node(pair)
        return number

    def has(self, number: int, place: int) -> bool:
        """Whether a set has a place."""
        block = place >> _SHIFT
        for level in range(self._height - 1, -1, -1):
            number = self._nodes[number][block >> level & 1]
        return bool(self._blocks[number] >> (place & _BLOCK - 1) & 1)

    def joined(self, number: int, places: Iterable[int]) -> int:
        """Give the set with further places."""
        for place in places:
            if not self.has(number, place):
                number = self.toggled(number, place)
        return number

    def without(self, number: int, other: int) -> int:
        """Give the places of one set that another lacks."""
        return self._difference(number, other, self._height)

    def places(self, number: int) -> list[int]:
        """Give the places of a set, in order."""
        found: list[int] = []
        waiting = [(number, self._height, 0)]
        while waiting:
            node, level, first = waiting.pop()
            if node == 0:
                continue
            if level == 0:
                found += [first + bit for bit in set_bits(self._blocks[node])]
                continue
            left, right = self._nodes[node]
            waiting.append((right, level - 1, first + (_BLOCK << level - 1)))
            waiting.append((left, level - 1, first))
        return found

    def count(self, number: int) -> int:
        """Give how many places a set has."""
        return self._count(number, self._height)

    def weighed(self, numbers: Iterable[int], weights: Sequence[int]) -> list[int]:
        """Give the sum of weights of each set's places; place p weighs ``weights[p % n]``."""
        sums: dict[tuple[int, int, int], int] = {}
        size = len(weights)

        def weigh(number: int, level: int, first: int) -> int:
            if number == 0:
                return 0
            key = (number, level, first)
            if key not in sums:
                if level == 0:
                    bits = set_bits(self._blocks[number])
                    sums[key] = sum(weights[(first + bit) % size] for bit in bits)
                else:
                    left, right = self._nodes[number]
                    half = _BLOCK << level - 1
                    sums[key] = weigh(left, level - 1, first) + weigh(right, level - 1, first + half)
            return sums[key]

        return [weigh(number, self._height, 0) for number in numbers]

    def _count(self, number: int, level: int) -> int:
        if number == 0:
            return 0
        if level == 0:
            return self._blocks[number].bit_count()
        found = self._sizes.get((number, level))
        if found is None:
            left, right = self._nodes[number]
            found = self._count(left, level - 1) + self._count(right, level - 1)
            self._sizes[number, level] = found
        return found

    def _difference(self, number: int, other: int, level: int) -> int:
        if number == 0 or number == other:
            return 0
        if other == 0:
            return number
        if level == 0:
            return self._block(self._blocks[number] & ~self._blocks[other])
        found = self._without.get((number, other, level))
        if found is None:
            pairs = zip(self._nodes[number], self._nodes[other], strict=True)
            left, right = (self._difference(one, two, level - 1) for one, two in pairs)
            found = self._without[number, other, level] = self._node((left, right))
        return found

    def _block(self, bits: int) -> int:
        found = self._block_ids.get(bits)
        if found is None:
            found = self._block_ids[bits] = len(self._blocks)
            self._blocks.append(bits)
        return found

    def _node(self, pair: tuple[int, int]) -> int:
        found = self._node_ids.get(pair)
        if found is None:
            found = self._node_ids[pair] = len(self._nodes)
            self._nodes.append(pair)
        return found
