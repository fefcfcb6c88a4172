"""Takes endpoints and pods, gives the peers of a side that exist: the columns they have, and names.

The columns of a side allow for more than there is: a pod's labels beside any address. Here are the
pairs that a flow can have. A pod that has no address yet may get any, and so may have every pair.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from netpol.compiler.addresses.endpoints import EndpointKey
from netpol.compiler.addresses.identities import Identities
from netpol.compiler.layout import HALF_MASK, HALF_SHIFT, PARTS_OF, EndpointKind, Seen
from netpol.compiler.rows.sides import SideCompiler

__all__ = ["RealPeers", "real_peers"]

_JUDGED = (EndpointKind.POD, EndpointKind.NODE, EndpointKind.EXTERNAL)
Indexes = npt.NDArray[np.int64]


class RealPeers(NamedTuple):
    """The distinct pairs of a label and a CIDR column, and the peers that have them.

    ``pair`` is by peer the place of its pair in ``labels`` and ``cidrs``: a fifth as many, at
    100 000 pods. ``sure`` says of a pair that some endpoint has it. ``pods`` and ``nodes`` are the
    indexes of the peer, -1 if it is none.
    """

    labels: Indexes
    cidrs: Indexes
    sure: npt.NDArray[np.bool_]
    pair: Indexes
    pods: Indexes
    nodes: Indexes
    identities: Identities

    def name(self, peer: int) -> str:
        """Return ``namespace/pod``, ``node/NAME`` or ``external``."""
        pod, node = int(self.pods[peer]), int(self.nodes[peer])
        if pod >= 0:
            return self.identities.pods[pod].label
        return f"node/{self.identities.nodes[node]}" if node >= 0 else "external"


def real_peers(
    side: SideCompiler,
    identities: Identities,
    keys: list[EndpointKey],
    visible: npt.NDArray[np.uint32],
) -> RealPeers:
    """Return the peers of a side.

    Parameters
    ----------
    keys
        Every endpoint.
    visible
        uint32[E, 8], ``endpoint_parts`` of ``tables.LAYOUT`` with CIDR columns as they are seen.
    """
    mine = PARTS_OF[side.side]
    judged = np.array([index for index, key in enumerate(keys) if key.kind in _JUDGED], np.int64)
    pods = np.array([keys[index].pod for index in judged.tolist()], np.int64)
    nodes = np.array([keys[index].node for index in judged.tolist()], np.int64)
    parts = visible[judged].astype(np.int64)
    groups = side.groups.of_pod
    ended = [pod.index for pod in identities.pods if pod.terminal]
    homeless = np.setdiff1d(np.flatnonzero(groups >= 0), np.append(pods, ended)).astype(np.int64)
    ranges = np.unique(side.seen_columns()[Seen.POD]).astype(np.int64)
    columns = side.column_of_group[groups[homeless]].astype(np.int64)
    labels = np.concatenate([parts[:, mine.label], np.repeat(columns, len(ranges))])
    cidrs = np.concatenate([parts[:, mine.cidr], np.tile(ranges, len(homeless))])
    distinct, pair = np.unique(labels << HALF_SHIFT | cidrs, return_inverse=True)
    pair = pair.reshape(-1)
    sure = np.zeros(len(distinct), bool)
    sure[pair[: len(judged)]] = True
    return RealPeers(
        distinct >> HALF_SHIFT,
        distinct & HALF_MASK,
        sure,
        pair,
        np.concatenate([pods, np.repeat(homeless, len(ranges))]),
        np.concatenate([nodes, np.full(len(homeless) * len(ranges), -1)]),
        identities,
    )
