"""Takes typed objects, gives a ``Snapshot``: the cluster as read, checked and defaulted.

Defaulting done here, once, for everybody downstream: absent namespaces become ``default``
(A2.3); a namespace's ``kubernetes.io/metadata.name`` label is overwritten with its name (A2.4).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from netpol.kube.objects import EndpointSlice, Namespace, Node, Pod, Service, Source

__all__ = ["Snapshot"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The cluster as read: namespaces, pods, nodes, services, endpoint slices.

    ``sources`` maps (kind, namespace or "", name) to the place an object was read;
    ``warnings`` are messages for the reader, each already carrying its place.
    """

    namespaces: tuple[Namespace, ...] = ()
    pods: tuple[Pod, ...] = ()
    nodes: tuple[Node, ...] = ()
    services: tuple[Service, ...] = ()
    endpoint_slices: tuple[EndpointSlice, ...] = ()
    sources: dict[tuple[str, str, str], Source] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
