"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from worlds import EVALUATORS, World

# What nohup or a runner ignores would be ignored by every child, too, however it is tested.
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)

# Nothing is as wide as the terminal that tests are started from.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs a browser is left to ``make test-all``."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker("long")


@pytest.fixture(params=EVALUATORS)
def world(request: pytest.FixtureRequest) -> World:
    """Every test that asks for a world is run on both evaluators."""
    return World(request.param)


@pytest.fixture
def in_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in ``examples/`` with the settings of nobody."""
    for name in list(os.environ):
        if name.startswith("NETPOL_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(Path(__file__).parent.parent / "examples")
