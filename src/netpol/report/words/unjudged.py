"""Takes policies that are not judged, gives what every output says of them."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from netpol.kube.unjudged import Unjudged, UnjudgedCount
from netpol.model.verdict import Verdict
from netpol.report.words.annotations import Annotation
from netpol.report.words.layout import shown
from netpol.report.words.wording import STYLES

__all__ = [
    "HERE",
    "of_sides",
    "print_unjudged",
    "unjudged_annotations",
    "unjudged_counts",
    "unjudged_document",
]

#: Where no list of policies stands above the sentence.
HERE = "that are judged"


def of_sides(sides: tuple[Unjudged, Unjudged], names: tuple[str, str], where: str = "above") -> str:
    """Return the sentence of two sides, each by itself where they are not the same; "" for none."""
    before, after = sides
    if set(before.objects) == set(after.objects):
        return after.sentence(where)
    words = [
        f"{name} {side.listed if side else 'none'}" for name, side in zip(names, sides, strict=True)
    ]
    return f"not judged are {', '.join(words)}: allow means allowed by the policies {where}"


def print_unjudged(sentence: str, console: Console) -> None:
    """Print the sentence, if there is anything to say."""
    if sentence:
        console.print(Text(shown(sentence), style=STYLES[Verdict.UNKNOWN]))


def unjudged_document(unjudged: Unjudged) -> list[dict[str, Any]]:
    """Return how many there are of each kind, for JSON."""
    return [
        {
            "group": each.group,
            "kind": each.kind,
            "count": each.count,
            "file": each.file,
            "line": each.line,
        }
        for each in unjudged.counts
    ]


def unjudged_counts(unjudged: Unjudged) -> tuple[str, ...]:
    """Return what stands among the counts of a CI format.

    ``12 CiliumNetworkPolicies not judged``.
    """
    return (f"{unjudged.listed} not judged",) if unjudged else ()


def unjudged_annotations(unjudged: Unjudged) -> list[Annotation]:
    """Return a note for each kind, at the first of its policies."""
    return [_annotation(each) for each in unjudged.counts]


def _annotation(each: UnjudgedCount) -> Annotation:
    verb = "is" if each.count == 1 else "are"
    return Annotation(
        level="note",
        code="not-judged",
        title="Policies not judged",
        message=f"{each.text} {verb} not judged: allow means allowed by the policies {HERE}",
        file=each.file,
        line=each.line,
        identity=(each.group, each.kind),
    )
