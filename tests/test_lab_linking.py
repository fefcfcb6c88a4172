"""The lab's two dumps read as one log: what comes out is what both ends measured (A15.13)."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from netpol.flows.columns.addresses import format_addresses
from netpol.flows.reader import open_flows
from netpol.model.evidence import Evidence
from test_lab import DUMPS, PROTOCOLS, Connection, connection, truths

SEEN, DIALLED = Evidence.INGRESS_SEEN, Evidence.EGRESS_DIALLED


@pytest.fixture(scope="module", params=[DUMPS, DUMPS[::-1]], ids=["12", "21"])
def flows(request: pytest.FixtureRequest) -> dict[Connection, list[dict[str, Any]]]:
    """Every flow of both dumps, by what makes a connection findable."""
    found: dict[Connection, list[dict[str, Any]]] = {}
    for batch in open_flows(request.param, dedup=True):
        assert batch.sport is not None
        assert batch.evidence is not None
        dialled = batch.dst if batch.original_dst is None else batch.original_dst
        port = batch.dport if batch.original_dport is None else batch.original_dport
        columns = {
            "src": format_addresses(batch.src).to_pylist(),
            "dst": format_addresses(batch.dst).to_pylist(),
            "dialled": format_addresses(dialled).to_pylist(),
            "seen": format_addresses(np.asarray(batch.src_seen)).to_pylist(),
            "dport": batch.dport.tolist(),
            "dialled_port": port.tolist(),
            "evidence": batch.evidence.tolist(),
        }
        for i in range(len(batch)):
            flow = {name: column[i] for name, column in columns.items()}
            key = Connection(int(batch.protocol[i]), flow["src"], int(batch.sport[i]))
            found.setdefault(key, []).append(flow)
    return found


def node_of(address: str) -> str:
    """The node of an address of the lab, from its topology."""
    for node, starts in (
        ("node1", ("10.244.1.", "fd00:10:244:1:", "172.18.0.2", "fd00:172:18::2")),
        ("node2", ("10.244.2.", "fd00:10:244:2:", "172.18.0.3", "fd00:172:18::3")),
    ):
        if address.startswith(starts):
            return node
    return "outside"


def test_a15_13_every_answered_connection_is_one_flow_as_both_ends_measured_it(
    flows: dict[Connection, list[dict[str, Any]]],
) -> None:
    compared: Counter[str] = Counter()
    for truth in truths():
        if "peer_seen_by_server" not in truth or truth["proto"] not in PROTOCOLS:
            continue
        found = [
            flow
            for flow in flows.get(connection(truth), [])
            if (flow["dialled"], flow["dialled_port"]) == (truth["dst"], truth["dport"])
        ]
        (flow,) = found
        assert (flow["dst"], flow["dport"]) == (truth["server"], truth["server_port"]), truth
        assert flow["seen"] == truth["peer_seen_by_server"], truth
        redirected = (truth["dst"], truth["dport"]) != (truth["server"], truth["server_port"])
        masqueraded = (truth["client"], truth["sport"]) != (
            truth["peer_seen_by_server"], truth["peer_port_seen_by_server"],
        )  # fmt: skip
        # All NAT is node1's; node2 has what came out of it.
        proved = DIALLED if not redirected else Evidence.NONE
        if node_of(truth["server"]) == "node2" and (redirected or masqueraded):
            proved |= SEEN
        assert flow["evidence"] == proved, truth
        compared["redirected"] += redirected
        compared["masqueraded"] += masqueraded
        compared["seen by node2"] += SEEN in proved
        compared["all"] += 1
    assert dict(compared) == COMPARED


COMPARED = {"all": 300, "redirected": 183, "masqueraded": 65, "seen by node2": 91}


def test_no_connection_comes_out_twice(flows: dict[Connection, list[dict[str, Any]]]) -> None:
    with_ports = {key: found for key, found in flows.items() if key.protocol in (6, 17, 132)}
    several = {key for key, found in with_ports.items() if len(found) > 1}
    dialled = [
        (key, flow["dialled"], flow["dialled_port"]) for key in several for flow in with_ports[key]
    ]
    assert len(dialled) == len(set(dialled))
