"""Policies as careful people write them: none of them may be warned of, with a cluster or without.

They have the shapes of what is recommended everywhere: deny all, allow from an application, from a
namespace, from outside, DNS first, everything inside, nothing but the internet.
"""

from __future__ import annotations

import pytest
from lint_support import CLUSTER, alone, beside, pod, policy, service, warned

DNS_RULE = """
- to:
  - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
    podSelector: {matchLabels: {k8s-app: kube-dns}}
  ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
"""
DNS_ANYWHERE = "- ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]\n"
GOOD = {
    "deny all ingress of a namespace": "podSelector: {}",
    "deny all, both directions": "{podSelector: {}, policyTypes: [Ingress, Egress]}",
    "deny all egress": "{podSelector: {}, policyTypes: [Egress], egress: []}",
    "deny to an application": "{podSelector: {matchLabels: {app: web}}, ingress: []}",
    "allow all ingress": "{podSelector: {matchLabels: {app: web}}, ingress: [{}]}",
    "allow all egress": "{podSelector: {}, policyTypes: [Egress], egress: [{}]}",
    "from an application": """
        podSelector: {matchLabels: {app: db}}
        ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]
        """,
    "from the namespace itself": """
        podSelector: {matchLabels: {}}
        ingress: [{from: [{podSelector: {}}]}]
        """,
    "from every namespace": """
        podSelector: {matchLabels: {app: web}}
        ingress: [{from: [{namespaceSelector: {}}]}]
        """,
    "from a namespace by its name": """
        podSelector: {matchLabels: {app: web}}
        ingress:
        - from:
          - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}
          ports: [{port: 9090}]
        """,
    "from a namespace by a label": """
        podSelector: {matchLabels: {app: db}}
        ingress: [{from: [{namespaceSelector: {matchLabels: {team: shop}}}]}]
        """,
    "from some pods in another namespace": """
        podSelector: {matchLabels: {app: web}}
        ingress:
        - from:
          - namespaceSelector: {matchLabels: {team: infra}}
            podSelector: {matchLabels: {app: prometheus}}
        """,
    "from outside": """
        podSelector: {matchLabels: {app: web}}
        ingress: [{ports: [{port: 8080}]}]
        """,
    "from several applications": """
        podSelector: {matchLabels: {app: db}}
        ingress:
        - from:
          - podSelector: {matchLabels: {app: web}}
          - podSelector: {matchLabels: {app: proxy}}
        """,
    "from the application itself": """
        podSelector: {matchLabels: {app: db}}
        ingress: [{from: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: 5432}]}]
        """,
    "a port by its name": """
        podSelector: {matchLabels: {app: web}}
        ingress: [{ports: [{port: http}]}]
        """,
    "both ports, to be sure": """
        podSelector: {matchLabels: {app: web}}
        ingress: [{ports: [{port: 80}, {port: 8080}]}]
        """,
    "this application, or all pods of a namespace": """
        podSelector: {matchLabels: {app: db}}
        ingress:
        - from:
          - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}
          - podSelector: {matchLabels: {app: web}}
          ports: [{port: 5432}]
        """,
    "a range, a namespace, or pods": """
        podSelector: {matchLabels: {app: db}}
        policyTypes: [Ingress]
        ingress:
        - from:
          - ipBlock: {cidr: 172.17.0.0/16, except: [172.17.1.0/24]}
          - namespaceSelector: {matchLabels: {team: data}}
          - podSelector: {matchLabels: {app: web}}
          ports: [{port: 5432}]
        """,
    "DNS and the database": f"""
podSelector: {{matchLabels: {{app: web}}}}
policyTypes: [Egress]
egress:
{DNS_RULE}
- to: [{{podSelector: {{matchLabels: {{app: db}}}}}}]
  ports: [{{port: 5432}}]
""",
    "DNS anywhere, and the cluster alone": f"""
podSelector: {{matchLabels: {{app: web}}}}
policyTypes: [Egress]
egress:
{DNS_ANYWHERE}
- to: [{{namespaceSelector: {{}}}}]
""",
    "DNS alone": f"""
podSelector: {{}}
policyTypes: [Egress]
egress:
{DNS_ANYWHERE}
""",
    "the internet, but not the cluster": f"""
podSelector: {{matchLabels: {{app: web}}}}
policyTypes: [Egress]
egress:
{DNS_RULE}
- to: [{{ipBlock: {{cidr: 0.0.0.0/0, except: [10.0.0.0/8, 192.168.0.0/16]}}}}]
""",
    "everything inside": """
        podSelector: {}
        policyTypes: [Ingress, Egress]
        ingress: [{from: [{namespaceSelector: {}}]}]
        egress: [{to: [{namespaceSelector: {}}]}]
        """,
    "one address outside, which needs no name": """
        podSelector: {matchLabels: {app: web}}
        policyTypes: [Egress]
        egress: [{to: [{ipBlock: {cidr: 203.0.113.9/32}}], ports: [{port: 5432}]}]
        """,
    "the API server by its endpoints": f"""
podSelector: {{matchLabels: {{app: web}}}}
policyTypes: [Egress]
egress:
{DNS_RULE}
- to: [{{ipBlock: {{cidr: 192.168.0.9/32}}}}]
  ports: [{{port: 6443}}]
""",
    "the API server, both ways": f"""
podSelector: {{matchLabels: {{app: web}}}}
policyTypes: [Egress]
egress:
{DNS_RULE}
- to: [{{ipBlock: {{cidr: 10.96.0.1/32}}}}, {{ipBlock: {{cidr: 192.168.0.9/32}}}}]
  ports: [{{port: 443}}, {{port: 6443}}]
""",
    "ports of a range": f"""
podSelector: {{matchLabels: {{app: web}}}}
policyTypes: [Egress]
egress:
{DNS_RULE}
- to: [{{podSelector: {{}}}}]
  ports: [{{port: 1024, endPort: 65535}}]
""",
}
WEBHOOK = "podSelector: {matchLabels: {app: webhook}}\n"
GOOD_ELSEWHERE = {
    "a webhook open to everybody": ("certs/p", WEBHOOK + "ingress: [{ports: [{port: 10250}]}]"),
    "a webhook open to API servers": (
        "certs/p",
        WEBHOOK + "ingress: [{from: [{ipBlock: {cidr: 192.168.0.9/32}}]}]",
    ),
    "a gateway open to everybody": (
        "edge/p",
        "{podSelector: {matchLabels: {app: gateway}}, ingress: [{ports: [{port: 8000}]}]}",
    ),
    "a headless Service": (
        "data/p",
        "{podSelector: {matchLabels: {app: cache}}, ingress: [{ports: [{port: 6379}]}]}",
    ),
    "a range in front of a ClusterIP Service": (
        "data/p",
        "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{ipBlock: "
        "{cidr: 203.0.113.0/24}}]}]}",
    ),
    "egress of DNS itself": (
        "kube-system/p",
        "{podSelector: {matchLabels: {k8s-app: kube-dns}}, policyTypes: [Egress], egress: "
        "[{to: [{ipBlock: {cidr: 203.0.113.0/24}}]}]}",
    ),
}


