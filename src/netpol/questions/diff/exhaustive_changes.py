"""Takes sums by parties of what is said of them, gives changes: who, what before, what after.

What is said of a pair is cut into kinds, each of two verdicts and the ports that get the one and
then the other, or the same by another rule. Changes that are listed are looked into (``Parts``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from netpol.model.verdict import Verdict
from netpol.questions.allpairs.columns import distinct_columns
from netpol.questions.allpairs.pairclasses import PairClasses
from netpol.questions.allpairs.parties import Parties, Sums
from netpol.questions.allpairs.portsets import Ports
from netpol.questions.diff.exhaustive_parts import Judged, Part, Parts
from netpol.questions.diff.groups import Kind, kind_of
from netpol.questions.diff.verdict_changes import SAME, verdicts_of

__all__ = ["Change", "Changes"]

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
ChangesOf = Callable[[Int32s, Int32s], Int64s]


@dataclass(frozen=True, slots=True)
class Change:
    """Pairs of two parties that get another verdict on some ports, or the same by another rule.

    Attributes
    ----------
    src, dst : workload, ``node/NAME`` or ``external``.
    src_networks, dst_networks : of an external party, the fewest CIDRs that are its addresses.
    ports : the ports, complete.
    everything : whether those are all there are.
    pairs : how many pairs of owners; one counts again for each kind of address it has, all external
        addresses count as one.
    parts : the same pairs and ports by who decides, those of most pairs first: every pair is in one
        part on each of the ports.
    """

    src: str
    dst: str
    src_networks: tuple[str, ...]
    dst_networks: tuple[str, ...]
    ports: tuple[Ports, ...]
    everything: bool
    pairs: int
    parts: tuple[Part, ...]

    @property
    def before(self) -> Judged:
        """The verdict before, and who decided it in the first part."""
        return self.parts[0].before

    @property
    def after(self) -> Judged:
        """The verdict after, and who decides it in the first part."""
        return self.parts[0].after

    @property
    def kind(self) -> Kind:
        """How the judgement changes."""
        return kind_of(self.before.verdict, self.after.verdict)


class _Kind(NamedTuple):
    """One verdict instead of another, on the port classes of ``inside``: bool[K] as bytes."""

    before: Verdict
    after: Verdict
    inside: bytes


class Changes:
    """Sums by names, verdicts and ports.

    Parameters
    ----------
    items : uint8[K] each, what the numbers of ``sums.what`` say (``NumberedChanges``).
    said : takes transitions of egress and ingress, gives those numbers.
    """

    def __init__(
        self,
        classes: PairClasses,
        parties: Parties,
        sums: Sums,
        items: Sequence[npt.NDArray[np.uint8]],
        said: ChangesOf,
        parts: Parts,
    ) -> None:
        self._ports, self._parties, self._looked = classes.ports, parties, parts
        self._said = said
        kinds: dict[_Kind, int] = {}
        self._cut = [
            [
                kinds.setdefault(_Kind(*verdicts_of(code), (one == code).tobytes()), len(kinds))
                for code in np.unique(one[one != SAME]).tolist()
            ]
            for one in items
        ]
        self._kinds = list(kinds)
        lengths = np.array([len(item) for item in self._cut], np.int64)
        starts = (np.cumsum(lengths) - lengths)[sums.what]
        lengths = lengths[sums.what]
        place = np.repeat(np.arange(len(lengths)), lengths)
        flat = np.array([kind for item in self._cut for kind in item], np.int64)
        at = np.arange(len(place)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        kind = flat[starts[place] + at] if len(place) else flat[:0]
        keys = np.stack([sums.src[place], sums.dst[place], kind])
        # One thing more said of other ports makes two of the pairs of one party with another.
        self._parts, inverse = distinct_columns(keys)
        self._pairs = np.bincount(inverse, sums.pairs[place], self._parts.shape[1]).astype(np.int64)
        group = np.array(parties.group, np.int64)
        named = np.stack([group[self._parts[0]], group[self._parts[1]], self._parts[2]])
        self._named, self._member = distinct_columns(named)
        # Classes of external addresses are parts of one party: the pods are the same ones.
        self._most = np.zeros(self._named.shape[1], np.int64)
        np.maximum.at(self._most, self._member, self._pairs)

    def __len__(self) -> int:
        return len(self._most)

    def listed(self, top: int) -> Iterator[Change]:
        """Yield the changes of most pairs; equal ones by name."""
        if not (top and len(self)):
            return
        names = self._parties.names
        bound = np.sort(self._most)[::-1][min(top, len(self)) - 1]
        order = sorted(
            np.flatnonzero(self._most >= bound).tolist(),
            key=lambda index: (
                -self._most[index],
                names[self._named[0, index]],
                names[self._named[1, index]],
                self._kinds[self._named[2, index]],
            ),
        )[:top]
        members: dict[int, list[int]] = {index: [] for index in order}
        for part in np.flatnonzero(np.isin(self._member, order)).tolist():
            members[int(self._member[part])].append(part)
        for index, held in members.items():
            yield self._change(index, held)

    def _change(self, index: int, members: list[int]) -> Change:
        number = int(self._named[2, index])
        kind = self._kinds[number]
        inside = np.frombuffer(kind.inside, np.bool_)
        says_so = np.array([number in held for held in self._cut])
        src, dst = self._parts[0, members], self._parts[1, members]
        parts = self._looked.of(
            src,
            dst,
            (kind.before, kind.after),
            inside,
            lambda egress, ingress: says_so[self._said(egress, ingress)],
        )
        names = self._parties.names
        return Change(
            names[self._named[0, index]],
            names[self._named[1, index]],
            self._looked.networks(src),
            self._looked.networks(dst),
            self._ports.words(inside),
            self._ports.is_everything(inside),
            int(self._most[index]),
            tuple(sorted(parts, key=_order)),
        )


def _order(part: Part) -> tuple[object, ...]:
    ports = [(item.protocol, item.ranges or ()) for item in part.ports]
    return -part.pairs, ports, part.src_networks, part.dst_networks
