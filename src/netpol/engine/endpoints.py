"""Who the endpoints of an engine's tables are: kinds, names, workloads."""

from __future__ import annotations

from enum import IntEnum
from functools import cached_property

import numpy as np
import numpy.typing as npt

from netpol.compiler.layout import EndpointKind as TableKind
from netpol.compiler.layout import (
    Link,
    Part,
)
from netpol.compiler.pack.tables import Tables

__all__ = ["EndpointKind", "EndpointTable"]


class EndpointKind(IntEnum):
    """What an endpoint is."""

    EXTERNAL = TableKind.EXTERNAL
    POD = TableKind.POD
    NODE = TableKind.NODE
    LOOPBACK = TableKind.LOOPBACK
    AMBIGUOUS = TableKind.AMBIGUOUS
    SERVICE = 5  # external in the tables, with service ports of its own


class EndpointTable:
    """Who an endpoint id is.

    Attributes
    ----------
    kind : uint8[E], ``EndpointKind``.
    notes : uint16[E], ``Note`` bits of an address.
    workload : one name per endpoint: what made the pod, ``node/NAME``, ``service/NS/NAME``,
        ``external``.
    """

    def __init__(self, tables: Tables) -> None:
        links = tables.arrays["endpoint_links"]
        self._parts = tables.arrays["endpoint_parts"]
        self._links = links
        self._alternatives = tables.arrays["alternatives"]
        self._meta = tables.meta
        self.notes: npt.NDArray[np.uint16] = links[:, Link.NOTES].astype(np.uint16)
        kind = links[:, Link.KIND].astype(np.uint8)
        is_service = (kind == EndpointKind.EXTERNAL) & (links[:, Link.OWN_GROUP] != 0)
        kind[is_service] = EndpointKind.SERVICE
        self.kind: npt.NDArray[np.uint8] = kind

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def has_pods(self) -> bool:
        """Whether any address is a pod's that policies select, times left aside."""
        pods = (self.kind == EndpointKind.POD) | (self.kind == EndpointKind.AMBIGUOUS)
        return bool(pods.any())

    def by_pod(self, sums: npt.NDArray[np.uint64], pods: int) -> npt.NDArray[np.uint64]:
        """Turn uint64[E] of endpoints into uint64[pods] of ``Engine.pods``.

        What an address of several pods has counts for each of them.
        """
        found = np.zeros(pods + 1, np.uint64)  # those of no pod first
        np.add.at(found, self._parts[:, Part.POD], sums)
        for index in np.flatnonzero((self.kind == EndpointKind.AMBIGUOUS) & (sums != 0)).tolist():
            owners = self._parts[self._owners(index), Part.POD]
            found[np.unique(owners)] += sums[index]
        return found[1:]

    def label(self, index: int) -> str:
        """Return ``namespace/pod``, ``node/NAME``, ``service/NS/NAME``, ``external`` and so on."""
        return self._name(index, 0)

    @cached_property
    def labels(self) -> list[str]:
        """The label of every endpoint."""
        return [self._name(index, 0) for index in range(len(self))]

    @cached_property
    def workload(self) -> list[str]:
        """The workload of every endpoint."""
        return [self._name(index, 1) for index in range(len(self))]

    def _owners(self, index: int) -> npt.NDArray[np.uint32]:
        """Return the endpoints that an ambiguous one may be."""
        link = self._links[index]
        first, count = int(link[Link.ALTERNATIVES]), int(link[Link.ALTERNATIVE_COUNT])
        found: npt.NDArray[np.uint32] = self._alternatives[first : first + count]
        return found

    def _name(self, index: int, column: int) -> str:
        kind = EndpointKind(int(self.kind[index]))
        if kind is EndpointKind.POD:
            return str(self._meta["pods"][int(self._parts[index, Part.POD]) - 1][column])
        if kind is EndpointKind.NODE:
            node = int(self._parts[index, Part.NODE]) - 1
            return f"node/{self._meta['nodes'][node]}" if node >= 0 else "node"
        if kind is EndpointKind.SERVICE:
            names = self._meta["services"].get(str(int(self._links[index, Link.OWN_GROUP])), [])
            return ", ".join(f"service/{name}" for name in names) or "service"
        if kind is EndpointKind.AMBIGUOUS:
            names = [self._name(int(item), column) for item in self._owners(index)]
            return "ambiguous: " + ", ".join(dict.fromkeys(names))
        return kind.name.lower()
