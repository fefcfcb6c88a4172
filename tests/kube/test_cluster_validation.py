"""Specification B1, B2, B7: what the CRDs refuse; vectors of D10 whose verdict is "reject"."""

from __future__ import annotations

from typing import Any

import pytest
from cluster_policy_text import (
    EVERY,
    HTTP,
    TCP_FIELD,
    Value,
    accepts,
    anp,
    banp,
    check,
    cnp,
    egress,
    errors,
    fields,
    findings,
    ingress,
    ports,
    tcp,
)

from netpol.model.errors import ManifestError

KINDS = [cnp, anp, banp]
#: The most rules, peers and ports of each kind.
LIMITS = [(cnp, 25), (anp, 100), (banp, 100)]

# --- vectors ----------------------------------------------------------------------------------


def test_vector_121_baseline_pass_is_refused_only_in_v1alpha1() -> None:
    rules = [ingress("Pass"), ingress("Deny")]
    assert findings(cnp(tier="Baseline", ingress=rules)) == []
    assert errors(banp(ingress=rules)) == [
        (
            "spec.ingress[0].action",
            'Unsupported value: "Pass": supported values: "Allow", "Deny"',
        )
    ]


@pytest.mark.parametrize("protocol", ["tcp", "udp", "sctp"])
def test_vector_129_protocol_without_a_port(protocol: str) -> None:
    field = f"spec.ingress[0].protocols[0].{protocol}.destinationPort"
    assert errors(ports(cnp, {protocol: {}})) == [
        (field, "Required value: exactly one of number, range")
    ]


OLD_SHAPES: list[tuple[Value, str]] = [
    ({"namespaces": {"namespaceSelector": {}}}, "namespaces.namespaceSelector"),
    ({"namespaces": {"sameLabels": ["a"]}}, "namespaces.sameLabels"),
    ({"namespaces": {"notSameLabels": ["a"]}}, "namespaces.notSameLabels"),
    ({"pods": {"namespaces": {}, "podSelector": {}}}, "pods.namespaces"),
]


@pytest.mark.parametrize("unknown_fields", ["error", "warn"])
@pytest.mark.parametrize(("peer", "field"), OLD_SHAPES)
@pytest.mark.parametrize("make", KINDS)
def test_vector_138_old_shapes_would_be_pruned_to_everything(
    make: Any, peer: Value, field: str, unknown_fields: str
) -> None:
    policy = make(ingress=[ingress(peer=peer)], egress=[egress(peer=peer)], subject=peer)
    found = errors(policy, unknown_fields=unknown_fields)
    assert [where for where, _ in found] == [
        f"spec.subject.{field}",
        f"spec.ingress[0].from[0].{field}",
        f"spec.egress[0].to[0].{field}",
    ]
    assert all("up to v0.1.1" in message for _, message in found)
    assert all("leaves all namespaces" in message for _, message in found)


def test_vector_139_range_that_does_not_rise() -> None:
    assert fields(tcp({"range": {"start": 80, "end": 80}})) == [f"{TCP_FIELD}.range"]
    assert fields(tcp({"range": {"start": 81, "end": 80}})) == [f"{TCP_FIELD}.range"]
    assert fields(tcp({"range": {"start": 80, "end": 81}})) == []
    for make in (anp, banp):
        same = ports(make, {"portRange": {"start": 80, "end": 80}})
        assert findings(same) == [
            ("warning", "port-range-order", "spec.ingress[0].ports[0].portRange")
        ]


def test_vector_140_the_baseline_policy_is_one() -> None:
    assert fields(banp("foo")) == ["metadata.name"]
    other = banp(ingress=[ingress()])
    ((field, message),) = errors(banp(), other)
    assert field is None
    assert message == ""
    (error,) = check(banp(), other).errors
    assert isinstance(error, ManifestError)
    assert error.message.startswith("duplicate BaselineAdminNetworkPolicy/default, which differs ")
    assert "p.yaml:1; " in error.message
    assert error.location.line == 3


def test_vector_141_limits() -> None:
    assert fields(cnp(ingress=[ingress()] * 26)) == ["spec.ingress"]
    assert fields(cnp(priority=1001)) == ["spec.priority"]
    assert errors(ports(cnp)) == [
        ("spec.ingress[0].protocols", "Invalid value: []: must have at least 1 item")
    ]


