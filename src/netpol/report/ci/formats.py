"""Takes what a command found, gives it in the format a CI system reads: one function a format.

Paths become relative to the repository first, so that no output holds a path of the machine and
fingerprints are the same wherever the repository lies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from netpol.report.ci import github, junit, markdown, sarif
from netpol.report.ci.heading import Heading
from netpol.report.ci.paths import Repository
from netpol.report.words.annotations import Annotation, Level

__all__ = ["Heading", "render"]

_LEVELS: tuple[Level, ...] = ("error", "warning", "note")

_RENDERERS: dict[str, Callable[[Sequence[Annotation], Heading], str]] = {
    "github": github.render,
    "sarif": sarif.render,
    "junit": junit.render,
    "markdown": markdown.render,
}


def render(output: str, annotations: Sequence[Annotation], heading: Heading) -> str:
    """Return the findings in one of ``formats.CI_FORMATS``, the gravest first."""
    repository = Repository.around()
    placed = [
        replace(each, file=None if each.file is None else repository.relative(each.file))
        for each in annotations
    ]
    placed.sort(key=lambda each: _LEVELS.index(each.level))
    return _RENDERERS[output](placed, heading)
