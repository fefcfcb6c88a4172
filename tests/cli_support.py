"""Runs the command line, in this process or its own; the fixture ``in_examples`` says where."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from netpol.cli.main import main

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
GOLDEN = Path(__file__).parent / "golden"
GUIDE = ["-c", "guide/cluster.yaml", "-p", "guide/policies.yaml"]
FLOWS = "guide/flows.csv"


def run(*words: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, list(words), prog_name="netpol", input=stdin)


def replay(*words: str, stdin: str | bytes | None = None) -> Result:
    return run("replay", FLOWS, *GUIDE, *words, stdin=stdin)


def failure(result: Result) -> str:
    """Give the one message of a run that must have failed with 2 and printed no data."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert "this is a bug" not in result.stderr
    return result.stderr


def process(*words: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "netpol", *words], check=False, **options)  # type: ignore[call-overload]


def folded(value: Any, indent: str = "") -> str:
    """JSON with each list and object on one line where it fits: a tenth of the lines."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) <= 100 or not isinstance(value, list | dict):
        return line
    if isinstance(value, list):
        parts, (begin, end) = [folded(item, indent + " ") for item in value], "[]"
    else:
        parts = [f"{json.dumps(key)}: {folded(item, indent + ' ')}" for key, item in value.items()]
        begin, end = "{}"
    inner = f",\n{indent} ".join(parts)
    return f"{begin}\n{indent} {inner}\n{indent}{end}"


def golden(name: str, text: str) -> None:
    """Compare with a file of tests/golden; ``make golden`` renews it."""
    path = GOLDEN / name
    if name.endswith(".json"):
        text = folded(json.loads(text)) + "\n"
    if os.environ.get("GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
