"""Takes services' backends and endpoints' rows and columns, gives the replicas that may differ.

A service of 26 pods is mostly two or three kinds of replica: pods of one workload differ in nothing
but their addresses, and few policies look at those.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from netpol.compiler.addresses.services import Way
from netpol.compiler.layout import (
    LOCAL_ENTRY_SHIFT,
    PORTS,
    SERVICE_PROTOCOL_SHIFT,
    Entry,
    Part,
)
from netpol.compiler.shared.portclasses import PORT_PROTOCOLS

__all__ = ["KEEPS_PODS", "distinct_replicas"]

#: Ways on which egress is judged at the backend, and the server sees a pod as the pod (R10).
KEEPS_PODS = (Way.CLUSTER_IP, Way.OUTSIDE_LOCAL)
_PLACES = {protocol: slot * PORTS for slot, protocol in enumerate(PORT_PROTOCOLS)}
# What policies tell pods apart by, addresses of the source left aside.
_SEEN_AS = (Part.EGRESS_ROW, Part.EGRESS_LABEL, Part.EGRESS_CIDR, Part.INGRESS_ROW,
            Part.INGRESS_LABEL)  # fmt: skip


def distinct_replicas(
    arrays: dict[str, npt.NDArray[Any]], parts: npt.NDArray[np.uint32]
) -> dict[str, npt.NDArray[np.uint32]]:
    """Return ``service_replicas`` and ``replicas`` of ``tables.LAYOUT``.

    Parameters
    ----------
    arrays : service_*, backend_* and port_lookup of ``tables.LAYOUT``.
    parts : uint32[E, 8], endpoint_parts.
    """
    counts = arrays["service_entries"][:, Entry.BACKEND_COUNT].astype(np.int64)
    entry = np.repeat(np.arange(len(counts)), counts)
    endpoint = arrays["backend_endpoints"]
    keys = arrays["service_keys"]
    of_locals = (arrays["service_locals"] >> np.uint64(LOCAL_ENTRY_SHIFT)).astype(np.intp)
    keys = np.concatenate([keys, keys[of_locals]])
    protocol = (keys >> np.uint64(SERVICE_PROTOCOL_SHIFT)).astype(np.int64) & 0xFF
    slot = np.array([_PLACES.get(number, -1) for number in range(256)])[protocol]
    place = np.maximum(slot, 0)[entry] + arrays["backend_ports"]
    port_class = arrays["port_lookup"][place].astype(np.int64)
    plain = (
        (parts[endpoint, Part.POD] != 0)
        & np.isin(arrays["backend_ways"], KEEPS_PODS)
        & (slot >= 0)[entry]
    )
    judged_alone = np.zeros(len(counts), bool)
    judged_alone[entry[~plain]] = True
    told = np.column_stack(
        [entry, port_class, *(parts[endpoint, column] for column in _SEEN_AS)]
    ).astype(np.int64)
    first = np.sort(np.unique(told, axis=0, return_index=True)[1])
    first = first[~judged_alone[entry[first]]]
    kept = np.bincount(entry[first], minlength=len(counts))
    return {
        "service_replicas": np.column_stack([np.cumsum(kept) - kept, kept]).astype(np.uint32),
        "replicas": np.column_stack([endpoint[first], port_class[first]]).astype(np.uint32),
    }
