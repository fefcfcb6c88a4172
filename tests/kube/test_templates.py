"""Templates that nobody rendered: one clear error a document, and never a policy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from policy_text import check_text, manifest

from netpol.kube.policies import policies_from_objects
from netpol.kube.snapshot import snapshot_from_objects
from netpol.lint.check import CheckResult, check_policies
from netpol.model.errors import InputError, ManifestError

POLICY = manifest("podSelector: {matchLabels: {app: web}}")
HELM = """\
{{- if .Values.networkPolicy.enabled }}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "web.fullname" . }}
spec:
  podSelector: {}
{{- end }}
"""
ANP = "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\n"


def one(result: CheckResult) -> InputError:
    (error,) = result.errors
    assert result.policies == 0
    assert isinstance(error, ManifestError)
    assert "YAML" not in error.message
    return error


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (HELM, 1, "a Helm template ({{- if .Values.networkPolicy.enabled }})"),
        (POLICY.replace("name: p", "name: {{ .Release.Name }}"), 3, "a Helm template"),
        (POLICY.replace("name: p", "name: '{{ .Release.Name }}-x'"), 3, "a Helm template"),
        (POLICY.replace("app: web", "app: {{ app }}"), 5, "a template ({{ app }})"),
        (POLICY.replace("name: p", 'name: "{{ name }}"'), 3, "helm template CHART | netpol ch"),
        (POLICY.replace("app: web", "app: ${APP}"), 5, "envsubst (${APP}"),
        (POLICY.replace("app: web", "app: '${APP:=web}'"), 5, "envsubst < "),
        (POLICY.replace("app: web", "${KEY}: web"), 5, "envsubst"),
        (POLICY.replace("namespace: x", "namespace: '${NS}'"), 3, "envsubst"),
        (POLICY.replace("namespace: x", "labels: {a: '${X}'}"), 3, "envsubst"),
        (POLICY + "  ingress: [{ports: [{port: '${PORT}'}]}]\n", 6, "envsubst"),
        (POLICY + "  ingress:\n  - from:\n    - ipBlock: {cidr: '${A}/8'}\n", 8, "envsubst"),
        (POLICY + "  ingress: [{ports: [{port: '${{PORT}}'}]}]\n", 6, "OpenShift Template: oc p"),
        (POLICY.replace("kind: NetworkPolicy", "kind: ${KIND}"), 1, "envsubst"),
        (POLICY.replace("k: 1", "") + "{{- range }}\n", 6, "a Helm template ({{- range }})"),
        (POLICY.replace("  podSelector", "  podSelector: {}\n  podSelector: # {{ x }}\n#"), 6, ""),
        (POLICY + "{{ toYaml .Values.spec }}\n" + POLICY, 6, "a Helm template"),
        (ANP + "metadata: {name: '${X}'}\nspec: {}\n", 3, "envsubst"),
        ("{% if x %}\n" + POLICY, 1, "a Jinja template ({% if x %})"),
        ("{{ .Files.Get }}", 1, "a Helm template"),
        ("'{{ whole }}'", 1, "a template"),
        ("${ALL}", 1, "envsubst"),
        ("kind: Template\nobjects: [{name: ${A}}]\n", 2, "an OpenShift Template: oc process -f "),
    ],
)
def test_a_template_is_one_error(text: str, line: int, words: str) -> None:
    if not words:  # a mark in a comment makes no template
        assert "duplicate key" in check_text(text).errors[0].message
        return
    error = one(check_text(text))
    assert error.location.line == line
    assert error.message.startswith("looks like a")
    assert words in error.message


@pytest.mark.parametrize("mark", ["{{ .Values.x }}", "${X}"])
def test_json_templates(mark: str) -> None:
    text = json.dumps(yaml.safe_load(POLICY), indent=1).replace("web", mark)
    assert one(check_text(text, "p.json")).location.line == 11
    unquoted = text.replace(f'"{mark}"', mark)
    assert one(check_text(unquoted, "p.json")).location.line == 11


def test_other_documents_of_the_file_are_read() -> None:
    bad = POLICY.replace("name: p", "name: {{ x }}")
    wrong = manifest("policyTypes: [x]")
    result = check_text("---\n".join([bad, POLICY, HELM, bad, wrong]))
    assert result.policies == 1
    assert [(e.location.line, e.message[:10]) for e in result.errors] == [
        (3, "looks like"),
        (13, "looks like"),
        (24, "looks like"),
        (32, "NetworkPol"),
    ]


def test_the_advice_names_chart_and_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("my chart/templates/a/p.yaml", "templates/p.yaml", "x.yaml"):
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HELM)
    for name, chart in (
        ("my chart/templates/a/p.yaml", "'my chart'"),
        ("templates/p.yaml", "."),
        ("x.yaml", "CHART"),
    ):
        assert f": helm template {chart} | netpol check -" in one(check_policies(name)).message
    Path("x y.yaml").write_text(POLICY.replace("app: web", "app: '${APP}'"))
    assert "envsubst < 'x y.yaml' | " in one(check_policies("x y.yaml")).message


@pytest.mark.parametrize(
    "text",
    [
        POLICY.replace("namespace: x", "annotations: {a: '${X} {{ y }}'}"),
        POLICY + "# {{ if }} ${X}\n",
        POLICY.replace("app: web", "app: $X"),
        POLICY + "---\n{apiVersion: v1, kind: ConfigMap, data: {a: '{{ x }} ${Y}'}}\n",
    ],
)
def test_what_is_no_template(text: str) -> None:
    result = check_text(text)
    assert all("looks like" not in error.message for error in result.errors)
    assert result.policies == 1 or "app: $X" in text


def test_python_objects_may_be_templates() -> None:
    policy = yaml.safe_load(POLICY.replace("app: web", "app: '${APP}'"))
    with pytest.raises(ManifestError, match=r"matchLabels\.app: looks like a template for envs"):
        policies_from_objects([policy])


@pytest.mark.parametrize("field", ["name", "namespace", "key", "value"])
def test_objects_of_a_cluster(field: str) -> None:
    words = {"name": "a", "namespace": "x", "key": "k", "value": "v"} | {field: "${X}"}
    metadata = {k: words[k] for k in ("name", "namespace")}
    metadata |= {"labels": {words["key"]: words["value"]}}  # type: ignore[dict-item]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
    with pytest.raises(ManifestError, match="envsubst"):
        snapshot_from_objects([pod])
    pod["metadata"] = {**metadata, "uid": "from-a-cluster"}
    if field == "namespace":  # no server stores that
        with pytest.raises(ManifestError, match="is no namespace"):
            snapshot_from_objects([pod])
        return
    assert len(snapshot_from_objects([pod]).pods) == 1
