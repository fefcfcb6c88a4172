"""Takes a world, gives what people write today in its place: plain Python, NumPy masks.

They and ``bench.peers_sql`` judge *ordinary* flows only (``ordinary_flows``): IPv4, no service
address, no traffic to oneself or from one's own node. Policies are flattened to rules over
workloads once, outside the time measured; plain Python reads the objects, as such scripts do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from ipaddress import IPv4Address, IPv4Network, ip_address, ip_network
from typing import Any

import numpy as np

from bench.population import PROTOCOLS, Array
from bench.shapes import World, make_flows
from netpol.kube.api.objects import LabelSelector, NetworkPolicyPeer, Pod
from netpol.model.batch import FlowBatch

__all__ = ["Flat", "FlatRule", "MaskPeer", "PythonPeer", "ordinary_flows"]

ALLOW, DENY = 0, 1
PORTLESS = (0, -1, 65535)


def ordinary_flows(world: World, n: int, seed: int = 1) -> FlowBatch:
    """Return about ``n`` flows that need no service, own-node or self-traffic rule."""
    batch = make_flows(world, n, seed)
    p = world.population
    own_range = (batch.dst >> 8) << 8  # the /24 of the destination, hence its node
    node_of = dict(
        zip(
            p.node_v4.tolist(),
            ((10 << 24) + (128 << 16) + 256 * np.arange(len(p.node_v4))).tolist(),
            strict=True,
        )
    )
    source_range = np.array([node_of.get(a, 0) for a in batch.src.tolist()], np.uint32)
    keep = (
        ~np.isin(batch.dst, p.service_v4) & (batch.src != batch.dst) & (source_range != own_range)
    )
    return replace(batch, **{name: column[keep] for name, column in batch.columns()})


def matches(selector: LabelSelector | None, labels: dict[str, str]) -> bool:
    """Return whether labels satisfy a selector; None asks for nothing."""
    if selector is None:
        return True
    if any(labels.get(k) != v for k, v in (selector.match_labels or {}).items()):
        return False
    for need in selector.match_expressions or []:
        has, inside = need.key in labels, labels.get(need.key) in (need.values or [])
        if not {"In": inside, "NotIn": not inside, "Exists": has, "DoesNotExist": not has}[
            need.operator
        ]:
            return False
    return True


# --- plain Python on the objects --------------------------------------------------------------


class PythonPeer:
    """Labels and ``ipaddress``, flow by flow; what selects a pod is remembered."""

    def __init__(self, world: World) -> None:
        self.namespaces = {
            n.metadata.name: n.metadata.labels or {} for n in world.snapshot.namespaces
        }
        self.pods = {
            pod.status.pod_ip: pod
            for pod in world.snapshot.pods
            if pod.status and pod.spec and not pod.spec.host_network
        }
        self.policies = [loaded.policy for loaded in world.policies.policies]
        self.selecting = cache(self._selecting)

    def evaluate(self, batch: FlowBatch) -> Array:
        """Return uint8[n] verdicts."""
        rows = zip(
            batch.src.tolist(),
            batch.dst.tolist(),
            batch.protocol.tolist(),
            batch.dport.tolist(),
            strict=True,
        )
        return np.array([self._judge(*row) for row in rows], np.uint8)

    def _judge(self, src: int, dst: int, protocol: int, port: int) -> int:
        source, target = str(IPv4Address(src)), str(IPv4Address(dst))
        for subject, peer, side in ((source, target, "Egress"), (target, source, "Ingress")):
            if subject in self.pods:
                policies = self.selecting(subject, side)
                if policies and not any(
                    self._allows(policy, side, peer, self.pods.get(target), protocol, port)
                    for policy in policies
                ):
                    return DENY
        return ALLOW

    def _selecting(self, address: str, side: str) -> list[Any]:
        pod = self.pods[address]
        return [
            policy
            for policy in self.policies
            if side in policy.spec.policy_types
            and policy.metadata.namespace == pod.metadata.namespace
            and matches(policy.spec.pod_selector, pod.metadata.labels or {})
        ]

    def _allows(
        self, policy: Any, side: str, peer: str, target: Pod | None, protocol: int, port: int
    ) -> bool:
        rules = policy.spec.ingress if side == "Ingress" else policy.spec.egress
        for rule in rules or []:
            peers = rule.from_ if side == "Ingress" else rule.to
            if (not rule.ports or self._port(rule.ports, target, protocol, port)) and (
                not peers or any(self._peer(p, policy.metadata.namespace, peer) for p in peers)
            ):
                return True
        return False

    def _peer(self, peer: NetworkPolicyPeer, namespace: str, address: str) -> bool:
        if peer.ip_block:
            at = ip_address(address)
            return at in ip_network(peer.ip_block.cidr) and not any(
                at in ip_network(c) for c in peer.ip_block.except_ or []
            )
        pod = self.pods.get(address)
        if pod is None:
            return False
        home = pod.metadata.namespace or "default"
        if peer.namespace_selector is None and home != namespace:
            return False
        return matches(peer.namespace_selector, self.namespaces[home]) and matches(
            peer.pod_selector, pod.metadata.labels or {}
        )

    def _port(self, ports: list[Any], target: Pod | None, protocol: int, port: int) -> bool:
        for element in ports:
            if PROTOCOLS[element.protocol] != protocol:
                continue
            if element.port is None:
                return True
            if isinstance(element.port, str):
                if port in _named(target, element.port, element.protocol):
                    return True
            elif element.port <= port <= (element.end_port or element.port):
                return True
        return False


def _named(pod: Pod | None, name: str, protocol: str) -> list[int]:
    """Return the numbers a pod declares for a port name."""
    if pod is None or pod.spec is None:
        return []
    return [
        p.container_port
        for container in pod.spec.containers or []
        for p in container.ports or []
        if p.name == name and (p.protocol or "TCP") == protocol
    ]


# --- flattened rules --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FlatRule:
    """One rule over workloads: equal labels make pods of one workload alike."""

    side: str
    subjects: Array  # bool[W]
    everyone: bool
    peers: Array  # bool[W]
    ranges: list[tuple[int, int]]  # inclusive address ranges, excepts already cut out
    ports: list[tuple[int, int, int]]  # protocol (0: any), first, last
    named: list[tuple[int, str]]  # protocol number, name


def _ranges(cidr: str, excepts: list[str]) -> list[tuple[int, int]]:
    """Return the inclusive ranges of a CIDR less its excepts."""
    network = IPv4Network(cidr)
    out, first = [], int(network[0])
    for hole in sorted((IPv4Network(e) for e in excepts), key=lambda n: int(n[0])):
        if int(hole[0]) > first:
            out.append((first, int(hole[0]) - 1))
        first = max(first, int(hole[-1]) + 1)
    return [*out, (first, int(network[-1]))] if first <= int(network[-1]) else out


class Flat:
    """Policies as rules over workloads, and which workload each address is of (-1: none)."""

    def __init__(self, world: World) -> None:
        self.workloads = world.workloads
        self.namespaces = {
            n.metadata.name: n.metadata.labels or {} for n in world.snapshot.namespaces
        }
        sizes = np.diff(world.population.workload_start)
        order = np.argsort(world.population.pod_v4)
        self.addresses = world.population.pod_v4[order]
        self.owner = np.repeat(np.arange(len(sizes)), sizes)[order].astype(np.int32)
        self.isolated = {
            side: np.zeros(len(self.workloads), bool) for side in ("Ingress", "Egress")
        }
        self.rules: list[FlatRule] = []
        self.members = cache(self._members)
        for loaded in world.policies.policies:
            self._add(loaded.policy)

    def workload_of(self, addresses: Array) -> Array:
        """Return the workload index of each address."""
        at = np.searchsorted(self.addresses, addresses).clip(max=len(self.addresses) - 1)
        return np.where(self.addresses[at] == addresses, self.owner[at], -1)

    def _members(self, namespace: str | None, of: str, pods: str) -> Array:
        """Return which workloads two selectors match (given as their repr, to be remembered)."""
        by_namespace, by_pod = self._selectors[of], self._selectors[pods]
        return np.array(
            [
                (namespace is None or w.namespace == namespace)
                and matches(by_namespace, self.namespaces[w.namespace])
                and matches(by_pod, w.labels)
                for w in self.workloads
            ],
            bool,
        )

    _selectors: dict[str, LabelSelector | None] = {}  # noqa: RUF012

    def _select(
        self, namespace: str | None, of: LabelSelector | None, pods: LabelSelector | None
    ) -> Array:
        self._selectors |= {repr(of): of, repr(pods): pods}
        return self.members(namespace, repr(of), repr(pods))

    def _add(self, policy: Any) -> None:
        spec, namespace = policy.spec, policy.metadata.namespace
        subjects = self._select(namespace, None, spec.pod_selector)
        for side in spec.policy_types:
            self.isolated[side] |= subjects
            for rule in (spec.ingress if side == "Ingress" else spec.egress) or []:
                peers = (rule.from_ if side == "Ingress" else rule.to) or []
                self.rules.append(self._rule(side, subjects, namespace, peers, rule.ports or []))

    def _rule(
        self, side: str, subjects: Array, namespace: str, peers: list[Any], ports: list[Any]
    ) -> FlatRule:
        members = np.zeros(len(self.workloads), bool)
        ranges: list[tuple[int, int]] = []
        for peer in peers:
            if peer.ip_block:
                ranges += _ranges(peer.ip_block.cidr, peer.ip_block.except_ or [])
            else:
                home = namespace if peer.namespace_selector is None else None
                members |= self._select(home, peer.namespace_selector, peer.pod_selector)
        numbers = [] if ports else [PORTLESS]
        named = []
        for port in ports:
            protocol = PROTOCOLS[port.protocol]
            if isinstance(port.port, str):
                named.append((protocol, port.port))
            elif port.port is None:
                numbers.append((protocol, -1, 65535))
            else:
                numbers.append((protocol, port.port, port.end_port or port.port))
        return FlatRule(side, subjects, not peers, members, ranges, numbers, named)


# --- NumPy masks ------------------------------------------------------------------------------


class MaskPeer:
    """One pass of masks over all flows for every rule."""

    def __init__(self, world: World) -> None:
        self.flat = flat = Flat(world)
        self.lookup = {
            (PROTOCOLS[p.protocol], p.name): np.full(len(flat.workloads) + 1, -1)
            for w in flat.workloads
            for p in w.ports
        }
        for i, workload in enumerate(flat.workloads):
            for p in workload.ports:
                self.lookup[PROTOCOLS[p.protocol], p.name][i] = p.number

    def evaluate(self, batch: FlowBatch) -> Array:
        """Return uint8[n] verdicts."""
        ends = {"Egress": (batch.src, batch.dst), "Ingress": (batch.dst, batch.src)}
        target = self.flat.workload_of(batch.dst)
        denied = np.zeros(len(batch), bool)
        for side, (subject, peer) in ends.items():
            own, other = self.flat.workload_of(subject), self.flat.workload_of(peer)
            allowed = ~np.append(self.flat.isolated[side], False)[own]
            for rule in self.flat.rules:
                if rule.side == side:
                    rows = np.flatnonzero(np.append(rule.subjects, False)[own] & ~allowed)
                    ok = self._peers(rule, peer[rows], other[rows])
                    ok &= self._ports(rule, batch.protocol[rows], batch.dport[rows], target[rows])
                    allowed[rows] |= ok
            denied |= ~allowed
        return denied.astype(np.uint8)

    def _peers(self, rule: FlatRule, address: Array, workload: Array) -> Array:
        if rule.everyone:
            return np.ones(len(address), bool)
        ok = np.append(rule.peers, False)[workload]
        for first, last in rule.ranges:
            ok |= (address >= first) & (address <= last)
        return ok

    def _ports(self, rule: FlatRule, protocol: Array, port: Array, target: Array) -> Array:
        number = port.astype(np.int32)
        ok = np.zeros(len(port), bool)
        for wanted, first, last in rule.ports:
            ok |= ((protocol == wanted) | (wanted == 0)) & (number >= first) & (number <= last)
        for wanted, name in rule.named:
            if (wanted, name) in self.lookup:
                ok |= (protocol == wanted) & (self.lookup[wanted, name][target] == number)
        return ok
