"""``netpol explain``: how ends and ports are named, what is printed, the code it ends with."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given

import netpol
from cli_support import GUIDE, failure, golden, process, run
from netpol.explain.explain import explanation_of
from netpol.explain.named_flows import Port, flows_between, read_port
from netpol.explain.names import Names
from netpol.explain.replicas import Replicas
from netpol.model.errors import ConfigError
from netpol.reference import ReferenceEvaluator
from netpol.report.json.explain import render
from strategies import Case, cases
from test_explain import random_worlds
from worlds import Object, adapt_engine, fixture, load, namespace, node, pod, policy, service

LAB = ["-c", "lab/cluster.json", "-p", "lab/policies", "--node-address", "node1=10.244.1.1"]


def explain(*words: str) -> Any:
    return run("explain", *words)


# --- goldens --------------------------------------------------------------------------------------

TOLD = {
    "guide-label": ["default/batch", "default/db", "6379", *GUIDE],
    "guide-port": ["pod/frontend", "pod/db", "5432/tcp", *GUIDE],
    "guide-outside": ["default/db", "203.0.113.7", "443", *GUIDE],
    "guide-surprise": ["my-project/client", "open/crawler", "9090", *GUIDE],
    "lab-service": ["shop/web-0", "svc/api", "http", "-n", "shop", *LAB],
    "lab-ipv6": ["shop/web-0", "data/db-0", "pg", "--family", "6", *LAB],
    "lab-icmp": ["shop/web-0", "data/db-0", "icmp", *LAB],
    "lab-node": ["node/node1", "shop/api-7c9d-bbbb2", "http", *LAB],
}


@pytest.mark.usefixtures("in_examples")
@pytest.mark.parametrize("name", TOLD)
def test_told_as_expected(name: str) -> None:
    result = explain(*TOLD[name], "-q")
    assert result.exit_code == 0, result.output
    assert max(map(len, result.stdout.splitlines())) <= 80
    golden(f"explain-{name}.txt", result.stdout)


@pytest.mark.usefixtures("in_examples")
def test_json_as_expected() -> None:
    result = explain(*TOLD["guide-label"], "-q", "-o", "json")
    assert result.exit_code == 0
    json.loads(result.stdout)
    golden("explain-guide-label.json", result.stdout)


@pytest.mark.usefixtures("in_examples")
def test_verdicts_explain_gives_the_same_text() -> None:
    engine = netpol.compile(
        netpol.read_policies(["guide/policies.yaml"]), netpol.read_snapshot(["guide/cluster.yaml"])
    )
    columns = {"src": ["10.244.0.12"], "dst": ["10.244.0.10"], "protocol": [6], "dport": [6379]}
    told = engine.evaluate(columns).explain(0)
    assert told == explain(*TOLD["guide-label"], "-q").stdout


@pytest.mark.usefixtures("in_examples")
def test_no_colour_where_nobody_sees_it() -> None:
    result = process("explain", *TOLD["guide-label"], capture_output=True)
    assert b"\x1b" not in result.stdout


# --- codes ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("in_examples")
@pytest.mark.parametrize(
    ("fail_on", "code"), [("deny", 1), ("unknown", 0), ("deny,unknown", 1), ("", 0)]
)
def test_fail_on(fail_on: str, code: int) -> None:
    words = ["--fail-on", fail_on] if fail_on else []
    assert explain(*TOLD["guide-label"], *words).exit_code == code


@pytest.mark.usefixtures("in_examples")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["default/batsh", "default/db", "1"], "close are default/batch"),
        (["external", "default/db", "1"], "external: give the address that is meant"),
        (["default/batch", "default/db", "redis"], "declares no port redis/tcp"),
        (["default/batch", "default/db", "0"], "ports go from 1 to 65535"),
        (["default/batch", "default/db", "80/icmp"], "is no port"),
        (["default/batch", "default/db", "80", "--family", "6"], "do not both have IPv6"),
        (["default/batch", "default/db", "80", "--time", "noon"], "is not an RFC 3339 time"),
        (["default/batch", "default/db", "80", "-c", "-", "-p", "-"], "only once"),
        (["default/batch", "2001:db8::1", "80"], "do not both have addresses of one family"),
    ],
)
def test_errors(words: list[str], message: str) -> None:
    assert message in failure(explain(*words, *GUIDE))


# --- names ----------------------------------------------------------------------------------------


def owned(item: Object, kind: str, name: str) -> Object:
    item["metadata"]["ownerReferences"] = [{"kind": kind, "name": name, "controller": True}]
    if kind == "ReplicaSet":
        item["metadata"]["labels"]["pod-template-hash"] = name.rpartition("-")[2]
    return item


WORLD = [
    namespace("shop"), node("n1", "192.168.0.1"),
    owned(pod("shop/web-7c9d-a", "10.0.0.1", labels={"v": "1"}), "ReplicaSet", "web-7c9d"),
    owned(pod("shop/web-7c9d-b", "10.0.0.2", labels={"v": "2"}), "ReplicaSet", "web-7c9d"),
    owned(pod("shop/web-7c9d-c", "10.0.0.3", labels={}, phase="Failed"), "ReplicaSet", "web-7c9d"),
    owned(pod("shop/db-0", "10.0.0.9", "fd00::9", labels={"app": "db"},
              declared=("pg=5432", "dns=53/UDP", "dns=54/TCP")), "StatefulSet", "db"),
    pod("shop/none"), pod("node/n1", "10.0.0.8"),
    service("shop/db", "10.96.0.9", {"port": 80, "name": "pg", "targetPort": "pg"},
            selector={"app": "db"}),
    service("shop/bare", None, {"port": 80}, clusterIP="None"),
]  # fmt: skip
ONLY_ONE = policy(
    "shop", {"podSelector": {"matchLabels": {"app": "db"}},
             "ingress": [{"from": [{"podSelector": {"matchLabels": {"v": "1"}}}]}]},
)  # fmt: skip


@pytest.fixture
def names() -> Names:
    policies, snapshot = load([], WORLD)
    evaluator = ReferenceEvaluator(policies, snapshot)
    return Names(snapshot, evaluator.identities, "shop")


@pytest.mark.parametrize(
    ("word", "label"),
    [
        ("shop/db-0", "shop/db-0"), ("pod/db-0", "shop/db-0"), ("po/db-0", "shop/db-0"),
        ("db-0", "shop/db-0"), ("pod/shop/db-0", "shop/db-0"), ("shop/pod/db-0", "shop/db-0"),
        ("deployment/web", "shop/deployment/web"), ("deploy/web", "shop/deployment/web"),
        ("shop/deployment/web", "shop/deployment/web"), ("sts/db", "shop/statefulset/db"),
        ("deployment/shop/web", "shop/deployment/web"), ("svc/db", "service/shop/db"),
        ("service/shop/db", "service/shop/db"), ("shop/svc/db", "service/shop/db"),
        ("10.0.0.9", "10.0.0.9"), ("::ffff:10.0.0.9", "10.0.0.9"), ("FD00::9", "fd00::9"),
    ],
)  # fmt: skip
def test_names(names: Names, word: str, label: str) -> None:
    assert names.find(word).label == label


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("node/n1", "node/n1: nothing|node/n1 may be"),
        ("shop/web", "nothing is called so; close are shop/deployment/web"),
        ("shop/deploymnt/web", "close are shop/deployment/web"),
        ("svc/deb", "close are service/shop/db"),
        ("a/b/c/d", "nothing is called so"),
        ("", "nothing is called so"),
    ],
)
def test_unknown_names(names: Names, word: str, message: str) -> None:
    if word == "node/n1":  # a node, and a pod of a namespace called node
        assert names.find(word).label == "node/n1"
        return
    with pytest.raises(ConfigError, match=message):
        names.find(word)


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("80", Port(80, 6)), ("53/udp", Port(53, 17)), ("http", Port("http", 6)),
        ("HTTP/SCTP", Port("HTTP", 132)), ("icmp", Port(None, 1)), ("ICMPv6", Port(None, 58)),
        ("gre", Port(None, 47)), ("tcp", Port("tcp", 6)),
    ],
)  # fmt: skip
def test_ports(text: str, port: Port) -> None:
    assert read_port(text) == port


@pytest.mark.parametrize("text", ["", "/tcp", "80/", "80/x", "65536", "-1/tcp/udp", "80/icmp"])
def test_bad_ports(text: str) -> None:
    with pytest.raises(ConfigError):
        read_port(text)


@pytest.mark.parametrize(
    ("src", "dst", "port", "flow"),
    [
        ("web-7c9d-a", "db-0", "pg", "10.0.0.1 10.0.0.9 6 5432"),
        ("web-7c9d-a", "db-0", "dns/udp", "10.0.0.1 10.0.0.9 17 53"),
        ("web-7c9d-a", "svc/db", "pg", "10.0.0.1 10.96.0.9 6 80"),
        ("web-7c9d-a", "svc/db", "80", "10.0.0.1 10.96.0.9 6 80"),
        ("2001:db8::1", "db-0", "icmp", "2001:db8::1 fd00::9 58 None"),
        ("192.168.0.1", "sts/db", "1/sctp", "192.168.0.1 10.0.0.9 132 1"),
    ],
)
def test_flows(names: Names, src: str, dst: str, port: str, flow: str) -> None:
    (asked, *_), _ = flows_between(names.find(src), names.find(dst), read_port(port), None, None)
    found = asked.flow
    assert f"{found.src} {found.dst} {found.protocol} {found.dport}" == flow


@pytest.mark.parametrize(
    ("src", "dst", "port", "message"),
    [
        ("svc/db", "db-0", "80", "a service opens no connections"),
        ("db-0", "svc/bare", "80", "headless"),
        ("db-0", "svc/db", "81", "service/shop/db has no port 81/tcp; it has pg 80/tcp"),
        ("db-0", "svc/db", "80/udp", "has no port 80/udp"),
        ("web-7c9d-a", "db-0", "http", "declares no port http/tcp; it declares dns 54/tcp"),
        ("db-0", "none", "80", "shop/none has no address"),
        ("db-0", "10.0.0.1", "http", "declares no port names"),
    ],
)
def test_no_flows(names: Names, src: str, dst: str, port: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        flows_between(names.find(src), names.find(dst), read_port(port), None, None)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    (tmp_path / "c.yaml").write_text(yaml.safe_dump_all(WORLD))
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(ONLY_ONE))
    return ["-c", str(tmp_path / "c.yaml"), "-p", str(tmp_path / "p.yaml"), "-n", "shop", "-q"]


def test_replicas_that_differ_are_told(files: list[str]) -> None:
    result = explain("deployment/web", "sts/db", "pg", *files, "--fail-on", "deny")
    assert result.exit_code == 1  # of the second
    told = result.stdout[result.stdout.index("\nshop/deployment/web: ") :]
    assert told == (
        "\nshop/deployment/web: explained for shop/web-7c9d-a, one of its 2 live pods\n"
        "shop/statefulset/db: explained for shop/db-0, its only live pod\n"
        "1 of the 2 pairs of pods come out otherwise:\n"
        "  shop/web-7c9d-b -> shop/db-0: deny: np-implicit-deny\n"
    )
    document = json.loads(explain("deploy/web", "sts/db", "pg", *files, "-o", "json").stdout)
    assert document["src"]["pods"] == ["shop/web-7c9d-a", "shop/web-7c9d-b"]
    assert (document["verdict"], document["replicas"]["alike"]) == ("allow", False)
    assert [each["verdict"] for each in document["replicas"]["differing"]] == ["deny"]


def test_replicas_that_are_alike_are_told(files: list[str]) -> None:
    told = explain("deployment/web", "203.0.113.7", "443", *files).stdout
    assert "\nall 2 pairs of pods come out alike\n" in told


def test_policies_among_the_cluster_on_stdin() -> None:
    everything = yaml.safe_dump_all([*WORLD, ONLY_ONE])
    words = ("explain", "shop/web-7c9d-b", "shop/db-0", "pg", "-c", "-", "--fail-on", "deny")
    result = run(*words, stdin=everything)
    assert result.exit_code == 1
    assert "deny (ingress): np-implicit-deny" in result.stdout
    assert "no network policy found" in failure(run(*words, stdin=yaml.safe_dump_all(WORLD)))


def test_settings_of_the_environment(files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETPOL_EXPLAIN_FAIL_ON", "deny")
    monkeypatch.setenv("NETPOL_FAIL_ON", "differs")  # of replay
    assert explain("web-7c9d-b", "db-0", "pg", *files).exit_code == 1


def test_who_had_an_address_then(files: list[str]) -> None:
    early = explain("10.0.0.3", "db-0", "pg", *files, "--time", "2020-01-01T00:00:00Z").stdout
    assert "external (10.0.0.3) -> pod shop/db-0" in early


def test_through_a_service(files: list[str]) -> None:
    document = json.loads(explain("web-7c9d-b", "svc/db", "pg", *files, "-o", "json").stdout)
    assert (document["verdict"], document["pairs"][0]["dst"]) == (
        "deny",
        "pod shop/db-0 (10.0.0.9)",
    )
    assert document["flips"][0]["text"] == "would be allowed if pod shop/web-7c9d-b had label v=1"


# --- the engine says the same ---------------------------------------------------------------------


@random_worlds
@given(cases())
def test_json_has_the_engines_verdict(case: Case) -> None:
    policies, snapshot = load(case.policies, case.objects, case.dns)
    chosen = {name: getattr(case.switches, name) for name in case.switches.__dataclass_fields__}
    try:
        engine = netpol.compile(policies, snapshot, **chosen)
        reference = ReferenceEvaluator(policies, snapshot, case.switches)
        names = Names(snapshot, reference.identities, "x")
        ends = [names.find(f"{each.namespace}/{each.name}") for each in reference.identities.pods]
        flows = [
            asked
            for src in ends[:3] for dst in ends[:3]
            if all(end.addresses for end in (src, dst))
            and {a.version for a in src.addresses} & {a.version for a in dst.addresses}
            for asked in flows_between(src, dst, Port(80, 6), None, None)[0]
        ]  # fmt: skip
        answers = adapt_engine(engine, [asked.flow for asked in flows])
    except ConfigError:  # cnp_tie=error
        return
    for asked, answer in zip(flows, answers, strict=True):
        outcome = reference.judge(asked.flow)
        replicas = Replicas((ends[0], ends[0]), [asked], [outcome], 1)
        document = json.loads(render(explanation_of(reference, asked.flow), replicas))
        assert (document["verdict"], document["side"], document["reason"]) == (
            answer.verdict, answer.side, answer.reason,
        )  # fmt: skip
        for name, side in (("egress", answer.egress), ("ingress", answer.ingress)):
            if document[name] is not None:
                told = document[name]
                assert (told["verdict"], told["reason"], told["policy"], told["rule"]) == side


def test_the_fixture_can_be_named() -> None:
    policies, snapshot = load([], fixture())
    names = Names(snapshot, ReferenceEvaluator(policies, snapshot).identities, "x")
    assert names.find("node/n1").kind == "node"
    assert names.find("svc/svc-a").label == "service/x/svc-a"
