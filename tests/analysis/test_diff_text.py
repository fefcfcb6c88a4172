"""Text judged twice piece by piece, in threads, must tell what judging it by batches tells."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import netpol
import netpol.run.conntrack_sums
from netpol._core.conntrack import Scanner
from netpol._core.contrast import Contrast
from netpol._core.fused import FusedContrast
from netpol.flows.reader import open_flows
from netpol.model.errors import FlowError
from netpol.model.profiles import switches_of
from netpol.model.switches import Switches
from netpol.questions.compare.compare import compare
from netpol.questions.diff.diff import Diff, diff
from netpol.questions.diff.groups import Kind
from netpol.run.sums import HAS_PORTS
from tests.flows.support import LINES, path
from tests.test_fused import EVENTS, LAB, LINE, PLAIN, Batches


@pytest.fixture(scope="module")
def sources() -> tuple[Any, Any]:
    return (
        netpol.read_policies([str(LAB / "policies")]),
        netpol.read_snapshot([str(LAB / "cluster.json")]),
    )


@pytest.fixture(scope="module")
def engines(sources: tuple[Any, Any]) -> tuple[Any, Any]:
    policies, snapshot = sources
    fewer = replace(policies, policies=policies.policies[::2])
    return netpol.compile(policies, snapshot), netpol.compile(fewer, snapshot)


class Records:
    """What the writers of a diff get, with the lines it is from."""

    def __init__(self) -> None:
        self.tables: list[pa.Table] = []
        self.places: list[tuple[str, int]] = []

    def write(self, part: Any) -> None:
        self.tables.append(part.to_arrow())
        batch = part.differing.first.batch
        if len(batch):
            self.places += [(batch.file, int(line)) for line in batch.line]

    def rows(self) -> list[dict[str, Any]]:
        return [row for table in self.tables for row in table.to_pylist()]


def judged(
    engines: tuple[Any, Any], files: list[str], *, jobs: int = 1, batches: bool = False, **read: Any
) -> tuple[Diff | str, list[Any]]:
    stream: Any = open_flows(files, **read)
    records = Records()
    try:
        found: Diff | str = diff(
            *engines, Batches(stream) if batches else stream, writers=[records], jobs=jobs
        )
    except FlowError as error:
        found = str(error)
    assert records.tables or isinstance(found, str)
    return found, list(zip(records.places, records.rows(), strict=True))


@pytest.mark.parametrize("name", sorted(LINES))
def test_every_dump(engines: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    expected = judged(engines, [path(name)], batches=True)
    assert isinstance(expected[0], Diff)
    assert expected[0].reader.lines == LINES[name]
    monkeypatch.setattr(netpol.run.conntrack_sums, "PIECE_BYTES", 3000)
    assert judged(engines, [path(name)], jobs=2) == expected


@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize("size", [5000, 80_000])
def test_many_files(
    engines: tuple[Any, Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    size: int,
    jobs: int,
) -> None:
    lab = (LAB / "node1.conntrack.txt").read_bytes()
    mixed = [lab * 9, PLAIN + lab, lab + EVENTS[:5000] + lab, LINE, PLAIN[:-30]]
    files = []
    for index, text in enumerate(mixed):
        (tmp_path / f"{index}").write_bytes(text)
        files += [str(tmp_path / f"{index}"), str(LAB.parent / "guide" / "flows.csv")]
    files.append(str(LAB / "node2.conntrack.txt"))
    expected = judged(engines, files, batches=True)
    assert isinstance(expected[0], Diff)
    assert expected[0].kinds[Kind.NEWLY_ALLOWED].total.flows > 90
    assert len({file for (file, _), _ in expected[1]}) == 6
    monkeypatch.setattr(netpol.run.conntrack_sums, "PIECE_BYTES", size)
    assert judged(engines, files, jobs=jobs) == expected


def test_a_bad_line_of_a_strict_log(engines: tuple[Any, Any], tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes(LINE * 2000 + b"nonsense\n" + LINE * 2000)
    expected, _ = judged(engines, [str(bad)], batches=True, strict=True)
    assert isinstance(expected, str)
    assert "bad:2001:" in expected
    for jobs in (1, 2):
        assert judged(engines, [str(bad)], jobs=jobs, strict=True)[0] == expected


@pytest.mark.parametrize("jobs", [1, 2])
def test_profiles_compared(sources: tuple[Any, Any], jobs: int) -> None:
    def compiled(switches: Switches) -> Any:
        return netpol.compile(*sources, **asdict(switches))

    files = [str(LAB / "node1.conntrack.txt"), str(LAB / "node2.conntrack.txt")]
    run = partial(compare, compiled, switches_of("spec"), switches_of("calico"))
    expected = run(Batches(open_flows(files)), jobs=1)
    assert run(open_flows(files), jobs=jobs) == expected


def test_what_does_not_fit_is_refused(engines: tuple[Any, Any]) -> None:
    first, second = engines
    marks = [
        np.zeros((3, engine.tables.arrays["decision_info"].size), np.uint32) for engine in engines
    ]
    with pytest.raises(ValueError, match=r"second_marks: shape \(3, .*\), expected \(3, "):
        Contrast(first._core, second._core, marks[0], marks[1][:, 1:].copy())
    with pytest.raises(ValueError, match=r"first_marks: shape \(2, .*\), expected \(3, "):
        Contrast(first._core, second._core, marks[0][:2].copy(), marks[1])
    contrast = Contrast(first._core, second._core, *marks)
    verdicts = [
        engine.evaluate({"src": ["10.0.0.1"], "dst": ["10.0.0.2"], "protocol": ["tcp"]})
        for engine in engines
    ]
    wild = {**verdicts[1].storage, "egress": np.array([1 << 30], np.uint32)}
    with pytest.raises(ValueError, match="egress: not of these tables"):
        contrast.add(1, verdicts[0].storage, wild, None, None, None)
    with pytest.raises(ValueError, match="flows: length 2, expected 1"):
        contrast.add(
            1, verdicts[0].storage, verdicts[1].storage, np.zeros(2, np.uint64), None, None
        )
    assert contrast.verdicts.items() == {}
    assert not len(contrast.add(1, verdicts[0].storage, verdicts[1].storage, None, None, None))
    scanner = Scanner(16)
    text = LINE * 5
    scanner.scan(text, 0, len(text), True)
    with pytest.raises(IndexError, match="room"):
        FusedContrast(contrast, HAS_PORTS, 4).add(scanner)
