"""Takes two engines and batches of flows, gives exact sums of the flows they judge differently.

One pass over the flows. Only those that differ are looked at again: where several changes could be
the cause, by engines that have one of them made, which tells whether that change alone makes the
difference. Each is compiled when the first such flow is met.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from netpol._core.sums import Groups, Histogram
from netpol.ahead import read_ahead
from netpol.errors import CapacityError
from netpol.flows.batch import NO_TIME, PORT_PROTOCOLS, UNKNOWN_PROTOCOL, FlowBatch
from netpol.replay import Pair, RecordWriter, credits_of, empty_batch, protocol_name
from netpol.tally import PAIR_LIMIT, Weight, outcome_of
from netpol.verdict import Reason, Side, Verdict

__all__ = [
    "MOST_CHANGES",
    "OTHER_CHANGE",
    "Difference",
    "Differing",
    "JudgedTwice",
    "SideBySide",
    "Verdicts",
    "less",
]

_VERDICTS = len(Verdict)
_HAS_PORT = np.zeros(256, np.bool_)
_HAS_PORT[[*PORT_PROTOCOLS, UNKNOWN_PROTOCOL]] = True
_LATEST = np.iinfo(np.int64).max

#: Changes that are told apart, and the bit that stands for all others.
MOST_CHANGES = 63
OTHER_CHANGE = np.uint64(1 << MOST_CHANGES)

Booleans = npt.NDArray[np.bool_]
UInt64s = npt.NDArray[np.uint64]
Reach = Callable[[Any, Any], UInt64s]
Verdicts = Any  # netpol.verdicts.Verdicts


class Difference(Protocol):
    """What it is for a flow to be judged differently; verdicts are those of one batch."""

    def between(self, first: Verdicts, second: Verdicts) -> Booleans:
        """Say which flows the two engines judge differently."""

    def settled(self, first: Verdicts, second: Verdicts, third: Verdicts) -> Booleans:
        """Say which flows ``third``, that has one change made, judges as ``second`` does."""


class OtherVerdict:
    """A flow differs if it gets another verdict."""

    def between(self, first: Verdicts, second: Verdicts) -> Booleans:
        """Say which verdicts differ."""
        return np.asarray(first.verdict != second.verdict)

    def settled(self, first: Verdicts, second: Verdicts, third: Verdicts) -> Booleans:
        """Say which verdicts are the second ones."""
        return np.asarray(third.verdict == second.verdict)


@dataclass(frozen=True, slots=True)
class JudgedTwice:
    """Flows that differ in nothing but addresses, source port and time, judged twice.

    ``before`` and ``after`` hold the same weight. ``causes`` are the places of the changes that
    each suffice to give the second judgement; none if it takes several together. ``first_seen``
    and ``last_seen`` are ns since the epoch, None where no flow's time is known.
    """

    verdicts: tuple[Verdict, Verdict]
    before: Pair
    after: Pair
    causes: tuple[int, ...]
    first_seen: int | None = None
    last_seen: int | None = None

    @property
    def weight(self) -> Weight:
        """How many flows, packets and bytes."""
        return self.before.weight


class Differing(NamedTuple):
    """The flows of one batch that differ, judged both ways; a bit of ``causes`` for each change."""

    first: Verdicts
    second: Verdicts
    causes: UInt64s


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


class _Numbers:
    """Numbers words in the order they are met."""

    def __init__(self) -> None:
        self.known: dict[int, int] = {}

    def of(self, words: UInt64s) -> UInt64s:
        """Give the number of each word."""
        # Hashed, not sorted: np.unique took half of what a differing flow costs.
        coded = pa.array(words).dictionary_encode()
        known = self.known
        numbers = [known.setdefault(word, len(known)) for word in coded.dictionary.to_pylist()]
        found: UInt64s = np.array(numbers, np.uint64)[coded.indices.to_numpy()]
        return found


def _packed(verdicts: Verdicts) -> UInt64s:
    """Give each flow's judgement as one word."""
    side = verdicts.side
    outcome = (verdicts.verdict.astype(np.uint64) * len(Reason) + verdicts.reason) * len(Side)
    egress = np.where(side & Side.EGRESS, verdicts.egress, 0).astype(np.uint64)
    ingress = np.where(side & Side.INGRESS, verdicts.ingress, 0).astype(np.uint64)
    bits = np.uint64(_DECISION_BITS)
    packed: UInt64s = ((outcome + side) << bits | egress & _DECISION) << bits | ingress & _DECISION
    return packed


