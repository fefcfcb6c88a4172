"""Takes pairs of parties of which a thing is said, gives them in parts that are decided alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from netpol.compiler.layout import VERDICT_MASK
from netpol.engine.endpoints import EndpointKind
from netpol.model.verdict import Verdict
from netpol.questions.allpairs.columns import distinct_columns
from netpol.questions.allpairs.pairclasses import EXTERNAL, PairClasses
from netpol.questions.allpairs.parties import Parties
from netpol.questions.allpairs.portsets import Ports
from netpol.questions.diff.changes import Change as PolicyChange
from netpol.questions.diff.responsible import Responsible
from netpol.questions.replay.replay import Credit, credits_of

__all__ = ["Judged", "Part", "Parts"]

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
UInt32s = npt.NDArray[np.uint32]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Judged:
    """What one engine says to pairs, and who decided it: nobody where no rule is needed."""

    verdict: Verdict
    credits: tuple[Credit, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """Pairs and ports of a change that are decided alike, before and after.

    Attributes
    ----------
    src_networks, dst_networks, ports, everything, pairs : as in ``Change``.
    before, after : who decided.
    responsible : the change that alone made the difference; None if it may have been several.
    """

    src_networks: tuple[str, ...]
    dst_networks: tuple[str, ...]
    ports: tuple[Ports, ...]
    everything: bool
    pairs: int
    before: Judged
    after: Judged
    responsible: PolicyChange | None = None

    @property
    def place(self) -> tuple[str | None, int | None]:
        """File and line of the rule or policy that decides, or that decided and is gone.

        Where a change is responsible: of its rule, if that decides, else of its policy.
        """
        cause = self.responsible
        for one in (*self.after.credits, *self.before.credits):
            if one.file is not None and (
                cause is None or (cause.label, cause.file) == (one.policy, one.file)
            ):
                return one.file, one.line
        return (None, None) if cause is None else (cause.file, cause.line)


class _Rows(NamedTuple):
    """Pairs of classes, int64[n] each; ``own`` is bool[n], pods and their nodes."""

    src: Int64s  # parties
    dst: Int64s
    sources: Int64s  # classes
    targets: Int64s
    pairs: Int64s
    own: Booleans

    def those(self, chosen: Booleans) -> _Rows:
        columns: list[Any] = [column[chosen] for column in self]
        return _Rows(*columns)

    def most(self) -> int:
        """Return the pairs of the pair of parties that has most: external ones are one party."""
        _, which = distinct_columns(np.stack([self.src, self.dst]))
        return int(np.bincount(which, self.pairs).max())


class Parts:
    """Looks into changes.

    Parameters
    ----------
    deciders : by engine uint32[decisions], who decides by each, in numbers both share.
    """

    def __init__(self, classes: PairClasses, parties: Parties, deciders: Sequence[UInt32s]) -> None:
        self._classes, self._parties, self._deciders = classes, parties, deciders
        self._alike: tuple[dict[Any, int], dict[Any, int]] = ({}, {})
        self._canonical: dict[tuple[int, int, Verdict], int] = {}
        self._verdicts = [
            engine.tables.arrays["decision_info"] & VERDICT_MASK for engine in classes.engines
        ]
        self._members: dict[tuple[int, int], tuple[int, ...]] = {}

    def of(
        self,
        src: Int64s,
        dst: Int64s,
        verdicts: tuple[Verdict, Verdict],
        inside: Booleans,
        is_said: Callable[[Int32s, Int32s], Booleans],
    ) -> Iterator[Part]:
        """Yield the parts of pairs of parties.

        Parameters
        ----------
        src, dst : the parties of each pair.
        verdicts : what all of them are told before and after.
        inside : bool[K], the port classes it is about.
        is_said : takes transitions of egress and ingress, says of which pairs it is so.
        """
        classes = self._classes
        rows = self._rows(src, dst)
        rows = rows.those(is_said(*self._transitions(rows)))
        ports = np.flatnonzero(inside)
        ends = classes.first[rows.sources], classes.first[rows.targets]
        ids = [classes.decisions(number, *ends, ports, rows.own) for number in (0, 1)]
        keys, which = distinct_columns(
            np.stack(
                [
                    self._decides(number, side, verdicts[number]).reshape(-1)
                    for number in (0, 1)
                    for side in ids[number]
                ]
            )
        )
        which = which.reshape(len(rows.pairs), len(ports))
        changed = [self._changed(*both) for both in zip(*ids, strict=True)]
        for place, key in enumerate(keys.T.tolist()):
            masks, of = np.unique(which == place, axis=0, return_inverse=True)
            for number, mask in enumerate(masks):
                if mask.any():
                    chosen = of.reshape(-1) == number
                    told = [bool(side[chosen][:, mask].any()) for side in changed]
                    yield self._part(rows.those(chosen), ports[mask], verdicts, key, told)

    def networks(self, parties: Int64s) -> tuple[str, ...]:
        """Return the addresses of external parties; nothing of others."""
        several = set(parties.tolist())
        external = self._parties.names[next(iter(several))] == EXTERNAL
        return self._parties.networks(several) if external else ()

    def _part(
        self,
        rows: _Rows,
        ports: Int64s,
        verdicts: tuple[Verdict, Verdict],
        key: list[int],
        changed: list[bool],
    ) -> Part:
        known = self._classes.ports
        inside = np.zeros(len(known), bool)
        inside[ports] = True
        engines = self._classes.engines
        return Part(
            self.networks(rows.src),
            self.networks(rows.dst),
            known.words(inside),
            known.is_everything(inside),
            rows.most(),
            Judged(verdicts[0], credits_of(engines[0], *key[:2])),
            Judged(verdicts[1], credits_of(engines[1], *key[2:])),
            self._responsible.of(
                self._pods(rows.src, rows.sources),
                self._pods(rows.dst, rows.targets),
                egress=changed[0],
                ingress=changed[1],
            ),
        )

    # --- who decides ---------------------------------------------------------------------------

    def _decides(self, engine: int, ids: Int64s, verdict: Verdict) -> Int64s:
        """Return one of the decisions that are credited alike, for each; 0 where a side is not."""
        found, which = np.unique(ids, return_inverse=True)
        alike = [self._alike_to(engine, one, verdict) for one in found.tolist()]
        return np.array(alike, np.int64)[which.reshape(ids.shape)]

    def _alike_to(self, engine: int, number: int, verdict: Verdict) -> int:
        key = engine, number, verdict
        found = self._canonical.get(key)
        if found is None:
            decision = self._classes.engines[engine].decisions[number]
            found = 0
            if decision.policy_index is not None and decision.verdict is verdict:
                told = decision.side, decision.policy_index, decision.rule, decision.isolating
                found = self._alike[engine].setdefault(told, number)
            self._canonical[key] = found
        return found

    def _changed(self, before: Int64s, after: Int64s) -> Booleans:
        """Say where one side says something else, or by another rule."""
        other = self._verdicts[0][before] != self._verdicts[1][after]
        return np.asarray(other | (self._deciders[0][before] != self._deciders[1][after]))

    # --- which pairs ---------------------------------------------------------------------------

    def _rows(self, src: Int64s, dst: Int64s) -> _Rows:
        """Return the pairs of classes of some parties, as far as there are pairs of them."""
        found: list[tuple[Any, ...]] = []
        for mine, other in zip(src.tolist(), dst.tolist(), strict=True):
            (sources, ones), (targets, others) = map(self._parties.classes, (mine, other))
            pairs = ones[:, None] * others
            for source, target in self._removed.get((mine, other), ()):
                pairs[np.searchsorted(sources, source), np.searchsorted(targets, target)] -= 1
            number = pairs.size
            found.append(
                (
                    np.full(number, mine), np.full(number, other),
                    np.repeat(sources, len(targets)), np.tile(targets, len(sources)),
                    pairs.reshape(-1), np.zeros(number, bool),
                )
            )  # fmt: skip
            for (source, target), count in self._own.get((mine, other), {}).items():
                found.append(
                    tuple(np.array([n]) for n in (mine, other, source, target, count, True))
                )
        rows = _Rows(*(np.concatenate(column) for column in zip(*found, strict=True)))
        classes = self._classes
        pod = classes.kind == EndpointKind.POD
        exists = (rows.pairs > 0) & (classes.family[rows.sources] == classes.family[rows.targets])
        return rows.those(exists & (pod[rows.sources] | pod[rows.targets]))

    def _transitions(self, rows: _Rows) -> tuple[Int32s, Int32s]:
        first = self._classes.first
        ends = first[rows.sources], first[rows.targets]
        egress, ingress = (
            side.table[0][
                side.subject[one], np.where(rows.own, side.own_peer[other], side.peer[other])
            ]
            for side, one, other in (
                (self._classes.egress, *ends),
                (self._classes.ingress, *ends[::-1]),
            )
        )
        return egress, ingress

    @cached_property
    def _own(self) -> dict[tuple[int, int], dict[tuple[int, int], int]]:
        """Count pods and their own nodes, both ways, by parties and classes."""
        found: dict[tuple[int, int], dict[tuple[int, int], int]] = {}
        of = self._parties.of
        for one in self._classes.relations:
            for pod, node in one.members:
                for ends, held in (
                    ((pod, node), (one.pod, one.node)),
                    ((node, pod), (one.node, one.pod)),
                ):
                    counts = found.setdefault((int(of[ends[0]]), int(of[ends[1]])), {})
                    counts[held] = counts.get(held, 0) + 1
        return found

    @cached_property
    def _removed(self) -> dict[tuple[int, int], list[tuple[int, int]]]:
        """By parties the classes of pairs that are of one pod, or among ``_own``."""
        found: dict[tuple[int, int], list[tuple[int, int]]] = {}
        of, classes = self._parties.of, self._classes.of
        taken = [pair for one in self._classes.relations for pair in one.members]
        taken += [(node, pod) for pod, node in taken]
        for source, target in (*taken, *self._classes.selves()):
            held = found.setdefault((int(of[source]), int(of[target])), [])
            held.append((int(classes[source]), int(classes[target])))
        return found

    # --- by which change -----------------------------------------------------------------------

    @cached_property
    def _responsible(self) -> Responsible:
        first, second = self._classes.engines
        return Responsible(first, second)

    def _pods(self, parties: Int64s, classes: Int64s) -> set[int]:
        """Return the pods that are members of some classes for some parties."""
        found: set[int] = set()
        for key in set(zip(parties.tolist(), classes.tolist(), strict=True)):
            known = self._members.get(key)
            if known is None:
                inside = (self._parties.of == key[0]) & (self._classes.of == key[1])
                pods = self._classes.who.pod[inside]
                known = self._members[key] = tuple(pods[pods >= 0].tolist())
            found.update(known)
        return found
