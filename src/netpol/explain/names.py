"""Takes words for the ends of a flow and a cluster, gives pods, services, nodes or addresses.

Words are what people and reports say: ``shop/web-0``, ``deployment/api``, ``shop/deployment/api``,
``svc/api``, ``node/n1``, ``10.0.0.7``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from netpol.kube.api.kind_words import KINDS
from netpol.kube.api.objects import Service
from netpol.kube.api.workloads import workload_of
from netpol.kube.snapshot import Snapshot
from netpol.model.errors import ConfigError
from netpol.model.likeness import suggestion
from netpol.reference.addresses import Address, parse_address, try_address
from netpol.reference.identities import Identities, KnownPod

__all__ = ["NamedEnd", "Names"]


@dataclass(frozen=True, slots=True)
class NamedEnd:
    """One end as named.

    Attributes
    ----------
    kind : what it is.
    label : its full name: ``shop/web-0``, ``shop/deployment/api``, ``service/shop/api``.
    pods : the pod, or a workload's live pods by name.
    addresses : of a service, a node, or an address; of the first pod.
    service : the service itself.
    """

    kind: Literal["pod", "workload", "service", "node", "address"]
    label: str
    addresses: tuple[Address, ...]
    pods: tuple[KnownPod, ...] = ()
    service: Service | None = None


class Names:
    """What can be named in a snapshot."""

    def __init__(self, snapshot: Snapshot, identities: Identities, namespace: str) -> None:
        self._namespace = namespace
        self._ends: dict[str, NamedEnd] = {}
        workloads: dict[str, list[KnownPod]] = defaultdict(list)
        for pod in identities.pods:
            label = f"{pod.namespace}/{pod.name}"
            self._ends[label] = NamedEnd("pod", label, pod.addresses, (pod,))
        for item in snapshot.pods:
            space = item.metadata.namespace or "default"
            label, known = workload_of(item), identities.by_key[space, item.metadata.name]
            if label != item.metadata.name:
                workloads[f"{space}/{label}"].append(known)
        for label, pods in workloads.items():
            live = sorted((pod for pod in pods if not pod.terminal), key=lambda pod: pod.name)
            addresses = live[0].addresses if live else ()
            self._ends[label] = NamedEnd("workload", label, addresses, tuple(live))
        for service in snapshot.services:
            meta = service.metadata
            label = f"service/{meta.namespace or 'default'}/{meta.name}"
            addresses = _service_addresses(service)
            self._ends[label] = NamedEnd("service", label, addresses, service=service)
        nodes: dict[str, list[Address]] = {item.metadata.name: [] for item in snapshot.nodes}
        for address, owners in identities.node_addresses.items():
            for owner in owners:
                nodes.setdefault(owner, []).append(address)
        for name, found in nodes.items():
            self._ends[f"node/{name}"] = NamedEnd("node", f"node/{name}", tuple(found))

    def find(self, word: str) -> NamedEnd:
        """Return what a word names.

        Raises
        ------
        ConfigError
            Nothing is called so, several things are, or it has no live pod.
        """
        try:
            address = parse_address(word)
        except ValueError:
            pass
        else:
            return NamedEnd("address", str(address), (address,))
        if word == "external":
            raise ConfigError("external: give the address that is meant, such as 203.0.113.7")
        labels = list(dict.fromkeys(label for label in self._labels(word) if label in self._ends))
        if len(labels) > 1:
            raise ConfigError(f"{word} may be {' or '.join(labels)}: give the full name")
        if not labels:
            raise ConfigError(f"{word}: nothing is called so{self._close(word)}")
        end = self._ends[labels[0]]
        if end.kind == "workload" and not end.pods:
            raise ConfigError(f"{word}: {end.label} has no live pod")
        return end

    def _labels(self, word: str) -> Iterator[str]:
        """Yield the full names that a word may stand for."""
        parts = word.split("/")
        if len(parts) == 1:
            yield f"{self._namespace}/{word}"
        elif len(parts) == 2:
            kind, name = KINDS.get(parts[0], parts[0]), parts[1]
            yield from _full(kind, self._namespace, name)
            yield word
        elif len(parts) == 3:
            first, second, name = parts
            yield from _full(KINDS.get(first, first), second, name)
            yield from _full(KINDS.get(second, second), first, name)

    def _close(self, word: str) -> str:
        """Return the names that are most like it, those of the namespace asked for first."""
        *kinds, name = word.split("/")
        spelled = "/".join([*(KINDS.get(part, part) for part in kinds if part != "pod"), name])
        return suggestion(spelled, self._ends, self._namespace)


def _full(kind: str, namespace: str, name: str) -> Iterator[str]:
    if kind == "pod":
        yield f"{namespace}/{name}"
    elif kind == "node":
        yield f"node/{name}"
    elif kind == "service":
        yield f"service/{namespace}/{name}"
    else:
        yield f"{namespace}/{kind}/{name}"


def _service_addresses(service: Service) -> tuple[Address, ...]:
    """Return the ClusterIPs; none if it is headless (A15.6)."""
    spec = service.spec
    if spec is None:
        return ()
    found = (try_address(text) for text in (*(spec.cluster_ips or ()), spec.cluster_ip))
    return tuple(dict.fromkeys(address for address in found if address is not None))
