"""Takes DNS answers and queries, says which addresses a name stood for and when (B4.6).

A peer of ``domainNames`` matches an address while an answer for a matching name is valid: from
the time it was given until its TTL ran out. An answer without a time is valid always, one
without a TTL from its time on. A query log that holds no addresses (CoreDNS's) still tells which
names were asked for: of a name that was asked for and whose answer is not known, any address may
be the answer; a name nobody asked for was not learned.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from itertools import chain
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
    # Looked up pattern by pattern, and one name may have thousands of windows.
    _by_name: dict[str, list[DnsAnswer]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_name: dict[str, list[DnsAnswer]] = {}
        for answer in self.answers:
            by_name.setdefault(answer.name, []).append(answer)
        object.__setattr__(self, "_by_name", by_name)

    @property
    def answered(self) -> Set[str]:
        """Names that have an answer."""
        return self._by_name.keys()

    @property
    def unanswered(self) -> Set[str]:
        """Names that were asked for whose answer was not seen."""
        return self.asked - self._by_name.keys()

    def answers_to(self, pattern: str) -> Iterator[DnsAnswer]:
        """Return the answers for names that a ``domainNames`` pattern matches, name by name."""
        return chain.from_iterable(
            self._by_name[name] for name in _matching(pattern, self._by_name.keys())
        )

    def may_have_more(self, pattern: str) -> bool:
        """Return whether a matching name was asked for whose answer was not seen."""
        return any(name not in self._by_name for name in _matching(pattern, self.asked))


def _matching(pattern: str, names: Set[str]) -> Iterable[str]:
    if not pattern.startswith("*."):
        return (pattern,) if pattern in names else ()
    return (name for name in names if matches_domain(pattern, name))


def normalise_name(name: str) -> str:
    """Return a name as they are compared: lower case, no trailing dot (B4.6)."""
    return name.lower().removesuffix(".")


def matches_domain(pattern: str, name: str) -> bool:
    """Match a normalised name; ``*.`` in front stands for one or more whole labels (B4.6)."""
    if not pattern.startswith("*."):
        return pattern == name
    suffix = pattern[1:]
    return name.endswith(suffix) and len(name) > len(suffix)


def merged_windows(windows: Iterable[Window]) -> list[Window]:
    """Return the union of windows as disjoint ones in order of time."""
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
