"""The answer of the reference evaluator: one flow, its two sides, and how they came about."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from netpol.verdict import Note, Reason, Side, Tier, Verdict

__all__ = ["NOT_A_POD", "Match", "Outcome", "PolicyTrial", "RuleTrial", "SideOutcome"]


class Match(IntEnum):
    """Three-valued match (C4): AND is ``min``, OR is ``max``."""

    NO = 0
    MAYBE = 1
    YES = 2


@dataclass(frozen=True, slots=True)
class RuleTrial:
    """One rule tried on one side.

    ``missed`` is the element that failed (``peer``, ``port`` or ``protocol``), None unless
    ``match`` is NO. ``peer`` and ``port`` are the indices of the elements that matched best, None
    where the rule does not constrain them. ``doubt`` is the reason of a MAYBE (R15).
    """

    rule: int
    match: Match
    missed: str | None = None
    peer: int | None = None
    port: int | None = None
    doubt: Reason | None = None


@dataclass(frozen=True, slots=True)
class PolicyTrial:
    """An isolating policy (``namespace/name``) and the rules of it that were tried, in order."""

    policy: str
    rules: tuple[RuleTrial, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SideOutcome:
    """What one side says.

    ``alternatives`` are the isolating policies tried, each with its rules (C3.1); after a
    match the rest is not tried. ``readings`` are the sides that a doubtful source address
    could give (R10, R11): pairs of who the source may be and what the side would then say.
    """

    applicable: bool = True
    verdict: Verdict
    reason: Reason | None = None
    tier: Tier = Tier.NONE
    policy: str | None = None
    rule: int | None = None
    peer: int | None = None
    port: int | None = None
    alternatives: tuple[PolicyTrial, ...] = ()
    subject: str = ""
    readings: tuple[tuple[str, SideOutcome], ...] = ()


#: A side whose end is not a pod: nothing to evaluate (A9.4).
NOT_A_POD = SideOutcome(applicable=False, verdict=Verdict.ALLOW)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the policies say to a flow.

    ``src`` and ``dst`` say who the ends are. ``parts`` are the outcomes this one was merged
    from: pairs of identities (C5), or backends of a service (C6).
    """

    verdict: Verdict
    side: Side
    reason: Reason
    egress: SideOutcome
    ingress: SideOutcome
    notes: Note = Note.NONE
    src: str = ""
    dst: str = ""
    parts: tuple[Outcome, ...] = ()
