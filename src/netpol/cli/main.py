"""The command group: commands are imported when one runs; settings come from ``netpol.toml``."""

from __future__ import annotations

from typing import Any

import click

import netpol
from netpol.cli.errors import exit_codes
from netpol.cli.options import ARGUMENTS, CONTEXT
from netpol.cli.registry import COMMANDS, command_of

__all__ = ["main"]


class LazyGroup(click.Group):
    """A group whose commands are imported when one runs, not when one is listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        return command_of(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Keep the words of the command line, for reports; a wrong one is an exit code."""
        words = tuple(args)
        with exit_codes():
            context = super().make_context(info_name, args, parent, **extra)
        context.meta[ARGUMENTS] = words
        return context

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; every failure becomes one message and an exit code."""
        with exit_codes():
            return super().invoke(ctx)


@click.group(
    cls=LazyGroup,
    context_settings=CONTEXT,
    epilog="Every option can also be set as NETPOL_OPTION in the environment or as a key of "
    "netpol.toml; the command line wins over the environment, and that over the file.",
)
@click.version_option(netpol.__version__, "-V", "--version", prog_name="netpol")
@click.option(
    "--config",
    metavar="FILE",
    envvar="NETPOL_CONFIG",
    help="Settings file.  [default: netpol.toml in the current directory, if there is one]",
)
@click.pass_context
def main(ctx: click.Context, config: str | None) -> None:
    """Replay recorded network flows against Kubernetes NetworkPolicies, offline.

    Says which connections the policies would deny, on which side, by which policy and rule.
    """
    from netpol.cli.config import default_map

    if ctx.invoked_subcommand is not None:
        command = main.get_command(ctx, ctx.invoked_subcommand)
        if command is not None:
            ctx.default_map = {ctx.invoked_subcommand: default_map(config, command)}
