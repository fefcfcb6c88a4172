"""Tells how coverage can guide an attack, and loads what counts it: atheris, libFuzzer for Python.

Atheris counts the Python code that it instruments. The core counts itself where clang built it with
``NETPOL_GUIDE``, in functions of libFuzzer that must be there before the core is loaded.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from functools import cache
from pathlib import Path

_COUNTERS = b"__sanitizer_cov_8bit_counters_init"


def has_atheris() -> bool:
    """Return whether atheris is installed."""
    return importlib.util.find_spec("atheris") is not None


@cache
def core_counts() -> bool:
    """Return whether the core counts its own coverage; it is not loaded for that."""
    spec = importlib.util.find_spec("netpol._core.conntrack_line")
    return spec is not None and _COUNTERS in Path(spec.origin or os.devnull).read_bytes()


def how(blind: bool) -> str:
    """Say in words what guides."""
    if blind or not has_atheris():
        return "blind"
    return "guided by Python and core" if core_counts() else "guided by Python"


def load_counters() -> None:
    """Let the core find libFuzzer's functions, which atheris would keep to itself."""
    if not core_counts() or "atheris" in sys.modules:
        return
    flags = sys.getdlopenflags()
    sys.setdlopenflags(flags | os.RTLD_GLOBAL)
    try:
        from atheris import core_with_libfuzzer
    finally:
        sys.setdlopenflags(flags)
    # It sees a libFuzzer loaded by then, takes it for another one and would bring what fits that.
    sys.modules["atheris.core_without_libfuzzer"] = core_with_libfuzzer
