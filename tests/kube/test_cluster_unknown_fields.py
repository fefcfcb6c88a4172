"""Nulls and unknown fields in cluster-scoped policies: B2.5, B7.4, and how mistakes are told."""

from __future__ import annotations

import pytest
from cluster_policy_text import (
    HTTP,
    TCP_FIELD,
    Value,
    banp,
    check,
    cnp,
    egress,
    fields,
    findings,
    ingress,
    ports,
)

from netpol.model.errors import ValidationError

PODS = {"namespaceSelector": {}, "podSelector": {}}


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"ingress": [None]}, "spec.ingress[0]"),
        ({"egress": [egress(), None]}, "spec.egress[1]"),
        ({"ingress": [{"action": "Deny", "from": [None]}]}, "spec.ingress[0].from[0]"),
        ({"ingress": [ingress(protocols=[None])]}, "spec.ingress[0].protocols[0]"),
        ({"egress": [egress(peer={"networks": [None]})]}, "spec.egress[0].to[0].networks[0]"),
        (
            {"subject": {"namespaces": {"matchLabels": {"a": None}}}},
            "spec.subject.namespaces.matchLabels.a",
        ),
        (
            {"subject": {"namespaces": {"matchExpressions": [None]}}},
            "spec.subject.namespaces.matchExpressions[0]",
        ),
    ],
)
def test_null_elements_are_refused(spec: Value, field: str) -> None:
    (error,) = check(cnp(**spec)).errors
    assert isinstance(error, ValidationError)
    assert error.location.field == field
    assert error.message == "ClusterNetworkPolicy/p: Invalid value: null: may not be null"


def test_null_fields_are_absent() -> None:
    policy = cnp(ingress=[ingress(protocols=None, name=None)])
    policy["spec"]["egress"] = None
    assert findings(policy) == []


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"subject": {"namespaces": {"matchLabel": {}}}}, "spec.subject.namespaces.matchLabel"),
        ({"subject": {"namespaces": {}, "nodes": {}}}, "spec.subject.nodes"),
        ({"ingress": [ingress(peer={"pod": {}})]}, "spec.ingress[0].from[0].pod"),
        (
            {"egress": [egress(peer={"pods": {**PODS, "podselector": {}}})]},
            "spec.egress[0].to[0].pods.podselector",
        ),
        (
            {"subject": {"namespaces": {"matchExpressions": [{"key": "a", "op": "In"}]}}},
            "spec.subject.namespaces.matchExpressions[0].op",
        ),
    ],
)
def test_b7_4_unknown_fields_in_selectors_are_never_left_out(spec: Value, field: str) -> None:
    for switch in ("error", "warn"):
        (error,) = check(cnp(**spec), unknown_fields=switch).errors
        assert error.location.field == field
        assert "something else would be selected" in error.message


def test_unknown_fields_elsewhere_are_left_out_when_asked() -> None:
    policy = cnp(colour="red", ingress=[ingress(protocols=[HTTP, {"icmp": {}}], form=[])])
    unknown = ["spec.colour", "spec.ingress[0].protocols[1].icmp", "spec.ingress[0].form"]
    assert sorted(map(str, fields(policy))) == sorted(unknown)
    found = findings(policy, unknown_fields="warn")
    assert sorted(found) == [
        ("warning", "fail-closed", "spec.ingress[0].protocols[1]"),
        *(("warning", "unknown-field", field) for field in sorted(unknown)),
    ]


def test_left_out_is_left_out_before_the_schema_is_checked() -> None:
    policy = ports(cnp, {"tcp": {"destinationPrt": {"number": 80}}})
    assert fields(policy, unknown_fields="warn") == [TCP_FIELD]


def test_every_mistake_is_given_with_its_class_and_label() -> None:
    result = check(cnp(priority=-1, ingress=[ingress("Log")]), banp("x"))
    assert result.policies == 0
    assert [type(error) for error in result.errors] == [ValidationError] * 3
    assert [error.message.partition(":")[0] for error in result.errors] == [
        "ClusterNetworkPolicy/p",
        "ClusterNetworkPolicy/p",
        "BaselineAdminNetworkPolicy/x",
    ]
