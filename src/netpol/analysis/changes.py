"""Takes two compiled engines, gives the single changes that lead from one to the other.

Policies are told apart by kind, namespace and name, and changed if their specs are: comments, the
order of files and metadata change nothing. Each change comes with a way to compile the first engine
with it alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import Any, Literal, NamedTuple

import msgspec

from netpol.engine import compile as compile_engine
from netpol.kube.objects import LabelSelector
from netpol.kube.policies import LoadedClusterPolicy, LoadedPolicy, PolicySet
from netpol.kube.snapshot import Snapshot
from netpol.switches import Switches

__all__ = ["Change", "SingleChange", "changes_between"]

What = Literal["added", "removed", "changed", "cluster", "switch"]
Loaded = LoadedPolicy | LoadedClusterPolicy
Source = tuple[PolicySet, Snapshot, Switches]
_Key = tuple[str, str]  # kind and label


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
    """A change, and what compiles the first engine with it alone.

    A change of a NetworkPolicy says something only of pods that its old or its new version selects
    (A9.1): those of ``namespace`` that one of ``selectors`` matches. It is None for all others.
    """

    change: Change
    compile: Callable[[], Any]
    namespace: str | None = None
    selectors: tuple[LabelSelector | None, ...] = ()


def changes_between(before: Source, after: Source, memory_budget: int) -> list[SingleChange]:
    """Give every change: of the cluster, of switches, then of policies, the largest first.

    Parameters
    ----------
    before, after : (PolicySet, Snapshot, Switches)
        What the two engines were compiled from (``Engine.source``).
    memory_budget : int
        Bytes that the tables of one engine may take.
    """
    policies, snapshot, switches = before
    found = []

    def add(change: Change, source: Source) -> None:
        found.append(SingleChange(change, partial(_compiled, source, memory_budget)))

    if snapshot is not after[1] and _cluster(snapshot) != _cluster(after[1]):
        add(Change("cluster", "the cluster"), (policies, after[1], switches))
    for field in fields(Switches):
        value = getattr(after[2], field.name)
        if value != getattr(switches, field.name):
            changed = replace(switches, **{field.name: value})
            add(Change("switch", field.name), (policies, snapshot, changed))
    for key, first, second in _changed_policies(policies, after[0]):
        # Thousands may have changed: the policies with one of them are put together when needed.
        compiled = partial(_compiled_with, before, key, second, memory_budget)
        change = _policy_change(first, second)
        found.append(SingleChange(change, compiled, *_selected(first, second)))
    return found


def _compiled_with(source: Source, key: _Key, changed: Loaded | None, memory_budget: int) -> Any:
    policies, snapshot, switches = source
    return _compiled((_with(policies, key, changed), snapshot, switches), memory_budget)


def _compiled(source: Source, memory_budget: int) -> Any:
    policies, snapshot, switches = source
    return compile_engine(policies, snapshot, memory_budget=memory_budget, **asdict(switches))


def _cluster(snapshot: Snapshot) -> tuple[Any, ...]:
    """Give what verdicts may depend on."""
    return (
        snapshot.namespaces,
        snapshot.pods,
        snapshot.nodes,
        snapshot.services,
        snapshot.endpoint_slices,
        snapshot.dns,
    )


def _by_identity(policies: PolicySet) -> dict[_Key, Loaded]:
    listed: tuple[Loaded, ...] = (*policies.policies, *policies.cluster_policies)
    return {(type(one.policy).__name__, one.label): one for one in listed}


def _changed_policies(
    before: PolicySet, after: PolicySet
) -> list[tuple[_Key, Loaded | None, Loaded | None]]:
    first, second = _by_identity(before), _by_identity(after)
    changed = [
        (key, first.get(key), second.get(key))
        for key in first | second
        if _spec(first.get(key)) != _spec(second.get(key))
    ]
    return sorted(changed, key=lambda one: (-_size(one[1]) - _size(one[2]), one[0]))


def _spec(loaded: Loaded | None) -> Any:
    """Give what a policy says; a policy without a spec is not the same as none."""
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
    """Give the namespace and the pod selectors of a NetworkPolicy; nothing for others."""
    found = [one.policy for one in versions if isinstance(one, LoadedPolicy)]
    if not found:
        return ()
    selectors = tuple(policy.spec.pod_selector if policy.spec else None for policy in found)
    return found[0].metadata.namespace, selectors


def _with(policies: PolicySet, key: _Key, changed: Loaded | None) -> PolicySet:
    """Give the policies with one of them added, replaced, or left out."""
    every: Mapping[_Key, Loaded | None] = {**_by_identity(policies), key: changed}
    return replace(
        policies,
        policies=tuple(one for one in every.values() if isinstance(one, LoadedPolicy)),
        cluster_policies=tuple(
            one for one in every.values() if isinstance(one, LoadedClusterPolicy)
        ),
    )
