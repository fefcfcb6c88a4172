"""Takes sizes before anything is allocated, gives leave, or a ``CapacityError`` that says why."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from netpol.model.errors import CapacityError

__all__ = ["Budget"]


class Budget:
    """Bytes that tables may take in all. ``take`` is called before each allocation."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken = 0

    def take(self, size: int, cause: str) -> None:
        """Account for ``size`` bytes; raise ``CapacityError`` naming ``cause`` beyond the limit."""
        if self.taken + size > self.limit:
            raise CapacityError(
                f"the tables would need {_mebibytes(self.taken + size)} MiB, more than the budget "
                f"of {_mebibytes(self.limit)} MiB; {_mebibytes(size)} MiB of them for {cause}. "
                "Raise memory_budget (--memory-budget), or compile fewer policies or namespaces "
                "at a time"
            )
        self.taken += size

    @contextmanager
    def held(self, size: int, cause: str) -> Iterator[None]:
        """Take ``size`` bytes for as long as the block runs."""
        self.take(size, cause)
        try:
            yield
        finally:
            self.taken -= size


def _mebibytes(size: int) -> int:
    return -(-size // (1 << 20))
