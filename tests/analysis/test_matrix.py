"""The matrix against judging every pair, exposure against later pods, and every output."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import netpol
import pools
from analysis.support import direct, first_addresses, holds, judged_pairs, owners_of, random_worlds
from cli_support import failure, golden, run
from netpol.model.errors import ConfigError
from netpol.model.verdict import Verdict
from netpol.policy.program import Operator, Requirement, Selector
from netpol.questions.allpairs.portsets import Ports, PortSets, join_ports
from netpol.questions.reach.exposure import exposures
from netpol.questions.reach.matrix import Question, reachability
from netpol.questions.reach.satisfiable import is_satisfiable
from strategies import Case, cases
from worlds import load, namespace, node, pod, policy

GUIDE = ["-c", "guide/cluster.yaml", "-p", "guide/policies.yaml", "-q"]
LAB = ["-c", "lab/cluster.json", "-p", "lab/policies"]


def engine_of(case: Case) -> tuple[Any, Any]:
    policies, snapshot = load(case.policies, case.objects, case.dns)
    chosen = {name: getattr(case.switches, name) for name in case.switches.__dataclass_fields__}
    return netpol.compile(policies, snapshot, **chosen), snapshot


def contains(ports: tuple[Ports, ...], example: tuple[int, int | None]) -> bool:
    number, port = example
    name = {6: "tcp", 17: "udp", 132: "sctp", 1: "icmp", 58: "ipv6-icmp"}.get(number, "other")
    return any(
        item.protocol == name
        and (item.ranges is None or any(a <= (port or 0) <= b for a, b in item.ranges))
        for item in ports
    )


def counts_on(reach: Any, example: tuple[int, int | None]) -> tuple[int, int, int]:
    [cell] = [cell for cell in reach.cells if contains(cell.ports, example)]
    return cell.allow, cell.deny, cell.unknown


def told(found: Any, pair: Any) -> Any:
    """Give what the matrix says of a pair of owners."""
    [reach] = [
        reach
        for reach in found
        if (reach.src, reach.dst) == (pair[0].name, pair[1].name)
        and (pair[0].kind == "pod" or holds(reach.src_networks, pair[0].address))
        and (pair[1].kind == "pod" or holds(reach.dst_networks, pair[1].address))
    ]
    return reach


@pytest.mark.long
@random_worlds
@given(cases(flows=0))
def test_it_counts_what_judging_every_pair_counts(case: Case) -> None:
    case.objects = direct(case.objects)
    engine, snapshot = engine_of(case)
    found = list(reachability(engine, Question(by="workload")).reaches())
    who = owners_of(case, snapshot, first_addresses([engine]))
    who = [one for one in who if one.kind != "node"]  # shared ones cannot be asked about
    pairs, numbers, [judged] = judged_pairs([engine], who)
    ports = join_ports([engine])
    expected: dict[Any, Any] = {}
    for pair, verdicts in zip(pairs, judged, strict=True):
        # An external address is told with all the pods that it may talk to.
        key = tuple((one.name, one.address if one.kind == "external" else 0) for one in pair)
        sums = expected.setdefault(key, (pair, [Counter() for _ in numbers]))[1]
        for place, verdict in enumerate(verdicts.tolist()):
            sums[place][verdict] += 1
    for pair, sums in expected.values():
        reach = told(found, pair)
        for number, counted in zip(numbers, sums, strict=True):
            counts = tuple(counted[verdict] for verdict in Verdict)
            assert counts_on(reach, ports.example(number)) == counts, (pair, reach)


STRANGERS = st.tuples(
    st.sampled_from([*pools.NAMESPACES, "new"]),
    st.sampled_from(pools.LABELS),
    st.sampled_from(pools.SPACE_LABELS),
)


@pytest.mark.long
@random_worlds
@given(cases(flows=0), STRANGERS)
def test_no_stranger_reaches_more_than_is_said(case: Case, stranger: Any) -> None:
    case.objects = direct(case.objects)
    engine, _ = engine_of(case)
    said = {one.workload: one for one in exposures(engine)}
    space, labels, space_labels = stranger
    case.objects.append(pod(f"{space}/stranger", "10.0.0.5", node=None, labels=labels))
    if space == "new":
        case.objects.append(namespace(space, **space_labels))
    later, snapshot = engine_of(case)
    who = [
        one
        for one in owners_of(case, snapshot, first_addresses([later]))
        if one.kind == "pod" or one.kind == "external"
    ]
    pairs, numbers, [judged] = judged_pairs([later], who)
    ports = join_ports([later])
    for (source, target), verdicts in zip(pairs, judged, strict=True):
        if target.kind != "pod" or target.hint.endswith("/stranger"):
            continue
        reached = np.array(numbers)[verdicts != Verdict.DENY].tolist()
        if source.hint.endswith("/stranger"):
            for number in reached:
                assert contains(said[target.name].stranger, ports.example(number)), target
        elif source.kind == "external":
            for number in reached:
                assert contains(said[target.name].external, ports.example(number)), target
                assert holds(said[target.name].networks, source.address)


CLUSTER = [
    namespace("x"),
    node("n1", "192.168.0.1"),
    pod("x/a", "10.0.0.1", labels={"app": "a"}),
    pod("x/b", "10.0.0.2", labels={"app": "b"}),
]


def exposed(*specs: str) -> dict[str, Any]:
    policies = [policy("x", spec, f"p{number}") for number, spec in enumerate(specs)]
    engine = netpol.compile(*load(policies, CLUSTER))
    return {one.workload: one for one in exposures(engine)}


def test_a_selector_nobody_can_satisfy_exposes_nothing() -> None:
    closed = "{podSelector: {matchLabels: {app: a}}, ingress: [{from: [{podSelector: %s}]}]}"
    never = "{matchLabels: {k: v}, matchExpressions: [{key: k, operator: NotIn, values: [v]}]}"
    found = exposed(closed % never)
    assert found["x/a"].stranger == ()
    assert found["x/b"].stranger_everything
    assert exposed(closed % "{matchLabels: {k: v}}")["x/a"].stranger_everything


@pytest.mark.parametrize(
    ("tests", "expected"),
    [
        ([], True),
        ([(Operator.IN, "ab")], True),
        ([(Operator.IN, "ab"), (Operator.IN, "bc")], True),
        ([(Operator.IN, "a"), (Operator.IN, "b")], False),
        ([(Operator.IN, "a"), (Operator.NOT_IN, "a")], False),
        ([(Operator.EXISTS, ""), (Operator.NOT_IN, "a")], True),
        ([(Operator.EXISTS, ""), (Operator.DOES_NOT_EXIST, "")], False),
        ([(Operator.NOT_IN, "a"), (Operator.DOES_NOT_EXIST, "")], True),
        ([(Operator.IN, "")], False),
    ],
)
def test_satisfiable(tests: list[tuple[Operator, str]], expected: bool) -> None:
    tests_of_key = frozenset(Requirement("k", operator, frozenset(v)) for operator, v in tests)
    assert is_satisfiable(Selector(tests_of_key)) is expected


def test_saved_tables_have_no_exposure() -> None:
    engine = netpol.compile(*load([], CLUSTER))
    engine.source = None
    with pytest.raises(ConfigError, match="saved tables"):
        exposures(engine)


# --- the command --------------------------------------------------------------------------------

in_examples = pytest.mark.usefixtures("in_examples")


@in_examples
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("guide.txt", GUIDE),
        ("guide.json", [*GUIDE, "--src", "default/*", "-o", "json"]),
        ("guide.csv", [*GUIDE, "-o", "csv"]),
        ("guide.dot", [*GUIDE, "-o", "dot", "--by", "namespace"]),
        ("lab.txt", LAB),
        ("lab-namespaces.txt", [*LAB, "--by", "namespace"]),
        ("lab-port.txt", [*LAB, "--dst", "data", "--port", "5432/tcp"]),
        ("lab-denied.txt", [*LAB, "--src", "shop/*", "--verdict", "deny"]),
        ("lab-exposure.txt", [*LAB, "--exposure"]),
        ("lab-exposure.json", [*LAB, "--exposure", "-o", "json"]),
        ("lab-exposure.csv", [*LAB, "--exposure", "-o", "csv"]),
    ],
)
def test_output(name: str, words: list[str]) -> None:
    result = run("matrix", *words)
    assert (result.exit_code, result.stderr) == (0, "")
    golden(f"matrix-{name}", result.stdout)


@in_examples
def test_formats_say_the_same() -> None:
    rows = list(csv.DictReader(io.StringIO(run("matrix", *GUIDE, "-o", "csv").stdout)))
    document = json.loads(run("matrix", *GUIDE, "-o", "json").stdout)
    cells = [(r["src"], r["dst"], c["allow"]) for r in document["reaches"] for c in r["cells"]]
    assert [(row["src"], row["dst"], int(row["allow"])) for row in rows] == cells


@in_examples
@pytest.mark.parametrize("word", ["443", "tcp/443", "70000/tcp", "1/icmp", "tcp", "/tcp", "-1/tcp"])
def test_ports_that_are_none(word: str) -> None:
    assert "--port" in failure(run("matrix", *GUIDE, "--port", word))


@in_examples
def test_exposure_is_no_graph() -> None:
    assert "no graph" in failure(run("matrix", *GUIDE, "--exposure", "-o", "dot"))


@pytest.mark.parametrize("kind", ["table", "csv", "dot", "json"])
@pytest.mark.parametrize("more", [[], ["--exposure"]])
def test_hostile_names_are_escaped(kind: str, more: list[str], tmp_path: Any) -> None:
    if kind == "dot" and more:
        return
    evil = 'e"\x1b[31m\\'
    cluster = [
        namespace("x"),
        pod("x/a", "10.0.0.1"),
        pod(f"x/{evil}", "10.0.0.2"),
    ]
    path = tmp_path / "cluster.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": cluster}))
    policies = tmp_path / "policy.json"
    policies.write_text(json.dumps(policy("x", "{podSelector: {matchLabels: {k: v}}}")))
    result = run("matrix", "-c", str(path), "-p", str(policies), "-q", "-o", kind, *more)
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.stdout
    if kind == "dot":
        assert '\\"' in result.stdout


def test_words_of_port_sets_are_complete() -> None:
    sets: PortSets = join_ports([netpol.compile(*load([], CLUSTER))])
    everything = sets.words(sets.recorded)
    assert [str(item) for item in everything] == [
        "tcp", "udp", "sctp", "icmp", "ipv6-icmp", "other protocols",
    ]  # fmt: skip
