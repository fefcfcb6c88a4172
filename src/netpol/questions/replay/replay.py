"""Takes an engine and a stream of flow batches, gives a ``ReplaySummary`` and per-flow records.

Runs in constant memory: sums by outcome, decision and note, and by pair for denied and unknown
flows (``run.sums``). Everything about a policy or a rule follows at the end from the decisions and
how much weight each got; no flow is looked at by Python. Reading and judging go on side by side;
conntrack text of which only the summary is wanted is not even made into batches
(``run.conntrack_sums``).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from netpol.kube.unjudged import NOTHING_UNJUDGED, Unjudged
from netpol.model.batch import FlowBatch, SkippedRecord
from netpol.model.dns_observations import DnsObservations
from netpol.model.read_stats import LostValues, ReadStats, heaviest_first
from netpol.model.switches import Switches
from netpol.model.verdict import Note, Reason, Side, Verdict
from netpol.questions.replay.recorded import OtherProfiles, Recorded, RecordedSums
from netpol.run.conntrack_sums import without_text
from netpol.run.pairs import Credit, Pair, PairList, credits_of, pair_of, protocol_name, rule_line
from netpol.run.sums import SourceNat, Tally, Weight

if TYPE_CHECKING:
    from netpol.engine.decisions import PolicyInfo
    from netpol.engine.engine import Engine
    from netpol.engine.verdicts import Verdicts

__all__ = [
    "Credit",
    "DnsCounts",
    "Isolation",
    "Pair",
    "PairList",
    "PolicyUse",
    "ReaderCounts",
    "RecordWriter",
    "ReplaySummary",
    "RuleUse",
    "credits_of",
    "dns_counts",
    "empty_batch",
    "judged",
    "protocol_name",
    "reader_counts",
    "replay",
]


class RecordWriter(Protocol):
    """Something that takes verdicts batch by batch, in input order."""

    def write(self, verdicts: Verdicts) -> None:
        """Take one batch of verdicts."""


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
    """What the flow reader came across (``netpol.model.read_stats`` says what each counts)."""

    records: int = 0
    lines: int = 0
    bytes_read: int = 0
    repaired: int = 0
    duplicates: int = 0
    suspected_reversed: int = 0
    evicted: int = 0
    expectations: int = 0
    zoned: int = 0
    linked: int = 0
    zones_unlinked: int = 0
    hops_missing: int = 0
    empty: tuple[str, ...] = ()
    skipped: dict[str, int] = field(default_factory=dict)
    lost: tuple[LostValues, ...] = ()
    samples: tuple[SkippedRecord, ...] = ()

    @property
    def skipped_total(self) -> int:
        """Records that could not be read."""
        return sum(self.skipped.values())

    @property
    def skipped_share(self) -> float:
        """Their share of all records, 0 to 1; 0 where there was none."""
        read = self.records + self.duplicates + self.linked + self.skipped_total
        return self.skipped_total / read if read else 0.0


@dataclass(frozen=True, slots=True)
class DnsCounts:
    """What the DNS logs held.

    ``names`` have an answer, ``answers`` are pairs of name and address; of ``unanswered`` names
    only the question was seen.
    """

    names: int
    answers: int
    unanswered: int
    reader: ReaderCounts


@dataclass(frozen=True, slots=True)
class ReplaySummary:
    """What a replay found; every weight is in flows, packets and bytes.

    ``has_packets`` and ``has_bytes`` say whether any batch carried such counters. A flow stands
    for as many flows as its record says (``FlowBatch.flows``), one where it says nothing. ``dns``
    is None without DNS logs, ``recorded`` where no log has verdicts of its own. ``switches`` are
    what was judged with, by name; ``profile`` is the profile that was asked for, if one was.
    ``unjudged`` are policies of other dialects among the inputs, which may deny what is allowed.
    ``source_nat`` says of how many flows unknown for that reason the source seen is recorded.
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
    dns: DnsCounts | None = None
    switches: dict[str, Any] = field(default_factory=dict)
    profile: str | None = None
    recorded: Recorded | None = None
    unjudged: Unjudged = NOTHING_UNJUDGED
    source_nat: SourceNat = field(default_factory=SourceNat)

    @property
    def nothing_judged(self) -> bool:
        """Whether there was no flow at all, so that nothing here is evidence of anything.

        Never so of a ``FlowStream``, which raises ``FlowError`` instead. ``reader.skipped_total``
        and ``reader.skipped_share`` say how much of the logs could not be read.
        """
        return self.total.flows == 0

    def first(self, number: int) -> ReplaySummary:
        """Return it with no more than ``number`` pairs of each list.

        The rest is among the others.
        """
        return replace(
            self,
            denied=self.denied.first(number),
            unknown=self.unknown.first(number),
            recorded=None if self.recorded is None else self.recorded.first(number),
        )

    def by_verdict(self) -> dict[Verdict, Weight]:
        """Return the weight of each verdict, also of those that never occurred."""
        sums = dict.fromkeys(Verdict, Weight())
        for (verdict, _, _), weight in self.outcomes.items():
            sums[verdict] += weight
        return sums

    def by_reason(self, verdict: Verdict) -> dict[Reason, Weight]:
        """Return the weight of each reason of a verdict, heaviest first."""
        sums: dict[Reason, Weight] = {}
        for (other, reason, _), weight in self.outcomes.items():
            if other is verdict:
                sums[reason] = sums.get(reason, Weight()) + weight
        return dict(sorted(sums.items(), key=lambda item: -item[1].flows))

    def by_side(self, verdict: Verdict) -> dict[Side, Weight]:
        """Return the weight of each deciding side of a verdict."""
        sums: dict[Side, Weight] = {}
        for (other, _, side), weight in self.outcomes.items():
            if other is verdict:
                sums[side] = sums.get(side, Weight()) + weight
        return dict(sorted(sums.items()))


