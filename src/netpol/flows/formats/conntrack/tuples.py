"""Takes conntrack records, gives the tuples on either side of their NAT as two words each.

The tuple *before* is the original one, what came in; the tuple *after* is the reply tuple turned
around, what goes on. Where they are equal, there was no NAT. Two records follow each other where
what goes on from one comes in at the other.

The key of an IPv4 tuple is exact, and can be read back. That of an IPv6 tuple is a 112-bit hash:
any two of a billion connections fall together with a probability below 1e-15. Bits 48 to 62 of the
lower word are left free, for ordinals.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from netpol.flows.columns.addresses import map_ipv4
from netpol.flows.formats.conntrack.text import WIDE, Entries
from netpol.model.batch import NO_ICMP, Column

__all__ = [
    "AFTER",
    "BEFORE",
    "ORDINAL_SHIFT",
    "Side",
    "Tuples",
    "differing",
    "ipv4_tuples",
    "is_wide_key",
    "joined_tuples",
    "keys_of",
    "mix",
    "put_tuples",
    "tuples_of",
]

_U64 = npt.NDArray[np.uint64]
_WIDE_KEY = np.uint64(1 << 63)
ORDINAL_SHIFT = np.uint64(48)


class Side(NamedTuple):
    """The names of the columns that hold one side of records, in the client's direction."""

    src: str
    dst: str


class Tuples(NamedTuple):
    """``n`` tuples in the client's direction."""

    src: Column  # uint32[n] of IPv4, 0 if IPv6
    dst: Column
    src_wide: Column  # uint8[n, 16], valid if IPv6
    dst_wide: Column
    sport: Column  # uint16[n], as scanned
    dport: Column

    def take(self, rows: Column | slice) -> Tuples:
        """Return the tuples at ``rows``."""
        return Tuples(*(column[rows] for column in self))

    def put(self, rows: Column, tuples: Tuples) -> None:
        """Replace the tuples at ``rows``."""
        for column, other in zip(self, tuples, strict=True):
            column[rows] = other


BEFORE = Side("orig_src", "orig_dst")
AFTER = Side("reply_dst", "reply_src")


def tuples_of(entries: Entries, side: Side) -> Tuples:
    """Return one side of all records; ICMP has its identifier in ``sport`` on both."""
    if side is BEFORE:
        sport, dport = entries["orig_sport"], entries["orig_dport"]
    else:
        swapped = entries["icmp_type"] == NO_ICMP
        sport = np.where(swapped, entries["reply_dport"], entries["reply_sport"])
        dport = np.where(swapped, entries["reply_sport"], entries["reply_dport"])
    return Tuples(
        entries[side.src], entries[side.dst],
        entries[f"{side.src}_wide"], entries[f"{side.dst}_wide"], sport, dport,
    )  # fmt: skip


def keys_of(entries: Entries, side: Side) -> tuple[_U64, _U64]:
    """Return the two words of the key of one side of each record."""
    tuples = tuples_of(entries, side)
    low = tuples.sport.astype(np.uint64) << np.uint64(32)
    low |= tuples.dport.astype(np.uint64) << np.uint64(16)
    low |= entries["protocol"].astype(np.uint64) << np.uint64(8)
    low |= entries["icmp_type"]
    high = tuples.src.astype(np.uint64) << np.uint64(32) | tuples.dst
    is_wide = (entries["flags"] & WIDE) != 0
    if is_wide.any():
        words = [low[is_wide]]
        for column in (tuples.src_wide, tuples.dst_wide):
            pair = np.ascontiguousarray(column[is_wide]).view(np.uint64)
            words += [pair[:, 0], pair[:, 1]]
        high[is_wide] = mix(words, np.uint64(0x9E3779B97F4A7C15))
        spread = mix(words, np.uint64(0xD1B54A32D192ED03))
        low[is_wide] = (spread & np.uint64((1 << 48) - 1)) | _WIDE_KEY
    return high, low


def ipv4_tuples(high: _U64, low: _U64) -> Tuples:
    """Read back the keys of IPv4 tuples; those of IPv6 give nothing of use."""
    src = (high >> np.uint64(32)).astype(np.uint32)
    dst = high.astype(np.uint32)
    return Tuples(
        src, dst, map_ipv4(src), map_ipv4(dst),
        (low >> np.uint64(32)).astype(np.uint16), (low >> np.uint64(16)).astype(np.uint16),
    )  # fmt: skip


def joined_tuples(parts: Iterable[Tuples]) -> Tuples:
    """Return the tuples of all parts, in their order."""
    return Tuples(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def differing(
    one: Tuples, other: Tuples, wide: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return where the sources (with port), and where the destinations, are not the same."""
    src = np.where(wide, (one.src_wide != other.src_wide).any(axis=1), one.src != other.src) | (
        one.sport != other.sport
    )
    dst = np.where(wide, (one.dst_wide != other.dst_wide).any(axis=1), one.dst != other.dst) | (
        one.dport != other.dport
    )
    return src, dst


def is_wide_key(low: _U64) -> npt.NDArray[np.bool_]:
    """Return whether keys, by their lower words, are of IPv6 tuples."""
    return low >= _WIDE_KEY


def put_tuples(entries: Entries, rows: Column, side: Side, tuples: Tuples) -> None:
    """Replace one side of the records at ``rows``."""
    wide = (entries["flags"][rows] & WIDE) != 0
    for name, narrow, all_wide in (
        (side.src, tuples.src, tuples.src_wide),
        (side.dst, tuples.dst, tuples.dst_wide),
    ):
        entries[name][rows] = np.where(wide, np.uint32(0), narrow)
        entries[f"{name}_wide"][rows] = all_wide
    if side is BEFORE:
        entries["orig_sport"][rows], entries["orig_dport"][rows] = tuples.sport, tuples.dport
        return
    swapped = entries["icmp_type"][rows] == NO_ICMP
    entries["reply_dport"][rows] = np.where(swapped, tuples.sport, tuples.dport)
    entries["reply_sport"][rows] = np.where(swapped, tuples.dport, tuples.sport)


def mix(words: list[_U64], seed: np.uint64) -> _U64:
    """Hash columns of words to one word a row: multiply and shift, as splitmix64 does."""
    state = np.full(len(words[0]), seed)
    for word in words:
        state = (state ^ word) * np.uint64(0xBF58476D1CE4E5B9)
        state ^= state >> np.uint64(27)
        state *= np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(31)
    return state
