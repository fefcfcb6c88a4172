"""What each code of ``netpol check`` means, as docs/check.md has it: help texts of CI formats."""

from __future__ import annotations

__all__ = ["CHECK_CODES"]

CHECK_CODES = {
    "manifest": (
        "not readable as a Kubernetes object: broken text, a wrong type, an unknown field, a "
        "duplicate key or object, a dialect or version that is not supported"
    ),
    "invalid": "the API server would refuse the policy",
    "snapshot": (
        "what --cluster names cannot be used; or something about the cluster as read: workloads "
        "without pods, namespaces not given, objects read twice"
    ),
    "invalid-selector": (
        "a label selector that cannot be read: a subject then selects nothing, a rule with such a "
        "peer cannot be used (as under fail-closed)"
    ),
    "invalid-port-name": "a port name that no container port can have",
    "named-port-networks": "a port name in a rule with networks, which have no named ports",
    "domain-names-action": "domainNames in a rule that does not accept",
    "egress-isolates-ingress": (
        "egress rules without policyTypes also isolate the selected pods for ingress, and no "
        "ingress rule lets anything in"
    ),
    "empty-port-is-tcp": "ports: [{}] means every TCP port, not every port and protocol",
    "selects-namespace": (
        "a policy without spec or podSelector selects every pod of its namespace"
    ),
    "passed-over": (
        "(note) how much of directories holds no Kubernetes object, or is broken and names no "
        "policy"
    ),
    "read-twice": "(note) objects that were read before, the same",
    "stray-lines": (
        "lines before or between the objects that are none of a manifest, as 2>&1 makes them"
    ),
    "empty-file": "a file of a cluster's directory is empty",
    "null-element": (
        "a null list element or label counts as an empty one; an empty rule allows everything"
    ),
    "legacy-cidr": (
        "a CIDR that servers from 1.36 refuse: leading zeros, IPv4-mapped, or bits set beyond the "
        "prefix"
    ),
    "unknown-field": "with --unknown-fields warn: a field that is left out",
    "inert-rules": "rules of a direction that policyTypes does not list have no effect",
    "redundant-pod-selector": (
        "a podSelector element beside namespaceSelector: {}, which already allows every pod"
    ),
    "except-covers-block": "except leaves nothing of the ipBlock",
    "fail-closed": (
        "a peer, or an element of protocols or ports, sets no known field: a rule that accepts "
        "matches nothing, one that denies or passes denies everything"
    ),
    "port-range-order": (
        "a v1alpha1 range whose start is not less than its end: equal, it is one port; greater, "
        "none"
    ),
    "mixed-apis": (
        "AdminNetworkPolicy or BaselineAdminNetworkPolicy beside ClusterNetworkPolicy: nothing "
        "defines their order"
    ),
    "namespace-ignored": "metadata.namespace on a policy that stands in no namespace",
    "selects-nothing": "podSelector or subject selects no pod of the cluster",
    "peer-matches-nothing": (
        "the selectors of a peer select no pod, namespace or node of the cluster"
    ),
    "undeclared-port-name": (
        "no pod that could be meant declares a port of that name (and, in a NetworkPolicy, "
        "protocol)"
    ),
    "ipblock-names-service": (
        "the ipBlock or networks range holds service addresses, which policies never see"
    ),
    "ipblock-over-pods": (
        "the ipBlock or networks range covers addresses of pods, which change: select pods by "
        "their labels"
    ),
    "priority-tie": (
        "two cluster-scoped policies of one tier and priority decide differently for some pod, "
        "peer and port, of which an example is given: which is tried first is not defined. Once "
        "for each two policies"
    ),
    "shadowed-rule": (
        "a rule that matches something, but never decides: rules that come first always do. For a "
        "rule of a NetworkPolicy, rules of the Admin tier that deny"
    ),
    "unreachable-baseline": (
        "the same for a rule of the Baseline tier. As a note: NetworkPolicies isolate every pod "
        "that the policy selects for that direction, so that none of its rules is asked; it may "
        "be meant for pods to come"
    ),
    "redundant-rule": (
        "(note) all that a rule of a NetworkPolicy allows is allowed by other rules, which stay"
    ),
    "no-namespace": (
        "NetworkPolicies that name no namespace, taken to be in that of --namespace: a warning if "
        "a kustomization beside them may set another, or that namespace has no pods in the "
        "cluster, else a note"
    ),
    "unknown-namespace": (
        "NetworkPolicies in a namespace that is not in the snapshot, once for each namespace"
    ),
    "not-judged": (
        "(note) policies of a dialect that is not judged, among the policies or in the cluster: "
        "what they deny is not known here"
    ),
    "capacity": "the policies are more than can be compiled, so none of this was looked for",
}
