"""The commands: where each lives and its line in ``netpol --help``, known without importing it."""

from __future__ import annotations

from importlib import import_module

import click

__all__ = ["COMMANDS", "command_of"]

#: By name: "module:function", and the line of ``netpol --help``.
COMMANDS = {
    "check": (
        "netpol.cli.commands.check:check",
        "Check policies as the API server would, and warn.",
    ),
    "completion": (
        "netpol.cli.commands.completion:completion",
        "Print the shell completion script.",
    ),
    "coverage": (
        "netpol.cli.commands.coverage:coverage",
        "Tell which policies, rules and elements recorded flows use.",
    ),
    "diff": (
        "netpol.cli.commands.diff:diff",
        "Judge flows before and after a change: what it breaks, and which policy.",
    ),
    "explain": (
        "netpol.cli.commands.explain:explain",
        "Tell why one flow is allowed or denied, and what would flip it.",
    ),
    "matrix": (
        "netpol.cli.commands.matrix:matrix",
        "Tell who can reach whom on what, without flows.",
    ),
    "replay": (
        "netpol.cli.commands.replay:replay",
        "Judge recorded flows: which would be denied, by which rule.",
    ),
    "rule": ("netpol.cli.commands.rule:rule", "Explain a code that check gives, with an example."),
}


def command_of(name: str) -> click.Command | None:
    """Import a command and return it; None if there is none of that name."""
    if name not in COMMANDS:
        return None
    module, _, function = COMMANDS[name][0].partition(":")
    command: click.Command = getattr(import_module(module), function)
    return command
