"""Attacks targets for as long as one likes: ``python -m fuzz.run TARGET... --time 60``.

``all`` is every target. Each runs in a process of its own; every finding is written to a file
under ``build/fuzz/TARGET`` with the command that repeats it, and is minimised. Findings of earlier
runs are tried first: they count as long as they break something. Exits with 1 where there is one.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
from pathlib import Path

from fuzz.findings import ROOT, Folder
from fuzz.guide import how
from fuzz.registry import names
from fuzz.watch import Plan, Result, attack


def minimise(name: str, file: Path) -> int:
    """Minimise a file in a process of its own; give 1 if it still breaks a promise."""
    command = [sys.executable, "-m", "fuzz.minimise", name, str(file)]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def try_again(name: str, folder: Folder) -> None:
    """Run the findings of earlier runs; forget those that break nothing now."""
    for file in folder.files():
        if minimise(name, file) == 0:
            folder.forget(file)


def tell(result: Result, folder: Folder, plan: Plan) -> int:
    """Print what came of a target; give how many findings there are."""
    files = folder.files()
    print(
        f"{result.target}: {result.inputs:,} inputs, {len(files)} findings, "
        f"{result.deaths} workers died, {result.seconds:.0f} s, {how(plan.blind)}, "
        f"seed {plan.seed}",
        flush=True,
    )
    for file in files:
        print(f"  {file.with_suffix('.txt').read_text(errors='replace').splitlines()[0]}: {file}")
    return len(files)


def main(arguments: list[str] | None = None) -> int:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("targets", nargs="+", metavar="TARGET", help=f"all, {', '.join(names())}")
    parser.add_argument("--time", type=float, default=60.0, help="seconds for each target")
    parser.add_argument("--runs", type=int, default=0, help="at most so many inputs of each")
    parser.add_argument("--seed", type=int, help="of the mutations; any, and printed, if not given")
    parser.add_argument("--blind", action="store_true", help="without atheris where it is there")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "fuzz")
    parser.add_argument("--minimise", type=Path, metavar="FILE", help="only minimise this input")
    options = parser.parse_args(arguments)
    chosen = names() if options.targets == ["all"] else options.targets
    for name in chosen:
        if name not in names() and "." not in name:
            parser.error(f"no target {name}; there are {', '.join(names())}")
    if options.minimise is not None:
        return minimise(chosen[0], options.minimise.resolve())
    seed = random.SystemRandom().randrange(1 << 31) if options.seed is None else options.seed
    plan = Plan(options.time, options.runs, seed, options.blind)
    findings = 0
    for name in chosen:
        folder = Folder(options.folder.resolve() / name, name)
        try_again(name, folder)
        before = set(folder.files())
        result = attack(name, plan, folder)
        for file in folder.files():
            if file not in before:
                minimise(name, file)
        findings += tell(result, folder, plan)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
