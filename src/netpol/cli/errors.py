"""Takes whatever a command raised, gives one message on stderr and an exit code."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import TextIO

import click

from netpol import unfinished
from netpol.brevity import MAX_WORD, shortened
from netpol.errors import NetpolError, OutputError
from netpol.text import escape_controls

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


def say(kind: str, message: str) -> None:
    """Write ``netpol: kind: message`` to stderr, with control characters escaped."""
    lines = [escape_controls(line) for line in message.splitlines()]
    click.echo(f"netpol: {kind}: " + "\n  ".join(lines), err=True)


@contextlib.contextmanager
def exit_codes() -> Iterator[None]:
    """Turn every end of the block into an exit code, every failure into a message as well.

    Never a traceback, and never a gate's code where what was written did not go out.
    ``NETPOL_DEBUG=1`` lets errors through as they are.
    """
    try:
        try:
            with short_usage_errors():
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
def short_usage_errors() -> Iterator[None]:
    """Cut what click quotes: a word of the command line or of netpol.toml of any length."""
    try:
        yield
    except click.UsageError as error:
        message = error.format_message()
        if len(message) <= MAX_WORD:
            raise
        raise click.UsageError(shortened(message), error.ctx) from None


def _message(error: Exception) -> str:
    if isinstance(error, NetpolError):
        return str(error)
    if isinstance(error, OSError):
        # Whatever else is read or written has a name, or an error of its own.
        nameless = "standard output: cannot be written"
        place = f"{nameless if error.filename is None else error.filename}: "
        return f"{place}{error.strerror or error}"
    if isinstance(error, MemoryError):
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
