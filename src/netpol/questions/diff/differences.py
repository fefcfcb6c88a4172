"""Takes two engines and batches of flows, gives exact sums of the flows they judge differently.

One pass over the flows. Only those that differ (``contrast``) are looked at again: which change
alone makes the difference (``attribution``), and by workload and port.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from netpol._core.sums import Groups, Histogram
from netpol.compiler.layout import (
    HALF_MASK,
    HALF_SHIFT,
    PAIR_CAUSES_SHIFT,
    PAIR_HAS_PORT_SHIFT,
    PAIR_PORT_MASK,
    PAIR_PROTOCOL_MASK,
    PAIR_PROTOCOL_SHIFT,
    PairWord,
)
from netpol.model.batch import PORT_PROTOCOLS, UNKNOWN_PROTOCOL, FlowBatch
from netpol.model.errors import CapacityError
from netpol.model.verdict import Reason, Side, Verdict
from netpol.questions.diff.attribution import Attribution
from netpol.questions.diff.contrast import Contrast
from netpol.questions.diff.deciders import Marks, no_deciders
from netpol.questions.diff.relevance import MOST_CHANGES, OTHER_CHANGE, Relevance
from netpol.questions.replay.replay import (
    Pair,
    RecordWriter,
    credits_of,
    empty_batch,
    protocol_name,
)
from netpol.run.conntrack_sums import without_text
from netpol.run.sums import PAIR_LIMIT, TimeSpans, Weight, outcome_of, weights_of

if TYPE_CHECKING:
    from netpol.engine.engine import Engine
    from netpol.engine.verdicts import Verdicts

__all__ = [
    "Differences",
    "Differing",
    "JudgedTwice",
    "Verdicts",
]

_VERDICTS = len(Verdict)
_HAS_PORT = np.zeros(256, np.bool_)
_HAS_PORT[[*PORT_PROTOCOLS, UNKNOWN_PROTOCOL]] = True

UInt64s = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class JudgedTwice:
    """Flows that differ in nothing but addresses, source port and time, judged twice.

    ``before`` and ``after`` hold the same weight. ``causes`` are the places of the changes that
    each suffice to give the second judgement; none if it takes several together, or if ``untold``:
    one that may suffice was not tried. ``first_seen`` and ``last_seen`` are ns since the epoch,
    None where no flow's time is known.
    """

    verdicts: tuple[Verdict, Verdict]
    before: Pair
    after: Pair
    causes: tuple[int, ...]
    untold: bool = False
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
_HALF = np.uint64(HALF_SHIFT)
_DECISION_BITS = 27
_DECISION = np.uint64((1 << _DECISION_BITS) - 1)


class _Numbers:
    """Numbers words in the order they are met."""

    def __init__(self) -> None:
        self.known: dict[int, int] = {}

    def of(self, words: UInt64s) -> UInt64s:
        """Return the number of each word."""
        # Hashed, not sorted: np.unique took half of what a differing flow costs.
        coded = pa.array(words).dictionary_encode()
        known = self.known
        numbers = [known.setdefault(word, len(known)) for word in coded.dictionary.to_pylist()]
        found: UInt64s = np.array(numbers, np.uint64)[coded.indices.to_numpy()]
        return found


def _packed(verdicts: Verdicts) -> UInt64s:
    """Return each flow's judgement as one word."""
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

    def __init__(self, engines: Sequence[Engine]) -> None:
        place: dict[str, int] = {}
        self._of = [
            np.array([place.setdefault(name, len(place)) for name in names], np.uint64)
            for names in (engine.endpoints.workload for engine in engines)
        ]
        self._names = list(place)
        self._unlike = _Numbers()

    def number(self, first: npt.NDArray[Any], second: npt.NDArray[Any]) -> UInt64s:
        """Return a number below 2**32 for each end, by its endpoint id in each engine."""
        one: UInt64s
        other: UInt64s
        one, other = self._of[0][first], self._of[1][second]
        unlike = np.flatnonzero(one != other)
        if len(unlike):
            words = one[unlike] << _HALF | other[unlike]
            one[unlike] = self._unlike.of(words) + np.uint64(len(self._names))
        return one

    def names(self) -> list[tuple[str, str]]:
        """Return the two names behind each number."""
        return [(name, name) for name in self._names] + [
            (self._names[word >> HALF_SHIFT], self._names[word & HALF_MASK])
            for word in self._unlike.known
        ]


