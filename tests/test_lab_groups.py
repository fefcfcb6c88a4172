"""Each group of the lab's connections comes out as what it was made to be (A10, A11, A15, C2)."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

import netpol
from test_lab import DUMPS, GATEWAY, LAB, Connection, connection
from test_lab import PROTOCOLS as NUMBERS

WEB, API_1, API_2, TOOLS, DB = (
    "shop/web-0", "shop/api-7c9d-aaaa1", "shop/api-7c9d-bbbb2", "ops/tools-0", "data/db-0",
)  # fmt: skip
DNS_1, DNS_2 = "kube-system/coredns-5d78-aaaa1", "kube-system/coredns-5d78-bbbb2"
RULE, DENIED = ("allow", "np-rule"), ("deny", "np-implicit-deny")
OPEN = ("allow", "not-isolated")
NODE_1, OUTSIDE = "node/node1", "external"

#: Group: how many connections, entries of them in node1's and node2's dump (under the client's own
#: address), and who talks to whom with which verdict and reason, in node1's.
GROUPS: dict[str, tuple[int, int, int, dict[tuple[str, str, tuple[str, str]], int]]] = {
    "g01_pod_pod_same_node": (20, 20, 0, {(WEB, API_1, RULE): 20}),
    "g02_pod_pod_cross_node": (20, 20, 20, {(WEB, DB, RULE): 20}),
    # Through a ClusterIP: the backend that was picked.
    "g03_clusterip_hold": (30, 30, 14, {(WEB, API_1, RULE): 16, (WEB, API_2, RULE): 14}),
    "g03_clusterip_closed": (30, 30, 15, {(WEB, API_1, RULE): 15, (WEB, API_2, RULE): 15}),
    "g04_dns_udp": (40, 40, 21, {(WEB, DNS_1, RULE): 19, (WEB, DNS_2, RULE): 21}),
    # A backend that reached itself through the service (A10.3).
    "g06_hairpin_capable": (
        12, 12, 8, {(API_1, API_2, RULE): 8, (API_1, API_1, ("allow", "np-hairpin")): 4},
    ),
    # Masqueraded on the way out: judged as the pod.
    "g07_egress_masq_hold": (10, 10, 0, {(WEB, OUTSIDE, RULE): 10}),
    "g07_egress_same_sport": (4, 4, 0, {(WEB, OUTSIDE, RULE): 2, (TOOLS, OUTSIDE, OPEN): 2}),
    # NodePort, policy Cluster: the other node's pod saw node1 (A15.13); policy Local: the client.
    "g08_nodeport_cluster": (
        16, 16, 0, {(OUTSIDE, API_1, RULE): 12, (OUTSIDE, API_2, DENIED): 4},
    ),
    "g09_nodeport_local": (6, 6, 0, {(OUTSIDE, API_1, RULE): 6}),
    "g10_vip_from_outside": (
        5, 5, 0, {(OUTSIDE, API_1, RULE): 3, (OUTSIDE, API_2, DENIED): 2},
    ),
    # The gateway of node1 is node1 to its own pods (A11.4), and no exemption to others' (A11.2).
    "g11_node_to_local_pod": (5, 5, 0, {(NODE_1, WEB, ("allow", "own-node")): 5}),
    "g12_node_to_clusterip": (
        6, 6, 0, {(NODE_1, API_1, ("allow", "own-node")): 2, (NODE_1, API_2, DENIED): 4},
    ),
    "g13_node_loopback": (3, 3, 0, {("loopback", "loopback", ("allow", "loopback")): 3}),
    "g13_node_to_self": (3, 3, 0, {(NODE_1, NODE_1, ("allow", "no-pod-endpoint")): 3}),
    "g13_pod_to_own_node": (3, 3, 0, {(WEB, NODE_1, DENIED): 3}),
    # Dropped where it began: no trace. Dropped or refused elsewhere: half-open, denied here too.
    "g14_denied_on_this_node": (4, 0, 0, {}),
    "g15_denied_on_remote_node": (4, 4, 0, {(WEB, DB, DENIED): 4}),
    "g16_rejected_on_remote_node": (3, 3, 0, {(WEB, DB, DENIED): 3}),
    "g17_closed_port": (3, 0, 0, {}),
    "g18_no_such_pod": (3, 3, 3, {(WEB, OUTSIDE, DENIED): 3}),
    "g29_remote_pod_to_web": (5, 5, 5, {(API_2, WEB, RULE): 5}),
    # Dual stack: the same pods by their other address (A14.1).
    "v6_clusterip_hold": (10, 10, 3, {(WEB, API_1, RULE): 7, (WEB, API_2, RULE): 3}),
    "v6_dns": (12, 12, 8, {(WEB, DNS_1, RULE): 4, (WEB, DNS_2, RULE): 8}),
    "v6_direct": (5, 5, 5, {(WEB, DB, RULE): 5}),
    "v6_egress_masq": (5, 5, 0, {(WEB, OUTSIDE, RULE): 5}),
    "sctp_service": (4, 4, 4, {(WEB, DB, RULE): 4}),
}  # fmt: skip


@pytest.fixture(scope="module")
def seen() -> list[dict[Connection, list[dict[str, Any]]]]:
    engine = netpol.compile(
        netpol.read_policies([str(LAB / "policies")]),
        netpol.read_snapshot([str(LAB / "cluster.json")]),
        node_addresses=(GATEWAY,),
    )
    found: list[dict[Connection, list[dict[str, Any]]]] = []
    for dump in DUMPS:
        entries: dict[Connection, list[dict[str, Any]]] = {}
        for batch in netpol.open_flows([dump]):
            assert batch.sport is not None
            rows = engine.evaluate(batch).to_arrow().to_pylist()
            for row, protocol, sport in zip(rows, batch.protocol, batch.sport, strict=True):
                key = Connection(int(protocol), row["src"], int(sport))
                entries.setdefault(key, []).append(row)
        found.append(entries)
    return found


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_comes_out_as_it_was_made(
    seen: list[dict[Connection, list[dict[str, Any]]]], group: str
) -> None:
    made = [
        truth
        for truth in map(json.loads, (LAB / "truth.jsonl").read_text("utf-8").splitlines())
        if truth["group"] == group and truth["proto"] in NUMBERS
    ]
    entries = [[dump.get(connection(truth), []) for truth in made] for dump in seen]
    found = Counter(
        (row["src_identity"], row["dst_identity"], (row["verdict"], row["reason"]))
        for rows in entries[0]
        for row in rows
    )
    sizes = len(made), *(sum(bool(rows) for rows in dump) for dump in entries)
    assert (*sizes, dict(found)) == GROUPS[group]
