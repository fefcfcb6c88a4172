"""Takes an engine's packed tables, gives NumPy that judges by them: what the kernel adds over it.

The same lookups in the same order as the core's, a whole column at a time. Both sides' decisions
come out, as of the engine; services and self-traffic are not looked at.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.population import Array
from netpol.model.batch import FlowBatch

__all__ = ["TablePeer"]

POINTER = np.uint32(1 << 31)
PORTS = {6: 0, 17: 65536, 132: 131072}
OTHER_PORTS = 196608
NODE = 2


class TablePeer:
    """Fancy indexing over ``engine.tables``; the tables must have cells."""

    def __init__(self, engine: Any) -> None:
        self.tables = engine.tables.arrays
        self.own = [column for column, _ in engine.tables.meta["own_columns"]]
        self.classes = self.tables["port_maps"].shape[1]
        places = OTHER_PORTS + np.arange(256)
        for protocol, place in PORTS.items():
            places[protocol] = place
        self.place_of = places
        self.has_port = np.isin(np.arange(256), list(PORTS))

    def endpoints(self, addresses: Array) -> Array:
        """Return the endpoint of each IPv4 address."""
        found = self.tables["v4_root"][addresses >> np.uint32(16)]
        for shift in (8, 0):
            rows = np.flatnonzero(found & POINTER)
            block = (found[rows] & ~POINTER).astype(np.int64) << 8
            part = (addresses[rows] >> np.uint32(shift)) & np.uint32(0xFF)
            found[rows] = self.tables["v4_blocks"][block | part]
        return found

    def side(self, name: str, mine: Array, column: Array, ports: Array) -> Array:
        """Return the decision of one side, its verdict in the two bits above."""
        cell = mine[:, 0] + column
        page = self.tables[f"cell_index_{name}"].reshape(-1)[cell >> np.uint32(6)]
        value = self.tables["cell_pages"][page, cell & np.uint32(63)]
        port = (mine[:, 3] & np.uint32(0xFFFF)).astype(np.int64) * self.classes + ports
        return self.tables["cell_runs"][mine[:, 1] + self.tables["cell_maps"][port] + value]

    def evaluate(self, batch: FlowBatch) -> Array:
        """Return uint8[n] verdicts."""
        src = self.tables["src_records"][self.endpoints(batch.src)]
        dst = self.tables["dst_records"][self.endpoints(batch.dst)]
        place = self.place_of[batch.protocol] + np.where(
            self.has_port[batch.protocol], batch.dport, 0
        )
        ports = self.tables["port_lookup"][place]
        same_node = (src[:, 3] ^ dst[:, 3]) >> np.uint32(16) == 0
        decided = []
        for name, mine, other, own in (
            ("egress", src, dst, self.own[0]),
            ("ingress", dst, src, self.own[1]),
        ):
            column = other[:, 2] & np.uint32(0xFFFFFF)
            if own != 0xFFFFFFFF:
                is_node = (other[:, 2] >> np.uint32(24)) & NODE != 0
                column = np.where(same_node & is_node, np.uint32(own), column)
            decided.append(self.side(name, mine, column, ports))
        verdict = (decided[0] | decided[1]) >> np.uint32(30)
        return np.where(verdict & 1, 1, verdict).astype(np.uint8)
