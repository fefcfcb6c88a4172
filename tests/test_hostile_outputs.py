"""Hostile names in every output: each medium keeps its rule, which ``netpol.text`` has written."""

from __future__ import annotations

import pytest

from fuzz.targets.outputs import MEDIA
from hostile import HOSTILE


@pytest.mark.parametrize("medium", MEDIA)
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_name_in_every_medium(kind: str, medium: str) -> None:
    MEDIA[medium](HOSTILE[kind])
