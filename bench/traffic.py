"""Takes a world, gives flow batches: who talks to whom, drawn with a seed.

Of the flows 80 % are pod to pod, 7 % pod to external, 5 % external to pod, 4 % node to pod, 2 % pod
to node, 2 % pod to a service address. Destination ports: 76 % one the destination serves, 14 %
another well-known port, 10 % any number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from bench.population import Array, Population
from netpol.model.batch import FlowBatch

if TYPE_CHECKING:
    from bench.world import World

__all__ = ["make_flows", "rank_picker"]

#: Share of flows by (kind of source, kind of destination).
MIX = (
    ("pod", "pod", 0.80),
    ("pod", "external", 0.07),
    ("external", "pod", 0.05),
    ("node", "pod", 0.04),
    ("pod", "node", 0.02),
    ("pod", "service", 0.02),
)
WELL_KNOWN = np.array([443, 80, 53, 8080, 5432, 9090, 6379, 22, 3306, 10250], np.uint16)
MAPPED = np.frombuffer(bytes(10) + b"\xff\xff", np.uint8)


class rank_picker:  # noqa: N801
    """Draws indices below ``n``: uniformly, or Zipf (exponent 1) over a shuffled order."""

    def __init__(self, n: int, popularity: str, rng: np.random.Generator) -> None:
        if popularity not in ("zipf", "uniform"):
            raise ValueError(f"popularity: {popularity!r} is not zipf or uniform")
        self.n, self.rng = n, rng
        self.order = rng.permutation(n) if popularity == "zipf" else None
        self.cumulative = np.cumsum(1.0 / np.arange(1, n + 1)) if popularity == "zipf" else None

    def __call__(self, count: int) -> Array:
        """Return ``count`` indices, int64."""
        if self.order is None or self.cumulative is None:
            return self.rng.integers(0, self.n, size=count)
        at = self.rng.random(count) * self.cumulative[-1]
        found = np.searchsorted(self.cumulative, at, side="right")
        return self.order[np.minimum(found, self.n - 1)]


def widen(v4: Array) -> Array:
    """Return ``uint32[n]`` addresses IPv4-mapped as ``uint8[n, 16]``."""
    out = np.empty((len(v4), 16), np.uint8)
    out[:, :12] = MAPPED
    out[:, 12:] = v4.astype(">u4")[:, None].view(np.uint8).reshape(-1, 4)
    return out


class _Actors:
    """Addresses of each kind of endpoint, drawn by popularity."""

    def __init__(
        self, population: Population, popularity: str, rng: np.random.Generator, *, wide: bool
    ) -> None:
        self.population, self.rng, self.wide = population, rng, wide
        p = population
        external4 = (rng.integers(11, 100, 50_000) << 24 | rng.integers(0, 1 << 24, 50_000)).astype(
            np.uint32
        )
        external6 = np.concatenate(
            [
                np.tile(np.array([0x26, 0x06, 0x47, 0x00], np.uint8), (50_000, 1)),
                rng.integers(0, 256, (50_000, 12)).astype(np.uint8),
            ],
            axis=1,
        )
        self.v4 = {
            "pod": p.pod_v4,
            "node": p.node_v4,
            "service": p.service_v4,
            "external": external4,
        }
        self.v6 = {
            "pod": p.pod_v6,
            "node": p.node_v6,
            "service": p.service_v6,
            "external": external6,
        }
        self.pick = {kind: rank_picker(len(a), popularity, rng) for kind, a in self.v4.items()}

    def addresses(self, kind: str, index: Array, six: Array | None) -> Array:
        """Return the addresses of actors; ``six`` (bool[n]) says which rows are IPv6."""
        v4 = self.v4[kind][index]
        if not self.wide:
            return v4
        out = widen(v4)
        if six is not None:
            table = self.v6[kind]
            assert table is not None
            out[six] = table[index[six]]
        return out

    def served(self, kind: str, index: Array) -> tuple[Array, Array]:
        """Return a port and protocol number that each destination serves."""
        p, rng = self.population, self.rng
        if kind == "pod":
            return p.pod_port[index].copy(), p.pod_protocol[index].copy()
        if kind == "service":
            return p.service_port[index].copy(), p.service_protocol[index].copy()
        port = rng.choice(WELL_KNOWN, size=len(index), p=_WELL_KNOWN_SHARE)
        return port, np.where(port == 53, 17, 6).astype(np.uint8)


_WELL_KNOWN_SHARE = np.array([0.5, 0.15, 0.12, 0.05, 0.04, 0.04, 0.03, 0.03, 0.02, 0.02])


def _ports(actors: _Actors, kind: str, index: Array) -> tuple[Array, Array]:
    """Return dport and protocol: mostly served ones, some well-known, some that nobody expects."""
    rng, n = actors.rng, len(index)
    port, protocol = actors.served(kind, index)
    what = rng.random(n)
    known = (what >= 0.76) & (what < 0.90)
    port[known] = rng.choice(WELL_KNOWN, size=int(known.sum()), p=_WELL_KNOWN_SHARE)
    protocol[known] = np.where(port[known] == 53, 17, 6)
    other = what >= 0.90
    port[other] = rng.integers(1, 65536, size=int(other.sum()))
    protocol[other] = rng.choice(
        np.array([6, 17, 132, 1, 47], np.uint8),
        size=int(other.sum()),
        p=[0.68, 0.18, 0.02, 0.10, 0.02],
    )
    port[(protocol == 1) | (protocol == 47)] = 0
    return port, protocol


def make_flows(
    world: World,
    n: int,
    seed: int = 1,
    popularity: Literal["zipf", "uniform"] = "zipf",
    family: Literal["v4", "v6", "mixed"] = "v4",
) -> FlowBatch:
    """Return ``n`` flows between the world's endpoints, in random order.

    Parameters
    ----------
    world
        With ``ipv6=True`` for the families ``v6`` and ``mixed`` (half of the rows IPv6).
    n
        Number of flows.
    seed
        Any integer.
    popularity
        ``zipf``: the k-th most popular source and destination is drawn with weight 1/k.
    family
        ``v4`` gives ``uint32[n]`` addresses, the others ``uint8[n, 16]``.

    Returns
    -------
    FlowBatch
        The columns ``src``, ``dst``, ``protocol``, ``dport`` and ``sport``.
    """
    if family != "v4" and world.population.pod_v6 is None:
        raise ValueError(f"family {family!r} needs a world made with ipv6=True")
    rng = np.random.default_rng([seed, n, world.seed])
    actors = _Actors(world.population, popularity, rng, wide=family != "v4")
    counts = (np.array([share for _, _, share in MIX]) * n).astype(int)
    counts[0] += n - counts.sum()
    parts: list[tuple[Array, Array, Array, Array]] = []
    for (source, target, _), count in zip(MIX, counts.tolist(), strict=True):
        six = None
        if family != "v4":
            six = np.ones(count, bool) if family == "v6" else rng.random(count) < 0.5
        client, server = actors.pick[source](count), actors.pick[target](count)
        port, protocol = _ports(actors, target, server)
        if six is not None:
            protocol[six & (protocol == 1)] = 58
        parts.append(
            (
                actors.addresses(source, client, six),
                actors.addresses(target, server, six),
                protocol,
                port,
            )
        )
    order = rng.permutation(n)
    src, dst, protocol, dport = (
        np.concatenate(column)[order] for column in zip(*parts, strict=True)
    )
    sport = rng.integers(32768, 61000, size=n).astype(np.uint16)
    return FlowBatch(src=src, dst=dst, protocol=protocol, dport=dport, sport=sport)
