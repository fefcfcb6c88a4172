"""A name that the cluster does not have is an error with suggestions, never an empty answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli_support import failure, run

CLUSTER = """\
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
- {apiVersion: v1, kind: Namespace, metadata: {name: empty}}
- {apiVersion: v1, kind: Node, metadata: {name: node-a},
   status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}}
- {apiVersion: v1, kind: Node, metadata: {name: node-b},
   status: {addresses: [{type: InternalIP, address: 192.168.0.2}]}}
- apiVersion: v1
  kind: Pod
  metadata:
    name: web-x1
    namespace: shop
    labels: {app: web, pod-template-hash: x}
    ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-x, controller: true}]
  spec: {nodeName: node-a}
  status: {podIP: 10.0.0.1}
- apiVersion: v1
  kind: Pod
  metadata: {name: db-0, namespace: data, labels: {app: db}}
  spec: {nodeName: node-c}
  status: {podIP: 10.0.0.2}
- {apiVersion: v1, kind: Pod, metadata: {name: old, namespace: data}, status: {phase: Succeeded}}
- {apiVersion: v1, kind: Service, metadata: {name: db, namespace: data},
   spec: {selector: {app: db}}}
- {apiVersion: v1, kind: Service, metadata: {name: none, namespace: data}, spec: {}}
"""
POLICY = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: shop}
spec: {podSelector: {}}
"""
WORLD = ["-c", "cluster.yaml", "-p", "p.yaml"]


@pytest.fixture(autouse=True)
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cluster.yaml").write_text(CLUSTER)
    (tmp_path / "p.yaml").write_text(POLICY)
    (tmp_path / "flows.csv").write_text("src,dst,protocol,port\n10.0.0.1,10.0.0.2,tcp,80\n")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("option", ["--src", "--dst"])
@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("shp", "nothing is called so; close is shop"),
        ("shop/deployment/wbe", "nothing is called so; close is shop/deployment/web"),
        ("svc/api", "nothing is called so"),
        ("svc/db", "nothing is called so"),  # it is in another namespace
        ("data/svc/db", "service data/db is judged as the pods behind it: {option} data/db-0"),
        ("service/data/db", "{option} data/db-0"),
        ("service/data/none", "no pod is behind it"),
        ("shop/web-x1", "a pod of shop/deployment/web: {option} shop/deployment/web"),
        ("data/old", "it has no address of its own"),
        ("empty", "no pod of this namespace has an address in the snapshot"),
        ("10.0.0.0/8", "all called external"),
        ("node/node-z", "close are node/node-a, node/node-b"),
    ],
)
def test_matrix_names(option: str, word: str, message: str) -> None:
    for output in ("table", "json", "csv", "dot"):
        said = failure(run("matrix", *WORLD, option, word, "-o", output))
        assert f"{option} {word}: " in said
        assert message.format(option=option) in said


@pytest.mark.parametrize(
    "words",
    [
        ["shop"],
        ["sho?"],
        ["shop/*"],
        ["shop/deployment/web"],
        ["shop/deploy/web"],
        ["deployment/shop/web"],
        ["deploy/web", "-n", "shop"],
    ],
)
def test_matrix_takes_names_as_kubectl_does(words: list[str]) -> None:
    result = run("matrix", *WORLD, "--src", *words, "-o", "csv")
    assert result.exit_code == 0, result.output
    rows = result.stdout.splitlines()[1:]
    assert rows
    assert {row.partition(",")[0] for row in rows} == {"shop/deployment/web"}


def test_matrix_one_of_several_globs_is_enough_to_fail() -> None:
    said = failure(run("matrix", *WORLD, "--src", "shop", "--src", "dta"))
    assert "--src dta: nothing is called so; close is data" in said


def test_matrix_by_namespace() -> None:
    said = failure(run("matrix", *WORLD, "--src", "shop/*", "--by", "namespace"))
    assert "--by workload" in said
    assert "names are namespaces" in failure(
        run("matrix", *WORLD, "--src", "shop/web-x1", "--by", "namespace")
    )
    result = run("matrix", *WORLD, "--src", "shop", "--by", "namespace", "-o", "csv")
    assert result.stdout.splitlines()[1].startswith("shop,")


