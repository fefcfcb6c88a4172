"""What people do today, on the same flows and with the same verdicts.

Each peer judges ordinary flows (see ``bench.peers``) of which the engine must say the same. DuckDB,
polars and DPDK are left out where they are not installed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bench import peers_acl
from bench.conftest import cached_engine, cached_world
from bench.peers import MaskPeer, PythonPeer, ordinary_flows
from bench.peers_frames import PolarsPeer
from bench.peers_sql import DuckPeer
from bench.peers_tables import TablePeer
from netpol.model.verdict import Verdict

#: Name -> how to build it of a world and an engine, and how many flows a round takes.
PEERS: dict[str, tuple[Callable[[Any, Any], Any], int]] = {
    "python": (lambda world, _: PythonPeer(world), 4_000),
    "numpy-masks": (lambda world, _: MaskPeer(world), 100_000),
    "numpy-tables": (lambda _, engine: TablePeer(engine), 1 << 20),
    "polars": (lambda world, _: PolarsPeer(world), 1 << 20),
    "duckdb-1-thread": (lambda world, _: DuckPeer(world), 1 << 20),
    "duckdb-2-threads": (lambda world, _: DuckPeer(world, threads=2), 1 << 20),
}


@pytest.mark.benchmark(group="peers")
@pytest.mark.parametrize("name", [*PEERS, "netpol"])
def test_peer(
    benchmark: Any, rate: Callable[[float, str], None], world_key: tuple[str, str], name: str
) -> None:
    for package in ("duckdb", "polars"):
        if name.startswith(package):
            pytest.importorskip(package)
    world, engine = cached_world(*world_key, ipv6=False), cached_engine(*world_key, ipv6=False)
    build, count = PEERS.get(name, (lambda *_: engine, 1 << 20))
    batch = ordinary_flows(world, count)
    peer = build(world, engine)
    answer = benchmark.pedantic(peer.evaluate, args=(batch,), rounds=3, warmup_rounds=1)
    rate(len(batch) / 1e6, "Mflows/s")
    if name != "netpol":
        expected = np.asarray(engine.evaluate(batch).verdict)
        wrong = np.flatnonzero(np.asarray(answer) != expected)
        assert not len(wrong), f"{len(wrong)} of {len(batch)} verdicts differ, first {wrong[0]}"


@pytest.mark.benchmark(group="peers")
def test_peer_acl(
    benchmark: Any, rate: Callable[[float, str], None], world_key: tuple[str, str]
) -> None:
    """DPDK's classifier answers for one side; at 10 000 pods its rules would be millions."""
    if world_key[1] != "small":
        pytest.skip("expands to too many rules")
    if not peers_acl.available():
        pytest.skip("needs libdpdk-dev and a C compiler")
    world, engine = cached_world(*world_key, ipv6=False), cached_engine(*world_key, ipv6=False)
    batch = ordinary_flows(world, 1 << 20)
    peer = peers_acl.AclPeer(world)
    benchmark.extra_info["rules"] = peer.rules
    answer = benchmark.pedantic(peer.evaluate, args=(batch,), rounds=5, warmup_rounds=1)
    rate(len(batch) / 1e6, "Mflows/s")
    denied = np.array([decision.verdict == Verdict.DENY for decision in engine.decisions])
    assert np.array_equal(answer == peers_acl.DENY, denied[engine.evaluate(batch).ingress])