def test_vector_144_named_port_and_networks_is_stored_but_an_error_finding() -> None:
    peer = {"networks": ["10.0.0.0/8"]}
    named = [{"destinationNamedPort": "http"}]
    policy = cnp(egress=[egress(peer=peer, protocols=[HTTP, *named])])
    field = "spec.egress[0].protocols[1].destinationNamedPort"
    assert findings(policy) == [("error", "named-port-networks", field)]
    assert check(policy).error_count == 1
    old = anp(egress=[egress(peer=peer, ports=[{"namedPort": "http"}])])
    assert findings(old) == [("error", "named-port-networks", "spec.egress[0].ports[0].namedPort")]


@pytest.mark.parametrize("peer", [{"nodes": {}}, {"domainNames": ["a.example"]}])
def test_vector_144_named_port_and_peers_of_the_experimental_channel(peer: Value) -> None:
    rule = egress("Accept", peer, protocols=[{"destinationNamedPort": "http"}])
    rule["to"].insert(0, EVERY)
    ((field, message),) = errors(cnp(egress=[rule]))
    assert field == "spec.egress[0].protocols[0].destinationNamedPort"
    assert message.startswith("Forbidden: may not be used in a rule with ")
    rule["protocols"] = [HTTP]
    assert fields(cnp(egress=[rule])) == []
    old = egress("Allow", peer, ports=[{"namedPort": "http"}])
    assert fields(anp(egress=[old])) == ["spec.egress[0].ports[0].namedPort"]


PODS = {"namespaceSelector": {}, "podSelector": {}}


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("subject", [{}, {"namespaces": {}, "pods": PODS}, {"namespaces": None}])
def test_vector_145_subject_is_exactly_one(make: Any, subject: Value) -> None:
    ((field, message),) = errors(make(subject=subject))
    assert field == "spec.subject"
    assert message.startswith("Invalid value: must set exactly one of namespaces, pods; found ")


# --- B1.1, B2.1: the policy -------------------------------------------------------------------


@pytest.mark.parametrize("make", KINDS)
def test_b1_1_required_fields(make: Any) -> None:
    bare = make(tier=None, priority=None, subject=None)
    wanted = {cnp: ["tier", "priority", "subject"], anp: ["priority", "subject"], banp: ["subject"]}
    assert fields(bare) == [f"spec.{name}" for name in wanted[make]]
    for value in (None, ...):
        bare["spec"] = None
        if value is ...:
            del bare["spec"]
        assert errors(bare) == [("spec", "Required value")]


@pytest.mark.parametrize("make", [cnp, anp])
@pytest.mark.parametrize(
    ("priority", "good"), [(-1, False), (0, True), (1000, True), (1001, False)]
)
def test_b1_1_priority(make: Any, priority: int, good: bool) -> None:
    assert fields(make(priority=priority)) == ([] if good else ["spec.priority"])


@pytest.mark.parametrize("priority", ["5", 1.5, True])
def test_b1_1_priority_is_an_integer(priority: object) -> None:
    (error,) = check(cnp(priority=priority)).errors
    assert isinstance(error, ManifestError)
    assert error.location.field == "spec.priority"


def test_b2_1_the_baseline_policy_has_no_priority_nor_tier() -> None:
    assert fields(banp(priority=1)) == ["spec.priority"]
    assert fields(banp(tier="Admin")) == ["spec.tier"]
    assert fields(anp(tier="Admin")) == ["spec.tier"]


@pytest.mark.parametrize("tier", ["admin", "NetworkPolicy", ""])
def test_b7_3_unknown_tier(tier: str) -> None:
    ((field, message),) = errors(cnp(tier=tier))
    assert field == "spec.tier"
    assert message == f'Unsupported value: "{tier}": supported values: "Admin", "Baseline"'


@pytest.mark.parametrize("name", ["P", "a_b", "", "a." + "b" * 253])
def test_names_are_dns_subdomains(name: str) -> None:
    assert fields(cnp(name)) == ["metadata.name"]
    assert fields(anp(name)) == ["metadata.name"]


@pytest.mark.parametrize("make", KINDS)
def test_labels_are_checked(make: Any) -> None:
    policy = make()
    policy["metadata"]["labels"] = {"a": "b c"}
    assert fields(policy) == ["metadata.labels.a"]


@pytest.mark.parametrize(("make", "limit"), LIMITS)
@pytest.mark.parametrize("direction", ["ingress", "egress"])
def test_b1_1_b2_2_number_of_rules(make: Any, limit: int, direction: str) -> None:
    rule = {"ingress": ingress(), "egress": egress()}[direction]
    assert fields(make(**{direction: [rule] * limit})) == []
    assert errors(make(**{direction: [rule] * (limit + 1)})) == [
        (f"spec.{direction}", f"Too many: {limit + 1}: must have at most {limit} items")
    ]
    assert fields(make(**{direction: []})) == []


