"""The input a worker is at, in memory it shares with who watches it: what kills it stays known."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from types import TracebackType
from typing import Self

#: Inputs begun, the running one's length plus 1 (0: none runs), bytes resident before the first.
_HEAD = struct.Struct("=QQQ")
LONGEST = 1 << 20


class Slot:
    """A file of which both sides map the same memory."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(_HEAD.size + LONGEST))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._memory.close()

    @property
    def begun(self) -> int:
        """How many inputs have begun."""
        return int(_HEAD.unpack_from(self._memory)[0])

    @property
    def running(self) -> bytes | None:
        """The input that has begun and not ended."""
        length = int(_HEAD.unpack_from(self._memory)[1])
        return self._memory[_HEAD.size : _HEAD.size + length - 1] if length else None

    @property
    def base(self) -> int:
        """The bytes of memory the worker had before its first input, 0 before that."""
        return int(_HEAD.unpack_from(self._memory)[2])

    def begin(self, data: bytes) -> None:
        """Say that an input begins."""
        kept = data[:LONGEST]
        self._memory[_HEAD.size : _HEAD.size + len(kept)] = kept
        _HEAD.pack_into(self._memory, 0, self.begun + 1, len(kept) + 1, self.base)

    def end(self) -> None:
        """Say that it ended."""
        _HEAD.pack_into(self._memory, 0, self.begun, 0, self.base)

    def start(self, base: int) -> None:
        """Say how many bytes of memory a worker has before its first input."""
        _HEAD.pack_into(self._memory, 0, self.begun, 0, base)
