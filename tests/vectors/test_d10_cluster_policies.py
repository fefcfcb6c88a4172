"""Vectors D10 (112-145): the admin and baseline tiers; tests/kube has those refused when read."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from netpol.model.dns_observations import DnsAnswer, DnsObservations, Window
from worlds import (
    Object,
    World,
    admin_policy,
    baseline_policy,
    cluster_policy,
    endpoint_slice,
    fixture,
    node,
    policy,
)

ACCEPT_IN = "allow ingress cnp-accept"
DENY_IN = "deny ingress cnp-deny"
DENY_OUT = "deny egress cnp-deny"
FAIL_IN = "deny ingress cnp-fail-closed"
NP_IN = "allow ingress np-rule"
NP_DENIED = "deny ingress np-implicit-deny"
OPEN = "allow none not-isolated"

FROM_Y = "from: [{namespaces: {matchLabels: {team: y}}}]"
FROM_X = "from: [{namespaces: {matchLabels: {team: x}}}]"
FROM_ALL = "from: [{namespaces: {}}]"
SUBJECT_X = "subject: {namespaces: {matchLabels: {team: x}}}"
SUBJECT_ALL = "subject: {namespaces: {}}"
NP_DENY = policy("x", "{podSelector: {}, policyTypes: [Ingress]}")
NP_OPEN = policy("x", "{podSelector: {}, ingress: [{}]}")


def admin(rules: str, *, name: str = "a", priority: int = 10, subject: str = SUBJECT_X) -> Object:
    """Give an Admin ClusterNetworkPolicy; ``rules`` are its spec's ``ingress`` and ``egress``."""
    return cluster_policy(name, f"{{tier: Admin, priority: {priority}, {subject}, {rules}}}")


def baseline(
    rules: str, *, name: str = "b", priority: int = 10, subject: str = SUBJECT_X
) -> Object:
    return cluster_policy(name, f"{{tier: Baseline, priority: {priority}, {subject}, {rules}}}")


def rule(action: str, peers: str = FROM_Y, more: str = "") -> str:
    return f"{{action: {action}, {peers}{', ' if more else ''}{more}}}"


def test_d10_112_admin_accept_beats_a_network_policy(world: World) -> None:
    policies = [admin(f"ingress: [{rule('Accept')}]"), NP_DENY]
    world.check(policies, {"y/a -> x/a tcp/80": ACCEPT_IN, "z/c -> x/a tcp/80": NP_DENIED})


def test_d10_113_admin_deny_beats_a_network_policy(world: World) -> None:
    policies = [admin(f"ingress: [{rule('Deny')}]"), NP_OPEN]
    world.check(policies, {"y/a -> x/a tcp/80": DENY_IN, "z/c -> x/a tcp/80": NP_IN})


def test_d10_114_pass_leaves_it_to_the_network_policy(world: World) -> None:
    policies = [admin(f"ingress: [{rule('Pass')}]"), baseline(f"ingress: [{rule('Deny')}]")]
    world.check([*policies, NP_OPEN], {"y/a -> x/a tcp/80": NP_IN})


def test_d10_115_pass_without_a_network_policy_goes_to_the_baseline(world: World) -> None:
    policies = [admin(f"ingress: [{rule('Pass')}]"), baseline(f"ingress: [{rule('Deny')}]")]
    world.check(policies, {"y/a -> x/a tcp/80": DENY_IN})
    assert world.answer(policies, "y/a -> x/a tcp/80").traces[1][0] == "baseline"


def test_d10_116_an_isolated_pod_never_reaches_the_baseline(world: World) -> None:
    policies = [NP_DENY, baseline(f"ingress: [{rule('Accept')}]")]
    world.check(policies, {"y/a -> x/a tcp/80": NP_DENIED})


def test_d10_117_accept_of_one_side_is_not_the_others(world: World) -> None:
    egress = admin("egress: [{action: Accept, to: [{namespaces: {}}]}]")
    policies = [egress, policy("y", "{podSelector: {}, policyTypes: [Ingress]}")]
    world.check(policies, {"x/a -> y/a tcp/80": NP_DENIED})
    answer = world.answer(policies, "x/a -> y/a tcp/80")
    assert answer.egress == ("allow", "cnp-accept", "ClusterNetworkPolicy/a", 0)


