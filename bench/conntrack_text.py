"""Takes a world, gives ``conntrack -L -o extended`` text of connections between its endpoints.

About 232 bytes a line. Half the connections go through a ClusterIP (the reply tuple names the
backend), some leave the cluster masqueraded as the node, some are probes from the node.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.population import Array, ipv4_texts
from bench.traffic import rank_picker

if TYPE_CHECKING:
    from bench.world import World

__all__ = ["make_conntrack_text", "write_conntrack"]

TCP = (
    "ipv4     2 tcp      6 %d %s src=%s dst=%s sport=%d dport=%d packets=%d bytes=%d "
    "src=%s dst=%s sport=%d dport=%d packets=%d bytes=%d [ASSURED] mark=0 delta-time=%d use=1\n"
)
UNREPLIED = (
    "ipv4     2 tcp      6 %d SYN_SENT src=%s dst=%s sport=%d dport=%d packets=%d bytes=%d "
    "[UNREPLIED] src=%s dst=%s sport=%d dport=%d packets=0 bytes=0 mark=0 delta-time=%d use=1\n"
)
OTHER = (
    "ipv4     2 %-8s %d %d src=%s dst=%s sport=%d dport=%d packets=%d bytes=%d "
    "src=%s dst=%s sport=%d dport=%d packets=%d bytes=%d %smark=0 delta-time=%d use=1\n"
)
ICMP = (
    "ipv4     2 icmp     1 %d src=%s dst=%s type=8 code=0 id=%d packets=%d bytes=%d "
    "src=%s dst=%s type=0 code=0 id=%d packets=%d bytes=%d mark=0 delta-time=%d use=1\n"
)
STATES = np.array(["ESTABLISHED", "TIME_WAIT", "CLOSE_WAIT", "FIN_WAIT", "LAST_ACK"])
#: Lines written again and again by ``write_conntrack``.
BLOCK_LINES = 1 << 18


class _Connections:
    """Columns of ``n`` connections: both tuples and counters, before they become text."""

    def __init__(self, world: World, n: int, seed: int) -> None:
        self.rng = rng = np.random.default_rng([seed, n, world.seed, 5])
        p = world.population
        pod = rank_picker(len(p.pod_v4), "zipf", rng)
        kind = rng.random(n)
        client, server = p.pod_v4[pod(n)].copy(), pod(n)
        self.protocol = p.pod_protocol[server].copy()
        self.server, self.server_port = p.pod_v4[server].copy(), p.pod_port[server].copy()
        self.dialled, self.dialled_port = self.server.copy(), self.server_port.copy()
        self.client, self.seen = client, client.copy()
        self._through_service(world, np.flatnonzero(kind < 0.5))
        self._leaving(p.node_v4, np.flatnonzero((kind >= 0.78) & (kind < 0.9)))
        probes = np.flatnonzero(kind >= 0.94)
        self.client[probes] = rng.choice(p.node_v4, size=len(probes))
        self.seen[probes] = self.client[probes]
        self.sport = rng.integers(32768, 61000, n)
        self.kind = rng.random(n)

    def _through_service(self, world: World, rows: Array) -> None:
        p, rng = world.population, self.rng
        service = rank_picker(len(p.service_v4), "zipf", rng)(len(rows))
        workload = p.service_workload[service]
        first, end = p.workload_start[workload], p.workload_start[workload + 1]
        backend = first + (rng.random(len(rows)) * (end - first)).astype(np.int64)
        self.dialled[rows], self.dialled_port[rows] = p.service_v4[service], p.service_port[service]
        self.server[rows], self.server_port[rows] = p.pod_v4[backend], p.pod_port[backend]
        self.protocol[rows] = p.service_protocol[service]

    def _leaving(self, nodes: Array, rows: Array) -> None:
        """Make rows connections to the outside, masqueraded as a node."""
        rng, n = self.rng, len(rows)
        outside = (rng.integers(11, 100, n) << 24 | rng.integers(0, 1 << 24, n)).astype(np.uint32)
        port = rng.choice(np.array([443, 443, 443, 80, 123], np.uint16), size=n)
        self.server[rows] = self.dialled[rows] = outside
        self.server_port[rows] = self.dialled_port[rows] = port
        self.protocol[rows] = np.where(port == 123, 17, 6)
        self.seen[rows] = rng.choice(nodes, size=n)


def _lines(world: World, n: int, seed: int) -> list[str]:
    """Return ``n`` lines in random order of kinds."""
    c = _Connections(world, n, seed)
    rng = c.rng
    packets = np.maximum(2, rng.lognormal(2.5, 1.4, n)).astype(np.int64)
    columns = {
        "client": ipv4_texts(c.client),
        "dialled": ipv4_texts(c.dialled),
        "server": ipv4_texts(c.server),
        "seen": ipv4_texts(c.seen),
        "sport": c.sport.tolist(),
        "dialled_port": c.dialled_port.tolist(),
        "server_port": c.server_port.tolist(),
        "packets": packets.tolist(),
        "bytes": (packets * rng.integers(52, 900, n)).tolist(),
        "packets_back": np.maximum(1, packets - 1).tolist(),
        "bytes_back": (packets * rng.integers(52, 1400, n)).tolist(),
        "delta": rng.integers(0, 90_000, n).tolist(),
    }
    timeout = rng.integers(0, 120, n)
    established = rng.random(n) < 0.7
    timeout[established] = 432_000 - rng.integers(0, 900, int(established.sum()))
    state = np.where(established, 0, rng.integers(1, len(STATES), n))
    columns["timeout"], columns["state"] = timeout.tolist(), STATES[state].tolist()
    tuples = ("client", "dialled", "sport", "dialled_port", "packets", "bytes")
    back = ("server", "seen", "server_port", "sport", "packets_back", "bytes_back", "delta")

    tcp = zip(*(columns[k] for k in ("timeout", "state", *tuples, *back)), strict=True)
    lines = list(map(TCP.__mod__, tcp))
    for row in np.flatnonzero((c.protocol == 6) & (c.kind < 0.05)).tolist():
        v = {k: column[row] for k, column in columns.items()}
        lines[row] = UNREPLIED % (
            v["timeout"] % 120, v["client"], v["dialled"], v["sport"], v["dialled_port"],
            1, 60, v["server"], v["seen"], v["server_port"], v["sport"], v["delta"],
        )  # fmt: skip
    for row in np.flatnonzero(c.protocol != 6).tolist():
        v = {k: column[row] for k, column in columns.items()}
        number = int(c.protocol[row])
        name, word = ("udp", "") if number == 17 else ("sctp", " ESTABLISHED")
        line = OTHER % (
            name, number, v["timeout"] % 180, *(v[k] for k in tuples), *(v[k] for k in back[:-1]),
            "[ASSURED] " if v["packets"] > 4 or word else "", v["delta"],
        )  # fmt: skip
        lines[row] = line.replace(" src=", f"{word} src=", 1)
    for row in np.flatnonzero(c.kind >= 0.98).tolist():
        v = {k: column[row] for k, column in columns.items()}
        identifier = v["sport"]
        lines[row] = ICMP % (
            v["timeout"] % 30, v["client"], v["server"], identifier, v["packets"], v["bytes"],
            v["server"], v["seen"], identifier, v["packets"], v["bytes"], v["delta"],
        )  # fmt: skip
    return lines


def make_conntrack_text(world: World, n_lines: int, seed: int = 1) -> bytes:
    """Return ``n_lines`` lines, all drawn anew (about 2 µs each)."""
    return "".join(_lines(world, n_lines, seed)).encode()


def _blocks(world: World, n_lines: int, seed: int) -> Iterator[bytes]:
    block = make_conntrack_text(world, min(n_lines, BLOCK_LINES), seed)
    for _ in range(n_lines // BLOCK_LINES):
        yield block
    rest = n_lines % BLOCK_LINES
    if rest:
        at = 0
        for _ in range(rest):
            at = block.index(b"\n", at) + 1
        yield block[:at]


def write_conntrack(world: World, path: str | Path, n_lines: int, seed: int = 1) -> int:
    """Write ``n_lines`` lines, repeating a block of 262 144; give the number of bytes."""
    total = 0
    with Path(path).open("wb") as out:
        for block in _blocks(world, n_lines, seed):
            total += out.write(block)
    return total
