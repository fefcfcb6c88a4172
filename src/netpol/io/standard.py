"""Gives standard input as bytes, or the error that there is none."""

from __future__ import annotations

import errno
import os
import sys
from typing import IO

__all__ = ["standard_input"]


def standard_input() -> IO[bytes]:
    """Return standard input.

    Raises
    ------
    OSError
        It is closed.
    """
    # What stands in for it, in a notebook or a test, may know less than a file does.
    if sys.stdin is None or getattr(sys.stdin, "closed", False):
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return sys.stdin.buffer
