"""Takes a case of a row and what could be removed, gives what takes part and what is indispensable.

Coverage asks of every decision which single rules or elements its verdict hangs on. Where
NetworkPolicies decide plainly, that is those which hold every rule that matches; elsewhere the
tiers are folded again without each that takes part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from netpol.compiler.rowcases import Case
from netpol.policy.elements import Piece
from netpol.verdict import Reason, Verdict

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
        """Give the verdict of a case."""


class Removals:
    """What could be removed from one row.

    Parameters
    ----------
    pieces
        Of each policy of the row, its bits being those of the row's rules.
    """

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._of_bit = [piece for piece in pieces for _ in range(piece.own.bit_count())]

    def _touched(self, bits: int) -> Iterator[Piece]:
        """Give the pieces that have any of the bits."""
        while bits:
            piece = self._of_bit[(bits & -bits).bit_length() - 1]
            yield piece
            bits &= ~piece.own

    def marks(self, tiers: Tiers, case: Case, exempt: Reason | None, verdict: Verdict) -> Marks:
        """Give what takes part in a case that has this verdict."""
        part = ~tiers.network_policies if exempt is not None else -1
        sure = case.certain & ~tiers.doubtful & part
        maybe = (case.certain | case.possible) & part & ~sure
        matched: list[int] = []
        possible: list[int] = []
        for piece in self._touched(sure | maybe):
            _sort(piece, sure, maybe, matched, possible)
        return Marks(
            tuple(matched), tuple(possible), tuple(self._sole(tiers, case, exempt, verdict))
        )

    def _sole(
        self, tiers: Tiers, case: Case, exempt: Reason | None, verdict: Verdict
    ) -> Iterator[tuple[int, int]]:
        for piece in self._touched(case.certain | case.possible):
            yield from _changing(piece, tiers, case, exempt, verdict, one_action=False)


def _sort(piece: Piece, sure: int, maybe: int, matched: list[int], possible: list[int]) -> None:
    """Add a piece and what is inside to those that match, or may."""
    if piece.own & sure:
        matched.append(piece.target)
    elif piece.own & maybe:
        possible.append(piece.target)
    else:
        return
    for inner in piece.inside:
        _sort(inner, sure, maybe, matched, possible)


def _changing(
    piece: Piece,
    tiers: Tiers,
    case: Case,
    exempt: Reason | None,
    verdict: Verdict,
    *,
    one_action: bool,
) -> Iterator[tuple[int, int]]:
    """Give the targets from the piece on that change the verdict when they are gone.

    Where all that the piece holds does the same, ``one_action``, less than all of it changes
    nothing that all of it does not.
    """
    left = case._replace(certain=case.certain & ~piece.taken, possible=case.possible & ~piece.taken)
    if left.certain == case.certain and left.possible == case.possible:
        return
    matters = tiers.network_policies
    if piece.taken & matters:
        one_action = True
        if left.certain & matters:
            return  # another NetworkPolicy rule allows as well (A9.2)
    changed = tiers.verdict(left, exempt)
    if changed is not verdict:
        yield piece.target, changed
    elif one_action and not tiers.ties_matter:
        return
    for inner in piece.inside:
        yield from _changing(inner, tiers, case, exempt, verdict, one_action=True)
