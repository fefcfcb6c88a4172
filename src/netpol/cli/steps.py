"""What commands that judge flows do alike: open the output, read policies, show progress."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, TextIO

import click

from netpol.io.cleanup import begin
from netpol.io.terminal import size_of, takes_escapes
from netpol.model.errors import ConfigError, ManifestError
from netpol.model.text import escape_controls

if TYPE_CHECKING:
    from netpol.kube.policies import PolicySet
    from netpol.kube.read.inputs import Paths
    from netpol.model.switches import Switches
    from netpol.report.records.files import OutputSink

__all__ = [
    "RECORDS",
    "encoded",
    "opened_output",
    "policies_of",
    "print_beside",
    "print_text",
    "progress",
    "refuse_garbage",
    "shown_source",
    "stdin_twice",
    "text_target",
]

#: Formats with one record per flow.
RECORDS = ("csv", "jsonl", "arrow", "parquet")
_BINARY = ("arrow", "parquet")

#: Escapes that clear a line of progress and show the cursor again.
_AS_BEFORE = b"\r\x1b[2K\x1b[?25h"

AsText = Callable[[TextIO], str]


def _to_stdout(output_file: str | None) -> bool:
    return output_file in (None, "-")


def refuse_garbage(output: str, output_file: str | None, csv_cells: str = "safe") -> None:
    """Refuse to write to a terminal what is binary, or may hold what a terminal acts on."""
    if not (_to_stdout(output_file) and sys.stdout.isatty()):
        return
    if output in _BINARY:
        what = f"{output} is binary and would garble the terminal"
    elif output == "csv" and csv_cells == "exact":
        what = "--csv-cells exact writes what a terminal may act on"
    else:
        return
    raise click.UsageError(f"{what}; give --output-file, or pipe it somewhere")


def opened_output(path: str | None) -> AbstractContextManager[OutputSink]:
    """Open ``--output-file`` or stdout; a file appears whole or not at all."""
    from netpol.report.records.files import output_file, standard_output

    return standard_output() if path is None or path == "-" else output_file(path)


def text_target(output_file: str | None) -> TextIO:
    """Return what text is laid out for: stdout, or something that is no terminal."""
    return sys.stdout if _to_stdout(output_file) else io.StringIO()


def encoded(as_text: AsText, target: TextIO) -> bytes:
    """Return text as it should be written on ``target``."""
    return as_text(target).encode(target.encoding or "utf-8", errors="backslashreplace")


def print_text(text: str | bytes) -> None:
    """Print on stdout; what its encoding lacks comes as escapes, bytes as they are."""
    if isinstance(text, str):
        text = text.encode(sys.stdout.encoding or "utf-8", errors="backslashreplace")
    click.echo(text, nl=False)


def shown_source(text: str, output_file: str | None) -> bytes:
    """Return the text of manifests: as it is, save on a terminal, where what is hidden is shown."""
    if _to_stdout(output_file) and sys.stdout.isatty():
        parts = re.split("(\r?\n|\t)", text)
        text = "".join(part if part.isspace() else escape_controls(part) for part in parts)
    return text.encode()


def print_beside(as_text: AsText) -> None:
    """Print a summary on stderr, beside records on stdout."""
    sys.stderr.write(encoded(as_text, sys.stderr).decode(errors="replace"))


def policies_of(
    policies: Paths,
    cluster: tuple[str, ...],
    *,
    switches: Switches,
    namespace: str,
    exclude: tuple[str, ...] = (),
    ignore_kinds: str,
    allow_empty: bool = False,
) -> PolicySet:
    """Read the policies that are named; if none are, those among the cluster.

    What is not judged is refused among those that are named, unless ``ignore_kinds`` lists it.
    ``allow_empty`` as ``read_policies`` has it.
    """
    from netpol.kube.policies import read_policies

    try:
        return read_policies(
            policies or cluster,
            switches=switches,
            namespace=namespace,
            exclude=exclude,
            ignore_kinds=ignore_kinds if policies else True,
            allow_empty=allow_empty,
        )
    except ManifestError as error:
        if policies or not error.message.startswith("no network policy"):
            raise
        raise ConfigError(f"{error}; name the policies with --policies") from None


@contextlib.contextmanager
def stdin_twice(*, needed: bool) -> Iterator[None]:
    """Keep a snapshot on stdin, so that the policies among it can be read afterwards."""
    if not needed:
        yield
        return
    from netpol.kube.read.content import read_limited

    data = read_limited("<stdin>", None)
    sys.stdin = io.TextIOWrapper(io.BytesIO(data))
    yield
    sys.stdin = io.TextIOWrapper(io.BytesIO(data))


@contextlib.contextmanager
def progress(*, quiet: bool) -> Iterator[Callable[[int], None] | None]:
    """Show on stderr how far the work is, if somebody watches on a terminal that can redraw."""
    if quiet or not takes_escapes(sys.stderr):
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} flows"), TimeElapsedColumn())
    width, height = size_of(sys.stderr)
    console = Console(stderr=True, width=width, height=height)
    terminal = sys.stderr.fileno()
    _, ending = begin(lambda: terminal, lambda it: os.write(it, _AS_BEFORE))
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task("", total=None)
        yield lambda records: shown.update(task, completed=records)
    ending.finished()
