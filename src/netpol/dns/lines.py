"""Takes a log of lines, gives them one by one, whatever their length."""

from __future__ import annotations

import io
from collections.abc import Iterator

from netpol.io.stream import Source
from netpol.model.read_stats import ReadStats

__all__ = ["MAX_LINE", "read_lines"]

MAX_LINE = 1 << 16
_SHOWN = 200


def read_lines(source: Source, stats: ReadStats, *, strict: bool) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line that is not blank, without its end.

    A line longer than 64 KiB is counted as skipped and read over in constant memory. Bytes that
    are no UTF-8 are replaced.
    """
    number = 0
    stream = io.BufferedReader(source, 1 << 20)
    while line := stream.readline(MAX_LINE + 1):
        number += 1
        stats.lines += 1
        if len(line) > MAX_LINE and not line.endswith(b"\n"):
            while (rest := stream.readline(1 << 20)) and not rest.endswith(b"\n"):
                pass
            start = line[:_SHOWN].decode("utf-8", "replace")
            stats.skip(source.name, number, "line too long", start, strict=strict)
            continue
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        if text.strip(" \t\r"):
            yield number, text
        else:
            stats.blank += 1
