"""Codes of what shows in a policy alone: as it is written, or in what its rules say."""

from __future__ import annotations

from netpol.lint.catalogue.rule import Rule, network_policy

__all__ = ["RULES_ALONE", "WRITTEN"]

WRITTEN = (
    Rule(
        "egress-isolates-ingress",
        "warning",
        "egress rules without `policyTypes` also isolate the selected pods for ingress, and no "
        "ingress rule lets anything in",
        "The API server fills in `policyTypes: [Ingress, Egress]`, so a policy that was meant for "
        "egress alone denies all that comes in.",
        network_policy("podSelector: {}\negress: [{to: [{podSelector: {}}]}]"),
        network_policy(
            "podSelector: {}\npolicyTypes: [Egress]\negress: [{to: [{podSelector: {}}]}]"
        ),
    ),
    Rule(
        "empty-port-is-tcp",
        "warning",
        "`ports: [{}]` means every TCP port, not every port and protocol",
        "An element of `ports` without a protocol is TCP. Leave `ports` out to mean all.",
        network_policy("podSelector: {}\ningress: [{from: [{podSelector: {}}], ports: [{}]}]"),
        network_policy("podSelector: {}\ningress: [{from: [{podSelector: {}}]}]"),
    ),
    Rule(
        "null-element",
        "warning",
        "a null list element or label counts as an empty one; an empty rule allows everything",
        "A hyphen with nothing after it, often left by a template or a comment, is an element: as "
        "a rule it allows everything.",
        network_policy("podSelector: {}\ningress:\n-\n- from: [{podSelector: {}}]"),
        network_policy("podSelector: {}\ningress:\n- from: [{podSelector: {}}]"),
    ),
    Rule(
        "legacy-cidr",
        "warning",
        "a CIDR that servers from 1.36 refuse: leading zeros, IPv4-mapped, or bits set beyond the "
        "prefix",
        "Old servers read it, others read it differently, and new ones refuse it.",
        network_policy("podSelector: {}\ningress: [{from: [{ipBlock: {cidr: 203.0.113.7/24}}]}]"),
        network_policy("podSelector: {}\ningress: [{from: [{ipBlock: {cidr: 203.0.113.0/24}}]}]"),
    ),
    Rule(
        "unknown-field",
        "warning",
        "with `--unknown-fields warn`: a field that is left out",
        "What the field was meant to say is not said: without a selector that is misspelt, more "
        "is selected than was meant.",
    ),
)

RULES_ALONE = (
    Rule(
        "inert-rules",
        "warning",
        "rules of a direction that `policyTypes` does not list have no effect",
        "The rules are stored and do nothing: pods are not isolated for that direction, so "
        "everything else is allowed there, too.",
        network_policy(
            """
            podSelector: {}
            policyTypes: [Ingress]
            egress: [{to: [{podSelector: {}}]}]
            """
        ),
        network_policy(
            """
            podSelector: {}
            policyTypes: [Ingress, Egress]
            egress: [{to: [{podSelector: {}}]}]
            """
        ),
    ),
    Rule(
        "or-not-and",
        "warning",
        "`namespaceSelector` and `podSelector` stand in neighbouring elements: either may match, "
        "not both must",
        "A list element that begins with its own hyphen is an alternative. Two of them allow every "
        "pod of those namespaces, and these pods of the policy's own namespace. Without a cluster "
        "nobody can tell what was meant, so this is a note, save where the `podSelector` names the "
        "cluster's DNS. With `--cluster` it is a warning where such pods stand in those namespaces "
        "and not in the policy's own; a note where both have some; and nothing where only the "
        "policy's own namespace has.",
        network_policy(
            """
            podSelector: {matchLabels: {app: web}}
            policyTypes: [Egress]
            egress:
            - to:
              - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
              - podSelector: {matchLabels: {k8s-app: kube-dns}}
            """
        ),
        network_policy(
            """
            podSelector: {matchLabels: {app: web}}
            policyTypes: [Egress]
            egress:
            - to:
              - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
                podSelector: {matchLabels: {k8s-app: kube-dns}}
            """
        ),
    ),
    Rule(
        "split-rule",
        "warning",
        "a rule with only ports beside a rule with only peers: each opens more than both would in "
        "one",
        "With one hyphen too many, `ports` becomes a rule of its own: the first then allows its "
        "peers on every port, the second allows everybody on its ports. It is a note where the "
        "ports come first, and nothing where they are those of DNS.",
        network_policy(
            """
            podSelector: {matchLabels: {app: web}}
            ingress:
            - from: [{podSelector: {matchLabels: {app: proxy}}}]
            - ports: [{port: 8080}]
            """
        ),
        network_policy(
            """
            podSelector: {matchLabels: {app: web}}
            ingress:
            - from: [{podSelector: {matchLabels: {app: proxy}}}]
              ports: [{port: 8080}]
            """
        ),
    ),
    Rule(
        "empty-list",
        "warning",
        "`from`, `to` or `ports` is written without an element, which means all, not none",
        "It looks as if nobody were allowed. It is often left where all elements were commented "
        "out, or where a template had none to write. To allow nobody, leave out the whole rule; to "
        "allow everybody, leave out the list.",
        network_policy("podSelector: {matchLabels: {app: web}}\ningress:\n- from: []"),
        network_policy("podSelector: {matchLabels: {app: web}}\ningress: []"),
    ),
    Rule(
        "allows-everything",
        "warning",
        "an empty rule allows everything in its direction",
        "Policies only add to each other: where one has an empty rule, no other restricts these "
        "pods. A warning where other rules stand beside it, which it makes useless; a note where "
        "it is alone, as in a policy that is meant to allow all.",
        network_policy(
            """
            podSelector: {matchLabels: {app: web}}
            ingress:
            - from: [{podSelector: {matchLabels: {app: proxy}}}]
            - {}
            """
        ),
        network_policy(
            """
            podSelector: {matchLabels: {app: web}}
            ingress:
            - from: [{podSelector: {matchLabels: {app: proxy}}}]
            """
        ),
    ),
    Rule(
        "redundant-pod-selector",
        "warning",
        "a `podSelector` element beside `namespaceSelector: {}`, which already allows every pod",
        "Elements of a list are alternatives, so the `podSelector` narrows nothing. To require "
        "both, write them in one element.",
        network_policy(
            """
            podSelector: {}
            ingress:
            - from:
              - namespaceSelector: {}
              - podSelector: {matchLabels: {app: proxy}}
            """
        ),
        network_policy(
            """
            podSelector: {}
            ingress:
            - from:
              - namespaceSelector: {}
                podSelector: {matchLabels: {app: proxy}}
            """
        ),
    ),
    Rule(
        "except-covers-block",
        "warning",
        "`except` leaves nothing of the `ipBlock`",
        "A peer that matches nothing allows nothing.",
        network_policy(
            """
            podSelector: {}
            ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/9, 10.128.0.0/9]}}]}]
            """
        ),
        network_policy(
            """
            podSelector: {}
            ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/9]}}]}]
            """
        ),
    ),
    Rule(
        "dns-one-protocol",
        "warning",
        "DNS is allowed by UDP alone, or by TCP alone",
        "Resolvers ask by UDP, and ask again by TCP when an answer is too large: names with many "
        "addresses then fail now and then. With `--cluster` all policies of a pod count, without "
        "it those of the namespace.",
        network_policy(
            """
            podSelector: {}
            policyTypes: [Egress]
            egress: [{ports: [{port: 53, protocol: UDP}]}]
            """
        ),
        network_policy(
            """
            podSelector: {}
            policyTypes: [Egress]
            egress: [{ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]}]
            """
        ),
    ),
)
