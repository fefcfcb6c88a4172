"""Takes the name of a network plugin or evaluator, gives the switches that judge as it does.

Every value has a source. What is known of Calico, Cilium and kube-network-policies was found by
reading their source and issues, not by running them, and what of OVN-Kubernetes, in OpenShift's
documentation. A switch that a profile does not name keeps its default; what no switch can
reproduce is listed as ``beyond``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from netpol.model.errors import ConfigError
from netpol.model.switches import Switches

__all__ = ["PROFILES", "Profile", "Setting", "switches_of", "values"]


class Setting(NamedTuple):
    """The value of one switch and where it is known from."""

    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Profile:
    """What one implementation does where Kubernetes leaves it open.

    ``settings`` are by the switch's name; ``beyond`` tells what the implementation does otherwise
    that no switch reproduces.
    """

    description: str
    settings: Mapping[str, Setting] = field(default_factory=dict)
    beyond: tuple[str, ...] = ()


_SPEC = Profile("the specification's defaults")

_CALICO = Profile(
    "Calico, by reading its source",
    {
        "own_node_ingress": Setting(
            "allow", "Calico's documentation: a host always reaches its own pods"
        ),
        "own_node_egress": Setting(
            "enforce", "felix: egress policy first, then DefaultEndpointToHostAction"
        ),
        "node_port_egress": Setting(
            "node", "calico#9869: kube-proxy translates a node's port on that node, after the "
            "client's egress policies"
        ),
        "np_service_hairpin": Setting(
            "enforce", "cilium#13767: blocked unless a rule allows it; older versions at least"
        ),
        "other_protocols": Setting(
            "match-portless", "conversion of NetworkPolicy: a rule with ports carries a protocol"
        ),
        "named_port_init": Setting("all-init", "calico#8885: ports of every init container"),
        "cnp_tie": Setting("name-and-flag", "felix/calc/policy_sorter.go: the first by name"),
        "baseline_gate": Setting(
            "per-direction", "app-policy/checker/check.go: a tier without a policy for the "
            "direction is skipped"
        ),
    },
    (
        "After egress policy allows a pod its own node, DefaultEndpointToHostAction (Drop unless "
        "configured) still decides.",
        "A stored CIDR with leading zeros loses its peer in conversion: the rule matches "
        "everything.",
        "An empty entry of protocols in an admin rule matches everything.",
        "An admin rule with a nodes peer is left out if it accepts, and denies everything if not.",
        "Its eBPF dataplane can translate where a connection begins: set node_port_egress to "
        "backend.",
    ),
)  # fmt: skip

_CILIUM = Profile(
    "Cilium, by reading its documentation and issues",
    {
        "own_node_ingress": Setting("allow", "unless the agent runs with --allow-localhost=policy"),
        "node_port_egress": Setting(
            "backend", "calico#9869, documentation: its socket-level load balancer translates "
            "where a connection begins"
        ),
        "np_service_hairpin": Setting("allow", "network-policy-api#343"),
        "ipblock_scope": Setting(
            "non-cluster", "a CIDR matches nothing with an identity in the cluster, unless "
            "policy-cidr-match-mode says so"
        ),
        "other_protocols": Setting(
            "match-portless", "documentation: a rule for ports does not match ICMP"
        ),
    },
    (
        "policy-cidr-match-mode=nodes: set ipblock_scope to non-pod.",
        "Rules of a direction that policyTypes does not list are enforced (cilium#48703).",
        "In domainNames, *. stands for one label, not for one or more.",
        "Without its replacement of kube-proxy, ports of nodes are as with others: set "
        "node_port_egress to node.",
    ),
)  # fmt: skip

_KNP = Profile(
    "kube-network-policies, by reading its source",
    {
        "host_network": Setting("node", "its e2e test on node addresses of hostNetwork pods"),
        "own_node_ingress": Setting("allow", "exempt in its nftables rules, not in its evaluator"),
        "own_node_egress": Setting("enforce", "kube-network-policies#283"),
        "other_protocols": Setting(
            "match-portless", "no element of ports matches a protocol it does not know"
        ),
        "named_port_init": Setting("none", "its named ports are those of containers alone"),
        "cnp_tie": Setting("name-and-flag", "the first by name"),
        "baseline_gate": Setting(
            "any-direction", "a NetworkPolicy that selects the pod accepts in the direction it "
            "does not govern, and Baseline is skipped"
        ),
        "missing_namespace": Setting(
            "name-label-only", "no labels at all; the label of the name, kept here, is not there"
        ),
    },
    (
        "The evaluator has no exemption for a pod that talks to itself.",
        "A finished pod still owns its address if no running pod has it; status.podIP is not read.",
        "A CIDR that it cannot parse matches every address.",
        "An empty peer or entry of protocols never matches, also in a rule that denies.",
        "namedPort of AdminNetworkPolicy matches any port of a pod that declares the name.",
        "A nodes peer of AdminNetworkPolicy matches the pods on a node, not its addresses.",
    ),
)  # fmt: skip

_OVN = Profile(
    "OVN-Kubernetes, by OpenShift's documentation",
    {
        "host_network": Setting("node", "policies do not apply to the host network"),
        "own_node_ingress": Setting("allow", "policies cannot block traffic from the pod's node"),
        "other_protocols": Setting(
            "ignore", "policies apply to TCP, UDP, ICMP and SCTP; others are not affected"
        ),
    },
    (
        "namespaceSelector with an explicit podSelector: {} includes hostNetwork pods, "
        "namespaceSelector alone does not.",
    ),
)

PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        "spec": _SPEC,
        "calico": _CALICO,
        "cilium": _CILIUM,
        "kube-network-policies": _KNP,
        "ovn": _OVN,
    }
)


def values(name: str) -> dict[str, Any]:
    """Return switches a profile sets, as ``netpol.compile(..., **values("cilium"))`` takes them.

    Raises
    ------
    ConfigError
        There is no such profile.
    """
    if name not in PROFILES:
        raise ConfigError(f"profile: {name!r} is not one of {', '.join(PROFILES)}")
    return {switch: setting.value for switch, setting in PROFILES[name].settings.items()}


def switches_of(name: str, **overrides: Any) -> Switches:
    """Return all switches as a profile has them, except those that ``overrides`` names.

    Raises
    ------
    ConfigError
        There is no such profile, or a switch has no such value.
    """
    return Switches(**{**values(name), **overrides})
