"""Coverage of small worlds: sole reasons, doubt, elements, limits, frames, annotations."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from cli_support import EXAMPLES
from netpol.flows.columns.normalise import batch_from
from netpol.flows.reader import open_flows
from netpol.kube.policies import read_policies
from netpol.kube.snapshot import read_snapshot
from netpol.model.errors import CapacityError
from netpol.policy.dialects.lower import lower
from netpol.policy.split import split
from netpol.questions.coverage.coverage import Coverage, CoverageEngine, coverage
from netpol.report.ci.coverage import annotations_of
from worlds import cluster_policy, fixture, flow, load, pod, policy


def cover(policies: list[Any], *flows: str, **switches: Any) -> Coverage:
    read, snapshot = load(policies, fixture())
    return coverage(read, snapshot, [batch_from([flow(text)]) for text in flows], **switches)


INGRESS = """
policyTypes: [Ingress]
ingress:
- from:
  - podSelector: {matchLabels: {pod: b}}
  - namespaceSelector: {matchLabels: {team: y}}
  ports: [{port: 80}, {port: 81}]
"""


def test_elements_of_both_kinds() -> None:
    found = cover([policy("x", INGRESS)], "x/b -> x/a tcp/80", "y/a -> x/a tcp/81")
    (rule,) = found.policies[0].rules
    assert (rule.hits.flows, rule.hits.sole) == (2, 2)
    assert [(one.field, one.text, one.hits.flows) for one in rule.elements] == [
        ("from[0]", "pods pod=b in x", 1),
        ("from[1]", "pods any in namespaces team=y", 1),
        ("ports[0]", "80/tcp", 1),
        ("ports[1]", "81/tcp", 1),
    ]


def test_a_flow_that_two_rules_allow_has_no_sole_reason() -> None:
    other = policy("x", "{policyTypes: [Ingress], ingress: [{}]}", "q")
    found = cover([policy("x", INGRESS), other], "x/b -> x/a tcp/80", "z/c -> x/a tcp/80")
    assert [(r.hits.flows, r.hits.sole) for p in found.policies for r in p.rules] == [
        (1, 0),
        (2, 1),
    ]


def test_a_flow_that_the_other_side_denies_hangs_on_nothing() -> None:
    denied = policy("y", "{policyTypes: [Egress]}", "out")
    found = cover([policy("x", INGRESS), denied], "y/a -> x/a tcp/80")
    (rule,) = found.policies[0].rules
    assert (rule.hits.flows, rule.hits.sole) == (1, 0)
    assert found.policies[1].egress.denied == 1


def test_a_denial_that_is_the_only_one() -> None:
    wide = cluster_policy(
        "c",
        """
        tier: Admin
        priority: 1
        subject: {namespaces: {}}
        egress:
        - {action: Deny, to: [{networks: [10.0.0.0/24, 10.0.1.0/24]}, {networks: [8.8.8.8/32]}]}
        """,
    )
    found = cover([wide], "x/a -> y/a tcp/80", "x/a -> x/b tcp/80")
    (rule,) = found.policies[0].rules
    assert (rule.action, rule.hits.flows, rule.hits.sole) == ("deny", 2, 2)
    networks, host = rule.elements
    assert (networks.text, networks.hits.sole) == ("10.0.0.0/24, 10.0.1.0/24", 2)
    assert host.hits.never
    assert [item.name for item in found.never_hit_elements] == ["egress[0].to[1]"]
    (note,) = annotations_of(found)
    assert (note.level, note.code) == ("note", "never-hit-element")


def test_a_rule_that_may_match_is_not_never_hit() -> None:
    found = cover([policy("x", INGRESS)], "x/b -> x/a tcp")
    (rule,) = found.policies[0].rules
    assert (rule.hits.flows, rule.hits.possible, rule.hits.sole) == (0, 1, 1)
    assert not found.never_hit


def test_pods_seen_and_isolated() -> None:
    found = cover([policy("x", INGRESS)], "x/b -> x/a tcp/80")
    pods = {pod.label: pod for pod in found.pods}
    assert (pods["x/b"].opened, pods["x/a"].served) == (1, 1)
    assert (pods["x/a"].isolated_ingress, pods["x/a"].isolated_egress) == (True, False)
    assert {pod.label for pod in found.pods_never_seen} == {"x/h", "y/a", "y/b", "z/c"}


def test_names_in_the_log_count_for_the_pods_they_name() -> None:
    read, snapshot = load([], fixture())
    named = batch_from([flow("ext -> x/a tcp/80", src_pod="y/b")])
    found = coverage(read, snapshot, [named])
    assert {pod.label for pod in found.pods if pod.opened} == {"y/b"}


def test_a_rule_with_very_many_elements_stays_whole() -> None:
    read, _ = load([policy("x", INGRESS)], fixture())
    parts = split(lower(read), max_parts=3)
    assert len(parts.whole) == 1
    assert len(parts.program.stages[0].policies[0].ingress) == 1
    assert len(split(lower(read)).program.stages[0].policies[0].ingress) == 4


def test_where_elements_take_too_much_rules_are_counted_alone() -> None:
    peers = [{"ipBlock": {"cidr": f"20.{n >> 8}.{n & 255}.0/24"}} for n in range(600)]
    spec = {"policyTypes": ["Ingress"], "ingress": [{"from": peers, "ports": [{"port": 80}]}]}
    read, snapshot = load([policy("x", spec)], fixture())
    budget = 1 << 20
    while True:  # the least that does without elements
        try:
            compiled = CoverageEngine(read, snapshot, memory_budget=budget)
            break
        except CapacityError:
            budget += 1 << 18
    found = compiled.cover([batch_from([flow("20.0.1.1 -> x/a tcp/80")])])
    (rule,) = found.policies[0].rules
    assert (rule.hits.flows, rule.split) == (1, False)


def test_an_address_of_several_pods_counts_for_the_first_and_says_so() -> None:
    twin = pod("x/twin", "10.0.0.1", labels={"pod": "b"})
    read, snapshot = load([policy("x", INGRESS)], fixture(twin))
    found = coverage(read, snapshot, [batch_from([flow("10.0.0.1 -> 10.0.0.2 tcp/80")])])
    assert found.evidence.several == 1
    assert {item.label for item in found.pods if item.opened} == {"x/a", "x/twin"}


def test_text_without_batches_gives_the_same() -> None:
    read = read_policies([EXAMPLES / "lab/policies"])
    snapshot = read_snapshot([EXAMPLES / "lab/cluster.json"])
    compiled = CoverageEngine(read, snapshot)
    dumps = [EXAMPLES / f"lab/node{number}.conntrack.txt" for number in (1, 2)]
    summed = compiled.cover(open_flows(dumps), jobs=2)
    batches = compiled.cover(iter(open_flows(dumps)))
    assert summed.policies == batches.policies
    assert summed.pods == batches.pods
    assert summed.evidence.verdicts == batches.evidence.verdicts


def test_frames_and_html() -> None:
    found = cover([policy("x", INGRESS, "p"), policy("x", INGRESS, "q")], "x/b -> x/a tcp/80")
    table = found.to_arrow()
    assert table.num_rows == 10
    assert table["flows"].to_pylist()[:5] == [1, 1, 0, 1, 0]
    assert "<td>x/p</td>" in found._repr_html_()


@pytest.mark.parametrize("name", ["pandas", "polars"])
def test_a_missing_library_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    found = cover([policy("x", INGRESS)], "x/b -> x/a tcp/80")
    with pytest.raises(ImportError, match=f"pip install {name}"):
        getattr(found, f"to_{name}")()
