"""Counts the kernels' instructions under callgrind: a record for regressions, blind to load.

``python -m bench.callgrind`` counts and prints; ``--update`` writes ``instructions.json``;
``--check`` exits 1 where a figure is more than 5 % above the one recorded there. Each case runs its
work once and eleven times, and the difference counts: starting Python cancels out. Valgrind has no
AVX-512, so these are the portable kernels.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

RECORD = Path(__file__).with_name("instructions.json")
MOST = 1.05
FLOWS, TIMES = 100_000, (1, 11)
#: Threads that wait for work spin, and spinning counts.
_STEADY = {"NETPOL_SIMD": "off", "PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"}
#: Case -> what one unit is.
CASES = {
    "evaluate-small-v4": "flow",
    "evaluate-small-v6": "flow",
    "evaluate-small-v4-paged": "flow",
    "evaluate-middle-v4": "flow",
    "evaluate-small-v4-translated": "flow",
    "evaluate-small-v4-named": "flow",
    "tally-small-v4": "flow",
    "scan-fast": "line",
    "scan-careful": "line",
}


def prepare(folder: Path) -> None:
    """Write the inputs of every case."""
    import netpol
    from bench.shapes import make_conntrack_text, make_flows, make_world

    for size in ("small", "middle"):
        for family in ("v4", "v6") if size == "small" else ("v4",):
            world = make_world(size, "synthetic", 1, ipv6=family == "v6")
            flows = make_flows(world, FLOWS, 1, "zipf", family)
            name = f"{size}-{family}"
            np.savez(folder / f"{name}.npz", **dict(flows.columns()))
            netpol.compile(world.policies, world.snapshot).save(folder / name)
            if name == "small-v4":
                paged = netpol.compile(world.policies, world.snapshot, dense_limit=0)
                paged.save(folder / "small-v4-paged")
                (folder / "dump.txt").write_bytes(make_conntrack_text(world, FLOWS))


def run(case: str, times: int, folder: Path) -> None:
    """Do one case's work so many times; this is what callgrind watches."""
    if case.startswith("scan"):
        from netpol._core.conntrack import Scanner

        text = bytearray((folder / "dump.txt").read_bytes())
        scanner = Scanner(FLOWS, case == "scan-fast")
        for _ in range(times):
            scanner.clear()
            scanner.scan(text, 0, len(text), True)
        return
    import netpol
    from netpol._core.evaluate import evaluate
    from netpol.model.batch import FlowBatch
    from netpol.run.sums import Tally

    kind, size, family, *rest = case.split("-")
    name = f"{size}-{family}"
    engine = netpol.load(folder / (f"{name}-paged" if rest == ["paged"] else name))
    flows = np.load(folder / f"{name}.npz")
    columns = {key: flows[key] for key in flows.files}
    if rest == ["translated"]:  # judged one by one, as all that follows
        columns["src_seen"] = np.roll(columns["src"], 7)
        for place in ("dst", "dport"):
            columns[f"original_{place}"] = np.roll(columns[place], 3)
    batch = FlowBatch(**columns)
    verdicts = engine.evaluate(batch)
    opened = dict(verdicts.opened)
    if rest == ["named"]:
        opened["src_hint"] = np.arange(FLOWS, dtype=np.uint32) % len(engine.pods) + 1
    tally = Tally(engine)
    for _ in range(times):
        if kind == "tally":
            tally.add(verdicts)
        elif rest == ["named"]:  # names would be looked up in Python
            evaluate(engine._core, FLOWS, opened, verdicts.storage)
        else:
            engine.evaluate(batch, verdicts)


def count(case: str, folder: Path) -> float:
    """Return a case's instructions per flow or line."""
    found = []
    for times in TIMES:
        command = [
            "valgrind", "--tool=callgrind", f"--callgrind-out-file={folder / 'out'}",
            sys.executable, "-m", "bench.callgrind", "--run", case, str(times), str(folder),
        ]  # fmt: skip
        environment = {**os.environ, **_STEADY}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
        total = re.search(r"I\s+refs:\s+([\d,]+)", done.stderr)
        assert total is not None, done.stderr
        found.append(int(total[1].replace(",", "")))
    return round((found[1] - found[0]) / ((TIMES[1] - TIMES[0]) * FLOWS), 1)


def measure(cases: list[str]) -> dict[str, float]:
    """Count the cases given."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        return {case: count(case, folder) for case in cases}


def main() -> int:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--update", action="store_true", help="write instructions.json")
    parser.add_argument("--check", action="store_true", help="compare with instructions.json")
    parser.add_argument("--run", nargs=3, metavar=("CASE", "TIMES", "FOLDER"), help="one case")
    options = parser.parse_args()
    if options.run:
        run(options.run[0], int(options.run[1]), Path(options.run[2]))
        return 0
    recorded = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    found = measure(list(CASES))
    worse = [case for case, value in found.items() if value > MOST * recorded.get(case, value)]
    for case, value in found.items():
        before = recorded.get(case)
        told = f", recorded {before:,}" if before is not None else ""
        print(f"{case}: {value:,} instructions a {CASES[case]}{told}")
    if options.update:
        RECORD.write_text(json.dumps(found, indent=2) + "\n")
    if options.check and worse:
        print(f"more than {MOST - 1:.0%} above the record: {', '.join(worse)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
