"""Takes inputs, gives mutations of them: blind to structure, the same for the same seed."""

from __future__ import annotations

import random
import re
import struct

#: Numbers at which widths, signs and ranges end.
NUMBERS = (0, 1, -1, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, -(2**31),
           2**32 - 1, 2**32, 2**63 - 1, -(2**63))  # fmt: skip
#: What is special in some format or other, wherever it comes from.
TOKENS = (b"\0", b"\n", b"\r\n", b"\r", b"\t", b" ", b"\xff", b"\xc0\x80", b"\xef\xbb\xbf",
          b"\xed\xa0\x80", b"\xe2\x80\xae", b"\x1b[31m", b'"', b"'", b"\\", b"{", b"}", b"[", b"]",
          b":", b": ", b"- ", b",", b"=", b"%s", b"/", b"..", b"&a", b"*a", b"null", b"NaN",
          b"Infinity", b"-1", b"1e309", b"0x")  # fmt: skip
_WORD = re.compile(rb"[A-Za-z0-9_.:-]{2,24}")
_MOST_TOKENS = 4000


def tokens_of(inputs: list[bytes]) -> list[bytes]:
    """Return the words that inputs hold, and what is special everywhere."""
    words = {word for text in inputs for word in _WORD.findall(text[:65536])}
    return [*TOKENS, *sorted(words)[:_MOST_TOKENS]]


class Mutator:
    """Makes mutations of inputs.

    Parameters
    ----------
    inputs : list of bytes
        What is mutated; not empty.
    seed : int
        The same seed gives the same mutations.
    longest : int
        No mutation is longer than this.
    """

    def __init__(self, inputs: list[bytes], seed: int, longest: int = 1 << 17) -> None:
        self._inputs = inputs
        self._tokens = tokens_of(inputs)
        self._random = random.Random(seed)
        self._longest = longest
        self._ways = (self._flip, self._byte, self._number, self._digits, self._token,
                      self._delete, self._repeat, self._move, self._splice, self._cut)  # fmt: skip

    def next(self) -> bytes:
        """Return one more."""
        text = bytearray(self._random.choice(self._inputs))
        for _ in range(1 << self._random.choice((0, 0, 0, 1, 1, 2, 3, 4))):
            self._random.choice(self._ways)(text)
        return bytes(text[: self._longest])

    def _at(self, text: bytearray) -> int:
        """Return a place; half of them among the first bytes, where headers are."""
        last = len(text) if self._random.random() < 0.5 else min(len(text), 64)
        return self._random.randint(0, last)

    def _block(self, text: bytearray) -> tuple[int, int]:
        """Return where a block begins and ends; small blocks are more likely."""
        start = self._at(text)
        width = self._random.randint(1, 1 << self._random.randint(0, 10))
        return start, min(start + width, len(text))

    def _flip(self, text: bytearray) -> None:
        if text:
            text[self._at(text) % len(text)] ^= 1 << self._random.randrange(8)

    def _byte(self, text: bytearray) -> None:
        if text:
            text[self._at(text) % len(text)] = self._random.randrange(256)

    def _number(self, text: bytearray) -> None:
        """Overwrite 1, 2, 4 or 8 bytes with a number, of either byte order."""
        width = self._random.choice((1, 2, 4, 8))
        value = self._random.choice(NUMBERS) & ((1 << 8 * width) - 1)
        order = self._random.choice("<>")
        piece = struct.pack(f"{order}{'BHIQ'[(1, 2, 4, 8).index(width)]}", value)
        at = self._at(text)
        if self._random.random() < 0.5:
            at -= at % width
        text[at : at + width] = piece

    def _digits(self, text: bytearray) -> None:
        """Replace a number written in digits."""
        found = list(re.finditer(rb"\d+", text[:65536]))
        if found:
            match = self._random.choice(found)
            value = self._random.choice(
                (*NUMBERS, int(match[0][:18]) + self._random.randint(-2, 2))
            )
            text[match.start() : match.end()] = str(value).encode()

    def _token(self, text: bytearray) -> None:
        start = self._at(text)
        over = self._random.choice((0, 0, 1, 4))
        text[start : start + over] = self._random.choice(self._tokens)

    def _delete(self, text: bytearray) -> None:
        start, stop = self._block(text)
        del text[start:stop]

    def _repeat(self, text: bytearray) -> None:
        start, stop = self._block(text)
        text[stop:stop] = text[start:stop] * self._random.choice((1, 1, 2, 7, 63))
        del text[self._longest :]

    def _move(self, text: bytearray) -> None:
        start, stop = self._block(text)
        block = bytes(text[start:stop])
        del text[start:stop]
        at = self._at(text)
        text[at:at] = block

    def _splice(self, text: bytearray) -> None:
        """Put a part of another input in."""
        other = bytearray(self._random.choice(self._inputs))
        start, stop = self._block(other)
        at, end = self._block(text)
        text[at : self._random.choice((at, end))] = other[start:stop]

    def _cut(self, text: bytearray) -> None:
        del text[self._at(text) :]
