"""Bad and hostile input: one clear error each, never anything but a NetpolError."""

from __future__ import annotations

import contextlib
import copy
import gzip
import json
import os
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from policy_text import check_text, manifest

from netpol.kube.policies import policies_from_objects, read_policies
from netpol.kube.read.content import manifest_limit
from netpol.kube.read.manifests import read_documents
from netpol.kube.snapshot import read_snapshot, snapshot_from_objects
from netpol.lint.check import check_policies
from netpol.model.errors import ManifestError, NetpolError

POLICY = manifest("podSelector: {}")


def one_error(data: str | bytes, name: str = "p.yaml") -> tuple[int | None, str]:
    (error,) = check_text(data, name).errors
    assert isinstance(error, ManifestError)
    assert error.location.file is not None
    assert error.location.file.endswith(name)
    return error.location.line, error.message


@pytest.mark.parametrize("data", ["", " \n\t\n", "\ufeff"])
def test_empty_file(data: str) -> None:
    assert one_error(data) == (None, "the file is empty")


def test_file_of_comments_only() -> None:
    (error,) = check_text("# later\n---\n").errors
    assert error.message == "no network policy found"


def test_broken_yaml() -> None:
    line, message = one_error("a: b\nc: [d\ne: f\n")
    assert line == 3
    assert message.startswith("not valid YAML: ")


def test_objects_before_broken_yaml_are_still_checked() -> None:
    text = manifest("policyTypes: [x]") + "---\na: [\n"
    found = [(e.location.line, e.location.field) for e in check_text(text).errors]
    assert found == [(5, "spec.policyTypes[0]"), (9, None)]


def test_broken_json() -> None:
    line, message = one_error('{\n"a": 1,\n"b" 2}', "p.json")
    assert line == 3
    assert message.startswith("not valid JSON: ")
    line, message = one_error('{\n"a": 1,\n', "p.json")
    assert message == "not valid JSON: Input data was truncated"


def test_binary_garbage() -> None:
    assert one_error(b"\x7fELF\x02\x01\x01" + bytes(range(256))) == (
        2,
        "not text: not valid UTF-8",
    )
    assert one_error(b"ab\ncd\x00\x01") == (2, "not text: control characters found")


def test_not_utf8() -> None:
    assert one_error("a: b\nc: \u00e9".encode("latin-1")) == (2, "not text: not valid UTF-8")
    assert one_error(POLICY.encode("utf-16-le"))[1] == "not text: control characters found"
    assert "is not valid UTF-16" in one_error(b"\xff\xfea\x00b")[1]
    assert one_error(b'{"apiVersion": "v1", "kind": "\xff"}')[1] == "not text: not valid UTF-8"


@pytest.mark.parametrize("kept", [3, 12, -9, -1])
def test_truncated_gzip(kept: int) -> None:
    line, message = one_error(gzip.compress(POLICY.encode() * 50)[:kept], "p.yaml.gz")
    assert line is None
    assert message.startswith("broken or truncated gzip data")


def test_truncated_zstd() -> None:
    packed = pa.compress(os.urandom(300_000) + POLICY.encode(), "zstd", asbytes=True)
    for kept in (5, 1000, len(packed) - 1):
        _, message = one_error(packed[:kept], "p.yaml.zst")
        assert message.startswith("broken or truncated zstd data")


def test_gzip_with_rubbish_behind() -> None:
    _, message = one_error(gzip.compress(POLICY.encode()) + b"rubbish", "p.yaml.gz")
    assert message.startswith("broken or truncated gzip data")


def test_archive_that_unpacks_to_more_than_the_limit() -> None:
    for data in (gzip.compress(bytes(5000)), pa.compress(bytes(5000), "zstd", asbytes=True)):
        with manifest_limit(4999):
            _, message = one_error(data)
        assert message.startswith("unpacks to more; a manifest has at most 4999 bytes")


