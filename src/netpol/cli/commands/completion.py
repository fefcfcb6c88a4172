"""``netpol completion``: prints the script that makes a shell complete ``netpol``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from netpol.cli.options import CONTEXT

__all__ = ["completion"]

_EXAMPLES = """\b
  bash   eval "$(netpol completion bash)"      in ~/.bashrc
  zsh    eval "$(netpol completion zsh)"       in ~/.zshrc
  fish   netpol completion fish | source       in ~/.config/fish/config.fish"""


@click.command(context_settings=CONTEXT, epilog=_EXAMPLES)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for SHELL."""
    from netpol.cli.main import main

    complete = get_completion_class(shell)
    if complete is None:  # click knows all three
        raise click.UsageError(f"no completion for {shell}")
    click.echo(complete(main, {}, "netpol", "_NETPOL_COMPLETE").source())
