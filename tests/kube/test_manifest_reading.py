"""Specification A0: what is read from files, directories, archives and standard input."""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from policy_text import check_text, fields, manifest, stored

from netpol.kube.policies import PolicySet, read_policies
from netpol.kube.read import jsonlines, yamltree
from netpol.kube.read.manifests import read_documents
from netpol.model.errors import ManifestError

POLICY = manifest("podSelector: {}")
OTHER = POLICY.replace("name: p", "name: q")


def names(policies: PolicySet) -> list[str]:
    return [policy.metadata.name for policy, _ in policies.policies]


def as_json(text: str) -> dict:
    (document,) = yamltree.read_yaml(text, "text")
    return document.value


# --- where it is read from --------------------------------------------------------------------


def test_directories_are_searched_in_order(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.yml").write_text(OTHER)
    (tmp_path / "z.json").write_text(json.dumps(as_json(POLICY)))
    (tmp_path / "notes.txt").write_text("not a manifest: [")
    assert names(read_policies(tmp_path)) == ["q", "p"]


def test_a_named_file_is_read_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "policy.txt"
    path.write_text(POLICY)
    assert names(read_policies(str(path))) == ["p"]


def test_a_file_reached_twice_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(POLICY)
    (tmp_path / "link.yaml").symlink_to(path)
    (tmp_path / "loop").symlink_to(tmp_path)
    paths = [path, tmp_path, str(path), tmp_path / "." / "p.yaml"]
    assert names(read_policies(paths)) == ["p"]


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
@pytest.mark.parametrize("kind", ["yaml", "json"])
def test_archives(tmp_path: Path, kind: str, suffix: str) -> None:
    text = POLICY if kind == "yaml" else json.dumps(as_json(POLICY))
    data = text.encode()
    if suffix == ".gz":
        data = gzip.compress(data[:20]) + gzip.compress(data[20:])
    elif suffix == ".zst":
        data = pa.compress(data, "zstd", asbytes=True)
    (tmp_path / f"p.{kind}{suffix}").write_bytes(data)
    assert names(read_policies(tmp_path)) == ["p"]


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(gzip.compress(POLICY.encode())))
    monkeypatch.setattr(sys, "stdin", stream)
    (loaded,) = read_policies(["-", "-"]).policies
    assert loaded.source.file == "<stdin>"


def test_byte_order_mark_and_windows_line_ends() -> None:
    text = "\ufeff" + POLICY.replace("\n", "\r\n")
    assert check_text(text).errors == []


# --- a0.1: objects and lists ------------------------------------------------------------------


def test_a0_1_many_documents_and_empty_ones(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(f"---\n# nothing\n---\n{POLICY}---\n---\n{OTHER}...\n")
    assert [(p.metadata.name, s.line) for p, s in read_policies(path).policies] == [
        ("p", 4),
        ("q", 11),
    ]


@pytest.mark.parametrize("form", ["yaml", "json", "pretty"])
@pytest.mark.parametrize("kind", ["List", "NetworkPolicyList"])
def test_a0_1_lists(tmp_path: Path, kind: str, form: str) -> None:
    items = [as_json(POLICY), as_json(OTHER)]
    version = "v1"
    if kind != "List":
        version = "networking.k8s.io/v1"
        for item in items:
            del item["kind"], item["apiVersion"]
    document = {"kind": kind, "apiVersion": version, "items": items}
    if form == "yaml":
        text = f"kind: {kind}\napiVersion: {version}\nitems:\n- " + "\n- ".join(
            map(json.dumps, items)
        )
    else:
        text = json.dumps(document, indent=1 if form == "pretty" else None)
    path = tmp_path / "list"
    path.write_text(text)
    policies = read_policies(path)
    assert names(policies) == ["p", "q"]
    lines = [source.line for _, source in policies.policies]
    assert (
        lines == {"yaml": [4, 5], "json": [1, 1], "pretty": [5, 16 if kind == "List" else 14]}[form]
    )


def test_a0_1_items_of_a_plain_list_need_their_kind() -> None:
    item = as_json(POLICY)
    del item["kind"]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": [item]})
    (error,) = check_text(text).errors
    assert error.location.field == "kind"


def test_a0_1_empty_and_null_lists(tmp_path: Path) -> None:
    for items in ("[]", "null"):
        result = check_text(f'{{"kind": "List", "apiVersion": "v1", "items": {items}}}')
        assert [error.message for error in result.errors] == ["no network policy found"]


@pytest.mark.parametrize("joint", ["", "\n", " ", "\n\n"])
def test_a0_1_concatenated_json(tmp_path: Path, joint: str) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps(as_json(POLICY), indent=2) + joint + json.dumps(as_json(OTHER)))
    assert names(read_policies(path)) == ["p", "q"]