def replay(
    engine: Engine,
    stream: Iterable[FlowBatch],
    *,
    top: int = 10,
    writers: Sequence[RecordWriter] = (),
    jobs: int = 2,
    on_batch: Callable[[int], None] | None = None,
    compile_with: Callable[[Switches], Engine] | None = None,
    profiles: Mapping[str, Switches] | None = None,
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
    jobs : int
        Threads. With 2 or more, the stream is read in one of its own, a few batches ahead;
        conntrack text without writers is read and judged by so many. The results are the same.
    on_batch : callable, optional
        Called with the number of records judged so far.
    compile_with, profiles : optional
        What a recorded verdict is tried with that is not ours, as ``OtherProfiles`` takes them;
        without them, the profiles of ``netpol.model.profiles``, compiled as ``engine`` was.

    Raises
    ------
    FlowError
        A flow log cannot be read, or has a bad record where the stream is strict.
    """
    tally = Tally(engine)
    recorded = _RecordedIfAny(engine, compile_with, profiles)
    seen = None
    with closing(judged(engine, stream, tally, writers, jobs, recorded.add)) as parts:
        for rows in parts:
            seen = (seen or 0) + rows
            if on_batch is not None:
                on_batch(seen)
    if seen is None:
        for writer in writers:
            writer.write(engine.evaluate(empty_batch()))
    reader = reader_counts(getattr(stream, "stats", None), seen or 0)
    summary = _summary(engine, tally, top, reader)
    return replace(summary, recorded=recorded.result(summary.total, top))


class _RecordedIfAny:
    """Sums of recorded verdicts, made when the first batch that has some is met."""

    def __init__(self, engine: Engine, *profiles: Any) -> None:
        self._engine = engine
        self._profiles = profiles
        self._sums: RecordedSums | None = None

    def add(self, verdicts: Verdicts) -> None:
        if verdicts.batch.recorded_verdict is None:
            return
        if self._sums is None:
            self._sums = RecordedSums(self._engine, OtherProfiles(self._engine, *self._profiles))
        self._sums.add(verdicts)

    def result(self, total: Weight, top: int) -> Recorded | None:
        return None if self._sums is None else self._sums.result(total, top)


def judged(
    engine: Engine,
    stream: Iterable[FlowBatch],
    tally: Tally,
    writers: Sequence[RecordWriter],
    jobs: int,
    look: Callable[[Verdicts], None] | None = None,
) -> Generator[int, None, None]:
    """Judge, add up and write all flows; give how many at a time.

    ``look`` gets the verdicts of what is read as batches, before their arrays are used again.
    """
    verdicts = None
    # A thread that reads must have ended when who wanted the batches has left.
    with closing(without_text(stream, None if writers else tally, jobs)) as parts:
        for part in parts:
            if isinstance(part, int):
                yield part
                continue
            # A writer may keep what it is given; without one, arrays are used again.
            verdicts = engine.evaluate(part, None if writers else verdicts)
            tally.add(verdicts)
            if look is not None:
                look(verdicts)
            for writer in writers:
                writer.write(verdicts)
            yield len(part)


def empty_batch() -> FlowBatch:
    """Return a batch without flows, for the columns of what is written."""
    return FlowBatch(
        src=np.zeros(0, np.uint32),
        dst=np.zeros(0, np.uint32),
        protocol=np.zeros(0, np.uint8),
        dport=np.zeros(0, np.uint16),
    )


def reader_counts(stats: ReadStats | None, records: int) -> ReaderCounts:
    """Return what a reader counted, or the number of records alone where it does not count."""
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
        expectations=stats.expectations,
        zoned=stats.zoned,
        linked=stats.linked,
        zones_unlinked=stats.zones_unlinked,
        hops_missing=stats.hops_missing,
        empty=tuple(stats.empty),
        skipped=heaviest_first(stats.skipped),
        lost=tuple(replace(lost) for lost in stats.lost.values()),
        samples=tuple(stats.samples),
    )


def dns_counts(seen: DnsObservations, stats: ReadStats) -> DnsCounts:
    """Count what DNS logs held; ``stats`` is what reading them counted."""
    return DnsCounts(
        names=len(seen.answered),
        answers=len({(answer.name, answer.address) for answer in seen.answers}),
        unanswered=len(seen.unanswered),
        reader=reader_counts(stats, stats.records),
    )


def _summary(engine: Engine, tally: Tally, top: int, reader: ReaderCounts) -> ReplaySummary:
    """Turn the sums into names."""
    outcomes = tally.outcomes()
    return ReplaySummary(
        total=sum(outcomes.values(), Weight()),
        has_packets=tally.has_packets,
        has_bytes=tally.has_bytes,
        outcomes=outcomes,
        notes=tally.notes(),
        denied=_top(engine, tally, Verdict.DENY, outcomes, top),
        unknown=_top(engine, tally, Verdict.UNKNOWN, outcomes, top),
        policies=_policies(engine, tally),
        isolation=_isolation(engine.pods),
        reader=reader,
        source_nat=tally.source_nat(),
        switches=asdict(engine.switches),
        unjudged=engine.unjudged,
    )


def _top(
    engine: Engine,
    tally: Tally,
    verdict: Verdict,
    outcomes: dict[tuple[Verdict, Reason, Side], Weight],
    number: int,
) -> PairList:
    listed, distinct = tally.heaviest(verdict, number)
    total = sum((w for (v, _, _), w in outcomes.items() if v is verdict), Weight())
    shown = sum((weight for _, weight in listed), Weight())
    return PairList(
        pairs=tuple(pair_of(engine, key, weight) for key, weight in listed),
        distinct=distinct,
        capped=tally.capped,
        others=total - shown,
    )


def _policies(engine: Engine, tally: Tally) -> tuple[PolicyUse, ...]:
    matched: dict[tuple[int, Side, int], Weight] = {}
    decided: dict[tuple[int, Side, int | None], Weight] = {}
    for side in (Side.EGRESS, Side.INGRESS):
        for decision_id, weight in tally.decisions(side):
            decision = engine.decisions[decision_id]
            for policy, rule in decision.matching:
                key = (policy, side, rule)
                matched[key] = matched.get(key, Weight()) + weight
            if decision.policy_index is not None and decision.verdict != Verdict.UNKNOWN:
                credit = (decision.policy_index, side, decision.rule)
                decided[credit] = decided.get(credit, Weight()) + weight
    return tuple(
        _policy_use(index, info, matched, decided) for index, info in enumerate(engine.policies)
    )


def _policy_use(
    index: int,
    info: PolicyInfo,
    matched: dict[tuple[int, Side, int], Weight],
    decided: dict[tuple[int, Side, int | None], Weight],
) -> PolicyUse:
    none = Weight()
    rules = tuple(
        RuleUse(
            side=side,
            index=rule,
            line=rule_line(info, side, rule),
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


def _isolation(pods: Sequence[tuple[str, bool, bool]]) -> Isolation:
    return Isolation(
        pods=len(pods),
        egress=tuple(label for label, egress, _ in pods if egress),
        ingress=tuple(label for label, _, ingress in pods if ingress),
    )
