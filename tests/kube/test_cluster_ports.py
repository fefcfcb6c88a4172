"""Specification B1.6, B2.3: what the CRDs refuse of protocols and ports."""

from __future__ import annotations

import pytest
from cluster_policy_text import HTTP, TCP_FIELD, Value, anp, banp, cnp, fields, ports


def test_b1_6_an_element_sets_one_field() -> None:
    both = {**HTTP, "udp": HTTP["tcp"]}
    assert fields(ports(cnp, both)) == ["spec.ingress[0].protocols[0]"]
    both = {"portNumber": {"port": 1}, "namedPort": "a"}
    assert fields(ports(anp, both)) == ["spec.ingress[0].ports[0]"]


@pytest.mark.parametrize(
    ("port", "field"),
    [
        ({}, ""),
        ({"number": 1, "range": {"start": 1, "end": 2}}, ""),
        ({"number": 0}, ".number"),
        ({"number": 1}, None),
        ({"number": 65535}, None),
        ({"number": 65536}, ".number"),
        ({"range": {"start": 1, "end": 65535}}, None),
        ({"range": {"start": 0, "end": 2}}, ".range.start"),
        ({"range": {"start": 1, "end": 65536}}, ".range.end"),
        ({"range": {"start": 1}}, ".range.end"),
        ({"range": {"end": 1}}, ".range.start"),
    ],
)
@pytest.mark.parametrize("protocol", ["tcp", "udp", "sctp"])
def test_b1_6_destination_port(protocol: str, port: Value, field: str | None) -> None:
    path = TCP_FIELD.replace("tcp", protocol)
    found = fields(ports(cnp, {protocol: {"destinationPort": port}}))
    assert found == ([] if field is None else [path + field])


@pytest.mark.parametrize(
    ("element", "field"),
    [
        ({"portNumber": {"port": 1}}, None),
        ({"portNumber": {"port": 65535, "protocol": "SCTP"}}, None),
        ({"portNumber": {"port": 0}}, "portNumber.port"),
        ({"portNumber": {"port": 65536}}, "portNumber.port"),
        ({"portNumber": {}}, "portNumber.port"),
        ({"portNumber": {"port": 1, "protocol": "tcp"}}, "portNumber.protocol"),
        ({"portRange": {"start": 1, "end": 65535, "protocol": "UDP"}}, None),
        ({"portRange": {"start": 1, "end": 2, "protocol": "ICMP"}}, "portRange.protocol"),
        ({"portRange": {"start": 1, "end": 65536}}, "portRange.end"),
        ({"portRange": {"start": 0, "end": 2}}, "portRange.start"),
        ({"portRange": {"start": 1}}, "portRange.end"),
        ({"namedPort": "http"}, None),
        ({"namedPort": ""}, "namedPort"),
    ],
)
def test_b2_3_ports(element: Value, field: str | None) -> None:
    for make in (anp, banp):
        found = fields(ports(make, element))
        assert found == ([] if field is None else [f"spec.ingress[0].ports[0].{field}"])


def test_b1_6_a_port_name_is_not_empty() -> None:
    assert fields(ports(cnp, {"destinationNamedPort": ""})) == [
        "spec.ingress[0].protocols[0].destinationNamedPort"
    ]
