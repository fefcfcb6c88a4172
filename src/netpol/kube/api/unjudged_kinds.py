"""Takes apiVersion and kind, says whether the object filters flows by rules netpol does not judge.

The table says of each API group which of its kinds are policies. Every other kind of such a group
(peers, pools, sets, identities, tiers ...) filters nothing by itself and is never an error. A
dialect that netpol learns to judge moves its kinds from here to ``kinds``.

Sources: the CustomResourceDefinitions and reference pages of each project, as they stood in 2026.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

__all__ = [
    "OWN_POLICY_GROUPS",
    "POLICY_SUFFIX",
    "UnjudgedKind",
    "group_of",
    "known_words",
    "plural_of",
    "unjudged_kind",
]

#: Kubernetes' own groups of policies, and where one may be written by mistake; see ``kinds``.
OWN_POLICY_GROUPS = frozenset(("networking.k8s.io", "policy.networking.k8s.io", "extensions", ""))
#: How policies for a network are named in any group; one that is not in the table is one, too.
POLICY_SUFFIX = "NetworkPolicy"


class UnjudgedKind(NamedTuple):
    """A kind of policy that netpol does not judge.

    Attributes
    ----------
    group : of its API, without a version; of several that hold the same objects, the first.
    kind : as manifests write it.
    title, plural : how a person calls one and several: with the product where the kind alone
        could be another's.
    needs : dotted fields of which one must be set, or have the value after "=", in any element of
        the lists on its way; else the object filters nothing.
    views : what names begin with under which the server shows other policies once more.
    alias : what a name may begin with in one of the groups and not in the other.
    """

    group: str
    kind: str
    title: str
    plural: str
    needs: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    alias: str = ""


class _Group(NamedTuple):
    """Which kinds of an API group are policies.

    ``product`` is put before kinds whose name does not say whose they are; ``inert`` end like a
    policy and are none; ``same_as`` is the group that holds the same objects.
    """

    product: str
    policies: tuple[str, ...]
    inert: tuple[str, ...] = ()
    needs: dict[str, tuple[str, ...]] = {}  # noqa: RUF012 - never changed
    same_as: str = ""


# Staged policies are evaluated for reports alone, and Profiles are what Calico makes of namespaces.
_CALICO = _Group(
    "Calico",
    ("NetworkPolicy", "GlobalNetworkPolicy"),
    ("StagedNetworkPolicy", "StagedGlobalNetworkPolicy", "StagedKubernetesNetworkPolicy"),
)
# The API server of Calico lists Kubernetes' own policies among its own, under such names.
_CALICO_VIEWS = ("knp.default.", "kanp.", "kbanp.", "kcnp.", "ossg.default.")
_NSX = _Group("NSX", ("SecurityPolicy",))

_GROUPS: dict[str, _Group] = {
    # https://docs.cilium.io/en/stable/network/kubernetes/policy/ - egress gateways and local
    # redirects route and translate; BGP, pools, endpoints and identities are bookkeeping.
    "cilium.io": _Group("Cilium", ("CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy")),
    # https://docs.tigera.io/calico/latest/reference/resources/
    "projectcalico.org": _CALICO,
    "crd.projectcalico.org": _CALICO._replace(same_as="projectcalico.org"),
    # https://antrea.io/docs/main/docs/antrea-network-policy/ - Egress and TrafficControl translate
    # and mirror.
    "crd.antrea.io": _Group("Antrea", ("NetworkPolicy", "ClusterNetworkPolicy")),
    # What Antrea's controller computes of policies of every kind, Kubernetes' own among them.
    "controlplane.antrea.io": _Group("Antrea", (), ("NetworkPolicy",)),
    # https://ovn-kubernetes.io/features/network-security-controls/ - AdminPolicyBasedExternalRoute,
    # EgressIP, EgressService and EgressQoS route, translate and mark.
    "k8s.ovn.org": _Group("OVN", ("EgressFirewall",)),
    # OpenShift SDN: https://docs.openshift.com/container-platform/4.12/networking/openshift_sdn/
    "network.openshift.io": _Group("OpenShift", ("EgressNetworkPolicy",)),
    # https://docs.openshift.com/container-platform/latest/networking/ (Ingress Node Firewall)
    "ingressnodefirewall.openshift.io": _Group("OpenShift", ("IngressNodeFirewall",)),
    # https://kubeovn.github.io/docs/stable/en/ (guide/subnet: ACLs, private; vpc/security-group;
    # vpc/vpc: policy routes, of which some drop)
    "kubeovn.io": _Group(
        "Kube-OVN",
        ("Subnet", "SecurityGroup", "Vpc"),
        needs={
            "Subnet": ("spec.acls", "spec.private"),
            "Vpc": ("spec.policyRoutes.action=drop",),
        },
    ),
    # https://github.com/vmware-tanzu/nsx-operator, build/yaml/crd (vpc and legacy)
    "crd.nsx.vmware.com": _NSX,
    "nsx.vmware.com": _NSX._replace(same_as="crd.nsx.vmware.com"),
    # https://open-docs.neuvector.com/policy/usingcrd - DLP, WAF, admission and response rules
    # judge payloads, images and events.
    "neuvector.com": _Group("NeuVector", ("NvSecurityRule", "NvClusterSecurityRule")),
    # https://docs.aws.amazon.com/eks/latest/userguide/security-groups-for-pods.html
    "vpcresources.k8s.aws": _Group("AWS", ("SecurityGroupPolicy",)),
    # https://docs.aws.amazon.com/eks/latest/userguide/cni-network-policy.html - (Cluster)
    # PolicyEndpoints are what a controller makes of policies, Kubernetes' own among them.
    "networking.k8s.aws": _Group("AWS", ("ApplicationNetworkPolicy", "ClusterNetworkPolicy")),
    # https://cloud.google.com/kubernetes-engine/docs/how-to/fqdn-network-policies
    "networking.gke.io": _Group("GKE", ("FQDNNetworkPolicy",)),
    # https://istio.io/latest/docs/reference/config/security/authorization-policy/ -
    # PeerAuthentication and RequestAuthentication say how peers prove who they are.
    "security.istio.io": _Group("Istio", ("AuthorizationPolicy",)),
    # https://linkerd.io/2/reference/authorization-policy/ and egress-network - a Server denies
    # what no authorization allows.
    "policy.linkerd.io": _Group(
        "Linkerd", ("Server", "ServerAuthorization", "AuthorizationPolicy", "EgressNetwork")
    ),
    # https://kuma.io/docs/latest/policies/meshtrafficpermission/
    "kuma.io": _Group("Kuma", ("MeshTrafficPermission", "TrafficPermission")),
    # https://developer.hashicorp.com/consul/docs/reference/config-entry/service-intentions
    "consul.hashicorp.com": _Group("Consul", ("ServiceIntentions",)),
    # https://github.com/servicemeshinterface/smi-spec (traffic access control)
    "access.smi-spec.io": _Group("SMI", ("TrafficTarget",)),
    # https://github.com/k8snetworkplumbingwg/multi-networkpolicy: of secondary networks
    "k8s.cni.cncf.io": _Group("Multus", ("MultiNetworkPolicy",)),
    # https://docs.aviatrix.com/ (Kubernetes firewall)
    "networking.aviatrix.com": _Group("Aviatrix", ("FirewallPolicy",)),
}

# Kinds whose name says whose they are, or that only one product has.
_TELLING = frozenset(
    ("EgressNetworkPolicy", "MultiNetworkPolicy", "FQDNNetworkPolicy", "MeshTrafficPermission")
)
_PRODUCT_IN_KIND = ("Cilium", "Nv")


def group_of(api_version: str) -> str:
    """Return the group of an apiVersion, "" for the core group."""
    group, slash, _ = api_version.rpartition("/")
    return group if slash else ""


def unjudged_kind(api_version: str, kind: str) -> UnjudgedKind | None:
    """Return what is known of a kind of policy that is not judged; None for anything else.

    Of a group that is not in the table, a kind that ends in ``NetworkPolicy`` is one. Kubernetes'
    own groups are for ``kinds`` to say.
    """
    name = group_of(api_version)
    group = _GROUPS.get(name)
    if group is None:
        if name in OWN_POLICY_GROUPS:
            return None
        return _unknown_group(name, kind) if kind.endswith(POLICY_SUFFIX) else None
    if kind not in group.policies and (not kind.endswith(POLICY_SUFFIX) or kind in group.inert):
        return None
    title = _title(group.product, kind)
    calico = group.product == "Calico"
    return UnjudgedKind(
        group.same_as or name,
        kind,
        title,
        plural_of(title),
        group.needs.get(kind, ()),
        _CALICO_VIEWS if calico else (),
        "default." if calico else "",
    )


def _unknown_group(group: str, kind: str) -> UnjudgedKind:
    of = f" of {group}" if kind == POLICY_SUFFIX else ""
    return UnjudgedKind(group, kind, kind + of, plural_of(kind) + of)


def _title(product: str, kind: str) -> str:
    told = kind in _TELLING or kind.startswith(_PRODUCT_IN_KIND) or kind.startswith(product)
    return kind if told else f"{product} {kind}"


def plural_of(word: str) -> str:
    """Return the plural of a kind."""
    if word.endswith(("s", "x")):
        return word
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"


def known_words() -> Iterator[str]:
    """Yield every word of the table that names kinds: ``Kind``, ``Kind.group`` and ``group``."""
    for name, group in _GROUPS.items():
        if group.policies:
            yield name
        for kind in group.policies:
            yield kind
            yield f"{kind}.{name}"
