"""Policies that are not judged: which they are, that each counts once, and that none is silent."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import yaml

import netpol
from netpol.kube.api.ignored_kinds import ignored_kinds
from netpol.kube.api.unjudged_kinds import unjudged_kind
from netpol.kube.policies import policies_from_objects, read_policies
from netpol.kube.snapshot import read_snapshot, snapshot_from_objects
from netpol.kube.unjudged import Unjudged
from netpol.model.errors import ConfigError, ManifestError

POLICY = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "p", "namespace": "shop"},
    "spec": {"podSelector": {}},
}
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "namespace": "shop"},
    "status": {"podIP": "10.0.0.1"},
}


def thing(version: str, kind: str, name: str = "x", **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop"}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


POLICIES = [
    ("cilium.io/v2", "CiliumNetworkPolicy", "CiliumNetworkPolicies"),
    ("cilium.io/v2", "CiliumClusterwideNetworkPolicy", "CiliumClusterwideNetworkPolicies"),
    ("projectcalico.org/v3", "NetworkPolicy", "Calico NetworkPolicies"),
    ("crd.projectcalico.org/v1", "GlobalNetworkPolicy", "Calico GlobalNetworkPolicies"),
    ("crd.antrea.io/v1beta1", "ClusterNetworkPolicy", "Antrea ClusterNetworkPolicies"),
    ("crd.antrea.io/v1beta1", "NetworkPolicy", "Antrea NetworkPolicies"),
    ("k8s.ovn.org/v1", "EgressFirewall", "OVN EgressFirewalls"),
    ("network.openshift.io/v1", "EgressNetworkPolicy", "EgressNetworkPolicies"),
    ("kubeovn.io/v1", "SecurityGroup", "Kube-OVN SecurityGroups"),
    ("crd.nsx.vmware.com/v1alpha1", "SecurityPolicy", "NSX SecurityPolicies"),
    ("nsx.vmware.com/v1alpha1", "SecurityPolicy", "NSX SecurityPolicies"),
    ("neuvector.com/v1", "NvSecurityRule", "NvSecurityRules"),
    ("neuvector.com/v1", "NvClusterSecurityRule", "NvClusterSecurityRules"),
    ("vpcresources.k8s.aws/v1beta1", "SecurityGroupPolicy", "AWS SecurityGroupPolicies"),
    ("networking.k8s.aws/v1alpha1", "ApplicationNetworkPolicy", "AWS ApplicationNetworkPolicies"),
    ("security.istio.io/v1", "AuthorizationPolicy", "Istio AuthorizationPolicies"),
    ("policy.linkerd.io/v1beta3", "Server", "Linkerd Servers"),
    ("consul.hashicorp.com/v1alpha1", "ServiceIntentions", "Consul ServiceIntentions"),
    ("example.com/v1", "MyNetworkPolicy", "MyNetworkPolicies"),
    ("example.com/v1", "NetworkPolicy", "NetworkPolicies of example.com"),
]

INERT = [
    ("cilium.io/v2alpha1", "CiliumBGPPeeringPolicy"),
    ("cilium.io/v2", "CiliumCIDRGroup"),
    ("cilium.io/v2", "CiliumEndpoint"),
    ("cilium.io/v2", "CiliumEgressGatewayPolicy"),
    ("cilium.io/v2", "CiliumLocalRedirectPolicy"),
    ("projectcalico.org/v3", "IPPool"),
    ("projectcalico.org/v3", "BGPPeer"),
    ("projectcalico.org/v3", "Tier"),
    ("projectcalico.org/v3", "GlobalNetworkSet"),
    ("projectcalico.org/v3", "StagedNetworkPolicy"),
    ("crd.projectcalico.org/v1", "StagedKubernetesNetworkPolicy"),
    ("crd.antrea.io/v1beta1", "Tier"),
    ("controlplane.antrea.io/v1beta2", "NetworkPolicy"),
    ("k8s.ovn.org/v1", "AdminPolicyBasedExternalRoute"),
    ("k8s.ovn.org/v1", "EgressQoS"),
    ("networking.k8s.aws/v1alpha1", "PolicyEndpoint"),
    ("networking.k8s.aws/v1alpha1", "ClusterPolicyEndpoint"),
    ("security.istio.io/v1", "PeerAuthentication"),
    ("neuvector.com/v1", "NvAdmissionControlSecurityRule"),
    ("example.com/v1", "SecurityPolicy"),
]


@pytest.mark.parametrize(("version", "kind", "plural"), POLICIES)
def test_policies_are_counted_in_the_cluster_and_refused_among_the_policies(
    version: str, kind: str, plural: str
) -> None:
    objects = [thing(version, kind, "a"), thing(version, kind, "b")]
    snapshot = snapshot_from_objects([POD, *objects])
    (count,) = snapshot.unjudged.counts
    assert (count.kind, count.count, count.text) == (kind, 2, f"2 {plural}")
    assert snapshot.unjudged.sentence().startswith(f"2 {plural} are not judged: allow means")
    with pytest.raises(ManifestError, match=r"not judged by netpol.*--ignore-kinds"):
        policies_from_objects([POLICY, *objects])
    for ignore in (True, "all", [kind], f"{kind}.{version.partition('/')[0]}", kind.lower()):
        read = policies_from_objects([POLICY, *objects], ignore_kinds=ignore)
        assert len(read) == 1
        assert read.unjudged.counts == (count.__class__(*_fields(count, "objects[1]")),)


def _fields(count: Any, file: str) -> tuple[Any, ...]:
    return (count.group, count.kind, count.count, file, 1, count.title, count.plural)


@pytest.mark.parametrize(("version", "kind"), INERT)
def test_what_is_no_policy_is_never_an_error(version: str, kind: str) -> None:
    objects = [thing(version, kind)]
    assert not snapshot_from_objects([POD, *objects]).unjudged
    read = policies_from_objects([POLICY, *objects])
    assert not read.unjudged
    assert read.ignored == {kind: 1}


def test_some_kinds_filter_only_with_certain_fields() -> None:
    def counted(kind: str, **spec: Any) -> bool:
        return bool(snapshot_from_objects([POD, thing("kubeovn.io/v1", kind, **spec)]).unjudged)

    assert not counted("Subnet", private=False, acls=[])
    assert counted("Subnet", private=True)
    assert counted("Subnet", acls=[{"action": "drop"}])
    assert not counted("Vpc", policyRoutes=[{"action": "reroute"}])
    assert counted("Vpc", policyRoutes=[{"action": "reroute"}, {"action": "drop"}])


def test_an_object_counts_once() -> None:
    twice = [
        thing("projectcalico.org/v3", "NetworkPolicy", "default.x"),
        thing("crd.projectcalico.org/v1", "NetworkPolicy", "default.x"),
        thing("crd.projectcalico.org/v1", "NetworkPolicy", "x"),
        thing("projectcalico.org/v3", "NetworkPolicy", "knp.default.p"),  # Kubernetes' own
    ]
    snapshot = snapshot_from_objects([POD, *twice])
    assert len(snapshot.unjudged) == 1
    read = policies_from_objects([POLICY, twice[1]], ignore_kinds=True)
    assert len(read.unjudged | snapshot.unjudged) == 1
    assert len(Unjudged() | snapshot.unjudged) == len(snapshot.unjudged | Unjudged()) == 1
    other = thing("projectcalico.org/v3", "NetworkPolicy", "y")
    assert len(snapshot.unjudged | snapshot_from_objects([POD, other]).unjudged) == 2


def test_without_a_name_each_object_counts() -> None:
    one = {"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy", "metadata": None}
    assert len(snapshot_from_objects([POD, one, one]).unjudged) == 2


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_lists_and_templates_are_looked_into(suffix: str, tmp_path: Path) -> None:
    firewall = thing("k8s.ovn.org/v1", "EgressFirewall")
    listed = {"apiVersion": "v1", "kind": "List", "items": [thing("cilium.io/v2", POLICIES[0][1])]}
    typed = {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicyList",
        "items": [{"metadata": {"name": "a"}}],
    }
    template = {
        "apiVersion": "template.openshift.io/v1",
        "kind": "Template",
        "metadata": {"name": "t"},
        "objects": [firewall, {"items": [thing("example.com/v1", "ANetworkPolicy")]}],
    }
    objects = [POD, listed, typed, template]
    path = tmp_path / f"all.{suffix}"
    dump = {"yaml": yaml.safe_dump_all, "json": lambda all_: "\n".join(map(json.dumps, all_))}
    path.write_text(dump[suffix](objects))
    kinds = {each.kind for each in read_snapshot(path).unjudged.counts}
    assert kinds == {
        "CiliumNetworkPolicy",
        "AuthorizationPolicy",
        "EgressFirewall",
        "ANetworkPolicy",
    }
    with pytest.raises(ManifestError, match=r"(?s)Cilium.*Authorization.*Firewall.*ANetworkPolicy"):
        read_policies(path)


def test_a_policy_in_a_template_is_never_skipped_in_silence() -> None:
    template = {"apiVersion": "v1", "kind": "Template", "objects": [POLICY]}
    with pytest.raises(ManifestError, match="oc process -f objects\\[1\\]"):
        policies_from_objects([POLICY, template])
    read = policies_from_objects([POLICY, template], ignore_kinds=True)
    assert read.unjudged.listed == "1 NetworkPolicy in a template"
    assert not snapshot_from_objects([POD, template]).unjudged


def test_the_first_place_is_named(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    two = [thing("cilium.io/v2", POLICIES[0][1], name) for name in "ab"]
    path.write_text(yaml.safe_dump_all([POD, *two]))
    (count,) = read_snapshot(path).unjudged.counts
    text = path.read_text().splitlines()
    assert count.file == str(path)
    assert text[: count.line].count("---") == 1


def test_sentences() -> None:
    one = snapshot_from_objects([POD, thing("cilium.io/v2", POLICIES[0][1])]).unjudged
    assert one.sentence() == (
        "1 CiliumNetworkPolicy is not judged: allow means allowed by the policies above"
    )
    objects = [thing("cilium.io/v2", POLICIES[0][1], str(i)) for i in range(12)]
    many = snapshot_from_objects([POD, *objects, thing("example.com/v1", "ANetworkPolicy")])
    assert many.unjudged.listed == "12 CiliumNetworkPolicies and 1 ANetworkPolicy"
    assert Unjudged().sentence() == ""
    assert not Unjudged()


def test_own_groups_are_not_in_the_table() -> None:
    assert not snapshot_from_objects([POD, POLICY]).unjudged
    assert unjudged_kind("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy") is None
    assert unjudged_kind("extensions/v1beta1", "NetworkPolicy") is None
    assert unjudged_kind("cilium.io/v2", "CiliumNetworkPolicy") is not None
    assert unjudged_kind("apps/v1", "Deployment") is None


@pytest.mark.parametrize("word", ["CiliumNetwrkPolicy", "cilium", "Pod", "NetworkPolicies.x y"])
def test_words_that_name_nothing_are_refused(word: str) -> None:
    if word.startswith("NetworkPolicies"):
        assert ignored_kinds(word).words == {"networkpolicy.x y"}
        return
    with pytest.raises(ConfigError, match="no kind of policy that netpol knows not to judge"):
        policies_from_objects([POLICY], ignore_kinds=[word])


def test_only_the_kinds_that_are_listed_may_be_there() -> None:
    calico = thing("projectcalico.org/v3", "NetworkPolicy")
    other = thing("crd.antrea.io/v1beta1", "NetworkPolicy")
    words = ("networkpolicies.projectcalico.org", "projectcalico.org", "NetworkPolicy")
    for word in words:
        assert policies_from_objects([POLICY, calico], ignore_kinds=word).unjudged
    for word in words[:2]:
        with pytest.raises(ManifestError, match=r"crd\.antrea\.io"):
            policies_from_objects([POLICY, calico, other], ignore_kinds=word)
    both = policies_from_objects([POLICY, calico, other], ignore_kinds="NetworkPolicy")
    assert len(both.unjudged) == 2
    with pytest.raises(ManifestError):
        policies_from_objects([POLICY, calico], ignore_kinds=False)


def test_engines_and_summaries_carry_them(tmp_path: Path) -> None:
    cilium, istio = (thing(version, kind) for version, kind, _ in (POLICIES[0], POLICIES[15]))
    policies = policies_from_objects([POLICY, cilium], ignore_kinds=True)
    snapshot = snapshot_from_objects([POD, cilium, istio])
    engine = netpol.compile(policies, snapshot)
    assert engine.unjudged.listed == "1 CiliumNetworkPolicy and 1 Istio AuthorizationPolicy"
    engine.save(tmp_path / "tables")
    for copy in (netpol.load(tmp_path / "tables"), pickle.loads(pickle.dumps(engine))):
        assert copy.unjudged.counts == engine.unjudged.counts
    flows = {"src": ["10.0.0.1"], "dst": ["10.0.0.2"], "protocol": [6], "dport": [80]}
    from netpol.flows.columns.normalise import batch_from
    from netpol.questions.coverage.coverage import coverage
    from netpol.questions.diff.exhaustive import exhaustive_diff
    from netpol.questions.reach.matrix import reachability
    from netpol.questions.replay.replay import replay

    plain = netpol.compile(policies_from_objects([POLICY]), snapshot_from_objects([POD]))
    batch = batch_from(flows)
    assert replay(engine, [batch]).unjudged == engine.unjudged
    assert coverage(policies, snapshot, [batch]).unjudged == engine.unjudged
    assert reachability(engine).unjudged == engine.unjudged
    assert netpol.diff(plain, engine, flows).unjudged == (plain.unjudged, engine.unjudged)
    assert exhaustive_diff(plain, engine).unjudged == (plain.unjudged, engine.unjudged)
    assert "not judged" in netpol.diff(plain, engine, flows)._repr_html_()
