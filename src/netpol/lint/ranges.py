"""Takes a snapshot and address ranges of policies, gives remarks on what lies in the ranges."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, collapse_addresses

from netpol.kube.api.addresses import Network, parse_address, parse_cidr
from netpol.kube.api.objects import Pod, Service
from netpol.kube.read.findings import Remark
from netpol.kube.snapshot import Snapshot
from netpol.lint.selection import pod_addresses, some
from netpol.lint.services import ServiceAddress, Services, service_label
from netpol.lint.views import holds

__all__ = ["KnownAddresses"]


class _Sorted:
    """Addresses as sorted integers by family, to be asked by range."""

    def __init__(self, texts: Iterable[str]) -> None:
        values: dict[int, list[int]] = {4: [], 6: []}
        for text in texts:
            address = parse_address(text)
            values[address.version].append(int(address))
        self._values = {version: sorted(found) for version, found in values.items()}

    def within(self, network: Network) -> bool:
        return self._count(network) > 0

    def within_any_but(self, network: Network, excepts: Sequence[Network]) -> bool:
        return self._count(network) > sum(self._count(each) for each in excepts)

    def _count(self, network: Network) -> int:
        values = self._values[network.version]
        first = bisect_left(values, int(network.network_address))
        return bisect_left(values, int(network.broadcast_address) + 1) - first


class KnownAddresses:
    """Addresses of the snapshot, as policies compare them or never do (A15.1, A15.3)."""

    def __init__(self, snapshot: Snapshot, services: Services) -> None:
        self._services = services
        self._endpoints = _Sorted(_endpoint_ips(snapshot))
        self._pods = _Sorted(
            text for pod in snapshot.pods if _owns_addresses(pod) for text in pod_addresses(pod)
        )
        self._pod_ranges = _pod_ranges(snapshot)

    def remarks(
        self,
        path: str,
        network: Network,
        *,
        excepts: Sequence[Network] = (),
        egress: bool,
        over_pods: bool = True,
        allowed: Callable[[Service], bool] = lambda _: False,
    ) -> Iterator[Remark]:
        """Yield the remarks on a range of a rule, ``excepts`` left out of it.

        Everything (``0.0.0.0/0``, ``::/0``) is not meant to name anything in particular.
        ``allowed`` says whether the same rules let everything behind a Service through: its address
        beside that does no harm.
        """
        if network.prefixlen == 0:
            return
        # What holds pods or nodes, too, is a range of the cluster, not of its Services.
        if not self._endpoints.within(network):
            named = [
                each
                for each in self._services.within(network)
                if (egress or not each.external)
                and holds(network, excepts, each.address)
                and not allowed(each.service)
            ]
            if named:
                yield self._names_services(path, network, named, egress=egress)
        if over_pods and self._holds_pods(network, excepts):
            yield Remark(
                "ipblock-over-pods",
                path,
                f"{network} covers addresses of pods, which change from pod to pod: select pods by "
                "their labels, and keep address ranges for what is outside the cluster",
            )

    def _names_services(
        self, path: str, network: Network, named: Sequence[ServiceAddress], *, egress: bool
    ) -> Remark:
        labels = list(dict.fromkeys(service_label(each.service) for each in named))
        first = named[0]
        if len(labels) == 1:
            what = f"{first.address} is the address of Service {labels[0]}"
        else:
            what = f"{network} holds the addresses of {len(labels)} Services: {some(labels)}"
        if not egress:
            why = "connections never come from such an address"
        else:
            why = "policies see what stands behind a Service, never its address"
        behind = self._services.behind(first.service)
        if not behind:
            instead = "allow its endpoints instead, which the snapshot does not show"
        elif self._services.groups(first.service):
            instead = f"select {behind} instead"
        else:
            instead = f"allow {behind} instead"
        if len(labels) > 1:
            instead += f" (for {labels[0]})"
        return Remark("ipblock-names-service", path, f"{what}: {why}; {instead}")

    def in_cluster(self, network: Network) -> bool:
        """Return whether a range holds or touches addresses of pods or nodes."""
        return self._endpoints.within(network) or self._holds_pods(network, ())

    def _holds_pods(self, network: Network, excepts: Sequence[Network]) -> bool:
        distinct = _collapsed(excepts)
        return self._pods.within_any_but(network, distinct) or any(
            network.overlaps(each) and not any(_inside(each, hole) for hole in distinct)
            for each in self._pod_ranges
            if each.version == network.version
        )


def _inside(inner: Network, outer: Network) -> bool:
    if isinstance(inner, IPv4Network):
        return isinstance(outer, IPv4Network) and inner.subnet_of(outer)
    return isinstance(outer, IPv6Network) and inner.subnet_of(outer)


def _collapsed(networks: Iterable[Network]) -> list[Network]:
    """Return the fewest ranges that hold the same addresses."""
    four: list[IPv4Network] = []
    six: list[IPv6Network] = []
    for network in networks:
        if isinstance(network, IPv4Network):
            four.append(network)
        else:
            six.append(network)
    return [*collapse_addresses(four), *collapse_addresses(six)]


def _pod_ranges(snapshot: Snapshot) -> list[Network]:
    texts = (
        text
        for node in snapshot.nodes
        if node.spec is not None
        for text in node.spec.pod_cidrs or (node.spec.pod_cidr,)
        if text
    )
    return _collapsed(parse_cidr(text).network for text in texts)


def _endpoint_ips(snapshot: Snapshot) -> Iterator[str]:
    for pod in snapshot.pods:
        yield from pod_addresses(pod)
    for node in snapshot.nodes:
        if node.status is not None:
            yield from (
                each.address for each in node.status.addresses or () if _is_ip(each.address)
            )


def _owns_addresses(pod: Pod) -> bool:
    """Return whether the addresses are the pod's: not its node's, and not given back (A13.2)."""
    host = pod.spec is not None and pod.spec.host_network
    ended = pod.status is not None and pod.status.phase in ("Succeeded", "Failed")
    return not host and not ended


def _is_ip(text: str) -> bool:
    try:
        parse_address(text)
    except ValueError:
        return False
    return True
