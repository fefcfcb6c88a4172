"""Takes the JSON of ``pytest bench --benchmark-json``, gives the results as Markdown tables.

``python -m bench.report results.json`` prints them; with ``--update bench/README.md`` they replace
what stands there between the markers. Ratios are between figures of one run.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bench.shapes import ADVERSARIAL_KINDS

BEGIN, END = "<!-- results -->", "<!-- end of results -->"

Result = dict[str, Any]


class Target(NamedTuple):
    """What a figure should reach: ``least`` of an extra_info entry, or ``most`` of it."""

    figure: str
    least: float | None = None
    most: float | None = None

    def verdict(self, value: float) -> str:
        """Say the target and whether it was reached."""
        if self.least is not None:
            return f"≥ {self.least:g} {'✓' if value >= self.least else '✗'}"
        assert self.most is not None
        return f"≤ {self.most:g} {'✓' if value <= self.most else '✗'}"


#: Benchmark name -> what it should reach. Seconds are called ``seconds``.
TARGETS: dict[str, tuple[Target, ...]] = {
    "test_evaluate[synthetic-small-zipf-v4]": (Target("Mflows/s", least=140),),
    "test_evaluate[synthetic-middle-zipf-v4]": (Target("Mflows/s", least=110),),
    "test_evaluate[synthetic-large-zipf-v4]": (Target("Mflows/s", least=40),),
    "test_compile[synthetic-middle]": (Target("seconds", most=0.5), Target("table MB", most=8)),
    "test_compile[synthetic-large]": (Target("seconds", most=5), Target("table MB", most=100)),
    "test_compile_peak_memory[synthetic-large]": (Target("peak MB", most=2000),),
    "test_compile_own_labels_at_large": (Target("table MB", most=1074),),
    "test_load[synthetic-large-json]": (Target("MB/s", least=200),),
    "test_load[synthetic-large-yaml]": (Target("MB/s", least=7),),
    "test_scan[fast]": (Target("GB/s", least=3),),
    "test_replay[synthetic-middle]": (Target("Mlines/s", least=10),),
    "test_diff[synthetic-middle-1]": (Target("x replay", most=1.6),),
    "test_exhaustive_diff[synthetic-middle-half]": (Target("seconds", most=10),),
    "test_exhaustive_with_rules[synthetic-middle-half]": (Target("seconds", most=10),),
    "test_exhaustive_with_rules[synthetic-middle-renamed]": (Target("seconds", most=10),),
    "test_replay_parquet[synthetic-middle]": (Target("Mflows/s", least=3),),
    "test_startup[help]": (Target("seconds", most=0.15),),
    "test_startup[import]": (Target("seconds", most=0.25),),
    **{
        f"test_compile_adversarial[{kind}]": (Target("seconds", most=60),)
        for kind in ADVERSARIAL_KINDS
    },
}
GROUPS = (
    "load",
    "compile",
    "evaluate",
    "parse",
    "replay",
    "diff",
    "memory",
    "adversarial compile",
    "adversarial evaluate",
    "peers",
    "startup",
)


def figure(result: Result, name: str) -> float | None:
    """Return a figure of a result: its median in ``seconds``, or an extra_info entry."""
    value = result["stats"]["median"] if name == "seconds" else result["extra_info"].get(name)
    return None if value is None else float(value)


def seconds(value: float) -> str:
    """Return a duration to three digits in the unit that suits it."""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if value * factor >= 1:
            return f"{value * factor:.3g} {unit}"
    return f"{value * 1e9:.3g} ns"


def ratios(result: Result, by_name: dict[str, Result]) -> Iterator[str]:
    """Yield what a rate is compared with in the same run."""
    name, rate = result["name"], figure(result, "Mflows/s")
    if rate is None:
        return
    if name.startswith("test_evaluate["):
        shape, _, popularity, family = name[len("test_evaluate[") : -1].split("-")
        yield from _over(rate, by_name, f"test_copy[{'v4' if family == 'v4' else 'mixed'}]", "copy")
        if family != "v4":
            size = name.split("-")[1]
            other = f"test_evaluate[{shape}-{size}-{popularity}-v4]"
            yield from _over(rate, by_name, other, "IPv4")
        elif "-small-" not in name:
            other = f"test_evaluate[{shape}-small-{popularity}-v4]"
            yield from _over(rate, by_name, other, "small")
    elif name.startswith("test_evaluate_adversarial["):
        yield from _over(rate, by_name, "test_evaluate[synthetic-middle-zipf-v4]", "ordinary")
    elif name.startswith("test_peer_acl["):
        ours = by_name.get(f"test_peer[{name[len('test_peer_acl[') : -1]}-netpol]")
        if ours is not None:
            yield f"netpol, both sides, is {(figure(ours, 'Mflows/s') or 0) / rate:.3g} x"
    elif name.startswith("test_peer[") and not name.endswith("netpol]"):
        world = "-".join(name[len("test_peer[") :].split("-")[:2])
        ours = by_name.get(f"test_peer[{world}-netpol]")
        if ours is not None:
            yield f"netpol is {(figure(ours, 'Mflows/s') or 0) / rate:.3g} x"


def _over(rate: float, by_name: dict[str, Result], other: str, label: str) -> Iterator[str]:
    base = by_name.get(other)
    if base is not None:
        yield f"{rate / (figure(base, 'Mflows/s') or float('nan')):.3g} x {label}"


def row(result: Result, by_name: dict[str, Result]) -> str:
    """Return one line of a table."""
    extra = ", ".join(f"{value:,} {unit}" for unit, value in result["extra_info"].items())
    told = [
        target.verdict(value)
        for target in TARGETS.get(result["name"], ())
        if (value := figure(result, target.figure)) is not None
    ]
    wanted = "; ".join(told)
    name = result["name"].removeprefix("test_")
    ratio = "; ".join(ratios(result, by_name))
    return f"| {name} | {seconds(result['stats']['median'])} | {extra} | {ratio} | {wanted} |"


def tables(run: dict[str, Any]) -> str:
    """Return every group's table, and the machine they were taken on."""
    results = run["benchmarks"]
    by_name = {result["name"]: result for result in results}
    cpu = run["machine_info"].get("cpu", {})
    python = run["machine_info"].get("python_version", "")
    lines = [
        f"{cpu.get('brand_raw', 'CPU not known')}, {cpu.get('count', '?')} cores, "
        f"Python {python}, taken {run['datetime'][:10]}. A round's median.",
    ]
    present = {result["group"] for result in results}
    for group in [*GROUPS, *sorted(present - set(GROUPS))]:
        rows = [row(result, by_name) for result in results if result["group"] == group]
        if rows:
            lines += ["", f"**{group}**", "", "| what | time | figures | ratio | target |"]
            lines += ["|---|---|---|---|---|", *rows]
    return "\n".join(lines)


def update(path: Path, text: str) -> None:
    """Put ``text`` between the markers of a file."""
    before, rest = path.read_text().split(BEGIN)
    _, after = rest.split(END)
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def main() -> int:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("results", type=Path, help="pytest-benchmark's JSON")
    parser.add_argument("--update", type=Path, metavar="FILE", help="rewrite FILE's results")
    options = parser.parse_args()
    run = json.loads(options.results.read_text())
    text = tables(run)
    if options.update:
        update(options.update, text)
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