def test_d10_118_lower_priority_is_tried_first(world: World) -> None:
    late = admin(f"ingress: [{rule('Accept')}]", name="aa", priority=10)
    early = admin(f"ingress: [{rule('Deny')}]", name="bb", priority=5)
    world.check([late, early], {"y/a -> x/a tcp/80": DENY_IN})
    assert world.answer([late, early], "y/a -> x/a tcp/80").notes == ()


def test_d10_119_rules_are_tried_in_order(world: World) -> None:
    both = admin(f"ingress: [{rule('Pass')}, {rule('Deny', FROM_ALL)}]")
    world.check([both, NP_OPEN], {"y/a -> x/a tcp/80": NP_IN, "z/c -> x/a tcp/80": DENY_IN})
    assert world.answer([both], "z/c -> x/a tcp/80").ingress[3] == 1


TIE = [
    admin(f"ingress: [{rule('Accept')}]", name="aa"),
    admin(f"ingress: [{rule('Deny')}]", name="bb"),
]


def test_d10_120_equal_priorities_are_told(world: World) -> None:
    answer = world.answer(TIE, "y/a -> x/a tcp/80")
    assert str(answer) == ACCEPT_IN
    assert "ambiguous-priority" in answer.notes
    assert answer.traces[1][1] == (
        ("allow", "ClusterNetworkPolicy/aa", 0),
        ("deny", "ClusterNetworkPolicy/bb", 0),
    )
    answer = world.answer(TIE, "y/a -> x/a tcp/80", switches={"cnp_tie": "unknown"})
    assert str(answer) == "unknown ingress ambiguous-priority"


def test_b3_4_a_tie_that_changes_nothing_is_not_told(world: World) -> None:
    tied = [
        admin(f"ingress: [{rule('Accept')}]", name="aa"),
        admin(f"ingress: [{rule('Pass')}]", name="bb"),
    ]
    assert world.answer(tied, "y/a -> x/a tcp/80").notes == ()
    answer = world.answer([*tied, NP_DENY], "y/a -> x/a tcp/80")
    assert "ambiguous-priority" in answer.notes
    assert answer.traces[1][1] == (("allow", "ClusterNetworkPolicy/aa", 0), ("deny", "x/p", None))


def test_b3_4_ties_of_two_tiers_are_tried_together(world: World) -> None:
    tied = [
        admin(f"ingress: [{rule('Accept')}]", name="aa"),
        admin(f"ingress: [{rule('Pass')}]", name="bb"),
        baseline(f"ingress: [{rule('Accept')}]", name="cc"),
        baseline(f"ingress: [{rule('Deny')}]", name="dd"),
    ]
    answer = world.answer(tied, "y/a -> x/a tcp/80")
    assert str(answer) == ACCEPT_IN
    assert answer.traces[1][1][1] == ("deny", "ClusterNetworkPolicy/dd", 0)


def test_b3_5_kinds_of_the_admin_tier_share_their_priorities(world: World) -> None:
    spec = f"{SUBJECT_X}, ingress: [{{action: %s, {FROM_Y}}}]"
    anp = admin_policy("zz", f"{{priority: 10, {spec % 'Deny'}}}")
    cnp = admin(f"ingress: [{rule('Accept')}]")
    answer = world.answer([cnp, anp], "y/a -> x/a tcp/80")
    assert answer.ingress == ("deny", "cnp-deny", "AdminNetworkPolicy/zz", 0)
    assert "ambiguous-priority" in answer.notes
    banp = baseline_policy(f"{{{spec % 'Deny'}}}")
    last = baseline(f"ingress: [{rule('Accept')}]", priority=1000)
    answer = world.answer([banp, last], "y/a -> x/a tcp/80")
    assert (str(answer), answer.notes) == (ACCEPT_IN, ())


def test_d10_121_pass_in_the_baseline_skips_the_rest_of_it(world: World) -> None:
    both = baseline(f"ingress: [{rule('Pass')}, {rule('Deny', FROM_ALL)}]")
    world.check(both, {"y/a -> x/a tcp/80": OPEN, "z/c -> x/a tcp/80": DENY_IN})


