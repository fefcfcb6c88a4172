"""Takes an engine and a stream of flow batches, gives a ``ReplaySummary`` and per-flow records.

Runs in constant memory: per batch a few ``bincount`` over verdict codes and decision ids, and one
grouping of the denied and unknown flows. Everything about a policy or a rule follows at the end
from the decisions and how much weight each got; no flow is looked at by Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from netpol.flows.batch import PROTOCOL_NAMES, UNKNOWN_PROTOCOL, Column, FlowBatch, SkippedRecord
from netpol.tally import GroupCounter, Histogram, Weight, Weights
from netpol.verdict import Note, Reason, Side, Verdict

__all__ = [
    "Credit",
    "Isolation",
    "Pair",
    "PairList",
    "PolicyUse",
    "ReaderCounts",
    "RecordWriter",
    "ReplaySummary",
    "RuleUse",
    "replay",
]

_HAS_PORTS = np.zeros(256, np.bool_)  # by protocol number
_HAS_PORTS[[6, 17, 33, 132, 136, UNKNOWN_PROTOCOL]] = True
_REASONS, _SIDES = len(Reason), len(Side)


class RecordWriter(Protocol):
    """Something that takes verdicts batch by batch, in input order."""

    def write(self, verdicts: Any) -> None:
        """Take one batch of verdicts."""


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


@dataclass(frozen=True, slots=True)
class RuleUse:
    """How much one rule was used. ``decided`` counts flows it got the credit for (first match)."""

    side: Side
    index: int
    line: int | None
    matched: Weight
    decided: Weight


@dataclass(frozen=True, slots=True)
class PolicyUse:
    """How much one policy was used. Implicit denies are credited to the first isolating policy."""

    label: str
    kind: str
    file: str | None
    line: int | None
    isolates_egress: bool
    isolates_ingress: bool
    denied_egress: Weight
    denied_ingress: Weight
    rules: tuple[RuleUse, ...]


@dataclass(frozen=True, slots=True)
class Isolation:
    """Pods of the snapshot and which of them some policy isolates, per direction."""

    pods: int = 0
    egress: tuple[str, ...] = ()
    ingress: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReaderCounts:
    """What the flow reader came across (``netpol.flows.stats`` says what each counts)."""

    records: int = 0
    lines: int = 0
    bytes_read: int = 0
    repaired: int = 0
    duplicates: int = 0
    suspected_reversed: int = 0
    evicted: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    samples: tuple[SkippedRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class ReplaySummary:
    """What a replay found; every weight is in flows, packets and bytes.

    ``has_packets`` and ``has_bytes`` say whether any batch carried such counters. A flow stands
    for as many flows as its record says (``FlowBatch.flows``), one where it says nothing.
    """

    total: Weight
    has_packets: bool
    has_bytes: bool
    outcomes: dict[tuple[Verdict, Reason, Side], Weight]
    notes: dict[Note, Weight]
    denied: PairList
    unknown: PairList
    policies: tuple[PolicyUse, ...]
    isolation: Isolation
    reader: ReaderCounts

    def by_verdict(self) -> dict[Verdict, Weight]:
        """Give the weight of each verdict, also of those that never occurred."""
        sums = dict.fromkeys(Verdict, Weight())
        for (verdict, _, _), weight in self.outcomes.items():
            sums[verdict] += weight
        return sums

    def by_reason(self, verdict: Verdict) -> dict[Reason, Weight]:
        """Give the weight of each reason of a verdict, heaviest first."""
        sums: dict[Reason, Weight] = {}
        for (other, reason, _), weight in self.outcomes.items():
            if other is verdict:
                sums[reason] = sums.get(reason, Weight()) + weight
        return dict(sorted(sums.items(), key=lambda item: -item[1].flows))

    def by_side(self, verdict: Verdict) -> dict[Side, Weight]:
        """Give the weight of each deciding side of a verdict."""
        sums: dict[Side, Weight] = {}
        for (other, _, side), weight in self.outcomes.items():
            if other is verdict:
                sums[side] = sums.get(side, Weight()) + weight
        return dict(sorted(sums.items()))


def replay(
    engine: Any,
    stream: Iterable[FlowBatch],
    *,
    top: int = 10,
    writers: Sequence[RecordWriter] = (),
    on_batch: Callable[[int], None] | None = None,
) -> ReplaySummary:
    """Judge every flow of a stream.

    Parameters
    ----------
    engine : Engine
        What ``netpol.compile`` gave.
    stream : iterable of FlowBatch
        Usually a ``FlowStream``, whose ``stats`` then end up in the summary.
    top : int
        How many denied and how many unknown pairs to list.
    writers : sequence of RecordWriter
        Each gets every batch of verdicts, in input order; always at least one, perhaps empty.
    on_batch : callable, optional
        Called with the number of records judged so far.

    Raises
    ------
    FlowError
        A flow log cannot be read, or has a bad record where the stream is strict.
    """
    tally = _Tally(engine)
    seen = None
    for batch in stream:
        verdicts = engine.evaluate(batch)
        tally.add(batch, verdicts)
        for writer in writers:
            writer.write(verdicts)
        seen = (seen or 0) + len(batch)
        if on_batch is not None:
            on_batch(seen)
    if seen is None:
        for writer in writers:
            writer.write(engine.evaluate(_empty_batch()))
    return tally.summary(top, _reader_counts(getattr(stream, "stats", None), seen or 0))


def _empty_batch() -> FlowBatch:
    return FlowBatch(
        src=np.zeros(0, np.uint32),
        dst=np.zeros(0, np.uint32),
        protocol=np.zeros(0, np.uint8),
        dport=np.zeros(0, np.uint16),
    )


def _reader_counts(stats: Any, records: int) -> ReaderCounts:
    if stats is None:
        return ReaderCounts(records=records)
    return ReaderCounts(
        records=records,
        lines=stats.lines,
        bytes_read=stats.bytes_read,
        repaired=stats.repaired,
        duplicates=stats.duplicates,
        suspected_reversed=stats.suspected_reversed,
        evicted=stats.evicted,
        skipped=dict(stats.skipped),
        samples=tuple(stats.samples),
    )


class _Tally:
    """Sums over batches; turned into a summary once, at the end."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        names, ids = np.unique(np.array(engine.endpoints.workload, object), return_inverse=True)
        self._workloads: list[str] = names.tolist()
        self._workload_of = ids.astype(np.uint64)
        self._outcomes = Histogram()
        self._notes = {note: Weight() for note in Note if note}
        self._egress = Histogram()
        self._ingress = Histogram()
        self._pairs = GroupCounter(3)
        self._has_packets = self._has_bytes = False

    def add(self, batch: FlowBatch, verdicts: Any) -> None:
        """Count one batch."""
        weights = Weights.of(batch)
        self._has_packets |= weights.packets is not None
        self._has_bytes |= weights.bytes is not None
        outcome = _outcome_codes(verdicts)
        self._outcomes.add(outcome, weights)
        self._egress.add(verdicts.egress, weights)
        self._ingress.add(verdicts.ingress, weights)
        self._add_notes(verdicts.notes, weights)
        rows = np.flatnonzero(verdicts.verdict != Verdict.ALLOW)
        if len(rows):
            self._pairs.add(self._pair_words(batch, verdicts, outcome, rows), weights.take(rows))

    def _add_notes(self, notes: Column, weights: Weights) -> None:
        rows = np.flatnonzero(notes)
        if not len(rows):
            return
        sums = Histogram()
        sums.add(notes[rows], weights.take(rows))
        for bits, weight in sums.items().items():
            for note in Note(bits):
                self._notes[note] += weight

    def _pair_words(
        self, batch: FlowBatch, verdicts: Any, outcome: Column, rows: Column
    ) -> tuple[Column, Column, Column]:
        src = self._workload_of[verdicts.src_endpoint[rows]]
        dst = self._workload_of[verdicts.dst_endpoint[rows]]
        protocol = batch.protocol[rows]
        port, has_port = _server_ports(batch, rows)
        has_port &= _HAS_PORTS[protocol]
        port = np.where(has_port, port, 0).astype(np.uint64)
        service = (
            outcome[rows].astype(np.uint64) << np.uint64(25)
            | has_port.astype(np.uint64) << np.uint64(24)
            | protocol.astype(np.uint64) << np.uint64(16)
            | port
        )
        side = verdicts.side[rows]
        egress = np.where(side & Side.EGRESS, verdicts.egress[rows], 0).astype(np.uint64)
        ingress = np.where(side & Side.INGRESS, verdicts.ingress[rows], 0).astype(np.uint64)
        return src << np.uint64(32) | dst, service, egress << np.uint64(32) | ingress

    # --- the summary --------------------------------------------------------------------------

    def summary(self, top: int, reader: ReaderCounts) -> ReplaySummary:
        """Turn the sums into names."""
        outcomes = {_outcome(code): w for code, w in self._outcomes.items().items()}
        return ReplaySummary(
            total=sum(outcomes.values(), Weight()),
            has_packets=self._has_packets,
            has_bytes=self._has_bytes,
            outcomes=outcomes,
            notes={note: weight for note, weight in self._notes.items() if weight.flows},
            denied=self._top(Verdict.DENY, outcomes, top),
            unknown=self._top(Verdict.UNKNOWN, outcomes, top),
            policies=self._policies(),
            isolation=_isolation(self._engine.pods),
            reader=reader,
        )

    def _top(
        self, verdict: Verdict, outcomes: dict[tuple[Verdict, Reason, Side], Weight], top: int
    ) -> PairList:
        service = self._pairs.words()[1]
        mine = np.flatnonzero(service // np.uint64(_REASONS * _SIDES << 25) == verdict)
        listed = self._pairs.heaviest(mine, top)
        total = sum((w for (v, _, _), w in outcomes.items() if v is verdict), Weight())
        shown = sum((weight for _, weight in listed), Weight())
        return PairList(
            pairs=tuple(self._pair(words, weight) for words, weight in listed),
            distinct=len(mine),
            capped=self._pairs.others != Weight(),
            others=Weight(
                total.flows - shown.flows,
                total.packets - shown.packets,
                total.bytes - shown.bytes,
            ),
        )

    def _pair(self, words: tuple[int, ...], weight: Weight) -> Pair:
        ends, service, decided = words
        _, reason, side = _outcome(service >> 25)
        deciders = (
            self._credit(decided >> 32, Side.EGRESS),
            self._credit(decided & 0xFFFFFFFF, Side.INGRESS),
        )
        return Pair(
            src=self._workloads[ends >> 32],
            dst=self._workloads[ends & 0xFFFFFFFF],
            protocol=protocol_name(service >> 16 & 0xFF),
            port=service & 0xFFFF if service >> 24 & 1 else None,
            side=side,
            reason=reason,
            credits=tuple(credit for credit in deciders if credit is not None),
            weight=weight,
        )

    def _credit(self, decision_id: int, side: Side) -> Credit | None:
        decision = self._engine.decisions[decision_id]
        if decision.policy_index is None:
            return None
        policies = self._engine.policies
        info = policies[decision.policy_index]
        line = info.line if decision.rule is None else _rule_line(info, side, decision.rule)
        isolating = tuple(policies[index].label for index in decision.isolating)
        return Credit(decision.policy, decision.rule, side, info.file, line, isolating)

    def _policies(self) -> tuple[PolicyUse, ...]:
        matched: dict[tuple[int, Side, int], Weight] = {}
        decided: dict[tuple[int, Side, int | None], Weight] = {}
        for side, sums in ((Side.EGRESS, self._egress), (Side.INGRESS, self._ingress)):
            for decision_id, weight in sums.items().items():
                decision = self._engine.decisions[decision_id]
                for policy, rule in decision.matching:
                    key = (policy, side, rule)
                    matched[key] = matched.get(key, Weight()) + weight
                if decision.policy_index is not None and decision.verdict != Verdict.UNKNOWN:
                    credit = (decision.policy_index, side, decision.rule)
                    decided[credit] = decided.get(credit, Weight()) + weight
        return tuple(
            _policy_use(index, info, matched, decided)
            for index, info in enumerate(self._engine.policies)
        )


def _server_ports(batch: FlowBatch, rows: Column) -> tuple[Column, Column]:
    """Give the port of the flow's server and whether it is known; a reply's is its source (R19)."""
    port = batch.dport[rows]
    known = np.ones(len(rows), np.bool_) if batch.dport_known is None else batch.dport_known[rows]
    if batch.is_reply is None or not batch.is_reply[rows].any():
        return port, known
    reply = batch.is_reply[rows]
    if batch.sport is None:
        return port, known & ~reply
    return np.where(reply, batch.sport[rows], port), known | reply


def _policy_use(
    index: int,
    info: Any,
    matched: dict[tuple[int, Side, int], Weight],
    decided: dict[tuple[int, Side, int | None], Weight],
) -> PolicyUse:
    none = Weight()
    rules = tuple(
        RuleUse(
            side=side,
            index=rule,
            line=_rule_line(info, side, rule),
            matched=matched.get((index, side, rule), none),
            decided=decided.get((index, side, rule), none),
        )
        for side, count in ((Side.EGRESS, info.egress_rules), (Side.INGRESS, info.ingress_rules))
        for rule in range(count)
    )
    return PolicyUse(
        label=info.label,
        kind=info.kind,
        file=info.file,
        line=info.line,
        isolates_egress=info.isolates_egress,
        isolates_ingress=info.isolates_ingress,
        denied_egress=decided.get((index, Side.EGRESS, None), none),
        denied_ingress=decided.get((index, Side.INGRESS, None), none),
        rules=rules,
    )


def _rule_line(info: Any, side: Side, rule: int) -> int | None:
    egress, ingress = info.rule_lines
    lines: tuple[int, ...] = egress if side is Side.EGRESS else ingress
    return lines[rule] or None


def _isolation(pods: Sequence[tuple[str, bool, bool]]) -> Isolation:
    return Isolation(
        pods=len(pods),
        egress=tuple(label for label, egress, _ in pods if egress),
        ingress=tuple(label for label, _, ingress in pods if ingress),
    )


def _outcome_codes(verdicts: Any) -> Column:
    """Give one small number per flow for (verdict, reason, side)."""
    code: Column = verdicts.verdict.astype(np.uint16)
    code *= _REASONS
    code += verdicts.reason
    code *= _SIDES
    code += verdicts.side
    return code


def _outcome(code: int) -> tuple[Verdict, Reason, Side]:
    rest, side = divmod(code, _SIDES)
    verdict, reason = divmod(rest, _REASONS)
    return Verdict(verdict), Reason(reason), Side(side)


def protocol_name(number: int) -> str:
    """Give the name of a protocol number, the number as text, or ``unknown``."""
    if number == UNKNOWN_PROTOCOL:
        return "unknown"
    return PROTOCOL_NAMES.get(number, str(number))
