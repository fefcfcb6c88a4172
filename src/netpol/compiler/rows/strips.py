"""Takes a wide row's rules with their columns and ports, gives what each port says, as strips.

A row of thousands of rules, each with CIDRs and ports of its own, has as many classes of addresses
as of ports, and their product would be filled with what nearly always is the same. Such a row is
*split* by port: for each class of labels and each local port it has a strip, the CIDR columns cut
where the decision changes. Only the rules that a port matches cut it, so 60 000 rules of one CIDR
and one port each take 60 000 strips of three pieces.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from netpol.compiler.layout import PIECE_COLUMNS, Piece
from netpol.compiler.rows.cases import Case, case_of
from netpol.compiler.rows.ports import LocalPorts, PortRules, Treatment
from netpol.compiler.shared.columns import Grouped, mask_of, set_bits
from netpol.compiler.shared.intervals import Interval

__all__ = ["Bound", "Codes", "Decide", "RowStrips", "Strips", "case_of_codes", "plain_codes"]

U32 = npt.NDArray[np.uint32]
#: Rules, in order, as ``rule << _BITS`` with how each matches in its low bits.
Codes = tuple[int, ...]
#: Gives the place of a decision in the runs.
Decide = Callable[[Codes, Treatment], int]
#: A CIDR column and the rules that match by CIDRs from there on, or no longer, and how.
_Edge = tuple[int, list[tuple[int, int]]]
_BITS = 5
_YES, _MAYBE, _NODES, _DNS, _PORT = (1 << bit for bit in range(_BITS))
_CERTAIN = _YES | _PORT
_LANES = (_YES, _NODES, _DNS)
_DOUBTS = (_MAYBE, _NODES, _DNS)


@dataclass(slots=True)
class Strips:
    """The strips of one side, equal ones stored once.

    ``starts[n]`` is the first piece of strip n; a piece is the first CIDR column it is about and
    the place of its decision in the runs.
    """

    starts: array[int] = field(default_factory=lambda: array("I", [0]))
    pieces: array[int] = field(default_factory=lambda: array("I"))
    _ids: dict[bytes, int] = field(default_factory=dict)

    def intern(self, strip: array[int]) -> int:
        """Return the number of a strip: first column and place, piece after piece."""
        key = strip.tobytes()
        found = self._ids.get(key)
        if found is None:
            found = self._ids[key] = len(self.starts) - 1
            self.pieces.extend(strip)
            self.starts.append(len(self.pieces) // PIECE_COLUMNS)
        return found

    def arrays(self, first_run: int) -> tuple[U32, U32]:
        """Return uint32[strips + 1] and uint32[pieces, 2].

        With places moved up by ``first_run``.
        """
        pieces = np.frombuffer(self.pieces, np.uint32).reshape(-1, PIECE_COLUMNS).copy()
        pieces[:, Piece.RUN] += np.uint32(first_run)
        return np.array(self.starts, np.uint32), pieces


class Bound(NamedTuple):
    """How much a row has.

    ``cases`` is about how many cases there are to decide, exactly where CIDRs lie apart or inside
    each other; ``pieces`` and rules ``listed`` as matching in them are at most those of strips.
    """

    cases: int
    pieces: int
    listed: int


class RowStrips:
    """The strips of one row.

    Parameters
    ----------
    cidrs : per rule and lane, the CIDR columns that its peers match: disjoint intervals, in order.
    everyone : rules without peers.
    labels : classes of labels, as ``RowClasses`` has them.
    ports : the row's local ports.
    plain : whether all rules are NetworkPolicies', and nobody asks which of them a verdict needs.
    """

    def __init__(
        self,
        cidrs: Sequence[Sequence[Sequence[Interval]]],
        everyone: frozenset[int],
        labels: Grouped,
        ports: LocalPorts,
        *,
        plain: bool,
    ) -> None:
        self._plain = plain
        self._cidrs = cidrs
        self._lanes = max(map(len, cidrs), default=0)
        self._everyone = everyone
        self._labels = labels
        self._ports = ports
        self._classes: dict[int, list[tuple[int, int]]] = {}  # rule -> (class of labels, code)
        for place, bits in enumerate(labels.bits):
            for bit in set_bits(bits):
                maybe, rule = divmod(bit, len(cidrs))
                code = _MAYBE if maybe else _YES
                self._classes.setdefault(rule, []).append((place, code))

    def bound(self) -> Bound:
        """Return at most how much there is, without making it."""
        width = len(self._cidrs)
        cuts = self._ports.weighed([sum(map(len, lanes)) for lanes in self._cidrs])
        classes = self._ports.weighed([len(self._classes.get(rule, ())) for rule in range(width)])
        most = len(self._labels.bits)
        variants = [min(1 + n, most) for n in classes]
        cases = sum((1 + n) * m for n, m in zip(cuts, variants, strict=True))
        pieces = [(1 + 2 * n) * m for n, m in zip(cuts, variants, strict=True)]
        # Of rules that only may match the first is listed, where NetworkPolicies are all there is.
        listed = self._ports.weighed([1] * width + [0 if self._plain else 1] * width)
        by_piece = sum(n * m for n, m in zip(pieces, listed, strict=True))
        columns = [
            sum(end - first for lane in lanes for first, end in lane) for lanes in self._cidrs
        ]
        by_rule = sum(self._ports.weighed([n + 1 for n in columns])) * most
        return Bound(cases, sum(pieces) + most * len(self._ports), min(by_piece, by_rule))

    def pairs(self, strips: Strips, decide: Decide, special: Sequence[Decide | int]) -> U32:
        """Return uint32[classes of labels + special ones, local ports], numbers of strips.

        ``special`` decide for nobody's labels in their own way, or are one place in the runs.
        """
        classes = len(self._labels.bits)
        extra = np.array(self._labels.extra, np.int64) if any(self._labels.extra) else None
        found = np.empty((classes + len(special), len(self._ports)), np.uint32)
        for place, other in enumerate(special, classes):
            if isinstance(other, int):
                found[place] = strips.intern(array("I", (0, other)))
        for local, (_, treatment) in enumerate(self._ports.keys):
            base: list[int] = []
            own: dict[int, int] = {}
            rules = self._ports.rules(local)
            for meaning, mine in enumerate(rules):
                if meaning and mine is rules[0]:
                    base.append(base[0])
                    continue
                edges = self._edges(mine)
                nobody = self._told(edges, mine, {})
                base.append(strips.intern(_strip(nobody, treatment, decide)))
                if meaning == 0:
                    for place, other in enumerate(special, classes):
                        if not isinstance(other, int):
                            found[place, local] = strips.intern(_strip(nobody, treatment, other))
                for place, codes in self._variants(mine).items():
                    if self._labels.extra[place] == meaning or mine is rules[0]:
                        told = self._told(edges, mine, codes)
                        own[place] = strips.intern(_strip(told, treatment, decide))
            found[:classes, local] = base[0] if extra is None else np.array(base)[extra]
            for place, strip in own.items():
                found[place, local] = strip
        return found

    def _variants(self, mine: PortRules) -> dict[int, dict[int, int]]:
        """Return classes of labels that some rule of a port matches, with what matches there."""
        found: dict[int, dict[int, int]] = {}
        for rule in (*mine.certain, *mine.possible):
            for place, code in self._classes.get(rule, ()):
                known = found.setdefault(place, {})
                known[rule] = known.get(rule, 0) | code
        return found

    def _edges(self, mine: PortRules) -> list[_Edge]:
        """Cut the columns where what the rules of a port say of addresses changes."""
        edges: dict[int, list[tuple[int, int]]] = {0: []}
        for rule in {*mine.certain, *mine.possible}:
            if rule in self._everyone:
                edges[0].append((rule, _YES))
                continue
            for code, intervals in zip(_LANES, self._cidrs[rule], strict=False):
                for interval in intervals:
                    for column in interval:
                        edges.setdefault(column, []).append((rule, code))
        return sorted(edges.items())

    def _told(
        self, edges: list[_Edge], mine: PortRules, labels: dict[int, int]
    ) -> list[tuple[int, Codes]]:
        """Return how rules match from each of some columns on, for a class of labels."""
        if not mine.possible and not labels and self._lanes == 1:
            return _certainly(edges)
        held = _Held(mine, plain=self._plain)
        for rule, code in labels.items():
            held.label(rule, code)
        told = []
        for column, switched in edges:
            for rule, code in switched:
                held.switch(rule, code)
            told.append((column, held.codes()))
        return told


def _certainly(edges: list[_Edge]) -> list[tuple[int, Codes]]:
    """Return the same where ports match all rules and nothing is in doubt: so are most ports."""
    held: set[int] = set()
    told = []
    for column, switched in edges:
        held.symmetric_difference_update([rule for rule, _ in switched])
        told.append((column, tuple([rule << _BITS | _CERTAIN for rule in sorted(held)])))
    return told


class _Held:
    """The rules of a port that match, or may, at the column reached.

    Where NetworkPolicies are all there is, ``plain``, a case hangs on the rules that match or else
    on the first that may, so no others are told: a port that is not recorded may match all.
    """

    def __init__(self, ports: PortRules, *, plain: bool) -> None:
        self._plain = plain
        self._port = set(ports.certain)
        self._labels: dict[int, int] = {}
        self._cidrs: dict[int, int] = {}
        self._certain: set[int] = set()
        self._possible: set[int] = set()
        self._first: list[int] = []  # heap; rules may be gone

    def label(self, rule: int, code: int) -> None:
        """Let a rule match by labels."""
        self._labels[rule] = code
        self._sort(rule)

    def switch(self, rule: int, code: int) -> None:
        """Let a rule match by CIDRs, or no longer."""
        self._cidrs[rule] = self._cidrs.get(rule, 0) ^ code
        self._sort(rule)

    def _code(self, rule: int) -> int:
        return self._cidrs.get(rule, 0) | self._labels.get(rule, 0)

    def _sort(self, rule: int) -> None:
        code = self._code(rule)
        self._certain.discard(rule)
        if code & _YES and rule in self._port:
            self._certain.add(rule)
            self._possible.discard(rule)
        elif code:
            if rule not in self._possible:
                self._possible.add(rule)
                heappush(self._first, rule)
        else:
            self._possible.discard(rule)

    def codes(self) -> Codes:
        """Return what is told of this column."""
        if not self._plain:
            return tuple([self._told(rule) for rule in sorted({*self._certain, *self._possible})])
        if self._certain:
            return tuple([rule << _BITS | _CERTAIN for rule in sorted(self._certain)])
        if not self._possible:
            return ()
        while self._first[0] not in self._possible:
            heappop(self._first)
        return (self._told(self._first[0]),)

    def _told(self, rule: int) -> int:
        return rule << _BITS | self._code(rule) | (rule in self._port) * _PORT


def _strip(told: list[tuple[int, Codes]], treatment: Treatment, decide: Decide) -> array[int]:
    """Return a strip: neighbours of which the same is said are one piece."""
    strip = array("I")
    for column, codes in told:
        place = decide(codes, treatment)
        if not strip or strip[-1] != place:
            strip.extend((column, place))
    return strip


def case_of_codes(codes: Codes, treatment: Treatment, *, whole: bool) -> tuple[list[int], Case]:
    """Return the rules of a case, and the case.

    Its bits are places among those rules, or with ``whole`` those of the row.
    """
    rules = [code >> _BITS for code in codes]
    bits = rules if whole else range(len(rules))
    yes, maybe, nodes, dns, port = (
        mask_of([bit for bit, code in zip(bits, codes, strict=True) if code & flag])
        for flag in (_YES, _MAYBE, _NODES, _DNS, _PORT)
    )
    return rules, case_of(yes, (maybe, nodes, dns), (port, mask_of(bits)), treatment)


def plain_codes(codes: Codes) -> tuple[list[int], int, list[bool]]:
    """Return the rules that match, else the first that may (-1 if none), and if its peer does so.

    By reason of doubt: labels, nodes, DNS. The codes are those of a plain row.
    """
    if not codes:
        return [], -1, []
    code = codes[0]
    if code & _CERTAIN == _CERTAIN:  # then so are all
        return [code >> _BITS for code in codes], -1, []
    return [], code >> _BITS, [not code & _YES and bool(code & bit) for bit in _DOUBTS]
