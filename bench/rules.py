"""Takes a cluster, gives NetworkPolicies in one of two shapes, valid and defaulted.

Shapes: *synthetic*, an assumption (15 % any-CIDR and 15 % cluster-CIDR peers), and *real*, which
follows the published figures of one real cluster: sizes are drawn first, then a selector that
matches about as many pods is looked up.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from collections import Counter
from ipaddress import IPv4Address

from bench.population import POD_NET, Workload
from bench.workloads import ENVIRONMENTS, TIERS
from netpol.kube.api.objects import (
    IPBlock,
    LabelSelector,
    LabelSelectorRequirement,
    Namespace,
    NetworkPolicy,
    NetworkPolicyEgressRule,
    NetworkPolicyIngressRule,
    NetworkPolicyPeer,
    NetworkPolicyPort,
    NetworkPolicySpec,
    PolicyMeta,
    Source,
)
from netpol.kube.policies import LoadedPolicy, PolicySet

__all__ = ["block", "match", "policy", "policy_set", "real_policies", "synthetic_policies"]

NAME_LABEL = "kubernetes.io/metadata.name"
PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")

Peers = list[NetworkPolicyPeer] | None
Ports = list[NetworkPolicyPort] | None


def match(**labels: str) -> LabelSelector:
    """Return a selector of ``matchLabels``; ``namespace`` stands for the name label."""
    return LabelSelector(
        match_labels={NAME_LABEL if k == "namespace" else k: v for k, v in labels.items()}
    )


def block(cidr: str, *excepts: str) -> NetworkPolicyPeer:
    """Return an ipBlock peer."""
    return NetworkPolicyPeer(ip_block=IPBlock(cidr=cidr, except_=list(excepts) or None))


def tcp(port: int | str, end: int | None = None) -> NetworkPolicyPort:
    """Return a TCP port, name or range."""
    return NetworkPolicyPort(protocol="TCP", port=port, end_port=end)


def policy(
    namespace: str,
    name: str,
    subject: LabelSelector,
    ingress: list[tuple[Peers, Ports]] | None = None,
    egress: list[tuple[Peers, Ports]] | None = None,
) -> NetworkPolicy:
    """Return a policy that isolates each direction given (an empty list allows nothing)."""
    sides = (("Ingress", ingress), ("Egress", egress))
    return NetworkPolicy(
        metadata=PolicyMeta(name=name, namespace=namespace),
        spec=NetworkPolicySpec(
            pod_selector=subject,
            policy_types=[side for side, rules in sides if rules is not None],
            ingress=None
            if ingress is None
            else [NetworkPolicyIngressRule(from_=peers, ports=ports) for peers, ports in ingress],
            egress=None
            if egress is None
            else [NetworkPolicyEgressRule(to=peers, ports=ports) for peers, ports in egress],
        ),
    )


def policy_set(policies: list[NetworkPolicy]) -> PolicySet:
    """Return the set, each policy with a made-up source."""
    return PolicySet(
        tuple(LoadedPolicy(p, Source("bench.yaml", i + 1)) for i, p in enumerate(policies))
    )


# --- CIDR pools -------------------------------------------------------------------------------


def _network(base: int, span_bits: int, prefix: int, rng: random.Random) -> str:
    """Return a random prefix of the given length inside ``base``/(32 - span_bits)."""
    free = max(prefix - (32 - span_bits), 0)
    return f"{IPv4Address(base + (rng.getrandbits(free) << (32 - prefix) if free else 0))}/{prefix}"


def _external(rng: random.Random, prefixes: tuple[int, ...]) -> str:
    """Return a public prefix from 11.0.0.0/8 to 99.0.0.0/8, half of them in one of 12 providers."""
    first = (
        rng.choice((13, 20, 34, 35, 40, 44, 52, 54, 64, 66, 74, 99))
        if rng.random() < 0.5
        else rng.randrange(11, 100)
    )
    return _network(first << 24, 24, rng.choice(prefixes), rng)


def _distinct(count: int, draw: object) -> list[str]:
    assert callable(draw)
    pool: dict[str, None] = {}
    while len(pool) < count:
        pool[draw()] = None
    return list(pool)


def _pod_span(pods: int) -> int:
    """Return how many host bits the pods' part of 10.128.0.0/9 takes."""
    return min(23, max(10, math.ceil(math.log2(max(pods, 1) / 60 + 1)) + 8))


