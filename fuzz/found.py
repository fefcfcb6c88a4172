"""What each command may have found, made up: as long and hostile as asked.

Every text in it is a name that is given, so whatever writes it shows what becomes of names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import cycle, islice

from netpol.model.batch import SkippedRecord
from netpol.model.verdict import Note, Reason, Side, Tier, Verdict
from netpol.questions.allpairs.portsets import Ports
from netpol.questions.compare.compare import ChangedPair, Comparison, SwitchChange
from netpol.questions.coverage.coverage import (
    Coverage,
    ElementCoverage,
    Evidence,
    PodCoverage,
    PolicyCoverage,
    RuleCoverage,
    SideCoverage,
)
from netpol.questions.coverage.hits import Hits
from netpol.questions.diff.changes import Change
from netpol.questions.diff.diff import Diff, Group, GroupList, Kind, PolicyChange
from netpol.questions.reach.exposure import Exposure
from netpol.questions.reach.matrix import Cell, Matrix, Reach
from netpol.questions.replay.replay import (
    Credit,
    DnsCounts,
    Isolation,
    Pair,
    PairList,
    PolicyUse,
    ReaderCounts,
    ReplaySummary,
    RuleUse,
)
from netpol.run.distribution.collect import Spread
from netpol.run.distribution.namespaces import NamespaceFlows
from netpol.run.distribution.timeline import TimeSeries
from netpol.run.sums import Weight

__all__ = [
    "DISTINCT",
    "WEIGHT",
    "NameOf",
    "compared",
    "covered",
    "differing",
    "exposed",
    "reachable",
    "repeated",
    "replayed",
    "spread",
]

NameOf = Callable[[int], str]
WEIGHT = Weight(12, 3, 123_456_789)
#: Distinct objects among the rows; a million different ones would only take memory.
DISTINCT = 2000


def repeated(items: Sequence[object], rows: int) -> tuple[object, ...]:
    """Return so many of the items, again and again."""
    return tuple(islice(cycle(items), rows))


def _pair(name_of: NameOf, number: int, reason: Reason = Reason.NP_IMPLICIT_DENY) -> Pair:
    name = name_of(number)
    no_rule = Credit(name, None, Side.INGRESS, f"{name}.yaml", 3, (name, name_of(number + 1)))
    rule = Credit(name, 2, Side.EGRESS, f"{name}.yaml", 17)
    return Pair(
        name, name_of(number * 7 + 1), "tcp", number % 65536, Side.BOTH, reason, (rule, no_rule),
        replace(WEIGHT, flows=1 + number % 50),
    )  # fmt: skip


def _pairs(name_of: NameOf, rows: int) -> list[Pair]:
    return [_pair(name_of, number) for number in range(min(rows, DISTINCT))]


def _reader(name: str) -> ReaderCounts:
    return ReaderCounts(
        records=13, skipped={name: 2}, samples=(SkippedRecord(name, 3, "bad port", name),)
    )


def _dns(name: str) -> DnsCounts:
    return DnsCounts(1, 2, 3, _reader(name))


def spread(name_of: NameOf, rows: int, series: Sequence[str]) -> Spread:
    """Return what a spread can hold at most: 120 bars, and 400 namespaces with themselves."""
    names = list(dict.fromkeys(name_of(n).partition("/deployment")[0] for n in range(400)))
    time = TimeSeries(
        1_769_800_000 * 10**9, 60, tuple((n,) * len(series) for n in range(min(rows, 120))), 1, 2
    )
    found = [
        NamespaceFlows(src, dst, (WEIGHT,) * len(series)) for src in names for dst in names[:rows]
    ]
    return Spread(tuple(series), time, tuple(found))


def replayed(name_of: NameOf, rows: int) -> ReplaySummary:
    """Return the summary of a replay."""
    name = name_of(0)
    pairs = PairList(repeated(_pairs(name_of, rows), rows), rows + 1, True, WEIGHT)  # type: ignore[arg-type]
    policies = [
        PolicyUse(
            name_of(n), "NetworkPolicy", f"{name_of(n)}.yaml", 3, True, True, Weight(), Weight(),
            (RuleUse(Side.INGRESS, 0, 5, Weight(), Weight()),),
        )
        for n in range(min(rows, DISTINCT))
    ]  # fmt: skip
    return ReplaySummary(
        total=WEIGHT, has_packets=True, has_bytes=True,
        outcomes={
            (verdict, Reason.UNKNOWN_PORT, Side.BOTH): Weight(4, 4, 4) for verdict in Verdict
        },
        notes={Note.SNAPSHOT_AGE: WEIGHT}, denied=pairs, unknown=pairs,
        policies=tuple(policies),
        isolation=Isolation(), reader=_reader(name), dns=_dns(name),
    )  # fmt: skip


def compared(name_of: NameOf, rows: int) -> Comparison:
    """Return a comparison of profiles."""
    name = name_of(0)
    changed = [
        ChangedPair((Verdict.ALLOW, Verdict.DENY), one, one, (name,))
        for one in _pairs(name_of, rows)
    ]
    return Comparison(
        names=(name, name), total=WEIGHT, has_packets=True, has_bytes=True, policies=1, pods=3,
        changes={(Verdict.ALLOW, Verdict.DENY): WEIGHT},
        switches=(SwitchChange(name, name, name, WEIGHT),), together=WEIGHT,
        pairs=repeated(changed, rows),  # type: ignore[arg-type]
        distinct=rows + 1, capped=True, others=WEIGHT, reader=_reader(name), dns=_dns(name),
    )  # fmt: skip


def differing(name_of: NameOf, rows: int) -> Diff:
    """Return a diff of flows."""
    name = name_of(0)
    changes = [
        Change("changed", name_of(n), "NetworkPolicy", f"{name_of(n)}.yaml", n)
        for n in range(min(rows, DISTINCT))
    ]
    kinds = {}
    for kind, verdict in zip(Kind, (*reversed(Verdict), Verdict.DENY), strict=False):
        groups = [
            Group(kind, (Verdict.DENY, verdict), one, one, (changes[n],))
            for n, one in enumerate(_pairs(name_of, rows))
        ]
        kinds[kind] = GroupList(WEIGHT, repeated(groups, rows), rows + 1, WEIGHT)  # type: ignore[arg-type]
    return Diff(
        total=WEIGHT, has_packets=True, has_bytes=True, policies=(1, 2), pods=(3, 3),
        verdicts={(a, b): WEIGHT for a in Verdict for b in Verdict}, kinds=kinds,
        changes=tuple(PolicyChange(one, WEIGHT) for one in changes),
        together=WEIGHT, untold=WEIGHT, capped=True, reader=_reader(name), dns=_dns(name),
    )  # fmt: skip


def covered(name_of: NameOf, rows: int) -> Coverage:
    """Return the coverage of policies."""
    name = name_of(0)
    side = SideCoverage(True, 3, Hits())
    policies = [
        PolicyCoverage(
            name_of(n), "NetworkPolicy", Tier.NETWORKPOLICY, f"{name_of(n)}.yaml", 3, side, side,
            (
                RuleCoverage(Side.INGRESS, 0, "allow", 5, Hits()),
                RuleCoverage(
                    Side.EGRESS, 0, "allow", 9, Hits(n, 0, n),
                    (ElementCoverage("peer", "to[0]", name_of(n), 11, Hits()),),
                ),
            ),
        )
        for n in range(min(rows, DISTINCT))
    ]  # fmt: skip
    pods = [PodCoverage(name_of(n), True, False, n, n) for n in range(min(rows, DISTINCT))]
    evidence = Evidence(9, {Verdict.ALLOW: 5, Verdict.DENY: 4}, 1, 2, 3, _reader(name), _dns(name))
    # Each policy has two rules and an element: three rows.
    return Coverage(repeated(policies, rows // 3 + 1), tuple(pods), evidence)  # type: ignore[arg-type]


_CELLS = (
    Cell((Ports("tcp", ((443, 443),)),), False, 1, 0, 0),
    Cell((Ports("udp", ((0, 65535),)),), False, 1, 2, 3),
)


def reachable(name_of: NameOf, rows: int) -> Matrix:
    """Return who can reach whom."""

    def reaches() -> Iterator[Reach]:
        for number in range(rows):
            src, dst = name_of(number), name_of(number // 3 + 1)
            yield Reach(src, dst, (), (), 6, _CELLS[number % 2 :])
        yield Reach(name_of(0), "external", (), ("192.0.2.0/24",), 6, _CELLS[:1])

    return Matrix("workload", 3, 6 * rows, 1, reaches)


def exposed(name_of: NameOf, rows: int) -> list[Exposure]:
    """Return what strangers may reach."""
    return [
        Exposure(name_of(n), 2, _CELLS[0].ports, False, ("192.0.2.0/24",), _CELLS[1].ports, False)
        for n in range(min(rows, DISTINCT))
    ]
