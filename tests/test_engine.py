"""The engine's public face: what it takes, what it gives, and that its tables travel."""

from __future__ import annotations

import os
import pickle
import stat
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import netpol
from netpol.compiler.pack.tables import VERSION
from netpol.engine.endpoints import EndpointKind
from netpol.model.errors import CapacityError, ConfigError, FlowError, InputError, OutputError
from netpol.model.flow import Flow
from netpol.model.verdict import Reason, Side, Verdict
from worlds import fixture, load, pod, policy

POLICIES = [
    policy("x", {"podSelector": {}, "policyTypes": ["Ingress"]}, "deny"),
    policy(
        "x",
        """
        podSelector: {matchLabels: {pod: a}}
        ingress: [{from: [{namespaceSelector: {matchLabels: {team: y}}}], ports: [{port: 80}]}]
        """,
        "web",
    ),
]


@pytest.fixture(scope="module")
def engine() -> netpol.Engine:
    return netpol.compile(*load(POLICIES, fixture()))


COLUMNS: dict[str, Any] = {
    "src": ["10.0.1.1", "10.0.1.1", "8.8.8.8", "10.0.0.1"],
    "dst": ["10.0.0.1", "10.0.0.1", "10.0.0.1", "8.8.8.8"],
    "protocol": ["tcp", "tcp", "tcp", "udp"],
    "dport": [80, 81, 80, 53],
}
EXPECTED = ["allow", "deny", "deny", "allow"]


def labels(verdicts: netpol.Verdicts) -> list[str]:
    return [Verdict(code).label for code in verdicts.verdict.tolist()]


def number(text: str) -> int:
    return int(ip_address(text))


def mapped(text: str) -> bytes:
    return bytes(10) + b"\xff\xff" + ip_address(text).packed


FORMS = {
    "strings": COLUMNS,
    "integers": COLUMNS
    | {name: np.array([number(a) for a in COLUMNS[name]], np.uint32) for name in ("src", "dst")},
    "sixteen bytes": COLUMNS
    | {
        name: np.array([list(mapped(a)) for a in COLUMNS[name]], np.uint8)
        for name in ("src", "dst")
    },
    "numbers of protocols": COLUMNS | {"protocol": np.array([6, 6, 6, 17], np.uint8)},
    "arrow table": pa.table(COLUMNS),
    "record batch": pa.RecordBatch.from_pydict(COLUMNS),
    "flows": [
        Flow(src=s, dst=d, protocol={"tcp": 6, "udp": 17}[p], dport=q)
        for s, d, p, q in zip(*COLUMNS.values(), strict=True)
    ],
}


@pytest.mark.parametrize("form", FORMS)
def test_flows_may_come_in_any_form(engine: netpol.Engine, form: str) -> None:
    assert labels(engine.evaluate(FORMS[form])) == EXPECTED


def test_columns_say_who_decided_and_why(engine: netpol.Engine) -> None:
    verdicts = engine.evaluate(COLUMNS)
    rows = verdicts.to_arrow().to_pylist()
    assert rows[0] == {
        "src": "10.0.1.1", "dst": "10.0.0.1", "protocol": "tcp", "port": 80,
        "verdict": "allow", "side": "ingress",
        "egress_verdict": "allow", "ingress_verdict": "allow",
        "egress_policy": None, "egress_rule": None,
        "ingress_policy": "x/web", "ingress_rule": 0,
        "reason": "np-rule", "notes": "", "src_identity": "y/a", "dst_identity": "x/a",
        "recorded_verdict": None,
    }  # fmt: skip
    denied = rows[1]
    assert denied["ingress_policy"] == "x/deny"
    assert denied["ingress_rule"] is None
    assert denied["reason"] == "np-implicit-deny"
    assert rows[2]["egress_verdict"] is None
    assert rows[2]["src_identity"] == "external"
    assert verdicts.side.tolist() == [Side.INGRESS, Side.INGRESS, Side.INGRESS, Side.NONE]
    assert verdicts.reason.tolist()[3] == Reason.NOT_ISOLATED
    assert verdicts.counts() == {"allow": 2, "deny": 2, "unknown": 0}


def test_a_decision_names_every_isolating_policy(engine: netpol.Engine) -> None:
    verdicts = engine.evaluate(COLUMNS)
    decision = engine.decisions[int(verdicts.ingress[1])]
    assert [engine.policies[i].label for i in decision.isolating] == ["x/deny", "x/web"]
    assert decision.matching == ()
    allowed = engine.decisions[int(verdicts.ingress[0])]
    assert [(engine.policies[p].label, r) for p, r in allowed.matching] == [("x/web", 0)]


def test_explain_tells_the_deciding_policy(engine: netpol.Engine) -> None:
    verdicts = engine.evaluate(COLUMNS)
    told = verdicts.explain(1)
    assert "np-implicit-deny" in told
    assert "x/deny" in told
    assert "x/web" in told
    assert verdicts.explain(-1) == verdicts.explain(3)
    with pytest.raises(IndexError):
        verdicts.explain(4)


