"""Takes whatever a command raised, gives one message on stderr and an exit code."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

import click

from netpol.io import cleanup as unfinished
from netpol.model.errors import CapacityError, ConfigError, NetpolError, OutputError
from netpol.model.text import escape_controls

__all__ = [
    "EXIT_FINDINGS",
    "EXIT_INTERRUPTED",
    "EXIT_PIPE",
    "EXIT_USAGE",
    "exit_codes",
    "flush_or_drop",
    "say",
]

EXIT_FINDINGS = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130  # as a shell reports SIGINT
EXIT_PIPE = 141  # as a shell reports SIGPIPE

#: What is no bug, and shown alike where one looks for bugs.
_EXPECTED = (click.ClickException, click.Abort, BrokenPipeError)
#: What a command without arguments ends with, of our own words alone (click has it since 8.2).
_HELP: Any = getattr(click.exceptions, "NoArgsIsHelpError", ())


def say(kind: str, message: str) -> None:
    """Write ``netpol: kind: message`` to stderr, what is hidden as escapes.

    Only errors have line breaks of their own. No line of theirs passes for another message, nor,
    beginning with ``::``, for a command to what runs a CI job.
    """
    own = message.split("\n") if kind == "error" else [message]
    click.echo(f"netpol: {kind}: " + "\n  ".join(map(_shown, own)), err=True)


def _shown(line: str) -> str:
    text = escape_controls(line)
    return text.replace("::", "\\x3a:", 1) if text.lstrip().startswith("::") else text


@contextlib.contextmanager
def exit_codes() -> Iterator[None]:
    """Turn every end of the block into an exit code, every failure into a message as well.

    Never a traceback, and never a gate's code where what was written did not go out.
    ``NETPOL_DEBUG=1`` lets errors through as they are.
    """
    try:
        try:
            with _plain_usage_errors():
                yield
        except click.exceptions.Exit:
            _flush()
            raise
        _flush()
    except click.exceptions.Exit:
        raise
    except Exception as error:
        unfinished.wait_if_ending()
        if os.environ.get("NETPOL_DEBUG") and not isinstance(error, _EXPECTED):
            raise
        raise click.exceptions.Exit(_told(error)) from None
    except KeyboardInterrupt:
        raise click.exceptions.Exit(_told(click.Abort())) from None


def _told(error: Exception) -> int:
    """Say what went wrong, if somebody still listens, and give the exit code."""
    code = EXIT_USAGE
    try:
        if isinstance(error, click.ClickException):
            code = error.exit_code
            _show(error)
        elif isinstance(error, click.Abort):
            code = EXIT_INTERRUPTED
            say("error", "interrupted")
        elif isinstance(error, BrokenPipeError):
            code = EXIT_PIPE
        else:
            say("error", _message(error))
    except OSError:
        pass  # stderr takes nothing; the exit code says it
    for stream in (sys.stdout, sys.stderr):
        flush_or_drop(stream)
    return code


def _show(error: click.ClickException) -> None:
    """Show an error of usage as click does, with control characters escaped."""
    shown = io.StringIO()
    error.show(shown)
    lines = shown.getvalue().split("\n")
    click.echo("\n".join(escape_controls(line) for line in lines), err=True, nl=False)


def _flush() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"standard output: cannot be written: {reason}") from error


@contextlib.contextmanager
def _plain_usage_errors() -> Iterator[None]:
    """Show what is hidden of what click quotes, and cut what is too long to be read."""
    try:
        yield
    except click.UsageError as error:
        shown = escape_controls(error.format_message())
        if isinstance(error, _HELP) or shown == error.format_message():
            raise
        raise click.UsageError(shown, error.ctx) from None


def _message(error: Exception) -> str:
    if isinstance(error, ConfigError | OutputError | CapacityError):
        return escape_controls(str(error))  # names of files and options, no line breaks of ours
    if isinstance(error, NetpolError):
        return str(error)
    if isinstance(error, OSError):
        # Whatever else is read or written has a name, or an error of its own.
        nameless = "standard output: cannot be written"
        place = f"{nameless if error.filename is None else error.filename}: "
        return escape_controls(f"{place}{error.strerror or error}")
    if isinstance(error, MemoryError) or str(error) == "can't start new thread":
        return "out of memory; give less, or a smaller --memory-budget"
    return (
        f"this is a bug: {type(error).__name__}: {error}\n"
        "NETPOL_DEBUG=1 shows where; please report it"
    )


def flush_or_drop(stream: TextIO) -> int:
    """Write out what a stream holds; give 0, or the exit code where it takes nothing.

    It then leads nowhere, so that Python's flush at exit cannot fail a second time.
    """
    try:
        stream.flush()
    except (OSError, ValueError) as error:
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
        return EXIT_PIPE if isinstance(error, BrokenPipeError) else EXIT_USAGE
    return 0
