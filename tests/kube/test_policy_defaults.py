"""Specification A2 and A0.5: policies as the API server stores them."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_text import codes, stored

from netpol.kube.api.objects import (
    NetworkPolicy,
    NetworkPolicyIngressRule,
    NetworkPolicyPort,
    NetworkPolicySpec,
)
from netpol.kube.policies import policies_from_objects
from netpol.kube.validation.defaults import apply_defaults


def spec_of(text: str) -> NetworkPolicySpec:
    spec = stored(text).spec
    assert spec is not None
    return spec


@pytest.mark.parametrize(
    ("spec", "types"),
    [
        ("podSelector: {}", ["Ingress"]),
        ("policyTypes: []", ["Ingress"]),
        ("policyTypes: null", ["Ingress"]),
        ("egress: []", ["Ingress"]),
        ("egress: null", ["Ingress"]),
        ("egress: [{}]", ["Ingress", "Egress"]),
        ("egress: [null]", ["Ingress", "Egress"]),
        ("{ingress: [{}], egress: [{}]}", ["Ingress", "Egress"]),
        ("policyTypes: [Egress]", ["Egress"]),
        ("policyTypes: [Ingress, Ingress]", ["Ingress", "Ingress"]),
    ],
)
def test_a2_1_policy_types(spec: str, types: list[str]) -> None:
    assert spec_of(spec).policy_types == types


def test_a2_2_protocol() -> None:
    spec = spec_of("ingress: [{ports: [{}, {port: 53, protocol: UDP}]}]\negress: [{ports: [{}]}]")
    assert spec.ingress is not None
    assert spec.ingress[0] is not None
    assert spec.ingress[0].ports == [
        NetworkPolicyPort(protocol="TCP"),
        NetworkPolicyPort(protocol="UDP", port=53),
    ]
    assert spec.egress is not None
    assert spec.egress[0] is not None
    assert spec.egress[0].ports == [NetworkPolicyPort(protocol="TCP")]


def test_a2_3_namespace() -> None:
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"}
    plain = {**policy, "metadata": {"name": "p"}}
    assert policies_from_objects([plain]).policies[0].policy.metadata.namespace == "default"
    (asked,) = policies_from_objects([plain], namespace="shop").policies
    assert asked.policy.metadata.namespace == "shop"
    own = {**policy, "metadata": {"name": "p", "namespace": "own"}}
    (kept,) = policies_from_objects([own], namespace="shop").policies
    assert kept.policy.metadata.namespace == "own"


def test_a0_5_null_rule_allows_everything_and_is_warned_of() -> None:
    assert spec_of("ingress: [null]").ingress == [NetworkPolicyIngressRule()]
    assert codes("ingress: [null]") == ["null-element"]


def test_a0_5_null_port_is_every_tcp_port() -> None:
    spec = spec_of("ingress: [{ports: [null]}]")
    assert spec.ingress == [NetworkPolicyIngressRule(ports=[NetworkPolicyPort(protocol="TCP")])]
    assert codes("ingress: [{ports: [null]}]") == ["null-element"]


def test_a0_5_null_label_value_is_empty() -> None:
    selector = spec_of("podSelector: {matchLabels: {tier: }}").pod_selector
    assert selector is not None
    assert selector.match_labels == {"tier": ""}


def test_a0_5_null_value_in_a_list_of_values() -> None:
    text = "podSelector: {matchExpressions: [{key: a, operator: In, values: [b, null]}]}"
    selector = spec_of(text).pod_selector
    assert selector is not None
    assert selector.match_expressions is not None
    assert selector.match_expressions[0].values == ["b", ""]
    assert codes(text) == ["null-element"]


def test_a0_5_null_fields_are_absent() -> None:
    text = "{podSelector: null, policyTypes: null, ingress: [{from: null, ports: null}]}"
    assert spec_of(text).ingress == [NetworkPolicyIngressRule()]


_PORTS = st.none() | st.builds(
    dict, protocol=st.sampled_from([None, "TCP", "UDP"]), port=st.none() | st.integers(1, 9)
)
_PEERS = st.none() | st.just({}) | st.just({"podSelector": {}})


def _maybe_list(elements: st.SearchStrategy) -> st.SearchStrategy:
    return st.none() | st.lists(elements, max_size=3)


_SPECS = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "podSelector": st.none() | st.just({}),
        "policyTypes": _maybe_list(st.sampled_from(["Ingress", "Egress"])),
        "ingress": _maybe_list(
            st.none()
            | st.fixed_dictionaries(
                {}, optional={"from": _maybe_list(_PEERS), "ports": _maybe_list(_PORTS)}
            )
        ),
        "egress": _maybe_list(
            st.none()
            | st.fixed_dictionaries(
                {}, optional={"to": _maybe_list(_PEERS), "ports": _maybe_list(_PORTS)}
            )
        ),
    },
)


@given(_SPECS, st.sampled_from(["default", "shop"]))
def test_a2_6_defaulting_is_idempotent(spec: object, namespace: str) -> None:
    policy = msgspec.convert({"metadata": {"name": "p"}, "spec": spec}, NetworkPolicy)
    once = apply_defaults(policy, namespace)
    assert apply_defaults(once, "other") == once
    assert once.spec is not None
    assert once.spec.policy_types
    for rule in [*(once.spec.ingress or ()), *(once.spec.egress or ())]:
        assert rule is not None
        assert all(port is not None and port.protocol for port in rule.ports or ())
