"""Takes policies, a snapshot and changes, gives both as they would be after the changes.

Policies may be added, replaced and left out by kind and name; rules, ports, peers and labels by
small edits, each of which says itself in words: the second half of "would be allowed if …".
Policies given are never changed; what a change does not touch is shared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from msgspec.structs import replace as with_fields

from netpol.kube.api.objects import (
    LabelSelector,
    NetworkPolicy,
    NetworkPolicyEgressRule,
    NetworkPolicyIngressRule,
    NetworkPolicyPeer,
    NetworkPolicyPort,
    NetworkPolicySpec,
    PolicyMeta,
    Source,
)
from netpol.kube.api.words import peer_text, port_text
from netpol.kube.policies import LoadedClusterPolicy, LoadedPolicy, PolicySet
from netpol.kube.snapshot import Snapshot

__all__ = [
    "NOWHERE",
    "DropRule",
    "Edit",
    "Isolate",
    "Key",
    "ListPeer",
    "ListPort",
    "NewRule",
    "Place",
    "Relabel",
    "Ungovern",
    "applied",
    "by_key",
    "kept",
    "key_of",
    "with_policy",
]

Loaded = LoadedPolicy | LoadedClusterPolicy
Key = tuple[str, str]  # kind, and namespace/name, or name where there is no namespace
Direction = Literal["egress", "ingress"]
Rule = NetworkPolicyIngressRule | NetworkPolicyEgressRule


class Place(NamedTuple):
    """Where something is written; the file is empty and the line 0 where that is not known."""

    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        """Return ``file:line``."""
        return f"{self.file}:{self.line}" if self.file else ""


NOWHERE = Place()


def key_of(loaded: Loaded) -> Key:
    """Return what tells a policy from all others of a set."""
    if isinstance(loaded, LoadedPolicy):
        return "NetworkPolicy", loaded.label
    kind, _, name = loaded.label.partition("/")
    return kind, name


def by_key(policies: PolicySet) -> dict[Key, Loaded]:
    """Return every policy of a set, in its order, NetworkPolicies first."""
    every: tuple[Loaded, ...] = (*policies.policies, *policies.cluster_policies)
    return {key_of(one): one for one in every}


def with_policy(policies: PolicySet, key: Key, changed: Loaded | None) -> PolicySet:
    """Return a set with one policy added or replaced, or left out where ``changed`` is None."""
    every: dict[Key, Loaded | None] = {**by_key(policies), key: changed}
    return _of(policies, (one for one in every.values() if one is not None))


def kept(policies: PolicySet, keep: Callable[[Key], bool]) -> PolicySet:
    """Return a set with those policies alone whose keys are kept."""
    return _of(policies, (one for key, one in by_key(policies).items() if keep(key)))


def _of(policies: PolicySet, chosen: Iterable[Loaded]) -> PolicySet:
    every = list(chosen)
    return replace(
        policies,
        policies=tuple(one for one in every if isinstance(one, LoadedPolicy)),
        cluster_policies=tuple(one for one in every if isinstance(one, LoadedClusterPolicy)),
    )


@dataclass(frozen=True)
class _OnRule:
    """A change of one rule of a policy."""

    policy: str
    direction: Direction
    rule: int
    where: Place

    @property
    def place(self) -> str:
        """``rule ns/name ingress[1]``."""
        return f"rule {self.policy} {self.direction}[{self.rule}]"


@dataclass(frozen=True)
class ListPort(_OnRule):
    """A NetworkPolicy's rule lists one more port."""

    port: NetworkPolicyPort

    @property
    def text(self) -> str:
        """Say it."""
        return f"{self.place} also listed port {port_text(self.port)}"


@dataclass(frozen=True)
class ListPeer(_OnRule):
    """A NetworkPolicy's rule lists one more peer."""

    peer: NetworkPolicyPeer

    def __hash__(self) -> int:
        """Hash what it says: selectors are not hashable."""
        return hash(self.text)

    @property
    def text(self) -> str:
        """Say it."""
        list_ = "from" if self.direction == "ingress" else "to"
        return f"{self.place} also listed in {list_}: {peer_text(self.peer)}"


@dataclass(frozen=True)
class DropRule(_OnRule):
    """A rule is taken out, of any kind of policy; ``name`` is the rule's own."""

    name: str = ""

    @property
    def text(self) -> str:
        """Say it."""
        name = f" ({self.name})" if self.name else ""
        return f"{self.place}{name} were not there"


@dataclass(frozen=True)
class NewRule:
    """A NetworkPolicy gets one more rule: one peer, and one port or none."""

    policy: str
    direction: Direction
    where: Place
    peer: NetworkPolicyPeer
    port: NetworkPolicyPort | None

    def __hash__(self) -> int:
        """Hash what it says: selectors are not hashable."""
        return hash(self.text)

    @property
    def text(self) -> str:
        """Say it."""
        list_ = "from" if self.direction == "ingress" else "to"
        ports = "" if self.port is None else f", port {port_text(self.port)}"
        return (
            f"policy {self.policy} had another {self.direction} rule, {list_}: "
            f"{peer_text(self.peer)}{ports}"
        )


@dataclass(frozen=True)
class Ungovern:
    """A NetworkPolicy no longer isolates in a direction: neither its type nor rules for it."""

    policy: str
    direction: Direction
    where: Place

    @property
    def text(self) -> str:
        """Say it."""
        return f"policy {self.policy} did not isolate its pods for {self.direction}"


@dataclass(frozen=True)
class Isolate:
    """A namespace gets a NetworkPolicy that selects all its pods and allows nothing."""

    namespace: str
    direction: Direction
    where: Place = NOWHERE

    @property
    def text(self) -> str:
        """Say it."""
        return (
            f"a NetworkPolicy without rules isolated the pods of namespace {self.namespace} "
            f"for {self.direction}"
        )


