"""Takes two sides of a change as a command line names them, gives where to read their policies.

What exists as a path is a path; anything else must be a git revision.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from netpol.errors import ConfigError

if TYPE_CHECKING:
    from netpol.kube.inputs import InputFile

__all__ = ["sources_of"]

Sources = list["str | InputFile"]


def sources_of(
    before: Sequence[str],
    after: Sequence[str],
    policies: Sequence[str],
    exclude: Sequence[str] = (),
) -> tuple[Sources, Sources]:
    """Give paths, and files read from revisions, of both sides.

    Parameters
    ----------
    before, after
        Paths, ``-``, ``REV`` or ``REV:path``; none at all means ``policies``.
    policies
        Paths of a side that names none, and what a revision without a path is read for; where there
        are none, the paths of the other side.
    exclude
        Patterns of what is left out of directories, in revisions too.

    Raises
    ------
    ConfigError
        Something is neither a path nor a revision, or a revision has nothing to be read for.
    ManifestError
        A path is not in a revision, or has no manifest there.
    """
    paths = [[word for word in side if _is_path(word)] for side in (before, after)]
    return (
        _sources(before or policies, policies or paths[1], exclude),
        _sources(after or policies, policies or paths[0], exclude),
    )


def _is_path(word: str) -> bool:
    return word == "-" or os.path.lexists(word)


def _sources(side: Sequence[str], read_for: Sequence[str], exclude: Sequence[str]) -> Sources:
    sources: Sources = []
    for word in side:
        sources += [word] if _is_path(word) else _from_revision(word, read_for, exclude)
    return sources


def _from_revision(
    word: str, read_for: Sequence[str], exclude: Sequence[str]
) -> Sequence[InputFile]:
    from netpol.kube.globs import Globs
    from netpol.kube.revisions import find_revision, revision_files

    revision = find_revision(word)
    wanted = [path for path in read_for if path != "-"]
    if revision.path is None and not wanted:
        raise ConfigError(
            f"{word}: name the paths to read in this revision, with --policies or as {word}:PATH"
        )
    return revision_files(revision, wanted, Globs(exclude))