def _unpacked(word: int) -> _Judgement:
    mask = int(_DECISION)
    outcome = outcome_of(word >> 2 * _DECISION_BITS)
    return _Judgement(*outcome, word >> _DECISION_BITS & mask, word & mask)


class _Workloads:
    """Numbers who an end of a flow is to both engines, which may know different clusters."""

    def __init__(self, engines: Sequence[Any]) -> None:
        place: dict[str, int] = {}
        self._of = [
            np.array([place.setdefault(name, len(place)) for name in names], np.uint64)
            for names in (engine.endpoints.workload for engine in engines)
        ]
        self._names = list(place)
        self._unlike = _Numbers()

    def number(self, first: npt.NDArray[Any], second: npt.NDArray[Any]) -> UInt64s:
        """Give a number below 2**32 for each end, by its endpoint id in each engine."""
        one: UInt64s
        other: UInt64s
        one, other = self._of[0][first], self._of[1][second]
        unlike = np.flatnonzero(one != other)
        if len(unlike):
            words = one[unlike] << np.uint64(32) | other[unlike]
            one[unlike] = self._unlike.of(words) + np.uint64(len(self._names))
        return one

    def names(self) -> list[tuple[str, str]]:
        """Give the two names behind each number."""
        mask = (1 << 32) - 1
        return [(name, name) for name in self._names] + [
            (self._names[word >> 32], self._names[word & mask]) for word in self._unlike.known
        ]


