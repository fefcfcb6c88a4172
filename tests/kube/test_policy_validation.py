"""Specification A1: what the API server refuses; the vectors of D1-D5 whose verdict is "reject"."""

from __future__ import annotations

import pytest
from policy_text import HEAD, check_text, codes, errors, fields, manifest, stored

from netpol.kube.api.objects import NetworkPolicyIngressRule
from netpol.kube.policies import policies_from_objects
from netpol.model.errors import ManifestError, ValidationError


def ingress(rule: str) -> str:
    return f"ingress: [{rule}]"


def port(element: str) -> str:
    return ingress(f"{{ports: [{element}]}}")


def peer(element: str) -> str:
    return ingress(f"{{from: [{element}]}}")


def named(metadata: str) -> list[str | None]:
    head = HEAD.replace("{name: p, namespace: x}", metadata)
    return [each.location.field for each in check_text(head + "spec: {}\n").errors]


# --- vectors ----------------------------------------------------------------------------------


def test_vector_12_empty_peer() -> None:
    assert errors(peer("{}")) == [
        ("spec.ingress[0].from[0]", "Required value: must specify a peer")
    ]


def test_vector_16_policy_type_is_case_sensitive() -> None:
    assert errors("policyTypes: [ingress]") == [
        (
            "spec.policyTypes[0]",
            'Unsupported value: "ingress": supported values: "Egress", "Ingress"',
        )
    ]


def test_vector_18_unknown_field() -> None:
    spec = ingress("{form: [{podSelector: {}}]}")
    assert errors(spec) == [("spec.ingress[0].form", "unknown field 'form'")]


def test_vector_18_pruned_when_asked_it_allows_everything() -> None:
    spec = ingress("{form: [{podSelector: {}}]}")
    policy = stored(spec, unknown_fields="warn")
    assert policy.spec is not None
    assert policy.spec.ingress == [NetworkPolicyIngressRule()]
    assert codes(spec, unknown_fields="warn") == ["unknown-field"]


def test_vector_19_rule_with_ports_twice() -> None:
    spec = "ingress:\n- ports: [{port: 80}]\n  ports: [{port: 81}]\n"
    (error,) = check_text(manifest(spec)).errors
    assert isinstance(error, ManifestError)
    assert error.location.line == 7
    assert error.message == "duplicate key 'ports', first on line 6"


@pytest.mark.parametrize("operator", ["In", "NotIn"])
def test_vector_25_in_without_values(operator: str) -> None:
    spec = f"podSelector: {{matchExpressions: [{{key: a, operator: {operator}, values: []}}]}}"
    assert fields(spec) == ["spec.podSelector.matchExpressions[0].values"]


@pytest.mark.parametrize("operator", ["Exists", "DoesNotExist"])
def test_vector_26_exists_with_a_value(operator: str) -> None:
    spec = f"podSelector: {{matchExpressions: [{{key: a, operator: {operator}, values: [b]}}]}}"
    assert fields(spec) == ["spec.podSelector.matchExpressions[0].values"]


@pytest.mark.parametrize("operator", ["Gt", "Lt", "in", "''"])
def test_vector_27_unknown_operator(operator: str) -> None:
    spec = f"podSelector: {{matchExpressions: [{{key: a, operator: {operator}, values: [b]}}]}}"
    assert fields(spec) == ["spec.podSelector.matchExpressions[0].operator"]


@pytest.mark.parametrize("selector", ["podSelector", "namespaceSelector"])
def test_vector_39_ip_block_beside_a_selector(selector: str) -> None:
    ((field, message),) = errors(peer(f"{{ipBlock: {{cidr: 10.0.0.0/8}}, {selector}: {{}}}}"))
    assert field == "spec.ingress[0].from[0]"
    assert message.startswith("Forbidden: may not specify both ipBlock and " + selector)


def test_vector_46_host_bits() -> None:
    spec = peer("{ipBlock: {cidr: 10.0.0.5/24}}")
    assert codes(spec) == ["legacy-cidr"]
    assert fields(spec, strict_cidr="reject") == ["spec.ingress[0].from[0].ipBlock.cidr"]


@pytest.mark.parametrize("except_", ["10.0.0.0/16", "11.0.0.0/24", "10.0.0.0/8", "'fd00::/64'"])
def test_vector_49_except_is_a_strict_subset(except_: str) -> None:
    ((field, message),) = errors(peer(f"{{ipBlock: {{cidr: 10.0.0.0/16, except: [{except_}]}}}}"))
    assert field == "spec.ingress[0].from[0].ipBlock.except[0]"
    assert "must be a strict subset" in message