def test_d10_122_a_direction_without_rules_is_untouched(world: World) -> None:
    egress = admin("egress: [{action: Deny, to: [{namespaces: {}}]}]")
    world.check(egress, {"y/a -> x/a tcp/80": OPEN, "x/a -> y/a tcp/80": DENY_OUT})


def test_d10_123_a_network_policy_gates_the_baseline_per_direction(world: World) -> None:
    policies = [NP_DENY, baseline("egress: [{action: Deny, to: [{networks: [0.0.0.0/0]}]}]")]
    world.check(policies, {"x/a -> ext tcp/443": DENY_OUT})
    world.check(policies, {"x/a -> ext tcp/443": OPEN}, switches={"baseline_gate": "any-direction"})


def test_d10_124_networks_match_pods_too(world: World) -> None:
    deny = admin("egress: [{action: Deny, to: [{networks: [0.0.0.0/0]}]}]")
    expected = {"x/a -> y/a tcp/80": DENY_OUT, "x/a -> ext tcp/80": DENY_OUT}
    world.check(deny, {**expected, "x/a6 -> ext6 tcp/80": OPEN})
    # B4.3: whatever ipblock_scope makes of NetworkPolicies.
    world.check(deny, expected, switches={"ipblock_scope": "non-cluster"})


def test_d10_125_nodes_and_outside_are_no_ingress_peers(world: World) -> None:
    deny = admin(f"ingress: [{rule('Deny', FROM_ALL)}]", subject=SUBJECT_ALL)
    world.check(
        deny,
        {
            "n1 -> x/a tcp/80": OPEN,
            "ext -> x/a tcp/80": OPEN,
            "x/h -> y/a tcp/80": OPEN,
            "z/c -> x/a tcp/80": DENY_IN,
        },
    )


def test_d10_126_host_network_pods_are_no_subjects(world: World) -> None:
    deny = admin(f"ingress: [{rule('Deny', FROM_ALL)}]")
    expected = {"y/a -> x/h tcp/80": OPEN}
    world.check(deny, expected)
    # B6.1 holds where NetworkPolicies see them as pods, too.
    answer = world.answer(deny, "y/a -> x/h tcp/80", switches={"host_network": "pod"})
    assert answer.verdict == "allow"


def test_d10_127_no_protocols_is_every_protocol(world: World) -> None:
    deny = admin(f"ingress: [{rule('Deny')}]")
    world.check(deny, {"y/a -> x/a icmp": DENY_IN, "y/a -> x/a gre": DENY_IN})


def test_d10_128_protocols_never_match_icmp(world: World) -> None:
    deny = admin(
        f"ingress: [{rule('Deny', more='protocols: [{tcp: {destinationPort: {number: 80}}}]')}]"
    )
    world.check(deny, {"y/a -> x/a icmp": OPEN, "y/a -> x/a tcp/80": DENY_IN})


@pytest.mark.parametrize(
    "element", ["protocols: [{}]", "protocols: [{tcp: {destinationPort: {number: 1}}}, {}]"]
)
def test_d10_130_a_protocol_that_cannot_be_read_fails_closed(world: World, element: str) -> None:
    everything = {"y/a -> x/a tcp/80": FAIL_IN, "z/c -> x/a icmp": FAIL_IN}
    world.check(admin(f"ingress: [{rule('Deny', more=element)}]"), everything)
    world.check(admin(f"ingress: [{rule('Pass', more=element)}]"), everything)
    world.check(
        admin(f"ingress: [{rule('Accept', more=element)}]"), dict.fromkeys(everything, OPEN)
    )


def test_d10_131_a_peer_that_cannot_be_read_fails_closed(world: World) -> None:
    for peers in ("from: [{}]", f"from: [{{}}, {FROM_Y.removeprefix('from: [')}"):
        for action in ("Deny", "Pass"):
            unusable = admin(f"ingress: [{rule(action, peers)}]")
            world.check(unusable, {"y/a -> x/a tcp/80": FAIL_IN, "ext -> x/a icmp": FAIL_IN})
        unusable = admin(f"ingress: [{rule('Accept', peers)}, {rule('Deny')}]")
        world.check(unusable, {"y/a -> x/a tcp/80": DENY_IN, "z/c -> x/a tcp/80": OPEN})


