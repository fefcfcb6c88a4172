"""How long a person waits for ``netpol --help`` and a program for ``import netpol``."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

CODE = {
    "import": "import netpol",
    "help": "import sys; sys.argv = ['netpol', '--help']; from netpol.cli.main import main; main()",
    "python": "pass",
}


@pytest.mark.benchmark(group="startup")
@pytest.mark.parametrize("what", list(CODE))
def test_startup(benchmark: Any, what: str) -> None:
    command = [sys.executable, "-c", CODE[what]]
    kwargs = {"check": True, "capture_output": True}
    benchmark.pedantic(subprocess.run, args=(command,), kwargs=kwargs, rounds=7, warmup_rounds=1)
