"""Takes a world, gives DPDK's rte_acl with the ingress rules expanded to addresses.

Packet classifiers know no labels: each rule becomes one entry for each subject address, peer prefix
and port range. One side is judged, since one lookup answers once; netpol judges both. Needs DPDK's
development files (Debian: ``libdpdk-dev``) and a C compiler.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from ipaddress import IPv4Address, summarize_address_range
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bench.peers import Flat, FlatRule
from bench.population import PROTOCOLS, Array
from bench.shapes import World
from netpol.model.batch import FlowBatch

__all__ = ["AclPeer", "available"]

ALLOW, DENY = 1, 2
RULE = np.dtype(
    [
        ("src", "u4"), ("dst", "u4"), ("src_length", "u1"), ("dst_length", "u1"),
        ("protocol", "u1"), ("protocol_mask", "u1"), ("first", "u2"), ("last", "u2"),
        ("answer", "u4"),
    ]
)  # fmt: skip
FLOW = np.dtype(
    [("protocol", "u1"), ("unused", "u1", 3), ("src", ">u4"), ("dst", ">u4"), ("port", ">u2"),
     ("pad", ">u2")]
)  # fmt: skip
Prefix = tuple[int, int]  # first address, length


def available() -> bool:
    """Return whether the library can be built here."""
    return (
        shutil.which("cc") is not None
        and shutil.which("pkg-config") is not None
        and subprocess.run(["pkg-config", "--exists", "libdpdk"], check=False).returncode == 0
    )


@cache
def library() -> Any:
    """Build acl.c, load it and start DPDK; once a process, as DPDK demands."""

    def flags(kind: str) -> list[str]:
        asked = ["pkg-config", kind, "libdpdk"]
        return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split()

    with TemporaryDirectory() as folder:
        built = Path(folder) / "acl.so"
        source = Path(__file__).with_name("acl.c")
        command = ["cc", "-O3", "-shared", "-fPIC", *flags("--cflags"), str(source), "-o", built]
        subprocess.run([*command, "-lrte_acl", "-lrte_eal"], check=True)
        loaded = ctypes.CDLL(str(built), use_errno=True)
    loaded.acl_build.restype = ctypes.c_void_p
    loaded.acl_build.argtypes = [ctypes.c_void_p, ctypes.c_uint]
    loaded.acl_classify.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_uint]
    if loaded.acl_start() < 0:
        raise OSError("DPDK does not start here")
    return loaded


class AclPeer:
    """The ingress side as an rte_acl context; ``rules`` says how many entries it took."""

    def __init__(self, world: World) -> None:
        self.flat = Flat(world)
        entries = np.unique(np.array([*self._entries(), *self._denied()], RULE))
        self.rules = len(entries)
        self.context = library().acl_build(entries.ctypes.data, len(entries))
        if not self.context:
            raise OSError(ctypes.get_errno(), f"rte_acl cannot build {self.rules} rules")
        self.packed: tuple[FlowBatch, Array, Array] | None = None

    def _entries(self) -> Iterator[tuple[int, ...]]:
        flat = self.flat
        for rule in flat.rules:
            if rule.side == "Ingress":
                sources = [*self._peers(rule)]
                mine = np.flatnonzero(np.append(rule.subjects, False)[flat.owner])
                for pod in mine.tolist():
                    target = int(flat.addresses[pod])
                    for protocol, first, last in self._ports(rule, int(flat.owner[pod])):
                        mask = 0xFF if protocol else 0
                        for source, length in sources:
                            yield (
                                source, target, length, 32, protocol, mask, max(first, 0), last,
                                ALLOW,
                            )  # fmt: skip

    def _denied(self) -> Iterator[tuple[int, ...]]:
        """Yield what isolated pods fall back to."""
        isolated = np.append(self.flat.isolated["Ingress"], False)[self.flat.owner]
        for target in self.flat.addresses[isolated].tolist():
            yield 0, target, 0, 32, 0, 0, 0, 65535, DENY

    def _peers(self, rule: FlatRule) -> Iterator[Prefix]:
        if rule.everyone:
            yield 0, 0
            return
        chosen = np.append(rule.peers, False)[self.flat.owner]
        yield from ((address, 32) for address in self.flat.addresses[chosen].tolist())
        for first, last in rule.ranges:
            for network in summarize_address_range(IPv4Address(first), IPv4Address(last)):
                yield int(network[0]), network.prefixlen

    def _ports(self, rule: FlatRule, workload: int) -> Iterator[tuple[int, int, int]]:
        yield from rule.ports
        for protocol, name in rule.named:
            for port in self.flat.workloads[workload].ports:
                if port.name == name and PROTOCOLS[port.protocol] == protocol:
                    yield protocol, port.number, port.number

    def evaluate(self, batch: FlowBatch) -> Array:
        """Return uint32[n] ingress answers; flows are put into wire order once, in the warm-up."""
        if self.packed is None or self.packed[0] is not batch:
            flows = np.zeros(len(batch), FLOW)
            flows["protocol"], flows["port"] = batch.protocol, batch.dport
            flows["src"], flows["dst"] = batch.src, batch.dst
            self.packed = batch, flows, np.zeros(len(batch), np.uint32)
        _, flows, answers = self.packed
        failed = library().acl_classify(
            self.context, flows.ctypes.data, answers.ctypes.data, len(flows)
        )
        assert failed == 0, failed
        return answers
