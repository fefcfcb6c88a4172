"""Takes two compiled engines and a stream of flows, gives a ``Diff``: what the change does to them.

One pass judges both sides (``differences``). A flow is in the diff if it gets another verdict, or
the same one by another rule (``deciders``); a change is responsible for it if the first side with
that change alone judges it as the second side does (``attribution``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from netpol.compiler.addresses.clusters import Clusters
from netpol.flows.columns.normalise import batch_from
from netpol.kube.unjudged import NOTHING_UNJUDGED, Unjudged
from netpol.model.batch import FlowBatch
from netpol.model.flow import Flow
from netpol.model.verdict import Verdict
from netpol.questions.diff.changes import Change, SingleChange, changes_between, compiled_with
from netpol.questions.diff.deciders import Deciders
from netpol.questions.diff.differences import (
    Differences,
    Differing,
    JudgedTwice,
)
from netpol.questions.diff.groups import Group, GroupList, Kind, PolicyChange, kind_of
from netpol.questions.diff.relevance import MOST_CHANGES, Relevance
from netpol.questions.replay.replay import (
    DnsCounts,
    ReaderCounts,
    RecordWriter,
    reader_counts,
)
from netpol.run.sums import Weight

if TYPE_CHECKING:
    from netpol.engine.engine import Engine

__all__ = ["TRIED", "Diff", "diff"]

#: Engines that are compiled to tell which of several changes is the cause of what differs.
TRIED = 8


@dataclass(frozen=True, slots=True)
class Diff:
    """What a change of policies or cluster does to recorded flows.

    Attributes
    ----------
    total : weight of all flows.
    has_packets, has_bytes : whether any batch carried such counters.
    policies, pods : how many there are before and after.
    verdicts : weight of every pair of verdicts that occurred, equal ones too.
    kinds : the groups of every kind, also of those that did not occur.
    changes : what is not the same on both sides; None where an engine has only its tables.
    together : weight of the differing flows that no change alone explains.
    untold : weight of those of which that is not known, since a change was not tried.
    capped : whether there were more distinct groups than are kept.
    names : what the two sides are called.
    unjudged : policies of other dialects among the inputs of each side.
    """

    total: Weight
    has_packets: bool
    has_bytes: bool
    policies: tuple[int, int]
    pods: tuple[int, int]
    verdicts: dict[tuple[Verdict, Verdict], Weight]
    kinds: dict[Kind, GroupList]
    changes: tuple[PolicyChange, ...] | None
    together: Weight
    untold: Weight
    capped: bool
    reader: ReaderCounts
    names: tuple[str, str] = ("before", "after")
    dns: DnsCounts | None = None
    unjudged: tuple[Unjudged, Unjudged] = (NOTHING_UNJUDGED, NOTHING_UNJUDGED)

    @property
    def nothing_judged(self) -> bool:
        """Whether there was no flow at all, so that nothing here is evidence of anything."""
        return self.total.flows == 0

    def first(self, number: int) -> Diff:
        """Return it with no more than ``number`` groups of a kind; the rest is among the others."""
        return replace(self, kinds={kind: one.first(number) for kind, one in self.kinds.items()})

    @property
    def groups(self) -> tuple[Group, ...]:
        """Every group that is listed, kind by kind."""
        return tuple(group for listed in self.kinds.values() for group in listed.groups)

    @property
    def differing(self) -> Weight:
        """The weight of the flows that are judged differently."""
        return sum((listed.total for listed in self.kinds.values()), Weight())

    @property
    def untried(self) -> int:
        """Of how many changes it is not known of which flows they are the cause."""
        return sum(not one.tried for one in self.changes or ())

    def to_arrow(self) -> Any:
        """Return the listed groups as a ``pyarrow.Table`` (docs/output.md has the columns)."""
        from netpol.questions.diff.diff_table import table_of

        return table_of(self)

    def to_pandas(self) -> Any:
        """Return the listed groups as a pandas DataFrame; raises ``ImportError`` without pandas."""
        from netpol.questions.diff.diff_table import frame_of

        return frame_of(self, "pandas")

    def to_polars(self) -> Any:
        """Return the listed groups as a polars DataFrame; raises ``ImportError`` without polars."""
        from netpol.questions.diff.diff_table import frame_of

        return frame_of(self, "polars")

    def _repr_html_(self) -> str:
        from netpol.questions.diff.diff_html import html_of

        return html_of(self)


def diff(
    before: Engine,
    after: Engine,
    flows: Any,
    *,
    top: int = 10,
    writers: Sequence[RecordWriter] = (),
    jobs: int = 2,
    memory_budget: int = 1 << 30,
    tried: int = TRIED,
    names: tuple[str, str] = ("before", "after"),
    on_batch: Callable[[int], None] | None = None,
) -> Diff:
    """Judge every flow before and after a change, and give what differs.

    Parameters
    ----------
    before, after : Engine
        What ``netpol.compile`` gave for each side. Of engines that were loaded or unpickled it is
        not known which change is responsible, and a rule is told by its place.
    flows
        A ``FlowStream``, an iterable of ``FlowBatch``, or what ``Engine.evaluate`` takes.
    top : int
        How many groups of each kind to list.
    writers : sequence of RecordWriter
        Each gets the flows that differ, batch by batch, as something with a ``to_arrow``
        (docs/output.md has the columns); at least one batch, perhaps empty.
    jobs : int
        Threads. With 2 or more, the flows are read in one of their own; conntrack text is read and
        judged by so many. The results are the same.
    memory_budget : int
        Bytes that the tables of each engine made to try a change may take.
    tried : int
        How many engines to compile, at most, to tell which of several changes is the cause.
    names : (str, str)
        What the two sides are called.
    on_batch : callable, optional
        Called with the number of records judged so far.

    Raises
    ------
    FlowError
        A flow log cannot be read, or has a bad record where the stream is strict.
    CapacityError
        An engine exceeds its memory budget.
    """
    stream = _batches(flows)
    known: list[SingleChange] | None = None
    if before.source is not None and after.source is not None:
        known = changes_between(before.source, after.source)
    changes = known or []
    told = changes[:MOST_CHANGES]
    clusters = Clusters()

    def compiled(places: tuple[int, ...]) -> Engine:
        made = [told[place] for place in places]
        assert before.source is not None  # else there is no change
        return compiled_with(before.source, made, memory_budget, clusters)

    both = Differences(
        (before, after),
        compiled,
        len(told),
        Deciders(before, after),
        reach=Relevance(changes, (before, after)),
        trials=tried,
    )
    responsible = tuple(one.change for one in told)
    seen = 0
    written = partial(DifferingFlows, tried=responsible)
    with closing(both.judge(stream, written, writers, jobs)) as parts:
        for rows in parts:
            seen += rows
            if on_batch is not None:
                on_batch(seen)
    reader = reader_counts(getattr(stream, "stats", None), seen)
    return _found(both, known, responsible, top, names, reader)


def _batches(flows: Any) -> Iterable[FlowBatch]:
    """Return batches of whatever flows come in."""
    if isinstance(flows, FlowBatch):
        return [flows]
    if isinstance(flows, Mapping) or hasattr(flows, "__arrow_c_stream__"):
        return [batch_from(flows)]
    if isinstance(flows, Sequence) and flows and isinstance(flows[0], Flow):
        return [batch_from(flows)]
    stream: Iterable[FlowBatch] = flows
    return stream


def _found(
    both: Differences,
    changes: Sequence[SingleChange] | None,
    tried: tuple[Change, ...],
    top: int,
    names: tuple[str, str],
    reader: ReaderCounts,
) -> Diff:
    verdicts = both.changes()
    *alone, together, untold = both.alone()
    number = len(changes or ())
    weights: list[Weight | None] = [*alone, *[None] * (number - len(alone))]
    told_all = [place < len(alone) and place not in both.untried for place in range(number)]
    first, second = both.engines
    return Diff(
        total=sum(verdicts.values(), Weight()),
        has_packets=both.has_packets,
        has_bytes=both.has_bytes,
        policies=(len(first.policies), len(second.policies)),
        pods=(len(first.pods), len(second.pods)),
        verdicts=verdicts,
        kinds={kind: _listed(both, kind, tried, top) for kind in Kind},
        changes=None
        if changes is None
        else tuple(
            PolicyChange(one.change, weight, told)
            for one, weight, told in zip(changes, weights, told_all, strict=True)
        ),
        together=together,
        untold=untold,
        capped=both.capped,
        reader=reader,
        names=names,
        unjudged=(first.unjudged, second.unjudged),
    )


def _listed(both: Differences, kind: Kind, tried: tuple[Change, ...], top: int) -> GroupList:
    pairs = [(a, b) for a in Verdict for b in Verdict if kind_of(a, b) is kind]
    differing = both.differing()
    total = sum((differing.get(pair, Weight()) for pair in pairs), Weight())
    found, distinct = both.heaviest(top, *pairs)
    groups = tuple(_group(one, tried) for one in found)
    shown = sum((group.weight for group in groups), Weight())
    return GroupList(total, groups, distinct, total - shown)


def _group(one: JudgedTwice, tried: tuple[Change, ...]) -> Group:
    return Group(
        kind=kind_of(*one.verdicts),
        verdicts=one.verdicts,
        before=one.before,
        after=one.after,
        responsible=tuple(tried[place] for place in one.causes),
        untold=one.untold,
        first_seen=one.first_seen,
        last_seen=one.last_seen,
    )


class DifferingFlows:
    """The flows of one batch that differ, as a table."""

    def __init__(self, differing: Differing, tried: tuple[Change, ...]) -> None:
        self.differing = differing
        self.tried = tried

    def to_arrow(self, *, encode_addresses: bool = False) -> Any:
        """Return one row per flow: how it differs, then both judgements."""
        from netpol.questions.diff.diff_table import flows_of

        return flows_of(self.differing, self.tried, encode_addresses=encode_addresses)
