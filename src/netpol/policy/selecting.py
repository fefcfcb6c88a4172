"""Takes policies and the names of some, gives a ``PolicySet`` without these, or with these alone.

What answers "is it safe to delete this?" without a second copy of the manifests.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from netpol.kube.api.kinds import CLUSTER_POLICY_KINDS
from netpol.kube.policies import PolicySet
from netpol.model.errors import ConfigError
from netpol.model.likeness import suggestion
from netpol.policy.edits import Key, by_key, kept

__all__ = ["only", "without"]

_NETWORK_POLICY = "NetworkPolicy"
_KINDS = (_NETWORK_POLICY, *(kind for _, kind in CLUSTER_POLICY_KINDS))
#: As ``kubectl`` takes them: singular, plural and short.
_KIND_OF = {
    **{kind.lower(): kind for kind in _KINDS},
    **{kind.lower().removesuffix("y") + "ies": kind for kind in _KINDS},
    "netpol": _NETWORK_POLICY,
    "cnp": "ClusterNetworkPolicy",
    "anp": "AdminNetworkPolicy",
    "banp": "BaselineAdminNetworkPolicy",
}
_FORMS = "NS/NAME, KIND/NS/NAME, or KIND/NAME of a policy without a namespace"


def without(policies: PolicySet, names: Iterable[str]) -> PolicySet:
    """Return the policies that are not named.

    Parameters
    ----------
    policies : PolicySet
        As ``read_policies`` gives them.
    names : iterable of str
        ``namespace/name`` or ``networkpolicy/namespace/name`` of a NetworkPolicy, ``kind/name`` of
        a cluster-scoped policy. Kinds as ``kubectl`` takes them; ``*`` and ``?`` stand for any
        text, or letter, of a namespace or name.

    Raises
    ------
    ConfigError
        A name is no policy's, or means two.
    """
    named = _named(policies, names)
    return kept(policies, lambda key: key not in named)


def only(policies: PolicySet, names: Iterable[str]) -> PolicySet:
    """Return the policies that are named, as for ``without``."""
    named = _named(policies, names)
    return kept(policies, lambda key: key in named)


def _named(policies: PolicySet, names: Iterable[str]) -> set[Key]:
    known = list(by_key(policies))
    return {key for name in names for key in _of_name(name, known)}


def _of_name(name: str, known: Sequence[Key]) -> list[Key]:
    """Return the policies that one name means."""
    found = [key for key in known if _means(name, key)]
    kinds = sorted({kind for kind, _ in found})
    if len(kinds) > 1:
        either = " or ".join(f"{kind}/{label}" for kind, label in found[:2])
        raise ConfigError(f"{name}: means policies of two kinds; write {either}")
    if not found:
        raise ConfigError(f"{name}: no such policy{_suggestion(name, known)}")
    return found


def _means(name: str, key: Key) -> bool:
    kind, label = key
    first, _, rest = name.partition("/")
    by_kind = _KIND_OF.get(first.partition(".")[0].lower()) == kind and _same_shape(rest, label)
    return by_kind or (kind == _NETWORK_POLICY and _same_shape(name, label))


def _same_shape(pattern: str, label: str) -> bool:
    """Return whether a label is of a pattern, whose ``*`` does not go beyond a slash."""
    parts, wanted = label.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def _suggestion(name: str, known: Sequence[Key]) -> str:
    words = [label if kind == _NETWORK_POLICY else f"{kind}/{label}" for kind, label in known]
    alike = suggestion(name, words)
    if alike or name.count("/") in (1, 2):
        return alike
    return f"; name policies as {_FORMS}"