@pytest.mark.parametrize("spec", GOOD.values(), ids=GOOD)
def test_nothing_is_said_of_good_policies(spec: str) -> None:
    assert warned(beside(policy(spec))) == []
    assert warned(alone(policy(spec))) == []


@pytest.mark.parametrize(("place", "spec"), GOOD_ELSEWHERE.values(), ids=GOOD_ELSEWHERE)
def test_nothing_is_said_of_good_policies_elsewhere(place: str, spec: str) -> None:
    assert warned(beside(policy(spec, place))) == []
    assert warned(alone(policy(spec, place))) == []


def test_nothing_is_said_of_policies_that_are_only_good_together() -> None:
    deny = policy("{podSelector: {}, policyTypes: [Ingress, Egress]}", "shop/deny")
    dns = policy(f"podSelector: {{}}\npolicyTypes: [Egress]\negress:\n{DNS_RULE}", "shop/dns")
    web = policy(
        "{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], "
        "egress: [{to: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: 5432}]}]}",
        "shop/web",
    )
    assert warned(beside(deny, dns, web)) == []
    assert warned(alone(deny, dns, web)) == []


def test_nothing_is_said_of_a_name_that_only_sounds_like_a_webhook() -> None:
    # Called from outside, on another port: no API server ever calls it.
    cluster = [each for each in CLUSTER if each["kind"] != "ValidatingWebhookConfiguration"]
    cluster += [
        pod("shop/hooks", "10.0.1.90", {"app": "hooks"}, "http=8080"),
        service("shop/payment-webhook", "10.96.0.90", {"app": "hooks"}, "80:http"),
    ]
    spec = "{podSelector: {matchLabels: {app: hooks}}, ingress: [{from: [{podSelector: {}}]}]}"
    assert beside(policy(spec), cluster=cluster) == []
