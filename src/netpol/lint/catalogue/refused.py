"""Codes of what cannot be read, or what no API server would make work."""

from __future__ import annotations

from netpol.lint.catalogue.rule import Rule, admin, network_policy

__all__ = ["REFUSED", "STORED"]

REFUSED = (
    Rule(
        "manifest",
        "error",
        "not readable as a Kubernetes object: broken text, a wrong type, an unknown field, a "
        "duplicate key or object, a dialect or version that is not supported",
        "A field that nobody knows is refused by today's API servers and was left out by old ones: "
        "a policy with `podSelectors` would then select every pod. It is an error whatever is "
        "selected or ignored.",
        network_policy("podSelectors: {matchLabels: {app: web}}"),
        network_policy("podSelector: {matchLabels: {app: web}}"),
        silenced=False,
    ),
    Rule(
        "invalid",
        "error",
        "the API server would refuse the policy",
        "The message is the API server's. What it would not store cannot be judged, so it is an "
        "error whatever is selected or ignored.",
        network_policy("podSelector: {}\npolicyTypes: [ingress]"),
        network_policy("podSelector: {}\npolicyTypes: [Ingress]"),
        silenced=False,
    ),
)

STORED = (
    Rule(
        "invalid-selector",
        "error",
        "a label selector that cannot be read: a subject then selects nothing, a rule with such a "
        "peer cannot be used (as under `fail-closed`)",
        "The CRDs of cluster-scoped policies do not look into selectors, so a server stores an "
        "operator that does not exist.",
        admin(
            "ClusterNetworkPolicy",
            """
            tier: Admin
            priority: 1
            subject: {namespaces: {matchExpressions: [{key: team, operator: Is, values: [a]}]}}
            """,
        ),
        admin(
            "ClusterNetworkPolicy",
            """
            tier: Admin
            priority: 1
            subject: {namespaces: {matchExpressions: [{key: team, operator: In, values: [a]}]}}
            """,
        ),
    ),
    Rule(
        "invalid-port-name",
        "error",
        "a port name that no container port can have",
        "Names of container ports have at most 15 lower case letters, digits and hyphens, so a "
        "longer one matches nothing.",
        admin(
            "ClusterNetworkPolicy",
            """
            tier: Admin
            priority: 1
            subject: {namespaces: {}}
            ingress:
            - action: Deny
              from: [{namespaces: {}}]
              protocols: [{destinationNamedPort: HTTP}]
            """,
        ),
        admin(
            "ClusterNetworkPolicy",
            """
            tier: Admin
            priority: 1
            subject: {namespaces: {}}
            ingress:
            - action: Deny
              from: [{namespaces: {}}]
              protocols: [{destinationNamedPort: http}]
            """,
        ),
    ),
    Rule(
        "named-port-networks",
        "error",
        "a port name in a rule with `networks`, which have no named ports",
        "Only pods declare names for their ports. Write the number.",
        admin(
            "ClusterNetworkPolicy",
            """
            tier: Admin
            priority: 1
            subject: {namespaces: {}}
            egress:
            - action: Accept
              to: [{networks: [203.0.113.0/24]}]
              protocols: [{destinationNamedPort: http}]
            """,
        ),
        admin(
            "ClusterNetworkPolicy",
            """
            tier: Admin
            priority: 1
            subject: {namespaces: {}}
            egress:
            - action: Accept
              to: [{networks: [203.0.113.0/24]}]
              protocols: [{tcp: {destinationPort: {number: 80}}}]
            """,
        ),
    ),
    Rule(
        "domain-names-action",
        "error",
        "`domainNames` in a rule that does not accept",
        "Domain names can only be allowed: what a rule that denies does with them is left to the "
        "implementation.",
        admin(
            "ClusterNetworkPolicy",
            """
            tier: Admin
            priority: 1
            subject: {namespaces: {}}
            egress:
            - action: Deny
              to: [{domainNames: [example.com]}]
            """,
        ),
        admin(
            "ClusterNetworkPolicy",
            """
            tier: Admin
            priority: 1
            subject: {namespaces: {}}
            egress:
            - action: Accept
              to: [{domainNames: [example.com]}]
            """,
        ),
    ),
)
