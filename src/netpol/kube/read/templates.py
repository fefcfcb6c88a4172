"""Takes text or a policy as read, gives the error that it is a template nobody has rendered yet.

``{{ .Values.x }}`` of Helm, ``{% if x %}`` of Jinja, ``${X}`` of OpenShift Templates and of
envsubst. Most of it is broken YAML, but some is a valid policy that selects what does not exist,
which would be the worse outcome. In other objects the same marks are common and meant: alert texts,
shell scripts, Argo workflows.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any, NamedTuple

from netpol.kube.api.objects import ObjectMeta, Source
from netpol.kube.read.yamltree import field_path
from netpol.model.errors import Location, ManifestError

__all__ = [
    "in_metadata",
    "in_policy",
    "in_text",
    "in_word",
    "may_hold_marks",
]

_MARK = re.compile(r"\{\{.*?(?:\}\}|$)|\{%.*?(?:%\}|$)|\$\{\{?.*?(?:\}|$)", re.MULTILINE)
_WHOLE_MARK = re.compile(r"\{\{.*?\}\}|\$\{.*?\}", re.DOTALL)
_HELM = re.compile(
    r"\.(?:Values|Release|Chart|Capabilities|Template|Files)\b|\{\{-|-\}\}|"
    r"\{\{ *(?:include|template|define|if|range|with|end|tpl|toYaml|\$)"
)
_OPENSHIFT = re.compile(r"""^["'{ ]*kind["']?: *["']?Template\b""", re.MULTILINE)
_COMMENT = re.compile(r"(?:^|\s)#")
_SHOWN = 40
# Free text that nothing is judged by, where such marks may be meant.
_FREE_TEXT = ("metadata.annotations", "metadata.managedFields", "status")


class _Mark(NamedTuple):
    """What makes something a template, and its 1-based line within the text."""

    text: str
    line: int


def may_hold_marks(text: str) -> bool:
    """Say at little cost whether a text needs a closer look."""
    return "{{" in text or "${" in text or "{%" in text


def in_text(text: str, file: str, first_line: int = 1) -> ManifestError | None:
    """Return the error for a text that is no YAML because it is a template; None if it is none.

    Parameters
    ----------
    text
        One document that cannot be read as it stands.
    file, first_line
        Where it stands.
    """
    for number, line in enumerate(text.split("\n")):
        found = _MARK.search(line)
        if found and not _COMMENT.search(line, 0, found.start()):
            place = Location(file, first_line + number)
            return _error(found[0], place, text)
    return None


def in_word(word: object, place: tuple[str, int]) -> ManifestError | None:
    """Return the error for an apiVersion or kind, or a whole document, that is to be filled in."""
    found = _WHOLE_MARK.search(word) if isinstance(word, str) else None
    return _error(found[0], Location(*place), "") if found else None


def in_policy(value: object, source: Source) -> ManifestError | None:
    """Return the error for a policy where a name, label, address or else is to be filled in.

    Annotations are not looked at.
    """
    for path, text in _texts(value):
        found = _WHOLE_MARK.search(text) if "{" in text else None
        if found:
            return _error(found[0], Location(source.file, source.line_of(path), path), "")
    return None


def in_metadata(metadata: ObjectMeta, place: tuple[str, int]) -> ManifestError | None:
    """Return the error for an object of a cluster whose name or labels are to be filled in.

    What has a uid comes from a cluster, where there is no such thing.
    """
    if metadata.uid is not None:
        return None
    labels = metadata.labels or {}
    for text in (metadata.name, metadata.namespace, *labels, *labels.values()):
        if text and "{" in text and (error := in_word(text, place)) is not None:
            return error
    return None


def _texts(value: object) -> Iterator[tuple[str, str]]:
    """Yield every text of a policy, keys too, with its path; free text is left out."""
    pending: list[tuple[str, Any]] = [("", value)]
    while pending:
        path, each = pending.pop()
        if isinstance(each, str):
            yield path, each
        elif isinstance(each, dict):
            children = [(field_path(path, str(key)), str(key), each[key]) for key in each]
            pending += [(at, child) for at, _, child in reversed(children) if at not in _FREE_TEXT]
            yield from ((at, key) for at, key, _ in children)
        elif isinstance(each, list):
            pending += [(field_path(path, i), child) for i, child in reversed([*enumerate(each)])]


def _error(mark: str, place: Location, text: str) -> ManifestError:
    """Say what kind of template it is, and what renders it."""
    shown = mark if len(mark) <= _SHOWN else mark[:_SHOWN] + "…"
    if mark.startswith("{%"):
        message = f"looks like a Jinja template ({shown}), so render it first, with what it is for"
        return ManifestError(message, place)
    if mark.startswith("{{"):
        what = "a Helm template" if _HELM.search(text) or _HELM.search(mark) else "a template"
        advice = f"helm template {_chart(place.file)} | netpol check -"
    elif mark.startswith("${{") or _OPENSHIFT.search(text):
        return ManifestError(f"{_openshift(place.file)} ({shown})", place)
    else:
        what = "a template for envsubst"
        advice = f"envsubst < {_named(place.file)} | netpol check -"
    return ManifestError(f"looks like {what} ({shown}), so render it first: {advice}", place)


def _openshift(file: str | None) -> str:
    return f"looks like an OpenShift Template: oc process -f {_named(file)} | netpol check -"


def _named(file: str | None) -> str:
    """Return a file as a shell takes it; standard input and git revisions have no name there."""
    if not file or file == "<stdin>" or ":" in file:
        return "FILE"
    return shlex.quote(file)


def _chart(file: str | None) -> str:
    """Return the folder of the chart, if the path tells it."""
    head, found, _ = f"/{file or ''}".rpartition("/templates/")
    name = head.removeprefix("/") or "."
    return shlex.quote(name) if found and ":" not in name else "CHART"
