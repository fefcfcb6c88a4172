"""Takes typed objects, gives a ``Snapshot``: the cluster as read, checked and defaulted.

Defaulting done here, once, for everybody downstream: absent namespaces become ``default``
(A2.3); a namespace's ``kubernetes.io/metadata.name`` label is overwritten with its name (A2.4).
Every address of the objects parses with ``addresses.parse_address``, except node addresses,
which may be host names, and those of endpoint slices with address type FQDN.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from netpol.dns.observations import DnsObservations
from netpol.errors import Location, ManifestError, SnapshotError
from netpol.kube.callbacks import Callback, callbacks_of, is_callback
from netpol.kube.documents import Document, decode
from netpol.kube.gcpause import gc_paused
from netpol.kube.inputs import Paths, named
from netpol.kube.kinds import CLUSTER_KINDS, is_workload
from netpol.kube.manifests import documents_from_objects, read_documents
from netpol.kube.objects import EndpointSlice, Namespace, Node, ObjectMeta, Pod, Service, Source
from netpol.kube.snapshot_checks import bad_addresses
from netpol.kube.workloads import Workload, podless_workloads
from netpol.switches import Switches

__all__ = ["NAME_LABEL", "Snapshot", "build_snapshot", "read_snapshot", "snapshot_from_objects"]

#: The label every namespace has, with its name (A2.4).
NAME_LABEL = "kubernetes.io/metadata.name"
_CLUSTER_SCOPED = frozenset(("Namespace", "Node"))

Clustered = Namespace | Pod | Node | Service | EndpointSlice


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The cluster as read: namespaces, pods, nodes, services, endpoint slices.

    ``dns`` is what was seen of DNS, None if nothing was recorded (``read_dns`` gives it).
    ``sources`` maps (kind, namespace or "", name) to the place an object was read;
    ``warnings`` are messages for the reader, each already carrying its place; ``ignored``
    counts objects of other kinds that were met; ``callbacks`` are Services that API servers call.
    """

    namespaces: tuple[Namespace, ...] = ()
    pods: tuple[Pod, ...] = ()
    nodes: tuple[Node, ...] = ()
    services: tuple[Service, ...] = ()
    endpoint_slices: tuple[EndpointSlice, ...] = ()
    sources: dict[tuple[str, str, str], Source] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    ignored: Mapping[str, int] = field(default_factory=dict)
    dns: DnsObservations | None = None
    callbacks: tuple[Callback, ...] = ()


def read_snapshot(paths: Paths, *, switches: Switches | None = None) -> Snapshot:
    """Read a cluster from manifests, as ``kubectl get ... -o json|yaml`` writes them.

    Parameters
    ----------
    paths
        Files, directories (searched recursively for YAML and JSON, also ``.gz`` and ``.zst``),
        or ``-`` for standard input; one or several. Kinds may stand mixed. JSON loads about a
        hundred times faster than YAML.
    switches
        Taken for symmetry; no switch changes how a snapshot is read today.

    Raises
    ------
    ManifestError
        Something cannot be read, or an object is malformed.
    SnapshotError
        No pods, two different objects of one name, or an address that is none.
    """
    paths = paths if isinstance(paths, str | os.PathLike) else list(paths)
    try:
        return build_snapshot(read_documents(paths), switches=switches)
    except SnapshotError as error:
        if error.location.file is not None:
            raise
        raise SnapshotError(error.message, named(paths)) from None


def snapshot_from_objects(
    objects: Sequence[dict[str, Any]], *, switches: Switches | None = None
) -> Snapshot:
    """Give the cluster described by plain dictionaries, as ``read_snapshot`` does for files."""
    return build_snapshot(documents_from_objects(objects), switches=switches)


def build_snapshot(documents: Iterable[Document], *, switches: Switches | None = None) -> Snapshot:
    """Collect the cluster kinds among ``documents``; errors as in ``read_snapshot``."""
    del switches
    builder = _Builder()
    with gc_paused():
        for document in documents:
            builder.add(document)
    return builder.finish()