class Differences:
    """Sums over batches judged by two engines.

    Parameters
    ----------
    engines : two of Engine
        What is judged by, before and after.
    compiled : callable
        Takes places of changes, gives the first engine with those made.
    number : int
        How many changes there are; at most ``MOST_CHANGES``.
    marks : callable
        Takes an engine, gives who decides by each of its decisions, in numbers all engines share;
        flows with the same verdict differ if those do.
    reach : Relevance, optional
        Which changes could make a flow differ; without it, each of ``changes`` could.
    trials : int
        How many engines to compile to tell changes apart, those first that are needed first.
    limit : int
        Distinct groups that are kept.
    """

    def __init__(
        self,
        engines: tuple[Engine, Engine],
        compiled: Callable[[tuple[int, ...]], Engine],
        number: int,
        marks: Marks = no_deciders,
        *,
        reach: Relevance | None = None,
        trials: int = MOST_CHANGES,
        limit: int | None = None,
    ) -> None:
        self.engines = engines
        self._changes = number
        self._finder = Attribution(compiled, number, marks, reach, trials)
        if max(len(engine.decision_reasons) for engine in engines) > _DECISION:
            raise CapacityError("more decisions than can be compared")
        self._contrast = Contrast(engines, marks, self._take)
        self._workloads = _Workloads(engines)
        self._judgements = _Numbers(), _Numbers()
        self._differing = Histogram(_VERDICTS * _VERDICTS)
        limit = PAIR_LIMIT if limit is None else limit
        self._groups = Groups(limit)
        self._times = TimeSpans(limit)
        self._causes = Histogram(number + 2)
        self._cause_sets = _Numbers()
        self._write: Callable[[Differing], None] = lambda differing: None

    def judge(
        self,
        stream: Iterable[FlowBatch],
        write: Callable[[Differing], Any],
        writers: Sequence[RecordWriter],
        jobs: int,
    ) -> Generator[int, None, None]:
        """Judge a stream; give how many records at a time.

        Each writer gets what ``write`` makes of the flows that differ, in the order of the stream,
        at least once, perhaps of none. With 2 ``jobs`` or more the stream is read in a thread of
        its own, conntrack text read and judged by so many.
        """
        written = False

        def to_writers(differing: Differing) -> None:
            nonlocal written
            written = True
            for writer in writers:
                writer.write(write(differing))

        self._write = to_writers
        with closing(without_text(stream, self._contrast, jobs)) as parts:
            for part in parts:
                if isinstance(part, int):
                    yield part
                else:
                    self._contrast.add(part)
                    yield len(part)
        self._contrast.flush()
        if not written:
            none = empty_batch()
            self._take(*(engine.evaluate(none) for engine in self.engines))

    def _take(self, first: Verdicts, second: Verdicts) -> None:
        """Add flows that differ."""
        differing = Differing(first, second, self._finder.of(first, second))
        if len(first):
            self._add_groups(differing)
        self._write(differing)

    @property
    def has_packets(self) -> bool:
        """Whether any flow carried such counters."""
        return self._contrast.has_packets

    @property
    def has_bytes(self) -> bool:
        """Whether any flow carried such counters."""
        return self._contrast.has_bytes

    @property
    def untried(self) -> set[int]:
        """Places of the changes that would have had to be tried beyond ``trials``."""
        return self._finder.untried

    def _add_groups(self, differing: Differing) -> None:
        first, second, causes = differing
        part = first.batch
        weights = weights_of(part)
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
                src << _HALF | dst,
                self._cause_sets.of(causes) << np.uint64(PAIR_CAUSES_SHIFT)
                | has_port.astype(np.uint64) << np.uint64(PAIR_HAS_PORT_SHIFT)
                | protocol.astype(np.uint64) << np.uint64(PAIR_PROTOCOL_SHIFT)
                | port,
                judgements[0] << _HALF | judgements[1],
            ],
            axis=1,
        )
        keys = np.ascontiguousarray(keys)
        self._groups.add(keys, *weights)
        if part.time is not None:
            self._times.add(self._groups.places(keys), part.time)

    def _add_causes(self, causes: UInt64s, weights: tuple[UInt64s | None, ...]) -> None:
        """Add the flows of each change; those that no change alone explains come last."""
        rows_of = {}
        for place, bits in ((self._changes, np.uint64(0)), (self._changes + 1, OTHER_CHANGE)):
            rows_of[place] = np.flatnonzero(causes == bits)
        every = int(np.bitwise_or.reduce(causes))
        for place in range(self._changes):
            if every >> place & 1:
                rows_of[place] = np.flatnonzero(causes & np.uint64(1 << place))
        for place, rows in rows_of.items():
            keys = np.full(len(rows), place, np.uint32)
            self._causes.add(keys, *(None if w is None else w[rows] for w in weights))

    # --- what was found ----------------------------------------------------------------------

    def changes(self) -> dict[tuple[Verdict, Verdict], Weight]:
        """Return the weight of every pair of verdicts that occurred, equal ones too."""
        return self._contrast.counts()

    def differing(self) -> dict[tuple[Verdict, Verdict], Weight]:
        """Return the weight of the flows that differ, by their two verdicts."""
        return _by_verdicts(self._differing)

    def alone(self) -> list[Weight]:
        """Return the weight of the flows each change alone explains.

        Then that of those which no change alone explains, and of those of which that is not known.
        """
        sums = self._causes.items()
        return [Weight(*sums.get(place, ())) for place in range(self._changes + 2)]

    @property
    def capped(self) -> bool:
        """Whether there were more distinct groups than are kept."""
        return self._groups.others != (0, 0, 0)

    def heaviest(
        self, top: int, *pairs: tuple[Verdict, Verdict]
    ) -> tuple[tuple[JudgedTwice, ...], int]:
        """Return the groups with most flows, then bytes, and how many there are; of some verdicts.

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
        judged = keys[:, PairWord.DECIDED]
        codes: npt.NDArray[Any] = (
            first[judged >> _HALF] * _VERDICTS + second[judged & np.uint64(HALF_MASK)]
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
        judgements = known[0][judged >> HALF_SHIFT], known[1][judged & HALF_MASK]
        before, after = (
            Pair(
                src=names[ends >> HALF_SHIFT][place],
                dst=names[ends & HALF_MASK][place],
                protocol=protocol_name(service >> PAIR_PROTOCOL_SHIFT & PAIR_PROTOCOL_MASK),
                port=service & PAIR_PORT_MASK if service >> PAIR_HAS_PORT_SHIFT & 1 else None,
                side=Side(judgement.side),
                reason=Reason(judgement.reason),
                credits=credits_of(engine, judgement.egress, judgement.ingress),
                weight=weight,
            )
            for place, (engine, judgement) in enumerate(zip(self.engines, judgements, strict=True))
        )
        causes = list(self._cause_sets.known)[service >> PAIR_CAUSES_SHIFT]
        first, last = self._times.of(index) or (None, None)
        return JudgedTwice(
            verdicts=(Verdict(judgements[0].verdict), Verdict(judgements[1].verdict)),
            before=before,
            after=after,
            causes=tuple(place for place in range(self._changes) if causes >> place & 1),
            untold=causes == int(OTHER_CHANGE),
            first_seen=first,
            last_seen=last,
        )


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
