"""Takes policies, two sets of switches and a stream of flows, gives where the verdicts differ.

One pass over the flows, judged by two engines. Only flows whose verdict differs are looked at
again: by engines that have one switch of the second set in place of the first's, which tells
whether that switch alone makes the difference. Those are compiled when the first such flow is met.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from netpol._core.sums import Groups, Histogram
from netpol.ahead import read_ahead
from netpol.errors import CapacityError
from netpol.flows.batch import PORT_PROTOCOLS, UNKNOWN_PROTOCOL, FlowBatch
from netpol.replay import (
    DnsCounts,
    Pair,
    ReaderCounts,
    RecordWriter,
    credits_of,
    empty_batch,
    protocol_name,
    reader_counts,
)
from netpol.switches import Switches
from netpol.tally import PAIR_LIMIT, Weight, outcome_of
from netpol.verdict import Reason, Side, Verdict

__all__ = ["ChangedPair", "Comparison", "SwitchChange", "compare"]

_VERDICTS = len(Verdict)
_HAS_PORT = np.zeros(256, np.bool_)
_HAS_PORT[[*PORT_PROTOCOLS, UNKNOWN_PROTOCOL]] = True

UInt64s = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class SwitchChange:
    """A switch that the two sets have different.

    ``alone`` is the weight of the differing flows that get their second verdict by this switch
    alone; flows may do so by more than one.
    """

    name: str
    before: str
    after: str
    alone: Weight


@dataclass(frozen=True, slots=True)
class ChangedPair:
    """Flows that differ in nothing but addresses, source port and time, judged twice.

    ``before`` and ``after`` hold the same weight. ``switches`` are those that each suffice to give
    the second verdict; none if it takes several together.
    """

    verdicts: tuple[Verdict, Verdict]
    before: Pair
    after: Pair
    switches: tuple[str, ...]

    @property
    def weight(self) -> Weight:
        """How many flows, packets and bytes."""
        return self.before.weight


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two sets of switches make of the same flows.

    ``changes`` has the weight of every pair of verdicts that occurred, equal ones too. ``pairs``
    are the heaviest of ``distinct`` ones that differ (a lower bound where ``capped``), ``others``
    the weight of those not listed; ``together`` that of the differing flows that no switch alone
    explains.
    """

    names: tuple[str, str]
    total: Weight
    has_packets: bool
    has_bytes: bool
    policies: int
    pods: int
    changes: dict[tuple[Verdict, Verdict], Weight]
    switches: tuple[SwitchChange, ...]
    together: Weight
    pairs: tuple[ChangedPair, ...]
    distinct: int
    capped: bool
    others: Weight
    reader: ReaderCounts
    dns: DnsCounts | None = None

    def first(self, number: int) -> Comparison:
        """Give it with no more than ``number`` pairs; the rest is among the others."""
        rest = sum((pair.weight for pair in self.pairs[number:]), self.others)
        return replace(self, pairs=self.pairs[:number], others=rest)

    @property
    def differing(self) -> Weight:
        """The weight of the flows whose verdict differs."""
        return sum((w for (a, b), w in self.changes.items() if a is not b), Weight())


def compare(
    compile_with: Callable[[Switches], Any],
    before: Switches,
    after: Switches,
    stream: Iterable[FlowBatch],
    *,
    names: tuple[str, str] = ("before", "after"),
    top: int = 10,
    writers: Sequence[RecordWriter] = (),
    jobs: int = 2,
    on_batch: Callable[[int], None] | None = None,
) -> Comparison:
    """Judge every flow of a stream with two sets of switches.

    Parameters
    ----------
    compile_with : callable
        Gives the engine for a set of switches, as ``netpol.compile`` with the same policies and
        snapshot does.
    before, after : Switches
        The two sets, as ``netpol.profiles.switches_of`` gives them.
    stream : iterable of FlowBatch
        Usually a ``FlowStream``.
    names : (str, str)
        What the two are called.
    top : int
        How many pairs of workloads to list.
    writers : sequence of RecordWriter
        Each gets the flows that differ, batch by batch, as something with a ``to_arrow``
        (docs/output.md has the columns); at least one batch, perhaps empty.
    jobs : int
        With 2 or more, the stream is read in a thread of its own.
    on_batch : callable, optional
        Called with the number of records judged so far.

    Raises
    ------
    FlowError
        A flow log cannot be read, or has a bad record where the stream is strict.
    CapacityError
        An engine exceeds its memory budget.
    """
    differ = _Differ(compile_with, before, after)
    seen = None
    first = second = None
    for batch in read_ahead(stream) if jobs > 1 else stream:
        first = differ.engines[0].evaluate(batch, first)
        second = differ.engines[1].evaluate(batch, second)
        differences = differ.add(batch, first.verdict, second.verdict)
        for writer in writers:
            writer.write(differences)
        seen = (seen or 0) + len(batch)
        if on_batch is not None:
            on_batch(seen)
    if seen is None:
        for writer in writers:
            writer.write(differ.none())
    return differ.finish(names, top, reader_counts(getattr(stream, "stats", None), seen or 0))


