"""Takes places that are switched on and off, gives a number to each set of them that comes up.

What holds at an address or a port is a set of places, of which a neighbour differs in one or two.
A set is a tree of blocks, and equal trees are stored once: so switching one place costs the height
of the tree, equal sets have equal numbers without a hash to trust, and n sets of which each differs
from the last in one place take n log n bytes, however large they are.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from netpol.compiler.shared.columns import set_bits

__all__ = ["PlaceSets"]

_SHIFT = 8
_BLOCK = 1 << _SHIFT
# Ways a node branches: with 2 in place of 16 a compile of 20 000 CIDRs took 1.5 times the memory.
_FAN_SHIFT = 4
_FAN = 1 << _FAN_SHIFT
_Node = tuple[int, ...]


class PlaceSets:
    """Sets of places 0 to ``size - 1``; 0 is the number of the empty one."""

    def __init__(self, size: int) -> None:
        self._height = 0
        while _BLOCK << _FAN_SHIFT * self._height < size:
            self._height += 1
        self._blocks = [0]
        self._block_ids = {0: 0}
        self._nodes: list[_Node] = [(0,) * _FAN]
        self._node_ids = {self._nodes[0]: 0}
        self._sizes: dict[tuple[int, int], int] = {}
        self._without: dict[tuple[int, int, int], int] = {}

    def toggled(self, number: int, places: Sequence[int]) -> int:
        """Return the set in which each place is on if it was off, and off if it was on.

        A place may come twice: it is then as it was.
        """
        if len(places) > 1:
            return self._toggled(number, self._height, sorted(places), 0, len(places), 0)
        return self._one(number, places[0]) if places else number

    def has(self, number: int, place: int) -> bool:
        """Return whether a set has a place."""
        for level in range(self._height - 1, -1, -1):
            number = self._nodes[number][place >> _SHIFT + _FAN_SHIFT * level & _FAN - 1]
        return bool(self._blocks[number] >> (place & _BLOCK - 1) & 1)

    def joined(self, number: int, places: Iterable[int]) -> int:
        """Return the set with further places."""
        return self.toggled(number, [p for p in dict.fromkeys(places) if not self.has(number, p)])

    def without(self, number: int, other: int) -> int:
        """Return the places of one set that another lacks."""
        return self._difference(number, other, self._height)

    def places(self, number: int) -> list[int]:
        """Return the places of a set, in order."""
        found: list[int] = []
        waiting = [(number, self._height, 0)]
        while waiting:
            node, level, first = waiting.pop()
            if level == 0:
                found += [first + bit for bit in set_bits(self._blocks[node])]
                continue
            size = _BLOCK << _FAN_SHIFT * (level - 1)
            end = first + _FAN * size
            for child in reversed(self._nodes[node]):
                end -= size
                if child:
                    waiting.append((child, level - 1, end))
        return found

    def count(self, number: int) -> int:
        """Return how many places a set has."""
        return self._count(number, self._height)

    def _count(self, number: int, level: int) -> int:
        if level == 0:
            return self._blocks[number].bit_count()
        found = self._sizes.get((number, level))
        if found is None:
            children = filter(None, self._nodes[number])
            found = sum(self._count(child, level - 1) for child in children)
            self._sizes[number, level] = found
        return found

    def _one(self, number: int, place: int) -> int:
        above = []
        for level in range(self._height - 1, -1, -1):
            children = self._nodes[number]
            way = place >> _SHIFT + _FAN_SHIFT * level & _FAN - 1
            above.append((children, way))
            number = children[way]
        number = self._block(self._blocks[number] ^ 1 << (place & _BLOCK - 1))
        for children, way in reversed(above):
            number = self._node((*children[:way], number, *children[way + 1 :]))
        return number

    def _toggled(
        self, number: int, level: int, places: Sequence[int], low: int, high: int, first: int
    ) -> int:
        """Switch ``places[low:high]``, which lie below a node that begins with place ``first``."""
        if level == 0:
            bits = self._blocks[number]
            for place in places[low:high]:
                bits ^= 1 << place - first
            return self._block(bits)
        children = list(self._nodes[number])
        size = _BLOCK << _FAN_SHIFT * (level - 1)
        while low < high:
            way = (places[low] - first) // size
            start = first + way * size
            end = bisect_left(places, start + size, low, high)
            children[way] = self._toggled(children[way], level - 1, places, low, end, start)
            low = end
        return self._node(tuple(children))

    def _difference(self, number: int, other: int, level: int) -> int:
        if number in (0, other):
            return 0
        if other == 0:
            return number
        if level == 0:
            return self._block(self._blocks[number] & ~self._blocks[other])
        found = self._without.get((number, other, level))
        if found is None:
            pairs = zip(self._nodes[number], self._nodes[other], strict=True)
            children = tuple([self._difference(one, two, level - 1) for one, two in pairs])
            found = self._without[number, other, level] = self._node(children)
        return found

    def _block(self, bits: int) -> int:
        found = self._block_ids.get(bits)
        if found is None:
            found = self._block_ids[bits] = len(self._blocks)
            self._blocks.append(bits)
        return found

    def _node(self, children: _Node) -> int:
        found = self._node_ids.get(children)
        if found is None:
            found = self._node_ids[children] = len(self._nodes)
            self._nodes.append(children)
        return found