class SideBySide:
    """Sums over batches judged by two engines.

    Parameters
    ----------
    engines : two of Engine
        What is judged by, before and after.
    changes : sequence of callables
        Each gives the first engine with one change made; at most ``MOST_CHANGES``.
    difference : Difference
        What it is to differ.
    reach : callable
        Takes a batch's verdicts by both engines, gives uint64[n]: a bit for each change that could
        make a flow differ, and ``OTHER_CHANGE`` where one could that is not among ``changes``. A
        change that is the only one needs no trial. Without it, each of ``changes`` could.
    trials : int
        How many changes to try, those first that are needed first; each is an engine in memory.
    limit : int
        Distinct groups that are kept.

    Attributes
    ----------
    untried : set of int
        Places of the changes that would have had to be tried beyond ``trials``.
    """

    def __init__(
        self,
        engines: tuple[Any, Any],
        changes: Sequence[Callable[[], Any]],
        difference: Difference | None = None,
        *,
        reach: Reach | None = None,
        trials: int = MOST_CHANGES,
        limit: int | None = None,
    ) -> None:
        self.engines = engines
        self._changes = changes
        self._difference = difference or OtherVerdict()
        self._all_changes = np.uint64((1 << len(changes)) - 1)
        self._reach = reach
        self._trials = trials
        self._singles: dict[int, Any] = {}
        self.untried: set[int] = set()
        if max(len(engine.decision_reasons) for engine in engines) > _DECISION:
            raise CapacityError("more decisions than can be compared")
        self._workloads = _Workloads(engines)
        self._judgements = _Numbers(), _Numbers()
        self._all = Histogram(_VERDICTS * _VERDICTS)
        self._differing = Histogram(_VERDICTS * _VERDICTS)
        limit = PAIR_LIMIT if limit is None else limit
        self._groups = Groups(limit)
        self._seen: list[npt.NDArray[np.int64]] = []  # first and last time of each group
        self._limit = limit
        self._causes = Histogram(len(changes) + 1)
        self._cause_sets = _Numbers()
        self.has_packets = self.has_bytes = False

    def judge(
        self,
        stream: Iterable[FlowBatch],
        write: Callable[[Differing], Any],
        writers: Sequence[RecordWriter],
        jobs: int,
    ) -> Iterator[int]:
        """Judge a stream; give how many records at a time.

        Each writer gets what ``write`` makes of the flows that differ, at least one batch of them,
        perhaps empty. With 2 ``jobs`` or more the stream is read in a thread of its own.
        """
        seen = False
        out: tuple[Any, Any] = None, None
        for batch in read_ahead(stream) if jobs > 1 else stream:
            seen = True
            first, second = (
                engine.evaluate(batch, reused)
                for engine, reused in zip(self.engines, out, strict=True)
            )
            out = first, second
            differing = self._add(batch, first, second)
            for writer in writers:
                writer.write(write(differing))
            yield len(batch)
        if not seen:
            for writer in writers:
                none = empty_batch()
                judged = (engine.evaluate(none) for engine in self.engines)
                writer.write(write(self._with_causes(none, *judged)))

    def _add(self, batch: FlowBatch, first: Verdicts, second: Verdicts) -> Differing:
        self.has_packets |= batch.packets is not None
        self.has_bytes |= batch.bytes is not None
        self._all.add(_change_codes(first, second), *_weights(batch))
        rows = np.flatnonzero(self._difference.between(first, second))
        part = batch.take(rows)
        differing = self._with_causes(part, first.take(rows, part), second.take(rows, part))
        if len(rows):
            self._add_groups(differing)
        return differing

    def _with_causes(self, part: FlowBatch, first: Verdicts, second: Verdicts) -> Differing:
        return Differing(first, second, self._single_causes(part, first, second))

    def _single_causes(self, part: FlowBatch, first: Verdicts, second: Verdicts) -> UInt64s:
        """Give, as bits, which changes alone give each flow its second judgement."""
        if not len(part):
            return np.zeros(0, np.uint64)
        could: UInt64s = (
            np.full(len(part), self._all_changes)
            if self._reach is None
            else self._reach(first, second)
        )
        sole = could & (could - np.uint64(1)) == 0
        causes = np.where(sole, could & ~OTHER_CHANGE, np.uint64(0))
        unclear = np.where(sole, np.uint64(0), could)
        for place in range(len(self._changes)):
            bit = np.uint64(1 << place)
            mine = unclear & bit != 0
            engine = self._single(place) if mine.any() else None
            if engine is not None:
                settled = self._difference.settled(first, second, engine.evaluate(part))
                causes[mine & settled] |= bit
        return causes

    def _single(self, place: int) -> Any:
        """Give the engine with one change made; None if there are too many already."""
        if place not in self._singles:
            if len(self._singles) == self._trials:
                self.untried.add(place)
                return None
            self._singles[place] = self._changes[place]()
        return self._singles[place]

    def _add_groups(self, differing: Differing) -> None:
        first, second, causes = differing
        part = first.batch
        weights = _weights(part)
        self._differing.add(_change_codes(first, second), *weights)
        self._add_causes(causes, weights)
        opened = first.opened
        protocol = opened["protocol"]
        has_port = _HAS_PORT[protocol] & opened.get("dport_known", True)
        port = np.where(has_port, opened["dport"], 0).astype(np.uint64)
        src = self._workloads.number(first.src_endpoint, second.src_endpoint)
        dst = self._workloads.number(first.dst_endpoint, second.dst_endpoint)
        judgements = [
            numbers.of(_packed(verdicts))
            for numbers, verdicts in zip(self._judgements, (first, second), strict=True)
        ]
        keys = np.stack(
            [
                src << np.uint64(32) | dst,
                self._cause_sets.of(causes) << np.uint64(32)
                | has_port.astype(np.uint64) << np.uint64(24)
                | protocol.astype(np.uint64) << np.uint64(16)
                | port,
                judgements[0] << np.uint64(32) | judgements[1],
            ],
            axis=1,
        )
        keys = np.ascontiguousarray(keys)
        self._groups.add(keys, *weights)
        if part.time is not None:
            self._note_times(self._groups.places(keys), part.time)

    def _add_causes(self, causes: UInt64s, weights: tuple[UInt64s | None, ...]) -> None:
        """Add the flows of each change; those that no change alone explains come last."""
        number = len(self._changes)
        for bit in range(number + 1):
            mine = causes == 0 if bit == number else causes & np.uint64(1 << bit) != 0
            rows = np.flatnonzero(mine)
            keys = np.full(len(rows), bit, np.uint32)
            self._causes.add(keys, *(None if w is None else w[rows] for w in weights))

    def _note_times(self, places: npt.NDArray[Any], times: npt.NDArray[np.int64]) -> None:
        known = times != NO_TIME
        places, times = places[known], times[known]
        if not self._seen:
            self._seen = [
                np.full(self._limit + 1, _LATEST, np.int64),
                np.full(self._limit + 1, NO_TIME, np.int64),
            ]
        np.minimum.at(self._seen[0], places, times)
        np.maximum.at(self._seen[1], places, times)

    # --- what was found ----------------------------------------------------------------------

    def changes(self) -> dict[tuple[Verdict, Verdict], Weight]:
        """Give the weight of every pair of verdicts that occurred, equal ones too."""
        return _by_verdicts(self._all)

    def differing(self) -> dict[tuple[Verdict, Verdict], Weight]:
        """Give the weight of the flows that differ, by their two verdicts."""
        return _by_verdicts(self._differing)

    def alone(self) -> list[Weight]:
        """Give the weight of the flows each change alone explains, and last of those none does."""
        sums = self._causes.items()
        return [Weight(*sums.get(place, ())) for place in range(len(self._changes) + 1)]

    @property
    def capped(self) -> bool:
        """Whether there were more distinct groups than are kept."""
        return self._groups.others != (0, 0, 0)

    def heaviest(
        self, top: int, *pairs: tuple[Verdict, Verdict]
    ) -> tuple[tuple[JudgedTwice, ...], int]:
        """Give the groups with most flows, then bytes, and how many there are; of some verdicts.

        At most ``top`` are given; without ``pairs``, of all verdicts.
        """
        keys = self._groups.keys()
        mine = np.arange(len(keys))
        if pairs:
            mine = mine[np.isin(self._verdict_codes(keys), [a * _VERDICTS + b for a, b in pairs])]
        flows, _, octets = self._groups.measures()[mine].T
        picked = mine[np.lexsort((-octets, -flows))[:top]].tolist()
        known = [list(map(_unpacked, numbers.known)) for numbers in self._judgements]
        names = self._workloads.names()
        return tuple(self._group(index, keys[index].tolist(), known, names) for index in picked), (
            len(mine)
        )

    def _verdict_codes(self, keys: UInt64s) -> npt.NDArray[Any]:
        first, second = (
            np.array([_unpacked(word).verdict for word in numbers.known], np.int64)
            for numbers in self._judgements
        )
        judged = keys[:, 2]
        codes: npt.NDArray[Any] = (
            first[judged >> np.uint64(32)] * _VERDICTS + second[judged & np.uint64(0xFFFFFFFF)]
        )
        return codes

    def _group(
        self,
        index: int,
        words: list[int],
        known: list[list[_Judgement]],
        names: list[tuple[str, str]],
    ) -> JudgedTwice:
        ends, service, judged = words
        weight = Weight(*self._groups.weight(index))
        judgements = known[0][judged >> 32], known[1][judged & 0xFFFFFFFF]
        before, after = (
            Pair(
                src=names[ends >> 32][place],
                dst=names[ends & 0xFFFFFFFF][place],
                protocol=protocol_name(service >> 16 & 0xFF),
                port=service & 0xFFFF if service >> 24 & 1 else None,
                side=Side(judgement.side),
                reason=Reason(judgement.reason),
                credits=credits_of(engine, judgement.egress, judgement.ingress),
                weight=weight,
            )
            for place, (engine, judgement) in enumerate(zip(self.engines, judgements, strict=True))
        )
        causes = list(self._cause_sets.known)[service >> 32]
        first, last = (int(times[index]) for times in self._seen) if self._seen else (_LATEST, 0)
        return JudgedTwice(
            verdicts=(Verdict(judgements[0].verdict), Verdict(judgements[1].verdict)),
            before=before,
            after=after,
            causes=tuple(place for place in range(len(self._changes)) if causes >> place & 1),
            first_seen=None if first == _LATEST else first,
            last_seen=None if first == _LATEST else last,
        )


def less(whole: Weight, part: Weight) -> Weight:
    """Give what is left of ``whole`` without ``part``."""
    return Weight(whole.flows - part.flows, whole.packets - part.packets, whole.bytes - part.bytes)


def _change_codes(first: Verdicts, second: Verdicts) -> npt.NDArray[np.uint32]:
    codes: npt.NDArray[np.uint32] = (
        first.verdict.astype(np.uint32) * np.uint32(_VERDICTS) + second.verdict
    )
    return codes


def _by_verdicts(sums: Histogram) -> dict[tuple[Verdict, Verdict], Weight]:
    return {
        (Verdict(code // _VERDICTS), Verdict(code % _VERDICTS)): Weight(*weight)
        for code, weight in sums.items().items()
    }


def _weights(batch: FlowBatch) -> tuple[UInt64s | None, ...]:
    return tuple(
        None if column is None else np.ascontiguousarray(column, np.uint64)
        for column in (batch.flows, batch.packets, batch.bytes)
    )