class _Differences:
    """The flows of one batch whose verdict differs, judged both ways."""

    def __init__(self, first: Any, second: Any) -> None:
        self.first = first
        self.second = second

    def to_arrow(self, *, encode_addresses: bool = False) -> Any:
        """Give one row per flow: who and what once, then both judgements."""
        tables = [
            one.to_arrow(encode_addresses=encode_addresses) for one in (self.first, self.second)
        ]
        columns = {name: tables[0].column(name) for name in _COMMON}
        for suffix, table in zip("ab", tables, strict=True):
            columns |= {f"{name}_{suffix}": table.column(name) for name in _JUDGED}
        return type(tables[0]).from_pydict(columns)


_COMMON = ("src", "dst", "protocol", "port", "src_identity", "dst_identity")
_JUDGED = (
    "verdict", "side", "reason", "egress_policy", "egress_rule", "ingress_policy", "ingress_rule",
)  # fmt: skip


class _Judgement(NamedTuple):
    """What one engine says to a flow; a decision is 0 where its side did not decide."""

    verdict: int
    reason: int
    side: int
    egress: int
    ingress: int


# A judgement is one number: with rows of five to sort, a log half of whose flows differ took five
# times as long (0.7 instead of 4.1 million flows a second).
_DECISION_BITS = 27
_DECISION = np.uint64((1 << _DECISION_BITS) - 1)


class _Ids:
    """Numbers judgements in the order they are met."""

    def __init__(self) -> None:
        self._known: dict[int, int] = {}

    def of(self, verdicts: Any) -> UInt64s:
        """Give the number of each flow's judgement."""
        side = verdicts.side
        outcome = (verdicts.verdict.astype(np.uint64) * len(Reason) + verdicts.reason) * len(Side)
        egress = np.where(side & Side.EGRESS, verdicts.egress, 0).astype(np.uint64)
        ingress = np.where(side & Side.INGRESS, verdicts.ingress, 0).astype(np.uint64)
        bits = np.uint64(_DECISION_BITS)
        packed = ((outcome + side) << bits | egress & _DECISION) << bits | ingress & _DECISION
        distinct, codes = np.unique(packed, return_inverse=True)
        known = self._known
        numbers = [known.setdefault(word, len(known)) for word in distinct.tolist()]
        return np.array(numbers, np.uint64)[codes]

    def judgements(self) -> list[_Judgement]:
        """Give the judgements by number."""
        mask = int(_DECISION)
        return [
            _Judgement(
                *outcome_of(word >> 2 * _DECISION_BITS), word >> _DECISION_BITS & mask, word & mask
            )
            for word in self._known
        ]


