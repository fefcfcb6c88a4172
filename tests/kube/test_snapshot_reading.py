"""Snapshots: what is kept, defaulted (A2.3, A2.4), refused and warned of."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import Any

import pytest

from netpol.kube.api.objects import PodIP
from netpol.kube.read.manifests import read_documents
from netpol.kube.snapshot import Snapshot, build_snapshot, read_snapshot, snapshot_from_objects
from netpol.model.errors import ManifestError, SnapshotError

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "a", "namespace": "x", "labels": {"app": "a"}},
    "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]},
    "status": {"phase": "Running", "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}]},
}
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}}


def with_status(**status: Any) -> dict[str, Any]:
    return {**POD, "status": status}


def snapshot(*objects: dict[str, Any]) -> Snapshot:
    return snapshot_from_objects([NAMESPACE, *objects])


def test_every_kind_is_kept(tmp_path: Path) -> None:
    objects = [
        NAMESPACE,
        POD,
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": "n1"},
            "spec": {"podCIDR": "10.0.0.0/24"},
            "status": {"addresses": [{"type": "Hostname", "address": "n1.example"}]},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "s", "namespace": "x"},
            "spec": {"clusterIP": "None", "ports": [{"port": 80, "targetPort": "http"}]},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "s-1", "namespace": "x"},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}],
            "ports": [{"port": 80}],
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}},
        {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": "k"}},
        {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "p"}},
        {"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy", "metadata": {"name": "p"}},
    ]
    path = tmp_path / "all.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}, indent=1))
    found = read_snapshot(path)
    assert [pod.metadata.name for pod in found.pods] == ["a"]
    assert found.nodes[0].spec is not None
    assert found.services[0].spec is not None
    assert found.services[0].spec.ports is not None
    assert found.services[0].spec.ports[0].target_port == "http"
    assert found.endpoint_slices[0].ports is not None
    assert found.ignored == {
        "ConfigMap": 1,
        "Service": 1,
        "NetworkPolicy": 1,
        "CiliumNetworkPolicy": 1,
    }
    assert found.warnings == ()
    assert found.sources["Namespace", "", "x"] == (str(path), 5, {})
    assert found.sources["Pod", "x", "a"].line == 12
    assert len(found.sources) == 5


def test_yaml_and_json_read_alike(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(POD))
    # JSON is YAML; the first line keeps it from being read as JSON.
    (tmp_path / "b.yaml").write_text("# yaml\n" + json.dumps(POD, indent=1))
    one, two = (read_snapshot(tmp_path / name) for name in ("a.json", "b.yaml"))
    assert one.pods == two.pods
    assert two.sources["Pod", "x", "a"].line == 2


def test_a2_3_namespace_of_an_object_that_names_none() -> None:
    found = snapshot({**POD, "metadata": {"name": "a"}})
    assert found.pods[0].metadata.namespace == "default"
    assert ("Pod", "default", "a") in found.sources


@pytest.mark.parametrize("labels", [None, {}, {"kubernetes.io/metadata.name": "foo", "a": "b"}])
def test_a2_4_name_label_of_namespaces(labels: dict[str, str] | None) -> None:
    namespace = {**NAMESPACE, "metadata": {"name": "x", "labels": labels}}
    found = snapshot_from_objects([namespace, POD])
    assert found.namespaces[0].metadata.labels == {
        **(labels or {}),
        "kubernetes.io/metadata.name": "x",
    }


def test_a0_5_nulls_are_absent() -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a", "namespace": "x", "labels": {"tier": None}},
        "spec": {"containers": [{"name": None, "ports": None}], "hostNetwork": None},
        "status": {"podIPs": [{"ip": "10.0.0.1"}], "conditions": None},
    }
    (found,) = snapshot(pod).pods
    assert found.metadata.labels == {"tier": ""}
    assert found.status is not None
    assert found.status.pod_ips == [PodIP(ip="10.0.0.1")]


def test_no_pods_is_an_error() -> None:
    with pytest.raises(SnapshotError, match=r"no pods \(found: 1 ConfigMap\)"):
        snapshot({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}})
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
    with pytest.raises(SnapshotError, match="Deployment default/web; pods are not guessed"):
        snapshot(deployment)


def workload(kind: str, name: str, **more: Any) -> dict[str, Any]:
    group = "batch" if kind in ("Job", "CronJob") else "apps"
    metadata = {"name": name, "namespace": "x"}
    return {"apiVersion": f"{group}/v1", "kind": kind, "metadata": metadata, **more}


def owned(kind: str, name: str) -> dict[str, Any]:
    owner = {"kind": kind, "name": name, "controller": True}
    metadata = {"name": f"{name}-0", "namespace": "x", "ownerReferences": [owner]}
    return {**POD, "metadata": metadata}


@pytest.mark.parametrize(
    ("kind", "owner"),
    [
        ("Deployment", ("ReplicaSet", "web-7d9f")),
        ("ReplicaSet", ("ReplicaSet", "web")),
        ("StatefulSet", ("StatefulSet", "web")),
        ("DaemonSet", ("DaemonSet", "web")),
        ("Job", ("Job", "web")),
        ("CronJob", ("Job", "web-2900")),
    ],
)
def test_workloads_without_pods_are_named(kind: str, owner: tuple[str, str]) -> None:
    assert snapshot(workload(kind, "web"), owned(*owner)).warnings == ()
    (warning,) = snapshot(workload(kind, "web"), POD).warnings
    assert f"no pods in the snapshot for {kind} x/web" in warning


def test_idle_workloads_are_not_named() -> None:
    found = snapshot(
        POD,
        workload("ReplicaSet", "old", spec={"replicas": 0}),
        workload("Job", "done", status={"completionTime": "2026-01-01T00:00:00Z"}),
    )
    assert found.warnings == ()


def test_a3_8_pods_in_namespaces_not_given() -> None:
    (warning,) = snapshot_from_objects([POD]).warnings
    assert "namespaces that are not in the snapshot (x)" in warning


def test_identical_objects_are_read_once_with_one_note() -> None:
    found = snapshot(POD, POD)
    assert (len(found.pods), found.warnings) == (1, ())
    (note,) = found.notes
    assert str(note) == "objects[2]:1: Pod x/a was already read at objects[1]:1, the same"
    found = snapshot(POD, *[POD] * 7, NAMESPACE)
    (note,) = found.notes
    assert note.message.startswith(
        "8 objects were already read, each the same: the first is Pod x/a, "
    )


def test_different_objects_of_one_name_clash() -> None:
    with pytest.raises(SnapshotError, match="two different Pods named x/a") as caught:
        snapshot(POD, with_status(podIP="10.0.0.2"))
    assert caught.value.location.file == "objects[2]"


@pytest.mark.parametrize(
    ("status", "field"),
    [
        ({"podIP": "10.0.0.256"}, "status.podIP"),
        ({"podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::g"}]}, "status.podIPs[1].ip"),
        ({"hostIP": "node"}, "status.hostIP"),
        ({"hostIPs": [{"ip": ""}]}, "status.hostIPs[0].ip"),
        ({"podIPs": [None]}, "status.podIPs[0].ip"),
    ],
)
def test_addresses_are_checked(tmp_path: Path, status: dict[str, Any], field: str) -> None:
    path = tmp_path / "pod.json"
    path.write_text(json.dumps(with_status(**status), indent=1))
    with pytest.raises(SnapshotError, match="is not an IP address") as caught:
        read_snapshot(path)
    assert caught.value.location.field == field
    assert caught.value.location.line is not None
    assert caught.value.location.line > 20


@pytest.mark.parametrize(
    ("kind", "field", "body"),
    [
        ("Service", "spec.clusterIPs[0]", {"spec": {"clusterIPs": ["x"]}}),
        ("Service", "spec.externalIPs[0]", {"spec": {"externalIPs": ["x"]}}),
        (
            "Service",
            "status.loadBalancer.ingress[0].ip",
            {"status": {"loadBalancer": {"ingress": [{"ip": "x"}]}}},
        ),
    ],
)
def test_addresses_of_other_kinds_are_checked(kind: str, field: str, body: dict[str, Any]) -> None:
    bad = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "s", "namespace": "x"}, **body}
    with pytest.raises(SnapshotError) as caught:
        snapshot(POD, bad)
    assert caught.value.location.field == field


def test_odd_but_good_addresses() -> None:
    found = snapshot(with_status(podIP="::ffff:10.0.0.1", podIPs=[{"ip": "fd00::1"}]))
    assert len(found.pods) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"metadata": {"name": "a", "labels": {"app": 1}}}, "metadata.labels.app"),
        ({"metadata": {"name": 1}}, "metadata.name"),
        ({"metadata": {}}, "metadata.name"),
        ({"spec": {"containers": {}}}, "spec.containers"),
        ({"spec": {"containers": [{"ports": [{"containerPort": "80"}]}]}},
         "spec.containers[0].ports[0].containerPort"),
        ({"status": []}, "status"),
    ],
)  # fmt: skip
def test_malformed_objects(tmp_path: Path, change: dict[str, Any], field: str) -> None:
    text = json.dumps({**POD, **change}, indent=1)
    for name, prefix in (("p.json", ""), ("p.yaml", "# yaml\n")):
        path = tmp_path / name
        path.write_text(prefix + text)
        with pytest.raises(ManifestError) as caught:
            read_snapshot(path)
        assert caught.value.location.field == field
        assert caught.value.location.line is not None


def test_fields_netpol_does_not_use_may_be_anything() -> None:
    assert len(snapshot({**POD, "spec": {"tolerations": "?", "containers": []}}).pods) == 1


def test_the_collector_is_left_as_it_was() -> None:
    assert gc.isenabled()
    snapshot(POD)
    with pytest.raises(SnapshotError):
        snapshot()
    assert gc.isenabled()


def test_documents_may_be_filtered_before_building(tmp_path: Path) -> None:
    path = tmp_path / "pods.json"
    items = [{**POD, "metadata": {"name": name, "namespace": "x"}} for name in "ab"]
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "PodList", "items": items}))
    assert len(build_snapshot(read_documents(path)).pods) == 2
