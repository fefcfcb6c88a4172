"""Takes batches and their verdicts, gives exact sums in bounded memory, in words of the engine.

The sums are made in the core (``_core/tally.pyx``), 28 ns a flow; what turns an engine into the
numbers it needs, and its numbers into weights, is here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from netpol._core.conntrack import Scanner
from netpol._core.fused import FusedRecords, FusedSums
from netpol._core.sums import Groups, Histogram
from netpol._core.tally import Tally as CoreTally
from netpol.compiler.layout import (
    FACT_LOUDNESS_SHIFT,
    FACT_OWN_NODE,
    FACT_REASON_SHIFT,
    FACT_TIED,
    HALF_MASK,
    HALF_SHIFT,
    NO_REASON,
    OWN_NODE_DENIED,
    PAIR_HAS_PORT_SHIFT,
    PAIR_OUTCOME_SHIFT,
    PAIR_PORT_MASK,
    PAIR_PROTOCOL_MASK,
    PAIR_PROTOCOL_SHIFT,
    PROTOCOL_HAS_PORTS,
    PROTOCOL_NOTE_SHIFT,
    RULE_ALLOWS,
    TIED,
    VERDICT_MASK,
    PairWord,
)
from netpol.model.batch import NO_TIME, PORT_PROTOCOLS, UNKNOWN_PROTOCOL, Column, FlowBatch
from netpol.model.flow import Flow
from netpol.model.verdict import Note, Reason, Side, Verdict

if TYPE_CHECKING:
    from netpol.engine.engine import Engine
    from netpol.engine.verdicts import Verdicts

__all__ = [
    "HAS_PORTS",
    "PAIR_LIMIT",
    "PairKey",
    "SourceNat",
    "Tally",
    "TimeSpans",
    "Weight",
    "numbered",
    "outcome_of",
    "pair_key",
    "pair_words",
    "weights_of",
]

#: Distinct pairs of workloads, ports and deciders that are kept (16 MB); what comes later is
#: counted as "others".
PAIR_LIMIT = 1 << 18

#: uint8[256]: 1 for protocols with ports.
HAS_PORTS = np.zeros(256, np.uint8)
HAS_PORTS[list(PORT_PROTOCOLS)] = 1

_LATEST = np.iinfo(np.int64).max
_FILTERED = (6, 17, 132)
_SIDES, _REASONS = len(Side), len(Reason)


@dataclass(frozen=True, slots=True)
class Weight:
    """What a group of records stands for; packets and bytes are 0 where the log has none."""

    flows: int = 0
    packets: int = 0
    bytes: int = 0

    def __add__(self, other: Weight) -> Weight:
        """Return the sum of both."""
        return Weight(
            self.flows + other.flows, self.packets + other.packets, self.bytes + other.bytes
        )

    def __sub__(self, part: Weight) -> Weight:
        """Return what is left without a part."""
        return Weight(self.flows - part.flows, self.packets - part.packets, self.bytes - part.bytes)


@dataclass(frozen=True, slots=True)
class PairKey:
    """What the flows of one pair share. Decisions are 0 where the side did not decide."""

    src: str
    dst: str
    verdict: Verdict
    reason: Reason
    side: Side
    protocol: int
    port: int | None
    egress: int
    ingress: int


class SourceNat(NamedTuple):
    """Flows unknown for ``source-nat``, by whether they say which source the server saw (A15.13).

    Every conntrack record says so: then a dump of the node that did the NAT was given.
    """

    recorded: int = 0
    unrecorded: int = 0

    @classmethod
    def of(cls, flow: Flow) -> SourceNat:
        """Count one flow."""
        recorded = flow.src_seen is not None and not flow.is_reply
        return cls(int(recorded), int(not recorded))


class Tally:
    """Sums over batches of one engine's verdicts.

    Parameters
    ----------
    engine : Engine
        Whose verdicts are added.
    limit : int
        Distinct pairs that are kept.
    """

    core_type: type[CoreTally] = CoreTally

    def __init__(self, engine: Engine, limit: int = PAIR_LIMIT) -> None:
        self._workloads, numbers = self._numbered(engine)
        self._needs = (
            engine._core,
            _decision_facts(engine),
            numbers,
            _PROTOCOLS,
            _REASONS,
            engine.tables.meta["newest"],
            limit,
        )
        self._begin()

    def _numbered(self, engine: Engine) -> tuple[list[str], npt.NDArray[np.uint32]]:
        """Return the workloads, and the number of each endpoint's."""
        return numbered(engine.endpoints.workload)

    def _begin(self) -> None:
        self.core = self.core_type(*self._needs)
        self.has_packets = self.has_bytes = False
        self._source_unrecorded = 0  # of batches; every record of text has it

    def fork(self) -> Tally:
        """Return an empty tally of the same engine, for another thread."""
        other = copy(self)
        other._begin()
        return other

    def on_text(self, capacity: int) -> FusedRecords:
        """Return what judges and adds a scanner's records."""
        return FusedSums(self.core, HAS_PORTS)

    def after_piece(self, records: FusedRecords, scanner: Scanner, file: str) -> None:
        """Keep nothing: all there is to know of records is in the sums."""

    def take_piece(self, other: Tally, lines: int) -> None:
        """Move the pairs of another tally of this engine here, after those that are here."""
        if other is not self:
            self.core.pairs.merge(other.core.pairs)
            other.core.pairs.clear()

    def merge(self, other: Tally) -> None:
        """Add the sums of another tally of this engine."""
        self.core.merge(other.core)
        self.has_packets |= other.has_packets
        self.has_bytes |= other.has_bytes
        self._source_unrecorded += other._source_unrecorded

    def add(self, verdicts: Verdicts) -> None:
        """Add one batch of verdicts."""
        batch = verdicts.batch
        self.has_packets |= batch.packets is not None
        self.has_bytes |= batch.bytes is not None
        self._source_unrecorded += _source_unrecorded(verdicts)
        self.core.add(len(batch), verdicts.opened, verdicts.storage, *weights_of(batch))

    def outcomes(self) -> dict[tuple[Verdict, Reason, Side], Weight]:
        """Return the weight of each (verdict, reason, deciding side)."""
        return {outcome_of(key): weight for key, weight in _items(self.core.outcomes)}

    def source_nat(self) -> SourceNat:
        """Return how many flows unknown for ``source-nat`` say which source was seen."""
        sums = (
            weight.flows
            for (verdict, reason, _), weight in self.outcomes().items()
            if verdict is Verdict.UNKNOWN and reason is Reason.SOURCE_NAT
        )
        return SourceNat(sum(sums) - self._source_unrecorded, self._source_unrecorded)

    def decisions(self, side: Side) -> Iterator[tuple[int, Weight]]:
        """Return the weight of each decision id of a side that occurred."""
        return _items(self.core.egress if side is Side.EGRESS else self.core.ingress)

    def notes(self) -> dict[Note, Weight]:
        """Return the weight of each note that occurred."""
        sums = {note: Weight() for note in Note if note}
        for bits, weight in _items(self.core.notes):
            for note in Note(bits):
                sums[note] += weight
        return {note: weight for note, weight in sums.items() if weight.flows}

    def heaviest(self, verdict: Verdict, number: int) -> tuple[list[tuple[PairKey, Weight]], int]:
        """Return the pairs of a verdict with most flows, then bytes, and how many pairs are kept.

        At most ``number`` are given. Only denied and unknown flows are counted by pair.
        """
        groups: Groups = self.core.pairs
        keys = groups.keys()
        outcome = keys[:, PairWord.WHAT] >> np.uint64(PAIR_OUTCOME_SHIFT)
        mine = np.flatnonzero(outcome // np.uint64(_REASONS * _SIDES) == verdict)
        distinct = len(mine)
        flows, _, octets = groups.measures()[mine].T
        if len(mine) > number > 0:  # what is surely not picked need not be sorted
            least = -np.partition(-flows, number - 1)[number - 1]
            likely = flows >= least
            mine, flows, octets = mine[likely], flows[likely], octets[likely]
        picked = mine[np.lexsort((-octets, -flows))[:number]].tolist()
        listed = [
            (pair_key(keys[index].tolist(), self._workloads), Weight(*groups.weight(index)))
            for index in picked
        ]
        return listed, distinct

    @property
    def capped(self) -> bool:
        """Whether there were more distinct pairs than are kept."""
        return self.core.pairs.others != (0, 0, 0)


class TimeSpans:
    """First and last times of groups, by their places in ``Groups``; no memory without times.

    Parameters
    ----------
    limit : int
        How many groups there may be; what is beyond has a place of its own.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._spans: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None = None

    def add(self, places: npt.NDArray[Any], times: npt.NDArray[np.int64]) -> None:
        """Add flows: places as ``Groups.places`` gives them, times in ns or ``NO_TIME``."""
        known = times != NO_TIME
        places, times = places[known], times[known]
        if self._spans is None:
            room = self._limit + 1
            self._spans = np.full(room, _LATEST, np.int64), np.full(room, NO_TIME, np.int64)
        np.minimum.at(self._spans[0], places, times)
        np.maximum.at(self._spans[1], places, times)

    def of(self, place: int) -> tuple[int, int] | None:
        """Return first and last time of a group, ns; None where no flow's time is known."""
        if self._spans is None or self._spans[0][place] == _LATEST:
            return None
        first, last = (int(times[place]) for times in self._spans)
        return first, last


def _source_unrecorded(verdicts: Verdicts) -> int:
    """Count the flows of a batch that are unknown for ``source-nat`` and lack the source seen."""
    rows = np.flatnonzero(verdicts.verdict == Verdict.UNKNOWN)
    if not len(rows):
        return 0
    hidden = verdicts.reasons_at(rows) == Reason.SOURCE_NAT
    seen = verdicts.opened.get("src_seen")
    if seen is not None:
        hidden &= ~seen[rows].reshape(len(rows), -1).any(axis=1)
    flows = verdicts.batch.flows
    return int(hidden.sum() if flows is None else flows[rows[hidden]].sum())


def weights_of(batch: FlowBatch) -> tuple[npt.NDArray[np.uint64] | None, ...]:
    """Return flows, packets and bytes as the core takes them: uint64[n], or None."""
    return tuple(
        None if column is None else np.ascontiguousarray(column, np.uint64)
        for column in (batch.flows, batch.packets, batch.bytes)
    )


def pair_words(verdicts: Verdicts, workloads: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint64]:
    """Return the key of every flow's pair, uint64[n, 3], as the core makes those of denied flows.

    ``workloads`` has the number of each endpoint's; of the second word, bits from 34 on are free.
    """
    opened, side = verdicts.opened, verdicts.side
    protocol = opened["protocol"].astype(np.uint64)
    has_port = _PROTOCOLS[opened["protocol"]] & PROTOCOL_HAS_PORTS != 0
    if "dport_known" in opened:
        has_port &= opened["dport_known"]
    outcome = (verdicts.verdict.astype(np.uint64) * _REASONS + verdicts.reason) * _SIDES + side
    port = np.where(has_port, opened["dport"], 0).astype(np.uint64)
    service = (
        outcome << np.uint64(PAIR_OUTCOME_SHIFT)
        | has_port.astype(np.uint64) << np.uint64(PAIR_HAS_PORT_SHIFT)
        | protocol << np.uint64(PAIR_PROTOCOL_SHIFT)
        | port
    )
    egress = np.where(side & Side.EGRESS, verdicts.egress, 0).astype(np.uint64)
    ingress = np.where(side & Side.INGRESS, verdicts.ingress, 0).astype(np.uint64)
    half = np.uint64(HALF_SHIFT)
    ends = workloads[verdicts.src_endpoint].astype(np.uint64) << half
    words: npt.NDArray[np.uint64] = np.stack(
        [
            ends | workloads[verdicts.dst_endpoint],
            service,
            egress << half | ingress,
        ],
        axis=1,
    )
    return words


def pair_key(words: Sequence[int], workloads: Sequence[str]) -> PairKey:
    """Turn the three words of a pair's key round; ``workloads`` has their names by number."""
    ends, service, decided = words
    verdict, reason, side = outcome_of(service >> PAIR_OUTCOME_SHIFT)
    return PairKey(
        src=workloads[ends >> HALF_SHIFT],
        dst=workloads[ends & HALF_MASK],
        verdict=verdict,
        reason=reason,
        side=side,
        protocol=service >> PAIR_PROTOCOL_SHIFT & PAIR_PROTOCOL_MASK,
        port=service & PAIR_PORT_MASK if service >> PAIR_HAS_PORT_SHIFT & 1 else None,
        egress=decided >> HALF_SHIFT,
        ingress=decided & HALF_MASK,
    )


def numbered(names: Sequence[str]) -> tuple[list[str], npt.NDArray[np.uint32]]:
    """Return the distinct names, and the place of each name among them."""
    place = {name: index for index, name in enumerate(dict.fromkeys(names))}
    return list(place), np.fromiter((place[name] for name in names), np.uint32, len(names))


def outcome_of(code: int) -> tuple[Verdict, Reason, Side]:
    """Turn the core's number of an outcome round."""
    rest, side = divmod(code, _SIDES)
    verdict, reason = divmod(rest, _REASONS)
    return Verdict(verdict), Reason(reason), Side(side)


def _items(histogram: Histogram) -> Iterator[tuple[int, Weight]]:
    return ((key, Weight(*sums)) for key, sums in histogram.items().items())


def _decision_facts(engine: Engine) -> Column:
    """Return what the core packs into 32 bits of each decision.

    An allowed flow's reason is taken from the less quiet side: a rule or exemption says more than
    that nothing filters the protocol, and that more than that nothing isolates the pod.
    """
    reasons = engine.decision_reasons.astype(np.uint32)
    quiet = np.zeros(256, np.uint32)
    quiet[[Reason.DEFAULT_ALLOW, Reason.NOT_ISOLATED, NO_REASON]] = 1, 2, 3
    info = engine.tables.arrays["decision_info"]
    rule_allows, verdict = (info & RULE_ALLOWS) != 0, info & VERDICT_MASK
    decides = (
        rule_allows << Verdict.ALLOW
        | (verdict == Verdict.DENY) << Verdict.DENY
        | (verdict == Verdict.UNKNOWN) << Verdict.UNKNOWN
        | ((info & TIED) != 0) * FACT_TIED
        | ((info & OWN_NODE_DENIED) != 0) * FACT_OWN_NODE
    )
    facts: Column = (
        decides.astype(np.uint32)
        | reasons << np.uint32(FACT_REASON_SHIFT)
        | quiet[reasons] << np.uint32(FACT_LOUDNESS_SHIFT)
    )
    return facts


def _protocol_traits() -> Column:
    traits = np.full(256, int(Note.UNSPECIFIED_PROTOCOL) << PROTOCOL_NOTE_SHIFT, np.uint16)
    traits[[*_FILTERED, UNKNOWN_PROTOCOL]] = 0
    traits[[*PORT_PROTOCOLS, UNKNOWN_PROTOCOL]] |= PROTOCOL_HAS_PORTS
    return traits


_PROTOCOLS = _protocol_traits()
