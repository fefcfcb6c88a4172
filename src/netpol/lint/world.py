"""Takes policies and a snapshot, gives both as the rules beside a cluster look at them."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property

from netpol.kube.policies import PolicySet
from netpol.kube.snapshot import Snapshot
from netpol.lint.selection import PodGroup, Selection
from netpol.lint.services import Services
from netpol.lint.views import PolicyView, views_of
from netpol.model.switches import Switches

__all__ = ["World"]


class World:
    """NetworkPolicies with their subjects, the Services, and who is governed by what."""

    def __init__(self, policies: PolicySet, snapshot: Snapshot, switches: Switches) -> None:
        self.snapshot = snapshot
        self.switches = switches
        self.policies = policies
        self.cluster_policies = policies.cluster_policies
        self.selection = Selection(snapshot, switches, host_network=switches.host_network == "pod")
        self.services = Services(snapshot, self.selection)
        self.views = views_of(policies.policies, self.selection)

    def governing(self, group: PodGroup, *, egress: bool) -> list[PolicyView]:
        """Return the policies that isolate pods for a direction, in the order read."""
        return self._governing[egress].get(id(group), [])

    def isolated(self, *, egress: bool) -> list[PodGroup]:
        """Return the pods that are isolated for a direction."""
        governed = self._governing[egress]
        return [each for each in self.selection.groups() if id(each) in governed]

    @cached_property
    def _governing(self) -> dict[bool, dict[int, list[PolicyView]]]:
        found: dict[bool, dict[int, list[PolicyView]]] = {
            False: defaultdict(list),
            True: defaultdict(list),
        }
        for view in self.views:
            for egress in (False, True):
                if view.isolates(egress=egress):
                    for group in view.subjects:
                        found[egress][id(group)].append(view)
        return {egress: dict(each) for egress, each in found.items()}