# --- B1.2, B2.4: subjects ---------------------------------------------------------------------


@pytest.mark.parametrize("place", ["subject", "ingress", "egress"])
@pytest.mark.parametrize("make", KINDS)
def test_b1_2_b2_4_selectors_that_pods_need(make: Any, place: str) -> None:
    def fields_of(pods: Value) -> list[str | None]:
        element = {"pods": pods}
        spec: dict[str, Value] = {
            "subject": {"subject": element},
            "ingress": {"ingress": [ingress(peer=element)]},
            "egress": {"egress": [egress(peer=element)]},
        }
        return fields(make(**spec[place]))

    path = {
        "subject": "spec.subject",
        "ingress": "spec.ingress[0].from[0]",
        "egress": "spec.egress[0].to[0]",
    }[place]
    no_namespaces = [] if make is cnp else [f"{path}.pods.namespaceSelector"]
    assert fields_of(PODS) == []
    assert fields_of({"podSelector": {}}) == no_namespaces
    assert fields_of({"namespaceSelector": {}}) == [f"{path}.pods.podSelector"]
    assert fields_of({}) == [*no_namespaces, f"{path}.pods.podSelector"]


def test_b7_2_a_requirement_needs_key_and_operator() -> None:
    selector = {"matchExpressions": [{"operator": "Exists"}, {"key": "a"}]}
    path = "spec.subject.namespaces.matchExpressions"
    assert fields(cnp(subject={"namespaces": selector})) == [
        f"{path}[0].key",
        f"{path}[1].operator",
    ]


# --- B1.3, B2.2: rules ------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "good"), [(0, True), (100, True), (101, False)])
@pytest.mark.parametrize("make", KINDS)
def test_b1_3_rule_name(make: Any, length: int, good: bool) -> None:
    policy = make(egress=[egress(name="é" * length)])
    assert fields(policy) == ([] if good else ["spec.egress[0].name"])


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("action", ["Accept", "Allow", "Deny", "Pass", "deny", "Log", ""])
def test_b1_3_b2_2_b7_3_actions(make: Any, action: str) -> None:
    good = {
        cnp: {"Accept", "Deny", "Pass"},
        anp: {"Allow", "Deny", "Pass"},
        banp: {"Allow", "Deny"},
    }[make]
    wrong = [] if action in good else ["spec.ingress[0].action", "spec.egress[0].action"]
    assert fields(make(ingress=[ingress(action)], egress=[egress(action)])) == wrong


@pytest.mark.parametrize("make", KINDS)
def test_b1_3_action_and_peers_are_required(make: Any) -> None:
    assert fields(make(ingress=[{}], egress=[{}])) == [
        "spec.ingress[0].action",
        "spec.ingress[0].from",
        "spec.egress[0].action",
        "spec.egress[0].to",
    ]


@pytest.mark.parametrize(("make", "limit"), LIMITS)
def test_b1_3_b2_2_number_of_peers_and_ports(make: Any, limit: int) -> None:
    name, port = ("protocols", HTTP) if make is cnp else ("ports", {"portNumber": {"port": 1}})
    for count, good in [(0, False), (1, True), (limit, True), (limit + 1, False)]:
        rule = {"action": "Deny", "from": [EVERY] * count, name: [port] * count}
        wrong = [] if good else ["spec.ingress[0].from", f"spec.ingress[0].{name}"]
        assert fields(make(ingress=[rule])) == wrong
        rule = {"action": "Deny", "to": [EVERY] * count, name: [port] * count}
        wrong = [] if good else ["spec.egress[0].to", f"spec.egress[0].{name}"]
        assert fields(make(egress=[rule])) == wrong


# --- B1.4, B1.5: peers ------------------------------------------------------------------------


@pytest.mark.parametrize("make", KINDS)
def test_b1_4_ingress_has_no_addresses(make: Any) -> None:
    for name, value in (("networks", ["10.0.0.0/8"]), ("nodes", {}), ("domainNames", ["a.b"])):
        for switch in ("error", "warn"):
            policy = make(ingress=[ingress(peer={name: value})])
            assert fields(policy, unknown_fields=switch) == [f"spec.ingress[0].from[0].{name}"]