def test_vector_50_cidr_without_prefix() -> None:
    ((field, message),) = errors(peer("{ipBlock: {cidr: 10.0.0.1}}"))
    assert field == "spec.ingress[0].from[0].ipBlock.cidr"
    assert "must have a prefix length" in message


@pytest.mark.parametrize(
    "element",
    [
        "{endPort: 90}",
        "{port: http, endPort: 90}",
        "{port: 80, endPort: 79}",
        "{port: 80, endPort: 65536}",
    ],
)
def test_vector_57_end_port(element: str) -> None:
    assert fields(port(element)) == ["spec.ingress[0].ports[0].endPort"]


def test_vector_58_quoted_number_is_a_name_without_a_letter() -> None:
    ((field, message),) = errors(port('{port: "80"}'))
    assert field == "spec.ingress[0].ports[0].port"
    assert "at least one letter" in message


@pytest.mark.parametrize("protocol", ["tcp", "ICMP", "''"])
def test_vector_59_protocol(protocol: str) -> None:
    ((field, message),) = errors(port(f"{{protocol: {protocol}}}"))
    assert field == "spec.ingress[0].ports[0].protocol"
    assert message.endswith('supported values: "SCTP", "TCP", "UDP"')


# --- A1, item by item -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["P", "-a", "a-", "a_b", "a..b", "a." + "b" * 253, "'a\\n'"])
def test_a1_1_name_is_a_dns_subdomain(name: str) -> None:
    assert named(f"{{name: {name}}}") == ["metadata.name"]


@pytest.mark.parametrize("metadata", ["{}", "{name: ''}", "{generateName: p-}", "{name: null}"])
def test_a1_1_name_is_required(metadata: str) -> None:
    assert named(metadata) == ["metadata.name"]


def test_a1_1_good_names() -> None:
    assert named("{name: a.b-c.0}") == []
    assert named("{name: " + "a" * 253 + "}") == []


def test_a1_2_every_unknown_field_is_named() -> None:
    spec = "podselector: {}\ningress: [{from: [{podSelector: {matchLabel: {a: b}}}]}]"
    assert fields(spec) == ["spec.podselector", "spec.ingress[0].from[0].podSelector.matchLabel"]


def test_a1_3_policy_types() -> None:
    assert fields("policyTypes: [Ingress, Egress, Ingress]") == ["spec.policyTypes"]
    assert fields("policyTypes: [Ingress, Ingress]") == []
    assert fields("policyTypes: []") == []
    assert fields("policyTypes: [{}]") == ["spec.policyTypes[0]"]


def test_a1_4_spec_and_pod_selector_may_be_missing() -> None:
    assert check_text(HEAD).errors == []
    assert check_text(HEAD + "spec:\n").errors == []


def test_a1_5_selectors_may_stand_together_and_be_empty() -> None:
    assert fields(peer("{podSelector: {}, namespaceSelector: {}}")) == []
    assert fields(peer("{podSelector: null}")) == ["spec.ingress[0].from[0]"]


@pytest.mark.parametrize("number", [0, -1, 65536])
def test_a1_7_port_numbers(number: int) -> None:
    assert errors(port(f"{{port: {number}}}")) == [
        (
            "spec.ingress[0].ports[0].port",
            f"Invalid value: {number}: must be between 1 and 65535, inclusive",
        )
    ]


@pytest.mark.parametrize("name", ["HTTP", "''", "a" * 16, "-a", "a-", "a--b", "a_b", "'٣a'"])
def test_a1_7_port_names(name: str) -> None:
    assert set(fields(port(f"{{port: {name}}}"))) == {"spec.ingress[0].ports[0].port"}


def test_a1_7_good_ports() -> None:
    for good in ("1", "65535", "a", "http-2", "a" * 15, "8a"):
        assert fields(port(f"{{port: {good}}}")) == []


def test_a1_8_equal_end_port_is_legal() -> None:
    assert fields(port("{port: 80, endPort: 80}")) == []


