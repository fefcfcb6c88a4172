"""Takes two engines, gives the single change that can have changed a pair.

A NetworkPolicy says something of the pods that it selects alone (A9.1). Where only one change is
about the ends of a pair, nothing else can be the cause of what differs. No engine is compiled to
find that out; where several changes are about a pair, none is named.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from netpol.questions.diff.changes import Change, SingleChange, changes_between

if TYPE_CHECKING:
    from netpol.engine.engine import Engine
    from netpol.kube.api.objects import Pod

__all__ = ["Responsible"]


class Responsible:
    """The changes between two engines, by whom they are about.

    Engines that have only their tables know nothing of their policies; then no change is named.
    """

    def __init__(self, before: Engine, after: Engine) -> None:
        self._changes: list[SingleChange] = []
        if before.source is not None and after.source is not None:
            self._changes = changes_between(before.source, after.source)
        self._within: dict[str, list[int]] = {}
        everywhere = set()
        for place, one in enumerate(self._changes):
            if one.namespace is None:
                everywhere.add(place)
            else:
                self._within.setdefault(one.namespace, []).append(place)
        self._everywhere = frozenset(everywhere)
        self._engines = before, after
        self._names = before.tables.meta["pods"]
        self._pods: list[dict[tuple[str, str], Pod]] | None = None
        self._known: dict[int, frozenset[int]] = {}

    def of(
        self,
        sources: Iterable[int],
        targets: Iterable[int],
        *,
        egress: bool,
        ingress: bool,
    ) -> Change | None:
        """Return the change that alone made pairs differ; None if it may have been several.

        Parameters
        ----------
        sources, targets : pods, by index; nothing for what is no pod.
        egress, ingress : whether that side says something else, or is decided by another.
        """
        if not self._changes:
            return None
        first, second = self._about(sources), self._about(targets)
        found = self._everywhere | first | second
        if len(found) > 1 and egress is not ingress and not self._everywhere:
            # What is about the other end changes nothing there; a change about both ends might, if
            # it came alone.
            mine, other = (first, second) if egress else (second, first)
            found = mine if not mine & other else found
        return self._changes[next(iter(found))].change if len(found) == 1 else None

    def _about(self, pods: Iterable[int]) -> frozenset[int]:
        return frozenset[int]().union(*map(self._about_pod, pods))

    def _about_pod(self, pod: int) -> frozenset[int]:
        found = self._known.get(pod)
        if found is None:
            namespace, _, name = self._names[pod][0].partition("/")
            listed = self._within.get(namespace, ())
            labels = self._labels(namespace, name) if listed else []
            found = self._known[pod] = frozenset(
                place for place in listed if any(map(self._changes[place].is_about, labels))
            )
        return found

    def _labels(self, namespace: str, name: str) -> list[dict[str, str]]:
        """Return a pod's labels on both sides."""
        if self._pods is None:
            self._pods = [
                {(pod.metadata.namespace or "", pod.metadata.name): pod for pod in source[1].pods}
                for source in (engine.source for engine in self._engines)
                if source is not None
            ]
        return [pods[namespace, name].metadata.labels or {} for pods in self._pods]