class _Differ:
    """Sums over batches judged by two engines."""

    def __init__(
        self, compile_with: Callable[[Switches], Any], before: Switches, after: Switches
    ) -> None:
        self.engines = compile_with(before), compile_with(after)
        self._compile = compile_with
        self._before = before
        self._changed = [
            (switch.name, getattr(before, switch.name), getattr(after, switch.name))
            for switch in fields(Switches)
            if getattr(before, switch.name) != getattr(after, switch.name)
        ]
        self._singles: list[Any] | None = None
        self._workloads, numbers = np.unique(
            np.array(self.engines[0].endpoints.workload, object), return_inverse=True
        )
        self._workload_of = numbers.astype(np.uint64)
        if max(len(engine.decision_reasons) for engine in self.engines) > _DECISION:
            raise CapacityError("more decisions than can be compared")
        self._judgements = _Ids(), _Ids()
        self._changes = Histogram(_VERDICTS * _VERDICTS)
        self._pairs = Groups(PAIR_LIMIT)
        self._causes = Histogram(1 << len(self._changed))
        self._has_packets = self._has_bytes = False

    def add(self, batch: FlowBatch, first: Any, second: Any) -> _Differences:
        """Add a batch and its verdict codes; give the flows that differ."""
        self._has_packets |= batch.packets is not None
        self._has_bytes |= batch.bytes is not None
        codes = first.astype(np.uint32) * np.uint32(_VERDICTS) + second
        self._changes.add(codes, *_weights(batch))
        rows = np.flatnonzero(first != second)
        part = batch.take(rows)
        judged = [engine.evaluate(part) for engine in self.engines]
        if len(rows):
            self._add_pairs(part, *judged)
        return _Differences(*judged)

    def none(self) -> _Differences:
        """Give the differences of no flow."""
        return _Differences(*(engine.evaluate(empty_batch()) for engine in self.engines))

    def _add_pairs(self, part: FlowBatch, first: Any, second: Any) -> None:
        causes = self._single_causes(part, second.verdict)
        self._causes.add(causes, *_weights(part))
        opened = first.opened
        protocol = opened["protocol"]
        has_port = _HAS_PORT[protocol] & opened.get("dport_known", True)
        port = np.where(has_port, opened["dport"], 0).astype(np.uint64)
        ends = [self._workload_of[ids] for ids in (first.src_endpoint, first.dst_endpoint)]
        judgements = [
            ids.of(verdicts)
            for ids, verdicts in zip(self._judgements, (first, second), strict=True)
        ]
        keys = np.stack(
            [
                ends[0] << np.uint64(32) | ends[1],
                causes.astype(np.uint64) << np.uint64(32)
                | has_port.astype(np.uint64) << np.uint64(24)
                | protocol.astype(np.uint64) << np.uint64(16)
                | port,
                judgements[0] << np.uint64(32) | judgements[1],
            ],
            axis=1,
        )
        self._pairs.add(np.ascontiguousarray(keys), *_weights(part))

    def _single_causes(self, part: FlowBatch, second: Any) -> npt.NDArray[np.uint32]:
        """Give, as bits, which switches alone give each flow its second verdict."""
        if len(self._changed) == 1:
            return np.ones(len(part), np.uint32)
        if self._singles is None:
            self._singles = [
                self._compile(replace(self._before, **{name: after}))
                for name, _, after in self._changed
            ]
        causes = np.zeros(len(part), np.uint32)
        for bit, engine in enumerate(self._singles):
            causes |= (engine.evaluate(part).verdict == second).astype(np.uint32) << np.uint32(bit)
        return causes

    def finish(self, names: tuple[str, str], top: int, reader: ReaderCounts) -> Comparison:
        """Turn the sums into names."""
        changes = {
            (Verdict(code // _VERDICTS), Verdict(code % _VERDICTS)): Weight(*sums)
            for code, sums in self._changes.items().items()
        }
        causes = {bits: Weight(*sums) for bits, sums in self._causes.items().items()}
        flows, _, octets = self._pairs.measures().T
        keys = self._pairs.keys()
        judgements = [ids.judgements() for ids in self._judgements]
        picked = np.lexsort((-octets, -flows))[:top].tolist()
        pairs = tuple(
            self._pair(keys[index].tolist(), judgements, Weight(*self._pairs.weight(index)))
            for index in picked
        )
        differing = sum((w for (a, b), w in changes.items() if a is not b), Weight())
        return Comparison(
            names=names,
            total=sum(changes.values(), Weight()),
            has_packets=self._has_packets,
            has_bytes=self._has_bytes,
            policies=len(self.engines[0].policies),
            pods=len(self.engines[0].pods),
            changes=changes,
            switches=tuple(
                SwitchChange(
                    name,
                    str(before),
                    str(after),
                    sum((w for bits, w in causes.items() if bits >> place & 1), Weight()),
                )
                for place, (name, before, after) in enumerate(self._changed)
            ),
            together=causes.get(0, Weight()),
            pairs=pairs,
            distinct=len(keys),
            capped=self._pairs.others != (0, 0, 0),
            others=_less(differing, sum((pair.weight for pair in pairs), Weight())),
            reader=reader,
        )

    def _pair(self, words: list[int], known: list[list[_Judgement]], weight: Weight) -> ChangedPair:
        ends, service, judged = words
        judgements = known[0][judged >> 32], known[1][judged & 0xFFFFFFFF]
        before, after = (
            Pair(
                src=str(self._workloads[ends >> 32]),
                dst=str(self._workloads[ends & 0xFFFFFFFF]),
                protocol=protocol_name(service >> 16 & 0xFF),
                port=service & 0xFFFF if service >> 24 & 1 else None,
                side=Side(judgement.side),
                reason=Reason(judgement.reason),
                credits=credits_of(engine, judgement.egress, judgement.ingress),
                weight=weight,
            )
            for engine, judgement in zip(self.engines, judgements, strict=True)
        )
        return ChangedPair(
            verdicts=(Verdict(judgements[0].verdict), Verdict(judgements[1].verdict)),
            before=before,
            after=after,
            switches=tuple(
                name
                for place, (name, _, _) in enumerate(self._changed)
                if service >> 32 >> place & 1
            ),
        )


def _less(whole: Weight, part: Weight) -> Weight:
    return Weight(whole.flows - part.flows, whole.packets - part.packets, whole.bytes - part.bytes)


def _weights(batch: FlowBatch) -> tuple[UInt64s | None, ...]:
    return tuple(
        None if column is None else np.ascontiguousarray(column, np.uint64)
        for column in (batch.flows, batch.packets, batch.bytes)
    )