@pytest.mark.parametrize(
    "cidr",
    [
        "10.0.0.0/33",
        "10.0.0/8",
        "10.0.0.0.0/8",
        "10.0.0.256/32",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "10.0.0.0/",
        "'10.0.0.0/ 8'",
        "'::/129'",
        "'fe80::1%eth0/64'",
        "'::ffff:10.0.0.0/95'",
        "''",
        "x",
        "'１０.0.0.0/8'",
    ],
)
def test_a1_9_no_cidr_in_any_reading(cidr: str) -> None:
    assert fields(peer(f"{{ipBlock: {{cidr: {cidr}}}}}")) == [
        "spec.ingress[0].from[0].ipBlock.cidr"
    ]


@pytest.mark.parametrize(
    "cidr", ["010.0.0.0/8", "10.0.0.0/08", "'::ffff:10.0.0.0/104'", "10.0.0.1/8", "'fd00::1/64'"]
)
def test_a1_9_legacy_cidrs(cidr: str) -> None:
    spec = peer(f"{{ipBlock: {{cidr: {cidr}}}}}")
    assert codes(spec) == ["legacy-cidr"]
    assert fields(spec, strict_cidr="reject") == ["spec.ingress[0].from[0].ipBlock.cidr"]


def test_a1_9_canonical_cidrs_pass_a_strict_server() -> None:
    for cidr in ("10.0.0.0/8", "0.0.0.0/0", "'::/0'", "'fd00::/64'", "'FD00:0::/64'"):
        assert fields(peer(f"{{ipBlock: {{cidr: {cidr}}}}}"), strict_cidr="reject") == []


def test_a1_10_excepts_may_overlap_each_other() -> None:
    block = "{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 10.1.1.0/24]}}"
    assert fields(peer(block)) == []


def test_a1_10_except_in_the_legacy_reading() -> None:
    block = "{ipBlock: {cidr: 010.0.0.0/8, except: ['::ffff:10.1.0.0/112']}}"
    assert codes(peer(block)) == ["legacy-cidr", "legacy-cidr"]


def test_a1_10_except_without_cidr() -> None:
    block = "{ipBlock: {except: [10.0.0.0/8]}}"
    assert fields(peer(block)) == ["spec.ingress[0].from[0].ipBlock.cidr"]


@pytest.mark.parametrize(
    "key",
    ["''", "-a", "a-", "a" * 64, "a/b/c", "'/a'", "A/b", "a/", "a" * 254 + "/b", "'a b'"],
)
def test_a1_11_label_keys(key: str) -> None:
    assert len(errors(f"podSelector: {{matchLabels: {{? {key} : v}}}}")) == 1
    assert fields(f"podSelector: {{matchExpressions: [{{key: {key}, operator: Exists}}]}}") == [
        "spec.podSelector.matchExpressions[0].key"
    ]


@pytest.mark.parametrize("value", ["-a", "a.", "a" * 64, "a/b", "'a b'", "'a\\n'", "'é'"])
def test_a1_11_label_values(value: str) -> None:
    assert fields(f"podSelector: {{matchLabels: {{a: {value}}}}}") == [
        "spec.podSelector.matchLabels.a"
    ]
    spec = f"podSelector: {{matchExpressions: [{{key: a, operator: In, values: [b, {value}]}}]}}"
    assert fields(spec) == ["spec.podSelector.matchExpressions[0].values[1]"]


def test_a1_11_good_labels() -> None:
    assert fields("podSelector: {matchLabels: {example.com/A_b.c: '', a: x-1_2.Z}}") == []


def test_a1_12_there_is_no_upper_bound() -> None:
    assert fields("ingress: [" + "{}, " * 300 + "]") == []


def test_every_error_of_every_object_is_given_with_its_line() -> None:
    text = manifest(
        """
        policyTypes: [ingress]
        egress:
        - to:
          - ipBlock:
              cidr: 10.0.0.1
          - {}
          ports:
          - port: "80"
        """
    )
    result = check_text(text + "---\n" + manifest("policyTypes: [x]").replace("p,", "q,"))
    assert [(e.location.line, e.location.field) for e in result.errors] == [
        (5, "spec.policyTypes[0]"),
        (9, "spec.egress[0].to[0].ipBlock.cidr"),
        (10, "spec.egress[0].to[1]"),
        (12, "spec.egress[0].ports[0].port"),
        (19, "spec.policyTypes[0]"),
    ]
    assert all(isinstance(error, ValidationError) for error in result.errors)


def test_python_callers_get_the_same_checks() -> None:
    good = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "p"},
        "spec": {"ingress": [{"from": [{}]}]},
    }
    with pytest.raises(ValidationError, match="must specify a peer") as caught:
        policies_from_objects([good])
    assert caught.value.location.field == "spec.ingress[0].from[0]"
