"""Options, worlds and rates for every benchmark of this folder."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from bench import shapes


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("netpol bench")
    group.addoption("--size", default="small,middle", help=f"of {', '.join(shapes.SIZES)}; or all")
    group.addoption("--shape", default="synthetic", help="synthetic, real; or all")
    group.addoption("--flows", type=int, default=1 << 20, help="flows evaluated at once")
    group.addoption("--lines", type=int, default=1_000_000, help="conntrack lines replayed")


def _chosen(config: pytest.Config, option: str, known: tuple[str, ...]) -> list[str]:
    given = config.getoption(option)
    chosen = list(known) if given == "all" else given.split(",")
    unknown = sorted(set(chosen) - set(known))
    if unknown:
        raise pytest.UsageError(f"{option}: {unknown[0]!r} is not one of {', '.join(known)}")
    return chosen


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeat what asks for ``world_key`` for every shape and size chosen."""
    if "world_key" in metafunc.fixturenames:
        sizes = _chosen(metafunc.config, "--size", tuple(shapes.SIZES))
        kinds = _chosen(metafunc.config, "--shape", shapes.SHAPES)
        keys = [(shape, size) for shape in kinds for size in sizes]
        metafunc.parametrize("world_key", keys, ids=["-".join(key) for key in keys])


# One world at a time: pytest groups nothing by parameter, so keep a few of the small ones.
@lru_cache(maxsize=4)
def cached_world(shape: str, size: str, *, ipv6: bool) -> shapes.World:
    return shapes.make_world(size, shape, 1, ipv6=ipv6)


@lru_cache(maxsize=4)
def cached_engine(shape: str, size: str, *, ipv6: bool) -> Any:
    import netpol

    world = cached_world(shape, size, ipv6=ipv6)
    return netpol.compile(world.policies, world.snapshot)


@pytest.fixture
def world(world_key: tuple[str, str]) -> shapes.World:
    """The IPv4 world of the chosen shape and size."""
    return cached_world(*world_key, ipv6=False)


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Callable[[shapes.World, str], Path]:
    """Return the path of a world's manifests, written once a run."""
    folder = tmp_path_factory.mktemp("manifests")

    def write(world: shapes.World, syntax: str) -> Path:
        path = folder / f"{world.name}.{syntax}"
        if not path.exists():
            shapes.write_manifests(world, path, syntax)
        return path

    return write


@pytest.fixture
def rate(benchmark: Any) -> Callable[[float, str], None]:
    """Note how much of what a round handled, as amount per second of the median round."""

    def note(amount: float, unit: str) -> None:
        if benchmark.stats is not None:  # None under --benchmark-disable
            benchmark.extra_info[unit] = round(amount / benchmark.stats.stats.median, 3)

    return note