class _Builder:
    """Collects objects by kind, refusing clashes."""

    def __init__(self) -> None:
        self._objects: dict[type, dict[tuple[str, str, str], Any]] = {
            kind: {} for kind in CLUSTER_KINDS.values()
        }
        self._sources: dict[tuple[str, str, str], Source] = {}
        self._workloads: list[Workload] = []
        self._ignored: Counter[str] = Counter()
        self._warnings: list[str] = []
        self._callbacks: list[Callback] = []

    def add(self, document: Document) -> None:
        kind = CLUSTER_KINDS.get((document.api_version, document.kind))
        if kind is not None:
            self._add_object(document, kind)
        elif is_workload(document.api_version, document.kind):
            self._workloads.append(_workload(document))
        else:
            self._ignored[document.kind] += 1
            if is_callback(document.api_version, document.kind):
                self._callbacks += callbacks_of(document)

    def _add_object(self, document: Document, kind: type[Any]) -> None:
        found = decode(document, kind)
        _require_name(document, found.metadata)
        found = _defaulted(found)
        metadata = found.metadata
        key = (document.kind, metadata.namespace or "", metadata.name)
        self._check_addresses(document, found)
        objects = self._objects[kind]
        first = objects.setdefault(key, found)
        if first is not found:
            self._check_same(document, key, first == found)
            return
        self._sources[key] = Source(document.file, document.line)

    def _check_same(self, document: Document, key: tuple[str, str, str], same: bool) -> None:
        first = self._sources[key]
        label = "/".join(part for part in key[1:] if part)
        location = Location(document.file, document.line)
        if not same:
            raise SnapshotError(
                f"two different {key[0]}s named {label}, the first at {first.file}:{first.line}",
                location,
            )
        self._warnings.append(
            f"{location}: {key[0]} {label} was already read at {first.file}:{first.line}"
        )

    def _check_addresses(self, document: Document, found: Clustered) -> None:
        for path, why in bad_addresses(found):
            line = document.field_source().line_of(path)
            label = f"{document.kind} {found.metadata.name}"
            raise SnapshotError(f"{label}: {why}", Location(document.file, line, path))

    def finish(self) -> Snapshot:
        namespaces, pods, nodes, services, slices = (
            tuple(self._objects[kind].values())
            for kind in (Namespace, Pod, Node, Service, EndpointSlice)
        )
        podless = podless_workloads(self._workloads, pods)
        if not pods:
            raise SnapshotError(f"the snapshot has no pods{_instead(self._ignored, podless)}")
        self._warnings += _podless_warnings(podless) + _namespace_warnings(namespaces, pods)
        return Snapshot(
            namespaces,
            pods,
            nodes,
            services,
            slices,
            self._sources,
            tuple(self._warnings),
            dict(self._ignored),
            callbacks=tuple(self._callbacks),
        )


def _workload(document: Document) -> Workload:
    workload = decode(document, Workload)
    _require_name(document, workload.metadata)
    return replace(workload, kind=document.kind)


def _require_name(document: Document, metadata: ObjectMeta) -> None:
    if not metadata.name:
        raise ManifestError(
            f"{document.kind} without a name",
            Location(document.file, document.line, "metadata.name"),
        )


def _defaulted(found: Any) -> Any:
    """Apply A2.3 and A2.4."""
    metadata: ObjectMeta = found.metadata
    if isinstance(found, Namespace):
        labels = {**(metadata.labels or {}), NAME_LABEL: metadata.name}
        return replace(found, metadata=replace(metadata, labels=labels, namespace=None))
    if isinstance(found, Node):
        return found
    if not metadata.namespace:
        return replace(found, metadata=replace(metadata, namespace="default"))
    return found


def _instead(ignored: Mapping[str, int], podless: Sequence[Workload]) -> str:
    if podless:
        return (
            f", only {len(podless)} workloads such as {podless[0].label}; pods are not guessed "
            "from them: add the output of `kubectl get pods -A -o json`"
        )
    others = ", ".join(f"{count} {kind}" for kind, count in sorted(ignored.items()))
    return f" (found: {others})" if others else ""


def _podless_warnings(podless: Sequence[Workload]) -> list[str]:
    if not podless:
        return []
    names = _some([workload.label for workload in podless])
    return [f"no pods in the snapshot for {names}: their connections cannot be judged as theirs"]


def _namespace_warnings(namespaces: Sequence[Namespace], pods: Sequence[Pod]) -> list[str]:
    known = {namespace.metadata.name for namespace in namespaces}
    missing = sorted({pod.metadata.namespace or "" for pod in pods} - known)
    if not missing:
        return []
    return [
        f"pods stand in namespaces that are not in the snapshot ({_some(missing)}): selectors on "
        "those namespaces' labels cannot be decided"
    ]


def _some(names: Sequence[str], limit: int = 5) -> str:
    shown = ", ".join(names[:limit])
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown
