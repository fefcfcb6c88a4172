"""Takes times as objects carry them, gives ns since the epoch, and when a policy last changed.

A time that is not RFC 3339 with its zone is refused where objects are read, as the API server does
(``bad_times``), so nobody downstream has to say what it means.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from netpol.kube.api.objects import Pod, PolicyMeta
from netpol.model.times import nanoseconds

__all__ = [
    "NOT_A_TIME",
    "NO_TIMES",
    "PolicyTimes",
    "bad_times",
    "parse_time",
    "policy_times",
    "times_of_pod",
]

#: What is wrong with a text that is no time.
NOT_A_TIME = "is not an RFC 3339 time with its zone, such as 2026-01-31T12:00:00Z"


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
    """Return what the metadata of a policy tells.

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
    """Yield the times of the managers of the spec; what is not as it should be is passed over."""
    for entry in metadata.managed_fields or ():
        if not isinstance(entry, dict) or entry.get("subresource"):
            continue
        owned, text = entry.get("fieldsV1"), entry.get("time")
        if isinstance(owned, dict) and "f:spec" in owned and isinstance(text, str):
            time = _bounded(text)
            if time is not None:
                yield time


def _bounded(text: str | None) -> int | None:
    """Return a time that 64 bits hold, as those of flows are: of the years 1678 to 2261."""
    time = nanoseconds(text) if text else None
    return time if time is not None and -_WIDEST < time < _WIDEST else None


@lru_cache(maxsize=1 << 16)  # pods of one rollout begin in the same second
def parse_time(text: str | None) -> int | None:
    """Return ns since the epoch of an RFC 3339 time with its zone, None if absent or not one.

    Times of flows have 64 bits: one beyond them is given as the farthest that is within, which no
    flow can tell from it.
    """
    time = nanoseconds(text) if text else None
    return None if time is None else max(1 - _WIDEST, min(time, _WIDEST - 1))


def bad_times(texts: Iterable[tuple[str, str | None]]) -> Iterator[tuple[str, str]]:
    """Yield (field path, what is wrong) for each of (field path.

    Text) that is there and no time.
    """
    for path, text in texts:
        if text is not None and parse_time(text) is None:
            yield path, f"{text!r} {NOT_A_TIME}"


def times_of_pod(pod: Pod) -> Iterator[tuple[str, str | None]]:
    """Yield (field path, text) of the times that say since when and until when a pod is there."""
    status = pod.status
    if status is None:
        return
    yield "status.startTime", status.start_time
    for i, container in enumerate(status.container_statuses or ()):
        if container.state is not None and container.state.terminated is not None:
            path = f"status.containerStatuses[{i}].state.terminated.finishedAt"
            yield path, container.state.terminated.finished_at


_WIDEST = 1 << 63
