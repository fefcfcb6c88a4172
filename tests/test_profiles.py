"""Profiles: sets of switches with a source each, which what is set explicitly overrides."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import netpol
from netpol.flows.reader import open_flows
from netpol.model.errors import ConfigError
from netpol.model.profiles import PROFILES, switches_of, values
from netpol.model.switches import Switches

DATA = Path(__file__).parent / "data" / "profiles"
SEMANTICS = Path(__file__).parent.parent / "docs" / "semantics.md"

#: Verdicts of the rows of flows.csv: allow, deny, unknown.
ROWS = {
    "spec": "daaaaudd" + "ad",
    "calico": "aadaaudaad",
    "cilium": "daadd" + "udd" + "ad",
    "kube-network-policies": "ddaaadddad",
    "ovn": "daaaau" + "ad" + "ad",
}


def test_spec_is_the_defaults() -> None:
    assert values("spec") == {}
    assert switches_of("spec") == Switches()


@pytest.mark.parametrize("name", PROFILES)
def test_every_setting_is_a_value_and_has_a_source(name: str) -> None:
    profile = PROFILES[name]
    assert Switches(**values(name)) == switches_of(name)
    assert all(setting.source for setting in profile.settings.values())
    # These decide how policies are read, which both profiles of a comparison share.
    assert not {"strict_cidr", "unknown_fields", "node_addresses"} & set(profile.settings)


def test_overrides_win() -> None:
    assert switches_of("cilium").ipblock_scope == "non-cluster"
    chosen = switches_of("cilium", ipblock_scope="any", host_network="pod")
    assert (chosen.ipblock_scope, chosen.host_network) == ("any", "pod")
    with pytest.raises(ConfigError, match="'antrea' is not one of spec, calico"):
        switches_of("antrea")
    with pytest.raises(ConfigError, match="ipblock_scope"):
        switches_of("spec", ipblock_scope="all")


@pytest.mark.parametrize("name", PROFILES)
def test_each_profile_judges_the_cluster_made_for_it(name: str) -> None:
    """Vectors 41, 52, 70, 71, 80, 31 and 110 as each implementation is said to judge them."""
    engine = netpol.compile(
        netpol.read_policies(DATA / "policies.yaml"),
        netpol.read_snapshot(DATA / "cluster.yaml"),
        **values(name),
    )
    (batch,) = open_flows(DATA / "flows.csv")
    assert "".join("adu"[code] for code in engine.evaluate(batch).verdict) == ROWS[name]


def test_the_documentation_has_every_setting_with_its_source() -> None:
    page = " ".join(SEMANTICS.read_text(encoding="utf-8").split())
    for name, profile in PROFILES.items():
        assert f"**`{name}`**" in page
        for switch, setting in profile.settings.items():
            assert f"`{switch}={setting.value}` ({setting.source})" in page
        for line in profile.beyond:
            assert line in page
    (table,) = re.findall(r"\| switch \| spec \|.*?\n\n", SEMANTICS.read_text(), re.DOTALL)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.split("\n") if line]
    header, body = rows[0][1:], rows[2:]
    assert header == list(PROFILES)
    found = {row[0].strip("`"): row[1:] for row in body}
    named = {switch for profile in PROFILES.values() for switch in profile.settings}
    assert set(found) == named
    for switch, cells in found.items():
        expected = [
            PROFILES[name].settings[switch].value
            if switch in PROFILES[name].settings
            else (str(getattr(Switches(), switch)) if name == "spec" else "")
            for name in header
        ]
        assert cells == expected, switch
