"""Takes ``Endpoints`` objects, gives the endpoint slices they amount to.

Kubernetes itself derives the one from the other; dumps of old clusters, and must-gather of some,
hold only ``Endpoints``. They know the first address family of a service alone, and no terminating
pods.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from netpol.kube.api.objects import (
    Endpoint,
    EndpointConditions,
    EndpointPort,
    EndpointSlice,
    Lenient,
    ObjectMeta,
    ObjectReference,
    Service,
)
from netpol.kube.read.reading import some

__all__ = ["SERVICE_NAME_LABEL", "Derived", "Endpoints", "derived_slices"]

#: The label of an endpoint slice that names its service.
SERVICE_NAME_LABEL = "kubernetes.io/service-name"
_CUT_OFF = ("endpoints.kubernetes.io/over-capacity", "truncated")

_Key = tuple[str, str]


class EndpointsMeta(Lenient, frozen=True):
    """Name, namespace and annotations."""

    name: str = ""
    namespace: str | None = None
    annotations: dict[str, str] | None = None


class EndpointAddress(Lenient, frozen=True):
    """One backend."""

    ip: str = ""
    node_name: str | None = None
    target_ref: ObjectReference | None = None


class EndpointSubset(Lenient, frozen=True):
    """Backends that share their ports."""

    addresses: list[EndpointAddress] | None = None
    not_ready_addresses: list[EndpointAddress] | None = None
    ports: list[EndpointPort] | None = None


class Endpoints(Lenient, frozen=True):
    """Backends of the service of the same name, ``v1``."""

    metadata: EndpointsMeta = EndpointsMeta()
    subsets: list[EndpointSubset] | None = None


class Derived(NamedTuple):
    """Slices made of Endpoints, each with the name of its Endpoints, and what is odd about them."""

    slices: list[tuple[EndpointSlice, _Key]]
    warnings: list[str]


def derived_slices(
    endpoints: Iterable[Endpoints], slices: Iterable[EndpointSlice], services: Iterable[Service]
) -> Derived:
    """Return slices for those services that have none; Endpoints of no service are left out."""
    wanted = {_key(service): service for service in services}
    for piece in slices:
        name = (piece.metadata.labels or {}).get(SERVICE_NAME_LABEL, "")
        wanted.pop((piece.metadata.namespace or "default", name), None)
    found: list[tuple[EndpointSlice, _Key]] = []
    cut_off: list[str] = []
    one_family: list[str] = []
    for each in endpoints:
        key = each.metadata.namespace or "default", each.metadata.name
        service = wanted.get(key)
        if service is None:
            continue
        found += [(piece, key) for piece in _slices(each)]
        if (each.metadata.annotations or {}).get(_CUT_OFF[0]) == _CUT_OFF[1]:
            cut_off.append("/".join(key))
        if service.spec is not None and len(service.spec.cluster_ips or ()) > 1:
            one_family.append("/".join(key))
    return Derived(found, [*_warnings(cut_off, one_family)])


def _key(service: Service) -> _Key:
    return service.metadata.namespace or "default", service.metadata.name


def _slices(found: Endpoints) -> Iterator[EndpointSlice]:
    """Yield a slice for each subset and address family; an empty one if there is no backend."""
    pieces = [
        (family, listed, subset.ports)
        for subset in found.subsets or ()
        for family, listed in _by_family(subset)
    ] or [("IPv4", [], None)]
    name = found.metadata.name
    for index, (family, listed, ports) in enumerate(pieces):
        yield EndpointSlice(
            metadata=ObjectMeta(
                name=name if not index else f"{name}-{index}",
                namespace=found.metadata.namespace,
                labels={SERVICE_NAME_LABEL: name},
            ),
            address_type=family,
            endpoints=listed,
            ports=ports,
        )


def _by_family(subset: EndpointSubset) -> Iterator[tuple[str, list[Endpoint]]]:
    ready = [_endpoint(each, ready=True) for each in subset.addresses or ()]
    ready += [_endpoint(each, ready=False) for each in subset.not_ready_addresses or ()]
    for family in ("IPv4", "IPv6"):
        listed = [each for each in ready if (":" in each.addresses[0]) == (family == "IPv6")]
        if listed:
            yield family, listed


def _endpoint(found: EndpointAddress, *, ready: bool) -> Endpoint:
    # An address that is not ready may also end; then it does not serve, which is the same here.
    return Endpoint(
        addresses=[found.ip],
        conditions=EndpointConditions(ready=ready, serving=ready, terminating=False),
        target_ref=found.target_ref,
        node_name=found.node_name,
    )


def _warnings(cut_off: Sequence[str], one_family: Sequence[str]) -> Iterator[str]:
    if cut_off:
        yield (
            f"Endpoints are cut off at 1000 addresses ({some(cut_off)}): verdicts about the rest "
            "are missing; add the output of `kubectl get endpointslices -A -o json`"
        )
    if one_family:
        yield (
            f"Endpoints hold one address family only, so dual-stack services ({some(one_family)}) "
            "have no endpoints in the other; add the output of `kubectl get endpointslices -A "
            "-o json`"
        )