def test_exposure_of_those_that_are_named() -> None:
    words = ["matrix", *WORLD, "--exposure", "-o", "csv"]
    assert len(run(*words).stdout.splitlines()) == 3
    rows = run(*words, "--dst", "data").stdout.splitlines()
    assert rows[1].startswith("data/db-0,")
    assert len(rows) == 2
    assert "close is data" in failure(run(*words, "--dst", "dta"))
    assert "--src does not go with it" in failure(run(*words, "--src", "shop"))


EVERY = {
    "replay": ["replay", "flows.csv", *WORLD],
    "coverage": ["coverage", "flows.csv", *WORLD],
    "explain": ["explain", "shop/web-x1", "data/db-0", "80", *WORLD],
    "matrix": ["matrix", *WORLD],
    "diff": ["diff", "flows.csv", *WORLD, "--before", "p.yaml"],
    "exhaustive": ["diff", "--exhaustive", *WORLD, "--before", "p.yaml"],
    "check": ["check", "p.yaml", "-c", "cluster.yaml"],
}


@pytest.mark.parametrize("command", EVERY)
def test_a_namespace_that_is_not_there(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = EVERY[command]
    said = failure(run(*words, "-n", "shpo"))
    assert "--namespace shpo: no such namespace in the snapshot; close is shop" in said
    assert "must be at most 63" in failure(run(*words, "-n", "Shop_1"))
    for known in ("shop", "data", "empty"):
        assert run(*words, "-n", known).exit_code == 0
    assert run(*words).exit_code == 0  # the default need not be there
    monkeypatch.setenv("NETPOL_NAMESPACE", "shpo")
    assert "no such namespace" in failure(run(*words))


@pytest.mark.parametrize("command", [name for name in EVERY if name != "check"])
def test_a_node_that_is_not_there(command: str) -> None:
    words = EVERY[command]
    said = failure(run(*words, "--node-address", "node-x=1.2.3.4"))
    assert "--node-address node-x=...: no such node in the snapshot" in said
    assert "close are node-a, node-b, node-c" in said
    assert run(*words, "--node-address", "node-c=1.2.3.4").exit_code == 0


def test_a_side_of_a_diff_may_have_the_name_alone() -> None:
    Path("other.yaml").write_text(CLUSTER.replace("namespace: shop", "namespace: store"))
    sides = ["--cluster-before", "cluster.yaml", "--cluster-after", "other.yaml"]
    words = ["diff", "flows.csv", "-p", "p.yaml", *sides]
    assert run(*words, "-n", "store").exit_code == 0
    assert run(*words, "-n", "shop").exit_code == 0
    assert "no such namespace" in failure(run(*words, "-n", "nowhere"))


@pytest.mark.parametrize(
    ("src", "message"),
    [
        ("shop/wbe-x1", "close is shop/web-x1"),
        ("shpo/web-x1", "close are shop/web-x1"),
        ("shop/deployment/wb", "close is shop/deployment/web"),
        ("node/node-z", "close are node/node-a, node/node-b"),
        ("pod/db-0", "close are data/db-0, service/data/db"),
    ],
)
def test_explain_suggests_what_is_most_like_it(src: str, message: str) -> None:
    said = failure(run("explain", src, "data/db-0", "80", *WORLD))
    assert f"{src}: nothing is called so; {message}" in said


def test_explain_suggests_services_by_their_kind() -> None:
    said = failure(run("explain", "shop/web-x1", "svc/dbb", "80", *WORLD, "-n", "data"))
    assert "close is service/data/db" in said or "close are service/data/db" in said


def test_every_command_says_what_was_taken_for_granted() -> None:
    Path("p.yaml").write_text(POLICY.replace(", namespace: shop", ""))
    for command, words in EVERY.items():
        if command == "check":
            assert "[no-namespace]" in run(*words).stdout
            continue
        result = run(*words)
        assert "1 policy names no namespace and was taken as being in default" in result.stderr
        assert "default has no pods in the snapshot" in result.stderr
        quieter = run(*words, "-n", "shop").stderr
        assert "taken as being in shop" in quieter
        assert "no pods" not in quieter
        assert run(*words, "-q").stderr == ""
