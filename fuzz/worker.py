"""One process that runs inputs of a target until it is told to stop, or one of them kills it.

With atheris, coverage of netpol's Python code guides what is mutated next, and that of the core
where clang instrumented it; without it, mutations of ``fuzz.mutate`` are run, blind but fast.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import sys
import time
from pathlib import Path

from fuzz.findings import Folder, of_error
from fuzz.guide import has_atheris, load_counters
from fuzz.limits import hold_addresses, resident
from fuzz.mutate import Mutator
from fuzz.slot import Slot

#: Code whose coverage guides.
GUIDED = ["netpol"]
LONGEST = 1 << 17


class Runner:
    """Runs inputs one by one, and keeps those that break a promise."""

    def __init__(self, name: str, slot: Slot, folder: Folder) -> None:
        from fuzz.registry import load

        self.target = load(name)
        self._slot, self._folder = slot, folder

    def start(self) -> None:
        """Hold this process to what it may take above what it has by now."""
        hold_addresses()
        self._slot.start(resident(os.getpid()))

    def run(self, data: bytes) -> None:
        """Run one input; what it raises is a finding, not the end."""
        self._slot.begin(data)
        try:
            self.target.one(data)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._folder.add(of_error(error, data))
        self._slot.end()


def guided(options: argparse.Namespace, slot: Slot, folder: Folder) -> None:
    """Let atheris choose; it does not come back."""
    load_counters()
    import atheris

    with atheris.instrument_imports(include=GUIDED, enable_loader_override=False):
        runner = Runner(options.target, slot, folder)
        inputs = runner.target.inputs()
        for data in inputs[slot.begun :]:  # what the target imports late is instrumented, too
            runner.run(data)
    runner.start()
    start = folder.path / "start"
    start.mkdir(exist_ok=True)
    for index, data in enumerate(inputs):
        (start / f"{index}").write_bytes(data)
    found = folder.path / "found"  # inputs with new coverage, for the next run
    found.mkdir(exist_ok=True)
    arguments = [
        sys.argv[0], str(found), str(start), f"-seed={options.seed % (1 << 31) or 1}",
        f"-max_total_time={int(options.time)}", f"-max_len={LONGEST}", "-timeout=3600",
        "-rss_limit_mb=0", "-handle_segv=0", "-handle_abrt=0", "-print_final_stats=0",
        *([f"-runs={max(options.runs - slot.begun, 1)}"] if options.runs else []),
    ]  # fmt: skip
    atheris.Setup(arguments, runner.run)
    atheris.Fuzz()


def blind(options: argparse.Namespace, slot: Slot, folder: Folder) -> None:
    """Run the seeds and the corpus, then mutations of them."""
    until = time.monotonic() + options.time
    runner = Runner(options.target, slot, folder)
    inputs = runner.target.inputs()
    runner.start()
    for data in inputs[slot.begun :]:  # those before, an earlier worker ran
        runner.run(data)
    mutator = Mutator(inputs, options.seed, LONGEST)
    while time.monotonic() < until and (not options.runs or slot.begun < options.runs):
        runner.run(mutator.next())


def main() -> None:
    """Run as a process of ``fuzz.run``."""
    parser = argparse.ArgumentParser(description="One worker of fuzz.run.")
    parser.add_argument("target")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--time", type=float, required=True)
    parser.add_argument("--runs", type=int, default=0)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--blind", action="store_true")
    options = parser.parse_args()
    faulthandler.enable()
    folder = Folder(options.folder, options.target)
    with Slot(options.folder / "slot") as slot:
        (blind if options.blind or not has_atheris() else guided)(options, slot, folder)


if __name__ == "__main__":
    main()