def test_a0_1_json_documents_between_yaml_marks(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(json.dumps(as_json(POLICY)) + "\n---\n" + OTHER)
    assert names(read_policies(path)) == ["p", "q"]


def test_a0_1_kinds_may_stand_mixed(tmp_path: Path) -> None:
    path = tmp_path / "all.yaml"
    path.write_text(POLICY + "---\n{apiVersion: v1, kind: Pod, metadata: {name: a}}\n")
    policies = read_policies(path)
    assert names(policies) == ["p"]
    assert policies.ignored == {"Pod": 1}


@pytest.mark.parametrize(
    ("version", "kind", "message"),
    [
        ("extensions/v1beta1", "NetworkPolicy", "no longer served"),
        ("networking.k8s.io/v1beta1", "NetworkPolicy", "networking.k8s.io/v1"),
        ("v1", "NetworkPolicy", "networking.k8s.io/v1"),
        ("networking.k8s.io/v1", "networkPolicy", "kind NetworkPolicy"),
        ("policy.networking.k8s.io/v1alpha1", "ClusterNetworkPolicy", "io/v1alpha2, kind Clu"),
        ("policy.networking.k8s.io/v1beta1", "ClusterNetworkPolicy", "io/v1alpha2, kind Clu"),
        ("policy.networking.k8s.io/v1alpha2", "AdminNetworkPolicy", "io/v1alpha1, kind Admin"),
        ("policy.networking.k8s.io/v1", "BaselineAdminNetworkPolicy", "io/v1alpha1, kind Base"),
        ("networking.k8s.io/v1", "ClusterNetworkPolicy", "io/v1alpha2, kind ClusterNet"),
        ("policy.networking.k8s.io/v1alpha2", "clusterNetworkPolicy", "kind ClusterNetworkPolicy"),
        ("policy.networking.k8s.io/v1alpha1", "ExternalNetworkSet", "not supported yet"),
        ("cilium.io/v2", "CiliumNetworkPolicy", "not judged by netpol"),
        ("cilium.io/v2", "CiliumClusterwideNetworkPolicy", "not judged by netpol"),
        ("projectcalico.org/v3", "NetworkPolicy", "not judged by netpol"),
        ("crd.projectcalico.org/v1", "GlobalNetworkPolicy", "not judged by netpol"),
        ("crd.antrea.io/v1beta1", "ClusterNetworkPolicy", "not judged by netpol"),
        ("example.com/v1", "MyNetworkPolicy", "not judged by netpol"),
    ],
)
def test_a0_1_other_dialects_are_never_skipped(version: str, kind: str, message: str) -> None:
    text = f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: p}}\n"
    for form in (text, json.dumps(as_json(text))):
        (error,) = check_text(POLICY + "---\n" + form).errors
        assert message in error.message
        assert error.location.line == 7


@pytest.mark.parametrize(
    "text", ["a: b", "kind: NetworkPolicy", "kind: 3\napiVersion: v1", "- a", "x"]
)
def test_a0_1_what_is_no_object_is_an_error(text: str) -> None:
    (error,) = check_text(POLICY + "---\n" + text).errors
    assert isinstance(error, ManifestError)
    assert error.location.line is not None


# --- a0.2: duplicate keys ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["{a: 1, a: 2}", "{1: a, '1': b}", "{true: a, yes: b}", "{? a, a: 1}"]
)
def test_a0_2_duplicate_keys_in_yaml(text: str) -> None:
    with pytest.raises(ManifestError, match="duplicate key"):
        list(yamltree.read_yaml(text, "f"))


