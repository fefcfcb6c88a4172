"""Hints of a story are said where they hold, and promise what is so; readings are told once."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from cli_support import run
from netpol.explain.explain import explained, explanation_of
from netpol.explain.story import Explanation
from netpol.kube.api.times import parse_time
from netpol.model.errors import ConfigError
from netpol.model.flow import Flow
from netpol.model.switches import Switches
from netpol.model.verdict import Note, Reason, Verdict
from netpol.reference import ReferenceEvaluator
from netpol.report.words.wording import SETTLES
from strategies import Case, cases
from test_explain import random_worlds
from worlds import (
    Object,
    endpoint_slice,
    fixture,
    flow,
    load,
    namespace,
    node,
    pod,
    policy,
    service,
)

DENY_IN = policy("x", "{podSelector: {}, policyTypes: [Ingress]}")
DENY_OUT = policy("x", "{podSelector: {}, policyTypes: [Egress]}")
HTTP = {"port": 80, "targetPort": 8080, "protocol": "TCP"}
#: x/b listens on 8080, behind a service of port 80.
BEHIND_80 = service("x/svc-b", "10.96.0.20", HTTP, selector={"pod": "b"})


def evaluator_of(
    policies: Iterable[Object], objects: Iterable[Object] | None = None, **switches: Any
) -> ReferenceEvaluator:
    read, snapshot = load(policies, fixture() if objects is None else objects)
    return ReferenceEvaluator(read, snapshot, Switches(**switches))


def told(
    policies: Iterable[Object],
    asked: str | Flow,
    objects: Iterable[Object] | None = None,
    **switches: Any,
) -> Explanation:
    one = flow(asked) if isinstance(asked, str) else asked
    return explanation_of(evaluator_of(policies, objects, **switches), one)


def hints(*args: Any, **switches: Any) -> list[tuple[str, str]]:
    return [(hint.kind, hint.text) for hint in told(*args, **switches).hints]


def kinds(*args: Any, **switches: Any) -> list[str]:
    return [kind for kind, _ in hints(*args, **switches)]


@settings(random_worlds, max_examples=max(random_worlds.max_examples // 2, 20))
@given(cases())
def test_no_world_makes_a_hint_fail(case: Case) -> None:
    policies, snapshot = load(case.policies, case.objects, case.dns)
    reference = ReferenceEvaluator(policies, snapshot, case.switches)
    for one in case.flows:
        try:
            explanation = explanation_of(reference, one)
        except ConfigError:  # cnp_tie=error
            continue
        texts = [hint.text for hint in explanation.hints]
        assert len(texts) == len(set(texts))
        assert all(texts)


# --- gateways (A11.5) -----------------------------------------------------------------------------


def test_a_gateway_is_named_with_what_the_verdict_would_be() -> None:
    asked = "10.0.0.254 -> x/a tcp/80"
    assert hints([DENY_IN], asked) == [
        (
            "node-gateway",
            "10.0.0.254 lies in n1's pod range and is no known pod's: if it is n1's gateway, give "
            "--node-address n1=10.0.0.254; the verdict would then be allow: own-node",
        )
    ]
    named = told([DENY_IN], asked, node_addresses=(("n1", "10.0.0.254"),))
    assert (named.outcome.verdict, named.outcome.reason) == (Verdict.ALLOW, Reason.OWN_NODE)


@pytest.mark.parametrize("asked", ["10.0.0.254 -> y/a tcp/80", "10.0.0.254 -> z/c tcp/80"])
def test_no_gateway_hint_where_it_changes_nothing(asked: str) -> None:
    assert kinds([policy("y", "{podSelector: {}, policyTypes: [Ingress]}")], asked) == []


# --- services (A15.1, A15.7) ----------------------------------------------------------------------


def api_server(*addresses: str) -> list[Object]:
    ends: list[Object] = [{"addresses": [address]} for address in addresses]
    return fixture(
        service("default/kubernetes", "10.96.0.1", {"port": 443, "targetPort": 6443}),
        endpoint_slice("default/kubernetes", "k", [{"port": 6443, "protocol": "TCP"}], *ends),
    )


def test_endpoints_of_a_denied_service_are_named() -> None:
    world = api_server("192.168.49.201", "192.168.49.202")
    found = dict(hints([DENY_OUT], "x/b -> 10.96.0.1 tcp/443", world))
    assert found["service-endpoints"] == (
        "egress policies see what service default/kubernetes leads to, not 10.96.0.1:443: allow "
        "192.168.49.201 and 192.168.49.202 on 6443/TCP"
    )


def test_allowing_the_endpoints_named_allows_the_service() -> None:
    ends = ("192.168.49.201", "192.168.49.202")
    rules = [
        {"to": [{"ipBlock": {"cidr": f"{end}/32"}}], "ports": [{"port": 6443}]} for end in ends
    ]
    for listed, verdict in ((rules, Verdict.ALLOW), (rules[:1], Verdict.UNKNOWN)):
        opened = policy("x", {"podSelector": {}, "policyTypes": ["Egress"], "egress": listed})
        explanation = told([opened], "x/b -> 10.96.0.1 tcp/443", api_server(*ends))
        assert explanation.outcome.verdict is verdict
    missing = {hint.kind: hint.text for hint in explanation.hints}["service-endpoints"]
    assert missing.endswith("allow 192.168.49.202 on 6443/TCP")


def test_many_endpoints_are_counted() -> None:
    world = api_server(*(f"192.168.49.{number}" for number in range(1, 21)))
    text = dict(hints([DENY_OUT], "x/b -> 10.96.0.1 tcp/443", world))["service-endpoints"]
    assert text.endswith("192.168.49.8 and 12 more on 6443/TCP")


def test_endpoints_that_are_pods() -> None:
    found = dict(hints([DENY_OUT], "x/a -> 10.96.0.20 tcp/80", fixture(BEHIND_80)))
    assert found["service-endpoints"].endswith("allow pod x/b (10.0.0.2) on 8080/TCP")


def test_no_endpoints_where_egress_is_not_what_denies() -> None:
    closed = policy("x", "{podSelector: {matchLabels: {pod: b}}, policyTypes: [Ingress]}")
    assert kinds([closed], "x/a -> 10.96.0.20 tcp/80", fixture(BEHIND_80)) == []
    assert kinds([DENY_OUT], "x/a -> x/b tcp/8080", fixture(BEHIND_80)) == []


OUT_80 = policy(
    "x",
    """
    podSelector: {matchLabels: {pod: a}}
    policyTypes: [Egress]
    egress: [{to: [{podSelector: {matchLabels: {pod: b}}}], ports: [{port: 80}]}]
    """,
    "out",
)
IN_80 = policy(
    "x",
    """
    podSelector: {matchLabels: {pod: b}}
    ingress: [{from: [{podSelector: {}}], ports: [{port: 80}]}]
    """,
    "in",
)


@pytest.mark.parametrize(
    ("chosen", "rule"), [(OUT_80, "egress[0] of x/out"), (IN_80, "ingress[0] of x/in")]
)
@pytest.mark.parametrize("asked", ["x/a -> 10.96.0.20 tcp/80", "x/a -> x/b tcp/8080"])
def test_a_rule_that_lists_the_port_of_the_service(chosen: Object, rule: str, asked: str) -> None:
    text = dict(hints([chosen], asked, fixture(BEHIND_80)))["service-port"]
    assert text == (
        f"{rule} allows port 80, which is the port of service x/svc-b; pod x/b listens on "
        "8080/TCP, and policies see that port: list 8080/TCP"
    )


def test_the_pods_of_a_service_are_told_together() -> None:
    replica = pod("x/b2", "10.0.0.3", labels={"pod": "b"})
    found = hints([OUT_80], "x/a -> 10.96.0.20 tcp/80", fixture(BEHIND_80, replica))
    ports = [text for kind, text in found if kind == "service-port"]
    assert len(ports) == 1
    assert "those behind it listen on 8080/TCP" in ports[0]


def test_a_rule_that_misses_by_its_peer_too_is_not_blamed_for_its_port() -> None:
    assert "service-port" not in kinds([OUT_80], "x/a -> y/a tcp/8080", fixture(BEHIND_80))
    other = policy(
        "x",
        """
        podSelector: {matchLabels: {pod: b}}
        ingress: [{from: [{podSelector: {matchLabels: {pod: z}}}], ports: [{port: 80}]}]
        """,
    )
    assert "service-port" not in kinds([other], "x/a -> x/b tcp/8080", fixture(BEHIND_80))


def test_a_rule_that_lists_the_node_port() -> None:
    behind = service(
        "x/svc-b", "10.96.0.20", {**HTTP, "nodePort": 30080}, selector={"pod": "b"}, type="NodePort"
    )
    text = policy("x", {"podSelector": {}, "ingress": [{"ports": [{"port": 30080}]}]})
    found = dict(hints([text], "x/a -> x/b tcp/8080", fixture(behind)))
    assert "allows port 30080, which is the node port of service x/svc-b" in found["service-port"]


def test_a_pod_dialled_at_the_port_of_its_service() -> None:
    found = hints([OUT_80], "x/a -> x/b tcp/80", fixture(BEHIND_80))
    assert found == [
        (
            "service-port",
            "80 is the port of service x/svc-b, which leads to port 8080 of pod x/b, and policies "
            "see that port: there the verdict is deny: np-implicit-deny",
        )
    ]
    assert hints([], "x/a -> x/b tcp/80", fixture(BEHIND_80)) == []


def test_a_proxied_load_balancer_is_told() -> None:
    proxied = {**service("x/svc-b", "10.96.0.20", HTTP, selector={"pod": "b"}, type="LoadBalancer")}
    proxied["status"] = {"loadBalancer": {"ingress": [{"ip": "203.0.113.51", "ipMode": "Proxy"}]}}
    text = dict(hints([OUT_80], "x/a -> 203.0.113.51 tcp/80", fixture(proxied)))
    assert text["load-balancer-proxy"].endswith(
        "x/out needs an ipBlock to 203.0.113.51/32 on 80/TCP"
    )


# --- the host network (A12.1) ---------------------------------------------------------------------

FROM_H = policy(
    "y",
    """
    podSelector: {matchLabels: {pod: a}}
    ingress:
    - from: [{namespaceSelector: {matchLabels: {team: x}}, podSelector: {matchLabels: {pod: h}}}]
    """,
)


def test_a_missed_selector_that_means_a_pod_on_the_host_network() -> None:
    expected = (
        "host-network",
        "ingress[0].from[0] of y/p selects pod x/h by labels, but on the host network it is node n1"
        " (192.168.0.1) to policies, and no selector means a node",
    )
    assert hints([FROM_H], "n1 -> y/a tcp/80") == [expected]
    assert "host-network" not in kinds([FROM_H], "n2 -> y/a tcp/80")
    assert kinds([FROM_H], "n1 -> y/a tcp/80", host_network="pod") == []


def test_a_pod_on_the_host_network_that_was_named() -> None:
    named = replace(flow("x/h -> y/a tcp/80"), src_pod="x/h")
    first, second = hints([FROM_H], named)
    assert first == (
        "host-network",
        "pod x/h is on the host network: policies take it for node n1 (192.168.0.1), so no "
        "podSelector means it and no policy is about it",
    )
    assert second[0] == "host-network"
    to_it = replace(flow("y/a -> x/h tcp/80"), dst_pod="x/h")
    assert hints([DENY_IN], to_it)[0][1].endswith("not even x/p, which has its labels")


# --- pods that ended (A13.4) ----------------------------------------------------------------------


def reused() -> list[Object]:
    ended = [{"name": "main", "state": {"terminated": {"finishedAt": "2026-01-01T01:00:00Z"}}}]
    old = pod(
        "x/old", "10.0.0.9", phase="Succeeded", startTime="2026-01-01T00:00:00Z",
        containerStatuses=ended,
    )  # fmt: skip
    new = pod("x/new", "10.0.0.9", startTime="2026-01-01T02:00:00Z")
    return fixture(old, new)


OLD = "10.0.0.9: pod x/old had it from 2026-01-01T00:00:00Z until it ended at 2026-01-01T01:00:00Z"
NEW = "pod x/new has it since 2026-01-01T02:00:00Z"


@pytest.mark.parametrize(
    ("time", "judged"),
    [
        (None, "judged as pod x/new"),
        ("2026-01-01T00:30:00Z", "judged as pod x/old at 2026-01-01T00:30:00Z"),
        ("2026-01-01T01:30:00Z", "judged as nobody's at 2026-01-01T01:30:00Z"),
    ],
)
def test_who_had_an_address_and_who_has_it(time: str | None, judged: str) -> None:
    asked = flow("y/a -> 10.0.0.9 tcp/80", time=parse_time(time))
    assert ("ended-pod", f"{OLD}; {NEW}; {judged}") in hints([DENY_IN], asked, reused())


def test_an_ended_pod_that_was_named() -> None:
    asked = replace(flow("10.0.0.9 -> y/a tcp/80"), src_pod="x/old")
    text = dict(hints([DENY_IN], asked, reused()))["ended-pod"]
    assert text == f"{OLD}; {NEW}; judged as pod x/old, which was named"
    assert "ended-pod" not in kinds([DENY_IN], "x/b -> y/a tcp/80", reused())


# --- node-local DNS -------------------------------------------------------------------------------

LOCAL_DNS = pod(
    "kube-system/node-local-dns-1",
    "192.168.0.1",
    labels={"k8s-app": "node-local-dns"},
    hostNetwork=True,
)


def test_node_local_dns_needs_an_address() -> None:
    world = fixture(namespace("kube-system"), LOCAL_DNS)
    found = dict(hints([DENY_OUT], "x/a -> 169.254.20.10 udp/53", world))
    assert found["node-local-dns"] == (
        "169.254.20.10 is node-local DNS (pod kube-system/node-local-dns-1): every node answers "
        "there itself, and no selector means it; x/p needs an ipBlock to 169.254.20.10/32 on "
        "53/UDP and 53/TCP"
    )
    assert "node-local-dns" in kinds([DENY_OUT], "x/a -> 169.254.25.10 tcp/53", world)
    assert "node-local-dns" in kinds([DENY_OUT], "x/a -> 169.254.20.10 udp/53")


@pytest.mark.parametrize(
    "asked", ["x/a -> 169.254.169.254 tcp/80", "x/a -> 169.254.25.10 udp/53", "x/a -> ext udp/53"]
)
def test_other_addresses_are_no_node_local_dns(asked: str) -> None:
    assert "node-local-dns" not in kinds([DENY_OUT], asked)


def test_policies_that_let_it_pass_need_nothing() -> None:
    opened = policy("x", "{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 53, "
                    "protocol: UDP}]}]}")  # fmt: skip
    assert kinds([opened], "x/a -> 169.254.20.10 udp/53") == []


# --- what upstream leaves open --------------------------------------------------------------------


def test_the_other_order_of_a_service_and_policies() -> None:
    block = policy("x", "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: "
                   "10.96.0.1/32}}]}]}")  # fmt: skip
    explanation = told([block], "x/b -> 10.96.0.1 tcp/443", api_server("192.168.49.201"))
    assert explanation.outcome.notes & Note.SERVICE_NAT_ORDER
    text = {hint.kind: hint.text for hint in explanation.hints}["service-nat-order"]
    assert text.endswith("that see 10.96.0.1:443 instead of 192.168.49.201 would allow it")


def test_what_is_outside_may_not_be_subject_to_blocks() -> None:
    found = dict(hints([DENY_OUT], "x/b -> 10.96.0.1 tcp/443", api_server("192.168.49.201")))
    assert found["service-nat-order"].startswith("192.168.49.201 is outside the cluster")


def test_egress_to_the_own_node() -> None:
    found = dict(hints([DENY_OUT], "x/a -> n1 tcp/10250"))
    assert found["own-node-egress"].endswith(
        "with --own-node-egress allow the verdict is allow: own-node"
    )
    assert "own-node-egress" not in kinds([DENY_OUT], "x/a -> n2 tcp/10250")


def test_a_source_that_nat_put_in() -> None:
    block = policy("y", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 8.8.8.0/24}}]}]}")
    asked = flow("ext -> y/a tcp/8080", src_seen="192.168.0.1")
    found = dict(hints([block], asked))
    assert found["source-seen"].startswith("NAT put node n1 (192.168.0.1) in for 8.8.8.8")
    assert kinds([policy("y", "{podSelector: {}, ingress: []}")], asked) == []


# --- readings -------------------------------------------------------------------------------------


def readings(explanation: Explanation, side: str) -> list[tuple[str, int, str]]:
    story = getattr(explanation.pairs[0], side)
    return [(r.text, len(r.ends), r.story.outcome.verdict.label) for r in story.readings]


def test_egress_readings_say_what_the_policies_see() -> None:
    behind = service(
        "x/svc-b", "10.96.0.20", {**HTTP, "nodePort": 30080}, selector={"pod": "b"}, type="NodePort"
    )
    out = policy("y", "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{podSelector: {}, "
                 "namespaceSelector: {}}]}]}")  # fmt: skip
    evaluator = evaluator_of([out], fixture(behind))
    explanation = explanation_of(evaluator, flow("y/a -> n1 tcp/30080"))
    assert readings(explanation, "egress") == [
        ("pod x/b (10.0.0.2) on 8080/TCP", 1, "allow"),
        ("node n1 (192.168.0.1) on 30080/TCP", 1, "deny"),
    ]
    assert [hint.text for hint in explanation.hints] == [
        "egress of pod y/a (10.0.1.1) would be allowed whatever its policies see if they also "
        "allowed 192.168.0.1 on 30080/TCP"
    ]
    text = explained(evaluator, flow("y/a -> n1 tcp/30080"))
    assert "if egress policies see node n1 (192.168.0.1) on 30080/TCP:" in text


def test_a_large_cluster_is_told_in_a_line() -> None:
    nodes = [node(f"m{number}", f"192.168.7.{number}") for number in range(1, 201)]
    block = policy("y", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 8.8.8.8/32}}]}]}")
    to_y = service("y/svc", "10.96.0.30", {"port": 80, "targetPort": 8080}, selector={"pod": "a"})
    evaluator = evaluator_of([block], fixture(to_y, *nodes))
    explanation = explanation_of(evaluator, flow("ext -> 10.96.0.30 tcp/80"))
    found = readings(explanation, "ingress")
    assert [(count, verdict) for _, count, verdict in found] == [
        (1, "allow"), (201, "deny"), (1, "allow"),
    ]  # fmt: skip
    assert found[1][0].endswith("and 198 more") or "198 more" in found[1][0]
    assert len(explained(evaluator, flow("ext -> 10.96.0.30 tcp/80")).splitlines()) < 60


def test_any_address_outside_stands_for_all() -> None:
    proxied = service(
        "y/svc", "10.96.0.30", {"port": 80, "targetPort": 8080}, selector={"pod": "a"},
        type="LoadBalancer",
    )  # fmt: skip
    proxied["status"] = {"loadBalancer": {"ingress": [{"ip": "203.0.113.51", "ipMode": "Proxy"}]}}
    block = policy(
        "y", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 203.0.113.51/32}}]}]}"
    )
    explanation = told([block], "ext -> 203.0.113.51 tcp/80", fixture(proxied))
    texts = [text for text, _, _ in readings(explanation, "ingress")]
    assert texts[0] == "external (203.0.113.51)"
    assert texts[1].startswith("any other address outside or ")


def test_what_may_be_an_answer() -> None:
    opened = policy("x", "{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}")
    answer = flow("x/b -> y/a tcp/45000", sport=8080)
    closed = policy("y", "{podSelector: {}, policyTypes: [Ingress]}")
    explanation = told([opened, closed], answer)
    assert explanation.outcome.notes & Note.MAYBE_REPLY
    found = {hint.kind: hint.text for hint in explanation.hints}
    assert "maybe-reply" not in found  # as an answer, it would be of a connection that is denied
    allowed = told([closed], answer)
    assert {hint.kind: hint.text for hint in allowed.hints}["maybe-reply"].endswith(
        "if it is an answer that the log does not mark as one, the verdict is allow: reply"
    )


# --- the command ----------------------------------------------------------------------------------


def test_text_and_json_of_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cluster, policies = Path("cluster.json"), Path("policies.json")
    for file, items in ((cluster, fixture()), (policies, [DENY_IN])):
        file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    words = ["explain", "10.0.0.254", "x/a", "80", "-c", str(cluster), "-p", str(policies)]
    result = run(*words)
    assert result.exit_code == 0, result.output
    text = result.stdout
    assert "\nhint: 10.0.0.254 lies in n1's pod range and is no known pod's" in text
    assert "settled by --node-address NODE=ADDRESS, if it is the node's gateway to its" in text
    assert max(map(len, text.splitlines())) <= 80
    found = json.loads(run(*words, "-o", "json").stdout)
    assert [hint["hint"] for hint in found["hints"]] == ["node-gateway"]
    assert found["settled_by"] == SETTLES[Reason.POSSIBLE_NODE_GATEWAY]
    first, second = found["pairs"][0]["ingress"]["readings"]
    assert (first["source"], first["destination"]) == ("external (10.0.0.254)", None)
    assert (second["text"], second["alike"]) == ("node n1 (10.0.0.254)", [])
    assert (first["verdict"], second["verdict"]) == ("deny", "allow")


def test_a_node_port_of_many_nodes_is_looked_at_once() -> None:
    nodes = [node(f"m{number}", f"192.168.7.{number}") for number in range(1, 101)]
    behind = service(
        "x/svc-b", "10.96.0.20", {**HTTP, "nodePort": 30080}, selector={"pod": "b"}, type="NodePort"
    )
    services = evaluator_of([], fixture(behind, *nodes)).services
    found = services.leading_to(
        next(pod for pod in services._identities.pods if pod.name == "b"), 8080, 6
    )
    assert len(list(found)) == 2  # its port and its node port
