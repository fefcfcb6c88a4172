"""Takes an RFC 3339 time as text, gives nanoseconds since the epoch; all parts read with it."""

from __future__ import annotations

import re
from datetime import date

__all__ = ["NANOSECONDS", "nanoseconds"]

NANOSECONDS = 1_000_000_000  # of a second

# As Go reads ``time.RFC3339``, which is how the API server reads the times of objects: the zone is
# not optional, and neither a bare date nor a blank in place of the T is a time.
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII
)
_EPOCH = date(1970, 1, 1).toordinal()


def nanoseconds(text: str) -> int | None:
    """Return exact ns since the epoch, UTC; None if the text is no RFC 3339 time with its zone.

    Digits beyond the nanosecond are cut off. Years are 1 to 9999, so the number may need more than
    64 bits.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    ahead_hours, ahead_minutes = int(match[9] or 0), int(match[10] or 0)
    if hour > 23 or minute > 59 or second > 59 or ahead_hours > 23 or ahead_minutes > 59:
        return None
    try:
        days = date(year, month, day).toordinal() - _EPOCH
    except ValueError:
        return None
    ahead = (ahead_hours * 60 + ahead_minutes) * 60
    seconds = days * 86_400 + (hour * 60 + minute) * 60 + second
    seconds += ahead if match[8] == "-" else -ahead
    return seconds * NANOSECONDS + int((match[7] or "")[:9].ljust(9, "0"))