EGRESS_PEERS: list[Value] = [
    EVERY,
    {"pods": PODS},
    {"nodes": {}},
    {"networks": ["10.0.0.0/8"]},
    {"domainNames": ["a.example"]},
]


@pytest.mark.parametrize("make", KINDS)
def test_b1_5_a_peer_sets_one_field(make: Any) -> None:
    for i, first in enumerate(EGRESS_PEERS):
        known = make is not banp or "domainNames" not in first
        rule = egress(accepts(make()), first)
        assert fields(make(egress=[rule])) == (
            [] if known else ["spec.egress[0].to[0].domainNames"]
        )
        for second in EGRESS_PEERS[:i]:
            rule = egress(accepts(make()), {**first, **second})
            assert "spec.egress[0].to[0]" in fields(make(egress=[rule]))


def test_b2_4_the_baseline_policy_has_no_domain_names() -> None:
    ((_, message),) = errors(banp(egress=[egress("Allow", {"domainNames": ["a.b"]})]))
    assert message.startswith("unknown field 'domainNames'")


def networks(make: Any, *texts: str) -> list[str | None]:
    return fields(make(egress=[egress(peer={"networks": list(texts)})]))


@pytest.mark.parametrize("make", KINDS)
def test_b1_5_number_of_networks(make: Any) -> None:
    field = "spec.egress[0].to[0].networks"
    assert networks(make) == [field]
    assert networks(make, *(f"10.{i}.0.0/16" for i in range(25))) == []
    assert networks(make, *(f"10.{i}.0.0/16" for i in range(26))) == [field]


def test_b1_5_networks_are_a_set() -> None:
    policy = cnp(egress=[egress(peer={"networks": ["10.0.0.0/8", "::/0", "10.0.0.0/8"]})])
    assert errors(policy) == [("spec.egress[0].to[0].networks[2]", 'Duplicate value: "10.0.0.0/8"')]


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("0.0.0.0/0", True),
        ("10.0.0.1/8", True),  # host bits are masked
        ("2001:db8::1/64", True),
        ("0000:0000:0000:0000:0000:0000:0000:0001/128", True),  # 43 characters
        ("0000:0000:0000:0000:0000:0001:10.0.0.1/128", True),  # 42
        ("0000:0000:0000:0000:0000:0001:10.0.100.1/128", False),  # 44
        ("::1.2.3.4/128", True),
        ("10.0.0.0", False),
        ("10.0.0.0/33", False),
        ("10.0.0.0/08", False),
        ("010.0.0.0/8", False),
        ("::ffff:10.0.0.0/104", False),
        ("::ffff:0:0/90", False),
        ("fe80::1%eth0/64", False),
        ("example.com/8", False),
        ("", False),
    ],
)
def test_b1_7_cidrs(text: str, good: bool) -> None:
    for make in KINDS:
        assert networks(make, text) == ([] if good else ["spec.egress[0].to[0].networks[0]"])


@pytest.mark.parametrize("make", [cnp, anp])
def test_b1_5_number_of_domain_names(make: Any) -> None:
    def names(count: int) -> list[str | None]:
        peer = {"domainNames": [f"a{i}.example" for i in range(count)]}
        return fields(make(egress=[egress(accepts(make()), peer)]))

    field = "spec.egress[0].to[0].domainNames"
    assert (names(0), names(25), names(26)) == ([field], [], [field])
    peer = {"domainNames": ["a.b", "a.b"]}
    assert fields(make(egress=[egress(accepts(make()), peer)])) == [f"{field}[1]"]


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("a.b", True),
        ("a.b.", True),
        ("*.a.b", True),
        ("*.A.example-1.com.", True),
        ("my_name.example.com", True),
        ("1.2.3.4", True),
        ("a", False),
        ("*.a", False),
        ("*", False),
        ("*.*.a.b", False),
        ("a.*.b", False),
        ("x*.a.b", False),
        (".a.b", False),
        ("a..b", False),
        ("a.b..", False),
        ("-a.b", False),
        ("a-.b", False),
        ("[.b", False),  # the published pattern's class lets this through
        ("^.b", False),
        ("a.b\n", False),
        ("ä.b", False),
        ("", False),
    ],
)
def test_b1_9_domain_names(name: str, good: bool) -> None:
    policy = cnp(egress=[egress("Accept", {"domainNames": [name]})])
    assert fields(policy) == ([] if good else ["spec.egress[0].to[0].domainNames[0]"])
