"""Takes what a command found as sections, gives the page that ``--report`` names.

A command opens its page before it reads anything, so that a page that cannot be written, or made,
is found before the work; the page appears whole or not at all.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from netpol.cli.options import ARGUMENTS, OutputPath, env_option
from netpol.kube.read.filenames import is_manifest
from netpol.model.errors import ConfigError

if TYPE_CHECKING:
    from netpol.cli.digests import InputWatch
    from netpol.report.html.provenance import Provenance
    from netpol.report.html.sections import Section
    from netpol.report.records.files import OutputSink

__all__ = ["ReportFile", "check_outputs", "report_file", "report_option"]


def report_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--report``."""
    return env_option(
        "--report",
        type=OutputPath(),
        metavar="FILE",
        help="Also write a page for a browser: one file that loads nothing (docs/report.md).",
    )(command)


def check_outputs(
    report: str | None, output_file: str | None, inputs: Mapping[str, Sequence[str]]
) -> None:
    """Refuse a page that makes no sense, and an output that would replace what is read."""
    for option, path in (("--report", report), ("--output-file", output_file)):
        if path == "":
            raise click.UsageError(f"{option} names no file")
        if path not in (None, "-"):
            _refuse_input(option, path, [*inputs.values(), _settings_file()])
    if report == "-":
        raise click.UsageError("--report writes a file; name one")
    if report is not None and output_file not in (None, "-"):
        both = {os.path.realpath(path) for path in (report, output_file) if path}
        if len(both) == 1:
            raise click.UsageError("--report and --output-file name the same file")


def _refuse_input(option: str, path: str, inputs: Sequence[Sequence[str]]) -> None:
    """Refuse an output that is a file that is read, or one in a directory that is."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return  # it would be new, or cannot be written, which is found later
    if not stat.S_ISREG(status.st_mode):
        return
    for name in (name for given in inputs for name in given if name != "-"):
        with suppress(OSError, ValueError):
            read = os.stat(name)  # noqa: PTH116
            below = os.path.realpath(path).startswith(os.path.join(os.path.realpath(name), ""))  # noqa: PTH118
            if os.path.samestat(status, read) or (
                stat.S_ISDIR(read.st_mode) and below and is_manifest(path)
            ):
                raise click.UsageError(f"{option} would replace {path}, which is read")


class ReportFile:
    """The page to be written; ``write`` is called once."""

    def __init__(self, sink: OutputSink, watch: InputWatch) -> None:
        self._sink = sink
        self._watch = watch

    def write(
        self,
        title: str,
        lead: str,
        sections: Sequence[Section],
        switches: Mapping[str, Any] | None = None,
        notice: str = "",
    ) -> None:
        """Write the page; how it was made is added as its last section.

        Parameters
        ----------
        title, lead : str
            Its heading, and a sentence that says what was found.
        sections : sequence of Section
            In their order.
        switches : mapping, optional
            What was judged with, by name.
        notice : str
            What limits all that is said, if anything does; it stands above the findings.
        """
        from netpol.report.html.page import Page, render
        from netpol.report.html.provenance import provenance

        made = _provenance(self._watch)
        whole = (*sections, provenance(made, switches))
        self._sink.write(render(Page(title, lead, whole, made.version, made.generated, notice)))


@contextmanager
def report_file(
    path: str | None, inputs: Mapping[str, Sequence[str]], exclude: Sequence[str] = ()
) -> Iterator[ReportFile | None]:
    """Open the page of ``--report``, None without.

    Parameters
    ----------
    path : str or None
        Where.
    inputs : mapping
        The paths of each role: what is read of them while the block runs is watched.
    exclude : sequence of str, optional
        Patterns of what is left out of directories.

    Raises
    ------
    MissingExtraError
        The extra ``report`` is not installed.
    OutputError
        The file cannot be written.
    """
    if path is None:
        yield None
        return
    from netpol.cli.digests import watched
    from netpol.report.html.page import require_extra
    from netpol.report.records.files import output_file

    require_extra()
    named = {**inputs, "settings": _settings_file()}
    with output_file(path) as sink, watched(named, exclude) as watch:
        yield ReportFile(sink, watch)


def _provenance(watch: InputWatch) -> Provenance:
    import netpol
    from netpol.report.html.provenance import Provenance

    context = click.get_current_context()
    words = context.find_root().meta.get(ARGUMENTS, ())
    return Provenance(
        command=shlex.join(["netpol", *words]),
        environment=tuple(
            f"{name}={shlex.quote(value)}"
            for name, value in sorted(os.environ.items())
            if name.startswith("NETPOL_")
        ),
        settings=tuple(
            f"{name} = {context.params[name]!r}"
            for name in sorted(context.params)
            if context.get_parameter_source(name) is ParameterSource.DEFAULT_MAP
        ),
        inputs=tuple(watch.digests()),
        version=netpol.__version__,
        generated=_now(),
    )


def _settings_file() -> list[str]:
    given = click.get_current_context().find_root().params.get("config") or "netpol.toml"
    return [given] if os.path.isfile(given) else []  # noqa: PTH113


def _now() -> datetime:
    """Return the time, or the one that reproducible builds ask for."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if not epoch:
        return datetime.now(UTC).replace(microsecond=0)
    try:
        return datetime.fromtimestamp(int(epoch), UTC)
    except (ValueError, OverflowError, OSError):
        raise ConfigError(f"SOURCE_DATE_EPOCH: {epoch!r} is no time") from None
