"""What commands that judge flows do alike: read policies, stdin too."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from netpol.errors import ConfigError, ManifestError

if TYPE_CHECKING:
    from netpol.kube.inputs import Paths
    from netpol.kube.policies import PolicySet
    from netpol.switches import Switches

__all__ = ["policies_of", "stdin_twice"]


def policies_of(
    policies: Paths, cluster: tuple[str, ...], *, switches: Switches, namespace: str
) -> PolicySet:
    """Read the policies that are named; if none are, those among the cluster."""
    from netpol.kube.policies import read_policies

    try:
        return read_policies(policies or cluster, switches=switches, namespace=namespace)
    except ManifestError as error:
        if policies or not error.message.startswith("no network policy"):
            raise
        raise ConfigError(f"{error}; name the policies with --policies") from None


@contextlib.contextmanager
def stdin_twice(*, needed: bool) -> Iterator[None]:
    """Keep a snapshot on stdin, so that the policies among it can be read afterwards."""
    if not needed:
        yield
        return
    data = sys.stdin.buffer.read()
    sys.stdin = io.TextIOWrapper(io.BytesIO(data))
    yield
    sys.stdin = io.TextIOWrapper(io.BytesIO(data))
