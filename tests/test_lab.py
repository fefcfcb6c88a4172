"""The lab: who really talked to whom, measured at both ends, against what the engine judged.

Every connection of ``truth.jsonl`` whose server answered and that a dump holds must be judged on
the right pair: from the pod (or node, or outside address) that opened it to the one that answered,
on the port the server listened on.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import netpol
from netpol.flows.reader import open_flows

LAB = Path(__file__).parent.parent / "examples" / "lab"
DUMPS = [str(LAB / f"node{n}.conntrack.txt") for n in (1, 2)]
PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
GATEWAY = ("node1", "10.244.1.1")

#: What the addresses of the lab are, written down from its topology, not read from cluster.json.
PODS = {
    "10": "shop/web-0",
    "20": "shop/api-7c9d-aaaa1",
    "30": "ops/tools-0",
    "53": "kube-system/coredns-5d78-aaaa1",
}
PODS_NODE2 = {
    "20": "shop/api-7c9d-bbbb2",
    "40": "data/db-0",
    "53": "kube-system/coredns-5d78-bbbb2",
}


def who(address: str) -> str:
    for node, pods in (("1", PODS), ("2", PODS_NODE2)):
        for prefix in (f"10.244.{node}.", f"fd00:10:244:{node}::"):
            host = address.removeprefix(prefix)
            if host != address and host in pods:
                return pods[host]
    if address in ("172.18.0.2", "fd00:172:18::2", GATEWAY[1]):
        return "node/node1"
    return "loopback" if address == "127.0.0.1" else "external"


class Connection(NamedTuple):
    """What makes a connection findable in a dump: as its client dialled it."""

    protocol: int
    client: str
    sport: int


class Judged(NamedTuple):
    """What the engine made of a dump's line."""

    dst: str
    port: int
    src_identity: str
    dst_identity: str
    verdict: str


def truths() -> Iterator[dict[str, Any]]:
    for line in (LAB / "truth.jsonl").read_text(encoding="utf-8").splitlines():
        truth = json.loads(line)
        if truth.get("server"):
            yield truth


@pytest.fixture(scope="module")
def engine() -> Any:
    return netpol.compile(
        netpol.read_policies([str(LAB / "policies")]),
        netpol.read_snapshot([str(LAB / "cluster.json")]),
        node_addresses=(GATEWAY,),
    )


def judged_of(engine: Any, dump: str) -> dict[Connection, list[Judged]]:
    found: dict[Connection, list[Judged]] = {}
    for batch in open_flows([dump]):
        assert batch.sport is not None
        rows = engine.evaluate(batch).to_arrow().to_pylist()
        for row, protocol, sport in zip(rows, batch.protocol, batch.sport, strict=True):
            key = Connection(int(protocol), row["src"], int(sport))
            judged = Judged(*(row[name] for name in Judged._fields))
            found.setdefault(key, []).append(judged)
    return found


@pytest.fixture(scope="module")
def judged(engine: Any) -> list[dict[Connection, list[Judged]]]:
    return [judged_of(engine, dump) for dump in DUMPS]


def check(truth: dict[str, Any], one: Judged) -> None:
    assert (one.dst, one.port) == (truth["server"], truth["server_port"]), truth
    assert one.src_identity == who(truth["client"]), truth
    assert one.dst_identity == who(truth["server"]), truth


def connection(truth: dict[str, Any]) -> Connection:
    return Connection(PROTOCOLS[truth["proto"]], truth["client"], truth["sport"])


def test_every_answered_connection_is_judged_on_the_right_pair(
    judged: list[dict[Connection, list[Judged]]],
) -> None:
    checked: Counter[str] = Counter()
    for truth in truths():
        found = judged[0].get(connection(truth))
        assert found, f"{truth} is not in node1's dump"
        for one in found:
            check(truth, one)
        checked[truth["group"]] += 1
    assert checked.total() == 307
    assert len(checked) == 38


def test_what_the_other_node_saw_of_them_is_judged_on_the_right_pair(
    judged: list[dict[Connection, list[Judged]]],
) -> None:
    # Masqueraded connections have another client there; they are those without an entry here.
    entries = [(truth, judged[1].get(connection(truth), [])) for truth in truths()]
    for truth, found in entries:
        for one in found:
            check(truth, one)
    assert sum(bool(found) for _, found in entries) > 100


@pytest.mark.parametrize(
    ("src", "dst", "port", "verdicts"),
    [
        ("shop/web-0", "shop/api-7c9d-aaaa1", 8080, {"allow"}),
        ("shop/web-0", "shop/api-7c9d-bbbb2", 8080, {"allow"}),
        ("shop/web-0", "kube-system/coredns-5d78-bbbb2", 5353, {"allow"}),
        ("shop/web-0", "data/db-0", 5432, {"allow"}),
        ("shop/web-0", "data/db-0", 9125, {"allow"}),
        ("shop/web-0", "data/db-0", 3868, {"allow"}),
        ("shop/web-0", "data/db-0", 7013, {"deny"}),
        ("shop/web-0", "data/db-0", 7014, {"deny"}),
        ("shop/web-0", "data/db-0", 21, {"deny"}),
        ("shop/web-0", "external", 443, {"allow"}),
        ("shop/web-0", "node/node1", 10250, {"deny"}),
        ("ops/tools-0", "shop/api-7c9d-aaaa1", 7012, {"deny"}),
        ("ops/tools-0", "external", 443, {"allow"}),
        ("shop/api-7c9d-bbbb2", "shop/web-0", 8081, {"allow"}),
        ("shop/api-7c9d-aaaa1", "shop/api-7c9d-aaaa1", 8080, {"allow"}),
        # Health checks come from the pod's own node; node1 is not the node of bbbb2.
        ("node/node1", "shop/web-0", 8081, {"allow"}),
        ("node/node1", "shop/api-7c9d-aaaa1", 8080, {"allow"}),
        ("node/node1", "shop/api-7c9d-bbbb2", 8080, {"deny"}),
        # A NodePort's client is known; whether the other node's pod saw it depends on the plugin.
        ("external", "shop/api-7c9d-aaaa1", 8080, {"allow"}),
        # Through node1's port: what node2 recorded as the source is node1, and settles it (A15.13).
        ("external", "shop/api-7c9d-bbbb2", 8080, {"deny"}),
        ("node/node1", "node/node1", 10250, {"allow"}),
        ("loopback", "loopback", 10250, {"allow"}),
    ],
)
def test_the_policies_say_what_they_are_written_for(
    judged: list[dict[Connection, list[Judged]]],
    src: str,
    dst: str,
    port: int,
    verdicts: set[str],
) -> None:
    found = {
        one.verdict
        for entries in judged[0].values()
        for one in entries
        if (one.src_identity, one.dst_identity, one.port) == (src, dst, port)
    }
    assert found == verdicts


def test_dedup_counts_a_connection_of_both_dumps_once_as_its_client_made_it(engine: Any) -> None:
    stream = open_flows(DUMPS, dedup=True)
    rows = [row for batch in stream for row in engine.evaluate(batch).to_arrow().to_pylist()]
    assert len(rows) == 344
    assert stream.stats.duplicates == 160
    once = Counter((row["src_identity"], row["dst_identity"]) for row in rows)
    assert once["external", "shop/api-7c9d-bbbb2"] == 6
