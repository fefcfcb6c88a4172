"""Takes the address space as engines see it, gives the identities that addresses stand for.

An identity is one pod, node or external class at one kind of address. An address with several
owners stands for each of them; judging it is judging its owners (C5).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from netpol.compiler.layout import Link, Part
from netpol.engine.endpoints import EndpointKind
from netpol.model.errors import ConfigError
from netpol.questions.allpairs.addressspace import AddressSpace

if TYPE_CHECKING:
    from netpol.engine.engine import Engine

__all__ = ["IdentityClasses", "identities_at", "identities_otherwise"]

_BEGINNING = -(1 << 63)
_Joint = tuple[int, ...]  # the endpoint in each engine


@dataclass(frozen=True, slots=True)
class IdentityClasses:
    """Who there is, the same for all engines.

    Attributes
    ----------
    endpoints : int64[I, engines].
    family : uint8[I]; 0 where it is not told.
    kind : uint8[I], POD, NODE or EXTERNAL of ``EndpointKind``.
    pod, node : int64[I], index, -1 if none; a pod's node is the one it runs on.
    pieces : per identity, indexes of the address space's pieces that stand for it.
    """

    endpoints: npt.NDArray[np.int64]
    family: npt.NDArray[np.uint8]
    kind: npt.NDArray[np.uint8]
    pod: npt.NDArray[np.int64]
    node: npt.NDArray[np.int64]
    pieces: list[list[int]]

    def __len__(self) -> int:
        return len(self.kind)


class _Links:
    """What endpoints of every engine lead to, kept in step."""

    def __init__(self, engines: Sequence[Engine]) -> None:
        arrays = [engine.tables.arrays for engine in engines]
        self.links = [item["endpoint_links"].tolist() for item in arrays]
        self.parts = [item["endpoint_parts"] for item in arrays]
        self.alternatives = [item["alternatives"].tolist() for item in arrays]
        self.starts = [item["segment_starts"].tolist() for item in arrays]
        self.values = [item["segment_values"].tolist() for item in arrays]

    def owners(self, joint: _Joint) -> Iterator[_Joint]:
        """Yield each of several owners; nobody for loopback, which policies never see (A10.2)."""
        kinds = {links[one][Link.KIND] for links, one in zip(self.links, joint, strict=True)}
        if len(kinds) != 1:
            raise _other_snapshot()
        kind = kinds.pop()
        if kind == EndpointKind.LOOPBACK:
            return
        if kind != EndpointKind.AMBIGUOUS:
            yield joint
            return
        lists = []
        for links, held, one in zip(self.links, self.alternatives, joint, strict=True):
            link = links[one]
            first, count = link[Link.ALTERNATIVES], link[Link.ALTERNATIVE_COUNT]
            lists.append(held[first : first + count])
        if len({len(item) for item in lists}) != 1:
            raise _other_snapshot()
        for owner in zip(*lists, strict=True):
            yield from self.owners(owner)

    def over_time(self, joint: _Joint) -> Iterator[_Joint]:
        """Yield what an address is at every time, cut where any engine sees a change."""
        lives = []
        for number, one in enumerate(joint):
            link = self.links[number][one]
            first = link[Link.SEGMENTS]
            places = range(first, first + link[Link.SEGMENT_COUNT])
            life = [(self.starts[number][at], self.values[number][at]) for at in places]
            # A time before the first segment is judged by the first.
            lives.append([(_BEGINNING, life[0][1]), *life[1:]] if life else [(_BEGINNING, one)])
        for edge in sorted({start for life in lives for start, _ in life}):
            yield tuple([one for start, one in life if start <= edge][-1] for life in lives)


def identities_at(engines: Sequence[Engine], space: AddressSpace) -> IdentityClasses:
    """Return who every address is where no time is recorded.

    Raises
    ------
    ConfigError
        The engines were not compiled against the same pods, nodes and addresses.
    """
    _same_names(engines)
    links = _Links(engines)
    found: dict[tuple[int, _Joint], list[int]] = {}
    for piece, (family, joint) in enumerate(
        zip(space.family.tolist(), space.endpoints.tolist(), strict=True)
    ):
        for owner in links.owners(tuple(joint)):
            found.setdefault((family, owner), []).append(piece)
    return _identities(links, list(found), list(found.values()))


def identities_otherwise(engines: Sequence[Engine], space: AddressSpace) -> IdentityClasses:
    """Return who addresses are at all times, and what services send flows to."""
    links = _Links(engines)
    found: dict[tuple[int, _Joint], None] = {}
    for joint in dict.fromkeys(map(tuple, space.endpoints.tolist())):
        for held in links.over_time(joint):
            found.update(((0, owner), None) for owner in links.owners(held))
    for name in ("backend_endpoints", "node_endpoints"):
        lists = [engine.tables.arrays[name].tolist() for engine in engines]
        if len({len(item) for item in lists}) != 1:
            raise _other_snapshot()
        for joint in zip(*lists, strict=True):
            found.update(((0, owner), None) for owner in links.owners(joint))
    return _identities(links, list(found), [[] for _ in found])


def _identities(
    links: _Links, keys: list[tuple[int, _Joint]], pieces: list[list[int]]
) -> IdentityClasses:
    engines = len(links.links)
    endpoints = np.array([owner for _, owner in keys], np.int64).reshape(-1, engines)
    told = [
        (
            parts[endpoints[:, number], Part.POD],
            parts[endpoints[:, number], Part.NODE],
            np.array(
                [links.links[number][one][Link.KIND] for one in endpoints[:, number].tolist()],
                np.uint32,
            ),
        )
        for number, parts in enumerate(links.parts)
    ]
    pod, node, kind = told[0]
    if any((mine != first).any() for one in told for mine, first in zip(one, told[0], strict=True)):
        raise _other_snapshot()
    return IdentityClasses(
        endpoints,
        np.array([family for family, _ in keys], np.uint8),
        kind.astype(np.uint8),
        pod.astype(np.int64) - 1,
        node.astype(np.int64) - 1,
        pieces,
    )


def _same_names(engines: Sequence[Engine]) -> None:
    metas = [engine.tables.meta for engine in engines]
    for name in ("pods", "nodes"):
        if any(meta[name] != metas[0][name] for meta in metas):
            raise _other_snapshot()


def _other_snapshot() -> ConfigError:
    return ConfigError(
        "the two sides do not see the same pods, nodes and addresses; compare policies against "
        "one snapshot, with the same host_network and node addresses"
    )
