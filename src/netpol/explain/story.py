"""The decision on one flow as data: what was asked of which rule, and what would flip it."""

from __future__ import annotations

from dataclasses import dataclass, field

from netpol.model.flow import Flow
from netpol.model.verdict import Reason, Tier, Verdict
from netpol.policy.edits import Edit, Place
from netpol.reference.outcome import Effect, Match, Outcome, SideOutcome

__all__ = [
    "Element",
    "Explanation",
    "Flip",
    "Hint",
    "PairStory",
    "PolicyStory",
    "Reading",
    "RuleStory",
    "SideStory",
]


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a rule's peers or ports, and how the flow compares to it.

    ``place`` is ``from[0]``, ``text`` the element as written, in a line; ``why`` what it matched
    or missed on.
    """

    place: str
    text: str
    match: Match
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleStory:
    """One rule that was tried; without peers or ports it does not constrain them."""

    index: int
    name: str = ""
    effect: Effect
    match: Match
    fail_closed: bool = False
    doubt: Reason | None = None
    where: Place
    peers: tuple[Element, ...] = ()
    ports: tuple[Element, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyStory:
    """One policy that selects the pod, or may.

    ``why`` tells the selector as written and the labels it met. ``governs`` says whether the
    policy speaks of the direction at all, ``tried`` whether its rules were asked: an earlier
    decision or an exemption may come before it.
    """

    policy: str
    tier: Tier
    priority: int | None = None
    where: Place
    selects: Match
    why: str
    governs: bool
    tried: bool
    rules: tuple[RuleStory, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SideStory:
    """One side: what it says, and the policies that select its pod in the order tried.

    ``readings`` are what NAT may have shown its policies (A15).
    """

    direction: str
    outcome: SideOutcome
    policies: tuple[PolicyStory, ...] = ()
    readings: tuple[Reading, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a side says if its policies saw one of some ends, which are decided alike.

    ``text`` names them in a few words, ``ends`` are all: who, the address, and of egress the port.
    ``story`` is told for the first.
    """

    text: str
    ends: tuple[str, ...]
    story: SideStory


@dataclass(frozen=True, slots=True, kw_only=True)
class PairStory:
    """One pair of ends; ``alike`` are further pairs that are decided by the same rules."""

    outcome: Outcome
    egress: SideStory
    ingress: SideStory
    alike: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """Changes that together turn the verdict; judged on a copy of the objects before told."""

    verdict: Verdict
    edits: tuple[Edit, ...]

    @property
    def text(self) -> str:
        """``would be allowed if …``."""
        word = "allowed" if self.verdict is Verdict.ALLOW else "denied"
        return f"would be {word} if {' and '.join(edit.text for edit in self.edits)}"


@dataclass(frozen=True, slots=True)
class Hint:
    """What a person may not know who wonders about a verdict, in a line; ``kind`` is its code."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The whole story of one flow."""

    flow: Flow
    outcome: Outcome
    pairs: tuple[PairStory, ...]
    remarks: tuple[str, ...] = ()
    hints: tuple[Hint, ...] = ()
    flips: tuple[Flip, ...] = field(default=())