def test_a0_2_duplicate_keys_in_json() -> None:
    text = json.dumps(as_json(POLICY), indent=1).replace(
        '"podSelector": {}', '"podSelector": {},\n  "policyTypes": ["Egress"],\n  "podSelector": {}'
    )
    (error,) = check_text(text).errors
    assert (error.location.line, error.message) == (11, "duplicate key 'podSelector'")


@pytest.mark.parametrize("first", ["[]", "null", None])
def test_a0_2_second_items_key_of_a_json_list(first: str | None) -> None:
    item = json.dumps(as_json(POLICY))
    first = first or f"[{item}]"
    head = '{"apiVersion": "v1", "kind": "List", "items": '
    text = f'{head}{first}, "items": [{item.replace(chr(34) + "p", chr(34) + "q")}, {item}]}}'
    (error,) = check_text(f"{head}[{item}]}}\n{text}").errors
    assert error.message == "duplicate key 'items'"


# --- a0.3 and a0.4: types of scalars ----------------------------------------------------------


@pytest.mark.parametrize(
    "value", ["on", "yes", "n", "true", "1", "1.0", "0x1f", "1e3", "-1", ".inf"]
)
def test_a0_3_a_label_must_be_a_string(value: str) -> None:
    assert fields(f"podSelector: {{matchLabels: {{a: {value}}}}}") == [
        "spec.podSelector.matchLabels.a"
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("22:22", "22:22"),
        ("1:30:00", "1:30:00"),
        ("2026-01-02", "2026-01-02"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("yEs", "yEs"),
        ("'on'", "on"),
        ('"1"', "1"),
        ("!!str 1", "1"),
        ("! 1", "1"),
        ("1.2.3", "1.2.3"),
        ("0b", "0b"),
        ("1_000", 1000),
        ("010", 8),
        ("0o10", 8),
        ("0x1F", 31),
        ("0b11", 3),
        ("-0x10", -16),
        ("+5", 5),
        ("08", 8.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("9" * 70, float("9" * 70)),
        ("1e999", "1e999"),
        ("!!int '7'", 7),
        ("!!float 7", 7.0),
        ("!!bool 'yes'", True),
        ("!!null ''", None),
        ("Off", False),
        ("~", None),
        ("", None),
        ("NULL", None),
    ],
)
def test_a0_3_scalars_are_typed_as_the_server_types_them(text: str, value: object) -> None:
    (document,) = yamltree.read_yaml(f"v: {text}", "f")
    found = document.value["v"]
    assert (type(found), found) == (type(value), value)


def test_a0_3_block_scalars_are_strings() -> None:
    (document,) = yamltree.read_yaml("a: |\n  1\nb: >-\n  yes\n", "f")
    assert document.value == {"a": "1\n", "b": "yes"}


@pytest.mark.parametrize("tag", ["!!binary aGk=", "!!python/name:os.system x", "!foo x", "!!int x"])
def test_unknown_tags_are_refused(tag: str) -> None:
    with pytest.raises(ManifestError, match="cannot read"):
        list(yamltree.read_yaml(f"a: {tag}", "f"))


@pytest.mark.parametrize("value", ["80.5", "80.0", "true", "[80]", "{a: 1}"])
def test_a0_4_port_is_an_integer_or_a_string(value: str) -> None:
    assert fields(f"ingress: [{{ports: [{{port: {value}}}]}}]") == ["spec.ingress[0].ports[0].port"]


def test_a0_4_unquoted_is_a_number_and_quoted_a_name() -> None:
    spec = stored("ingress: [{ports: [{port: 80}, {port: 'http'}]}]").spec
    assert spec is not None
    assert spec.ingress is not None
    assert spec.ingress[0] is not None
    assert [port.port for port in spec.ingress[0].ports or () if port] == [80, "http"]


def test_every_type_error_is_given() -> None:
    spec = "podSelector: []\npolicyTypes: Ingress\ningress: [x, {from: {}, ports: [{endPort: a}]}]"
    assert fields(spec) == [
        "spec.podSelector",
        "spec.policyTypes",
        "spec.ingress[0]",
        "spec.ingress[1].from",
        "spec.ingress[1].ports[0].endPort",
    ]


# --- a0.6 -------------------------------------------------------------------------------------


def test_a0_6_two_policies_of_one_name() -> None:
    other = POLICY.replace("podSelector: {}", "podSelector: {matchLabels: {a: b}}")
    (error,) = check_text(POLICY + "---\n" + other).errors
    assert "duplicate NetworkPolicy x/p, which differs from the first at " in error.message
    assert error.location.line == 7
    assert "p.yaml:1" in error.message
    assert "kustomize build DIR" in error.message


def test_a0_6_the_same_policy_twice_is_a_note() -> None:
    result = check_text("---\n".join([POLICY] * 3))
    assert (result.policies, result.errors) == (1, [])
    (note,) = result.findings
    assert (note.severity, note.code) == ("info", "read-twice")
    assert note.message.startswith("2 policies were already read, each the same: the first is Net")
    assert "kustomize build DIR" in note.message


def test_a0_6_namespaces_keep_names_apart() -> None:
    assert check_text(POLICY + "---\n" + POLICY.replace(": x", ": z")).errors == []


# --- anchors ----------------------------------------------------------------------------------


def test_anchors_aliases_and_merges() -> None:
    text = "a: &a {x: 1, w: 2}\nb: *a\nc: {<<: *a, w: 3}\nd: {<<: [*a, {z: 4}], k: &s v}\ne: *s"
    (document,) = yamltree.read_yaml(text, "f")
    assert document.value == {
        "a": {"x": 1, "w": 2},
        "b": {"x": 1, "w": 2},
        "c": {"x": 1, "w": 3},
        "d": {"x": 1, "w": 2, "z": 4, "k": "v"},
        "e": "v",
    }
    assert yamltree.field_lines(document.value, document.lines)["d.z"] == 4


def test_expansion_bomb() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    with pytest.raises(ManifestError, match="aliases expand"):
        list(yamltree.read_yaml("\n".join(lines), "f"))


@pytest.mark.parametrize(
    "text", ["a: &a [*a]", "a: *b", "&a a: {b: &c {d: *c}}", "a: {<<: 3}", "{[a]: b}"]
)
def test_broken_references_and_keys(text: str) -> None:
    with pytest.raises(ManifestError):
        list(yamltree.read_yaml(text, "f"))


def test_pure_python_reader_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    import yaml

    text = POLICY + "---\na: [1, &x {b: no}, *x]\n"
    fast = list(yamltree.read_yaml(text, "f"))
    monkeypatch.setattr(yamltree, "_Loader", yaml.SafeLoader)
    slow = list(yamltree.read_yaml(text, "f"))
    assert [(each.value, each.line) for each in fast] == [(each.value, each.line) for each in slow]
    with pytest.raises(ManifestError, match="control characters"):
        list(yamltree.read_yaml("a: \x01", "f"))


# --- lines ------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_lines_of_fields(tmp_path: Path, form: str) -> None:
    spec = """
    ingress:
    - from:
      - podSelector: {}
      - ipBlock:
          cidr: 10.0.0.0/8
    """
    text = manifest(spec)
    if form == "json":
        text = "\n" + json.dumps(as_json(text), indent=1)
    path = tmp_path / f"p.{form}"
    path.write_text(text)
    (loaded,) = read_policies(path).policies
    source = loaded.source
    wanted = {
        "yaml": {"": 1, "metadata.name": 3, "spec": 4, "spec.ingress[0].from[1].ipBlock.cidr": 9},
        "json": {"": 2, "metadata.name": 6, "spec": 9, "spec.ingress[0].from[1].ipBlock.cidr": 18},
    }[form]
    assert {field: source.line_of(field) for field in wanted} == wanted
    near = "spec.ingress[0].from[1].ipBlock.except[3]"
    assert source.line_of(near) == source.line_of("spec.ingress[0].from[1].ipBlock")


def test_documents_are_lazy_about_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> dict[str, int]:
        raise AssertionError("lines were looked for without need")

    monkeypatch.setattr(jsonlines.JsonLines, "_open", fail)
    path = tmp_path / "p.json"
    path.write_text(json.dumps(as_json(POLICY)))
    assert names(read_policies(path)) == ["p"]


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="cannot be read: No such file") as caught:
        list(read_documents(tmp_path / "none.yaml"))
    assert caught.value.location.file == os.fspath(tmp_path / "none.yaml")
