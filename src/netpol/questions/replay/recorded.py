"""Takes verdicts of flows whose log has some, too, gives how well both agree, and why they do not.

Sums are exact and in bounded memory. Only the flows of which both say something else are looked at
again. What may explain them is tried in the order of ``Cause``, and the first that holds is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from netpol._core.sums import Groups, Histogram
from netpol.compiler.layout import (
    HALF_MASK,
    HALF_SHIFT,
    PAIR_CAUSE_SHIFT,
    PAIR_CODE_MASK,
    PAIR_OUTCOME_SHIFT,
    PAIR_PROFILES_SHIFT,
    PAIR_RECORDED_SHIFT,
    PairWord,
)
from netpol.engine.endpoints import EndpointKind
from netpol.engine.engine import compile as compile_policies
from netpol.engine.policy_history import AsOf, Could
from netpol.model.batch import NO_TIME, FlowBatch
from netpol.model.errors import CapacityError, FlowError
from netpol.model.profiles import PROFILES, switches_of
from netpol.model.switches import Switches
from netpol.model.verdict import Cause, Note, Reason, Side, Verdict
from netpol.run.pairs import Pair, pair_of
from netpol.run.sums import (
    PAIR_LIMIT,
    TimeSpans,
    Weight,
    numbered,
    pair_key,
    pair_words,
    weights_of,
)

if TYPE_CHECKING:
    from netpol.engine.engine import Engine
    from netpol.engine.verdicts import Verdicts

__all__ = [
    "MOST_PROFILES",
    "Newer",
    "OtherProfiles",
    "Recorded",
    "RecordedPair",
    "RecordedSums",
]

#: Sets of switches that are tried at most; each is an engine in memory.
MOST_PROFILES = 8

#: Unknown because of who an end was: its address, labels, name or node.
_WHO_REASONS = (
    Reason.AMBIGUOUS_IP,
    Reason.SERVICE_BACKEND_DEPENDENT,
    Reason.SERVICE_NO_ENDPOINTS,
    Reason.SOURCE_NAT,
    Reason.SERVICE_NAT_ORDER,
    Reason.POSSIBLE_NODE_GATEWAY,
    Reason.NAMESPACE_LABELS_UNKNOWN,
    Reason.NODES_UNKNOWN,
    Reason.DNS_UNKNOWN,
)
_WHO_NOTES = int(Note.STALE_POD_IP | Note.IN_PODCIDR | Note.POSSIBLE_NODE_GATEWAY)
#: Switches that say how the input is read, or what is there; no profile has its own.
_GIVEN = ("strict_cidr", "unknown_fields", "node_addresses")

_VERDICTS, _CAUSES = len(Verdict), len(Cause)
# The bits of a pair's second word that are a tally's; what disagrees stands above.
_OF_TALLY = (1 << PAIR_RECORDED_SHIFT) - 1

_DISAGREES = np.array(
    [theirs is not Verdict.UNKNOWN and theirs is not ours for theirs in Verdict for ours in Verdict]
)

Booleans = npt.NDArray[np.bool_]
UInt8s = npt.NDArray[np.uint8]
UInt64s = npt.NDArray[np.uint64]
CompileWith: TypeAlias = "Callable[[Switches], Engine]"


@dataclass(frozen=True, slots=True)
class Newer:
    """A policy that was created, or had its spec changed, after a flow: ``time``, ns."""

    policy: str
    time: int


@dataclass(frozen=True, slots=True)
class RecordedPair:
    """Flows of one pair of workloads that were recorded with one verdict and get another.

    ``profiles`` are those that give the recorded verdict, where that is the cause; ``newer`` the
    policies that the verdict rests on and that are newer than the first of the flows, where that
    is. ``first_seen`` and ``last_seen`` are ns since the epoch, None where no time is known.
    """

    recorded: Verdict
    ours: Verdict
    cause: Cause
    pair: Pair
    profiles: tuple[str, ...] = ()
    newer: tuple[Newer, ...] = ()
    first_seen: int | None = None
    last_seen: int | None = None

    @property
    def weight(self) -> Weight:
        """How many flows, packets and bytes."""
        return self.pair.weight


@dataclass(frozen=True, slots=True)
class Recorded:
    """How verdicts that a log carries agree with ours.

    Attributes
    ----------
    table : weight by (recorded, ours), for flows recorded as allowed or denied.
    absent : weight of the flows of which no verdict is recorded.
    causes : weight by (cause, recorded, ours) of the flows where both are not the same. They add
        up to what ``table`` has of those.
    profiles : of the cause ``profile``, the weight of the flows that each profile gives the
        recorded verdict; several may do so.
    untried : profiles that could have been a cause and were not tried, with why.
    undated : policies that unexplained disagreements of kept pairs rest on and whose spec was
        changed at a time that is not known.
    pairs : the heaviest pairs, those that we judge first; of ``distinct`` ones (a lower bound where
        ``capped``).
    others : weight of the pairs that are not listed.
    """

    table: dict[tuple[Verdict, Verdict], Weight]
    absent: Weight = field(default_factory=Weight)
    causes: dict[tuple[Cause, Verdict, Verdict], Weight] = field(default_factory=dict)
    profiles: dict[str, Weight] = field(default_factory=dict)
    untried: dict[str, str] = field(default_factory=dict)
    undated: tuple[str, ...] = ()
    pairs: tuple[RecordedPair, ...] = ()
    distinct: int = 0
    capped: bool = False
    others: Weight = field(default_factory=Weight)

    @property
    def compared(self) -> Weight:
        """The weight of the flows that were recorded as allowed or denied."""
        return sum(self.table.values(), Weight())

    @property
    def agreeing(self) -> Weight:
        """The weight of those that get the recorded verdict."""
        return sum((w for (a, b), w in self.table.items() if a is b), Weight())

    @property
    def unknown(self) -> Weight:
        """The weight of those whose verdict is unknown."""
        return sum((w for (_, b), w in self.table.items() if b is Verdict.UNKNOWN), Weight())

    @property
    def differing(self) -> Weight:
        """The weight of those that are allowed here and were denied, or the other way round."""
        return sum(
            (w for (a, b), w in self.table.items() if b not in (a, Verdict.UNKNOWN)), Weight()
        )

    def by_cause(self) -> dict[Cause, Weight]:
        """Return the weight of each cause that occurred, in the order in which they are tried."""
        sums: dict[Cause, Weight] = {}
        for (cause, _, _), weight in self.causes.items():
            sums[cause] = sums.get(cause, Weight()) + weight
        return dict(sorted(sums.items()))

    def first(self, number: int) -> Recorded:
        """Return it with no more than ``number`` pairs; the rest is among the others."""
        rest = sum((pair.weight for pair in self.pairs[number:]), self.others)
        return replace(self, pairs=self.pairs[:number], others=rest)


class OtherProfiles:
    """Engines of other profiles, each compiled when it is first needed.

    Parameters
    ----------
    engine : Engine
        What is judged with: profiles with its switches are no others.
    compile_with : callable, optional
        Gives the engine for a set of switches. None: the engine's policies and snapshot are
        compiled again, where it has them.
    profiles : mapping, optional
        Switches by name; None: those of ``netpol.model.profiles``. Of different sets, the first
        ``MOST_PROFILES`` are tried.

    Attributes
    ----------
    names : names of the profiles, by bit.
    untried : profiles that were needed and could not be tried, with why.
    """

    def __init__(
        self,
        engine: Engine,
        compile_with: CompileWith | None = None,
        profiles: Mapping[str, Switches] | None = None,
    ) -> None:
        if profiles is None:
            given = {name: getattr(engine.switches, name) for name in _GIVEN}
            profiles = {name: switches_of(name, **given) for name in PROFILES}
        if compile_with is None and engine.source is not None:
            policies, snapshot, _ = engine.source

            def compile_with(switches: Switches) -> Engine:
                return compile_policies(policies, snapshot, **asdict(switches))

        self._compile_with = compile_with
        self._sets: dict[Switches, list[str]] = {}
        for name, switches in profiles.items():
            if switches != engine.switches:
                self._sets.setdefault(switches, []).append(name)
        self.names = list(self._sets.values())[:MOST_PROFILES]
        self._beyond = [
            name for names in list(self._sets.values())[MOST_PROFILES:] for name in names
        ]
        self._engines: list[Engine | None] | None = None
        self.untried: dict[str, str] = {}

    def agreeing(self, batch: FlowBatch, recorded: UInt8s) -> UInt64s:
        """Return uint64[n]: a bit for each of ``names`` that gives a flow its recorded verdict."""
        found = np.zeros(len(batch), np.uint64)
        if self._engines is None:
            self._engines = self._compiled()
        for bit, engine in enumerate(self._engines):
            if engine is not None:
                same = engine.evaluate(batch).verdict == recorded
                found |= same.astype(np.uint64) << np.uint64(bit)
        return found

    def _compiled(self) -> list[Engine | None]:
        self.untried |= dict.fromkeys(self._beyond, f"more than {MOST_PROFILES} profiles")
        engines: list[Engine | None] = []
        for switches, names in zip(self._sets, self.names, strict=False):
            engine = None
            if self._compile_with is None:
                self.untried |= dict.fromkeys(names, "the engine was loaded without its policies")
            else:
                try:
                    engine = self._compile_with(switches)
                except CapacityError as error:
                    self.untried |= dict.fromkeys(names, str(error))
            engines.append(engine)
        return engines


class RecordedSums:
    """Sums over batches of one engine's verdicts, beside those that were recorded.

    Parameters
    ----------
    engine : Engine
        Whose verdicts are added.
    others : OtherProfiles
        What disagreements that nothing else explains are tried with.
    limit : int
        Distinct pairs that are kept.
    """

    def __init__(self, engine: Engine, others: OtherProfiles, limit: int = PAIR_LIMIT) -> None:
        self._engine = engine
        self._others = others
        self._as_of = AsOf(engine)
        self._workloads, self._workload_of = numbered(engine.endpoints.workload)
        self._table = Histogram(_VERDICTS * _VERDICTS)
        self._causes = Histogram(_CAUSES * _VERDICTS * _VERDICTS)
        self._profiles = Histogram(1 << MOST_PROFILES)
        self._groups = Groups(limit)
        self._times = TimeSpans(limit)

    def add(self, verdicts: Verdicts) -> None:
        """Add one batch of verdicts.

        Raises
        ------
        FlowError
            A recorded verdict is no code of ``Verdict``.
        """
        recorded = verdicts.batch.recorded_verdict
        if recorded is None or not len(recorded):
            return
        recorded = recorded.astype(np.uint8, copy=False)
        if recorded.max() >= _VERDICTS:
            raise FlowError("recorded_verdict: not a code of Verdict")
        codes = recorded * np.uint8(_VERDICTS) + verdicts.verdict
        self._table.add(codes.astype(np.uint32), *weights_of(verdicts.batch))
        rows = np.flatnonzero(_DISAGREES[codes])
        if len(rows):
            self._add_disagreeing(verdicts.take(rows, verdicts.batch.take(rows)))

    def _add_disagreeing(self, part: Verdicts) -> None:
        batch = part.batch
        weights = weights_of(batch)
        assert batch.recorded_verdict is not None  # those that disagree have one
        recorded = batch.recorded_verdict.astype(np.uint8, copy=False)
        causes, profiles = self._explained(part, recorded)
        codes = (causes.astype(np.uint32) * _VERDICTS + recorded) * _VERDICTS + part.verdict
        self._causes.add(codes.astype(np.uint32), *weights)
        self._profiles.add(profiles.astype(np.uint32), *weights)
        keys = pair_words(part, self._workload_of)
        keys[:, PairWord.WHAT] |= (
            recorded.astype(np.uint64) << np.uint64(PAIR_RECORDED_SHIFT)
            | causes.astype(np.uint64) << np.uint64(PAIR_CAUSE_SHIFT)
            | profiles << np.uint64(PAIR_PROFILES_SHIFT)
        )
        self._groups.add(keys, *weights)
        if batch.time is not None:
            self._times.add(self._groups.places(keys), batch.time)

    def _explained(self, part: Verdicts, recorded: UInt8s) -> tuple[UInt8s, UInt64s]:
        """Return the cause of each flow, and which profiles agree where that is the cause."""
        unknown = part.verdict == Verdict.UNKNOWN
        causes: UInt8s = np.where(unknown, Cause.NOT_JUDGED, Cause.UNEXPLAINED).astype(np.uint8)
        causes[self._policy_changed(part, recorded) & ~unknown] = Cause.POLICY_CHANGED
        causes[self._who_in_doubt(part, unknown)] = Cause.IDENTITY_UNKNOWN
        profiles = np.zeros(len(causes), np.uint64)
        rows = np.flatnonzero(causes >= Cause.NOT_JUDGED)
        if len(rows):
            profiles[rows] = self._others.agreeing(part.batch.take(rows), recorded[rows])
            causes[profiles != 0] = Cause.PROFILE
        return causes, profiles

    def _who_in_doubt(self, part: Verdicts, unknown: Booleans) -> Booleans:
        """Say of which flows it is in doubt who an end was."""
        notes = part.notes
        found = (notes & _WHO_NOTES != 0) | unknown & np.isin(part.reason, _WHO_REASONS)
        # A pod is never another pod's node.
        no_pod = self._engine.endpoints.kind[part.src_endpoint] != EndpointKind.POD
        return np.asarray(found | (notes & np.uint16(Note.OWN_NODE_UNKNOWN) != 0) & no_pod)

    def _policy_changed(self, part: Verdicts, recorded: UInt8s) -> Booleans:
        """Say which flows may have got the recorded verdict of policies as they were then."""
        time = part.batch.time
        if time is None or not self._as_of.known:
            return np.zeros(len(part), np.bool_)
        egress, ingress = (self._as_of.could(ids, time) for ids in (part.egress, part.ingress))
        allowed = egress & ingress & Could.ALLOW != 0
        denied = (egress | ingress) & Could.DENY != 0
        then = np.where(recorded == Verdict.ALLOW, allowed, denied)
        return np.asarray(then & (time != NO_TIME))

    # --- what was found ----------------------------------------------------------------------

    def result(self, total: Weight, top: int) -> Recorded:
        """Return what was found, with ``top`` pairs; ``total`` is the weight of all flows."""
        table = {
            (Verdict(code // _VERDICTS), Verdict(code % _VERDICTS)): Weight(*sums)
            for code, sums in self._table.items().items()
            if code // _VERDICTS != Verdict.UNKNOWN
        }
        causes = {}
        for code, sums in self._causes.items().items():
            cause, pair = divmod(code, _VERDICTS * _VERDICTS)
            causes[Cause(cause), Verdict(pair // _VERDICTS), Verdict(pair % _VERDICTS)] = Weight(
                *sums
            )
        keys = self._groups.keys()
        pairs = tuple(self._pair(index, keys[index].tolist()) for index in self._picked(keys, top))
        disagreeing = sum(causes.values(), Weight())
        return Recorded(
            table=table,
            absent=total - sum(table.values(), Weight()),
            causes=causes,
            profiles=self._by_profile(),
            untried=dict(self._others.untried),
            undated=self._undated(keys),
            pairs=pairs,
            distinct=len(keys),
            capped=self._groups.others != (0, 0, 0),
            others=disagreeing - sum((pair.weight for pair in pairs), Weight()),
        )

    def _picked(self, keys: UInt64s, top: int) -> list[int]:
        """Return the places of the pairs to list: what is judged before what is unknown."""
        flows, _, octets = self._groups.measures().T
        outcome = (keys[:, PairWord.WHAT] & np.uint64(_OF_TALLY)) >> np.uint64(PAIR_OUTCOME_SHIFT)
        unknown = outcome // np.uint64(len(Reason) * len(Side)) == Verdict.UNKNOWN
        picked: list[int] = np.lexsort((-octets, -flows, unknown))[:top].tolist()
        return picked

    def _pair(self, index: int, words: list[int]) -> RecordedPair:
        extra = words[PairWord.WHAT]
        words[PairWord.WHAT] &= _OF_TALLY
        key = pair_key(words, self._workloads)
        cause = Cause(extra >> PAIR_CAUSE_SHIFT & PAIR_CODE_MASK)
        first, last = self._times.of(index) or (None, None)
        newer: tuple[Newer, ...] = ()
        if cause is Cause.POLICY_CHANGED and first is not None:
            policies = self._engine.policies
            newer = tuple(
                Newer(policies[policy].label, time)
                for policy, time in self._as_of.newer((key.egress, key.ingress), first)
            )
        return RecordedPair(
            recorded=Verdict(extra >> PAIR_RECORDED_SHIFT & PAIR_CODE_MASK),
            ours=key.verdict,
            cause=cause,
            pair=pair_of(self._engine, key, Weight(*self._groups.weight(index))),
            profiles=self._named(extra >> PAIR_PROFILES_SHIFT),
            newer=newer,
            first_seen=first,
            last_seen=last,
        )

    def _named(self, bits: int) -> tuple[str, ...]:
        return tuple(
            name
            for bit, names in enumerate(self._others.names)
            if bits >> bit & 1
            for name in names
        )

    def _by_profile(self) -> dict[str, Weight]:
        found: dict[str, Weight] = {}
        for bits, sums in self._profiles.items().items():
            for name in self._named(bits):
                found[name] = found.get(name, Weight()) + Weight(*sums)
        return dict(sorted(found.items(), key=lambda item: (-item[1].flows, item[0])))

    def _undated(self, keys: UInt64s) -> tuple[str, ...]:
        cause = keys[:, PairWord.WHAT] >> np.uint64(PAIR_CAUSE_SHIFT) & np.uint64(PAIR_CODE_MASK)
        decided = keys[cause == Cause.UNEXPLAINED, PairWord.DECIDED]
        sides = decided >> np.uint64(HALF_SHIFT), decided & np.uint64(HALF_MASK)
        ids = np.unique(np.concatenate(sides))
        policies = self._engine.policies
        return tuple(
            policies[index].label for index in sorted(set(self._as_of.undated(ids.tolist())))
        )
