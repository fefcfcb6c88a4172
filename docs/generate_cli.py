"""Takes the commands' own help, gives docs/cli.md."""

from __future__ import annotations

import sys
from pathlib import Path

from click.testing import CliRunner

from netpol.cli.main import main
from netpol.cli.registry import COMMANDS

TARGET = Path(__file__).with_name("cli.md")

INTRO = """# Command line

This page is what `netpol --help` and each command's `--help` print; `make docs` writes it.

**Exit codes.** 0: done. 1: `--fail-on` (or `check`) found what it looks for. 2: usage, settings or
input are wrong, or the output could not be written (a full disk, a closed stdout); one message on
stderr says what. 141: the reader of an output went away. 129, 130 and 143: ended by SIGHUP, SIGINT
(Ctrl-C) or SIGTERM, at once and with nothing half-written left. Where an output could not be
written the code is never that of `--fail-on`.

**Where settings come from.** An option on the command line wins over `NETPOL_OPTION` in the
environment (`--fail-on` is `NETPOL_FAIL_ON`; several paths are joined by `:`), that wins over
`netpol.toml` in the current directory, and that over the default. In the file, keys are the option
names, paths are relative to the file, and a table named like a command is for that command alone.
Values have TOML's types: a flag is `true` or `false`. A `netpol.toml` that was found, not named
with `--config`, cannot say where to write (`output-file`, `report`, `annotate-dir`) and names no
git revision:

```toml
cluster = ["cluster.json"]
policies = ["policies"]

[replay]
fail-on = "deny,unknown"
```

**Output.** Data goes to stdout or `--output-file`, everything else to stderr. Colour only appears
on a terminal, and not with `NO_COLOR`. Text is as wide as `COLUMNS` says if it is a number from 1
on, else as the terminal, else 120; a table is never so narrow that a number or an address is cut.
`NETPOL_DEBUG=1` shows tracebacks.
"""


def page() -> str:
    """Give the page as Markdown."""
    parts = [INTRO]
    for command in ([], *([name] for name in COMMANDS)):
        title = " ".join(["netpol", *command])
        parts.append(f"## {title}\n\n```text\n{help_text(command)}```\n")
    return "\n".join(parts)


def help_text(command: list[str]) -> str:
    """Give one help text as an 80-column terminal shows it."""
    result = CliRunner().invoke(
        main, [*command, "--help"], prog_name="netpol", terminal_width=80, catch_exceptions=False
    )
    return result.output


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
    sys.stderr.write(f"wrote {TARGET}\n")
