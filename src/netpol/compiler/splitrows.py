"""Takes cases of a row that is split by port, gives each one's decision as a place in the runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from netpol.compiler.decisions import Decision
from netpol.compiler.rowports import Treatment
from netpol.compiler.rowtiers import RowTiers, doubt_of
from netpol.compiler.strips import Codes, Decide, case_of_codes, plain_codes
from netpol.verdict import Reason

__all__ = ["SplitRow", "on_own_node"]


def on_own_node(decision: Decision) -> Decision:
    """Give a decision on the own node that no exemption covers (A11.6)."""
    return decision._replace(own_node=decision.reason is Reason.NP_IMPLICIT_DENY)


@dataclass(slots=True)
class SplitRow:
    """Decides the cases of a split row: of few rules each, so their bits are counted anew."""

    row: RowTiers
    place_of: Callable[[Decision], int]
    exempt: Reason | None
    special: bool
    known: dict[Treatment, dict[Codes, int]] = field(default_factory=dict)

    def always(self) -> Decide | int:
        """Give what gives places, or the one place that an exemption from all there is has."""
        exempt = self.special and self.row.plain and self.exempt is not None
        return self.place((), Treatment.PLAIN) if exempt else self.place

    def place(self, codes: Codes, treatment: Treatment) -> int:
        """Give the place of the decision in the runs."""
        known = self.known.setdefault(treatment, {})
        found = known.get(codes)
        if found is None:
            found = known[codes] = self.place_of(self._decide(codes, treatment))
        return found

    def _decide(self, codes: Codes, treatment: Treatment) -> Decision:
        whole = self.row.has_removals  # whose bits are the row's
        plain = self.row.plain and self.exempt is None and not whole
        if plain and treatment <= Treatment.UNKNOWN_PROTOCOL:
            return self._plainly(codes, treatment)
        rules, case = case_of_codes(codes, treatment, whole=whole)
        tiers = self.row if whole else self.row.among(rules)
        return self._own(tiers.decide(case, self.exempt))

    def _plainly(self, codes: Codes, treatment: Treatment) -> Decision:
        """Decide by the rules themselves, as nearly all cases of 100 000 rules are."""
        certain, possible, doubts = plain_codes(codes)
        if certain:
            return self._own(self.row.allowed(certain))
        if possible < 0:
            return self._own(self.row.denied())
        return self._own(self.row.open(possible, doubt_of(doubts, treatment)))

    def _own(self, decision: Decision) -> Decision:
        return on_own_node(decision) if self.special and self.exempt is None else decision
