"""Takes a synthetic cluster, gives policies (or labels) made to hurt: one way of growing each.

None may exceed the memory budget, compile for more than a minute, or be more than three times
slower to evaluate than the ordinary world of its size.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from ipaddress import IPv4Address

from bench.population import POD_NET, Workload
from bench.rules import block, match, policy, policy_set, tcp
from netpol.kube.api.objects import (
    LabelSelector,
    LabelSelectorRequirement,
    Namespace,
    NetworkPolicyPeer,
    NetworkPolicyPort,
)
from netpol.kube.policies import PolicySet

__all__ = ["ADVERSARIAL", "one_namespace", "own_labels"]

Makers = Callable[[list[Namespace], list[Workload], int], PolicySet]


def own_labels(workloads: list[Workload]) -> list[Workload]:
    """Split every workload into single pods that share no label set."""
    out = []
    for workload in workloads:
        for ordinal in range(workload.size):
            name = f"{workload.name}-{ordinal}"
            labels = workload.labels | {"app.kubernetes.io/instance": name, "pod-name": name}
            out.append(workload._replace(name=name, labels=labels, size=1))
    return out


def one_namespace(workloads: list[Workload], name: str) -> list[Workload]:
    """Move every workload into one namespace."""
    return [workload._replace(namespace=name) for workload in workloads]


def overlapping_cidrs(
    namespaces: list[Namespace], workloads: list[Workload], seed: int, count: int = 10_000
) -> PolicySet:
    """10 000 distinct CIDRs of every length, nested in each other, each with excepts."""
    rng = random.Random(f"cidrs {seed}")
    seen: set[tuple[int, int]] = set()
    peers = []
    while len(peers) < count:
        prefix = rng.randrange(8, 30)
        inside = rng.random() < 0.5  # half of them around the pods, the rest in 32.0.0.0/3
        raw = POD_NET | rng.getrandbits(17) if inside else 0x20000000 | rng.getrandbits(29)
        base = raw & (0xFFFFFFFF << (32 - prefix))
        if (base, prefix) in seen:
            continue
        seen.add((base, prefix))
        longer = [rng.randrange(prefix + 1, 33) for _ in range(rng.randrange(1, 5))]
        excepts = {
            f"{IPv4Address(base | (rng.getrandbits(length - prefix) << (32 - length)))}/{length}"
            for length in longer
        }
        peers.append(block(f"{IPv4Address(base)}/{prefix}", *sorted(excepts)))
    policies = []
    for i, start in enumerate(range(0, count, 10)):
        workload = rng.choice(workloads)
        rules = [(list(peers[start : start + 10]), [tcp(1000 + i % 64)])]
        side = {"ingress": rules} if i % 2 else {"egress": rules}
        policies.append(
            policy(workload.namespace, f"cidrs-{i}", match(app=workload.labels["app"]), **side)
        )
    return policy_set(policies)


def many_peers(
    namespaces: list[Namespace], workloads: list[Workload], seed: int, count: int = 10_000
) -> PolicySet:
    """One policy, one rule, 10 000 peers: a third of each kind."""
    rng = random.Random(f"peers {seed}")
    peers = []
    for i in range(count):
        other = workloads[i % len(workloads)]
        if i % 3 == 0:
            peers.append(
                block(
                    f"{IPv4Address(0x20000000 + i * 512 + 256 * (i % 2))}/{rng.randrange(24, 33)}"
                )
            )
        elif i % 3 == 1:
            selector = LabelSelector(
                match_labels={"app": other.labels["app"]},
                match_expressions=[
                    LabelSelectorRequirement(key="ring", operator="NotIn", values=[f"ring-{i}"])
                ],
            )
            peers.append(
                NetworkPolicyPeer(pod_selector=selector, namespace_selector=LabelSelector())
            )
        else:
            peers.append(
                NetworkPolicyPeer(
                    namespace_selector=match(namespace=other.namespace),
                    pod_selector=match(
                        app=other.labels["app"], track=rng.choice(("stable", f"t{i}"))
                    ),
                )
            )
    return policy_set([policy(workloads[0].namespace, "peers", LabelSelector(), [(peers, None)])])


def port_boundaries(namespaces: list[Namespace], workloads: list[Workload], seed: int) -> PolicySet:
    """Every port number a class of its own: all even TCP ports, over 64 policies."""
    rng = random.Random(f"ports {seed}")
    numbers = list(range(2, 65536, 2))
    rng.shuffle(numbers)
    size = len(numbers) // 64 + 1
    policies = []
    for i in range(64):
        workload = rng.choice(workloads)
        ports = [tcp(number) for number in sorted(numbers[i * size : (i + 1) * size])]
        policies.append(
            policy(
                workload.namespace,
                f"ports-{i}",
                match(tier=workload.labels["tier"]),
                [(None, ports)],
            )
        )
    return policy_set(policies)


def all_select_all(
    namespaces: list[Namespace], workloads: list[Workload], seed: int, count: int = 5_000
) -> PolicySet:
    """5 000 policies that each select every pod (all are in one namespace)."""
    rng = random.Random(f"all {seed}")
    policies = []
    for i in range(count):
        peer = (
            block(f"{IPv4Address(0x20000000 + rng.getrandbits(16) * 256)}/24")
            if i % 3 == 0
            else NetworkPolicyPeer(pod_selector=match(app=rng.choice(workloads).labels["app"]))
        )
        rules = [([peer], [tcp(rng.choice((80, 443, 5432, 8080, 9090, 9092)))])]
        side = {"ingress": rules} if i % 2 else {"egress": rules}
        policies.append(policy(workloads[0].namespace, f"all-{i}", LabelSelector(), **side))
    return policy_set(policies)


def heavy_endpoint(
    namespaces: list[Namespace], workloads: list[Workload], seed: int, policies: int = 294
) -> PolicySet:
    """The published heavy endpoint: 294 policies of 68 rules, 75 % CIDRs, 256 k addresses.

    Every workload of the first namespace is selected by all of them, so each of its pods has
    294 x 68 rules; the CIDRs together hold 262 144 addresses.
    """
    return _heavy(workloads, seed, policies, 68)


def rules_300(namespaces: list[Namespace], workloads: list[Workload], seed: int) -> PolicySet:
    """300 rules on each endpoint of the first namespace, 75 % CIDRs, 256 k addresses."""
    return _heavy(workloads, seed, 294, 1, extra=6)


def _heavy(
    workloads: list[Workload], seed: int, policies: int, rules: int, extra: int = 0
) -> PolicySet:
    """Return ``policies`` of ``rules`` rules each, the first ``extra`` ones of one rule more."""
    rng = random.Random(f"heavy {seed}")
    home = workloads[0].namespace
    blocks = _address_set(rng)
    used = 0
    out = []
    for i in range(policies):
        ingress = []
        for j in range(rules + (i < extra)):
            if rng.random() < 0.75:
                peer = block(blocks[used % len(blocks)])
                used += 1
            else:
                other = rng.choice(workloads)
                peer = NetworkPolicyPeer(
                    namespace_selector=match(namespace=other.namespace),
                    pod_selector=match(app=other.labels["app"]),
                )
            ports = [NetworkPolicyPort(protocol="TCP", port=8000 + (i * 7 + j) % 300)]
            ingress.append(([peer], ports if rng.random() < 0.8 else None))
        out.append(policy(home, f"heavy-{i}", LabelSelector(), ingress))
    return policy_set(out)


def _address_set(rng: random.Random) -> list[str]:
    """Return 252 disjoint public prefixes that hold 262 144 addresses: 248 x 1 024 + 4 x 2 048."""
    slots = rng.sample(range(1 << 18), 252)
    lengths = [21] * 4 + [22] * 248
    return [
        f"{IPv4Address(0x20000000 + slot * 2048)}/{length}"
        for slot, length in zip(slots, lengths, strict=True)
    ]


#: Kind of adversarial world -> the maker of its policies.
ADVERSARIAL: dict[str, Makers] = {
    "overlapping-cidrs": overlapping_cidrs,
    "many-peers": many_peers,
    "port-boundaries": port_boundaries,
    "all-select-all": all_select_all,
    "rules-300": rules_300,
    "heavy-endpoint": heavy_endpoint,
}
