"""Takes policies, a cluster and flows, gives what of the policies the flows used: ``Coverage``.

The policies are compiled with every rule split into its elements, and each flow is judged once. All
that is said of policies, rules and elements follows at the end from the decisions, what else each
hangs on, and how many flows came to it beside which verdict of the other side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from netpol.compiler.build import compile_program
from netpol.engine.endpoints import EndpointKind
from netpol.engine.engine import Engine
from netpol.io.gcpause import gc_paused
from netpol.kube.policies import PolicySet
from netpol.kube.snapshot import Snapshot
from netpol.kube.unjudged import NOTHING_UNJUDGED, Unjudged
from netpol.model.batch import FlowBatch
from netpol.model.errors import CapacityError
from netpol.model.switches import Switches
from netpol.model.verdict import Side, Tier, Verdict
from netpol.policy.dialects.lower import lower
from netpol.policy.format import peer_words, port_words
from netpol.policy.program import Policy, Rule
from netpol.policy.split import MAX_PARTS, SplitProgram, Target, split
from netpol.questions.coverage.hits import CoverTally, Hits, denied_by_policy, hits_by_target
from netpol.questions.replay.replay import (
    DnsCounts,
    ReaderCounts,
    RecordWriter,
    judged,
    reader_counts,
)

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "Coverage",
    "CoverageEngine",
    "ElementCoverage",
    "Evidence",
    "PodCoverage",
    "PolicyCoverage",
    "RuleCoverage",
    "SideCoverage",
    "coverage",
]


@dataclass(frozen=True, slots=True)
class ElementCoverage:
    """One peer or port of a rule as written.

    ``kind`` is ``peer`` or ``port``, ``field`` where it stands in the rule: ``from[1]``.
    """

    kind: str
    field: str
    text: str
    line: int | None
    hits: Hits


@dataclass(frozen=True, slots=True)
class RuleCoverage:
    """One rule; ``split`` is False where it has too many elements to count each."""

    side: Side
    index: int
    action: str
    line: int | None
    hits: Hits
    elements: tuple[ElementCoverage, ...] = ()
    split: bool = True

    @property
    def name(self) -> str:
        """``ingress[0]``."""
        return f"{self.side.label}[{self.index}]"


@dataclass(frozen=True, slots=True)
class SideCoverage:
    """All rules of a policy for one side.

    ``isolates`` says whether its pods are isolated by it, ``denied`` counts flows that were denied
    on that side while it isolates, since no rule of any policy matched.
    """

    isolates: bool
    denied: int
    hits: Hits


@dataclass(frozen=True, slots=True)
class PolicyCoverage:
    """One policy; ``rules`` are those of egress, then those of ingress."""

    label: str
    kind: str
    tier: Tier
    file: str | None
    line: int | None
    egress: SideCoverage
    ingress: SideCoverage
    rules: tuple[RuleCoverage, ...]

    def side(self, side: Side) -> SideCoverage:
        """Return one side."""
        return self.egress if side is Side.EGRESS else self.ingress


class PodCoverage(NamedTuple):
    """One pod: which directions are isolated, and flows it opened and was the target of.

    Flows whose address several pods own count for each of them.
    """

    label: str
    isolated_egress: bool
    isolated_ingress: bool
    opened: int
    served: int

    @property
    def seen(self) -> bool:
        """Whether any flow is the pod's."""
        return bool(self.opened or self.served)


@dataclass(frozen=True, slots=True)
class Evidence:
    """How much the flows can tell.

    Attributes
    ----------
    flows : how many flows were judged.
    verdicts : flows by verdict.
    first, last : time of the first and last flow, ns; None where no record has a time.
    several : flows, at least, that can be read in several ways (an address with several owners, a
        service, an unknown NAT): rules are counted for the first; of those that match only in
        another, that is all that is known (``Hits.other_reading``).
    reader : records, and what of the logs was lost or looks odd.
    dns : what DNS logs held, None without them.
    """

    flows: int
    verdicts: dict[Verdict, int]
    first: int | None
    last: int | None
    several: int
    reader: ReaderCounts
    dns: DnsCounts | None = None


class NeverHit(NamedTuple):
    """A rule, or an element of a rule that was hit (else None), that no flow matched."""

    policy: PolicyCoverage
    rule: RuleCoverage
    element: ElementCoverage | None

    @property
    def name(self) -> str:
        """``ingress[0]`` or ``ingress[0].from[1]``."""
        return self.rule.name + (f".{self.element.field}" if self.element else "")

    @property
    def line(self) -> int | None:
        """The line it stands on."""
        return (self.element or self.rule).line


