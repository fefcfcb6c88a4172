"""Takes typed objects, gives a ``Snapshot``: the cluster as read, checked and defaulted.

Defaulting done here, once, for everybody downstream: absent namespaces become ``default``
(A2.3); a namespace's ``kubernetes.io/metadata.name`` label is overwritten with its name (A2.4).
Every address of the objects parses with ``addresses.parse_address``, except node addresses,
which may be host names, and those of endpoint slices with address type FQDN.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from msgspec.structs import replace

from netpol.io.gcpause import gc_paused
from netpol.kube.api.kinds import CLUSTER_KINDS, is_workload
from netpol.kube.api.objects import EndpointSlice, Namespace, Node, ObjectMeta, Pod, Service, Source
from netpol.kube.api.workloads import Workload, podless_workloads
from netpol.kube.callbacks import Callback, callbacks_of, is_callback
from netpol.kube.endpoints import Endpoints, EndpointsMeta, derived_slices
from netpol.kube.read.documents import Document, decode
from netpol.kube.read.findings import Finding
from netpol.kube.read.inputs import Paths, named
from netpol.kube.read.manifests import documents_from_objects, raise_error, read_documents
from netpol.kube.read.reading import Again, Reading, again_notes, first_of, some
from netpol.kube.read.templates import in_metadata
from netpol.kube.snapshot_checks import bad_addresses, bad_object_times, without_bad_ranges
from netpol.kube.unjudged import NOTHING_UNJUDGED, Unjudged, UnjudgedTally
from netpol.kube.validation.namespaces import (
    NAMESPACE_RULE,
    Unplaced,
    checked_namespace,
    is_namespace,
    unplaced_text,
)
from netpol.model.dns_observations import DnsObservations
from netpol.model.errors import InputError, Location, ManifestError, SnapshotError
from netpol.model.switches import Switches

__all__ = [
    "NAME_LABEL",
    "Snapshot",
    "build_snapshot",
    "load_snapshot",
    "read_snapshot",
    "snapshot_from_objects",
]

#: The label every namespace has, with its name (A2.4).
NAME_LABEL = "kubernetes.io/metadata.name"
_CLUSTER_SCOPED = frozenset(("Namespace", "Node"))

Clustered = Namespace | Pod | Node | Service | EndpointSlice | Endpoints

_ENDPOINTS = ("v1", "Endpoints")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The cluster as read: namespaces, pods, nodes, services, endpoint slices.

    ``dns`` is what was seen of DNS, None if nothing was recorded (``read_dns`` gives it).
    ``sources`` maps (kind, namespace or "", name) to the place an object was read;
    ``warnings`` are messages for the reader, each already carrying its place; ``ignored``
    counts objects of other kinds that were met, ``unjudged`` are the policies among them of
    dialects that netpol does not judge; ``notes`` say what was passed over or met twice.
    ``callbacks`` are Services that API servers call.
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
    notes: tuple[Finding, ...] = ()
    unjudged: Unjudged = NOTHING_UNJUDGED
    callbacks: tuple[Callback, ...] = ()


def read_snapshot(
    paths: Paths,
    *,
    switches: Switches | None = None,
    namespace: str = "default",
    exclude: Sequence[str] = (),
) -> Snapshot:
    """Read a cluster from manifests, as ``kubectl get ... -o json|yaml`` writes them.

    So do ``kubectl cluster-info dump`` and ``oc adm must-gather``.

    Parameters
    ----------
    paths
        Files, directories (searched recursively for YAML and JSON, also ``.gz`` and ``.zst``),
        or ``-`` for standard input; one or several. Kinds may stand mixed. JSON loads about
        ten times as fast as YAML.
    switches
        Taken for symmetry; no switch changes how a snapshot is read today.
    exclude
        Patterns of files and folders that are left out of directories, as in a ``.gitignore``.
    namespace
        Given to pods, services and endpoint slices that name none (A2.3).

    Raises
    ------
    ManifestError
        Something cannot be read, or an object is malformed.
    SnapshotError
        No pods, two different objects of one name, or an address or a time that is none.
    ConfigError
        ``namespace`` is no name of one.
    """
    reading = Reading(exclude, cluster=True)
    snapshot, errors = load_snapshot(paths, reading, switches=switches, namespace=namespace)
    if snapshot is None:
        raise first_of(errors)
    return snapshot


def load_snapshot(
    paths: Paths,
    reading: Reading,
    *,
    switches: Switches | None = None,
    namespace: str = "default",
) -> tuple[Snapshot | None, list[InputError]]:
    """Read a cluster as ``read_snapshot`` does; None and every error if there is one."""
    paths = paths if isinstance(paths, str | os.PathLike) else list(paths)
    errors: list[InputError] = []
    snapshot: Snapshot | None = None
    documents = read_documents(paths, errors.append, reading)
    try:
        snapshot = build_snapshot(
            documents,
            switches=switches,
            namespace=namespace,
            report=errors.append,
            reading=reading,
        )
    except SnapshotError as error:
        if not errors:
            errors.append(SnapshotError(error.message, named(paths)))
    return None if errors else snapshot, errors


def snapshot_from_objects(
    objects: Sequence[dict[str, Any]],
    *,
    switches: Switches | None = None,
    namespace: str = "default",
) -> Snapshot:
    """Return the cluster described by plain dictionaries, as ``read_snapshot`` does for files."""
    documents = documents_from_objects(objects)
    return build_snapshot(documents, switches=switches, namespace=namespace)


def build_snapshot(
    documents: Iterable[Document],
    *,
    switches: Switches | None = None,
    namespace: str = "default",
    report: Callable[[InputError], None] = raise_error,
    reading: Reading | None = None,
) -> Snapshot:
    """Collect the cluster kinds among ``documents``; errors as in ``read_snapshot``.

    ``report`` is called with the error of each object that has one, which is left out; ``reading``
    is how the documents are read.
    """
    del switches
    builder = _Builder(checked_namespace(namespace))
    with gc_paused():
        for document in documents:
            try:
                builder.add(document)
            except InputError as error:
                report(error)
    return builder.finish(reading or Reading())


class _Builder:
    """Collects objects by kind, refusing clashes."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._namespaces = {namespace}  # names that were looked at
        self._unplaced: list[Source] = []
        self._unjudged = UnjudgedTally()
        self._objects: dict[type, dict[tuple[str, str, str], Any]] = {
            kind: {} for kind in (*CLUSTER_KINDS.values(), Endpoints)
        }
        self._sources: dict[tuple[str, str, str], Source] = {}
        self._workloads: list[Workload] = []
        self._ignored: Counter[str] = Counter()
        self._warnings: list[str] = []
        self._again: list[Again] = []
        self._ranges: list[str] = []
        self._callbacks: list[Callback] = []

    def add(self, document: Document) -> None:
        kind = CLUSTER_KINDS.get((document.api_version, document.kind))
        if kind is not None:
            self._add_object(document, kind)
        elif (document.api_version, document.kind) == _ENDPOINTS:
            self._add_object(document, Endpoints)
        elif is_workload(document.api_version, document.kind):
            self._workloads.append(_workload(document, self._namespace))
        else:
            self._ignored[document.kind] += 1
            self._unjudged.add(document)
            if is_callback(document.api_version, document.kind):
                self._callbacks += callbacks_of(document)

    def _add_object(self, document: Document, kind: type[Any]) -> None:
        found = decode(document, kind)
        _require_name(document, found.metadata)
        if kind is not Endpoints:
            template = in_metadata(found.metadata, (document.file, document.line))
            if template is not None:
                raise template
        self._check_namespace(document, found)
        unplaced = document.kind not in _CLUSTER_SCOPED and not found.metadata.namespace
        found = _defaulted(found, self._namespace)
        metadata = found.metadata
        key = (document.kind, metadata.namespace or "", metadata.name)
        self._check_values(document, found)
        if kind is Node:
            found = self._without_bad_ranges(document, found)
        objects = self._objects[kind]
        first = objects.setdefault(key, found)
        if first is not found:
            self._check_same(document, key, first == found)
            return
        self._sources[key] = Source(document.file, document.line)
        if unplaced:
            self._unplaced.append(self._sources[key])

    def _check_namespace(self, document: Document, found: Clustered) -> None:
        """Refuse what no API server takes for a namespace; dumps repeat the same few names."""
        namespaced = not isinstance(found, Namespace)
        name = found.metadata.namespace if namespaced else found.metadata.name
        if not name or name in self._namespaces:
            return
        if not is_namespace(name):
            path = "metadata.namespace" if namespaced else "metadata.name"
            line = document.field_source().line_of(path)
            raise ManifestError(
                f"{document.kind} {found.metadata.name}: {name!r} is no namespace: "
                f"{NAMESPACE_RULE}",
                Location(document.file, line, path),
            )
        self._namespaces.add(name)

    def _check_same(self, document: Document, key: tuple[str, str, str], same: bool) -> None:
        first = self._sources[key]
        label = "/".join(part for part in key[1:] if part)
        location = Location(document.file, document.line)
        if not same:
            raise SnapshotError(
                f"two different {_plural_of(key[0])} named {label}, the first at "
                f"{first.file}:{first.line}; if these are two dumps, name one",
                location,
            )
        self._again.append(Again(f"{key[0]} {label}", location, first))

    def _without_bad_ranges(self, document: Document, node: Node) -> Node:
        """Leave out ranges that are none, as redacted dumps have them."""
        mended, wrong = without_bad_ranges(node)
        for path, why in wrong:
            place = Location(document.file, document.field_source().line_of(path), path)
            self._ranges.append(f"{place}: Node {node.metadata.name}: {why}")
        return mended

    def _check_values(self, document: Document, found: Clustered) -> None:
        for path, why in chain(bad_addresses(found), bad_object_times(found)):
            line = document.field_source().line_of(path)
            label = f"{document.kind} {found.metadata.name}"
            raise SnapshotError(f"{label}: {why}", Location(document.file, line, path))

    def finish(self, reading: Reading) -> Snapshot:
        namespaces, pods, nodes, services, slices = (
            tuple(self._objects[kind].values())
            for kind in (Namespace, Pod, Node, Service, EndpointSlice)
        )
        slices += self._derived(slices, services)
        podless = podless_workloads(self._workloads, pods)
        if not pods:
            raise SnapshotError(f"the snapshot has no pods{_instead(self._ignored, podless)}")
        self._warnings += _range_warnings(self._ranges)
        self._warnings += _podless_warnings(podless) + _namespace_warnings(namespaces, pods)
        if self._unplaced:
            unplaced = Unplaced(self._namespace, tuple(self._unplaced))
            what = "object of the cluster", "objects of the cluster"
            first = self._unplaced[0]
            self._warnings.append(
                f"{Location(first.file, first.line)}: {unplaced_text(unplaced, *what)}"
            )
        return Snapshot(
            namespaces,
            pods,
            nodes,
            services,
            slices,
            self._sources,
            (*map(str, reading.warnings()), *self._warnings),
            dict(self._ignored),
            notes=(*reading.notes(), *again_notes(self._again, "objects")),
            unjudged=self._unjudged.result(),
            callbacks=tuple(self._callbacks),
        )

    def _derived(
        self, slices: Sequence[EndpointSlice], services: Sequence[Service]
    ) -> tuple[EndpointSlice, ...]:
        """Return slices for services that have Endpoints alone."""
        endpoints = self._objects[Endpoints].values()
        derived = derived_slices(endpoints, slices, services)
        for piece, (namespace, name) in derived.slices:
            source = self._sources["Endpoints", namespace, name]
            self._sources["EndpointSlice", namespace, piece.metadata.name] = source
        self._warnings += derived.warnings
        return tuple(piece for piece, _ in derived.slices)