def test_b7_2_a_selector_that_cannot_be_read(world: World) -> None:
    broken = "{matchExpressions: [{key: team, operator: in, values: [y]}]}"
    peers = f"from: [{{namespaces: {broken}}}]"
    world.check(admin(f"ingress: [{rule('Deny', peers)}]"), {"z/c -> x/a tcp/80": FAIL_IN})
    world.check(admin(f"ingress: [{rule('Accept', peers)}]"), {"y/a -> x/a tcp/80": OPEN})
    nobody = admin(f"ingress: [{rule('Deny')}]", subject=f"subject: {{namespaces: {broken}}}")
    world.check(nobody, {"y/a -> x/a tcp/80": OPEN})


def test_d10_132_a_named_port_is_what_the_destination_declares(world: World) -> None:
    deny = admin(f"ingress: [{rule('Deny', more='protocols: [{destinationNamedPort: http}]')}]")
    world.check(
        deny,
        {
            "y/a -> x/a tcp/80": DENY_IN,
            "y/a -> x/a udp/80": OPEN,
            "y/a -> x/a tcp/22": OPEN,
            "y/a -> x/b tcp/8080": DENY_IN,
        },
    )
    dns = admin(f"ingress: [{rule('Deny', more='protocols: [{destinationNamedPort: dns}]')}]")
    world.check(dns, {"y/a -> x/a udp/53": DENY_IN, "y/a -> x/a tcp/53": OPEN})


API = "protocols: [{tcp: {destinationPort: {number: 6443}}}]"
DENY_V4 = "{action: Deny, to: [{networks: [0.0.0.0/0]}]}"
TO_NODES = f"egress: [{{action: Accept, to: [{{nodes: {{}}}}], {API}}}, {DENY_V4}]"


def test_d10_133_nodes_are_addresses_of_nodes(world: World) -> None:
    accepted = "allow egress cnp-accept"
    world.check(
        admin(TO_NODES),
        {
            "x/a -> n2 tcp/6443": accepted,
            "x/a -> y/a tcp/6443": DENY_OUT,
            "x/a -> x/h tcp/6443": accepted,  # B4.4: a hostNetwork pod is its node
            "x/a -> ext tcp/6443": DENY_OUT,
        },
    )


def test_b4_4_nodes_by_labels(world: World) -> None:
    edge = node("n2", "192.168.0.2")
    edge["metadata"]["labels"] = {"zone": "edge"}
    chosen = admin("egress: [{action: Deny, to: [{nodes: {matchLabels: {zone: edge}}}]}]")
    expected = {"x/a -> n2 tcp/6443": DENY_OUT, "x/a -> n1 tcp/6443": OPEN}
    world.check(chosen, expected, fixture(edge))


def test_c4_nodes_without_node_objects_are_in_doubt(world: World) -> None:
    objects = fixture(without=("n1", "n2"))
    deny = admin("egress: [{action: Deny, to: [{nodes: {}}]}]")
    unknown = "unknown egress nodes-unknown"
    world.check(deny, {"x/a -> 192.168.0.9 tcp/1": unknown, "x/a -> y/a tcp/1": OPEN}, objects)
    answer = world.answer(deny, "x/a -> 192.168.0.9 tcp/1", objects)
    assert answer.egress == ("unknown", "nodes-unknown", "ClusterNetworkPolicy/a", 0)
    assert answer.traces[0][1] == (("allow", None, None), ("deny", "ClusterNetworkPolicy/a", 0))


def test_d10_134_an_address_of_any_type_is_a_nodes(world: World) -> None:
    named = node("n2")
    named["status"]["addresses"] = [{"type": "Hostname", "address": "192.168.0.77"}]
    deny = admin("egress: [{action: Deny, to: [{nodes: {}}]}]")
    world.check(deny, {"x/a -> 192.168.0.77 tcp/1": DENY_OUT}, fixture(named))


TO_DOMAIN = f"egress: [{{action: Accept, to: [{{domainNames: ['*.example.com']}}]}}, {DENY_V4}]"
SEEN = DnsObservations(
    (
        DnsAnswer("a.b.example.com", ip_address("9.9.9.9")),
        DnsAnswer("example.com", ip_address("9.9.9.8")),
    )
)


