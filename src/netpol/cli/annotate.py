"""Takes a ``Coverage``, gives its policy files with comments: joined, or each in a directory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from netpol.cli.errors import say
from netpol.model.errors import ConfigError, Location, ManifestError, OutputError

if TYPE_CHECKING:
    from netpol.questions.coverage.coverage import Coverage

__all__ = ["AnnotatedFile", "annotated_files", "joined", "write_files"]

_PACKED = (".gz", ".zst")


class AnnotatedFile(NamedTuple):
    """A policy file's name and its text with comments."""

    name: str
    text: str


def annotated_files(coverage: Coverage, *, quiet: bool) -> list[AnnotatedFile]:
    """Read the policy files again and annotate them.

    Raises
    ------
    ConfigError
        None of them can carry comments: they are JSON, or came from standard input.
    ManifestError
        A file cannot be read any more.
    """
    names = list(dict.fromkeys(policy.file for policy in coverage.policies if policy.file))
    found = list(_annotated(coverage, names, quiet))
    if not found:
        raise ConfigError(
            "no policy file can carry comments: JSON has none, and standard input is gone"
        )
    return found


def _annotated(coverage: Coverage, names: list[str], quiet: bool) -> Iterator[AnnotatedFile]:
    from netpol.kube.read.inputs import InputFile, read_input
    from netpol.report.text.annotated import annotated, comments_of

    for name in names:
        file = InputFile(name, Path(name))
        why = "JSON has no comments" if file.is_json else ""
        if name == "<stdin>":
            why = "it was read from standard input"
        if why:
            if not quiet:
                say("warning", f"{name}: not annotated: {why}")
            continue
        try:
            text = read_input(file).decode()
        except UnicodeDecodeError:
            raise ManifestError("not UTF-8, so it cannot be annotated", Location(name)) from None
        yield AnnotatedFile(name, annotated(text, comments_of(coverage, name)))


def joined(files: list[AnnotatedFile]) -> str:
    """Return one text; files are documents of it."""
    texts = [text if text.endswith("\n") else f"{text}\n" for _, text in files[:-1]]
    return "".join(f"{text}---\n" for text in texts) + files[-1].text


def write_files(files: list[AnnotatedFile], directory: str) -> None:
    """Write each file below a directory, at its place below what all of them have in common.

    Raises
    ------
    ConfigError
        A policy file would be overwritten.
    OutputError
        A file or directory cannot be written.
    """
    from netpol.report.records.files import output_file

    places = [Path(os.path.abspath(file.name)) for file in files]  # noqa: PTH100 - keeps links
    root = os.path.commonpath([str(place.parent) for place in places])
    targets = [Path(directory) / _unpacked(place.relative_to(root)) for place in places]
    for file, target in zip(files, targets, strict=True):
        if target.exists() and target.samefile(file.name):
            raise ConfigError(f"--annotate-dir: {target} is the policy file itself")
    for file, target in zip(files, targets, strict=True):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"{target.parent}: cannot be made: {error.strerror or error}"
            ) from error
        with output_file(str(target)) as sink:
            sink.write(file.text.encode())


def _unpacked(path: Path) -> Path:
    return path.with_suffix("") if path.suffix in _PACKED else path
