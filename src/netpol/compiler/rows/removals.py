"""Takes a case of a row and what could be removed, gives what takes part and what is indispensable.

Coverage asks of every decision which single rules or elements its verdict hangs on. Where
NetworkPolicies decide plainly, that is those which hold every rule that matches; elsewhere the
tiers are folded again without each that takes part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from netpol.compiler.rows.cases import Case
from netpol.compiler.shared.columns import set_bits
from netpol.model.verdict import Reason, Verdict
from netpol.policy.split import Piece

__all__ = ["Marks", "Removals"]


class Marks(NamedTuple):
    """What coverage wants to know of a decision, in numbers of targets.

    Attributes
    ----------
    matched : certainly match.
    possible : may match, and do not certainly.
    sole : (target, verdict of the side without it), where that is another.
    """

    matched: tuple[int, ...] = ()
    possible: tuple[int, ...] = ()
    sole: tuple[tuple[int, int], ...] = ()


class Tiers(Protocol):
    """What ``RowTiers`` tells of itself."""

    plain: bool
    doubtful: int
    network_policies: int
    ties_matter: bool

    def verdict(self, case: Case, exempt: Reason | None) -> Verdict:
        """Return the verdict of a case."""


class Removals:
    """What could be removed from one row.

    Parameters
    ----------
    pieces
        Of each policy of the row, its bits being those of the row's rules.
    """

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._of_bit = [piece for piece in pieces for _ in range(piece.own.bit_count())]
        self._indexes: dict[int, dict[int, list[Piece]]] = {}

    def inside(self, piece: Piece, bits: int) -> Iterable[Piece]:
        """Return at least those pieces inside of one that own any of the bits.

        A rule may have a thousand elements, of which a case touches two.
        """
        if len(piece.inside) <= _FEW:
            return piece.inside
        index = self._indexes.get(piece.target)
        if index is None:
            index = self._indexes[piece.target] = {}
            for inner in piece.inside:
                for bit in set_bits(inner.own):
                    index.setdefault(bit, []).append(inner)
        found = (inner for bit in set_bits(bits & piece.own) for inner in index[bit])
        return {inner.target: inner for inner in found}.values()

    def _touched(self, bits: int) -> Iterator[Piece]:
        """Yield the pieces that have any of the bits."""
        while bits:
            piece = self._of_bit[(bits & -bits).bit_length() - 1]
            yield piece
            bits &= ~piece.own

    def marks(self, tiers: Tiers, case: Case, exempt: Reason | None, verdict: Verdict) -> Marks:
        """Return what takes part in a case that has this verdict."""
        part = ~tiers.network_policies if exempt is not None else -1
        sure = case.certain & ~tiers.doubtful & part
        maybe = (case.certain | case.possible) & part & ~sure
        matched: list[int] = []
        possible: list[int] = []
        for piece in self._touched(sure | maybe):
            self._sort(piece, sure, maybe, matched, possible)
        if not (case.certain | case.possible):
            return _NOTHING
        without = _Without(self, tiers, case, exempt, verdict)
        for piece in self._touched(case.certain | case.possible):
            without.take(piece, one_action=False)
        return Marks(tuple(matched), tuple(possible), tuple(without.sole))

    def _sort(
        self, piece: Piece, sure: int, maybe: int, matched: list[int], possible: list[int]
    ) -> None:
        """Add a piece and what is inside to those that match, or may."""
        if piece.own & sure:
            matched.append(piece.target)
        elif piece.own & maybe:
            possible.append(piece.target)
        else:
            return
        for inner in self.inside(piece, sure | maybe):
            self._sort(inner, sure, maybe, matched, possible)


_NOTHING = Marks()
_FEW = 6  # pieces that are gone through faster than looked up


class _Without:
    """Decides one case again without pieces; ``sole`` are those that change the verdict."""

    __slots__ = ("_case", "_exempt", "_known", "_removals", "_tiers", "_verdict", "sole")

    def __init__(
        self,
        removals: Removals,
        tiers: Tiers,
        case: Case,
        exempt: Reason | None,
        verdict: Verdict,
    ) -> None:
        self._removals = removals
        self._tiers, self._case = tiers, case
        self._exempt, self._verdict = exempt, verdict
        # A rule with one peer and one port goes with either: nothing is folded twice.
        self._known = {(case.certain, case.possible): verdict}
        self.sole: list[tuple[int, int]] = []

    def take(self, piece: Piece, *, one_action: bool) -> None:
        """Take a piece away, and each that is inside of it.

        Where all that the piece holds does the same, ``one_action``, less than all of it changes
        nothing that all of it does not.
        """
        case, tiers = self._case, self._tiers
        certain, possible = case.certain & ~piece.taken, case.possible & ~piece.taken
        if certain == case.certain and possible == case.possible:
            return
        policies = tiers.network_policies
        if piece.taken & policies:
            one_action = True
            if certain & policies:
                return  # another NetworkPolicy rule allows as well (A9.2)
        changed = self._known.get((certain, possible))
        if changed is None:
            left = Case(certain, possible, case.doubts, case.treatment)
            changed = self._known[certain, possible] = tiers.verdict(left, self._exempt)
        if changed is not self._verdict:
            self.sole.append((piece.target, changed))
        elif one_action and not tiers.ties_matter:
            return
        acting = case.certain | case.possible
        for inner in self._removals.inside(piece, acting):  # without others, it matches as before
            self.take(inner, one_action=True)
