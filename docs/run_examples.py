"""Takes a Markdown page, gives it with the output of every ``$ netpol`` line as it is now.

A console block begins with ``$ netpol``; what follows the command up to the end of the block is
replaced by what the command prints. Commands run in ``examples/``.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = (ROOT / "README.md",)
WIDTH = "110"

_BLOCK = re.compile(r"(```console\n\$ netpol )((?:[^\n]*\\\n)*[^\n]*)\n(.*?)(```)", re.DOTALL)


def refreshed(text: str) -> str:
    """Give ``text`` with every console block's output made anew."""
    return _BLOCK.sub(lambda m: f"{m[1]}{m[2]}\n{_output(m[2])}{m[4]}", text)


def _output(command: str) -> str:
    words = shlex.split(command.replace("\\\n", " "))
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith("NETPOL_")
    } | {"COLUMNS": WIDTH, "NO_COLOR": "1"}
    result = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "netpol", *words],
        cwd=ROOT / "examples",
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return result.stdout


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(refreshed(page.read_text(encoding="utf-8")), encoding="utf-8")
        sys.stderr.write(f"refreshed {page}\n")
