"""Takes two engines over one snapshot, gives every pair, protocol and port they judge otherwise.

No flows are needed: classes of pairs stand for all there are. That nothing differs is a proof, and
it is claimed only if no side says another thing to anybody, at any time and through any service:
every flow's verdict is made of what sides say of pairs (semantics.md C5, C6).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from netpol.analysis.identities import Identities, identities_otherwise
from netpol.analysis.pairclasses import (
    EXTERNAL,
    MEMORY_BUDGET,
    Numbers,
    PairClasses,
    SideKinds,
)
from netpol.analysis.parties import Parties, PartySums, Sums
from netpol.analysis.portsets import Ports
from netpol.analysis.sidetables import combined
from netpol.engine import EndpointKind
from netpol.replay import Credit, credits_of
from netpol.verdict import Verdict

__all__ = ["Change", "ExhaustiveDiff", "Judged", "exhaustive_diff"]

Int64s = npt.NDArray[np.int64]
_SAME = 255


@dataclass(frozen=True, slots=True)
class Judged:
    """What one engine says to an example of a change, and who decided it."""

    verdict: Verdict
    credits: tuple[Credit, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """Pairs of two parties that get another verdict on some ports.

    Attributes
    ----------
    src, dst : workload, ``node/NAME`` or ``external``.
    src_networks, dst_networks : of an external party, the fewest CIDRs that are its addresses.
    ports : the ports, complete.
    pairs : how many pairs of owners; one counts again for each kind of address it has, all external
        addresses count as one.
    before, after : the verdicts; who decided is told of one of the pairs, at one of the ports.
    """

    src: str
    dst: str
    src_networks: tuple[str, ...]
    dst_networks: tuple[str, ...]
    ports: tuple[Ports, ...]
    everything: bool
    pairs: int
    before: Judged
    after: Judged


@dataclass(frozen=True, slots=True)
class ExhaustiveDiff:
    """All that two engines judge otherwise.

    Attributes
    ----------
    classes : pairs of classes times port classes that were compared.
    pairs : pairs of owners of addresses that they stand for; one owner counts again for each kind
        of address it has, a class of external addresses is one owner.
    differing : of those, the ones with another verdict on some port.
    pod_pairs : of those, the ones of two pods.
    verdicts : the verdicts that something gets instead of another.
    changes : the ones with most pairs, of ``distinct`` ones, or more if ``capped``.
    proven : nothing differs, at any time, and no side differs behind an equal verdict.
    sides : no pair differs, yet it is not proven that no flow does: a side differs behind an equal
        verdict, or for owners that an address has at other times.
    unrecorded : flows whose port or protocol is not recorded may be judged otherwise.
    left_out : pods that no address stands for, and that are not compared.
    """

    classes: int
    pairs: int
    differing: int
    pod_pairs: int
    verdicts: tuple[Verdict, ...]
    changes: tuple[Change, ...]
    distinct: int
    capped: bool
    proven: bool
    sides: bool
    unrecorded: bool
    left_out: int


def exhaustive_diff(
    before: Any, after: Any, *, top: int = 10, memory_budget: int = MEMORY_BUDGET
) -> ExhaustiveDiff:
    """Compare what two engines say to every pair of addresses on every protocol and port.

    Parameters
    ----------
    before, after : Engine
        Compiled against the same snapshot; labels may differ, pods, nodes and addresses may not.
    top : int
        How many changes to list.
    memory_budget : int
        Bytes that the tables of the comparison may take.

    Raises
    ------
    ConfigError
        The engines see other pods, nodes or addresses.
    CapacityError
        The comparison needs more than ``memory_budget``.
    """
    return _Comparison((before, after), memory_budget).run(top)


class _Comparison:
    def __init__(self, engines: Sequence[Any], memory_budget: int) -> None:
        self.engines = engines
        self.classes = PairClasses(engines, memory_budget)
        self.vectors = self.classes.vectors
        self._said: list[npt.NDArray[np.uint8]] = []  # what differs, uint8[2, K], by number - 1
        self._ids: dict[bytes, int] = {}
        self._memo: dict[tuple[int, ...], int] = {}
        self.unrecorded = False

    def run(self, top: int) -> ExhaustiveDiff:
        sides_differ = self._sides_differ()
        parties = Parties(self.classes)
        sums = PartySums(parties, self.classes)
        classes = pairs = differing = pods = 0
        is_pod = self.classes.kind == EndpointKind.POD
        for source, targets, numbers, weights in self.classes.rows():
            what = self._what(numbers)
            sums.add_class(source, targets, what)
            classes += len(targets)
            pairs += int(weights.sum())
            differing += int(weights[what > 0].sum())
            if is_pod[source]:
                pods += int(weights[(what > 0) & is_pod[targets]].sum())
        for index, (_, _, numbers, members) in enumerate(self.classes.own_node_pairs()):
            said = int(self._what(numbers)[0])
            sums.add_pairs(members, said, index)
            classes += 1
            pairs += len(members)
            differing += len(members) if said else 0
        changes = self._changes(sums.sums(), parties)
        return ExhaustiveDiff(
            classes=classes * len(self.classes.ports),
            pairs=pairs,
            differing=differing,
            pod_pairs=pods,
            verdicts=tuple(sorted({kind[1] for kind in changes.kinds})),
            changes=tuple(changes.listed(top)),
            distinct=len(changes),
            capped=sums.capped,
            proven=not sides_differ and not differing,
            sides=sides_differ and not differing,
            unrecorded=self.unrecorded,
            left_out=self._left_out(),
        )

    # --- whether sides differ at all ---------------------------------------------------------

    def _sides_differ(self) -> bool:
        """Whether any side says another thing of a recorded port to anybody at any time."""
        who = _joined(self.classes.who, identities_otherwise(self.engines, self.classes.space))
        found = self._empty_services_differ()
        for kernels in self.classes.kernels.values():
            kinds = SideKinds(kernels, who)
            rows = (kinds.said(subject) for subject in range(len(kinds.rows)))
            for said in chain(rows, [_hairpins(kinds, who)]):
                anything, recorded = self.vectors.differ(said[0], said[1])
                self.unrecorded = self.unrecorded or anything
                found = found or recorded
        return found

    def _empty_services_differ(self) -> bool:
        """Whether flows to a service without backends differ: allowed where no policy is (C7.1)."""
        empty = self.engines[0].tables.arrays["service_entries"][:, 1] == 0
        none = [not engine.policies for engine in self.engines]
        return bool(empty.any()) and none[0] is not none[1]

    def _left_out(self) -> int:
        """Count the pods that no address is; hostNetwork pods are their node."""
        parts = self.engines[0].tables.arrays["pod_parts"]
        told = set(self.classes.who.pod.tolist())
        return sum(1 for pod in np.flatnonzero(parts[:, 5] == 0).tolist() if pod not in told)

    # --- what differs of a pair ----------------------------------------------------------------

    def _what(self, numbers: Numbers) -> Int64s:
        """Give int64[n], what differs of each pair, 0 if nothing does."""
        egress, ingress = numbers
        what = np.zeros(egress.shape[1], np.int64)
        places = np.flatnonzero((egress[0] != egress[1]) | (ingress[0] != ingress[1]))
        if len(places):
            keys = np.concatenate([egress[:, places], ingress[:, places]]).astype(np.int64)
            _, first, inverse = np.unique(_packed(keys), return_index=True, return_inverse=True)
            said = [self._differing(*key) for key in keys[:, first].T.tolist()]
            what[places] = np.array(said, np.int64)[inverse.reshape(-1)]
        return what

    def _differing(self, *key: int) -> int:
        """Give the number of what differs; ``key`` is egress before and after, then ingress."""
        found = self._memo.get(key)
        if found is None:
            before, after = (
                combined(self.vectors[key[number]], self.vectors[key[2 + number]])
                for number in (0, 1)
            )
            same = (before == after) | ~self.classes.ports.recorded
            both = np.stack([before, after])
            both[:, same] = _SAME
            found = 0
            if not same.all():
                found = self._ids.setdefault(both.tobytes(), len(self._ids) + 1)
                if found > len(self._said):
                    self._said.append(both)
            self._memo[key] = found
        return found

    def _changes(self, sums: Sums, parties: Parties) -> _Changes:
        """Cut what is said into changes of one verdict to another, and add up by name."""
        kinds: dict[tuple[int, int, bytes], int] = {}
        cut: list[list[int]] = [[]]
        for before, after in self._said:
            pairs = np.unique(np.stack([before, after])[:, before != _SAME], axis=1).T.tolist()
            cut.append(
                [
                    kinds.setdefault((a, b, ((before == a) & (after == b)).tobytes()), len(kinds))
                    for a, b in pairs
                ]
            )
        return _Changes(self, parties, sums, cut, list(kinds))

    def judged(self, number: int, verdict: Verdict, code: int, port: int) -> Judged:
        """Give who decides an example of a pair of classes."""
        source, target = self.classes.example(code)
        ids = self.classes.decisions(number, source, target, port, own=code < 0)
        engine = self.engines[number]
        credited = [one if engine.decisions[one].verdict is verdict else 0 for one in ids]
        return Judged(verdict, credits_of(engine, *credited))


class _Changes:
    """Sums by names, verdicts and ports; ``cut[what]`` are numbers of ``kinds``."""

    def __init__(
        self,
        comparison: _Comparison,
        parties: Parties,
        sums: Sums,
        cut: list[list[int]],
        kinds: list[tuple[int, int, bytes]],
    ) -> None:
        self._comparison, self._parties = comparison, parties
        self.kinds = [(Verdict(a), Verdict(b), inside) for a, b, inside in kinds]
        lengths = np.array([len(item) for item in cut], np.int64)[sums.what]
        place = np.repeat(np.arange(len(lengths)), lengths)
        flat = np.array([kind for item in cut for kind in item], np.int64)
        starts = np.cumsum([0, *(len(item) for item in cut)])[sums.what]
        at = np.arange(len(place)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        kind = flat[starts[place] + at] if len(place) else flat[:0]
        keys = np.stack([sums.src[place], sums.dst[place], kind])
        # One thing more said of other ports makes two of the pairs of one party with another.
        self._parts, first, inverse = _distinct_columns(keys)
        self._pairs = np.bincount(inverse, sums.pairs[place], self._parts.shape[1]).astype(np.int64)
        self._codes = sums.code[place][first]
        group = np.array(parties.group, np.int64)
        named = np.stack([group[self._parts[0]], group[self._parts[1]], self._parts[2]])
        self._named, _, self._member = _distinct_columns(named)
        # Classes of external addresses are parts of one party: the pods are the same ones.
        self._most = np.zeros(self._named.shape[1], np.int64)
        np.maximum.at(self._most, self._member, self._pairs)

    def __len__(self) -> int:
        return len(self._most)

    def listed(self, top: int) -> Iterator[Change]:
        """Give the changes of most pairs; equal ones by name."""
        names = self._parties.names
        bound = np.sort(self._most)[::-1][min(top, len(self)) - 1] if len(self) and top else 0
        tied = np.flatnonzero(self._most >= bound).tolist() if top else []
        order = sorted(
            tied,
            key=lambda index: (
                -self._most[index],
                names[self._named[0, index]],
                names[self._named[1, index]],
                self.kinds[self._named[2, index]],
            ),
        )
        for index in order[:top]:
            yield self._change(index)

    def _change(self, index: int) -> Change:
        before, after, inside = self.kinds[self._named[2, index]]
        names = self._parties.names
        src, dst = (names[number] for number in self._named[:2, index].tolist())
        parts = np.flatnonzero(self._member == index)
        ports = np.frombuffer(inside, np.bool_)
        port = int(np.flatnonzero(ports)[0])
        code = int(self._codes[parts[0]])
        known = self._comparison.classes.ports
        return Change(
            src,
            dst,
            self._parties.networks(self._parts[0, parts].tolist()) if src == EXTERNAL else (),
            self._parties.networks(self._parts[1, parts].tolist()) if dst == EXTERNAL else (),
            known.words(ports),
            known.is_everything(ports),
            int(self._most[index]),
            self._comparison.judged(0, before, code, port),
            self._comparison.judged(1, after, code, port),
        )


def _packed(keys: Int64s) -> Int64s:
    """Give one number per column, different where columns are."""
    packed: Int64s = keys[0]
    for row in keys[1:]:
        packed = packed * (int(row.max(initial=0)) + 1) + row
        if int(packed.max(initial=0)) >= 1 << 40:  # the next row might not fit
            packed = np.unique(packed, return_inverse=True)[1].reshape(-1)
    return packed


def _distinct_columns(keys: Int64s) -> tuple[Int64s, Int64s, Int64s]:
    """Give the distinct columns, the place of one of each, and which one each column is."""
    _, first, inverse = np.unique(_packed(keys), return_index=True, return_inverse=True)
    return keys[:, first], first, inverse.reshape(-1)


def _joined(first: Identities, second: Identities) -> Identities:
    return Identities(
        np.concatenate([first.endpoints, second.endpoints]),
        np.concatenate([first.family, second.family]),
        np.concatenate([first.kind, second.kind]),
        np.concatenate([first.pod, second.pod]),
        np.concatenate([first.node, second.node]),
        [*first.pieces, *second.pieces],
    )


def _hairpins(kinds: SideKinds, who: Identities) -> npt.NDArray[np.int32]:
    """Give int32[engines, n]: what kinds of pods are told of themselves, through a service."""
    pods = who.kind == EndpointKind.POD
    found = np.unique(np.column_stack([kinds.subject[pods], kinds.peer[pods]]), axis=0)
    told = [
        [
            side.hairpin(int(kinds.rows[row, number]), kinds.columns[peer, number])
            for row, peer in found.tolist()
        ]
        for number, side in enumerate(kinds.sides)
    ]
    return np.array(told, np.int32).reshape(len(kinds.sides), -1)
