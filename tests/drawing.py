"""How many examples random tests draw, as ``NETPOL_EXAMPLES`` says: quick, long or a number.

Unset is quick (``make test``): an eighth of long, which is ``make test-all``. Both draw the same
worlds each time. A number draws worlds nobody has seen: so many in the differential test, in others
in proportion.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings

__all__ = ["draw_worlds", "drawn"]

_ASKED = os.environ.get("NETPOL_EXAMPLES", "")
_LONGEST = 1000  # of the differential test, in the long profile
_QUICK = 8


def drawn(long: int) -> int:
    """The number of examples of a test that draws ``long`` in the long profile."""
    if not _ASKED:
        return max(long // _QUICK, 8)
    return long if _ASKED == "long" else max(long * int(_ASKED) // _LONGEST, 1)


def draw_worlds(long: int, **others: Any) -> settings:
    """Settings of a test over random worlds, ``long`` of them in the long profile."""
    return settings(
        max_examples=drawn(long),
        deadline=None,
        derandomize=_ASKED in ("", "long"),
        database=None,
        suppress_health_check=list(HealthCheck),
        **others,
    )
