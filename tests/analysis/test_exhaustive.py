"""The exhaustive diff against judging every pair of addresses on every port, and its proofs."""

from __future__ import annotations

import copy
import os
from collections import defaultdict
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import netpol
from netpol.analysis.addressspace import cut_addresses
from netpol.analysis.exhaustive import Change, exhaustive_diff
from netpol.analysis.portsets import join_ports
from netpol.compiler.identities import V4_MAPPED, Identities, family_of
from netpol.errors import CapacityError, ConfigError
from netpol.verdict import Verdict
from strategies import MOST_POLICIES, POLICY_BYTES, Case, cases, policies_of
from worlds import Object, adapt_engine, load, namespace, node, pod, policy

EXAMPLES = max(1, int(os.environ.get("NETPOL_EXAMPLES", "1000")) // 25)
random_worlds = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="NETPOL_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)
OTHERS = st.tuples(
    st.binary(min_size=POLICY_BYTES * MOST_POLICIES + 1, max_size=POLICY_BYTES * MOST_POLICIES + 1),
    st.integers(0, 3),
)


class Who(NamedTuple):
    """An owner of an address; ``hint`` names the pod where the address alone does not."""

    kind: str
    name: str
    address: int
    hint: str


def engines_of(case: Case, other: tuple[bytes, int]) -> tuple[Any, Any, Any]:
    """Give two engines of one world: other policies, some of them, more, or the same turned."""
    drawn, way = other
    second = {
        0: [*policies_of(drawn), *case.policies[-2:]],
        1: case.policies[1:],
        2: [*case.policies, *policies_of(drawn)[:1]],
        3: case.policies[::-1],
    }[way]
    names = [(item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"])
             for item in second]  # fmt: skip
    second = [item for index, item in enumerate(second) if names[index] not in names[:index]]
    chosen = {name: getattr(case.switches, name) for name in case.switches.__dataclass_fields__}
    found = []
    for policies in (case.policies, second):
        loaded, snapshot = load(policies, case.objects, case.dns)
        found.append(netpol.compile(loaded, snapshot, **chosen))
    return (*found, snapshot)


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
    """Give who owns addresses, except nodes that share theirs: no flow can name one."""
    identities = Identities.of(snapshot, case.switches)
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
        elif not nodes and not pods:
            found.append(Who("external", "external", address, ""))
    return found


def brute(engines: Any, who: list[Who]) -> dict[tuple[Who, Who], dict[tuple[int, int], list[int]]]:
    """Judge all pairs on all ports; give the port classes by pair and by two verdicts."""
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
        return {}

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
    judged = [engine.evaluate(flows).verdict.reshape(len(pairs), -1) for engine in engines]
    found: Any = defaultdict(lambda: defaultdict(list))
    for row, column_ in np.argwhere(judged[0] != judged[1]).tolist():
        key = int(judged[0][row, column_]), int(judged[1][row, column_])
        found[pairs[row]][key].append(numbers[column_])
    return found


def holds(networks: tuple[str, ...], address: int) -> bool:
    text = as_text(address)
    return any(text in ip_network(network) for network in networks)


def is_of(change: Change, pair: tuple[Who, Who]) -> bool:
    sides = zip(
        pair, (change.src, change.dst), (change.src_networks, change.dst_networks), strict=True
    )
    return all(
        one.name == name and (one.kind != "external" or holds(networks, one.address))
        for one, name, networks in sides
    )


@random_worlds
@given(cases(flows=0), OTHERS)
def test_it_finds_what_judging_everything_finds(case: Case, other: tuple[bytes, int]) -> None:
    case.objects = direct(case.objects)
    before, after, snapshot = engines_of(case, other)
    found = exhaustive_diff(before, after, top=10_000)
    space = cut_addresses((before, after))
    addresses = {
        (V4_MAPPED | address) if family == 4 else address
        for family, address in zip(space.family.tolist(), space.first, strict=True)
    }
    who = owners_of(case, snapshot, addresses)
    expected = brute((before, after), who)
    ports = join_ports((before, after))
    assert len(found.changes) == found.distinct
    # Shared nodes cannot be asked about, and addresses of a node that are alike count once.
    told: Any = defaultdict(set)
    for change in found.changes:
        verdicts = (int(change.before.verdict), int(change.after.verdict))
        for pair, differing in expected.items():
            if is_of(change, pair) and verdicts in differing:
                mask = np.zeros(len(ports), bool)
                mask[differing[verdicts]] = True
                if ports.words(mask) == change.ports:
                    told[change].add(pair)
        pods = not {"external"} & {change.src, change.dst}
        if pods and "node/" not in change.src + change.dst:
            assert change.pairs == len(told[change]), change
        for place, networks in enumerate((change.src_networks, change.dst_networks)):
            # Every class of external addresses that is named differs, for some pod.
            for one in who:
                if one.kind == "external" and holds(networks, one.address):
                    assert any(pair[place] == one for pair in told[change]), (change, one)
    missed = set(expected) - set().union(*told.values())
    assert not missed
    pairs = sum(a.kind == b.kind == "pod" for a, b in expected)
    assert found.pod_pairs == pairs
    assert not found.proven or not found.changes


@random_worlds
@given(cases(), OTHERS)
def test_what_is_proven_holds_for_every_flow(case: Case, other: tuple[bytes, int]) -> None:
    before, after, _ = engines_of(case, other)
    if exhaustive_diff(before, after).proven:
        flows = [flow for flow in case.flows if not (flow.src_pod or flow.dst_pod)]
        flows = [flow for flow in flows if flow.dport is not None and flow.protocol is not None]
        answers = [adapt_engine(engine, flows) for engine in (before, after)]
        for flow, first, second in zip(flows, *answers, strict=True):
            assert first.verdict == second.verdict, flow


CLUSTER = [
    namespace("x"),
    node("n1", "192.168.0.1"),
    pod("x/a", "10.0.0.1", labels={"app": "a"}),
    pod("x/b", "10.0.0.2", labels={"app": "b"}),
    pod("x/c", "10.0.0.3", labels={"app": "c"}),
]
TOGETHER = """
podSelector: {}
ingress:
- from: [{podSelector: {matchLabels: {app: a}}}, {podSelector: {matchLabels: {app: b}}}]
  ports: [{port: 80}, {port: 443}]
"""
APART = """
podSelector: {}
ingress:
- from: [{podSelector: {matchExpressions: [{key: app, operator: In, values: [b, a]}]}}]
  ports: [{port: 443}]
- from: [{podSelector: {matchLabels: {app: a}}}]
  ports: [{port: 80}]
- from: [{podSelector: {matchLabels: {app: b}}}]
  ports: [{port: 80, endPort: 80}]
"""


def engine_of(*specs: str, objects: Any = CLUSTER, **switches: Any) -> Any:
    policies = [policy("x", spec, f"p{number}") for number, spec in enumerate(specs)]
    return netpol.compile(*load(policies, objects), **switches)


def test_rules_written_apart_are_proven_equal() -> None:
    found = exhaustive_diff(engine_of(TOGETHER), engine_of(APART))
    assert found.proven
    assert found.changes == ()
    assert (found.differing, found.sides, found.unrecorded) == (0, False, False)
    assert found.classes > 0


def test_one_port_less_is_found_and_who_decided() -> None:
    [change] = exhaustive_diff(
        engine_of(TOGETHER), engine_of(APART.replace("{app: a}", "{app: z}"))
    ).changes[:1]
    assert not change.src_networks
    assert [str(ports) for ports in change.ports] == ["80/tcp"]
    assert (change.src, change.before.verdict, change.after.verdict) == (
        "x/a", Verdict.ALLOW, Verdict.DENY,
    )  # fmt: skip
    [credit] = change.before.credits
    assert (credit.policy, credit.rule) == ("x/p0", 0)
    [credit] = change.after.credits
    assert (credit.policy, credit.rule) == ("x/p0", None)


def test_external_addresses_are_told_as_networks() -> None:
    closed = (
        "{podSelector: {matchLabels: {app: a}}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}"
    )
    wider = closed.replace("10.0.0.0/8", "10.0.0.0/7")
    [change] = exhaustive_diff(engine_of(closed), engine_of(wider)).changes
    assert (change.src, change.src_networks, change.dst) == ("external", ("11.0.0.0/8",), "x/a")
    assert change.everything
    assert change.pairs == 1


def test_a_side_that_differs_behind_the_other_is_not_proven() -> None:
    nobody = "{podSelector: {}, policyTypes: [Egress, Ingress]}"
    found = exhaustive_diff(
        engine_of(nobody),
        engine_of(
            nobody, "{podSelector: {matchLabels: {app: a}}, ingress: [{from: [{podSelector: {}}]}]}"
        ),
    )
    assert not found.changes
    assert (found.proven, found.sides) == (False, True)


def test_other_pods_are_refused() -> None:
    with pytest.raises(ConfigError, match="one snapshot"):
        exhaustive_diff(engine_of(TOGETHER), engine_of(TOGETHER, objects=CLUSTER[:-1]))


def test_a_budget_is_kept() -> None:
    with pytest.raises(CapacityError, match="kinds of subjects"):
        exhaustive_diff(engine_of(TOGETHER), engine_of(APART), memory_budget=16)
