"""Takes DNS answers and queries, says which addresses a name stood for and when (B4.6).

A peer of ``domainNames`` matches an address while an answer for a matching name is valid: from
the time it was given until its TTL ran out. An answer without a time is valid always, one
without a TTL from its time on. A query log that holds no addresses (CoreDNS's) still tells which
names were asked for: of a name that was asked for and whose answer is not known, any address may
be the answer; a name nobody asked for was not learned.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

__all__ = [
    "DnsAnswer",
    "DnsObservations",
    "Window",
    "matches_domain",
    "merged_windows",
    "normalise_name",
]

Address = IPv4Address | IPv6Address


class Window(NamedTuple):
    """When an answer is valid: ``[start, end)`` in ns UTC; None is no bound."""

    start: int | None
    end: int | None


class DnsAnswer(NamedTuple):
    """One address given for one name.

    ``name`` is in lower case without a trailing dot, ``address`` never an IPv4-mapped IPv6 one.
    """

    name: str
    address: Address
    window: Window = Window(None, None)


@dataclass(frozen=True, slots=True)
class DnsObservations:
    """What was seen of DNS.

    ``answers`` are distinct; ``asked`` are names that were asked for successfully, whether or not
    an answer is among ``answers``.
    """

    answers: tuple[DnsAnswer, ...] = ()
    asked: frozenset[str] = frozenset()

    def answers_to(self, pattern: str) -> Iterator[DnsAnswer]:
        """Give the answers for names that a ``domainNames`` pattern matches."""
        return (answer for answer in self.answers if matches_domain(pattern, answer.name))

    def may_have_more(self, pattern: str) -> bool:
        """Whether a matching name was asked for whose answer was not seen."""
        answered = {answer.name for answer in self.answers}
        return any(matches_domain(pattern, name) for name in self.asked - answered)


def normalise_name(name: str) -> str:
    """Give a name as they are compared: lower case, no trailing dot (B4.6)."""
    return name.lower().removesuffix(".")


def matches_domain(pattern: str, name: str) -> bool:
    """Match a normalised name; ``*.`` in front stands for one or more whole labels (B4.6)."""
    if not pattern.startswith("*."):
        return pattern == name
    suffix = pattern[1:]
    return name.endswith(suffix) and len(name) > len(suffix)


def merged_windows(windows: Iterable[Window]) -> list[Window]:
    """Give the union of windows as disjoint ones in order of time."""
    smallest, largest = -(1 << 63), (1 << 63) - 1
    spans = sorted(
        (smallest if w.start is None else w.start, largest if w.end is None else w.end)
        for w in windows
    )
    merged: list[tuple[int, int]] = []
    for start, end in spans:
        if start >= end:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((start, end))
    return [
        Window(None if start == smallest else start, None if end == largest else end)
        for start, end in merged
    ]