def test_directory_without_manifests(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("x")
    with pytest.raises(ManifestError, match=r"no \*\.yaml"):
        read_policies(tmp_path)


def test_no_paths() -> None:
    with pytest.raises(ManifestError, match="no path was given"):
        read_policies([])


def test_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(POLICY)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")  # root is refused nothing, so pretend

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ManifestError, match=r"p\.yaml: cannot be read: Permission denied"):
        read_policies(path)


@pytest.mark.parametrize("name", ["none.yaml", "p.yaml/x", "nul\0.yaml", "x" * 5000])
def test_paths_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "p.yaml").write_text(POLICY)
    with pytest.raises(ManifestError, match="cannot be read"):
        read_policies(os.path.join(tmp_path, name))  # noqa: PTH118


def test_broken_link_in_a_directory(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to(tmp_path / "gone.yaml")
    with pytest.raises(ManifestError, match="cannot be read"):
        read_policies(tmp_path)


def test_fifo_in_a_directory_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    (tmp_path / "p.yaml").write_text(POLICY)
    assert len(read_policies(tmp_path)) == 1


def test_only_other_kinds(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("{apiVersion: v1, kind: Pod, metadata: {name: a}}\n")
    with pytest.raises(ManifestError, match="no network policy found, only 1 Pod"):
        read_policies(path)


def test_the_first_error_is_raised_with_those_that_follow(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(manifest("policyTypes: [x, z]"))
    with pytest.raises(NetpolError, match=r'Types\[0\]: .*"x".*\n.*p.yaml:5: .*Types\[1\]: .*"z"'):
        read_policies(path)
    path.write_text("---\n".join([manifest("policyTypes: [x]")] * 13))
    with pytest.raises(NetpolError, match=r"and 3 more: `netpol check` lists them$") as caught:
        read_policies(path)
    assert str(caught.value).count("\n") == 10


# --- hostile ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "{" * 100_000,
        "{a: " * 10_000,
        "- " * 10_000,
        '{"a":' * 100_000,
        '{"a":' * 5_000 + "1" + "}" * 5_000,
        '{"apiVersion":"v1","kind":"List","items":[' * 3_000 + "]}" * 3_000,
        '{"apiVersion":"v1","kind":"List","items":[' * 100 + "]}" * 100,
        "? " * 10_000,
        "&a " * 10_000,
        "!" * 10_000,
    ],
)
@pytest.mark.parametrize("name", ["p.yaml", "p.json"])
def test_deep_nesting(text: str, name: str) -> None:
    assert check_text(text, name).errors


def test_deep_nesting_inside_a_policy() -> None:
    for spec in ("[" * 5000 + "]" * 5000, '{"ingress":' * 900 + "1" + "}" * 900):
        text = (
            '{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy",'
            f'"metadata":{{"name":"p"}},"spec":{spec}}}'
        )
        assert check_text(text, "p.json").errors


def test_broken_surrogates() -> None:
    text = json.dumps({"a": 1})[:-1] + ',"apiVersion":"networking.k8s.io/v1",'
    text += '"kind":"NetworkPolicy","metadata":{"name":"\\ud800"}}'
    assert check_text(text, "p.json").errors


@given(st.binary(max_size=200))
@example(b"\xef\xbb\xbf{")
@example(b"\x1f\x8b")
@example(b"\x28\xb5\x2f\xfd")
@example(b'{"kind":"\xff","apiVersion":"v1"}')
def test_any_bytes(data: bytes) -> None:
    check_text(data)
    check_text(data, "p.json")


@given(st.text(alphabet="{}[]:,-&*!?|>'\"%@#\n \tab1~<=.", max_size=60))
def test_any_yaml_punctuation(text: str) -> None:
    check_text(text)


_WHOLE = """
- apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata: {name: p, namespace: x, labels: {a: b}}
  spec:
    podSelector: {matchLabels: {a: b}, matchExpressions: [{key: a, operator: In, values: [b]}]}
    policyTypes: [Ingress, Egress]
    ingress:
    - from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}, {podSelector: {}}]
      ports: [{port: 80, endPort: 90, protocol: TCP}]
    egress: [{to: [{namespaceSelector: {}}], ports: [{port: http}]}]
- apiVersion: v1
  kind: Pod
  metadata: {name: a, namespace: x, labels: {a: b}, ownerReferences: [{kind: Job, name: j}]}
  spec: {nodeName: n, containers: [{ports: [{name: http, containerPort: 80}]}]}
  status: {phase: Running, podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}], hostIP: 10.0.0.9}
- apiVersion: v1
  kind: Node
  metadata: {name: n}
  spec: {podCIDR: 10.0.0.0/24, podCIDRs: [10.0.0.0/24]}
  status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}
- apiVersion: v1
  kind: Service
  metadata: {name: s, namespace: x}
  spec: {clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1], selector: {a: b}, ports: [{port: 80}]}
  status: {loadBalancer: {ingress: [{ip: 203.0.113.1}]}}
- apiVersion: discovery.k8s.io/v1
  kind: EndpointSlice
  metadata: {name: s, namespace: x}
  addressType: IPv4
  endpoints: [{addresses: [10.0.0.1], conditions: {ready: true}, targetRef: {name: a}}]
  ports: [{port: 80}]
- {apiVersion: v1, kind: Namespace, metadata: {name: x}}
- {apiVersion: batch/v1, kind: Job, metadata: {name: j, namespace: x}}
"""
_ATOMS: list[Any] = [None, True, 0, -1, 70000, 1.5, float("nan"), 10**30, "", "x", "\0", "é" * 300]
_ATOMS += [[], [None], ["x"], [[]], {}, {"a": None}, {"x": 1}, {"kind": "x"}, [{}]]


def _replace(tree: Any, steps: list[int], value: object) -> Any:
    """Put ``value`` somewhere inside a tree, led by any numbers."""
    if not steps or not isinstance(tree, dict | list) or not tree:
        return value
    keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
    key = keys[steps[0] % len(keys)]
    tree[key] = _replace(tree[key], steps[1:], value)
    return tree


_STEPS = st.lists(st.integers(0, 6), min_size=2, max_size=8)


@given(st.lists(st.tuples(_STEPS, st.sampled_from(_ATOMS)), min_size=1, max_size=3))
def test_any_mistake_inside_an_object(mistakes: list[tuple[list[int], object]]) -> None:
    objects = yaml.safe_load(_WHOLE)
    for steps, value in mistakes:
        objects = _replace(objects, steps, copy.deepcopy(value))
    for read in (policies_from_objects, snapshot_from_objects):
        with contextlib.suppress(NetpolError):
            read(objects)
    check_text("".join(json.dumps(each) for each in objects), "p.json")


def test_the_object_without_mistakes_is_good() -> None:
    objects = yaml.safe_load(_WHOLE)
    assert len(policies_from_objects(objects)) == 1
    assert len(snapshot_from_objects(objects).sources) == 5


def test_any_object_is_read_alike_from_a_file_and_from_python(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text("{apiVersion: v1, kind: Pod, metadata: {name: 3}}")
    with pytest.raises(ManifestError) as from_file:
        read_snapshot(path)
    with pytest.raises(ManifestError) as from_python:
        snapshot_from_objects([{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": 3}}])
    assert from_file.value.message == from_python.value.message


def test_reading_does_not_change_the_recursion_limit() -> None:
    before = sys.getrecursionlimit()
    check_text("[" * 1000)
    assert sys.getrecursionlimit() == before


def test_errors_of_several_files_are_all_given(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: [ # NetworkPolicy")
    (tmp_path / "b.yaml").write_text("kind: NetworkPolicy")
    (tmp_path / "c.yaml").write_text(POLICY)
    result = check_policies([tmp_path, tmp_path / "none"])
    assert result.policies == 1
    assert [Path(str(error.location.file)).name for error in result.errors] == [
        "a.yaml",
        "b.yaml",
        "none",
    ]
    assert next(iter(read_documents(tmp_path, lambda _: None))).kind == "NetworkPolicy"