@dataclass(frozen=True, slots=True)
class Coverage:
    """What of the policies the flows used. ``switches`` are what was judged with, by name.

    ``unjudged`` are policies of other dialects among the inputs.
    """

    policies: tuple[PolicyCoverage, ...]
    pods: tuple[PodCoverage, ...]
    evidence: Evidence
    switches: dict[str, Any] = field(default_factory=dict)
    profile: str | None = None
    unjudged: Unjudged = NOTHING_UNJUDGED

    @property
    def nothing_judged(self) -> bool:
        """Whether there was no flow at all, so that nothing here is evidence of anything."""
        return self.evidence.flows == 0

    @property
    def never_hit(self) -> tuple[NeverHit, ...]:
        """Rules that no flow matched or may have: without any of them, no verdict differs."""
        return tuple(item for item in self._never() if item.element is None)

    @property
    def never_hit_elements(self) -> tuple[NeverHit, ...]:
        """Peers and ports that no flow matched, of rules that were hit."""
        return tuple(item for item in self._never() if item.element is not None)

    def _never(self) -> Iterator[NeverHit]:
        for policy in self.policies:
            for rule in policy.rules:
                if rule.hits.never:
                    yield NeverHit(policy, rule, None)
                    continue
                for element in rule.elements:
                    if element.hits.never:
                        yield NeverHit(policy, rule, element)

    @property
    def pods_never_seen(self) -> tuple[PodCoverage, ...]:
        """Pods that no flow came from or went to."""
        return tuple(pod for pod in self.pods if not pod.seen)

    def to_arrow(self) -> pa.Table:
        """Return a row per rule and per element; docs/output.md has the columns."""
        from netpol.questions.coverage.frames import coverage_table

        return coverage_table(self)

    def to_pandas(self) -> Any:
        """Return ``to_arrow`` as a pandas frame.

        Raises ``ImportError`` where there is no pandas.
        """
        from netpol.questions.coverage.frames import as_pandas

        return as_pandas(self.to_arrow())

    def to_polars(self) -> Any:
        """Return ``to_arrow`` as a polars frame.

        Raises ``ImportError`` where there is no polars.
        """
        from netpol.questions.coverage.frames import as_polars

        return as_polars(self.to_arrow())

    def _repr_html_(self) -> str:
        from netpol.questions.coverage.frames import coverage_html

        return coverage_html(self)


class CoverageEngine:
    """Policies compiled for coverage.

    Parameters
    ----------
    policies, snapshot, memory_budget, **switches
        As ``netpol.compile`` takes them.

    Raises
    ------
    ConfigError
        A switch has no such value.
    CapacityError
        The tables would exceed ``memory_budget`` even without elements.
    """

    def __init__(
        self,
        policies: PolicySet,
        snapshot: Snapshot,
        *,
        memory_budget: int = 1 << 30,
        **switches: Any,
    ) -> None:
        chosen = Switches(**switches)
        program = lower(policies)
        self._unjudged = policies.unjudged | snapshot.unjudged
        self.policies = [policy for stage in program.stages for policy in stage.policies]
        with gc_paused():
            try:
                self._compile(split(program, MAX_PARTS), snapshot, chosen, memory_budget)
            except CapacityError:
                # Telling every element apart takes more than telling rules apart.
                self._compile(split(program, 0), snapshot, chosen, memory_budget)

    def _compile(
        self, program: SplitProgram, snapshot: Snapshot, switches: Switches, budget: int
    ) -> None:
        self.split = program
        self.engine = Engine(
            compile_program(program.program, snapshot, switches, budget, pieces=program.pieces)
        )
        self.engine.unjudged = self._unjudged

    def cover(
        self,
        stream: Iterable[FlowBatch],
        *,
        writers: Sequence[RecordWriter] = (),
        jobs: int = 2,
        on_batch: Callable[[int], None] | None = None,
    ) -> Coverage:
        """Judge every flow of a stream; parameters and errors are those of ``replay``."""
        tally = CoverTally(self.engine)
        seen = 0
        with closing(judged(self.engine, stream, tally, writers, jobs)) as parts:
            for rows in parts:
                seen += rows
                if on_batch is not None:
                    on_batch(seen)
        reader = reader_counts(getattr(stream, "stats", None), seen)
        with gc_paused():
            return _Result(self, tally).coverage(reader)


def coverage(
    policies: PolicySet, snapshot: Snapshot, stream: Iterable[FlowBatch], **options: Any
) -> Coverage:
    """Return what of the policies the flows of a stream used.

    Parameters
    ----------
    policies, snapshot
        As ``read_policies`` and ``read_snapshot`` give them.
    stream
        Usually what ``open_flows`` gives.
    **options
        Fields of ``Switches``, and ``memory_budget``.
    """
    return CoverageEngine(policies, snapshot, **options).cover(stream)