# --- synthetic --------------------------------------------------------------------------------


class _Synthetic:
    """Draws the parts of synthetic policies."""

    def __init__(
        self, namespaces: list[Namespace], workloads: list[Workload], count: int, seed: int
    ) -> None:
        self.rng = rng = random.Random(f"synthetic {seed}")
        self.names = [n.metadata.name for n in namespaces if n.metadata.name != "kube-system"]
        self.teams = sorted(
            {str((n.metadata.labels or {}).get("team", "team-00")) for n in namespaces}
        )
        self.workloads = workloads
        self.at: dict[str, list[Workload]] = {}
        for workload in workloads:
            self.at.setdefault(workload.namespace, []).append(workload)
        span = _pod_span(sum(w.size for w in workloads))
        self.everything = f"{IPv4Address(POD_NET)}/{32 - span}"
        self.external = _distinct(8 + count // 8, lambda: _external(rng, (16, 20, 24, 24, 28, 32)))
        self.cluster = _distinct(
            4 + count // 12,
            lambda: _network(POD_NET, span, rng.choice((24, 24, 25, 26, 28)), rng),
        )

    def subject(self, namespace: str) -> LabelSelector:
        rng, here = self.rng, self.at.get(namespace)
        kind = rng.random()
        if kind < 0.55 and here:
            return match(app=rng.choice(here).labels["app"])
        if kind < 0.75:
            return match(tier=rng.choice(TIERS))
        if kind < 0.85:
            return LabelSelector()
        return LabelSelector(
            match_expressions=[
                LabelSelectorRequirement(
                    key="tier", operator=rng.choice(("In", "NotIn")), values=rng.sample(TIERS, 2)
                ),
                LabelSelectorRequirement(key="track", operator="Exists"),
            ]
        )

    def peer(self, namespace: str) -> NetworkPolicyPeer:
        rng = self.rng
        kind = rng.random()
        if kind < 0.15:
            return self.any_cidr()
        if kind < 0.30:
            return self.cluster_cidr()
        if kind < 0.58 and namespace in self.at:
            return NetworkPolicyPeer(
                pod_selector=match(app=rng.choice(self.at[namespace]).labels["app"])
            )
        if kind < 0.84:
            other = rng.choice(self.workloads)
            return NetworkPolicyPeer(
                namespace_selector=match(namespace=other.namespace),
                pod_selector=match(app=other.labels["app"]),
            )
        if kind < 0.94:
            return NetworkPolicyPeer(
                namespace_selector=match(environment=rng.choice(ENVIRONMENTS)),
                pod_selector=match(tier=rng.choice(TIERS)),
            )
        return NetworkPolicyPeer(namespace_selector=match(team=rng.choice(self.teams)))

    def any_cidr(self) -> NetworkPolicyPeer:
        """Return 0.0.0.0/0, the same less the private ranges, or a public range."""
        kind = self.rng.random()
        if kind < 0.2:
            return block("0.0.0.0/0")
        if kind < 0.45:
            return block("0.0.0.0/0", *PRIVATE)
        return block(self.rng.choice(self.external))

    def cluster_cidr(self) -> NetworkPolicyPeer:
        """Return all pods' range, the same less some nodes, or a part of it."""
        kind = self.rng.random()
        if kind < 0.15:
            return block(self.everything)
        if kind < 0.3:
            excepts = {c for c in self.rng.sample(self.cluster, 2) if c != self.everything}
            return block(self.everything, *sorted(excepts))
        return block(self.rng.choice(self.cluster))

    def ports(self) -> Ports:
        rng = self.rng
        if rng.random() < 0.3:
            return None
        return [self.port() for _ in range(rng.choice((1, 1, 1, 2, 2, 3)))]

    def port(self) -> NetworkPolicyPort:
        rng = self.rng
        kind = rng.random()
        if kind < 0.62:
            return tcp(rng.choice((80, 443, 8080, 8443, 9090, 5432, 6379, 9092, 50051, 3306, 9187)))
        if kind < 0.76:
            return tcp(rng.choice(("http", "https", "metrics", "grpc", "pg")))
        if kind < 0.86:
            return NetworkPolicyPort(protocol="UDP", port=rng.choice((53, 5353)))
        if kind < 0.93:
            first = rng.choice((1024, 8000, 9000, 30000, 32768))
            return tcp(first, first + rng.choice((99, 999, 2767)))
        if kind < 0.98:
            return NetworkPolicyPort(protocol=rng.choice(("TCP", "UDP")))
        return NetworkPolicyPort(protocol="SCTP", port=3868)

    def rules(self, namespace: str) -> list[tuple[Peers, Ports]]:
        rng = self.rng
        out: list[tuple[Peers, Ports]] = []
        for _ in range(rng.choice((1, 1, 2, 2, 3))):
            peers = [self.peer(namespace) for _ in range(rng.choice((1, 1, 2, 2, 3, 4)))]
            out.append((None if rng.random() < 0.06 else peers, self.ports()))
        return out

    def policy(self, index: int, namespace: str) -> NetworkPolicy:
        rng = self.rng
        name = f"policy-{index}"
        if rng.random() < 0.05:
            return policy(namespace, name, LabelSelector(), [], [] if rng.random() < 0.3 else None)
        sides = rng.random()
        ingress = self.rules(namespace) if sides < 0.85 else None
        egress = self.rules(namespace) if sides >= 0.55 else None
        return policy(namespace, name, self.subject(namespace), ingress, egress)


def synthetic_policies(
    namespaces: list[Namespace], workloads: list[Workload], count: int, seed: int
) -> PolicySet:
    """Return ``count`` policies spread evenly over the namespaces."""
    draw = _Synthetic(namespaces, workloads, count, seed)
    return policy_set([draw.policy(i, draw.rng.choice(draw.names)) for i in range(count)])


# --- real -------------------------------------------------------------------------------------


class _Sized:
    """Things sorted by how many pods they match; ``near`` finds one of about a given size."""

    def __init__(self, things: list[tuple[int, str, LabelSelector]]) -> None:
        self.things = sorted(things, key=lambda thing: thing[0])
        self.sizes = [size for size, _, _ in self.things]

    def near(self, size: int, rng: random.Random) -> tuple[str, LabelSelector]:
        """Return the (namespace, selector) of a random thing among those closest to ``size``."""
        found = self.sizes[min(bisect_left(self.sizes, size), len(self.sizes) - 1)]
        low, high = bisect_left(self.sizes, found), bisect_left(self.sizes, found + 1)
        _, namespace, selector = self.things[rng.randrange(low, high)]
        return namespace, selector


class _Real:
    """Draws policies after the published distribution."""

    def __init__(
        self, namespaces: list[Namespace], workloads: list[Workload], count: int, seed: int
    ) -> None:
        self.rng = rng = random.Random(f"real {seed}")
        self.pods = sum(w.size for w in workloads)
        labels = {n.metadata.name: n.metadata.labels or {} for n in namespaces}
        whole: Counter[str] = Counter()
        tier: Counter[tuple[str, str]] = Counter()
        wide: Counter[tuple[str, str]] = Counter()
        for w in workloads:
            whole[w.namespace] += w.size
            tier[w.namespace, w.labels["tier"]] += w.size
            wide[labels[w.namespace]["environment"], w.labels["tier"]] += w.size
        self.local = _Sized(
            [(w.size, w.namespace, match(app=w.labels["app"])) for w in workloads]
            + [(n, ns, match(tier=t)) for (ns, t), n in sorted(tier.items())]
            + [(n, ns, LabelSelector()) for ns, n in sorted(whole.items())]
        )
        self.wide = sorted((n, env, t) for (env, t), n in wide.items())
        self.empty_at = [n for n in sorted(labels) if n != "kube-system"]
        public = _distinct(8 + count // 5, lambda: _external(rng, (32, 32, 32, 24, 24, 28, 16)))
        span = _pod_span(self.pods)
        inside = _distinct(
            2 + count // 80, lambda: _network(POD_NET, span, rng.choice((24, 26, 28)), rng)
        )
        self.cidrs = [*public, *inside, "0.0.0.0/0", "10.0.0.0/8", f"{IPv4Address(POD_NET)}/9"]
        self.port_pool = _real_ports()

    def peer(self, namespace: str) -> NetworkPolicyPeer:
        """Return a CIDR for 6 215 of 15 423 peers, else a selector of median 2 pods."""
        rng = self.rng
        if rng.random() < 6215 / 15423:
            return block(rng.choice(self.cidrs))
        size = rng.lognormvariate(math.log(2.0), 1.7)
        if size > 40:
            near = [entry for entry in self.wide if entry[0] >= size] or self.wide[-1:]
            _, environment, tier = near[0]
            if size > self.pods / 12:  # one broad peer, like the published 3 578 of 5 413 pods
                return NetworkPolicyPeer(namespace_selector=match(environment=environment))
            return NetworkPolicyPeer(
                namespace_selector=match(environment=environment), pod_selector=match(tier=tier)
            )
        other, selector = self.local.near(round(size), rng)
        if other == namespace:
            return NetworkPolicyPeer(pod_selector=selector)
        return NetworkPolicyPeer(namespace_selector=match(namespace=other), pod_selector=selector)

    def policy(self, index: int) -> NetworkPolicy:
        """Return an empty one (3 559 of 13 678), a deny-only one (495) or one with rules."""
        rng = self.rng
        name = f"policy-{index}"
        size = round(rng.lognormvariate(math.log(6.0), 1.243))  # median 6, mean 13
        namespace, subject = self.local.near(max(size, 1), rng)
        kind = rng.random()
        if kind < 3559 / 13678:
            namespace = rng.choice(self.empty_at)
            subject = match(app=f"retired-{index % 997}")
        elif kind < (3559 + 495) / 13678:
            return policy(namespace, name, subject, [])
        count = rng.choices((1, 2, 3), (0.88, 0.08, 0.04))[0]
        peers = [self.peer(namespace) for _ in range(count)]
        rules: list[tuple[Peers, Ports]] = [(peers, self.ports())]
        if kind > 0.97:
            rules.append((None, [rng.choice(self.port_pool)]))
        egress = rng.random() < 0.35
        return policy(
            namespace, name, subject, None if egress else rules, rules if egress else None
        )

    def ports(self) -> Ports:
        kind = self.rng.random()
        if kind < 0.5:
            return None
        return self.rng.sample(self.port_pool, 1 if kind < 0.95 else 2)


def _real_ports() -> list[NetworkPolicyPort]:
    """Return 23 distinct port ranges."""
    numbers = (
        80,
        443,
        8080,
        8443,
        5432,
        3306,
        6379,
        9092,
        9090,
        27017,
        2181,
        5672,
        9200,
        22,
        25,
        389,
        636,
    )
    return [
        *(tcp(number) for number in numbers),
        NetworkPolicyPort(protocol="UDP", port=53),
        tcp(53),
        NetworkPolicyPort(protocol="UDP", port=123),
        tcp(30000, 32767),
        tcp(1024, 65535),
        NetworkPolicyPort(protocol="TCP"),
    ]


def real_policies(
    namespaces: list[Namespace], workloads: list[Workload], count: int, seed: int
) -> PolicySet:
    """Return ``count`` policies drawn after the published distribution."""
    draw = _Real(namespaces, workloads, count, seed)
    return policy_set([draw.policy(i) for i in range(count)])
