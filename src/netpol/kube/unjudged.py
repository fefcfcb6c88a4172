"""Takes documents of any kind, gives the policies among them that netpol does not judge, counted.

What is not judged may deny what netpol allows, so it is named wherever a verdict is shown. The
same object met twice, in a dump and in a directory, in both groups that serve it, counts once.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from msgspec import Struct

from netpol.kube.api.objects import Source
from netpol.kube.api.unjudged_kinds import UnjudgedKind, group_of, plural_of, unjudged_kind
from netpol.kube.read.documents import Document
from netpol.kube.read.jsonlines import BAD_JSON

__all__ = [
    "NOTHING_UNJUDGED",
    "TEMPLATES",
    "Met",
    "Unjudged",
    "UnjudgedCount",
    "UnjudgedTally",
    "met_in",
]

#: Group, kind, namespace, name; of an object without a name, its place instead.
Key = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class UnjudgedCount:
    """How many policies of one kind are not judged, and where the first was read."""

    group: str
    kind: str
    count: int
    file: str
    line: int
    title: str
    plural: str

    @property
    def text(self) -> str:
        """``12 CiliumNetworkPolicies``."""
        return f"{self.count:,} {self.title if self.count == 1 else self.plural}"


@dataclass(frozen=True, slots=True)
class Unjudged:
    """Policies that netpol does not judge, by who they are; false if there are none."""

    objects: Mapping[Key, tuple[UnjudgedKind, Source]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.objects)

    def __or__(self, other: Unjudged) -> Unjudged:
        """Return those of both; what is in both counts once."""
        if not other:
            return self
        return Unjudged({**other.objects, **self.objects}) if self else other

    @property
    def counts(self) -> tuple[UnjudgedCount, ...]:
        """How many there are of each kind, most first."""
        found: dict[tuple[str, str], list[tuple[UnjudgedKind, Source]]] = {}
        for kind, source in self.objects.values():
            found.setdefault((kind.group, kind.kind), []).append((kind, source))
        counted = [
            UnjudgedCount(
                kind.group, kind.kind, len(each), source.file, source.line, kind.title, kind.plural
            )
            for each in found.values()
            for kind, source in each[:1]
        ]
        return tuple(sorted(counted, key=lambda one: (-one.count, one.title)))

    @property
    def listed(self) -> str:
        """``12 CiliumNetworkPolicies and 1 Istio AuthorizationPolicy``."""
        *most, last = [one.text for one in self.counts]
        return f"{', '.join(most)} and {last}" if most else last

    def rows(self) -> list[tuple[str, str, str, str, str, str, str, int]]:
        """Return them as plain tuples, which ``of_rows`` reads."""
        return [
            (*key, kind.title, kind.plural, source.file, source.line)
            for key, (kind, source) in self.objects.items()
        ]

    @classmethod
    def of_rows(cls, rows: Iterable[Sequence[Any]]) -> Unjudged:
        """Return what ``rows`` gave, as lists or tuples."""
        return cls(
            {
                (group, kind, namespace, name): (
                    UnjudgedKind(group, kind, title, plural),
                    Source(file, line),
                )
                for group, kind, namespace, name, title, plural, file, line in rows
            }
        )

    def sentence(self, where: str = "above") -> str:
        """Say what they mean for a verdict; "" if there are none."""
        if not self.objects:
            return ""
        verb = "is" if len(self) == 1 else "are"
        return f"{self.listed} {verb} not judged: allow means allowed by the policies {where}"


NOTHING_UNJUDGED = Unjudged()

#: The group of OpenShift's templates; what stands in one is no object of the cluster yet.
TEMPLATES = "template.openshift.io"


class _Meta(Struct):
    name: str | None = None
    namespace: str | None = None


class _Named(Struct):
    metadata: _Meta | None = None


class Met(NamedTuple):
    """A policy that is not judged, as met: ``group`` is the one that was written."""

    kind: UnjudgedKind
    group: str
    key: Key
    source: Source


class UnjudgedTally:
    """Collects what is not judged while documents go by."""

    def __init__(self) -> None:
        self._objects: dict[Key, tuple[UnjudgedKind, Source]] = {}

    def add(self, document: Document) -> None:
        """Count a policy that is not judged, or those in a template.

        Raises
        ------
        ManifestError
            The text of a template, or of a kind that filters only at times, cannot be read.
        """
        for met in met_in(document):
            self.count(met)

    def count(self, met: Met) -> None:
        """Count one policy."""
        self._objects.setdefault(met.key, (met.kind, met.source))

    def result(self) -> Unjudged:
        """Return what was collected."""
        return Unjudged(dict(self._objects))


def met_in(document: Document, judged: Container[tuple[str, str]] = ()) -> Iterator[Met]:
    """Yield the policies that are not judged in a document: itself, or what its template makes.

    Those of ``judged`` kinds, by apiVersion and kind, are not judged either while they stand in a
    template: what it makes of them is not known.
    """
    if _is_template(document):
        yield from _in_template(document, judged)
        return
    kind = unjudged_kind(document.api_version, document.kind)
    if kind is None:
        return
    if kind.needs and not any(_is_set(document.value(), need) for need in kind.needs):
        return
    met = _met(kind, group_of(document.api_version), _names(document), document)
    if met is not None:
        yield met


def _is_template(document: Document) -> bool:
    return document.kind == "Template" and group_of(document.api_version) in ("", TEMPLATES)


def _in_template(document: Document, judged: Container[tuple[str, str]]) -> Iterator[Met]:
    value = document.value()
    for item in _objects(value.get("objects") if isinstance(value, dict) else None):
        version, name = item.get("apiVersion"), item.get("kind")
        if not (isinstance(version, str) and isinstance(name, str)):
            continue
        group = group_of(version)
        kind = unjudged_kind(version, name)
        if (version, name) in judged:
            title, plural = f"{name} in a template", f"{plural_of(name)} in templates"
            kind = UnjudgedKind(TEMPLATES, name, title, plural)
            group = TEMPLATES
        if kind is None or (kind.needs and not any(_is_set(item, need) for need in kind.needs)):
            continue
        meta = item.get("metadata")
        names = (meta.get("namespace"), meta.get("name")) if isinstance(meta, dict) else ("", "")
        met = _met(kind, group, (str(names[0] or ""), str(names[1] or "")), document)
        if met is not None:
            yield met


def _objects(items: object, depth: int = 0) -> Iterator[dict[str, Any]]:
    """Yield the objects of a template, lists among them opened."""
    for item in items if isinstance(items, list) else ():
        if not isinstance(item, dict):
            continue
        if isinstance(item.get("items"), list) and depth < 8:
            yield from _objects(item["items"], depth + 1)
        else:
            yield item


def _names(document: Document) -> tuple[str, str]:
    """Return namespace and name, "" where there is none that can be read."""
    try:
        metadata = document.fast(_Named).metadata
    except BAD_JSON:
        return "", ""
    return (metadata.namespace or "", metadata.name or "") if metadata else ("", "")


def _met(kind: UnjudgedKind, group: str, names: tuple[str, str], document: Document) -> Met | None:
    namespace, name = names
    if name.startswith(kind.views):
        return None
    source = Source(document.file, document.line)
    if not name:
        namespace, name = document.file, f":{document.line}"
    elif kind.alias:
        name = name.removeprefix(kind.alias)
    return Met(kind, group, (kind.group, kind.kind, namespace, name), source)


def _is_set(value: object, path: str) -> bool:
    """Whether a field is set and not empty, or has the value after "=", in any list element."""
    fields, _, wanted = path.partition("=")
    found: Iterable[object] = [value]
    for name in fields.split("."):
        found = [
            each[name]
            for some in found
            for each in (some if isinstance(some, list) else [some])
            if isinstance(each, dict) and name in each
        ]
    return any(str(each) == wanted if wanted else bool(each) for each in found)
