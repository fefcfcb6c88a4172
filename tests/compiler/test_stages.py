"""Each stage of the compiler against the plain way of saying the same."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_network
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import netpol
from netpol.compiler.addresses.cidrcolumns import CidrColumns
from netpol.compiler.addresses.identities import Identities
from netpol.compiler.addresses.peers import AddressPeers, Surroundings
from netpol.compiler.addresses.regions import Mark, Swept, cut_regions
from netpol.compiler.shared.budget import Budget
from netpol.compiler.shared.columns import group_columns
from netpol.compiler.shared.hashing import hash_key, hash_services
from netpol.compiler.shared.portclasses import PORT_PROTOCOLS, cut_port_classes
from netpol.compiler.shared.selection import MAYBE, NO, YES, LabelSets
from netpol.kube.snapshot import Snapshot
from netpol.model.flow import Flow
from netpol.model.switches import Switches
from netpol.policy.program import (
    CidrPeer,
    NamedPort,
    Operator,
    PortRange,
    Requirement,
    Selector,
)
from netpol.reference import ReferenceEvaluator
from worlds import adapt_engine, adapt_reference, fixture, load, policy

#: A cluster without nodes and DNS.
AROUND = Surroundings(Snapshot(), Identities())
few = settings(max_examples=150, deadline=None, derandomize=True, database=None)


# --- regions ------------------------------------------------------------------------------------


@st.composite
def cidr_peers(draw: Any) -> CidrPeer:
    """A CIDR inside 10.0.0.0/24 and strictly narrower excepts, which may overlap or nest."""
    length = draw(st.integers(24, 31))
    base = draw(st.integers(0, 255)) >> (32 - length) << (32 - length)
    network = ip_network((0x0A000000 | base, length))
    excepts = []
    for _ in range(draw(st.integers(0, 3))):
        narrow = draw(st.integers(length + 1, 32))
        offset = draw(st.integers(0, 255)) & ((1 << (32 - length)) - 1)
        start = int(network.network_address) | (offset >> (32 - narrow) << (32 - narrow))
        excepts.append(ip_network((start, narrow)))
    return CidrPeer(network, tuple(excepts))


@few
@given(st.lists(cidr_peers(), max_size=6), st.lists(cidr_peers(), max_size=6))
def test_a6_1_regions_say_which_peers_hold_an_address(
    egress: list[CidrPeer], ingress: list[CidrPeer]
) -> None:
    mark = Mark(IPv4Network("10.0.0.64/26"), 1)
    rules = [[peers[:2], *([peer] for peer in peers[2:])] for peers in (egress, ingress)]
    sides = [AddressPeers(item, AROUND, Switches()) for item in rules]
    swept = [_swept(side) for side in sides]
    regions = cut_regions(4, swept[0], swept[1], [mark, mark], Budget(1 << 30))
    assert regions.starts == sorted(set(regions.starts))
    for address in range(0x09FFFFFE, 0x0A000102):
        region = regions.at(address)
        for side, made, here, number in zip(
            rules, sides, swept, (region.egress, region.ingress), strict=True
        ):
            column = here.columns.of[number]
            for peers, places in zip(side, made.by_rule, strict=True):
                holds = any(
                    _holds(peer.network, address)
                    and not any(_holds(hole, address) for hole in peer.excepts)
                    for peer in peers
                )
                assert len(places) == bool(peers)
                for place in places:
                    assert here.sets.has(number, place) == holds
                    members = here.columns.members[place]
                    assert any(a <= column < b for a, b in members) == holds
        assert bool(region.marks) == _holds(mark.network, address)


def _swept(peers: AddressPeers) -> Swept:
    size = peers.lanes * len(peers)
    return Swept(peers.spans, peers.sets, CidrColumns(peers.sets, size, Budget(1 << 30)))


def _holds(network: Any, address: int) -> bool:
    return int(network.network_address) <= address <= int(network.broadcast_address)


def test_a6_3_families_never_match_across() -> None:
    everything = AddressPeers([[CidrPeer(ip_network("0.0.0.0/0"))]], AROUND, Switches())
    nothing = AddressPeers([], AROUND, Switches())
    for family, places in ((6, []), (4, [0])):
        here = _swept(everything)
        cut = cut_regions(family, here, _swept(nothing), [], Budget(1 << 30))
        assert here.sets.places(cut.at(5).egress) == places


# --- selectors ----------------------------------------------------------------------------------

KEYS, VALUES = st.sampled_from("abc"), st.sampled_from(["", "x", "y"])


@few
@given(
    st.lists(st.dictionaries(KEYS, VALUES), min_size=1, max_size=6),
    st.lists(st.tuples(KEYS, st.sampled_from(Operator), st.frozensets(VALUES, min_size=1))),
    st.booleans(),
)
def test_a3_selectors_match_label_sets(
    sets: list[dict[str, str]],
    tests: list[tuple[str, Operator, frozenset[str]]],
    partial: bool,
) -> None:
    selector = Selector(frozenset(Requirement(*item) for item in tests))
    found = LabelSets(sets, [partial] * len(sets)).match(selector)
    assert found.tolist() == [
        min((_meets(labels, *item, partial) for item in tests), default=YES) for labels in sets
    ]


def _meets(
    labels: dict[str, str], key: str, operator: Operator, values: frozenset[str], partial: bool
) -> int:
    if partial and key not in labels:
        return MAYBE  # A3.8
    holds = {
        Operator.IN: key in labels and labels[key] in values,
        Operator.NOT_IN: key not in labels or labels[key] not in values,
        Operator.EXISTS: key in labels,
        Operator.DOES_NOT_EXIST: key not in labels,
    }[operator]
    return YES if holds else NO


# --- ports --------------------------------------------------------------------------------------


@few
@given(
    st.lists(
        st.tuples(st.sampled_from(PORT_PROTOCOLS), st.integers(1, 65535), st.integers(0, 3000)).map(
            lambda item: PortRange(item[0], item[1], min(65535, item[1] + item[2]))
        ),
        max_size=5,
    ),
    st.data(),
)
def test_a7_2_port_classes_tell_what_elements_match(ports: list[PortRange], data: Any) -> None:
    named = NamedPort(6, "http")
    names = frozenset({("http", 6, 8080), ("http", 17, 9090)})
    classes = cut_port_classes([*ports, named], names)
    edges = sorted({p + d for r in ports for p in (r.first, r.last) for d in (-1, 0, 1)} | {8080})
    for number in edges:
        if not 0 <= number <= 65535:
            continue
        for protocol in PORT_PROTOCOLS:
            place = int(classes.slot_base[protocol]) + (number & int(classes.slot_mask[protocol]))
            index = int(classes.slot_first[protocol]) + int(classes.lookup[place])
            for port in ports:
                inside = port.protocol == protocol and port.first <= number <= port.last
                assert (classes.match((port,), names)[index] == YES) == inside
            is_http = protocol == 6 and number == 8080  # A8.2: the element's protocol
            assert (classes.match((named,), names)[index] == YES) == is_http


def test_every_protocol_has_a_class() -> None:
    classes = cut_port_classes([PortRange(6, 80, 80)], [])
    reached = {
        int(classes.slot_first[slot])
        + int(classes.lookup[int(classes.slot_base[slot]) + (80 & int(classes.slot_mask[slot]))])
        for slot in range(512)
    }
    assert reached <= set(range(len(classes)))
    assert len(reached) == 3 + 3 + 3  # plain, unrecorded ports, and unknown, ICMP, other


# --- columns ------------------------------------------------------------------------------------


@few
@given(
    st.lists(st.tuples(st.integers(0, 200), st.frozensets(st.integers(0, 19))), max_size=30),
    st.one_of(st.none(), st.lists(st.integers(0, 2), min_size=20, max_size=20)),
)
def test_columns_are_grouped_by_exactly_their_bits(
    entries: list[tuple[int, frozenset[int]]], extra: list[int] | None
) -> None:
    arrays = [(bit, np.array(sorted(columns), np.int64)) for bit, columns in entries]
    more = None if extra is None else np.array(extra, np.int64)
    grouped = group_columns(arrays, more)
    local = np.zeros(20, int)
    local[grouped.touched] = grouped.local
    for column in range(20):
        bits = 0
        for bit, columns in entries:
            bits |= (1 << bit) if column in columns else 0
        assert grouped.bits[local[column]] == bits
        assert grouped.extra[local[column]] == (extra[column] if extra else 0)
    assert len(set(zip(grouped.bits, grouped.extra, strict=True))) == len(grouped.bits)


# --- hashes -------------------------------------------------------------------------------------


def test_every_service_key_is_found_in_its_table() -> None:
    keys = [group << 24 | 6 << 16 | port for group in range(1, 40) for port in (80, 443, 30080)]
    slots = hash_services(keys)
    for index, key in enumerate(keys):
        slot = hash_key(key) & (len(slots) - 1)
        while slots[slot] != index + 1:
            assert slots[slot], "met an empty slot first"
            slot = (slot + 1) & (len(slots) - 1)


# --- rows with more rules than a machine word has bits ----------------------------------------


@pytest.mark.parametrize("limit", [8 << 20, 0], ids=["dense", "paged"])
def test_any_number_of_rules_on_one_pod(limit: int) -> None:
    rules = [
        {
            "from": [
                {"ipBlock": {"cidr": f"20.{i}.0.0/16", "except": [f"20.{i}.{i % 200}.0/24"]}},
                {"namespaceSelector": {"matchLabels": {"n": str(i)}}},
            ],
            "ports": [{"port": 1000 + i, "endPort": 1010 + i}],
        }
        for i in range(200)
    ]
    listed = [policy("x", {"podSelector": {}, "ingress": rules[k::4]}, f"p{k}") for k in range(4)]
    policies, snapshot = load(listed, fixture())
    engine = netpol.compile(policies, snapshot, dense_limit=limit)
    reference = ReferenceEvaluator(policies, snapshot)
    flows = [
        Flow(src=f"20.{i}.{j}.9", dst="10.0.0.1", protocol=6, dport=port)
        for i in range(0, 202, 3)
        for j in (1, i % 200)
        for port in (999 + i, 1000 + i, 1010 + i, 1011 + i)
    ]
    for flow, answer in zip(flows, adapt_engine(engine, flows), strict=True):
        assert answer == adapt_reference(reference.judge(flow)), flow
