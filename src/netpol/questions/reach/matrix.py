"""Takes an engine, gives who can reach whom on what, by workload or namespace, exactly.

No flows are needed: what sides say to classes of pairs is added up by who they belong to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from netpol.compiler.layout import Pod
from netpol.engine.endpoints import EndpointKind
from netpol.kube.snapshot import Snapshot
from netpol.kube.unjudged import NOTHING_UNJUDGED, Unjudged
from netpol.model.errors import CapacityError
from netpol.model.verdict import Verdict
from netpol.questions.allpairs.pairclasses import EXTERNAL, MEMORY_BUDGET, Numbers, PairClasses
from netpol.questions.allpairs.parties import Parties, PartySums
from netpol.questions.allpairs.portsets import Ports
from netpol.questions.allpairs.sidetables import combined
from netpol.questions.reach.selecting import Selecting, names_workloads

if TYPE_CHECKING:
    from netpol.engine.engine import Engine

__all__ = ["NODES", "Cell", "Matrix", "Question", "Reach", "reachability"]

Int64s = npt.NDArray[np.int64]
#: What all nodes are called where parties are namespaces.
NODES = "nodes"
#: Workloads up to which each is shown by itself, if nobody says otherwise.
_FEW = 60
_VERDICTS = len(Verdict)
_MOST_SUMS = 1 << 23  # 600 MB while they are added up


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the matrix.

    Attributes
    ----------
    by : ``workload`` or ``namespace``; None: workloads where there are at most 60, or ``src`` and
        ``dst`` name some.
    src, dst : globs of names, or namespaces; none is everybody.
    port : protocol and port; None is all of them, a port None a protocol without ports.
    verdict : only pairs and ports of which some get it.
    namespace : of words such as ``deployment/web``.
    """

    by: str | None = None
    src: tuple[str, ...] = ()
    dst: tuple[str, ...] = ()
    port: tuple[int, int | None] | None = None
    verdict: Verdict | None = None
    namespace: str = "default"


@dataclass(frozen=True, slots=True)
class Cell:
    """Ports on which equally many pairs of two parties get each verdict."""

    ports: tuple[Ports, ...]
    everything: bool
    allow: int
    deny: int
    unknown: int

    @property
    def verdict(self) -> Verdict | None:
        """The verdict of all pairs, None if they differ."""
        counts = (self.allow, self.deny, self.unknown)
        total = sum(counts)
        return next((v for v in Verdict if counts[v] == total), None)