class _Result:
    """Turns the sums of one run into names."""

    def __init__(self, compiled: CoverageEngine, tally: CoverTally) -> None:
        self._engine, self._tally = compiled.engine, tally
        self._policies, self._split = compiled.policies, compiled.split
        self._hits = hits_by_target(compiled.engine, tally, len(compiled.split.targets))
        self._of: dict[Target, int] = {
            target: number for number, target in enumerate(compiled.split.targets)
        }
        self._denied = {
            side: denied_by_policy(compiled.engine, tally, side)
            for side in (Side.EGRESS, Side.INGRESS)
        }

    def coverage(self, reader: ReaderCounts) -> Coverage:
        return Coverage(
            policies=tuple(self._policy(i, policy) for i, policy in enumerate(self._policies)),
            pods=tuple(self._pods()),
            evidence=self._evidence(reader),
            switches=asdict(self._engine.switches),
            unjudged=self._engine.unjudged,
        )

    def _policy(self, index: int, policy: Policy) -> PolicyCoverage:
        return PolicyCoverage(
            label=policy.label,
            kind=policy.kind,
            tier=self._engine.policies[index].tier,
            file=policy.source.file if policy.source else None,
            line=policy.source.line if policy.source else None,
            egress=self._side(index, Side.EGRESS, policy.isolates_egress),
            ingress=self._side(index, Side.INGRESS, policy.isolates_ingress),
            rules=tuple(
                self._rule(index, policy, side, place, rule)
                for side, rules in ((Side.EGRESS, policy.egress), (Side.INGRESS, policy.ingress))
                for place, rule in enumerate(rules)
            ),
        )

    def _side(self, policy: int, side: Side, isolates: bool) -> SideCoverage:
        number = self._of.get(Target(policy, side, "policy"))
        hits = Hits() if number is None else self._hits[number]
        return SideCoverage(isolates, self._denied[side][policy], hits)

    def _rule(self, index: int, policy: Policy, side: Side, place: int, rule: Rule) -> RuleCoverage:
        number = self._of[Target(index, side, "rule", place)]
        path = f"spec.{side.label}[{rule.index}]"
        whole = number in self._split.whole
        return RuleCoverage(
            side=side,
            index=rule.index,
            action=rule.action.name.lower(),
            line=_line(policy, path),
            hits=self._hits[number],
            elements=() if whole else tuple(self._elements(index, policy, side, place, rule, path)),
            split=not whole,
        )

    def _elements(
        self, index: int, policy: Policy, side: Side, place: int, rule: Rule, path: str
    ) -> Iterator[ElementCoverage]:
        peers = [peer_words(peer) for peer in rule.peers or ()]
        ports = [port_words(port) for port in rule.ports or ()]
        cluster = policy.kind == "ClusterNetworkPolicy"
        for kind, name, words, counts in (
            ("peer", "to" if side is Side.EGRESS else "from", peers, rule.peer_counts),
            ("port", "protocols" if cluster else "ports", ports, rule.port_counts),
        ):
            for number, text in enumerate(_grouped(words, counts)):
                target = self._of[Target(index, side, kind, place, number)]
                where = f"{name}[{number}]"
                line = _line(policy, f"{path}.{where}")
                yield ElementCoverage(kind, where, text, line, self._hits[target])

    def _pods(self) -> Iterator[PodCoverage]:
        pods = self._engine.pods
        ends = [
            self._engine.endpoints.by_pod(row, len(pods)).tolist() for row in self._tally.core.seen
        ]
        for (end, pod), flows in self._tally.hinted.items():
            ends[end][pod] = max(ends[end][pod], flows)
        for (label, egress, ingress), opened, served in zip(pods, *ends, strict=True):
            yield PodCoverage(label, egress, ingress, opened, served)

    def _evidence(self, reader: ReaderCounts) -> Evidence:
        verdicts = dict(zip(Verdict, self._tally.core.verdicts.tolist(), strict=True))
        kinds = self._engine.endpoints.kind
        several = (kinds == EndpointKind.AMBIGUOUS) | (kinds == EndpointKind.SERVICE)
        known = [int(row[several].sum()) for row in self._tally.core.seen]
        known += [self._tally.merged(side) for side in (Side.EGRESS, Side.INGRESS)]
        first, last = self._tally.window() or (None, None)
        return Evidence(
            flows=sum(verdicts.values()),
            verdicts=verdicts,
            first=first,
            last=last,
            several=max(known),
            reader=reader,
        )


def _line(policy: Policy, path: str) -> int | None:
    return policy.source.line_of(path) or None if policy.source else None


def _grouped(words: Sequence[str], counts: tuple[int, ...] | None) -> Iterator[str]:
    """Yield the words of each element as it was written."""
    if counts is None:
        yield from words
        return
    left = iter(words)
    for number in counts:
        yield ", ".join(next(left) for _ in range(number)) or "nothing"
