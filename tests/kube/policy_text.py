"""Writes policies as YAML text and reads them back, for the tests of this folder."""

from __future__ import annotations

import textwrap
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from netpol.kube.api.objects import NetworkPolicy
from netpol.kube.policies import read_policies
from netpol.lint.check import CheckResult, check_policies
from netpol.model.switches import Switches

HEAD = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: x}\n"


def manifest(spec: str) -> str:
    """Give a whole manifest; ``spec`` is YAML, its first line is line 5 of the text.

    Without a podSelector of its own it gets one for every pod, as no test but one is about that.
    """
    text = textwrap.dedent(spec).strip("\n")
    if _lacks_selector(text):
        text = "{podSelector: {}, " + text[1:] if text[0] == "{" else f"{text}\npodSelector: {{}}"
    return HEAD + "spec:\n" + textwrap.indent(text, "  ") + "\n"


def _lacks_selector(text: str) -> bool:
    try:
        spec = yaml.safe_load(text)
    except yaml.YAMLError:
        return False
    return isinstance(spec, dict) and bool(spec) and "podSelector" not in spec


def check_text(text: str | bytes, name: str = "p.yaml", **switches: str) -> CheckResult:
    """Check one file holding ``text``."""
    with TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return check_policies(path, switches=Switches(**switches))


def errors(spec: str, **switches: str) -> list[tuple[str | None, str]]:
    """Give (field, message) for every error of a policy, the policy's name left out."""
    result = check_text(manifest(spec), **switches)
    return [
        (each.location.field, each.message.removeprefix("NetworkPolicy x/p: "))
        for each in result.errors
    ]


def fields(spec: str, **switches: str) -> list[str | None]:
    """Give only the fields of the errors."""
    return [field for field, _ in errors(spec, **switches)]


def codes(spec: str, **switches: str) -> list[str]:
    """Give the codes of the warnings of a policy that has no errors."""
    result = check_text(manifest(spec), **switches)
    assert not result.errors
    return [each.code for each in result.findings if each.severity != "info"]


def stored(spec: str, **switches: str) -> NetworkPolicy:
    """Give the policy as the API server stores it."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "p.yaml")
        path.write_text(manifest(spec))
        return read_policies(path, switches=Switches(**switches)).policies[0].policy