def test_d10_135_a_wildcard_is_one_label_or_more(world: World) -> None:
    expected = {
        "x/a -> 9.9.9.9 tcp/443": "allow egress cnp-accept",
        "x/a -> 9.9.9.8 tcp/443": DENY_OUT,
    }
    world.check(admin(TO_DOMAIN), expected, dns=SEEN)


def test_d10_136_without_dns_a_domain_is_in_doubt(world: World) -> None:
    answer = world.answer(admin(TO_DOMAIN), "x/a -> 9.9.9.9 tcp/443")
    assert str(answer) == "unknown egress dns-unknown"
    assert answer.traces[0][1] == (
        ("allow", "ClusterNetworkPolicy/a", 0),
        ("deny", "ClusterNetworkPolicy/a", 1),
    )


def test_b4_6_answers_hold_until_their_ttl(world: World) -> None:
    start, end = 1_770_000_000_000_000_000, 1_770_000_030_000_000_000
    seen = DnsObservations(
        (DnsAnswer("www.example.com", ip_address("9.9.9.9"), Window(start, end)),)
    )
    asked, accepted = "x/a -> 9.9.9.9 tcp/443", "allow egress cnp-accept"
    policies = admin(TO_DOMAIN)
    world.check(policies, {asked: DENY_OUT}, dns=seen, time=start - 1)
    world.check(policies, {asked: accepted}, dns=seen, time=start)
    world.check(policies, {asked: accepted}, dns=seen, time=end - 1)
    world.check(policies, {asked: DENY_OUT}, dns=seen, time=end)
    # Valid at times, and this flow's is not known.
    world.check(policies, {asked: "unknown egress dns-unknown"}, dns=seen)


def test_b4_6_a_name_asked_for_whose_answer_was_not_seen(world: World) -> None:
    asked = DnsObservations(asked=frozenset({"www.example.com"}))
    world.check(
        admin(TO_DOMAIN), {"x/a -> 9.9.9.9 tcp/443": "unknown egress dns-unknown"}, dns=asked
    )
    other = DnsObservations(asked=frozenset({"www.example.org"}))
    world.check(admin(TO_DOMAIN), {"x/a -> 9.9.9.9 tcp/443": DENY_OUT}, dns=other)


def test_d10_137_domains_in_a_deny_rule_are_judged(world: World) -> None:
    deny = admin("egress: [{action: Deny, to: [{domainNames: ['*.example.com']}]}]")
    world.check(
        deny, {"x/a -> 9.9.9.9 tcp/443": DENY_OUT, "x/a -> 9.9.9.8 tcp/443": OPEN}, dns=SEEN
    )


def test_d10_139_v1alpha1_ranges_need_not_ascend(world: World) -> None:
    denied = rule("Deny", more="ports: [{portRange: {start: %d, end: %d}}]")
    spec = f"{{priority: 1, {SUBJECT_X}, ingress: [{denied}]}}"
    world.check(
        admin_policy("a", spec % (80, 80)),
        {"y/a -> x/a tcp/80": DENY_IN, "y/a -> x/a tcp/81": OPEN},
    )
    world.check(
        admin_policy("a", spec % (80, 79)), {"y/a -> x/a tcp/80": OPEN, "y/a -> x/a tcp": OPEN}
    )


def test_d10_142_a_pod_reaches_itself(world: World) -> None:
    deny = admin(
        f"ingress: [{rule('Deny', FROM_X)}], egress: [{{action: Deny, to: [{{namespaces: {{}}}}]}}]"
    )
    world.check(
        deny,
        {"x/a -> x/a tcp/80": "allow none self-traffic", "x/b -> x/a tcp/80": "deny both cnp-deny"},
    )