@dataclass(frozen=True)
class Relabel:
    """A pod or a namespace gets a label, or loses it where ``value`` is None."""

    kind: Literal["pod", "namespace"]
    namespace: str
    name: str
    key: str
    value: str | None
    where: Place

    @property
    def text(self) -> str:
        """Say it."""
        who = f"namespace {self.name}"
        if self.kind == "pod":
            who = f"pod {self.namespace}/{self.name}"
        if self.value is None:
            return f"{who} had no label {self.key}"
        value = self.value or '""'
        return f"{who} had label {self.key}={value}"


Edit = ListPort | ListPeer | NewRule | DropRule | Ungovern | Isolate | Relabel


def applied(
    policies: PolicySet, snapshot: Snapshot, edits: Sequence[Edit]
) -> tuple[PolicySet, Snapshot]:
    """Return copies with the changes; what they do not touch is shared.

    Indices of rules are those of the policies given: rules are added and lengthened first, then
    taken out from the last to the first.
    """
    ordered = sorted(edits, key=_turn)
    relabelled = [edit for edit in ordered if isinstance(edit, Relabel)]
    if relabelled:
        snapshot = replace(
            snapshot,
            pods=_relabelled("pod", snapshot.pods, relabelled),
            namespaces=_relabelled("namespace", snapshot.namespaces, relabelled),
        )
    for edit in ordered:
        if isinstance(edit, Isolate):
            loaded = LoadedPolicy(_isolating(edit), Source("", 0))
            policies = replace(policies, policies=(*policies.policies, loaded))
        elif not isinstance(edit, Relabel):
            policies = _edited(policies, edit)
    return policies, snapshot


def _turn(edit: Edit) -> tuple[int, int]:
    """Return when a change is made: additions, then rules from the last on, then directions."""
    if isinstance(edit, DropRule):
        return 1, -edit.rule
    return (2, 0) if isinstance(edit, Ungovern) else (0, 0)


def _edited(
    policies: PolicySet, edit: ListPort | ListPeer | NewRule | DropRule | Ungovern
) -> PolicySet:
    plain: list[LoadedPolicy] = []
    for loaded in policies.policies:
        changed: NetworkPolicy | None = loaded.policy
        if loaded.label == edit.policy:
            changed = _changed(loaded.policy, edit)
        if changed is not None:
            plain.append(loaded if changed is loaded.policy else loaded._replace(policy=changed))
    wide = [
        _without(loaded, edit)
        if isinstance(edit, DropRule) and loaded.label == edit.policy
        else loaded
        for loaded in policies.cluster_policies
    ]
    return replace(policies, policies=tuple(plain), cluster_policies=tuple(wide))


def _changed(
    policy: NetworkPolicy, edit: ListPort | ListPeer | NewRule | DropRule | Ungovern
) -> NetworkPolicy | None:
    """Change one NetworkPolicy; None if nothing is left of it."""
    spec = policy.spec or NetworkPolicySpec()
    if isinstance(edit, Ungovern):
        types = [each for each in spec.policy_types or () if each.lower() != edit.direction]
        if not types:
            return None
        spec = with_fields(spec, policy_types=types, **{edit.direction: None})
        return with_fields(policy, spec=spec)
    rules: list[Any] = list(getattr(spec, edit.direction) or ())
    if isinstance(edit, NewRule):
        rules.append(_rule(edit))
    elif isinstance(edit, DropRule):
        del rules[edit.rule]
    elif isinstance(edit, ListPort):
        rule = rules[edit.rule]
        rules[edit.rule] = with_fields(rule, ports=[*(rule.ports or ()), edit.port])
    else:
        rule, name = rules[edit.rule], "from_" if edit.direction == "ingress" else "to"
        peers = [*(getattr(rule, name) or ()), edit.peer]
        rules[edit.rule] = with_fields(rule, **{name: peers})
    return with_fields(policy, spec=with_fields(spec, **{edit.direction: rules}))


def _rule(edit: NewRule) -> Rule:
    ports: list[NetworkPolicyPort | None] | None = None if edit.port is None else [edit.port]
    if edit.direction == "ingress":
        return NetworkPolicyIngressRule(from_=[edit.peer], ports=ports)
    return NetworkPolicyEgressRule(to=[edit.peer], ports=ports)


def _without(loaded: LoadedClusterPolicy, edit: DropRule) -> LoadedClusterPolicy:
    spec: Any = loaded.policy.spec
    rules = list(getattr(spec, edit.direction) or ())
    del rules[edit.rule]
    spec = with_fields(spec, **{edit.direction: rules})
    return loaded._replace(policy=with_fields(loaded.policy, spec=spec))


def _isolating(edit: Isolate) -> NetworkPolicy:
    return NetworkPolicy(
        metadata=PolicyMeta(name="isolate", namespace=edit.namespace),
        spec=NetworkPolicySpec(
            pod_selector=LabelSelector(), policy_types=[edit.direction.capitalize()]
        ),
    )


def _relabelled(kind: str, objects: Iterable[Any], edits: Sequence[Relabel]) -> tuple[Any, ...]:
    wanted: dict[tuple[str, str], dict[str, str | None]] = {}
    for edit in edits:
        if edit.kind == kind:
            wanted.setdefault((edit.namespace, edit.name), {})[edit.key] = edit.value
    found = []
    for item in objects:
        meta = item.metadata
        changes = wanted.get((meta.namespace or "", meta.name))
        if changes:
            labels = {**(meta.labels or {}), **changes}
            kept = {key: value for key, value in labels.items() if value is not None}
            item = with_fields(item, metadata=with_fields(meta, labels=kept))
        found.append(item)
    return tuple(found)
