"""Namespaces: those that are taken for granted, those nobody knows, and names that are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from netpol.kube.namespace_findings import findings_beside
from netpol.kube.policies import policies_from_objects, read_policies
from netpol.kube.read.inputs import InputFile
from netpol.kube.snapshot import read_snapshot, snapshot_from_objects
from netpol.kube.validation.namespaces import is_namespace
from netpol.lint.check import check_policies
from netpol.model.errors import ConfigError, ManifestError, ValidationError


def policy(name: str, namespace: str | None = None) -> dict[str, Any]:
    metadata = {"name": name} | ({} if namespace is None else {"namespace": namespace})
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata,
        "spec": {"podSelector": {}},
    }


def pod(namespace: str | None = None, name: str = "web") -> dict[str, Any]:
    metadata = {"name": name} | ({} if namespace is None else {"namespace": namespace})
    status = {"podIP": "10.0.0.1"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status}


def written(folder: Path, name: str, *objects: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(yaml.safe_dump_all(objects))
    return path


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        ("a", True),
        ("kube-system", True),
        ("0-9", True),
        ("x" * 63, True),
        ("x" * 64, False),
        ("", False),
        ("Shop", False),
        ("shop_1", False),
        ("-a", False),
        ("a-", False),
        ("a.b", False),
        ("a\n", False),
        ("é", False),
    ],
)
def test_a_namespace_is_an_rfc_1123_label(name: str, valid: bool) -> None:
    assert is_namespace(name) is valid
    if valid or not name:
        return
    with pytest.raises(ValidationError, match="must be at most 63") as error:
        policies_from_objects([policy("p", name)])
    assert error.value.location.field == "metadata.namespace"
    with pytest.raises(ManifestError, match="is no namespace") as other:
        snapshot_from_objects([pod(name)])
    assert other.value.location.field == "metadata.namespace"
    for read in (lambda: policies_from_objects([], namespace=name),
                 lambda: snapshot_from_objects([], namespace=name)):  # fmt: skip
        with pytest.raises(ConfigError, match="must be at most 63"):
            read()


def test_the_error_has_its_line(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    text = yaml.safe_dump_all([policy("ok", "a"), policy("p", "NOT_ONE")], sort_keys=False)
    path.write_text(text)
    with pytest.raises(ValidationError) as error:
        read_policies(path)
    line = text.splitlines().index("  namespace: NOT_ONE") + 1
    assert error.value.location == (str(path), line, "metadata.namespace")


def test_a_namespace_object_is_checked_by_its_name() -> None:
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "A_B"}}
    with pytest.raises(ManifestError, match="is no namespace") as error:
        snapshot_from_objects([pod("a"), space])
    assert error.value.location.field == "metadata.name"


def test_a2_3_policies_without_a_namespace_are_counted() -> None:
    read = policies_from_objects([policy("a"), policy("b"), policy("c", "x")], namespace="shop")
    (finding,) = read.findings
    assert (finding.code, finding.severity) == ("no-namespace", "info")
    assert finding.message == "2 policies name no namespace and were taken as being in shop"
    assert read.warnings == (f"objects[0]:1: {finding.message}",)
    assert policies_from_objects([policy("c", "x")]).findings == ()
    one = policies_from_objects([policy("c")]).findings[0].message
    assert one == "1 policy names no namespace and was taken as being in default"


def test_louder_where_the_namespace_has_no_pods() -> None:
    read = policies_from_objects([policy("a")])
    assert [each.severity for each in findings_beside(read, snapshot_from_objects([pod()]))] == [
        "info"
    ]
    (loud,) = findings_beside(read, snapshot_from_objects([pod("shop")]))
    assert loud.severity == "warning"
    assert "default has no pods in the snapshot" in loud.message


@pytest.mark.parametrize("name", ["kustomization.yaml", "kustomization.yml", "Kustomization"])
def test_louder_beside_a_kustomization(name: str, tmp_path: Path) -> None:
    path = written(tmp_path / "k", "p.yaml", policy("a"))
    (tmp_path / "k" / name).write_text("namespace: shop\nresources: [p.yaml]\n")
    (finding,) = read_policies(path).findings
    assert finding.severity == "warning"
    assert f"{name} sets namespace shop" in finding.message
    assert f"kustomize build {tmp_path / 'k'} | netpol ... -p -" in finding.message
    # What it sets was taken: nothing to add.
    (plain,) = read_policies(path, namespace="shop").findings
    assert (plain.severity, "kustom" in plain.message) == ("info", False)
    (tmp_path / "k" / name).write_text("resources: [p.yaml]\n")
    assert "may set another" in read_policies(path).findings[0].message


def test_only_a_kustomization_beside_the_file_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kustomization.yaml").write_text("namespace: shop\n")
    plain = policies_from_objects([policy("a")]).findings[0]
    assert "kustom" not in plain.message
    text = yaml.safe_dump(policy("a"))
    revision = [InputFile("main:p.yaml", None, text.encode())]
    assert "kustom" not in read_policies(revision).findings[0].message
    beside = b"apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: x\n"
    for folder, build in (("main:", "."), ("main:a/", "a")):
        files = [
            InputFile(f"{folder}p.yaml", None, text.encode()),
            InputFile(f"{folder}kustomization.yaml", None, beside),
        ]
        message = read_policies(files).findings[0].message
        assert f"yet {folder}kustomization.yaml sets namespace x" in message
        assert f"kustomize build {build} |" in message


def test_objects_of_the_cluster_are_counted_and_take_the_namespace(tmp_path: Path) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {}}
    path = written(tmp_path / "c", "c.yaml", pod(), service, pod("x", "other"))
    snapshot = read_snapshot(path, namespace="shop")
    assert {one.metadata.namespace for one in snapshot.pods} == {"shop", "x"}
    assert snapshot.services[0].metadata.namespace == "shop"
    assert (
        f"{path}:1: 2 objects of the cluster name no namespace and were taken as being in shop"
        in snapshot.warnings
    )
    (tmp_path / "c" / "kustomization.yaml").write_text("namespace: other\n")
    assert any("sets namespace other" in text for text in read_snapshot(path).warnings)


def test_unknown_namespaces_are_one_warning_each() -> None:
    read = policies_from_objects([policy("a", "shpo"), policy("b", "shpo"), policy("c", "zz")])
    found = findings_beside(read, snapshot_from_objects([pod("shop")]))
    assert [(each.code, each.severity) for each in found] == [("unknown-namespace", "warning")] * 2
    assert found[0].message == (
        "2 policies are in namespace shpo, which is not in the snapshot; close is shop"
    )
    assert found[1].message.startswith("1 policy is in namespace zz")
    # One that was taken for granted is said to be so, not to be unknown.
    taken = findings_beside(policies_from_objects([policy("a")]), snapshot_from_objects([pod("x")]))
    assert [each.code for each in taken] == ["no-namespace"]


def test_check_has_them_among_its_findings(tmp_path: Path) -> None:
    policies = written(tmp_path, "p.yaml", policy("a"), policy("b", "shpo"))
    cluster = written(tmp_path, "c.yaml", pod("shop"))
    codes = {each.code: each.severity for each in check_policies(policies, cluster).findings}
    assert codes["no-namespace"] == codes["unknown-namespace"] == "warning"
    codes = {each.code: each.severity for each in check_policies(policies).findings}
    assert codes == {"no-namespace": "info"}
