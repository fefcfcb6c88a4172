"""Who owns which address of a random world, and what each pair is told on every port."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any, NamedTuple

import numpy as np
from hypothesis import Phase

from drawing import draw_worlds, drawn
from netpol.compiler.addresses.identities import V4_MAPPED, Identities, family_of
from netpol.questions.allpairs.addressspace import cut_addresses
from netpol.questions.allpairs.portsets import join_ports
from strategies import Case
from worlds import Object

EXAMPLES = drawn(40)
random_worlds = draw_worlds(40, phases=[Phase.generate])


class Who(NamedTuple):
    """An owner of an address; ``hint`` names the pod where the address alone does not."""

    kind: str
    name: str
    address: int
    hint: str


def direct(objects: list[Object]) -> list[Object]:
    """Give a cluster where no address leads elsewhere: services and host ports do."""
    kept = copy.deepcopy([o for o in objects if o["kind"] not in ("Service", "EndpointSlice")])
    for item in kept:
        spec = item.get("spec") or {}
        for container in (*spec.get("containers", ()), *spec.get("initContainers", ())):
            for port in container["ports"]:
                port.pop("hostPort", None)
    return kept


def as_text(address: int) -> IPv4Address | IPv6Address:
    if family_of(address) == 4:
        return IPv4Address(address - V4_MAPPED)
    return IPv6Address(address)


def owners_of(case: Case, snapshot: Any, addresses: set[int]) -> list[Who]:
    """Give who owns addresses, except nodes that share theirs: no flow can name one.

    Nor what may be a node's gateway: without flows it is nobody, else maybe the node (R31).
    """
    identities = Identities.of(snapshot, case.switches)
    ranges = [
        ip_network(text, strict=False)
        for item in snapshot.nodes
        for text in (item.spec.pod_cidrs or () if item.spec else ())
    ]
    found = []
    for address in sorted(addresses):
        text = as_text(address)
        if text.is_loopback:
            continue
        pods = [identities.pods[index] for index in identities.pods_at.get(address, ())]
        pods = [one for one in pods if not one.terminal]
        nodes = identities.nodes_at.get(address, [])
        found += [Who("pod", one.workload, address, one.label) for one in pods]
        if len(nodes) == 1 and not pods:
            found.append(Who("node", f"node/{identities.nodes[nodes[0]]}", address, ""))
        elif not nodes and not pods and not any(text in cidr for cidr in ranges):
            found.append(Who("external", "external", address, ""))
    return found


def judged_pairs(
    engines: Sequence[Any], who: list[Who]
) -> tuple[list[tuple[Who, Who]], list[int], list[Any]]:
    """Judge all pairs on all ports; give pairs, port classes and per engine uint8[pairs, ports]."""
    pairs, numbers, judged = verdicts_of_pairs(engines, who)
    if not pairs:
        return [], numbers, [np.zeros((0, len(numbers)), np.uint8) for _ in engines]
    return pairs, numbers, [item.verdict.reshape(len(pairs), -1) for item in judged]


def verdicts_of_pairs(
    engines: Sequence[Any], who: list[Who]
) -> tuple[list[tuple[Who, Who]], list[int], list[Any]]:
    """Judge all pairs on all ports; give pairs, port classes and per engine one verdict of each."""
    ports = join_ports(engines)
    numbers = np.flatnonzero(ports.recorded).tolist()
    examples = [ports.example(number) for number in numbers]
    pairs = [
        (a, b)
        for a in who
        for b in who
        if "pod" in (a.kind, b.kind)
        and family_of(a.address) == family_of(b.address)
        and not (a.hint and a.hint == b.hint)
    ]
    if not pairs:
        return [], numbers, []

    def column(place: int) -> Any:
        octets = b"".join(pair[place].address.to_bytes(16) for pair in pairs)
        return np.repeat(np.frombuffer(octets, np.uint8).reshape(-1, 16), len(examples), axis=0)

    flows = {
        "src": column(0),
        "dst": column(1),
        "src_pod": [pair[0].hint for pair in pairs for _ in examples],
        "dst_pod": [pair[1].hint for pair in pairs for _ in examples],
        "protocol": np.array([p for p, _ in examples] * len(pairs), np.uint8),
        "dport": np.array([d or 0 for _, d in examples] * len(pairs), np.uint16),
    }
    return pairs, numbers, [engine.evaluate(flows) for engine in engines]


def first_addresses(engines: Sequence[Any]) -> set[int]:
    """Give an address of every piece of the address space."""
    space = cut_addresses(engines)
    return {
        (V4_MAPPED | address) if family == 4 else address
        for family, address in zip(space.family.tolist(), space.first, strict=True)
    }


def holds(networks: tuple[str, ...], address: int) -> bool:
    text = as_text(address)
    return any(text in ip_network(network) for network in networks)
