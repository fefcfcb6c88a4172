"""Takes a shape and a number, gives a policy that grows in one way; run, it compiles them all.

    python -m bench.growth 20000 100000

Each shape is one NetworkPolicy over twenty pods, so that nothing but its rules, CIDRs, ports or
names grows. Printed are CPU seconds of ``netpol.compile`` and the memory a process of its own had
at its peak beyond what it had before.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from ipaddress import ip_address
from typing import NamedTuple

import numpy as np

import netpol
from bench.population import PortSpec, Workload, build_cluster
from bench.rules import block, match, policy, policy_set, tcp
from netpol.kube.api.objects import (
    LabelSelector,
    Namespace,
    NetworkPolicyPeer,
    NetworkPolicyPort,
    ObjectMeta,
)
from netpol.kube.policies import PolicySet
from netpol.kube.snapshot import Snapshot
from netpol.model.errors import CapacityError

__all__ = ["GROWTH", "REFUSED", "main"]

Peers = list[NetworkPolicyPeer] | None
Ports = list[NetworkPolicyPort] | None
Rules = list[tuple[Peers, Ports]]


def v4(number: int) -> str:
    """Return the n-th /24 from 20.0.0.0 on."""
    return f"{ip_address(0x14000000 + 256 * number)}/24"


def host(number: int) -> str:
    """Return an address every 161 /24s: each has a block of the trie of its own."""
    return f"{ip_address(0x14000000 + 256 * 161 * number & 0xDFFFFFFF)}/32"


def v6(number: int) -> str:
    """Return every other /64 from 2001:db8:: on, so that none joins the next."""
    return f"{ip_address((0x20010DB8 << 96) + (number << 65))}/64"


def port(number: int) -> NetworkPolicyPort:
    """Return a port of its own: 60 000 of TCP, then of UDP."""
    return NetworkPolicyPort(
        protocol=("TCP", "UDP")[number // 60_000], port=1 + number % 60_000, end_port=None
    )


def app(number: int) -> NetworkPolicyPeer:
    """Return the pods of an app, of which there are twenty."""
    return NetworkPolicyPeer(pod_selector=match(app=f"app-{number}"))


#: Shapes that grow as their input does.
GROWTH: dict[str, Callable[[int], Rules]] = {
    "one rule, n CIDRs": lambda n: [([block(v4(i)) for i in range(n)], None)],
    "one rule, n addresses": lambda n: [([block(host(i)) for i in range(n)], None)],
    "one rule, n IPv6 CIDRs": lambda n: [([block(v6(i)) for i in range(n)], None)],
    "one rule, n excepts": lambda n: [([block("0.0.0.0/0", *(v4(2 * i) for i in range(n)))], None)],
    "one rule, n ports": lambda n: [(None, [port(i) for i in range(n)])],
    "one rule, n selectors": lambda n: [([app(i) for i in range(n)], None)],
    "n rules of a CIDR": lambda n: [([block(v4(2 * i))], None) for i in range(n)],
    "n rules of an IPv6 CIDR": lambda n: [([block(v6(i))], None) for i in range(n)],
    "n rules of a port": lambda n: [(None, [port(i)]) for i in range(n)],
    "n rules of a port name": lambda n: [(None, [tcp(f"n{i}")]) for i in range(n)],
    "n rules of CIDR and port": lambda n: [([block(v4(2 * i))], [port(i)]) for i in range(n)],
    "n rules of CIDR and name": lambda n: [([block(v4(2 * i))], [tcp(f"n{i}")]) for i in range(n)],
    "n rules of all but a CIDR, and port": lambda n: [
        ([block("0.0.0.0/0", v4(i))], [port(i)]) for i in range(n)
    ],
    "n rules of selector and port": lambda n: [([app(i % 20)], [port(i)]) for i in range(n)],
}

#: Shapes in which what each address and port is told of has n parts: too much from some number on.
REFUSED: dict[str, Callable[[int], Rules]] = {
    "n rules of all but a CIDR": lambda n: [([block("0.0.0.0/0", v4(i))], None) for i in range(n)],
    "n / 2 rules of a CIDR, n / 2 of a port": lambda n: [
        *[([block(v4(2 * i))], None) for i in range(n // 2)],
        *[(None, [port(i)]) for i in range(n // 2)],
    ],
}


class Compiled(NamedTuple):
    """What came of a compile: CPU seconds, MiB at the peak, and how, or why not."""

    seconds: float
    peak: int
    outcome: str


def world(shape: str, number: int) -> tuple[PolicySet, Snapshot]:
    """Return the policies and the cluster of a shape."""
    pods = [
        Workload(
            "growth", f"app-{i}", {"app": f"app-{i}"},
            tuple(PortSpec(f"n{5 * i + k}", 8000 + 5 * i + k) for k in range(5)), 1,
        )
        for i in range(20)
    ]  # fmt: skip
    space = Namespace(metadata=ObjectMeta(name="growth", labels={}))
    snapshot, _ = build_cluster([space], pods, np.random.default_rng(1))
    rules = {**GROWTH, **REFUSED}[shape](number)
    return policy_set([policy("growth", "p", LabelSelector(), rules)]), snapshot


def compiled(shape: str, number: int) -> Compiled:
    """Compile in this process; what was the peak before is not counted."""
    policies, snapshot = world(shape, number)
    before, start = _peak(), time.process_time()
    try:
        outcome = netpol.compile(policies, snapshot).tables.meta["layout"]
    except CapacityError as error:
        outcome = f"refused: {error}"
    return Compiled(time.process_time() - start, _peak() - before, outcome)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def main(numbers: list[int]) -> None:
    """Print a table: each shape and number in a process of its own."""
    print("| shape | n | CPU | peak | |\n|---|---|---|---|---|")
    for shape in (*GROWTH, *REFUSED):
        for number in numbers:
            command = [sys.executable, "-m", "bench.growth", "--one", shape, str(number)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            one = Compiled(*json.loads(done.stdout))
            what = "refused" if one.outcome.startswith("refused") else one.outcome
            print(f"| {shape} | {number:,} | {one.seconds:.2f} s | {one.peak} MiB | {what} |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(compiled(sys.argv[2], int(sys.argv[3]))))
    else:
        main([int(word) for word in sys.argv[1:]] or [2_000, 20_000, 100_000])