def _plural_of(kind: str) -> str:
    return kind if kind.endswith("s") else f"{kind}s"


def _range_warnings(ranges: Sequence[str]) -> list[str]:
    if not ranges:
        return []
    more = len(ranges) - 1
    others = f" (and {more} more such range{'s' if more > 1 else ''})" if more else ""
    return [f"{ranges[0]}{others}: left out, so addresses in it belong to no known node"]


def _workload(document: Document, namespace: str) -> Workload:
    workload: Workload = _defaulted(decode(document, Workload), namespace)
    _require_name(document, workload.metadata)
    return replace(workload, kind=document.kind)


def _require_name(document: Document, metadata: ObjectMeta | EndpointsMeta) -> None:
    if not metadata.name:
        raise ManifestError(
            f"{document.kind} without a name",
            Location(document.file, document.line, "metadata.name"),
        )


def _defaulted(found: Any, namespace: str) -> Any:
    """Apply A2.3 and A2.4."""
    metadata: ObjectMeta = found.metadata
    if isinstance(found, Namespace):
        labels = {**(metadata.labels or {}), NAME_LABEL: metadata.name}
        return replace(found, metadata=replace(metadata, labels=labels, namespace=None))
    if isinstance(found, Node):
        return found
    if not metadata.namespace:
        return replace(found, metadata=replace(metadata, namespace=namespace))
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
    names = some([workload.label for workload in podless])
    return [f"no pods in the snapshot for {names}: their connections cannot be judged as theirs"]


def _namespace_warnings(namespaces: Sequence[Namespace], pods: Sequence[Pod]) -> list[str]:
    known = {namespace.metadata.name for namespace in namespaces}
    missing = sorted({pod.metadata.namespace or "" for pod in pods} - known)
    if not missing:
        return []
    return [
        f"pods stand in namespaces that are not in the snapshot ({some(missing)}): selectors on "
        "those namespaces' labels cannot be decided"
    ]