def test_d10_143_a_hairpin_is_seen_by_cluster_scoped_policies(world: World) -> None:
    ready = {"conditions": {"ready": True}}
    slices = endpoint_slice("x/svc-a", "s", [{"port": 80}], {"addresses": ["10.0.0.1"], **ready})
    deny = admin(f"ingress: [{rule('Deny', FROM_X)}]")
    world.check(deny, {"x/a -> svc-a tcp/80": DENY_IN}, fixture(slices))
    # The NetworkPolicies in between are exempt (A10.3): only what passes on gets there.
    passing = admin(f"ingress: [{rule('Pass', FROM_X)}]")
    hairpin = "allow none np-hairpin"
    world.check([passing, NP_DENY], {"x/a -> svc-a tcp/80": hairpin}, fixture(slices))
    world.check([deny, NP_DENY], {"x/a -> svc-a tcp/80": DENY_IN}, fixture(slices))
    below = baseline(f"ingress: [{rule('Deny', FROM_X)}]")
    world.check([below], {"x/a -> svc-a tcp/80": DENY_IN}, fixture(slices))
    world.check([below, NP_DENY], {"x/a -> svc-a tcp/80": hairpin}, fixture(slices))


def test_d10_144_a_named_port_of_a_network_is_a_pods(world: World) -> None:
    both = admin(
        "egress: [{action: Deny, to: [{networks: [0.0.0.0/0]}], "
        "protocols: [{destinationNamedPort: http}]}]"
    )
    world.check(
        both,
        {"x/a -> y/a tcp/8080": DENY_OUT, "x/a -> y/a tcp/80": OPEN, "x/a -> ext tcp/8080": OPEN},
    )


def test_b5_6_own_node_exemption_is_the_network_policies(world: World) -> None:
    # B4.9: nodes cannot be named on ingress, so only a rule that cannot be read denies them.
    policies = [admin(f"ingress: [{rule('Deny', FROM_ALL)}]"), NP_DENY]
    world.check(policies, {"n1 -> x/a tcp/80": "allow none own-node"})
    unusable = [admin(f"ingress: [{rule('Deny', 'from: [{}]')}]"), NP_DENY]
    world.check(unusable, {"n1 -> x/a tcp/80": FAIL_IN})


def test_a11_3_own_node_egress_is_after_the_admin_tier(world: World) -> None:
    deny = admin("egress: [{action: Deny, to: [{nodes: {}}]}]")
    isolated = policy("x", "{podSelector: {}, policyTypes: [Egress]}")
    allow = {"own_node_egress": "allow"}
    world.check([deny, isolated], {"x/a -> n1 tcp/1": DENY_OUT}, switches=allow)
    world.check([isolated], {"x/a -> n1 tcp/1": "allow none own-node"}, switches=allow)


def test_c4_labels_of_a_subjects_namespace_may_be_unknown(world: World) -> None:
    objects = fixture(without=("x",))
    deny = admin(f"ingress: [{rule('Deny')}]")
    world.check(deny, {"y/a -> x/a tcp/80": "unknown ingress namespace-labels-unknown"}, objects)
    # Whatever the labels are, what follows says the same.
    both = [deny, baseline(f"ingress: [{rule('Deny')}]", subject=SUBJECT_ALL)]
    answer = world.answer(both, "y/a -> x/a tcp/80", objects)
    assert answer.ingress == ("deny", "cnp-deny", "ClusterNetworkPolicy/b", 0)


def test_c4_doubt_that_makes_no_difference_is_none(world: World) -> None:
    accept = "{action: Accept, to: [{domainNames: [example.com]}]}"
    world.check(admin(f"egress: [{accept}]"), {"x/a -> ext tcp/443": OPEN})
    passing = "{action: Pass, to: [{domainNames: [example.com]}]}"
    later = admin(f"egress: [{passing}, {accept}, {DENY_V4}]")
    answer = world.answer(later, "x/a -> ext tcp/443")
    assert answer.egress == ("unknown", "dns-unknown", "ClusterNetworkPolicy/a", 0)


def test_c4_an_unknown_port_is_in_doubt_where_it_matters(world: World) -> None:
    more = "protocols: [{tcp: {destinationPort: {number: 80}}}]"
    deny = admin(f"ingress: [{rule('Deny', more=more)}]")
    world.check(deny, {"y/a -> x/a tcp": "unknown ingress unknown-port", "y/a -> x/a udp": OPEN})
    world.check(deny, {"y/a -> x/a ?": "unknown ingress unknown-protocol"})
