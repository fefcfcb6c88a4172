"""conntrack text to columns and to batches; beside it, what the machine needs to find the lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.conftest import cached_world
from bench.shapes import make_conntrack_text
from netpol._core.conntrack import Scanner
from netpol.flows.reader import open_flows

LINES = 200_000
Rate = Callable[[float, str], None]


@pytest.fixture(scope="module")
def text() -> bytes:
    return make_conntrack_text(cached_world("synthetic", "small", ipv6=False), LINES)


def scan_all(scanner: Scanner, text: bytes) -> int:
    done = rows = 0
    while done < len(text):
        done = scanner.scan(text, done, len(text), True)
        rows += scanner.rows
        scanner.clear()
    return rows


@pytest.mark.benchmark(group="parse")
@pytest.mark.parametrize("fast", [True, False], ids=["fast", "careful"])
def test_scan(benchmark: Any, rate: Rate, text: bytes, fast: bool) -> None:
    """The scanner alone, on one core, into columns it reuses."""
    scanner = Scanner(65536, fast)
    assert benchmark(scan_all, scanner, text) == LINES
    assert not any(scanner.counts)
    rate(len(text) / 1e9, "GB/s")


@pytest.mark.benchmark(group="parse")
def test_read_file(benchmark: Any, rate: Rate, text: bytes, tmp_path: Path) -> None:
    """A file (in the page cache) to flow batches, as a replay reads it."""
    dump = tmp_path / "dump.txt"
    dump.write_bytes(text)
    assert benchmark(lambda: sum(len(batch) for batch in open_flows(dump))) == LINES
    rate(len(text) / 1e9, "GB/s")


@pytest.mark.benchmark(group="parse")
def test_count_lines(benchmark: Any, rate: Rate, text: bytes) -> None:
    """Nothing but finding the newlines: memchr from one to the next."""
    assert benchmark(text.count, b"\n") == LINES
    rate(len(text) / 1e9, "GB/s")


@pytest.mark.benchmark(group="parse")
def test_sum_bytes(benchmark: Any, rate: Rate, text: bytes) -> None:
    """Nothing but touching every byte once, as words."""
    words = np.frombuffer(text[: len(text) // 8 * 8], np.uint64)
    benchmark(words.sum)
    rate(len(text) / 1e9, "GB/s")
