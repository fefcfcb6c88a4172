"""Takes times as objects carry them, gives ns since the epoch, and when a policy last changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from netpol.kube.objects import PolicyMeta

__all__ = ["NO_TIMES", "PolicyTimes", "parse_time", "policy_times"]


class PolicyTimes(NamedTuple):
    """Since when a policy says what it says, as far as its metadata tells.

    Attributes
    ----------
    created : ns since the epoch; None if not known.
    changed : when its spec was last changed after that, at the latest; None if it was not, or not
        at a time that is known.
    undated : the spec was changed at some time that is not known.
    """

    created: int | None = None
    changed: int | None = None
    undated: bool = False


NO_TIMES = PolicyTimes()


def policy_times(metadata: PolicyMeta) -> PolicyTimes:
    """Give what the metadata of a policy tells.

    The API server counts changes of the spec in ``generation``. Their times are those of the
    ``managedFields`` that own part of the spec; ``kubectl`` shows them with
    ``--show-managed-fields``. Such a time is also renewed when its manager changes labels, so the
    spec may have changed earlier.
    """
    created = _bounded(metadata.creation_timestamp)
    if metadata.generation == 1:
        return PolicyTimes(created)
    times = [time for time in _managed(metadata) if created is None or time > created]
    if times:
        return PolicyTimes(created, max(times))
    return PolicyTimes(created, None, (metadata.generation or 0) > 1)


def _managed(metadata: PolicyMeta) -> Iterator[int]:
    """Give the times of the managers of the spec; what is not as it should be is passed over."""
    for entry in metadata.managed_fields or ():
        if not isinstance(entry, dict) or entry.get("subresource"):
            continue
        owned, text = entry.get("fieldsV1"), entry.get("time")
        if isinstance(owned, dict) and "f:spec" in owned and isinstance(text, str):
            time = _bounded(text)
            if time is not None:
                yield time


def _bounded(text: str | None) -> int | None:
    """Give a time that 64 bits hold, as those of flows are: of the years 1678 to 2261."""
    time = parse_time(text)
    return time if time is not None and -_WIDEST < time < _WIDEST else None


@lru_cache(maxsize=1 << 16)  # pods of one rollout begin in the same second
def parse_time(text: str | None) -> int | None:
    """Give ns since the epoch of an RFC 3339 time, or None if absent or not one."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WIDEST = 1 << 63
