"""Takes policies, two sets of switches and a stream of flows, gives where the verdicts differ.

One pass over the flows, judged by two engines (``diff.differences``); engines that have one
switch of the second set in place of the first's tell which switch alone makes the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from netpol.kube.unjudged import NOTHING_UNJUDGED, Unjudged
from netpol.model.batch import FlowBatch
from netpol.model.switches import Switches
from netpol.model.verdict import Verdict
from netpol.questions.diff.differences import Differences, Differing, JudgedTwice
from netpol.questions.replay.replay import (
    DnsCounts,
    Pair,
    ReaderCounts,
    RecordWriter,
    reader_counts,
)
from netpol.run.sums import Weight

if TYPE_CHECKING:
    from netpol.engine.engine import Engine

__all__ = ["ChangedPair", "Comparison", "SwitchChange", "compare"]


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
    explains. ``unjudged`` are policies of other dialects among the inputs.
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
    unjudged: Unjudged = NOTHING_UNJUDGED

    @property
    def nothing_judged(self) -> bool:
        """Whether there was no flow at all, so that nothing here is evidence of anything."""
        return self.total.flows == 0

    def first(self, number: int) -> Comparison:
        """Return it with no more than ``number`` pairs; the rest is among the others."""
        rest = sum((pair.weight for pair in self.pairs[number:]), self.others)
        return replace(self, pairs=self.pairs[:number], others=rest)

    @property
    def differing(self) -> Weight:
        """The weight of the flows whose verdict differs."""
        return sum((w for (a, b), w in self.changes.items() if a is not b), Weight())


def compare(
    compile_with: Callable[[Switches], Engine],
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
        The two sets, as ``netpol.model.profiles.switches_of`` gives them.
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
        Threads. With 2 or more, the stream is read in one of its own; conntrack text is read and
        judged by so many. The results are the same.
    on_batch : callable, optional
        Called with the number of records judged so far.

    Raises
    ------
    FlowError
        A flow log cannot be read, or has a bad record where the stream is strict.
    CapacityError
        An engine exceeds its memory budget.
    """
    changed = [
        (switch.name, getattr(before, switch.name), getattr(after, switch.name))
        for switch in fields(Switches)
        if getattr(before, switch.name) != getattr(after, switch.name)
    ]

    def compiled(places: tuple[int, ...]) -> Engine:
        made = {changed[place][0]: changed[place][2] for place in places}
        return compile_with(replace(before, **made))

    both = Differences((compile_with(before), compile_with(after)), compiled, len(changed))
    seen = 0
    with closing(both.judge(stream, _Differences, writers, jobs)) as parts:
        for rows in parts:
            seen += rows
            if on_batch is not None:
                on_batch(seen)
    changes = both.changes()
    *alone, together, _ = both.alone()  # all were tried
    groups, distinct = both.heaviest(top)
    pairs = tuple(_pair(group, [name for name, _, _ in changed]) for group in groups)
    differing = sum(both.differing().values(), Weight())
    return Comparison(
        names=names,
        total=sum(changes.values(), Weight()),
        has_packets=both.has_packets,
        has_bytes=both.has_bytes,
        policies=len(both.engines[0].policies),
        pods=len(both.engines[0].pods),
        changes=changes,
        switches=tuple(
            SwitchChange(name, str(first), str(second), weight)
            for (name, first, second), weight in zip(changed, alone, strict=True)
        ),
        together=together,
        pairs=pairs,
        distinct=distinct,
        capped=both.capped,
        others=differing - sum((pair.weight for pair in pairs), Weight()),
        reader=reader_counts(getattr(stream, "stats", None), seen),
        unjudged=both.engines[0].unjudged,
    )


def _pair(group: JudgedTwice, switches: Sequence[str]) -> ChangedPair:
    names = tuple(switches[place] for place in group.causes)
    return ChangedPair(group.verdicts, group.before, group.after, names)


class _Differences:
    """The flows of one batch whose verdict differs, as a table."""

    def __init__(self, differing: Differing) -> None:
        self._differing = differing

    def to_arrow(self, *, encode_addresses: bool = False) -> Any:
        """Return one row per flow: who and what once, then both judgements."""
        first, second, _ = self._differing
        tables = [one.to_arrow(encode_addresses=encode_addresses) for one in (first, second)]
        columns = {name: tables[0].column(name) for name in _COMMON}
        for suffix, table in zip("ab", tables, strict=True):
            columns |= {f"{name}_{suffix}": table.column(name) for name in _JUDGED}
        return type(tables[0]).from_pydict(columns)


_COMMON = ("src", "dst", "protocol", "port", "src_identity", "dst_identity")
_JUDGED = (
    "verdict", "side", "reason", "egress_policy", "egress_rule", "ingress_policy", "ingress_rule",
)  # fmt: skip
