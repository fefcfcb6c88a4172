"""Takes a size, a shape and a seed, gives a ``World``: a cluster with its policies.

The same arguments give the same world on every machine. ``make_flows``, ``make_conntrack_text``,
``write_conntrack`` and ``write_manifests`` are offered here too: a bench imports one module.
"""

from __future__ import annotations

import numpy as np

from bench.adversarial import ADVERSARIAL, one_namespace, own_labels
from bench.conntrack_text import make_conntrack_text, write_conntrack
from bench.manifests import write_manifests
from bench.population import build_cluster
from bench.rules import real_policies, synthetic_policies
from bench.traffic import make_flows
from bench.workloads import real_cluster, synthetic_cluster
from bench.world import World

__all__ = [
    "ADVERSARIAL_KINDS",
    "SHAPES",
    "SIZES",
    "World",
    "make_adversarial",
    "make_conntrack_text",
    "make_flows",
    "make_world",
    "write_conntrack",
    "write_manifests",
]

#: Size -> (pods, policies). ``published`` is the real cluster at its own size.
SIZES = {
    "small": (1_000, 100),
    "middle": (10_000, 500),
    "large": (100_000, 5_000),
    "published": (5_413, 13_678),
}
SHAPES = ("synthetic", "real")
#: Kinds that ``make_adversarial`` takes.
ADVERSARIAL_KINDS = (*ADVERSARIAL, "own-labels")
#: Of those, the ones that end in a ``CapacityError``.
REFUSED_KINDS = ("heavy-endpoint",)


def make_world(
    size: str = "middle",
    shape: str = "synthetic",
    seed: int = 1,
    *,
    ipv6: bool = False,
    endpoint_slices: bool = True,
) -> World:
    """Return the world of a size (``SIZES``) and shape (``SHAPES``).

    Parameters
    ----------
    size
        ``small``, ``middle``, ``large`` or ``published``. The pods counted have addresses of
        their own; a hostNetwork agent on every twentieth node comes on top.
    shape
        ``synthetic`` or ``real`` (bench/README.md tells both in full).
    seed
        Any integer.
    ipv6
        Dual stack.
    endpoint_slices
        Whether the snapshot has EndpointSlices.
    """
    pods, policies = SIZES[size]
    rng = np.random.default_rng([seed, pods, SHAPES.index(shape)])
    cluster = synthetic_cluster if shape == "synthetic" else real_cluster
    namespaces, workloads = cluster(pods, rng)
    snapshot, population = build_cluster(
        namespaces,
        workloads,
        rng,
        ipv6=ipv6,
        endpoint_slices=endpoint_slices,
        host_network=max(2, pods // 1200),
    )
    make = synthetic_policies if shape == "synthetic" else real_policies
    return World(
        name=f"{shape}-{size}",
        size=size,
        shape=shape,
        seed=seed,
        snapshot=snapshot,
        policies=make(namespaces, workloads, policies, seed),
        workloads=tuple(workloads),
        population=population,
    )


def make_adversarial(
    kind: str, seed: int = 1, *, size: str = "middle", ipv6: bool = False
) -> World:
    """Return a world of one of ``ADVERSARIAL_KINDS`` on the synthetic cluster of ``size``.

    ``own-labels`` keeps the ordinary policies of the size and gives every pod labels of its own.
    """
    pods, count = SIZES[size]
    rng = np.random.default_rng([seed, pods, 17])
    namespaces, workloads = synthetic_cluster(pods, rng)
    if kind == "own-labels":
        policies = synthetic_policies(namespaces, workloads, count, seed)
        workloads = own_labels(workloads)
    else:
        if kind == "all-select-all":
            workloads = one_namespace(workloads, workloads[0].namespace)
        policies = ADVERSARIAL[kind](namespaces, workloads, seed)
    snapshot, population = build_cluster(namespaces, workloads, rng, ipv6=ipv6, host_network=2)
    return World(
        name=f"{kind}-{size}",
        size=size,
        shape=kind,
        seed=seed,
        snapshot=snapshot,
        policies=policies,
        workloads=tuple(workloads),
        population=population,
    )
