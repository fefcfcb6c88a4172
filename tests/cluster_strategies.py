"""Random cluster-scoped policies and DNS observations, from the pools, biased to ties and doubt."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pools
from netpol.model.dns_observations import DnsAnswer, DnsObservations, Window
from worlds import Object, admin_policy, baseline_policy, cluster_policy

if TYPE_CHECKING:
    from strategies import Choices


def _distinct(*words: str) -> list[str]:
    """Give the words once each: the lists of the CRDs are sets."""
    return list(dict.fromkeys(words))


def _selector(pick: Choices, usable: tuple[Object, ...], broken: tuple[Object, ...]) -> Object:
    chosen: Object = pick.of(*broken) if pick.rarely(60) else pick.of(*usable)
    return chosen


def _pods(pick: Choices, both: bool) -> Object:
    found = {"podSelector": _selector(pick, pools.SELECTORS, pools.BROKEN_SELECTORS)}
    if both or not pick.rarely(3):
        found["namespaceSelector"] = _selector(pick, pools.SPACE_SELECTORS, pools.BROKEN_SELECTORS)
    return found


def _subject(pick: Choices, both: bool) -> Object:
    if pick.rarely(3):
        return {"pods": _pods(pick, both)}
    if pick.rarely(3):
        return {"namespaces": {}}
    return {"namespaces": _selector(pick, pools.SPACE_SELECTORS, pools.BROKEN_SELECTORS)}


def _peer(pick: Choices, egress: bool, names: bool, both: bool) -> Object:
    kind = pick.between(0, 7 if egress else 3)
    if kind == 0:
        return {} if pick.rarely(30) else {"namespaces": {}}
    if kind < 3:
        return {"namespaces": _selector(pick, pools.SPACE_SELECTORS, pools.BROKEN_SELECTORS)}
    if kind == 3:
        return {"pods": _pods(pick, both)}
    if kind < 6:
        return {"networks": _distinct(pick.of(*pools.NETWORKS), *pick.some(pools.NETWORKS, 1))}
    if kind == 6 or not names:
        return {"nodes": _selector(pick, pools.NODE_SELECTORS, pools.BROKEN_SELECTORS)}
    return {"domainNames": _distinct(pick.of(*pools.DOMAINS), *pick.some(pools.DOMAINS, 1))}


def _rule(
    pick: Choices,
    egress: bool,
    actions: tuple[str, ...],
    elements: tuple[str, tuple[Object, ...], str],
    shape: tuple[bool, bool],
) -> Object:
    """Give a rule; ``elements`` are the key, the pool and the named element of its ports."""
    names, both = shape
    key, pool, named = elements
    rule: Object = {"action": pick.of(*actions)}
    peers = [_peer(pick, egress, names, both) for _ in range(pick.between(1, 2))]
    rule["to" if egress else "from"] = peers
    if not pick.rarely(3):
        chosen = [pick.of(*pool), *pick.some(pool, 2)]
        if pick.rarely(24):
            chosen.append({})  # B4.8
        if any("nodes" in peer or "domainNames" in peer for peer in peers):  # B1.8
            chosen = [item for item in chosen if named not in item] or [pool[0]]
        rule[key] = chosen
    return rule


def _spec(pick: Choices, both: bool, rule: Callable[[bool], Object]) -> Object:
    spec: Object = {"subject": _subject(pick, both)}
    for side, egress in (("ingress", False), ("egress", True)):
        if not pick.rarely():
            spec[side] = [rule(egress) for _ in range(pick.between(1, 3))]
    return spec


def cluster_scoped_of(pick: Choices, name: str) -> Object:
    """Give a policy of the admin or baseline tier."""
    kind = pick.between(0, 7)
    if kind < 5:
        elements = ("protocols", pools.CLUSTER_PORTS, "destinationNamedPort")
        actions = ("Accept", "Deny", "Pass")
        spec = _spec(
            pick, False, lambda egress: _rule(pick, egress, actions, elements, (True, False))
        )
        tier = pick.of("Admin", "Admin", "Baseline")
        return cluster_policy(name, {"tier": tier, "priority": pick.of(5, 5, 5, 6, 1000), **spec})
    elements = ("ports", pools.ADMIN_PORTS, "namedPort")
    if kind < 7:
        spec = _spec(
            pick, True,
            lambda egress: _rule(pick, egress, ("Allow", "Deny", "Pass"), elements, (True, True)),
        )  # fmt: skip
        return admin_policy(name, {"priority": pick.of(5, 5, 0), **spec})
    spec = _spec(
        pick, True, lambda egress: _rule(pick, egress, ("Allow", "Deny"), elements, (False, True))
    )
    return baseline_policy(spec)


def dns_of(pick: Choices) -> DnsObservations | None:
    """Give what was seen of DNS, or None."""
    if pick.rarely(3):
        return None
    answers = []
    for _ in range(pick.between(0, 5)):
        start = None if pick.rarely(2) else pick.of(*pools.TIMES_NS)
        end = None
        if not pick.rarely(2):
            end = pick.of(*pools.TIMES_NS)
        if start is not None and end is not None and end <= start:
            end = None
        address = ip_address(pick.of(*pools.V4, *pools.OUTSIDE, *pools.NODE_V4, *pools.V6))
        answers.append(DnsAnswer(pick.of(*pools.QUERY_NAMES), address, Window(start, end)))
    asked = frozenset(pick.some(pools.QUERY_NAMES, 2)) if pick.rarely(3) else frozenset()
    return DnsObservations(tuple(dict.fromkeys(answers)), asked)
