"""The hashes that tables are built with and the core looks up with; both must agree to the bit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["MASK64", "hash_address", "hash_key", "hash_services"]

MASK64 = (1 << 64) - 1


def hash_address(high: int, low: int, seed: int) -> int:
    """Mix an IPv6 address; the core does the same in src/_core/addresses.pxd."""
    mixed = ((high ^ seed) * 0x9E3779B97F4A7C15) & MASK64
    mixed = ((mixed ^ (mixed >> 32) ^ low) * 0xD6E8FEB86659FD93) & MASK64
    return mixed ^ (mixed >> 29)


def hash_key(key: int) -> int:
    """Mix a service key; the core does the same in src/_core/judge.pyx."""
    mixed = (key * 0x9E3779B97F4A7C15) & MASK64
    return mixed ^ (mixed >> 32)


def hash_services(keys: Sequence[int]) -> npt.NDArray[np.uint32]:
    """Return uint32[power of two]: index + 1 of each key, linear probing, at most half full."""
    size = 16
    while size < 2 * len(keys):
        size *= 2
    slots = np.zeros(size, np.uint32)
    for index, key in enumerate(keys):
        slot = hash_key(key) & (size - 1)
        while slots[slot]:
            slot = (slot + 1) & (size - 1)
        slots[slot] = index + 1
    return slots