@dataclass(frozen=True, slots=True)
class Reach:
    """What one party can reach of another.

    Attributes
    ----------
    src, dst : workload or namespace, ``node/NAME`` or ``nodes``, ``external``.
    src_networks, dst_networks : of an external party, CIDRs that hold its addresses.
    pairs : pairs of owners of addresses; a class of external addresses is one owner.
    cells : together all ports that were asked for.
    """

    src: str
    dst: str
    src_networks: tuple[str, ...]
    dst_networks: tuple[str, ...]
    pairs: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Who can reach whom; ``reaches`` is a call that gives them in order of names.

    ``unjudged`` are policies of other dialects among the inputs.
    """

    by: str
    parties: int
    pairs: int
    left_out: int
    reaches: Callable[[], Iterator[Reach]]
    unjudged: Unjudged = NOTHING_UNJUDGED


def reachability(
    engine: Engine, question: Question | None = None, *, memory_budget: int = MEMORY_BUDGET
) -> Matrix:
    """Return the matrix that an engine's tables say.

    Raises
    ------
    CapacityError
        The tables would exceed ``memory_budget``, or there are too many pairs to tell apart.
    ConfigError
        A glob of ``src`` or ``dst`` means nobody.
    """
    return _Matrix(PairClasses([engine], memory_budget), question or Question()).matrix()


class _Matrix:
    def __init__(self, classes: PairClasses, question: Question) -> None:
        self.classes, self.question = classes, question
        meta = classes.engines[0].tables.meta
        workloads = {name for _, name in meta["pods"]}
        few = len(workloads) <= _FEW or names_workloads((*question.src, *question.dst))
        self.by = question.by or ("workload" if few else "namespace")
        self.pods = meta["pods"]
        self.parties = Parties(classes, None if self.by == "workload" else self._namespace)
        self._memo: dict[tuple[int, int], int] = {}
        self._ids: dict[bytes, int] = {}
        self.vectors: list[npt.NDArray[np.uint8]] = [np.zeros(0, np.uint8)]
        self.asked = classes.ports.recorded.copy()
        if question.port is not None:
            self.asked[:] = False
            self.asked[classes.ports.named(*question.port)] = True
        self._cells: dict[bytes, tuple[Cell, ...]] = {}

    def matrix(self) -> Matrix:
        """Add up; what is not asked for is left out as early as can be."""
        sums = PartySums(self.parties, self.classes, _MOST_SUMS)
        asked = self.question
        selecting = Selecting(
            self.parties.names,
            self.by,
            self.pods,
            self._snapshot(),
            asked.namespace,
        )
        wanted = [
            np.array(selecting.chosen(option, globs), bool)
            for option, globs in (("--src", asked.src), ("--dst", asked.dst))
        ]
        held = [np.zeros(len(self.classes), bool) for _ in wanted]
        for mask, chosen in zip(held, wanted, strict=True):
            mask[self.classes.of[chosen[self.parties.of]]] = True
        for source, targets, numbers, _ in self.classes.rows():
            if held[0][source]:
                kept = held[1][targets]
                what = self._what(Numbers(numbers.egress[:, kept], numbers.ingress[:, kept]))
                sums.add_class(source, targets[kept], what)
        for _, _, numbers, members in self.classes.own_node_pairs():
            sums.add_pairs(members, int(self._what(numbers)[0]))
        found = sums.sums()
        if sums.capped:
            raise CapacityError(
                "more pairs of workloads than fit; name some with --src or --dst, "
                "or ask --by namespace"
            )
        kept = wanted[0][found.src] & wanted[1][found.dst]
        src, dst, what, pairs = (item[kept] for item in found[:4])
        pods = self.classes.engines[0].tables.arrays["pod_parts"]
        told = set(self.classes.who.pod.tolist())
        return Matrix(
            self.by,
            len(set(self.parties.group)),
            int(pairs.sum()),
            sum(1 for pod in np.flatnonzero(pods[:, Pod.AS_NODE] == 0).tolist() if pod not in told),
            lambda: self._reaches(src, dst, what, pairs),
            self.classes.engines[0].unjudged,
        )

    def _snapshot(self) -> Snapshot | None:
        source = self.classes.engines[0].source
        return None if source is None else source[1]

    def _namespace(self, identity: int) -> str:
        if self.classes.who.kind[identity] == EndpointKind.POD:
            name: str = self.pods[self.classes.who.pod[identity]][0]
            return name.partition("/")[0]
        return NODES

    def _what(self, numbers: Numbers) -> Int64s:
        """Return int64[n], the number of what is said of each pair."""
        count = len(self.classes.vectors)
        keys = numbers.egress[0].astype(np.int64) * count + numbers.ingress[0]
        distinct, inverse = np.unique(keys, return_inverse=True)
        said = [self._vector(*divmod(key, count)) for key in distinct.tolist()]
        return np.array(said, np.int64)[inverse.reshape(-1)]

    def _vector(self, egress: int, ingress: int) -> int:
        found = self._memo.get((egress, ingress))
        if found is None:
            vectors = self.classes.vectors
            vector = combined(vectors[egress], vectors[ingress])[self.asked]
            found = self._ids.setdefault(vector.tobytes(), len(self.vectors))
            if found == len(self.vectors):
                self.vectors.append(vector)
            self._memo[egress, ingress] = found
        return found

    @cached_property
    def _judged(self) -> npt.NDArray[np.float64]:
        """float64[vectors, verdicts * ports], 1 where a vector has a verdict on a port."""
        vectors = np.stack([np.zeros_like(self.vectors[-1]), *self.vectors[1:]])
        said = vectors[:, None, :] == np.arange(_VERDICTS, dtype=np.uint8)[:, None]
        judged: npt.NDArray[np.float64] = said.reshape(len(vectors), -1).astype(np.float64)
        return judged

    # --- by name -------------------------------------------------------------------------------

    def _reaches(self, src: Int64s, dst: Int64s, what: Int64s, pairs: Int64s) -> Iterator[Reach]:
        """Yield every pair of names; ranges of external addresses apart where they differ."""
        names = self.parties.names
        order = np.lexsort((what, dst, src))
        found: dict[tuple[str, str], dict[bytes, list[tuple[int, int]]]] = {}
        rows = np.column_stack([src, dst, what, pairs])[order]
        starts = np.flatnonzero(np.r_[True, (rows[1:, :2] != rows[:-1, :2]).any(axis=1)])
        for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
            if start == end:
                continue
            one, other = rows[start, :2].tolist()
            key = np.ascontiguousarray(rows[start:end, 2:]).tobytes()
            found.setdefault((names[one], names[other]), {}).setdefault(key, []).append(
                (one, other)
            )
        for (one_name, other_name), said in sorted(found.items()):
            for key, members in said.items():
                cells = self._cells_of(key)
                if cells:
                    yield self._reach(one_name, other_name, key, members, cells)

    def _reach(
        self,
        src: str,
        dst: str,
        key: bytes,
        members: list[tuple[int, int]],
        cells: tuple[Cell, ...],
    ) -> Reach:
        networks = [
            self.parties.networks({pair[place] for pair in members}) if name == EXTERNAL else ()
            for place, name in enumerate((src, dst))
        ]
        total = int(np.frombuffer(key, np.int64).reshape(-1, 2)[:, 1].sum())
        return Reach(src, dst, networks[0], networks[1], total, cells)

    def _cells_of(self, key: bytes) -> tuple[Cell, ...]:
        """Return cells from numbers of vectors and how many pairs have each."""
        found = self._cells.get(key)
        if found is None:
            numbers, pairs = np.frombuffer(key, np.int64).reshape(-1, 2).T
            # Floats add up exactly below 2**53, and faster.
            added = pairs.astype(np.float64) @ self._judged[numbers]
            counts = added.astype(np.int64).reshape(_VERDICTS, -1)
            distinct, inverse = np.unique(counts, axis=1, return_inverse=True)
            found = tuple(
                self._cell(column, inverse.reshape(-1) == number)
                for number, column in enumerate(distinct.T.tolist())
                if self.question.verdict is None or column[self.question.verdict]
            )
            self._cells[key] = found
        return found

    def _cell(self, counts: list[int], inside: npt.NDArray[np.bool_]) -> Cell:
        chosen = np.zeros(len(self.classes.ports), bool)
        chosen[np.flatnonzero(self.asked)[inside]] = True
        if self.question.port is not None:
            ports: tuple[Ports, ...] = (self.classes.ports.one(*self.question.port),)
            return Cell(ports, False, *counts)
        known = self.classes.ports
        return Cell(known.words(chosen), known.is_everything(chosen), *counts)
