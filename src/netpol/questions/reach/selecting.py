"""Takes globs and the names of a matrix, says which are meant; what means nobody is an error.

A glob is a namespace, a workload as reports call it, or either with wildcards. Words that kubectl
takes are understood, too: ``deploy/web``, ``shop/deploy/web``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from ipaddress import ip_network
from typing import TYPE_CHECKING

from netpol.kube.api.kind_words import KINDS
from netpol.kube.api.matching import selects
from netpol.kube.api.objects import LabelSelector, Service
from netpol.kube.api.workloads import workload_of
from netpol.model.errors import ConfigError
from netpol.model.likeness import suggestion

if TYPE_CHECKING:
    from netpol.kube.snapshot import Snapshot

__all__ = ["Selecting", "names_workloads"]

_MOST = 5  # workloads of a service that are listed


def names_workloads(globs: Sequence[str]) -> bool:
    """Return whether some glob means workloads, not whole namespaces."""
    return any("/" in glob and not glob.startswith("node/") for glob in globs)


class Selecting:
    """Finds whom globs mean.

    Parameters
    ----------
    names
        Of the rows and columns.
    by
        ``workload`` or ``namespace``.
    pods
        (namespace/name, workload) of every pod.
    snapshot
        The cluster, None where it is not known any more.
    namespace
        Of words such as ``deployment/web`` that name none.
    """

    def __init__(
        self,
        names: Sequence[str],
        by: str,
        pods: Sequence[tuple[str, str]],
        snapshot: Snapshot | None,
        namespace: str,
    ) -> None:
        self._names, self._by, self._pods = names, by, pods
        self._snapshot, self._namespace = snapshot, namespace

    def chosen(self, option: str, globs: Sequence[str]) -> list[bool]:
        """Say of each name whether it is meant; everybody is where there are no globs.

        Raises
        ------
        ConfigError
            A glob means nobody; the message says what is called like it.
        """
        if not globs:
            return [True] * len(self._names)
        found = [self._mask(option, glob) for glob in globs]
        return [any(said) for said in zip(*found, strict=True)]

    def _mask(self, option: str, glob: str) -> list[bool]:
        for spelling in (glob, *self._spellings(glob)):
            mask = [_means(spelling, name) for name in self._names]
            if any(mask):
                return mask
        raise ConfigError(f"{option} {glob}: {self._why_nobody(option, glob)}")

    def _spellings(self, glob: str) -> Iterator[str]:
        """Yield what a word of kubectl is called here."""
        parts = [KINDS.get(part, part) for part in glob.split("/")]
        if len(parts) == 2:
            yield "/".join(parts)
            yield f"{self._namespace}/{parts[0]}/{parts[1]}"
        elif len(parts) == 3:
            yield "/".join(parts)
            yield f"{parts[1]}/{parts[0]}/{parts[2]}"

    # --- messages --------------------------------------------------------------------------------

    def _why_nobody(self, option: str, glob: str) -> str:
        special = self._service(option, glob) or self._pod(option, glob)
        if special:
            return special
        if self._by == "namespace" and any(_means(glob, workload) for _, workload in self._pods):
            return "workloads are told apart only with --by workload; here, names are namespaces"
        if self._is_empty_namespace(glob):
            return "no pod of this namespace has an address in the snapshot"
        if _is_network(glob):
            return "addresses outside the cluster are all called external; see netpol explain"
        names = [*self._names, *(label.partition("/")[0] for label, _ in self._pods)]
        return f"nothing is called so{suggestion(glob, names, self._namespace)}"

    def _service(self, option: str, glob: str) -> str | None:
        """Say who is behind a service: flows to it are judged as theirs."""
        service = self._service_named(glob)
        if service is None or self._snapshot is None:
            return None
        namespace = service.metadata.namespace or "default"
        labels = (service.spec.selector if service.spec else None) or {}
        behind = [
            f"{namespace}/{workload_of(pod)}"
            for pod in self._snapshot.pods
            if labels
            and pod.metadata.namespace == namespace
            and selects(LabelSelector(match_labels=labels), pod.metadata.labels or {})
        ]
        rows = [name for name in dict.fromkeys(behind) if name in self._names]
        text = f"service {namespace}/{service.metadata.name} is judged as the pods behind it"
        if self._by == "namespace":
            return f"{text}; here, names are namespaces"
        named = " ".join(f"{option} {name}" for name in rows[:_MOST])
        return f"{text}: {named}" if named else f"{text}, and no pod is behind it"

    def _service_named(self, glob: str) -> Service | None:
        parts = [KINDS.get(part, part) for part in glob.split("/")]
        if "service" not in parts[:-1] or self._snapshot is None:
            return None
        parts.remove("service")
        namespace, name = parts if len(parts) == 2 else (self._namespace, parts[-1])
        for service in self._snapshot.services:
            meta = service.metadata
            if (meta.namespace or "default", meta.name) == (namespace, name):
                return service
        return None

    def _pod(self, option: str, glob: str) -> str | None:
        """Say whose a pod is, or that a workload's pods have no address."""
        word = glob.removeprefix("pod/").removeprefix("po/")
        labels = (word, f"{self._namespace}/{word}") if "/" not in word else (word,)
        for label, workload in self._pods:
            if label in labels and workload in self._names:
                return f"a pod of {workload}: {option} {workload}"
            if label in labels or workload == glob:
                if self._by == "namespace":
                    return "here, names are namespaces; --by workload tells workloads apart"
                return "it has no address of its own: it has ended, or is on its node's network"
        return None

    def _is_empty_namespace(self, glob: str) -> bool:
        if self._snapshot is None:
            return False
        return any(item.metadata.name == glob for item in self._snapshot.namespaces)


def _means(glob: str, name: str) -> bool:
    if fnmatchcase(name, glob) or name.startswith(f"{glob}/"):
        return True
    return "/" not in glob and fnmatchcase(name.partition("/")[0], glob)


def _is_network(glob: str) -> bool:
    try:
        ip_network(glob, strict=False)
    except ValueError:
        return False
    return True
