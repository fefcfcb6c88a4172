"""Takes whatever a command raised, gives one message on stderr and an exit code."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

import click

from netpol.errors import CapacityError, ConfigError, NetpolError, OutputError
from netpol.text import escape_controls

__all__ = ["EXIT_FINDINGS", "EXIT_INTERRUPTED", "EXIT_PIPE", "EXIT_USAGE", "exit_codes", "say"]

EXIT_FINDINGS = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130  # as a shell reports SIGINT
EXIT_PIPE = 141  # as a shell reports SIGPIPE

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
    """Turn every failure of the block into a message and an exit code; never a traceback.

    ``NETPOL_DEBUG=1`` lets errors through as they are.
    """
    try:
        yield
        sys.stdout.flush()
    except click.UsageError as error:
        shown = escape_controls(error.format_message())
        if isinstance(error, _HELP) or shown == error.format_message():
            raise
        raise click.UsageError(shown, error.ctx) from None
    except (click.ClickException, click.exceptions.Exit):
        raise
    except (KeyboardInterrupt, click.Abort):
        say("error", "interrupted")
        raise click.exceptions.Exit(EXIT_INTERRUPTED) from None
    except BrokenPipeError:
        _drop_stdout()
        raise click.exceptions.Exit(EXIT_PIPE) from None
    except Exception as error:
        if os.environ.get("NETPOL_DEBUG"):
            raise
        say("error", _message(error))
        _drop_stdout()
        raise click.exceptions.Exit(EXIT_USAGE) from None


def _message(error: Exception) -> str:
    if isinstance(error, ConfigError | OutputError | CapacityError):
        return escape_controls(str(error))  # names of files and options, no line breaks of ours
    if isinstance(error, NetpolError):
        return str(error)
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename is not None else ""
        return escape_controls(f"{place}{error.strerror or error}")
    if isinstance(error, MemoryError):
        return "out of memory; give less, or a smaller --memory-budget"
    return (
        f"this is a bug: {type(error).__name__}: {error}\n"
        "NETPOL_DEBUG=1 shows where; please report it"
    )


def _drop_stdout() -> None:
    """Point stdout to nowhere, so that Python's flush at exit cannot fail a second time."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
