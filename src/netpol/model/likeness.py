"""Takes a word and the names there are, gives those that are most like it: for every message.

Names are paths such as ``shop/deployment/api`` or ``service/shop/api``. A word is like a name as
its parts are: what it is called counts most, then the namespace, then the kind.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from difflib import SequenceMatcher
from itertools import pairwise

__all__ = ["CLOSE", "closest", "suggestion"]

#: How many names a message lists.
CLOSE = 5
#: Names less like the word than this are not suggested.
_LEAST = 0.6
_LAST_WEIGHT = 3
#: Of more names than this, only those that share most letters are looked at closely.
_COMPARED = 2000
#: How like a name is that only goes on where the word ends, as a pod's after its workload's.
_LONGER = 0.85


def closest(word: str, names: Iterable[str], namespace: str = "", limit: int = CLOSE) -> list[str]:
    """Return the names most like a word, best first; equal ones in the order of the alphabet.

    Parameters
    ----------
    word
        As a person wrote it.
    names
        All that there are; the same one twice counts once.
    namespace
        Where a word without a namespace is looked for: its names come before equal ones of others.
    limit
        How many at most.
    """
    scorer = _Scorer(word, namespace)
    scored = ((scorer.of(name), name) for name in _likely(word, [*dict.fromkeys(names)]))
    likely = (each for each in scored if each[0] >= _LEAST)
    best = heapq.nsmallest(limit, likely, key=lambda each: (-each[0], each[1]))
    return [name for _, name in best]


def _likely(word: str, names: list[str]) -> list[str]:
    """Return the names that share most letters and pairs of letters with a word.

    To compare 200 000 names letter by letter takes a minute, to count pairs a second.
    """
    if len(names) <= _COMPARED:
        return names
    lower = word.lower()
    wanted = {*lower, *map("".join, pairwise(lower))}

    def shared(name: str) -> float:
        text = name.lower()
        return sum([each in text for each in wanted]) / (len(lower) + len(text))

    return heapq.nlargest(_COMPARED, names, key=shared)


def suggestion(word: str, names: Iterable[str], namespace: str = "", limit: int = CLOSE) -> str:
    """Return the end of a message, ``; close are a, b``, or "" if nothing is like it.

    Where there are no more than ``limit`` names at all, they are given whatever they are like.
    """
    known = [*dict.fromkeys(names)]
    found, what = closest(word, known, namespace, limit), "close"
    if not found and len(known) <= limit:
        found, what = sorted(known), "there"
    if not found:
        return ""
    return f"; {what} {'is' if len(found) == 1 else 'are'} {', '.join(found)}"


class _Scorer:
    """Says how like a word names are, from 0 to 1 and a little more in its own namespace."""

    def __init__(self, word: str, namespace: str) -> None:
        self._namespace = namespace.lower()
        self._whole = SequenceMatcher(autojunk=False, b=word.lower())
        *before, self._word = word.lower().split("/")
        self._last = SequenceMatcher(autojunk=False, b=self._word)
        self._parts = [SequenceMatcher(autojunk=False, b=part) for part in before]
        self._memo: dict[tuple[int, str], float] = {}

    def of(self, name: str) -> float:
        *before, last = name.lower().split("/")
        like = self._ratio(-1, self._last, last)
        if len(self._word) > 2 and last.startswith(f"{self._word}-"):
            like = max(like, _LONGER)
        if self._parts:
            rest = sum(
                max((self._ratio(i, part, each) for each in before), default=0.0)
                for i, part in enumerate(self._parts)
            )
            like = (_LAST_WEIGHT * like + rest) / (_LAST_WEIGHT + len(self._parts))
        self._whole.set_seq1(name.lower())
        like = max(like, self._whole.ratio() if self._whole.quick_ratio() > like else 0.0)
        return like + (0.05 if self._namespace and self._namespace in before else 0.0)

    def _ratio(self, number: int, matcher: SequenceMatcher[str], part: str) -> float:
        """Compare one part; clusters repeat namespaces and kinds, so most are known."""
        key = number, part
        if key not in self._memo:
            matcher.set_seq1(part)
            self._memo[key] = matcher.ratio()
        return self._memo[key]
