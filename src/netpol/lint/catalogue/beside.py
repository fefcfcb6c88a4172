"""Codes of what only shows beside a cluster: selectors, ports and ranges that miss."""

from __future__ import annotations

from netpol.lint.catalogue.rule import Rule, network_policy

__all__ = ["BESIDE"]

_WEB = "podSelector: {matchLabels: {app: web}}\n"
_EGRESS = _WEB + "policyTypes: [Egress]\n"

BESIDE = (
    Rule(
        "service-port",
        "warning",
        "a port of a rule is the port of a Service, and none of the pods listens on it",
        "Policies see a connection as the pod gets it: the Service's port has been replaced by its "
        "`targetPort` by then. In ingress rules the port is that of the selected pods, in egress "
        "rules that of the pods, or endpoints, of each peer. Nothing is said where the pods' own "
        "port is allowed as well. In the example, pods `app=web` listen on 8080 behind a Service "
        "on 80.",
        network_policy(_WEB + "ingress: [{ports: [{port: 80}]}]"),
        network_policy(_WEB + "ingress: [{ports: [{port: 8080}]}]"),
        "cluster",
    ),
    Rule(
        "selects-nothing",
        "warning",
        "`podSelector` or `subject` selects no pod of the cluster",
        "The policy does nothing: pods that it was meant for are not isolated. The message says "
        "where pods with these labels stand, if anywhere, and whether they are hostNetwork pods, "
        "which policies are not about.",
        network_policy("podSelector: {matchLabels: {app: wbe}}"),
        network_policy("podSelector: {matchLabels: {app: web}}"),
        "cluster",
    ),
    Rule(
        "peer-matches-nothing",
        "warning",
        "the selectors of a peer select no pod, namespace or node of the cluster",
        "A peer that matches nothing allows nothing. The codes below are for the reasons that are "
        "met most often; this one is for the rest.",
        network_policy(_WEB + "ingress: [{from: [{podSelector: {matchLabels: {app: prxoy}}}]}]"),
        network_policy(_WEB + "ingress: [{from: [{podSelector: {matchLabels: {app: proxy}}}]}]"),
        "cluster",
    ),
    Rule(
        "peer-is-host-network",
        "warning",
        "a peer matches only hostNetwork pods, which no selector selects",
        "Such a pod has its node's address, and its traffic is its node's: ingress controllers and "
        "node agents often run so. Only an `ipBlock` of the nodes' addresses lets them in. It "
        "seems to work for pods on the same node, which accept their own node anyway.",
        network_policy(
            _WEB
            + """ingress:
- from:
  - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress}}
"""
        ),
        network_policy(_WEB + "ingress: [{from: [{ipBlock: {cidr: 192.168.0.0/24}}]}]"),
        "cluster",
    ),
    Rule(
        "peer-in-other-namespace",
        "warning",
        "a `podSelector` without `namespaceSelector` matches no pod of its own namespace, but pods "
        "of others",
        "A `podSelector` alone is about the policy's own namespace. To mean pods of another, write "
        "a `namespaceSelector` into the same element.",
        network_policy(
            _WEB + "ingress: [{from: [{podSelector: {matchLabels: {app: prometheus}}}]}]"
        ),
        network_policy(
            _WEB
            + """ingress:
- from:
  - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}
    podSelector: {matchLabels: {app: prometheus}}
"""
        ),
        "cluster",
    ),
    Rule(
        "namespace-name-label",
        "warning",
        "a `namespaceSelector` demands a label with a namespace's name, which that namespace does "
        "not have",
        "Namespaces only have the labels that somebody gave them, and one that the API server "
        "gives: `kubernetes.io/metadata.name`. `name` is a custom of some clusters.",
        network_policy(
            _WEB + "ingress: [{from: [{namespaceSelector: {matchLabels: {name: monitoring}}}]}]"
        ),
        network_policy(
            _WEB
            + """ingress:
- from:
  - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}
"""
        ),
        "cluster",
    ),
    Rule(
        "undeclared-port-name",
        "warning",
        "no pod that could be meant declares a port of that name (and, in a NetworkPolicy, "
        "protocol)",
        "A name means what the containers of a pod declare, not what a Service calls its port. "
        "Nothing matches a name that nobody declares.",
        network_policy(_WEB + "ingress: [{ports: [{port: web}]}]"),
        network_policy(_WEB + "ingress: [{ports: [{port: http}]}]"),
        "cluster",
    ),
    Rule(
        "egress-without-dns",
        "warning",
        "pods are isolated for egress, may reach something, and may not ask the cluster's DNS",
        "Nearly everything is dialled by name, so what was allowed does not work, either. All "
        "policies of a pod count. Left out are pods that may reach nothing at all, or only single "
        "addresses; those with servers of their own (`dnsPolicy: None` or `Default`, or port 53 "
        "of an `ipBlock`); and those that a policy of the Admin tier lets through. Where a rule "
        "names the port but misses the DNS pods, the finding is at that rule.",
        network_policy(_EGRESS + "egress: [{to: [{podSelector: {matchLabels: {app: db}}}]}]"),
        network_policy(
            _EGRESS
            + """egress:
- to: [{podSelector: {matchLabels: {app: db}}}]
- to:
  - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
    podSelector: {matchLabels: {k8s-app: kube-dns}}
  ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
"""
        ),
        "cluster",
    ),
    Rule(
        "dns-node-local",
        "warning",
        "the cluster has node-local DNS, and DNS is only allowed by selectors",
        "Node-local DNS answers at an address of the node, 169.254.20.10 unless it is told "
        "otherwise. No selector selects it, so that pods that ask there need an `ipBlock`.",
        network_policy(
            _EGRESS
            + """egress:
- to: [{namespaceSelector: {}}]
  ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
"""
        ),
        network_policy(
            _EGRESS
            + """egress:
- to: [{namespaceSelector: {}}, {ipBlock: {cidr: 169.254.20.10/32}}]
  ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
"""
        ),
        "cluster",
    ),
    Rule(
        "ipblock-names-service",
        "warning",
        "the `ipBlock` or `networks` range holds service addresses, which policies never see",
        "A node replaces the address of a Service before the policy is asked. The message names "
        "the Service and what stands behind it: pods to select, or the addresses and ports of "
        "endpoints such as the API servers behind `default/kubernetes`. Nothing is said where the "
        "policy allows those as well.",
        network_policy(
            _EGRESS + "egress: [{to: [{ipBlock: {cidr: 10.96.0.1/32}}], ports: [{port: 443}]}]"
        ),
        network_policy(
            _EGRESS + "egress: [{to: [{ipBlock: {cidr: 192.168.0.9/32}}], ports: [{port: 6443}]}]"
        ),
        "cluster",
    ),
    Rule(
        "ipblock-over-pods",
        "warning",
        "the `ipBlock` or `networks` range covers addresses of pods, which change: select pods by "
        "their labels",
        "An address of a pod belongs to another pod tomorrow. A range that is meant for what is "
        "outside the cluster has an `except` for the pods.",
        network_policy(_WEB + "ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]"),
        network_policy(
            _WEB + "ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/16]}}]}]"
        ),
        "cluster",
    ),
    Rule(
        "ipblock-masqueraded",
        "warning",
        "an `ipBlock` for clients of a NodePort or LoadBalancer Service with "
        "`externalTrafficPolicy: Cluster`, which only show a node's address",
        "With that policy, which is the default, the node that takes a connection puts its own "
        "address in place of the client's, so the range never matches: clients are denied, or, "
        "where the nodes are allowed, all are let in. Set `externalTrafficPolicy: Local`, or "
        "filter at the load balancer (`loadBalancerSourceRanges`). Nothing is said of ranges with "
        "nodes or pods in them, nor where some rule lets the nodes in on that port.",
        network_policy(_WEB + "ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24}}]}]"),
        network_policy(
            _WEB
            + """ingress:
- from: [{ipBlock: {cidr: 203.0.113.0/24}}, {ipBlock: {cidr: 192.168.0.0/24}}]
"""
        ),
        "cluster",
    ),
    Rule(
        "one-address-family",
        "warning",
        "`0.0.0.0/0` without `::/0`, or the other way round, where the pods have addresses of both "
        "families",
        "Clients with both families try IPv6 first, so what was to be open is not, or only after "
        "a while. In a rule that denies, the other family stays open.",
        network_policy(_EGRESS + "egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]"),
        network_policy(
            _EGRESS + "egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}, {ipBlock: {cidr: '::/0'}}]}]"
        ),
        "cluster",
    ),
    Rule(
        "webhook-unreachable",
        "warning",
        "API servers call a Service whose pods are isolated for ingress, and no rule lets them in",
        "Admission and conversion webhooks and aggregated APIs are called by API servers, which no "
        "`podSelector` or `namespaceSelector` selects; every change that the webhook is asked "
        "about then waits and fails. Such Services are those that webhook configurations, "
        "APIServices and CustomResourceDefinitions in the snapshot name. If it has no webhook "
        "configuration, Services on 443 with `webhook` or `admission` in their name get a note; if "
        "it has no APIService, metrics servers do. An API server is taken to come in by a rule for "
        "the port without `from`, by an `ipBlock` of API servers or node ranges (by any, where the "
        "snapshot shows neither), through a konnectivity agent that is selected, and to pods on "
        "its own node.",
        network_policy(
            _WEB
            + """ingress:
- from: [{namespaceSelector: {}}]
  ports: [{port: 9443}]
"""
        ),
        network_policy(_WEB + "ingress: [{ports: [{port: 9443}]}]"),
        "cluster",
    ),
    Rule(
        "snapshot",
        "error",
        "what `--cluster` names cannot be used; or something about the cluster as read: workloads "
        "without pods, namespaces not given, objects read twice",
        "Without pods nothing can be looked up, which is an error; what is only incomplete is a "
        "warning, since findings then rest on what is there.",
        needs="cluster",
    ),
)
