"""Takes cases of a row that is split by port, gives each one's decision as a place in the runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from netpol.compiler.rows.decisions import Decision
from netpol.compiler.rows.ports import Treatment
from netpol.compiler.rows.strips import Codes, Decide, case_of_codes, plain_codes
from netpol.compiler.rows.tiers import RowTiers, doubt_of
from netpol.model.verdict import Reason

__all__ = ["OwnNode", "SplitRow", "on_own_node"]


def on_own_node(decision: Decision) -> Decision:
    """Return a decision on the own node that no exemption covers (A11.6)."""
    return decision._replace(own_node=decision.reason is Reason.NP_IMPLICIT_DENY)


@dataclass(slots=True)
class SplitRow:
    """Decides the cases of a split row: of few rules each, so their bits are counted anew."""

    row: RowTiers
    place_of: Callable[[Decision], int]
    exempt: Reason | None
    known: dict[tuple[Treatment, Codes], int] = field(default_factory=dict)

    def always(self) -> Decide | int:
        """Return what gives places, or the one place that an exemption from all there is has."""
        exempt = self.row.plain and self.exempt is not None
        return self.place((), Treatment.PLAIN) if exempt else self.place

    def place(self, codes: Codes, treatment: Treatment) -> int:
        """Return the place of the decision in the runs."""
        key = treatment, codes
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = self.place_of(self._decide(codes, treatment))
        return found

    def _decide(self, codes: Codes, treatment: Treatment) -> Decision:
        whole = self.row.has_removals  # whose bits are the row's
        plain = self.row.plain and self.exempt is None and not whole
        if plain and treatment <= Treatment.UNKNOWN_PROTOCOL:
            return self._plainly(codes, treatment)
        rules, case = case_of_codes(codes, treatment, whole=whole)
        tiers = self.row if whole else self.row.among(rules)
        return tiers.decide(case, self.exempt)

    def _plainly(self, codes: Codes, treatment: Treatment) -> Decision:
        """Decide by the rules themselves, as nearly all cases of 100 000 rules are."""
        certain, possible, doubts = plain_codes(codes)
        if certain:
            return self.row.allowed(certain)
        if possible < 0:
            return self.row.denied()
        return self.row.open(possible, doubt_of(doubts, treatment))


@dataclass(slots=True)
class OwnNode:
    """Decides the cases of the own node that no exemption covers: as any other, but for the note.

    Nearly all are of the same place as the ordinary ones then, which ``SplitRow`` knows already.
    """

    ordinary: SplitRow
    decision_at: Callable[[int], Decision]
    place_of: Callable[[Decision], int]
    known: dict[int, int] = field(default_factory=dict)

    def place(self, codes: Codes, treatment: Treatment) -> int:
        """Return the place of the decision in the runs."""
        ordinary = self.ordinary.place(codes, treatment)
        found = self.known.get(ordinary)
        if found is None:
            decision = self.decision_at(ordinary)
            noted = on_own_node(decision)
            found = self.known[ordinary] = self.place_of(noted) if noted.own_node else ordinary
        return found
