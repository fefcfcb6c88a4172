"""The command line's DNS logs: counted in every summary, handed to the engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli_support import FLOWS, GUIDE, failure, process, replay
from netpol.cli.dns import names_domains
from netpol.kube.api.cluster_objects import (
    ClusterEgressPeer,
    ClusterEgressRule,
    ClusterNetworkPolicy,
    ClusterNetworkPolicySpec,
)
from netpol.kube.api.objects import Source
from netpol.kube.policies import LoadedClusterPolicy, PolicySet
from netpol.kube.snapshot import Snapshot

pytestmark = pytest.mark.usefixtures("in_examples")

DNS = "time,name,address,ttl\n,A.example.com.,9.9.9.9,60\n,a.example.com,::1,\n,b.org,,\n"


def test_dns_logs_are_counted_in_every_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "dns.csv"
    log.write_text(DNS + ",\x1b[2J.org,9.9.9.9,\n")
    result = replay("--dns", str(log))
    assert "--dns: no policy has domainNames" in result.stderr
    flat = " ".join(result.stdout.split())
    assert "DNS 3 records: 1 name with 2 addresses" in flat
    assert "1 name asked for whose answer was not seen" in flat
    assert "1 line skipped: bad name" in flat
    assert "\\x1b[2J.org" in flat
    assert "\x1b" not in result.stdout
    other = tmp_path / "other.csv"
    other.write_text(DNS)
    monkeypatch.setenv("NETPOL_DNS", f"{log}:{other}")
    counts = json.loads(replay("-o", "json", "-q").stdout)["dns"]
    assert {k: counts[k] for k in ("records", "lines", "names", "answers", "unanswered")} == {
        "records": 6, "lines": 7, "names": 1, "answers": 2, "unanswered": 1,
    }  # fmt: skip
    assert counts["skipped"] == {"bad name": 1}
    assert counts["samples"][0]["line"] == 5


def test_a_dns_log_on_stdin() -> None:
    words = ["replay", FLOWS, *GUIDE, "--dns", "-", "-o", "json"]
    result = process(*words, input=DNS.encode(), capture_output=True)
    assert json.loads(result.stdout)["dns"]["names"] == 1


def test_dns_logs_reach_the_engine_and_are_strict_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Snapshot] = []

    def fake_compile(policies: object, snapshot: Snapshot, **options: object) -> None:
        seen.append(snapshot)
        raise KeyboardInterrupt

    monkeypatch.setattr("netpol.compile", fake_compile, raising=False)
    log = tmp_path / "dns.csv"
    log.write_text(DNS)
    replay("--dns", str(log), "--strict")
    replay()
    assert seen[0].dns is not None
    assert {answer.name for answer in seen[0].dns.answers} == {"a.example.com"}
    assert seen[0].dns.asked == {"b.org"}
    assert seen[1].dns is None
    log.write_text(DNS + ",,9.9.9.9,\n")
    assert f"{log}:5: bad name" in failure(replay("--dns", str(log), "--strict", "-q"))


def test_which_policies_name_domains() -> None:
    def policies(*peers: ClusterEgressPeer) -> PolicySet:
        spec = ClusterNetworkPolicySpec(egress=[ClusterEgressRule(to=list(peers))])
        loaded = LoadedClusterPolicy(ClusterNetworkPolicy(spec=spec), Source("p.yaml", 1))
        return PolicySet(cluster_policies=(loaded,))

    assert names_domains(policies(ClusterEgressPeer(), ClusterEgressPeer(domain_names=["a.b"])))
    assert not names_domains(policies(ClusterEgressPeer(networks=["10.0.0.0/8"])))
    assert not names_domains(PolicySet())
