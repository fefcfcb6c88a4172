"""Takes the readings of a side, gives them in groups that say the same, each in a few words (A15).

A cluster of 500 nodes may have 500 sources that a server may have seen; a load balancer's address
is any outside: what is decided alike is told once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from netpol.explain.match_descriptions import packet_text
from netpol.reference.addresses import Address
from netpol.reference.identities import End, Kind
from netpol.reference.outcome import SideOutcome
from netpol.reference.side_query import Direction

__all__ = ["Group", "grouped"]

NAMED = 3  # ends that a group names


class Group(NamedTuple):
    """Readings that are decided alike: in words, every end of them, and what the first says."""

    words: str
    ends: tuple[str, ...]
    side: SideOutcome


def grouped(
    side: SideOutcome, direction: Direction, mentioned: Collection[Address]
) -> Iterator[Group]:
    """Group the readings of a side, the likeliest first.

    Parameters
    ----------
    side
        The side; without readings there are no groups.
    direction
        Whose side it is: of egress, ports are part of what policies see.
    mentioned
        Addresses that the flow names. Other external ones stand for all like them (A15.10).
    """
    groups: dict[object, list[tuple[str, End | None, SideOutcome]]] = {}
    for who, one in side.readings:
        end = None if one.question is None else one.question.peer
        if direction == "egress" and one.question is not None:
            who = f"{who} on {packet_text(one.question.packet)}"
        key = one.verdict, one.reason, one.tier, one.policy, one.rule
        groups.setdefault(key, []).append((who, end, one))
    every = [end for items in groups.values() for _, end, _ in items if end is not None]
    for items in groups.values():
        words = _words([(who, end) for who, end, _ in items], every, mentioned)
        yield Group(words, tuple(dict.fromkeys(who for who, _, _ in items)), items[0][2])


def _words(
    items: list[tuple[str, End | None]], every: list[End], mentioned: Collection[Address]
) -> str:
    """Name the ends of a group; all nodes and all addresses outside by what they are."""
    nodes = [(who, end) for who, end in items if _is(end, Kind.NODE)]
    outside = [end for _, end in items if end is not None and _stands_for_more(end, mentioned)]
    rest = [
        who
        for who, end in items
        if not _is(end, Kind.NODE) and not (end is not None and _stands_for_more(end, mentioned))
    ]
    words = _listed(rest)
    if outside:
        all_ = {end for end in every if _stands_for_more(end, mentioned)}
        such = _listed(str(end.address) for end in outside)
        whole = set(outside) >= all_
        words.append(
            "any other address outside" if whole else f"an address outside such as {such[0]}"
        )
    if nodes:
        all_ = {end for end in every if _is(end, Kind.NODE)}
        if len(nodes) > NAMED and {end for _, end in nodes} >= all_:
            words.append(f"any node, at any of {len(nodes)} addresses")
        else:
            words += _listed(who for who, _ in nodes)
    return " or ".join(words)


def _is(end: End | None, kind: Kind) -> bool:
    return end is not None and end.identity.kind is kind


def _stands_for_more(end: End, mentioned: Collection[Address]) -> bool:
    return end.identity.kind is Kind.EXTERNAL and end.address not in mentioned


def _listed(names: Iterable[str]) -> list[str]:
    found = list(dict.fromkeys(names))
    if len(found) <= NAMED + 1:
        return found
    return [*found[:NAMED], f"{len(found) - NAMED} more"]
