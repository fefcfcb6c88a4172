"""The command line's profiles: what overrides them, and what comparing two prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result

from cli_support import golden, run

pytestmark = pytest.mark.usefixtures("in_examples")

PROFILES = Path(__file__).parent / "data" / "profiles"


def in_profiles(monkeypatch: pytest.MonkeyPatch, *words: str) -> Result:
    monkeypatch.chdir(PROFILES)
    return run("replay", "flows.csv", "-c", "cluster.yaml", "-p", "policies.yaml", "-q", *words)


@pytest.mark.parametrize("width", [80, 120])
def test_compared_profiles(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    golden(
        f"profiles-{width}.txt",
        in_profiles(monkeypatch, "--compare-profiles", "cilium,calico", "--top", "4").stdout,
    )


def test_compared_profiles_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["--compare-profiles", "calico,cilium", "-o", "json", "--top", "2"]
    golden("profiles.json", in_profiles(monkeypatch, *words).stdout)


def test_compared_profiles_of_the_lab() -> None:
    dumps = ["lab/node1.conntrack.txt", "lab/node2.conntrack.txt", "--dedup"]
    lab = ["-c", "lab/cluster.json", "-p", "lab/policies", "--compare-profiles", "calico,ovn"]
    result = run("replay", *dumps, *lab)
    assert (result.exit_code, result.stderr) == (0, "")
    golden("lab-calico-ovn.txt", result.stdout)


def test_records_of_compared_profiles_and_the_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["--compare-profiles", "spec,ovn", "-o", "jsonl"]
    result = in_profiles(monkeypatch, *words)
    (row,) = map(json.loads, result.stdout.splitlines())
    assert (row["verdict_a"], row["verdict_b"], row["protocol"]) == ("deny", "allow", "gre")
    assert result.exit_code == 0
    assert in_profiles(monkeypatch, *words, "--fail-on", "differs").exit_code == 1
    same = [*words, "--other-protocols=unknown", "--fail-on", "differs"]  # set for both
    result = in_profiles(monkeypatch, *same)
    assert (result.exit_code, result.stdout) == (0, "")


def test_compared_profiles_say_that_nothing_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["--compare-profiles", "spec,ovn", "--other-protocols=unknown"]
    text = in_profiles(monkeypatch, *words).stdout
    assert "No flow gets another verdict." in text
    assert "The profiles have the same switches here" in text


def test_switches_set_anywhere_beat_the_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scope(*words: str) -> tuple[str, str]:
        summary = json.loads(in_profiles(monkeypatch, "-o", "json", *words).stdout)
        return summary["profile"], summary["switches"]["ipblock_scope"]

    assert scope() == ("spec", "any")
    assert scope("--profile", "cilium") == ("cilium", "non-cluster")
    assert scope("--profile", "cilium", "--ipblock-scope", "any") == ("cilium", "any")
    monkeypatch.setenv("NETPOL_PROFILE", "cilium")
    assert scope() == ("cilium", "non-cluster")
    assert scope("--profile", "calico") == ("calico", "any")
    monkeypatch.setenv("NETPOL_IPBLOCK_SCOPE", "any")
    assert scope() == ("cilium", "any")
    monkeypatch.delenv("NETPOL_IPBLOCK_SCOPE")
    settings = tmp_path / "netpol.toml"
    settings.write_text("ipblock-scope = 'non-pod'\n[replay]\nprofile = 'ovn'\n")
    monkeypatch.chdir(PROFILES)
    words = ["flows.csv", "-c", "cluster.yaml", "-p", "policies.yaml", "-o", "json", "-q"]
    for environment, profile in (("cilium", "cilium"), ("", "ovn")):
        monkeypatch.setenv("NETPOL_PROFILE", environment)
        summary = json.loads(run("--config", str(settings), "replay", *words).stdout)
        assert (summary["profile"], summary["switches"]["ipblock_scope"]) == (profile, "non-pod")
    compared = run("--config", str(settings), "replay", *words, "--compare-profiles", "spec,cilium")
    switches = json.loads(compared.stdout)["switches"]
    assert [each["switch"] for each in switches] == ["node_port_egress"]  # the scope is set


def test_the_table_names_the_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    first = in_profiles(monkeypatch, "--profile", "ovn").stdout.splitlines()[0]
    assert first == "1,023 flows judged against 3 policies and 6 pods, by profile ovn"