def test_pods_tell_their_isolation(engine: netpol.Engine) -> None:
    pods = {label: (egress, ingress) for label, egress, ingress in engine.pods}
    assert pods["x/a"] == (False, True)
    assert pods["y/a"] == (False, False)
    assert pods["x/h"] == (False, False)  # hostNetwork: not a subject (A12.1)


def test_endpoints_have_kinds_and_workloads(engine: netpol.Engine) -> None:
    verdicts = engine.evaluate({**COLUMNS, "dst": ["10.96.0.10", "192.168.0.1", "10.0.0.1", "::1"]})
    kinds = engine.endpoints.kind[verdicts.dst_endpoint].tolist()
    assert kinds == [
        EndpointKind.SERVICE, EndpointKind.NODE, EndpointKind.POD, EndpointKind.LOOPBACK,
    ]  # fmt: skip
    names = [engine.endpoints.label(int(i)) for i in verdicts.dst_endpoint]
    assert names == ["service/x/svc-a", "node/n1", "x/a", "loopback"]


@pytest.mark.parametrize("layout", ["dense", "paged"])
def test_tables_travel(tmp_path: Path, layout: str) -> None:
    limit = {} if layout == "dense" else {"dense_limit": 0}
    engine = netpol.compile(*load(POLICIES, fixture()), **limit)
    assert engine.tables.meta["layout"] == layout
    engine.save(tmp_path / "tables")
    loaded, copied = netpol.load(tmp_path / "tables"), pickle.loads(pickle.dumps(engine))
    for other in (loaded, copied):
        verdicts = other.evaluate(COLUMNS)
        assert labels(verdicts) == EXPECTED
        assert verdicts.to_arrow().equals(engine.evaluate(COLUMNS).to_arrow())
        assert "np-implicit-deny, x/deny" in verdicts.explain(1)
    assert isinstance(loaded.tables.arrays["runs"].base, np.memmap | np.ndarray)
    assert not loaded.tables.arrays["runs"].flags.writeable


