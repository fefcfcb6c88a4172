"""Takes a command line, gives an exit code. One command a file; this one only finds them.

Nothing heavy is imported before a command runs, so ``--help`` and completion answer at once.
"""

from __future__ import annotations

from netpol.cli.main import main

__all__ = ["main"]
