"""Takes a number of pods, gives the namespaces and workloads of one of two cluster shapes."""

from __future__ import annotations

import math

import numpy as np

from bench.population import PortSpec, Workload
from netpol.kube.api.objects import Namespace, ObjectMeta

__all__ = ["ENVIRONMENTS", "TIERS", "namespace", "real_cluster", "synthetic_cluster"]

ENVIRONMENTS = ("prod", "staging", "dev", "sandbox")
TIERS = ("frontend", "backend", "data", "batch", "infra")

#: Name stem, tier, declared ports and weight of the kinds of workload.
KINDS: tuple[tuple[str, str, tuple[PortSpec, ...], float], ...] = (
    ("web", "frontend", (PortSpec("http", 8080), PortSpec("metrics", 9090)), 0.24),
    ("gateway", "frontend", (PortSpec("https", 8443), PortSpec("metrics", 9102)), 0.06),
    ("api", "backend", (PortSpec("http", 8080), PortSpec("metrics", 9090)), 0.26),
    ("grpc", "backend", (PortSpec("grpc", 50051), PortSpec("metrics", 9090)), 0.10),
    ("worker", "batch", (PortSpec("metrics", 9090),), 0.10),
    ("job", "batch", (), 0.04),
    ("postgres", "data", (PortSpec("pg", 5432), PortSpec("metrics", 9187)), 0.07),
    ("redis", "data", (PortSpec("redis", 6379),), 0.06),
    ("kafka", "data", (PortSpec("kafka", 9092), PortSpec("metrics", 9308)), 0.03),
    ("dns", "infra", (PortSpec("dns", 5353, "UDP"), PortSpec("dns-tcp", 5353)), 0.03),
    ("signal", "infra", (PortSpec("diameter", 3868, "SCTP"),), 0.01),
)


def namespace(index: int, rng: np.random.Generator) -> Namespace:
    """Return namespace ``ns-<index>`` with the labels clusters put on namespaces."""
    name = f"ns-{index:04d}"
    labels = {
        "kubernetes.io/metadata.name": name,
        "team": f"team-{int(rng.integers(0, 24)):02d}",
        "environment": ENVIRONMENTS[int(rng.choice(4, p=[0.5, 0.2, 0.2, 0.1]))],
        "pod-security.kubernetes.io/enforce": "restricted" if rng.random() < 0.6 else "baseline",
    }
    return Namespace(metadata=ObjectMeta(name=name, labels=labels))


def _workload(index: int, where: Namespace, size: int, rng: np.random.Generator) -> Workload:
    """Return workload ``index``: a kind, and labels as a chart would write them."""
    weights = np.array([kind[3] for kind in KINDS])
    stem, tier, ports, _ = KINDS[int(rng.choice(len(KINDS), p=weights / weights.sum()))]
    name = f"{stem}-{index}"
    labels = {
        "app.kubernetes.io/name": stem,
        "app.kubernetes.io/instance": name,
        "app": name,
        "tier": tier,
        "track": "canary" if rng.random() < 0.08 else "stable",
        "pod-template-hash": f"{int(rng.integers(0, 1 << 32)):08x}",
    }
    assert where.metadata.labels is not None
    if rng.random() < 0.5:
        labels["team"] = where.metadata.labels["team"]
    return Workload(where.metadata.name, name, labels, ports, size)


def _fit(sizes: np.ndarray, total: int) -> list[int]:
    """Return the longest run of ``sizes`` that adds up to ``total``, the last one cut to fit."""
    end = int(np.searchsorted(np.cumsum(sizes), total))
    out = sizes[: end + 1].astype(int).tolist()
    out[-1] -= sum(out) - total
    return [size for size in out if size]


def _system_namespace() -> Namespace:
    labels = {"kubernetes.io/metadata.name": "kube-system"}
    return Namespace(metadata=ObjectMeta(name="kube-system", labels=labels))


def synthetic_cluster(
    pods: int, rng: np.random.Generator
) -> tuple[list[Namespace], list[Workload]]:
    """Return namespaces of about 100 pods each and workloads of 7.5 pods on average."""
    namespaces = [namespace(i, rng) for i in range(max(4, pods // 100))]
    sizes = _fit(1 + rng.geometric(1 / 6.5, size=pods), pods)
    homes = rng.integers(0, len(namespaces), size=len(sizes))
    workloads = [_workload(i, namespaces[homes[i]], s, rng) for i, s in enumerate(sizes)]
    return [*namespaces, _system_namespace()], workloads


def real_cluster(pods: int, rng: np.random.Generator) -> tuple[list[Namespace], list[Workload]]:
    """Return published cluster scaled: 604 namespaces to 5 413 pods, both sizes heavy-tailed."""
    namespaces = [namespace(i, rng) for i in range(max(8, round(pods * 604 / 5413)))]
    raw = np.ceil(rng.lognormal(math.log(2.0), 1.2, size=pods)).clip(1, max(4, pods // 15))
    sizes = _fit(raw, pods)
    weight = rng.lognormal(0.0, 1.0, size=len(namespaces))
    homes = rng.choice(len(namespaces), size=len(sizes), p=weight / weight.sum())
    workloads = [_workload(i, namespaces[homes[i]], s, rng) for i, s in enumerate(sizes)]
    return [*namespaces, _system_namespace()], workloads
