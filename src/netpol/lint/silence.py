"""Takes findings, gives those that are left: what was chosen, less what the manifests silence.

A manifest silences by a comment on the line or on the object, or by an annotation of the object.
What it names must exist, and what it silences must be there, or that is a finding of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from netpol.kube.policies import LoadedClusterPolicy, LoadedPolicy, PolicySet
from netpol.kube.read.findings import Finding
from netpol.lint.catalogue import RULES, codes_named
from netpol.lint.comments import Comment
from netpol.model.errors import ConfigError, Location

__all__ = ["ANNOTATION", "Choice", "Silenced", "silence"]

#: The annotation of a policy whose value names codes.
ANNOTATION = "netpol/ignore"
#: Where a comment is about the whole object: on its first line, and on these.
_OBJECT_FIELDS = ("apiVersion", "kind", "metadata", "metadata.name")


class Choice(NamedTuple):
    """The codes that are looked for: those selected, all if none are, less those ignored.

    Codes that cannot be silenced are always among them.
    """

    select: frozenset[str] = frozenset()
    ignore: frozenset[str] = frozenset()

    def has(self, code: str) -> bool:
        """Return whether findings of a code are wanted."""
        rule = RULES.get(code)
        if rule is not None and not rule.silenced:
            return True
        return (not self.select or code in self.select) and code not in self.ignore


class Silenced(NamedTuple):
    """What is left, in no order, and how many findings were silenced by the manifests."""

    findings: list[Finding]
    hidden: int


class _Ignore(NamedTuple):
    """One word of a comment or an annotation: what it silences, and where it stands.

    ``policy`` is set where it is about a whole object, ``line`` where it is about one line.
    """

    codes: frozenset[str]
    word: str
    place: Location
    policy: str | None
    line: int | None


def silence(
    findings: Sequence[Finding],
    policies: PolicySet,
    comments: Iterable[Comment],
    choice: Choice,
    sought: frozenset[str],
) -> Silenced:
    """Leave out what was not chosen and what is silenced.

    Parameters
    ----------
    findings
        Everything that was found.
    policies, comments
        As read: they hold what silences.
    choice
        Of the command line.
    sought
        Codes that were looked for: what silences others is not unused.
    """
    given = list(_all_ignores(policies, comments))
    ignores = [each for each in given if isinstance(each, _Ignore)]
    extra = [each for each in given if isinstance(each, Finding)]
    used: set[int] = set()
    left = []
    hidden = 0
    by_policy, by_line = _indexes(ignores)
    for finding in findings:
        if not choice.has(finding.code):
            continue
        near = by_policy.get(finding.policy or "", [])
        place = finding.location
        near = [*near, *by_line.get((place.file or "", place.line or 0), ())]
        hits = [index for index in near if finding.code in ignores[index].codes]
        used.update(hits)
        if hits:
            hidden += 1
        else:
            left.append(finding)
    wanted = frozenset(code for code in sought if choice.has(code))
    extra += _unused(ignores, used, wanted)
    return Silenced(left + [each for each in extra if choice.has(each.code)], hidden)


def _indexes(
    ignores: Sequence[_Ignore],
) -> tuple[dict[str, list[int]], dict[tuple[str, int], list[int]]]:
    by_policy: dict[str, list[int]] = {}
    by_line: dict[tuple[str, int], list[int]] = {}
    for index, each in enumerate(ignores):
        if each.policy is not None:
            by_policy.setdefault(each.policy, []).append(index)
        if each.line is not None:
            by_line.setdefault((each.place.file or "", each.line), []).append(index)
    return by_policy, by_line


def _unused(ignores: Sequence[_Ignore], used: set[int], wanted: frozenset[str]) -> list[Finding]:
    return [
        Finding("info", "unused-ignore", f"{each.word} silences nothing here", each.place)
        for index, each in enumerate(ignores)
        if index not in used and each.codes & wanted
    ]


def _all_ignores(policies: PolicySet, comments: Iterable[Comment]) -> Iterator[_Ignore | Finding]:
    loaded: list[LoadedPolicy | LoadedClusterPolicy] = [
        *policies.policies,
        *policies.cluster_policies,
    ]
    comments = list(comments)
    objects: dict[tuple[str, int], str] = {}
    files = {each.file for each in comments}
    for each in loaded:
        if each.source.file in files:
            lines = {each.source.line_of(field) for field in _OBJECT_FIELDS}
            for line in {each.source.line, *lines}:
                objects[each.source.file, line] = each.label
        yield from _of_annotation(each)
    for comment in comments:
        place = Location(comment.file, comment.line)
        policy = objects.get((comment.file, comment.about))
        yield from _of_words(comment.words, place, policy, comment.about)


def _of_annotation(loaded: LoadedPolicy | LoadedClusterPolicy) -> Iterator[_Ignore | Finding]:
    text = (loaded.policy.metadata.annotations or {}).get(ANNOTATION)
    if text is not None:
        field = f"metadata.annotations[{ANNOTATION}]"
        place = Location(loaded.source.file, loaded.source.line_of(field), field)
        words = tuple(word for word in re.split(r"[,\s]+", text) if word)
        yield from _of_words(words, place, loaded.label, None)


def _of_words(
    words: Sequence[str], place: Location, policy: str | None, line: int | None
) -> Iterator[_Ignore | Finding]:
    if not words:
        message = "names no code to ignore: write `netpol: ignore CODE`"
        yield Finding("error", "unknown-code", message, place)
    for word in words:
        try:
            codes = codes_named(word)
        except ConfigError as error:
            yield Finding("error", "unknown-code", str(error), place)
            continue
        allowed = frozenset(code for code in codes if RULES[code].silenced)
        if allowed:
            yield _Ignore(allowed, word, place, policy, line)
        else:
            yield Finding("error", "unknown-code", f"{word} cannot be silenced", place)
