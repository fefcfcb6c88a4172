"""The answer of the reference evaluator: one flow, its two sides, and how they came about."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from netpol.model.verdict import Note, Reason, Side, Tier, Verdict

if TYPE_CHECKING:
    from netpol.reference.side_query import SideQuery

__all__ = [
    "NOT_A_POD",
    "Effect",
    "Match",
    "Outcome",
    "PolicyTrial",
    "RuleTrial",
    "SideOutcome",
    "TierTrial",
    "Witness",
    "verdict_of",
]


class Match(IntEnum):
    """Three-valued match (C4): AND is ``min``, OR is ``max``."""

    NO = 0
    MAYBE = 1
    YES = 2


class Effect(IntEnum):
    """What a rule does where it matches; PASS goes on to the next tier (B5.2, B5.5)."""

    ALLOW = 0
    DENY = 1
    PASS = 2


@dataclass(frozen=True, slots=True)
class RuleTrial:
    """One rule tried on one side.

    ``missed`` is the element that failed (``peer``, ``port`` or ``protocol``, ``rule`` where it
    cannot be used), None unless ``match`` is NO. ``peer`` and ``port`` are the indices of the
    elements that matched best, None where the rule does not constrain them. ``doubt`` is the reason
    of a MAYBE (R15). ``fail_closed`` says that the rule as written cannot be used (B4.8).
    """

    rule: int
    match: Match
    missed: str | None = None
    peer: int | None = None
    port: int | None = None
    doubt: Reason | None = None
    effect: Effect = Effect.ALLOW
    fail_closed: bool = False


@dataclass(frozen=True, slots=True)
class PolicyTrial:
    """A policy (``namespace/name`` or ``Kind/name``) and the rules of it tried, in order."""

    policy: str
    rules: tuple[RuleTrial, ...]


class Witness(NamedTuple):
    """One way a side may come to a verdict: by a rule, a policy's isolation, or nothing (C4)."""

    verdict: Verdict
    policy: str | None = None
    rule: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SideOutcome:
    """What one side says.

    ``alternatives`` are the policies tried, each with its rules (C3.1); after a match the rest is
    not tried. ``witnesses`` are two ways to two verdicts, where a doubt (C4) or a tie of priorities
    (B3.4) leaves both open; ``tie`` says that it is a tie. ``readings`` are the sides that a
    doubtful source address could give (R10, R11): pairs of who the source may be and what the side
    would then say. ``question`` is what was asked, for who tells it.
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
    witnesses: tuple[Witness, ...] = ()
    tie: bool = False
    question: SideQuery | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TierTrial:
    """One tier tried on one side (B8).

    ``groups`` hold the policies in order, those of equal priority together (B3.4). ``end`` is what
    the tier says where no rule matches, None to go on to the next tier; ``settled`` what it says
    whatever its rules (an exemption).
    """

    tier: Tier
    groups: tuple[tuple[PolicyTrial, ...], ...] = ()
    end: SideOutcome | None = None
    settled: SideOutcome | None = None


def verdict_of(egress: Verdict, ingress: Verdict) -> Verdict:
    """Put two sides together: deny beats unknown beats allow (A9.3, C5)."""
    order = (Verdict.DENY, Verdict.UNKNOWN, Verdict.ALLOW)
    return next(verdict for verdict in order if verdict in (egress, ingress))


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
