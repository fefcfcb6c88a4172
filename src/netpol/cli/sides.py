"""Takes two sides of a change as a command line names them, gives the policies of each.

What exists as a path is a path, ``none`` is no policies, anything else must be a git revision.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from netpol.cli import steps
from netpol.cli.errors import say
from netpol.model.errors import ConfigError, NothingThereError

if TYPE_CHECKING:
    from netpol.kube.policies import PolicySet
    from netpol.kube.read.inputs import InputFile
    from netpol.model.switches import Switches

__all__ = ["NONE", "Asked", "Sources", "read_sides", "sources_of"]

#: The word for a side without policies.
NONE = "none"
_SIDES = ("before", "after")


class Sources(NamedTuple):
    """Where to read the policies of a side.

    ``inputs`` are paths, and files read from revisions. ``said`` tells whether a person named any,
    so that there may be none of them; ``absent`` says what was named and is not there.
    """

    inputs: list[str | InputFile]
    said: bool
    absent: tuple[str, ...] = ()


class Asked(NamedTuple):
    """What the command line says of the policies of both sides.

    ``clusters`` are the manifests of each side's cluster, whose policies are those of a side that
    names none. ``only`` and ``without`` name policies of the first side: the second is these alone,
    without those.
    """

    before: tuple[str, ...]
    after: tuple[str, ...]
    policies: tuple[str, ...]
    clusters: tuple[tuple[str, ...], tuple[str, ...]]
    namespace: str
    exclude: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    ignore_kinds: str = ""


def read_sides(
    asked: Asked, switches: Switches, *, quiet: bool = False
) -> tuple[PolicySet, PolicySet]:
    """Read the policies of both sides, once if they are the same.

    A side may have none where a person named where to look; that is said, unless ``quiet``.

    Raises
    ------
    ConfigError
        Neither side has a policy, what is named is not there, or the cluster's policies are asked
        for and it has none.
    InputError
        A policy cannot be read or is not valid.
    """
    selects = bool(asked.only or asked.without)
    sources = sources_of(asked.before, asked.after, asked.policies, asked.exclude)
    read: dict[tuple[str | InputFile, ...], PolicySet] = {}
    sides = []
    for name, source, cluster in zip(_SIDES, sources, asked.clusters, strict=True):
        inputs = tuple(source.inputs) if source.said else cluster
        if inputs not in read:
            read[inputs] = _read(name, source, cluster, switches, asked)
        sides.append(read[inputs])
        if selects:
            sides.append(_selected(sides[0], asked))
            break
    if selects:
        sources = (sources[0], Sources([], said=True))
    if not any(map(len, sides)):
        raise ConfigError("neither side has a policy: there is nothing to compare")
    if not quiet:
        for name, source, policies in zip(_SIDES, sources, sides, strict=True):
            _say_what_lacks(name, source, policies)
    return sides[0], sides[1]


def _read(
    name: str, source: Sources, cluster: tuple[str, ...], switches: Switches, asked: Asked
) -> PolicySet:
    if source.said and not source.inputs:
        from netpol.kube.policies import PolicySet

        return PolicySet()
    try:
        return steps.policies_of(
            source.inputs,
            cluster,
            switches=switches,
            namespace=asked.namespace,
            exclude=asked.exclude,
            ignore_kinds=asked.ignore_kinds,
            allow_empty=source.said,
        )
    except ConfigError as error:
        if source.said:
            raise
        # Who made the dump may not have asked for policies, so that there are none must be said.
        raise ConfigError(f"{error}, or say --{name} {NONE} if there are none") from None


def _selected(policies: PolicySet, asked: Asked) -> PolicySet:
    from netpol.policy.selecting import only, without

    chosen = only(policies, asked.only) if asked.only else policies
    return without(chosen, asked.without) if asked.without else chosen


def _say_what_lacks(name: str, source: Sources, policies: PolicySet) -> None:
    """Say that a side has no policies, and which of its paths a revision does not have."""
    absent = "; ".join(source.absent)
    if not len(policies):
        why = f" ({absent})" if absent else ""
        say("warning", f"{name}: no policies{why}, so nothing is denied")
    elif absent:
        say("warning", f"{name}: {absent}")


def sources_of(
    before: Sequence[str],
    after: Sequence[str],
    policies: Sequence[str],
    exclude: Sequence[str] = (),
) -> tuple[Sources, Sources]:
    """Return where to read the policies of both sides.

    Parameters
    ----------
    before, after
        Paths, ``-``, ``none``, ``REV`` or ``REV:path``; none at all means ``policies``.
    policies
        Paths of a side that names none, and what a revision without a path is read for; where there
        are none, the paths of the other side.
    exclude
        Patterns of what is left out of directories, in revisions too.

    Raises
    ------
    ConfigError
        Something is neither a path nor a revision, or a revision has nothing to be read for; or
        ``none`` stands beside something else.
    ManifestError
        What stands in a revision cannot be read.
    """
    paths = [[word for word in side if _is_path(word)] for side in (before, after)]
    return (
        _sources(before or policies, policies or paths[1], exclude),
        _sources(after or policies, policies or paths[0], exclude),
    )


def _is_path(word: str) -> bool:
    return word == "-" or os.path.lexists(word)


def _sources(side: Sequence[str], read_for: Sequence[str], exclude: Sequence[str]) -> Sources:
    inputs: list[str | InputFile] = []
    absent: list[str] = []
    for word in side:
        if _is_path(word):
            inputs.append(word)
        elif word != NONE:
            found, missing = _from_revision(word, read_for, exclude)
            inputs += found
            absent += missing
        elif len(side) > 1:
            raise ConfigError(f"{NONE} means no policies, and stands alone")
    return Sources(inputs, bool(side), tuple(absent))


def _from_revision(
    word: str, read_for: Sequence[str], exclude: Sequence[str]
) -> tuple[list[InputFile], list[str]]:
    """Return the files of a revision, and what it lacks."""
    from netpol.kube.read.globs import Globs
    from netpol.kube.read.revisions import find_revision, revision_files

    try:
        revision = find_revision(word)
    except ConfigError as error:
        raise ConfigError(f"{error}; {NONE!r} is a side without policies") from None
    wanted = [path for path in read_for if path != "-"]
    if revision.path is None and not wanted:
        raise ConfigError(
            f"{word}: name the paths to read in this revision, with --policies or as {word}:PATH"
        )
    found: dict[str, InputFile] = {}
    absent = []
    for path in wanted if revision.path is None else [revision.path]:
        try:
            files = revision_files(revision, [path], Globs(exclude))
        except NothingThereError as error:
            absent.append(str(error))
        else:
            found |= {file.name: file for file in files}
    return list(found.values()), absent
