"""Takes two compiled engines, gives the single changes that lead from one to the other.

Policies are told apart by kind, namespace and name, and changed if their specs are: comments, the
order of files and metadata change nothing. Each change comes with a way to make it on the first
side, so that the first engine can be compiled with it, or with some of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields, replace
from functools import partial, reduce
from typing import Any, Literal, NamedTuple

import msgspec

from netpol.compiler.addresses.clusters import Clusters
from netpol.engine.engine import Engine
from netpol.engine.engine import compile as compile_engine
from netpol.kube.api.matching import selects
from netpol.kube.api.objects import LabelSelector
from netpol.kube.policies import LoadedClusterPolicy, LoadedPolicy, PolicySet
from netpol.kube.snapshot import Snapshot
from netpol.model.switches import Switches
from netpol.policy.edits import Key, by_key, with_policy

__all__ = ["Change", "SingleChange", "changes_between", "compiled_with"]

What = Literal["added", "removed", "changed", "cluster", "switch"]
Loaded = LoadedPolicy | LoadedClusterPolicy
Source = tuple[PolicySet, Snapshot, Switches]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not the same on both sides.

    ``label`` names the policy or the switch; ``kind`` is a policy's kind, else empty. ``file`` and
    ``line`` say where the policy stands after the change, or stood before it was removed.
    """

    what: What
    label: str
    kind: str = ""
    file: str | None = None
    line: int | None = None

    @property
    def text(self) -> str:
        """What changed, in words: ``changed NetworkPolicy shop/api``."""
        if self.what == "cluster":
            return "the cluster"
        if self.what == "switch":
            return f"switch {self.label}"
        kind = f"{self.kind} " if self.kind == "NetworkPolicy" else ""
        return f"{self.what} {kind}{self.label}"


class SingleChange(NamedTuple):
    """A change, and what makes it, taking what an engine was compiled from.

    A change of a NetworkPolicy says something only of pods that its old or its new version selects
    (A9.1): those of ``namespace`` that one of ``selectors`` matches. It is None for all others.
    """

    change: Change
    make: Callable[[Source], Source]
    namespace: str | None = None
    selectors: tuple[LabelSelector | None, ...] = ()

    def is_about(self, labels: dict[str, str]) -> bool:
        """Return whether it is about a pod of its namespace with these labels."""
        return any(selects(selector, labels) for selector in self.selectors)


def changes_between(before: Source, after: Source) -> list[SingleChange]:
    """Return every change: of the cluster, of switches, then of policies, the largest first.

    Parameters
    ----------
    before, after : (PolicySet, Snapshot, Switches)
        What the two engines were compiled from (``Engine.source``).
    """
    policies, snapshot, switches = before
    found = []
    if snapshot is not after[1] and _cluster(snapshot) != _cluster(after[1]):
        make = partial(_with_cluster, after[1])
        found.append(SingleChange(Change("cluster", "the cluster"), make))
    for field in fields(Switches):
        value = getattr(after[2], field.name)
        if value != getattr(switches, field.name):
            make = partial(_with_switch, field.name, value)
            found.append(SingleChange(Change("switch", field.name), make))
    for key, first, second in _changed_policies(policies, after[0]):
        change = _policy_change(first, second)
        make = partial(_with_policy, key, second)
        found.append(SingleChange(change, make, *_selected(first, second)))
    return found


def compiled_with(
    source: Source, changes: Iterable[SingleChange], memory_budget: int, clusters: Clusters
) -> Engine:
    """Compile an engine from a source with some changes made.

    ``memory_budget`` is how many bytes its tables may take; raises ``CapacityError`` beyond.
    """
    policies, snapshot, switches = reduce(lambda made, one: one.make(made), changes, source)
    return compile_engine(
        policies, snapshot, memory_budget=memory_budget, clusters=clusters, **asdict(switches)
    )


def _cluster(snapshot: Snapshot) -> tuple[object, ...]:
    """Return what verdicts may depend on."""
    return (
        snapshot.namespaces,
        snapshot.pods,
        snapshot.nodes,
        snapshot.services,
        snapshot.endpoint_slices,
        snapshot.dns,
    )


def _changed_policies(
    before: PolicySet, after: PolicySet
) -> list[tuple[Key, Loaded | None, Loaded | None]]:
    first, second = by_key(before), by_key(after)
    changed = [
        (key, first.get(key), second.get(key))
        for key in first | second
        if _spec(first.get(key)) != _spec(second.get(key))
    ]
    return sorted(changed, key=lambda one: (-_size(one[1]) - _size(one[2]), one[0]))


def _spec(loaded: Loaded | None) -> Any:
    """Return what a policy says; a policy without a spec is not the same as none."""
    return None if loaded is None else (loaded.policy.spec,)


def _size(loaded: Loaded | None) -> int:
    return 0 if loaded is None else len(msgspec.json.encode(loaded.policy.spec))


def _policy_change(before: Loaded | None, after: Loaded | None) -> Change:
    shown = after or before
    assert shown is not None
    what: What = "added" if before is None else "removed" if after is None else "changed"
    source = shown.source
    return Change(what, shown.label, type(shown.policy).__name__, source.file, source.line)


def _selected(*versions: Loaded | None) -> tuple[Any, ...]:
    """Return the namespace and the pod selectors of a NetworkPolicy; nothing for others."""
    found = [one.policy for one in versions if isinstance(one, LoadedPolicy)]
    if not found:
        return ()
    selectors = tuple(policy.spec.pod_selector if policy.spec else None for policy in found)
    return found[0].metadata.namespace, selectors


def _with_cluster(snapshot: Snapshot, source: Source) -> Source:
    return source[0], snapshot, source[2]


def _with_switch(name: str, value: Any, source: Source) -> Source:
    return *source[:2], replace(source[2], **{name: value})


def _with_policy(key: Key, changed: Loaded | None, source: Source) -> Source:
    return with_policy(source[0], key, changed), *source[1:]
