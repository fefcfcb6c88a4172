"""Takes service ports, gives the tables that lead from a dialled address and port to backends.

Behind the entries of ``service_keys`` stand those of clients whose node is known, where a service
has ``internalTrafficPolicy: Local`` (A15.12): for each node with an endpoint, and for all others.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from netpol.compiler.addresses.endpoints import Endpoints
from netpol.compiler.addresses.services import Backend, ServiceEntry, Way
from netpol.compiler.layout import (
    ENTRY_COLUMNS,
    LOCAL_ENTRY,
    LOCAL_ENTRY_SHIFT,
    SERVICE_GROUP_SHIFT,
    SERVICE_PROTOCOL_SHIFT,
)
from netpol.compiler.shared.hashing import hash_services

__all__ = ["pack_services"]

_TRANSLATED_FIRST = {Way.CLUSTER_IP, Way.OUTSIDE_LOCAL, Way.OUTSIDE}


class _Packed:
    """Entries and their backends as they are added."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints
        self.entries: list[tuple[int, int, int]] = []
        self.backends: list[int] = []
        self.ports: list[int] = []
        self.ways: list[int] = []

    def add(self, backends: Iterable[Backend], ways: Iterable[Way], local: bool) -> None:
        """Add an entry; its backends are ordered as R8 says."""
        ordered = sorted(backends)
        bits = sum(1 << way for way in ways) | (LOCAL_ENTRY if local else 0)
        self.entries.append((len(self.backends), len(ordered), bits))
        for backend in ordered:
            self.backends.append(self._endpoints.backend_endpoint(backend))
            self.ports.append(backend.port)
            self.ways.append(backend.way)


def pack_services(endpoints: Endpoints) -> dict[str, npt.NDArray[Any]]:
    """Return ``service_*`` and ``backend_*`` of ``tables.LAYOUT``, adding endpoints of backends."""
    found = sorted(endpoints.services.entries.items())
    packed = _Packed(endpoints)
    keys = [
        group << SERVICE_GROUP_SHIFT | protocol << SERVICE_PROTOCOL_SHIFT | port
        for (group, protocol, port), _ in found
    ]
    for _, entry in found:
        packed.add(entry.backends, entry.ways, entry.local is not None)
    locals_ = []
    for index, (_, entry) in enumerate(found):
        for node, backends in _by_node(entry):
            locals_.append(index << LOCAL_ENTRY_SHIFT | node)
            packed.add(backends, entry.ways, False)
    dialled_at_nodes = np.zeros(1 << 16, np.bool_)
    for (_, _, port), entry in found:
        dialled_at_nodes[port] |= not entry.ways <= _TRANSLATED_FIRST
    return {
        "service_keys": np.array(keys, np.uint64),
        "service_slots": hash_services(keys),
        "service_entries": np.array(packed.entries, np.uint32).reshape(-1, ENTRY_COLUMNS),
        "node_ports": np.packbits(dialled_at_nodes, bitorder="little"),
        "service_locals": np.array(locals_, np.uint64),
        "backend_endpoints": np.array(packed.backends, np.uint32),
        "backend_ports": np.array(packed.ports, np.uint16),
        "backend_ways": np.array(packed.ways, np.uint8),
    }


def _by_node(entry: ServiceEntry) -> list[tuple[int, set[Backend]]]:
    """Return what clients on a node reach, by node + 1; 0 stands for nodes without endpoints."""
    if entry.local is None:
        return []
    mine = [(node + 1, entry.shared | backends) for node, backends in sorted(entry.local.items())]
    return [(0, entry.shared), *mine]
