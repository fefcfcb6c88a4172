"""Finds the targets: every module of ``fuzz.targets``, or any module by its full name."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import fuzz.targets
from fuzz.guide import load_counters

CORPUS = Path(__file__).with_name("corpus")


@dataclass(frozen=True)
class Target:
    """What ``fuzz.targets.NAME`` attacks.

    ``one`` runs one input, and raises only where a promise is broken; ``seeds`` gives small valid
    inputs.
    """

    name: str
    one: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]

    def corpus(self) -> list[Path]:
        """Return the files kept of earlier attacks: they are run forever."""
        return sorted(path for path in (CORPUS / self.name).glob("*") if path.is_file())

    def inputs(self) -> list[bytes]:
        """Return the seeds and what the corpus holds."""
        return self.seeds() + [path.read_bytes() for path in self.corpus()]


def names() -> list[str]:
    """Return the names of all targets."""
    return sorted(module.name for module in pkgutil.iter_modules(fuzz.targets.__path__))


def load(name: str) -> Target:
    """Import a target: one of ``names()``, or a module by its full name, dots and all."""
    load_counters()
    module = importlib.import_module(name if "." in name else f"fuzz.targets.{name}")
    return Target(name, module.one, module.seeds)
