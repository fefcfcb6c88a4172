"""Takes regions and known addresses, gives the tables that turn an address into an endpoint id.

IPv4: a direct trie of 16, 8 and 8 bits; at most three dependent loads. IPv6: an open-addressing
hash of the known addresses in buckets of one cache line (how many are probed is bounded when it is
built) and, for all others, the sorted starts of regions, searched by halving. Both are linear in
prefixes whatever their shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from netpol.compiler.addresses.endpoints import Endpoints
from netpol.compiler.addresses.identities import V4_MAPPED, family_of
from netpol.compiler.layout import (
    BLOCK_ENTRIES,
    EMPTY_SLOT,
    POINTER,
    SLOT_COLUMNS,
    V6_PROBES,
    Slot,
)
from netpol.compiler.shared.budget import Budget
from netpol.compiler.shared.hashing import MASK64, hash_address

__all__ = ["PrefixTables", "build_prefixes"]

_POINTER = np.uint32(POINTER)
_BUCKET = 2  # slots of 32 bytes, one cache line
_PIECE = 256  # blocks of the trie filled at once
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]


class PrefixTables(NamedTuple):
    """The tables.

    Attributes
    ----------
    v4_root : uint32[65536]; an entry with bit 31 set points to block ``entry & 0x7fffffff``.
    v4_blocks : uint32[blocks * 256]; entries of second-level blocks may point on likewise.
    v6_hash : uint64[slots, 4]: high, low, endpoint (0xffffffff in an empty slot), 0: half a cache
        line; v6_seed : uint64[1]; slots is a power of two.
    v6_starts : uint64[regions, 2] (high, low), v6_values : uint32[regions].
    """

    v4_root: U32
    v4_blocks: U32
    v6_hash: U64
    v6_seed: U64
    v6_starts: U64
    v6_values: U32


def build_prefixes(endpoints: Endpoints, budget: Budget) -> PrefixTables:
    """Return the tables for every address and region."""
    v4 = {a - V4_MAPPED: e for a, e in endpoints.by_address.items() if family_of(a) == 4}
    v6 = {a: e for a, e in endpoints.by_address.items() if family_of(a) == 6}
    root, blocks = _trie(*_v4_intervals(endpoints, v4), budget)
    table, seed = _hash(v6, budget)
    regions = endpoints.regions[6]
    starts = np.array([[s >> 64, s & MASK64] for s in regions.starts], np.uint64)
    region_values = np.array([endpoints.region_endpoint(c) for c in regions.classes], np.uint32)
    return PrefixTables(root, blocks, table, seed, starts, region_values)


def _v4_intervals(endpoints: Endpoints, known: Mapping[int, int]) -> tuple[U64, U32]:
    """Cut IPv4 into intervals [starts[i], starts[i + 1]) of one endpoint each."""
    regions = endpoints.regions[4]
    region_starts = np.array(regions.starts, np.uint64)
    region_values = np.array([endpoints.region_endpoint(c) for c in regions.classes], np.uint32)
    hosts = np.fromiter(known.keys(), np.uint64, len(known))
    host_values = np.fromiter(known.values(), np.uint32, len(known))
    after = hosts + np.uint64(1)
    starts = np.unique(np.concatenate([region_starts, hosts, after[after < 1 << 32]]))
    values = region_values[np.searchsorted(region_starts, starts, side="right") - 1]
    values[np.searchsorted(starts, hosts)] = host_values
    return starts, values


def _trie(starts: U64, values: U32, budget: Budget) -> tuple[U32, U32]:
    """Blocks exist only where an interval begins inside the range they cover."""

    def at(addresses: U64) -> U32:
        return values[np.searchsorted(starts, addresses, side="right") - 1]

    split16 = np.unique(starts[(starts & np.uint64(0xFFFF)) != 0] >> np.uint64(16))
    split24 = np.unique(starts[(starts & np.uint64(0xFF)) != 0] >> np.uint64(8))
    budget.take(
        (65536 + BLOCK_ENTRIES * (len(split16) + len(split24))) * 4,
        f"{len(starts)} IPv4 address ranges",
    )
    root = at(np.arange(65536, dtype=np.uint64) << np.uint64(16))
    root[split16.astype(np.int64)] = _POINTER | np.arange(len(split16), dtype=np.uint32)
    blocks = np.zeros((max(len(split16) + len(split24), 1), BLOCK_ENTRIES), np.uint32)
    for first, split, shift in ((0, split16, 16), (len(split16), split24, 8)):
        below = np.arange(BLOCK_ENTRIES, dtype=np.uint64) << np.uint64(shift - 8)
        # In pieces: looking values up takes 20 bytes for each entry of 4.
        for begin in range(0, len(split), _PIECE):
            part = (split[begin : begin + _PIECE] << np.uint64(shift))[:, None] + below
            blocks[first + begin : first + begin + len(part)] = at(part)
    owner = np.searchsorted(split16, split24 >> np.uint64(8))
    numbers = np.arange(len(split16), len(split16) + len(split24), dtype=np.uint32)
    blocks[owner, (split24 & np.uint64(0xFF)).astype(np.int64)] = _POINTER | numbers
    return root, blocks.reshape(-1)


def _hash(known: Mapping[int, int], budget: Budget) -> tuple[U64, U64]:
    slots = 16
    while slots < 2 * len(known):
        slots *= 2
    seed = 1
    while True:
        budget.take(slots * 32, f"{len(known)} IPv6 addresses")
        built = _try_hash(known, slots, seed)
        if built is not None:
            return built, np.array([seed], np.uint64)
        budget.taken -= slots * 32
        seed += 1
        if seed % 4 == 0:
            slots *= 2


def _try_hash(known: Mapping[int, int], slots: int, seed: int) -> U64 | None:
    table = _aligned(slots, SLOT_COLUMNS)
    table[:, Slot.LOW] = V4_MAPPED  # a key that is never looked up
    table[:, Slot.ENDPOINT] = EMPTY_SLOT
    buckets = slots // _BUCKET
    filled = [0] * buckets
    for address, endpoint in known.items():
        high, low = address >> 64, address & MASK64
        bucket = hash_address(high, low, seed) & (buckets - 1)
        for _ in range(V6_PROBES):
            if filled[bucket] < _BUCKET:
                break
            bucket = (bucket + 1) & (buckets - 1)
        else:
            return None
        table[_BUCKET * bucket + filled[bucket], : Slot.ZERO] = high, low, endpoint
        filled[bucket] += 1
    return table


def _aligned(rows: int, words: int) -> U64:
    """Return zeros that begin on a cache line, so that a bucket is one."""
    size = rows * words
    spare = np.zeros(size + 8, np.uint64)
    start = -spare.ctypes.data % 64 // 8
    return spare[start : start + size].reshape(rows, words)
