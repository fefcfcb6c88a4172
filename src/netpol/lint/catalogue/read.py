"""Codes about what was read and what was not: files, namespaces, other dialects."""

from __future__ import annotations

from netpol.lint.catalogue.rule import Rule, network_policy

__all__ = ["READ"]

READ = (
    Rule(
        "selects-namespace",
        "warning",
        "a policy without `spec` or `podSelector` selects every pod of its namespace",
        "An absent selector is an empty one, and that selects all. Write `podSelector: {}` if all "
        "are meant; often a selector got lost, or was indented one step too far.",
        network_policy("policyTypes: [Ingress]"),
        network_policy("podSelector: {matchLabels: {app: web}}\npolicyTypes: [Ingress]"),
    ),
    Rule(
        "no-namespace",
        "warning",
        "NetworkPolicies that name no namespace, taken to be in that of `--namespace`: a warning "
        "if a kustomization beside them may set another, or that namespace has no pods in the "
        "cluster, else a note",
        "A policy governs the pods of its own namespace. One that is meant for another namespace "
        "selects nothing in the wrong one, and all its denials are missing. `kustomize build` and "
        "`helm template` write the namespace; `-n` says it.",
    ),
    Rule(
        "unknown-namespace",
        "warning",
        "NetworkPolicies in a namespace that is not in the snapshot, once for each namespace",
        "They select no pod, so they deny nothing there. The name may be misspelt, or the snapshot "
        "may not have all namespaces.",
        needs="cluster",
    ),
    Rule(
        "not-judged",
        "info",
        "(note) policies of a dialect that is not judged, among the policies or in the cluster: "
        "what they deny is not known here",
        "Allowed then means allowed by the policies that are judged. Among the policies such "
        "objects are refused unless `--ignore-kinds` names them.",
    ),
    Rule(
        "passed-over",
        "info",
        "(note) how much of directories holds no Kubernetes object, or is broken and names no "
        "policy",
        "Directories hold charts, settings and documentation, too. What is named on the command "
        "line is never passed over; `-o json` lists what was.",
    ),
    Rule(
        "read-twice",
        "info",
        "(note) objects that were read before, the same",
        "Bases and overlays often hold the same object. Render one overlay, and name that.",
    ),
    Rule(
        "stray-lines",
        "warning",
        "lines before or between the objects that are none of a manifest, as `2>&1` makes them",
        "They are left out. Write messages elsewhere: `2>/dev/null`.",
    ),
    Rule(
        "empty-file",
        "warning",
        "a file of a cluster's directory is empty",
        "The command that should have written it may have failed, and what it would have held is "
        "missing from the cluster.",
    ),
)
