"""What ``netpol check`` finds beside clusters of every size, without the policies as compiled."""

from __future__ import annotations

from typing import Any

import pytest

from bench.shapes import World
from netpol.lint.lint import lint


@pytest.mark.benchmark(group="check")
def test_lint(benchmark: Any, world: World) -> None:
    rounds = 3 if len(world.policies) <= 1000 else 1
    found = benchmark.pedantic(lint, args=(world.policies, world.snapshot), rounds=rounds)
    benchmark.extra_info["findings"] = len(found)
