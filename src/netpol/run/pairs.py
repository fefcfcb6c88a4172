"""Takes what the flows of a pair share, in numbers of an engine, gives it in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from netpol.model.batch import PROTOCOL_NAMES, UNKNOWN_PROTOCOL
from netpol.model.verdict import Reason, Side
from netpol.run.sums import PairKey, Weight

if TYPE_CHECKING:
    from netpol.engine.decisions import PolicyInfo
    from netpol.engine.engine import Engine

__all__ = ["Credit", "Pair", "PairList", "credits_of", "pair_of", "protocol_name", "rule_line"]


@dataclass(frozen=True, slots=True)
class Credit:
    """The policy that decided a side; ``rule`` None is its implicit deny (no rule matched).

    ``isolating`` names every policy that isolates the pod on that side, the credited one first:
    after an implicit deny, those are the ones that could have allowed the flow.
    """

    policy: str
    rule: int | None
    side: Side
    file: str | None = None
    line: int | None = None
    isolating: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pair:
    """Flows that differ in nothing but addresses, source port and time, by workload."""

    src: str
    dst: str
    protocol: str
    port: int | None  # None: the protocol has no ports, or the port was not recorded
    side: Side
    reason: Reason
    credits: tuple[Credit, ...]  # of the deciding side or sides, egress first
    weight: Weight


@dataclass(frozen=True, slots=True)
class PairList:
    """The heaviest pairs of one verdict; ``others`` holds the weight of those not listed."""

    pairs: tuple[Pair, ...] = ()
    distinct: int = 0  # how many pairs there are; a lower bound where ``capped``
    capped: bool = False  # more distinct pairs than are counted one by one
    others: Weight = field(default_factory=Weight)

    def first(self, number: int) -> PairList:
        """Return the list with no more than ``number`` pairs; the rest is among the others."""
        rest = sum((pair.weight for pair in self.pairs[number:]), self.others)
        return PairList(self.pairs[:number], self.distinct, self.capped, rest)


def pair_of(engine: Engine, key: PairKey, weight: Weight) -> Pair:
    """Return the pair that a key of a tally stands for."""
    return Pair(
        src=key.src,
        dst=key.dst,
        protocol=protocol_name(key.protocol),
        port=key.port,
        side=key.side,
        reason=key.reason,
        credits=credits_of(engine, key.egress, key.ingress),
        weight=weight,
    )


def credits_of(engine: Engine, egress: int, ingress: int) -> tuple[Credit, ...]:
    """Return who decided each side, egress first; a decision of 0 did not."""
    deciders = (_credit(engine, egress, Side.EGRESS), _credit(engine, ingress, Side.INGRESS))
    return tuple(credit for credit in deciders if credit is not None)


def _credit(engine: Engine, decision_id: int, side: Side) -> Credit | None:
    decision = engine.decisions[decision_id]
    if decision.policy is None or decision.policy_index is None:
        return None
    policies = engine.policies
    info = policies[decision.policy_index]
    line = info.line if decision.rule is None else rule_line(info, side, decision.rule)
    isolating = tuple(policies[index].label for index in decision.isolating)
    return Credit(decision.policy, decision.rule, side, info.file, line, isolating)


def rule_line(info: PolicyInfo, side: Side, rule: int) -> int | None:
    """Return the line of a rule of a ``PolicyInfo``, None where it is not known."""
    egress, ingress = info.rule_lines
    lines: tuple[int, ...] = egress if side is Side.EGRESS else ingress
    return lines[rule] or None


def protocol_name(number: int) -> str:
    """Return the name of a protocol number, the number as text, or ``unknown``."""
    if number == UNKNOWN_PROTOCOL:
        return "unknown"
    return PROTOCOL_NAMES.get(number, str(number))
