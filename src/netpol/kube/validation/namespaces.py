"""Takes where objects stand that name no namespace, gives what to say of it.

Such a policy is in the namespace of the request (A2.3), which ``-n`` says. Where that is a guess,
the policy may select nothing, and what it would deny comes out as allowed: so it is always said.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from netpol.kube.api.objects import Source
from netpol.kube.read.documents import Document
from netpol.kube.read.findings import Finding
from netpol.model.errors import ConfigError, Location, ManifestError

__all__ = [
    "NAMESPACE_RULE",
    "Kustomization",
    "Unplaced",
    "checked_namespace",
    "is_namespace",
    "unplaced_finding",
    "unplaced_text",
]

_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?").fullmatch

#: What a namespace's name must be (RFC 1123), as the API server demands.
NAMESPACE_RULE = (
    "must be at most 63 lower case letters, digits or '-', and begin and end with a letter or digit"
)

_KUSTOMIZE = "kustomize.config.k8s.io/"
_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_SETS_NAMESPACE = re.compile(rb"^namespace:[ \t]*[\"']?([^\s\"'#]+)", re.MULTILINE)
_MOST_KUSTOMIZATION_BYTES = 1 << 20


def is_namespace(name: str) -> bool:
    """Return whether an API server would take a name for a namespace."""
    return _LABEL(name) is not None


def checked_namespace(name: str) -> str:
    """Return the name that a caller gave, if it is one; raise ``ConfigError`` else."""
    if not is_namespace(name):
        raise ConfigError(f"namespace {name!r}: {NAMESPACE_RULE}")
    return name


class Kustomization(NamedTuple):
    """A kustomization, and the namespace that it sets, "" for none."""

    file: str
    namespace: str

    @classmethod
    def read(cls, document: Document) -> Kustomization | None:
        """Return the kustomization that a document is."""
        if document.kind != "Kustomization" or not document.api_version.startswith(_KUSTOMIZE):
            return None
        try:
            value = document.value()
        except ManifestError:
            value = None  # Only its place matters here.
        sets = value.get("namespace") if isinstance(value, dict) else None
        return cls(document.file, sets if isinstance(sets, str) else "")


class Unplaced(NamedTuple):
    """Objects that name no namespace: the one they were taken to be in, and where they stand.

    ``kustomizations`` are those that were read beside them.
    """

    namespace: str
    sources: tuple[Source, ...] = ()
    kustomizations: tuple[Kustomization, ...] = ()


def unplaced_text(unplaced: Unplaced, one: str, many: str) -> str:
    """Say how many objects were taken to be in a namespace, and what most likely sets another."""
    number = len(unplaced.sources)
    verb = "names no namespace and was" if number == 1 else "name no namespace and were"
    text = (
        f"{number:,} {one if number == 1 else many} {verb} taken as being in {unplaced.namespace}"
    )
    kustomization = _kustomization(unplaced)
    if kustomization is None:
        return text
    file, sets = kustomization
    into = f"sets namespace {sets}" if sets else "or an overlay of it may set another"
    folder = os.path.dirname(file)  # noqa: PTH120
    if not os.path.isfile(file):  # noqa: PTH113 - of a git revision, REV:path
        folder = folder.rpartition(":")[2]
    return (
        f"{text}, yet {file} {into}: judge what it renders, "
        f"kustomize build {folder or '.'} | netpol ... -p -"
    )


def _kustomization(unplaced: Unplaced) -> Kustomization | None:
    """Return the first kustomization that lies beside an object, in its folder.

    One that sets the very namespace that was taken has nothing to add.
    """
    read = {os.path.dirname(each.file): each for each in unplaced.kustomizations}  # noqa: PTH120
    files = dict.fromkeys(source.file for source in unplaced.sources)
    folders: dict[str, bool] = {}  # whether it is one of the file system
    for file in files:
        folders.setdefault(os.path.dirname(file), os.path.isfile(file))  # noqa: PTH113, PTH120
    for folder, on_disk in folders.items():
        found = read.get(folder) or (_on_disk(folder) if on_disk else None)
        if found is not None and found.namespace != unplaced.namespace:
            return found
    return None


def _on_disk(folder: str) -> Kustomization | None:
    for name in _KUSTOMIZATIONS:
        path = Path(folder) / name
        try:
            with path.open("rb") as handle:
                found = _SETS_NAMESPACE.search(handle.read(_MOST_KUSTOMIZATION_BYTES))
        except (OSError, ValueError):
            continue
        return Kustomization(str(path), found[1].decode(errors="replace") if found else "")
    return None


def unplaced_finding(unplaced: Unplaced) -> Finding:
    """Return the finding on policies that name no namespace; ``unplaced`` has some."""
    first = unplaced.sources[0]
    return Finding(
        "info" if _kustomization(unplaced) is None else "warning",
        "no-namespace",
        unplaced_text(unplaced, "policy", "policies"),
        Location(first.file, first.line),
    )
