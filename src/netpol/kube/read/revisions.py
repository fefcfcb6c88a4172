"""Takes a git revision and paths, gives the manifest files that stand there in that revision.

Objects are read from the repository itself (``git ls-tree``, ``git cat-file``): neither the work
tree nor the index is looked at or touched, and nothing is fetched. git is run without a shell, and
is only ever given a full object name that it named itself, never what a person typed, save once,
where no option can be meant.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from typing import IO, NamedTuple

from netpol.io.cleanup import begin
from netpol.kube.read.content import max_manifest_bytes
from netpol.kube.read.globs import Globs
from netpol.kube.read.inputs import InputFile, is_hidden, is_manifest, nothing_found
from netpol.model.errors import ConfigError, Location, ManifestError, NothingThereError

__all__ = ["Revision", "find_revision", "revision_files"]

_GIT = ("git", "--no-pager")
_OBJECT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_FILE_MODES = (b"100644", b"100755", b"100664")
_LINK_MODE, _SUBMODULE_MODE = b"120000", b"160000"
_ENVIRONMENT = {
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}


class Revision(NamedTuple):
    """A commit of a repository: as it was written, its object name, and where it is.

    ``path`` is what was written after a colon, None without one; from the root of the repository,
    or from the current directory if it begins with ``./`` or ``../``, as git has it.
    """

    name: str
    commit: str
    root: str
    path: str | None = None


def find_revision(text: str) -> Revision:
    """Return the revision that ``REV`` or ``REV:path`` means in the current directory's repository.

    Raises
    ------
    ConfigError
        There is no git, no repository here, or no such revision.
    """
    name, colon, path = text.partition(":")
    if not name or name.startswith("-") or not name.isprintable():
        raise ConfigError(f"{text}: no such file, and not the name of a revision")
    try:
        root = _git("rev-parse", "--show-toplevel").decode(errors="surrogateescape")
    except _GitError as error:
        raise ConfigError(f"{text}: no such file, and no revision: {error}") from None
    try:
        words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        commit = _git(*words).decode().strip()
    except _GitError as error:
        what = str(error) or "the repository has no such revision"
        raise ConfigError(f"{text}: no such file, and no revision: {what}") from None
    if not _OBJECT.fullmatch(commit):
        raise ConfigError(f"{text}: not the name of one revision")
    return Revision(name, commit, root.removesuffix("\n"), path if colon else None)


def revision_files(
    revision: Revision, paths: Sequence[str], exclude: Globs | None = None
) -> list[InputFile]:
    """Return the manifests below ``paths`` as they stand in a revision, called ``REV:path``.

    Parameters
    ----------
    revision : Revision
        Its own ``path``, if it has one, is used instead of ``paths``.
    paths : sequence of str
        Paths as they are given in the current directory; they need not exist there.
    exclude : Globs, optional
        What is left out of directories, by its path from there or from the repository's root.

    Raises
    ------
    NothingThereError
        A path is not in the revision or has no manifest in it.
    ManifestError
        It cannot be read, or is no file.
    """
    if revision.path is not None:
        places = [_written_place(revision, revision.path)]
    else:
        places = [_place(revision, path) for path in paths]
    found: dict[str, bytes] = {}
    for place in places:
        found |= dict(_entries(revision, place, exclude or Globs()))
    contents = _contents(revision, found)
    return [
        InputFile(f"{revision.name}:{path}", None, data, found=path not in places)
        for path, data in zip(found, contents, strict=True)
    ]


def _place(revision: Revision, path: str) -> str:
    """Return a path of the current directory as one of the repository."""
    # The directory's links are resolved, the file's own are not: it may be gone, or be another.
    folder, name = os.path.split(os.path.abspath(path))  # noqa: PTH100
    whole = os.path.join(os.path.realpath(folder), name)  # noqa: PTH118
    place = os.path.relpath(whole, os.path.realpath(revision.root))
    if place.split(os.sep, 1)[0] == os.pardir:
        raise ManifestError("not in the repository", Location(f"{revision.name}:{path}"))
    return "" if place == os.curdir else place


def _written_place(revision: Revision, path: str) -> str:
    if path.startswith(("./", "../")) or path in (".", ".."):
        return _place(revision, path)
    place = os.path.normpath(path) if path else ""
    if place.startswith((os.pardir, os.sep)):
        raise ManifestError("not in the repository", Location(f"{revision.name}:{path}"))
    return "" if place == os.curdir else place


def _entries(revision: Revision, place: str, exclude: Globs) -> Iterator[tuple[str, bytes]]:
    """Yield the manifests at or below a place, each with what to ask ``git cat-file`` for."""
    where = Location(f"{revision.name}:{place}")
    words = ["ls-tree", "-r", "-z", "--full-tree", revision.commit]
    try:
        listed = _git(*words, *(["--", place] if place else []))
    except _GitError as error:
        raise ManifestError(f"cannot be read: {error}", where) from None
    entries = [_entry(line) for line in listed.split(b"\0") if line]
    if not entries:
        raise NothingThereError("not in this revision", where)
    entries = [entry for entry in entries if not _left_out(entry.path, place, exclude)]
    named = [entry for entry in entries if entry.path == place or is_manifest(entry.path)]
    for entry in entries:
        if entry.mode == _SUBMODULE_MODE:
            raise ManifestError(
                "is a submodule, which the repository does not hold; name other paths",
                Location(f"{revision.name}:{entry.path}"),
            )
    if not named:
        raise NothingThereError(nothing_found(exclude), where)
    for entry in sorted(named, key=lambda entry: entry.path):
        if entry.mode in _FILE_MODES:
            yield entry.path, entry.object
        elif entry.mode == _LINK_MODE and "\n" not in entry.path:
            path = entry.path.encode(errors="surrogateescape")
            yield entry.path, revision.commit.encode() + b":" + path
        else:
            raise ManifestError("is no file", Location(f"{revision.name}:{entry.path}"))


def _left_out(path: str, place: str, exclude: Globs) -> bool:
    """Say so of what is hidden or excluded below a directory; what is named is never left out."""
    if path == place:
        return False
    below = path[len(place) + 1 :] if place else path
    return is_hidden(below) or (bool(exclude) and exclude.match(path, below))


class _Entry(NamedTuple):
    mode: bytes
    object: bytes
    path: str


def _entry(line: bytes) -> _Entry:
    about, _, path = line.partition(b"\t")
    mode, _, name = about.split(b" ")
    return _Entry(mode, name, path.decode(errors="surrogateescape"))


def _contents(revision: Revision, wanted: dict[str, bytes]) -> Iterator[bytes]:
    """Yield the content of every object, in order; their size is known before they are read."""
    words = ("cat-file", "--batch", "--follow-symlinks")
    left = max_manifest_bytes()
    with tempfile.TemporaryFile() as asked:
        asked.writelines(name + b"\n" for name in wanted.values())
        asked.seek(0)
        with _running(revision, words, asked) as answer:
            for path in wanted:
                where = Location(f"{revision.name}:{path}")
                head = answer.readline().split()
                if len(head) != 3 or head[1] != b"blob":
                    raise ManifestError(
                        "is a symbolic link to no file of this revision, or missing from the "
                        "repository",
                        where,
                    )
                size = int(head[2])
                left -= size
                if left < 0:
                    raise ManifestError(
                        f"has {size} bytes; the manifests of a revision have at most "
                        f"{max_manifest_bytes()} bytes together (--max-manifest)",
                        where,
                    )
                yield answer.read(size + 1)[:-1]


@contextlib.contextmanager
def _running(revision: Revision, words: Sequence[str], given: IO[bytes]) -> Iterator[IO[bytes]]:
    """Run git and give what it writes; whoever has read enough may leave."""

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603
            [*_GIT, *words],
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=revision.root,
            env=os.environ | _ENVIRONMENT,
        )

    try:
        process, ending = begin(start, subprocess.Popen.kill)
    except (OSError, ValueError) as error:
        raise ManifestError(
            f"cannot be read: git cannot be run: {error}", Location(revision.name)
        ) from None
    try:
        assert process.stdout is not None
        yield process.stdout
    finally:
        process.kill()
        process.communicate()
        ending.finished()


class _GitError(Exception):
    """git could not be run or refused; the text is its first line."""


def _git(*words: str) -> bytes:
    command = [*_GIT, *words]
    try:
        code, out, said = _run(command)
    except FileNotFoundError:
        raise _GitError("git is not installed") from None
    except (OSError, ValueError) as error:
        raise _GitError(f"git cannot be run: {error}") from None
    if code:
        lines = said.decode(errors="replace").strip().splitlines()
        raise _GitError(lines[0].removeprefix("fatal: ") if lines else "")
    return out


def _run(command: list[str]) -> tuple[int, bytes, bytes]:
    """Run a child that ends with us; give its exit code and what it wrote."""

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | _ENVIRONMENT,
        )

    child, ending = begin(start, subprocess.Popen.kill)
    with child:
        try:
            out, said = child.communicate()
        except BaseException:
            child.kill()
            raise
        finally:
            ending.finished()
    return child.returncode, out, said
