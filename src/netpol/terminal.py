"""Takes a text stream, gives whether it may be sent escapes: colour, dim text, progress."""

from __future__ import annotations

import os
from typing import TextIO

__all__ = ["takes_escapes"]


def takes_escapes(target: TextIO) -> bool:
    """Whether escape sequences may be written to ``target``.

    They may where it is a terminal that knows them (``TERM`` is not ``dumb``) and ``NO_COLOR`` is
    not set, or empty (no-color.org). Without colour nothing else of that kind is sent either.
    """
    return (
        target.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") not in ("dumb", "unknown")
    )
