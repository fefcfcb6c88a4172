"""Takes the words of ``--ignore-kinds``, says which policies that are not judged may be there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from netpol.kube.api.unjudged_kinds import POLICY_SUFFIX, UnjudgedKind, known_words, plural_of
from netpol.model.errors import ConfigError
from netpol.model.likeness import suggestion

__all__ = ["EVERY_KIND", "IgnoredKinds", "ignored_kinds"]

#: The word for all of them.
EVERY_KIND = "all"

_OF_ANY_GROUP = re.compile(rf"[a-z]*{POLICY_SUFFIX.lower()}")


@dataclass(frozen=True, slots=True)
class IgnoredKinds:
    """Kinds that are counted instead of refused; ``words`` None means every kind."""

    words: frozenset[str] | None = frozenset()

    def covers(self, kind: UnjudgedKind, group: str) -> bool:
        """Return whether a kind of some group may be there."""
        if self.words is None:
            return True
        name = kind.kind.lower()
        return not self.words.isdisjoint((name, group, f"{name}.{group}"))


def ignored_kinds(given: bool | str | Iterable[str]) -> IgnoredKinds:
    """Read what a caller says: ``True`` and ``all`` are every kind, ``False`` none.

    Words are a kind (``CiliumNetworkPolicy``, also in lower case or as ``ciliumnetworkpolicies``),
    a kind with its group (``NetworkPolicy.projectcalico.org``), or a group (``cilium.io``).

    Raises
    ------
    ConfigError
        A word names nothing that netpol knows not to judge.
    """
    if isinstance(given, bool):
        return IgnoredKinds(None if given else frozenset())
    listed = given.split(",") if isinstance(given, str) else given
    words = [word.strip().lower() for word in listed]
    words = [word for word in words if word]
    if EVERY_KIND in words:
        return IgnoredKinds(None)
    return IgnoredKinds(frozenset(map(_normal, words)))


def _normal(word: str) -> str:
    """Return a word as ``covers`` compares it."""
    known: dict[str, str] = {}
    for each in known_words():
        kind, dot, group = each.partition(".")
        known[each.lower()] = each.lower()
        if not dot or kind[0].isupper():  # not a group alone
            known[f"{plural_of(kind.lower())}{dot}{group}"] = each.lower()
    if word in known:
        return known[word]
    kind, dot, group = word.partition(".")
    singular = re.sub("ies$", "y", kind)
    if _OF_ANY_GROUP.fullmatch(singular):
        return f"{singular}{dot}{group}"
    close = suggestion(word, {each.lower(): each for each in known_words()}.values())
    raise ConfigError(f"{word}: no kind of policy that netpol knows not to judge{close}")
