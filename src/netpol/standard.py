"""Gives standard input as bytes, or the error that there is none."""

from __future__ import annotations

import errno
import os
import sys
from typing import IO

__all__ = ["standard_input"]


def standard_input() -> IO[bytes]:
    """Give standard input.

    Raises
    ------
    OSError
        It is closed.
    """
    if sys.stdin is None or sys.stdin.closed:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return sys.stdin.buffer
