"""Fixtures shared by all tests."""

from __future__ import annotations

import pytest

from worlds import EVALUATORS, World


@pytest.fixture(params=EVALUATORS)
def world(request: pytest.FixtureRequest) -> World:
    """Every test that asks for a world is run on both evaluators."""
    return World(request.param)
