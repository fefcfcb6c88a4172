"""Takes one cluster object, gives the fields whose address, range or time cannot be read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec.structs import replace

from netpol.kube.api.addresses import parse_address, parse_cidr
from netpol.kube.api.objects import EndpointSlice, Namespace, Node, Pod, Service
from netpol.kube.api.times import bad_times, parse_time, times_of_pod
from netpol.kube.endpoints import Endpoints

__all__ = ["bad_addresses", "bad_object_times", "without_bad_ranges"]

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
# Nearly every address of a dump; parsing 100 000 of them in full would take a second.
_PLAIN_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}").fullmatch


def bad_addresses(
    found: Namespace | Pod | Node | Service | EndpointSlice | Endpoints,
) -> Iterator[tuple[str, str]]:
    """Yield (dotted field path, what is wrong) for each address that is none."""
    if isinstance(found, Pod) and _all_plain(found):
        return
    if isinstance(found, EndpointSlice) and _all_plain_in(found):
        return
    for path, text in _addresses(found):
        if _PLAIN_IPV4(text) is None:
            try:
                parse_address(text)
            except ValueError:
                yield path, f"{text!r} is not an IP address"


def without_bad_ranges(node: Node) -> tuple[Node, list[tuple[str, str]]]:
    """Return a node without the pod ranges that are none, and (field path, what is wrong) of those.

    Tools that make a dump fit to be shown write other text there; no verdict is worth refusing a
    whole cluster for a range.
    """
    wrong = [*_bad_ranges(node)]
    if not wrong or node.spec is None:
        return node, wrong
    bad = {path for path, _ in wrong}
    kept = [
        text for i, text in enumerate(node.spec.pod_cidrs or ()) if f"spec.podCIDRs[{i}]" not in bad
    ]
    single = None if "spec.podCIDR" in bad else node.spec.pod_cidr
    return replace(node, spec=replace(node.spec, pod_cidr=single, pod_cidrs=kept)), wrong


def bad_object_times(
    found: Namespace | Pod | Node | Service | EndpointSlice | Endpoints,
) -> Iterable[tuple[str, str]]:
    """Return (dotted field path, what is wrong) for each time that is none."""
    if isinstance(found, Endpoints):  # of which no time is read
        return ()
    metadata = found.metadata
    if (
        metadata.deletion_timestamp is None
        and _is_plain(metadata.creation_timestamp)
        and (not isinstance(found, Pod) or _times_plain(found))
    ):
        return ()  # as of nearly all, at a tenth of the cost of naming each
    written: list[tuple[str, str | None]] = [
        ("metadata.creationTimestamp", metadata.creation_timestamp),
        ("metadata.deletionTimestamp", metadata.deletion_timestamp),
    ]
    if isinstance(found, Pod):
        written += times_of_pod(found)
    return bad_times(written)


def _is_plain(text: str | None) -> bool:
    return text is None or parse_time(text) is not None


def _times_plain(pod: Pod) -> bool:
    status = pod.status
    if status is None:
        return True
    for container in status.container_statuses or ():
        if container.state is not None and container.state.terminated is not None:
            return False
    return _is_plain(status.start_time)


def _all_plain(pod: Pod) -> bool:
    """Say at little cost that nothing is wrong with a pod, as is true for nearly all."""
    status = pod.status
    if status is None:
        return True
    if status.pod_ip and _PLAIN_IPV4(status.pod_ip) is None:
        return False
    if status.host_ip and _PLAIN_IPV4(status.host_ip) is None:
        return False
    return status.host_ips is None and all(
        each.ip == status.pod_ip or _PLAIN_IPV4(each.ip) for each in status.pod_ips or ()
    )


def _all_plain_in(found: EndpointSlice) -> bool:
    """Say so of a slice, which has hundreds of addresses, without naming each."""
    return all(_PLAIN_IPV4(address) for each in found.endpoints or () for address in each.addresses)


def _addresses(found: Any) -> Iterator[tuple[str, str]]:
    if isinstance(found, Pod):
        yield from _pod_addresses(found)
    elif isinstance(found, Service):
        yield from _service_addresses(found)
    elif isinstance(found, EndpointSlice) and found.address_type != "FQDN":
        for i, endpoint in enumerate(found.endpoints or ()):
            for j, address in enumerate(endpoint.addresses):
                yield f"endpoints[{i}].addresses[{j}]", address
    elif isinstance(found, Endpoints):
        for i, subset in enumerate(found.subsets or ()):
            for j, one in enumerate(subset.addresses or ()):
                yield f"subsets[{i}].addresses[{j}].ip", one.ip
            for j, one in enumerate(subset.not_ready_addresses or ()):
                yield f"subsets[{i}].notReadyAddresses[{j}].ip", one.ip


def _pod_addresses(pod: Pod) -> Iterator[tuple[str, str]]:
    status = pod.status
    if status is None:
        return
    if status.pod_ip:
        yield "status.podIP", status.pod_ip
    if status.host_ip:
        yield "status.hostIP", status.host_ip
    for i, pod_ip in enumerate(status.pod_ips or ()):
        yield f"status.podIPs[{i}].ip", pod_ip.ip
    for i, host_ip in enumerate(status.host_ips or ()):
        yield f"status.hostIPs[{i}].ip", host_ip.ip


def _service_addresses(service: Service) -> Iterator[tuple[str, str]]:
    spec, status = service.spec, service.status
    if spec is not None:
        # "None" is headless, "" an ExternalName service.
        if spec.cluster_ip not in (None, "", "None"):
            yield "spec.clusterIP", str(spec.cluster_ip)
        for i, address in enumerate(spec.cluster_ips or ()):
            if address not in ("", "None"):
                yield f"spec.clusterIPs[{i}]", address
        for i, address in enumerate(spec.external_ips or ()):
            yield f"spec.externalIPs[{i}]", address
    if status is not None and status.load_balancer is not None:
        for i, ingress in enumerate(status.load_balancer.ingress or ()):
            if ingress.ip:
                yield f"status.loadBalancer.ingress[{i}].ip", ingress.ip


def _bad_ranges(node: Node) -> Iterator[tuple[str, str]]:
    if node.spec is None:
        return
    ranges = [(f"spec.podCIDRs[{i}]", text) for i, text in enumerate(node.spec.pod_cidrs or ())]
    if node.spec.pod_cidr:
        ranges.insert(0, ("spec.podCIDR", node.spec.pod_cidr))
    for path, text in ranges:
        try:
            parse_cidr(text)
        except ValueError as error:
            yield path, f"{text!r} is not a CIDR: {error}"
