"""How manifests are read: what is left out, what a folder may hold, and what was passed over."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from netpol.kube.api.objects import Source
from netpol.kube.read.findings import Finding
from netpol.model.errors import InputError, Location

__all__ = [
    "Again",
    "PassedOver",
    "Reading",
    "Why",
    "again_notes",
    "first_of",
    "names_policy_kind",
    "some",
]

#: Why something was passed over.
Why = Literal["no object", "broken", "empty", "template"]

# Kinds of policy of every dialect, also in a text that nobody can parse.
_POLICY_KINDS = (
    r"\w*NetworkPolicy(?:List)?|EgressFirewall|EgressSecurityPolicy|SecurityPolicy|"
    r"SecurityGroupPolicy|AuthorizationPolicy|Nv(?:Cluster)?SecurityRule"
)
# What else a cluster is read for; the field names stand in what was cut off before its kind.
_CLUSTER_KINDS = r"(?:(?:Pod|Node|Service|Namespace|EndpointSlice|Endpoints)(?:List)?|List)"
_KIND = rb"""["']?\bkind["']?\s*:\s*["']?"""
_CLUSTER_FIELDS = rb"""\b(?:podIPs?|hostIP|clusterIPs?|podCIDRs?|addressType)\b["']?\s*:"""

_POLICY_NAME = re.compile(_POLICY_KINDS, re.IGNORECASE)
_CLUSTER_NAME = re.compile(_CLUSTER_KINDS)
_POLICY_TEXT = re.compile(rb"NetworkPolicy|" + _KIND + rb"(?i:" + _POLICY_KINDS.encode() + rb")\b")
_CLUSTER_TEXT = re.compile(
    _KIND + _CLUSTER_KINDS.encode() + rb"""["']?\s*(?:[,\r\n}]|$)|""" + _CLUSTER_FIELDS
)

_WORDS: dict[Why, tuple[str, str]] = {
    "no object": (
        "document that is no Kubernetes object",
        "documents that are no Kubernetes objects",
    ),
    "broken": (
        "broken file that names no kind read here",
        "broken files that name no kind read here",
    ),
    "empty": ("empty file", "empty files"),
    "template": ("template", "templates"),
}
_SHOWN = 3


class PassedOver(NamedTuple):
    """What was not read, and why; ``message`` is the error it would have been."""

    place: Location
    why: Why
    message: str


def names_policy_kind(kind: str) -> bool:
    """Return whether a kind is, or is meant to be, one of policies, of any dialect."""
    return _POLICY_NAME.fullmatch(kind) is not None


@dataclass(slots=True)
class Reading:
    """What a caller wants of manifests, and what reading them leaves to say.

    Attributes
    ----------
    exclude
        Patterns of files and folders to leave out where directories are searched (``Globs``).
    cluster
        Pods and what else describes a cluster are wanted; otherwise only policies are.
    skip_others
        Files named outright are read as those found in a directory, and templates passed over.
    passed
        What was passed over, in the order met.
    stray
        Warnings about lines that are none of a manifest, each with its place.
    """

    exclude: Sequence[str] = ()
    cluster: bool = False
    skip_others: bool = False
    passed: list[PassedOver] = field(default_factory=list)
    stray: list[Finding] = field(default_factory=list)

    def wants_kind(self, kind: object) -> bool:
        """Return whether a mistake in an object of this kind matters."""
        if not isinstance(kind, str) or not kind:
            return False
        return names_policy_kind(kind) or (
            self.cluster and _CLUSTER_NAME.fullmatch(kind) is not None
        )

    def wants_text(self, text: bytes) -> bool:
        """Return whether a text that cannot be read names a kind that matters, anywhere."""
        return _POLICY_TEXT.search(text) is not None or (
            self.cluster and _CLUSTER_TEXT.search(text) is not None
        )

    def unrendered(self, error: InputError, report: Callable[[InputError], None]) -> None:
        """Report an object that matters and is a template, or pass it over if that is wanted."""
        if self.skip_others:
            self.passed.append(PassedOver(error.location, "template", error.message))
        else:
            report(error)

    def warnings(self) -> list[Finding]:
        """Return warnings about lines that were left out, and, of a cluster, about empty files."""
        empty = [each.place for each in self.passed if each.why == "empty"]
        if not self.cluster or not empty:
            return self.stray
        files = "the file is" if len(empty) == 1 else f"this and {len(empty) - 1} more files are"
        message = f"{files} empty, so objects may be missing"
        return [*self.stray, Finding("warning", "empty-file", message, empty[0])]

    def notes(self) -> list[Finding]:
        """Return one note on all that was passed over, none if nothing was."""
        if not self.passed:
            return []
        counts = Counter(each.why for each in self.passed)
        parts = [f"{count} {_WORDS[why][count > 1]}" for why, count in counts.items()]
        places = [str(each.place._replace(field=None)) for each in self.passed]
        message = (
            f"passed over: {', '.join(parts)} ({some(places, _SHOWN)}); `netpol check -o json` "
            "lists them, and a file that is named is read in any case"
        )
        return [Finding("info", "passed-over", message, Location())]


class Again(NamedTuple):
    """An object that was read before, the same: what it is called, where it is, where it was."""

    label: str
    place: Location
    first: Source


def again_notes(again: Sequence[Again], what: str, advice: str = "") -> list[Finding]:
    """Say how much was read twice, in one line; ``what`` is what these are, many of them."""
    if not again:
        return []
    label, place, source = again[0]
    where = f"{source.file}:{source.line}"
    message = f"{label} was already read at {where}, the same"
    if len(again) > 1:
        message = (
            f"{len(again)} {what} were already read, each the same: the first is {label}, read "
            f"before at {where}"
        )
    message += f"; {advice}" if advice else ""
    return [Finding("info", "read-twice", message, place)]


def first_of(errors: Sequence[InputError], shown: int = 10) -> InputError:
    """Return the first error, with those that followed in its message, a line each."""
    first = errors[0]
    if len(errors) == 1:
        return first
    lines = [str(error) for error in errors[1:shown]]
    if len(errors) > shown:
        lines.append(f"and {len(errors) - shown} more: `netpol check` lists them")
    return type(first)("\n".join((first.message, *lines)), first.location)


def some(names: Sequence[str], limit: int = 5) -> str:
    """Return the first names and how many more there are."""
    shown = ", ".join(names[:limit])
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown
