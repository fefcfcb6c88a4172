"""Takes rules and the Services of a cluster, finds ports that are a Service's and no pod's.

Policies see the port of the pod: that of a Service is translated before (A15.1, A15.7).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from netpol.kube.api.addresses import parse_address
from netpol.kube.read.findings import Remark
from netpol.lint.selection import PodGroup, some
from netpol.lint.services import Mapped, Services, service_label
from netpol.lint.views import PeerView, PolicyView, PortView, RuleView
from netpol.lint.world import World

__all__ = ["ServicePorts", "service_port"]

#: A range as small as this names hosts; what lies in a larger one is chance.
_FEW_ADDRESSES = 16


class ServicePorts:
    """The Services of a cluster, to be held against the ports of rules."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._services: Services = world.services
        self._cache: dict[tuple[int, str, int], list[Mapped]] = {}

    def remarks(self, view: PolicyView) -> Iterator[Remark]:
        """Yield a remark for each port of a policy that is a Service's and no pod's."""
        for rule in (*view.ingress, *view.egress):
            if any(isinstance(port.port, int) for port in rule.ports):
                yield from self._of_rule(rule, view)

    def between(self, groups: list[PodGroup], protocol: str, number: int) -> list[Mapped]:
        """Return the Services of some pods that are dialled on a port on which no pod listens."""
        key = id(groups), protocol, number
        if key not in self._cache:
            self._cache[key] = self._between(groups, protocol, number)
        return self._cache[key]

    def behind(self, mapped: Mapped, groups: list[PodGroup]) -> tuple[list[PodGroup], list[int]]:
        """Return those of some pods that are behind a Service, and what they listen on."""
        members = {id(group) for group in groups}
        pods = [each for each in self._services.groups(mapped.service) if id(each) in members]
        return pods, sorted({number for group in pods for number in mapped.targets(group)})

    def _between(self, groups: list[PodGroup], protocol: str, number: int) -> list[Mapped]:
        namespaces = {group.namespace for group in groups}
        candidates = [
            each
            for namespace in namespaces
            for each in self._services.on_port(namespace, protocol, number)
        ]
        if not candidates or any((protocol, number) in group.declared for group in groups):
            return []
        members = {id(group) for group in groups}
        found = []
        for each in candidates:
            selected = [g for g in self._services.groups(each.service) if id(g) in members]
            targets = {target for group in selected for target in each.targets(group)}
            if number in targets:
                return []
            if targets:
                found.append(each)
        return [] if self._is_target(members, namespaces, protocol, number) else found

    def _is_target(
        self, members: set[int], namespaces: Iterable[str], protocol: str, number: int
    ) -> bool:
        """Return whether a Service of another port leads to this one."""
        return any(
            id(group) in members and number in port.targets(group)
            for namespace in namespaces
            for port in self._services.leading_to(namespace, protocol, number)
            for group in self._services.groups(port.service)
        )

    def _of_rule(self, rule: RuleView, view: PolicyView) -> Iterator[Remark]:
        told: set[str] = set()
        for groups, peer in self._destinations(rule, view):
            for port in rule.ports:
                if not isinstance(port.port, int) or port.end or port.path in told:
                    continue
                if peer is not None and peer.network is not None:
                    remark = self._of_range(rule, port, port.port, peer)
                else:
                    remark = self._of_pods(rule, view, port, port.port, groups)
                if remark is not None:
                    told.add(port.path)
                    yield remark

    def _destinations(
        self, rule: RuleView, view: PolicyView
    ) -> Iterator[tuple[list[PodGroup], PeerView | None]]:
        """Yield pods whose ports a rule is about: subjects, or for egress those of each peer."""
        if not rule.egress:
            yield view.subjects, None
            return
        for peer in rule.peers:
            yield self._pods(peer, view), peer

    def _pods(self, peer: PeerView, view: PolicyView) -> list[PodGroup]:
        if peer.network is not None:
            return []
        selection = self._world.selection
        if peer.namespaces is None:
            return selection.in_namespace(view.namespace, peer.pods)
        return selection.in_namespaces(peer.namespaces, peer.pods)

    def _of_pods(
        self, rule: RuleView, view: PolicyView, port: PortView, number: int, groups: list[PodGroup]
    ) -> Remark | None:
        mapped = self.between(groups, port.protocol, number)
        if not mapped:
            return None
        pods, targets = self.behind(mapped[0], groups)
        beside = view.rules(egress=rule.egress)
        if any(self._also_meant(each, port.protocol, targets, pods, view) for each in beside):
            return None  # The port of the pods is written, too: this one does no harm.
        return service_port(f"{port.path}.port", number, mapped[0], targets)

    def _also_meant(
        self,
        rule: RuleView,
        protocol: str,
        targets: Sequence[int],
        pods: list[PodGroup],
        view: PolicyView,
    ) -> bool:
        """Return whether a rule names the pods' own port, for these pods."""
        if not any(rule.admits(protocol, target, group) for target in targets for group in pods):
            return False
        if not rule.egress or not rule.peers:
            return True
        selection = self._world.selection
        return any(
            peer.selects(group, view.namespace, selection) for peer in rule.peers for group in pods
        )

    def _of_range(
        self, rule: RuleView, port: PortView, number: int, peer: PeerView
    ) -> Remark | None:
        """Find a range of the endpoints of a Service, with the Service's port beside it."""
        network = peer.network
        if network is None or network.num_addresses > _FEW_ADDRESSES:
            return None
        for mapped, address, target in self._services.outside(port.protocol, number):
            if peer.holds(parse_address(address)) and not rule.admits(port.protocol, target):
                return service_port(f"{port.path}.port", number, mapped, [target], "endpoints")
        return None


def service_port(
    path: str, number: int, mapped: Mapped, targets: Sequence[int], who: str = "pods"
) -> Remark:
    """Return the remark on a port that is a Service's."""
    listens = some([str(target) for target in targets])
    return Remark(
        "service-port",
        path,
        f"{number} is the port of Service {service_label(mapped.service)}; its {who} listen on "
        f"{listens}. Policies see the port of the pod, never the Service's: write {listens}",
    )
