"""Codes of cluster-scoped policies, seen alone."""

from __future__ import annotations

from netpol.lint.catalogue.rule import Rule, admin

__all__ = ["CLUSTER_WIDE"]

CLUSTER_WIDE = (
    Rule(
        "fail-closed",
        "warning",
        "a peer, or an element of `protocols` or `ports`, sets no known field: a rule that accepts "
        "matches nothing, one that denies or passes denies everything",
        "Implementations that do not know a field must not guess: they deny. So a field of another "
        "version of the API, or a misspelt one, turns a rule around.",
        admin(
            "ClusterNetworkPolicy",
            """
            tier: Admin
            priority: 1
            subject: {namespaces: {}}
            ingress: [{action: Accept, from: [{}]}]
            """,
        ),
        admin(
            "ClusterNetworkPolicy",
            """
            tier: Admin
            priority: 1
            subject: {namespaces: {}}
            ingress: [{action: Accept, from: [{namespaces: {}}]}]
            """,
        ),
    ),
    Rule(
        "port-range-order",
        "warning",
        "a v1alpha1 range whose `start` is not less than its `end`: equal, it is one port; "
        "greater, none",
        "The schema does not demand an order, so a range that is turned round is stored and "
        "matches nothing.",
        admin(
            "AdminNetworkPolicy",
            """
            priority: 1
            subject: {namespaces: {}}
            ingress:
            - action: Deny
              from: [{namespaces: {}}]
              ports: [{portRange: {protocol: TCP, start: 9000, end: 8000}}]
            """,
        ),
        admin(
            "AdminNetworkPolicy",
            """
            priority: 1
            subject: {namespaces: {}}
            ingress:
            - action: Deny
              from: [{namespaces: {}}]
              ports: [{portRange: {protocol: TCP, start: 8000, end: 9000}}]
            """,
        ),
    ),
    Rule(
        "mixed-apis",
        "warning",
        "AdminNetworkPolicy or BaselineAdminNetworkPolicy beside ClusterNetworkPolicy: nothing "
        "defines their order",
        "Both generations of the API have priorities, but nobody says which of them is asked "
        "first. Move all to one.",
    ),
    Rule(
        "namespace-ignored",
        "warning",
        "`metadata.namespace` on a policy that stands in no namespace",
        "The policy is about the whole cluster, whatever namespace it is written for.",
    ),
)