def damaged(data: bytes) -> dict[str, bytes]:
    return {
        "empty": b"",
        "another file": b"apiVersion: v1\n" * 20,
        "cut in the directory": data[:200],
        "cut in the arrays": data[: len(data) // 2],
        "another version": data.replace(b"netpol-tables %d" % VERSION, b"netpol-tables 99", 1),
    }


@pytest.mark.parametrize("kind", damaged(b""))
def test_a_damaged_table_file_is_refused(engine: netpol.Engine, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "tables"
    engine.save(path)
    path.write_bytes(damaged(path.read_bytes())[kind])
    with pytest.raises(InputError, match=r"tables|table file"):
        netpol.load(path)


def test_no_index_in_a_table_file_is_trusted(engine: netpol.Engine, tmp_path: Path) -> None:
    """Every 4-byte word of every array set to a wild value: refused, or judged without a crash."""
    path = tmp_path / "tables"
    engine.save(path)
    data = path.read_bytes()
    begin = len(data) - engine.tables.nbytes
    rng = np.random.default_rng(7)
    refused = 0
    for place in rng.integers(begin, len(data) - 4, 400).tolist():
        bad = bytearray(data)
        bad[place : place + 4] = b"\xf0\xff\xff\x7f"
        path.write_bytes(bad)
        try:
            netpol.load(path).evaluate(COLUMNS)
        except InputError:
            refused += 1
    assert refused > 50


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_saved_engine_has_the_mode_of_any_new_file(
    engine: netpol.Engine, tmp_path: Path, umask: int, mode: int
) -> None:
    path = tmp_path / "tables"
    before = os.umask(umask)
    try:
        engine.save(path)
        assert stat.S_IMODE(path.stat().st_mode) == mode
        path.chmod(0o640)  # which is somebody's choice
        engine.save(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
    finally:
        os.umask(before)


def test_saving_through_a_link_keeps_the_link(engine: netpol.Engine, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("tables")
    engine.save(link)
    assert link.is_symlink()
    assert netpol.load(tmp_path / "tables").policies == engine.policies


def test_saving_leaves_nothing_half_written(engine: netpol.Engine, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError):
        engine.save(tmp_path / "folder")
    with pytest.raises(OutputError):
        engine.save(tmp_path / "nowhere" / "tables")
    assert [item.name for item in tmp_path.iterdir()] == ["folder"]


def test_a_budget_too_small_names_the_cause() -> None:
    with pytest.raises(CapacityError, match="IPv4 address ranges") as caught:
        netpol.compile(*load(POLICIES, fixture()), memory_budget=200_000)
    assert "memory_budget" in str(caught.value)


@pytest.mark.parametrize("limit", [3, 9])
def test_more_peer_classes_than_ids_are_refused(
    monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """Local classes are 16 bits wide in the pages: one more must not wrap round to another's."""
    peers = [{"ipBlock": {"cidr": f"20.{i}.0.0/16"}} for i in range(6)]
    rules = [{"from": [peer]} for peer in peers]  # 6 classes of addresses, and none of them
    read = load([policy("x", {"podSelector": {}, "ingress": rules}, "many")], fixture())
    monkeypatch.setattr("netpol.compiler.rows.sides.MAX_LOCALS", limit)
    if limit > 6:
        assert netpol.compile(*read).evaluate(COLUMNS).counts()["deny"] == 3
    else:
        with pytest.raises(CapacityError, match=r"x/many.*7 classes of peers apart"):
            netpol.compile(*read)


def test_more_cases_than_can_be_decided_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many rules on one subject, each with peers and ports of its own, multiply."""
    rules = [
        {
            "from": [{"ipBlock": {"cidr": f"20.{i}.0.0/16"}}],
            "ports": [{"protocol": "TCP", "port": i + 1}],
        }
        for i in range(50)
    ]
    read = load([policy("x", {"podSelector": {}, "ingress": rules}, "many")], fixture())
    # Two classes of labels (as of any row); a port tells its own CIDR from the others: 2 x 2 x 50
    # cases, and two each on other ports and on other protocols.
    monkeypatch.setattr("netpol.compiler.rows.sides.MAX_CASES", 204)
    assert netpol.compile(*read).evaluate(COLUMNS).counts()["deny"] == 3
    monkeypatch.setattr("netpol.compiler.rows.sides.MAX_CASES", 203)
    with pytest.raises(CapacityError, match=r"x/many.*cases of peer and port"):
        netpol.compile(*read)


def test_an_unknown_switch_value_is_refused() -> None:
    with pytest.raises(ConfigError, match="host_network"):
        netpol.compile(*load(POLICIES, fixture()), host_network="both")


def test_verdict_storage_is_reused(engine: netpol.Engine) -> None:
    first = engine.evaluate(COLUMNS)
    second = engine.evaluate(COLUMNS, out=first)
    assert second.verdict.base is first.verdict or second.verdict is first.verdict
    bigger = {name: values * 2 for name, values in COLUMNS.items()}
    assert labels(engine.evaluate(bigger, out=first)) == EXPECTED * 2


def test_an_empty_batch_gives_no_verdicts(engine: netpol.Engine) -> None:
    verdicts = engine.evaluate({name: values[:0] for name, values in COLUMNS.items()})
    assert len(verdicts) == 0
    assert verdicts.to_arrow().num_rows == 0
    assert verdicts.counts() == {"allow": 0, "deny": 0, "unknown": 0}


def test_missing_and_unreadable_columns_are_named(engine: netpol.Engine) -> None:
    with pytest.raises(FlowError, match="dst"):
        engine.evaluate({"src": ["10.0.0.1"], "protocol": ["tcp"]})
    with pytest.raises(FlowError, match="bad src address"):
        engine.evaluate({**COLUMNS, "src": ["10.0.0.1", "x", "10.0.0.1", "10.0.0.1"]})


@pytest.mark.parametrize("wide", [False, True])
def test_a_batch_is_judged_the_same_in_any_company(engine: netpol.Engine, wide: bool) -> None:
    """Block edges and the 16-byte path change nothing: 3000 rows against one at a time."""
    rng = np.random.default_rng(3)
    known = ["10.0.0.1", "10.0.0.2", "10.0.1.1", "192.168.0.1", "10.96.0.10", "8.8.8.8"]
    rows = [
        Flow(src=s, dst=d, protocol=6, dport=int(p))
        for s, d, p in zip(
            rng.choice(known, 3000), rng.choice(known, 3000), rng.choice([80, 81], 3000),
            strict=True,
        )
    ]  # fmt: skip
    if wide:
        rows.append(Flow(src="fd00::1", dst="2001:db8::8", protocol=6, dport=80))
    together = engine.evaluate(rows)
    alone = {row: engine.evaluate([row]) for row in set(rows)}
    for index, row in enumerate(rows):
        assert together.verdict[index] == alone[row].verdict[0], row
        assert together.ingress[index] == alone[row].ingress[0], row


def test_pods_with_two_addresses_of_a_family_still_reach_themselves() -> None:
    deny = policy("x", {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})
    twice = pod("x/a", "10.0.0.1", "10.9.0.1", labels={"pod": "a"})
    block = policy("x", "{podSelector: {}, egress: [{to: [{ipBlock: {cidr: 10.9.0.0/16}}]}]}", "b")
    engine = netpol.compile(*load([deny, block], fixture(twice)))
    verdicts = engine.evaluate([Flow(src="10.0.0.1", dst="10.9.0.1", protocol=6, dport=1)])
    assert Reason(int(verdicts.reason[0])) is Reason.SELF_TRAFFIC
