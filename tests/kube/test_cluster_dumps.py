"""Clusters as tools dump them: must-gather, cluster-info, streams with other lines, Endpoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from netpol.kube.api.objects import EndpointSlice
from netpol.kube.policies import read_policies
from netpol.kube.read.manifests import read_documents
from netpol.kube.read.reading import Reading
from netpol.kube.snapshot import Snapshot, read_snapshot, snapshot_from_objects
from netpol.lint.check import check_policies
from netpol.model.errors import ManifestError, NetpolError, SnapshotError

Value = dict[str, Any]

NAMESPACE: Value = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}}


def pod(name: str, address: str) -> Value:
    return {
        "metadata": {"name": name, "namespace": "x", "labels": {"app": "db"}, "uid": name},
        "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]},
    }


PODS = [pod("a", "10.0.0.1"), pod("b", "10.0.0.2")]
SERVICE: Value = {
    "metadata": {"name": "db", "namespace": "x"},
    "spec": {"clusterIP": "10.96.0.5", "clusterIPs": ["10.96.0.5"], "ports": [{"port": 5432}]},
}
ENDPOINTS: Value = {
    "metadata": {"name": "db", "namespace": "x"},
    "subsets": [
        {
            "addresses": [
                {
                    "ip": "10.0.0.1",
                    "nodeName": "n1",
                    "targetRef": {"kind": "Pod", "name": "a", "namespace": "x"},
                },
                {"ip": "fd00::1"},
            ],
            "notReadyAddresses": [{"ip": "10.0.0.2"}],
            "ports": [{"name": "sql", "port": 5432, "protocol": "TCP"}],
        }
    ],
}
POLICY: Value = {
    "metadata": {"name": "p", "namespace": "x"},
    "spec": {"podSelector": {"matchLabels": {"app": "db"}}},
}


def node(name: str, *ranges: str) -> Value:
    spec = {"podCIDR": ranges[0], "podCIDRs": list(ranges)}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": spec}


def listed(kind: str, *items: Value, version: str = "v1") -> Value:
    return {"kind": f"{kind}List", "apiVersion": version, "items": list(items)}


def whole(kind: str, value: Value, version: str = "v1") -> Value:
    return {"apiVersion": version, "kind": kind, **value}


CLUSTER = [NAMESPACE, *(whole("Pod", each) for each in PODS), whole("Service", SERVICE)]


def write(root: Path, name: str, data: object) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(data, bytes):
        path.write_bytes(data)
    elif isinstance(data, str):
        path.write_text(data)
    elif name.endswith(".yaml"):
        path.write_text("---\n" + yaml.safe_dump(data))
    else:
        path.write_text(json.dumps(data, indent=4) + "\n")
    return path


def pods_of(found: Snapshot) -> list[str]:
    return [each.metadata.name for each in found.pods]


# --- must-gather and cluster-info dump --------------------------------------------------------


def test_must_gather(tmp_path: Path) -> None:
    root = tmp_path / "must-gather" / "image-1"
    write(root, "namespaces/x/x.yaml", NAMESPACE)
    write(root, "namespaces/x/core/pods.yaml", listed("Pod", *PODS))
    write(root, "namespaces/x/core/services.yaml", listed("Service", SERVICE))
    write(root, "namespaces/x/core/endpoints.yaml", listed("Endpoints", ENDPOINTS))
    write(root, "namespaces/x/core/events.yaml", {**listed("Event"), "items": None})
    version = "networking.k8s.io/v1"
    policies = listed("NetworkPolicy", POLICY, version=version)
    write(root, "namespaces/x/networking.k8s.io/networkpolicies.yaml", policies)
    for each in PODS:
        name = each["metadata"]["name"]
        write(root, f"namespaces/x/pods/{name}/{name}.yaml", whole("Pod", each))
    nodes = "cluster-scoped-resources/core/nodes"
    write(root, f"{nodes}/n1.yaml", node("n1", "<redacted>", "10.0.0.0/24"))
    write(root, f"{nodes}/n2.yaml", node("n2", "10.0.1.0/24"))
    write(root, "monitoring/status.json", '{"status": ')
    write(root, "monitoring/rules.json", {"status": "success"})
    write(root, "version", "4.16")
    found = read_snapshot(tmp_path)
    assert pods_of(found) == ["a", "b"]
    assert len(found.services) == len(found.namespaces) == 1
    assert [each.address_type for each in found.endpoint_slices] == ["IPv4", "IPv6"]
    assert [each.spec.pod_cidrs for each in found.nodes if each.spec] == [
        ["10.0.0.0/24"],
        ["10.0.1.0/24"],
    ]
    (warning,) = found.warnings
    assert warning.startswith(f"{root}/{nodes}/n1.yaml:")
    assert "Node n1: '<redacted>' is not a CIDR" in warning
    assert "(and 1 more such range)" in warning
    assert [note.code for note in found.notes] == ["passed-over", "read-twice"]
    assert found.notes[1].message.startswith("2 objects were already read, each the same: ")
    assert len(read_policies(tmp_path)) == 1


def test_cluster_info_dump_in_a_directory(tmp_path: Path) -> None:
    write(tmp_path, "nodes.json", listed("Node", node("n1", "10.0.0.0/24")))
    write(tmp_path, "x/pods.json", listed("Pod", *PODS))
    write(tmp_path, "x/services.json", listed("Service", SERVICE))
    write(tmp_path, "x/events.json", listed("Event"))
    write(tmp_path, "x/a/logs.txt", "==== START logs")
    found = read_snapshot(tmp_path)
    assert (pods_of(found), len(found.nodes), len(found.services)) == (["a", "b"], 1, 1)


LOGS = b"""\
==== START logs for container c of pod x/a ====
{"level": "info"}
{
    "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "logged", "namespace": "x"}
}
{ \xff
==== END logs for container d of pod x/a ====
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "logged", "namespace": "x"}}
==== END logs for container c of pod x/a ====
"""


def dumped(*documents: Value) -> bytes:
    return b"".join(json.dumps(each, indent=4).encode() + b"\n" for each in documents)


@pytest.mark.parametrize("name", ["dump.txt", "dump.json", "dump"])
def test_cluster_info_dump_as_one_stream(tmp_path: Path, name: str) -> None:
    lists = listed("Node", node("n1", "10.0.0.0/24")), listed("Event"), listed("Service", SERVICE)
    data = dumped(*lists) + LOGS + LOGS + dumped(listed("Pod", *PODS)) + LOGS
    found = read_snapshot(write(tmp_path, name, data))
    assert pods_of(found) == ["a", "b"]
    assert (len(found.nodes), len(found.services)) == (1, 1)
    # As many lines as stand before it.
    at = data[: data.index(b'"name": "a"')].count(b"\n")
    assert found.sources["Pod", "x", "a"].line == at - 1
    assert not any("none of the manifest" in warning for warning in found.warnings)
    # Logs that nobody ended take the rest along.
    cut = data[: data.rindex(b"==== END")]
    assert pods_of(read_snapshot(write(tmp_path, name, cut))) == ["a", "b"]


def test_a_broken_document_of_a_stream(tmp_path: Path) -> None:
    data = dumped(listed("Pod", *PODS)) + LOGS + b'{\n    "kind": "PodList",\n'
    with pytest.raises(ManifestError, match="not valid JSON") as caught:
        read_snapshot(write(tmp_path, "dump.txt", data))
    assert caught.value.location.line is not None
    assert caught.value.location.line > data.count(b"\n", 0, data.rindex(b"==== END"))


@pytest.mark.parametrize(
    "line",
    [
        "Warning: v1 ComponentStatus is deprecated in v1.19+",
        "I0131 12:00:00.123456    1234 request.go:655] Throttling request took 1.1s",
        "W1130 12:00:00.123456       7 warnings.go:70] v1 Endpoints is deprecated",
        "Flag --export has been deprecated",
        "+ kubectl get pods -A -o json",
    ],
)
@pytest.mark.parametrize("form", ["json", "yaml"])
def test_a_line_of_stderr_before_it(tmp_path: Path, line: str, form: str) -> None:
    value = listed("", *CLUSTER)
    text = json.dumps(value, indent=4) if form == "json" else yaml.safe_dump(value)
    for head in (f"{line}\n", f"\n{line}\n\n{line}\n"):
        found = read_snapshot(write(tmp_path, "c.txt", head + text))
        assert pods_of(found) == ["a", "b"]
        (warning,) = found.warnings
        assert f"such as {line!r}, passed over" in warning
        assert "objects may be missing" not in warning
        shift = head.count("\n")
        plain = read_snapshot(write(tmp_path, "d.txt", text))
        for key, source in plain.sources.items():
            assert found.sources[key].line == source.line + shift


@pytest.mark.parametrize(
    "line", ["error: the server doesn't have x", "Error from server (Forbidden): pods is forbidden"]
)
def test_what_failed_is_said(tmp_path: Path, line: str) -> None:
    text = f"Warning: a\n{line}\n{json.dumps(listed('', *CLUSTER))}"
    (warning,) = read_snapshot(write(tmp_path, "c.json", text)).warnings
    assert warning.endswith(f"2 lines that are none of the manifest, such as {line!r}, passed "
                            "over, so objects may be missing")  # fmt: skip
    assert ":2: " in warning


def test_policies_are_read_so_too(tmp_path: Path) -> None:
    policy = whole("NetworkPolicy", POLICY, "networking.k8s.io/v1")
    found = read_policies(write(tmp_path, "p.json", f"Warning: a\n{json.dumps(policy)}"))
    assert len(found) == 1
    (finding,) = found.findings
    assert (finding.code, finding.location.line) == ("stray-lines", 1)


@pytest.mark.parametrize(
    "text",
    [
        '{"apiVersion": "v1", "kind": "Pod"}\n---\napiVersion: v1\n',
        '{"apiVersion": "v1", "kind": "Pod"}\napiVersion: v1\n',
        'some words\n{"apiVersion": "v1", "kind": "Pod"}\n',
        '{"apiVersion": "v1", "kind": "Pod"}\nsome words\n',
    ],
)
def test_no_line_is_left_out_that_may_be_meant(tmp_path: Path, text: str) -> None:
    with pytest.raises(ManifestError):
        list(read_documents(write(tmp_path, "c.txt", text)))


def test_comments_are_yaml(tmp_path: Path) -> None:
    text = f"# of today\n{json.dumps(listed('', *CLUSTER), indent=4)}"
    assert read_snapshot(write(tmp_path, "c.yaml", text)).warnings == ()


def test_json_arrays(tmp_path: Path) -> None:
    for indent in (None, 2):
        text = json.dumps(CLUSTER, indent=indent)
        assert pods_of(read_snapshot(write(tmp_path, "c.json", text))) == ["a", "b"]
    found = read_snapshot(write(tmp_path, "c.yaml", yaml.safe_dump(CLUSTER)))
    assert found.sources["Pod", "x", "b"].line > found.sources["Pod", "x", "a"].line > 1
    mixed = json.dumps([*CLUSTER, {"kind": "Pod"}, 3])
    errors: list[NetpolError] = []
    documents = list(read_documents(write(tmp_path, "c.json", mixed), errors.append))
    assert len(documents) == len(CLUSTER)
    assert len(errors) == 2
    with pytest.raises(ManifestError, match="expected a Kubernetes object"):
        read_snapshot(write(tmp_path, "c.json", json.dumps([CLUSTER])))
    with pytest.raises(SnapshotError, match="no pods"):
        read_snapshot(write(tmp_path, "c.json", "[]"))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_as_powershell_writes_it(tmp_path: Path, encoding: str) -> None:
    text = json.dumps(listed("", *CLUSTER), indent=4).replace("\n", "\r\n")
    assert pods_of(read_snapshot(write(tmp_path, "c.json", text.encode(encoding)))) == ["a", "b"]


# --- what a directory of a cluster may hold ---------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        '{"apiVersion": "v1", "kind": "PodList", "items": [',
        "kind: Service\na: [",
        "items:\n- status: {podIP: 10.0.0.1\n",
        "kind: List\n\ta",
        "kind: Pod\nmetadata: {name: a}\n",
    ],
)
def test_what_may_be_of_the_cluster_stays_an_error(tmp_path: Path, text: str) -> None:
    write(tmp_path, "a.yaml", {**listed("", *CLUSTER)})
    path = write(tmp_path, "b.yaml", text)
    with pytest.raises(ManifestError) as caught:
        read_snapshot(tmp_path)
    assert caught.value.location.file == str(path)
    reading = Reading()
    assert list(read_documents(path.parent, reading=reading))
    assert [each.place.file for each in reading.passed] == [str(path)]


def test_an_empty_file_is_a_warning(tmp_path: Path) -> None:
    write(tmp_path, "a.json", listed("", *CLUSTER))
    path = write(tmp_path, "b.json", "\n")
    assert read_snapshot(tmp_path).warnings == (
        f"{path}: the file is empty, so objects may be missing",
    )
    write(tmp_path, "c.json", "")
    assert "this and 1 more files are empty" in read_snapshot(tmp_path).warnings[0]


def test_every_error_of_a_cluster_is_given(tmp_path: Path) -> None:
    bad = [{**whole("Pod", each), "spec": []} for each in PODS]
    write(tmp_path, "c/a.json", listed("", *bad))
    write(tmp_path, "c/b.json", '{"kind": "Pod"')
    with pytest.raises(ManifestError, match=r"(?s)a\.json:.*\n.*a\.json:.*\n.*b\.json:1"):
        read_snapshot(tmp_path / "c")
    policy = whole("NetworkPolicy", POLICY, "networking.k8s.io/v1")
    result = check_policies(write(tmp_path, "p.json", policy), tmp_path / "c")
    assert len(result.errors) == 3
    assert result.snapshot is None


def test_clusters_of_two_times(tmp_path: Path) -> None:
    write(tmp_path, "a.json", listed("", *CLUSTER))
    write(tmp_path, "b.json", whole("Pod", pod("a", "10.0.0.9")))
    with pytest.raises(SnapshotError, match=r"two different Pods named x/a.*two dumps, name one"):
        read_snapshot(tmp_path)
    assert len(read_snapshot(tmp_path, exclude=["b.*"]).pods) == 2


# --- ranges -----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "x", "<redacted>", "10.0.0.0", "10.0.0.0/99"])
def test_ranges_that_are_none_are_left_out(text: str) -> None:
    found = snapshot_from_objects([*CLUSTER, node("n1", text, "10.0.0.0/24")])
    (spec,) = [each.spec for each in found.nodes]
    assert spec is not None
    assert spec.pod_cidrs == ["10.0.0.0/24"]
    assert not spec.pod_cidr
    (warning,) = found.warnings
    assert "Node n1" in warning
    assert snapshot_from_objects([*CLUSTER, node("n1", "10.0.0.0/24")]).warnings == ()


# --- Endpoints --------------------------------------------------------------------------------


def slices(*objects: Value) -> tuple[EndpointSlice, ...]:
    return snapshot_from_objects([*CLUSTER, *objects]).endpoint_slices


def test_endpoints_become_slices() -> None:
    four, six = slices(whole("Endpoints", ENDPOINTS))
    assert (four.address_type, six.address_type) == ("IPv4", "IPv6")
    for each in (four, six):
        assert each.metadata.namespace == "x"
        assert each.metadata.labels == {"kubernetes.io/service-name": "db"}
        assert [(p.name, p.port, p.protocol) for p in each.ports or ()] == [("sql", 5432, "TCP")]
    first, second = four.endpoints or ()
    assert first.addresses == ["10.0.0.1"]
    assert first.node_name == "n1"
    assert first.target_ref is not None
    assert (first.target_ref.kind, first.target_ref.name) == ("Pod", "a")
    assert first.conditions is not None
    assert first.conditions.ready is True
    assert second.addresses == ["10.0.0.2"]
    assert second.conditions is not None
    assert (second.conditions.ready, second.conditions.serving) == (False, False)
    assert [each.addresses for each in six.endpoints or ()] == [["fd00::1"]]


def test_endpoint_slices_win() -> None:
    piece = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "db-1",
            "namespace": "x",
            "labels": {"kubernetes.io/service-name": "db"},
        },
        "addressType": "IPv4",
    }
    endpoints = whole("Endpoints", ENDPOINTS)
    for objects in ((piece, endpoints), (endpoints, piece)):
        assert [each.metadata.name for each in slices(*objects)] == ["db-1"]
    other = {**piece, "metadata": {**piece["metadata"], "namespace": "y"}}  # type: ignore[dict-item]
    assert len(slices(other, endpoints)) == 3


def test_endpoints_without_subsets_are_a_service_without_any() -> None:
    (piece,) = slices(whole("Endpoints", {"metadata": ENDPOINTS["metadata"]}))
    assert piece.endpoints == []


def test_endpoints_of_no_service_are_left_out() -> None:
    leader = {"metadata": {"name": "scheduler", "namespace": "x"}}
    found = snapshot_from_objects([*CLUSTER, whole("Endpoints", leader)])
    assert (found.endpoint_slices, dict(found.ignored)) == ((), {})


def test_what_endpoints_cannot_say_is_warned_of() -> None:
    over = {"endpoints.kubernetes.io/over-capacity": "truncated"}
    metadata = {**ENDPOINTS["metadata"], "annotations": over}
    found = snapshot_from_objects(
        [*CLUSTER, whole("Endpoints", {**ENDPOINTS, "metadata": metadata})]
    )
    (warning,) = found.warnings
    assert "cut off at 1000 addresses (x/db)" in warning
    dual = {**SERVICE, "spec": {**SERVICE["spec"], "clusterIPs": ["10.96.0.5", "fd00::5"]}}
    objects = [NAMESPACE, whole("Pod", PODS[0]), whole("Service", dual)]
    (warning,) = snapshot_from_objects([*objects, whole("Endpoints", ENDPOINTS)]).warnings
    assert "one address family only" in warning


def test_endpoints_are_checked_like_slices(tmp_path: Path) -> None:
    bad = {**ENDPOINTS, "subsets": [{"notReadyAddresses": [{"ip": "x"}]}]}
    path = write(tmp_path, "c.json", listed("", *CLUSTER, whole("Endpoints", bad)))
    with pytest.raises(SnapshotError, match="'x' is not an IP address") as caught:
        read_snapshot(path)
    assert caught.value.location.field == "subsets[0].notReadyAddresses[0].ip"
    with pytest.raises(SnapshotError, match="two different Endpoints named x/db"):
        slices(whole("Endpoints", ENDPOINTS), whole("Endpoints", {**ENDPOINTS, "subsets": []}))
