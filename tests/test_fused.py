"""Text added up piece by piece, in threads, must tell what reading it batch by batch tells."""

from __future__ import annotations

import gzip
import re
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import netpol
import netpol.questions.replay.replay
import netpol.run.conntrack_sums
from netpol._core.fused import FusedSums
from netpol._core.suspects import Suspects
from netpol.flows.formats.conntrack.zones import WINDOW
from netpol.flows.reader import FlowStream, open_flows
from netpol.model.errors import FlowError
from netpol.questions.replay.replay import ReplaySummary, replay
from netpol.run.sums import Tally
from tests.flows.support import LINES, dump, path
from tests.flows.test_scanner import LINE, MESSAGE, mutated

LINE_BEHIND = (
    b"tcp      6 431986 ESTABLISHED src=10.244.1.10 dst=10.244.1.20 sport=42000 dport=8080 "
    b"packets=4 bytes=222 src=10.244.1.20 dst=10.244.1.10 sport=8080 dport=42000 packets=3 "
    b"bytes=399 [ASSURED] mark=0 delta-time=14 use=1\n"
)
LAB = Path(__file__).parent.parent / "examples" / "lab"
_ZONE = re.compile(rb" zone(-orig|-reply)?=[1-9]\d*")


def zoneless(name: str) -> bytes:
    """A dump without its zones: text that names one does not come this way at all."""
    return _ZONE.sub(b"", dump(name))


EVENTS = zoneless("n1.events.timestamp.txt")
#: Records of every kind, whose pieces may be added up in any thread.
PLAIN = (
    zoneless("n1.L.extended_id_timestamp.txt")
    + zoneless("n1.L.with_stderr_mixed_in.txt")[-9000:]
    + b"\r\n\n nonsense\n"
    + LINE.replace(b"dport=80 ", b"dport=65536 ") * 5
    + b"y" * 70000
    + b"\n"
    + zoneless("n1.L.midstream_reversed.txt")
    + zoneless("n1.L.noacct.txt")
    + zoneless("n1.proc.txt")[-6000:]
)


@pytest.fixture(scope="module")
def lab() -> Any:
    return netpol.compile(
        netpol.read_policies([str(LAB / "policies")]),
        netpol.read_snapshot([str(LAB / "cluster.json")]),
    )


class Batches:
    """A stream that is nothing but its batches, so that they are judged one by one."""

    def __init__(self, stream: FlowStream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[Any]:
        return iter(self._stream)

    @property
    def stats(self) -> Any:
        return self._stream.stats


def batches(engine: Any, files: list[str], **options: Any) -> ReplaySummary | str:
    try:
        return replay(engine, Batches(open_flows(files, **options)), jobs=1)
    except FlowError as error:
        return str(error)


def pieces(
    engine: Any, files: list[str], jobs: int, size: int, **options: Any
) -> ReplaySummary | str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(netpol.run.conntrack_sums, "PIECE_BYTES", size)
        try:
            return replay(engine, open_flows(files, **options), jobs=jobs)
        except FlowError as error:
            return str(error)


@pytest.mark.parametrize("jobs", [1, 2, 3])
@pytest.mark.parametrize("name", sorted(LINES))
def test_every_dump(lab: Any, tmp_path: Path, name: str, jobs: int) -> None:
    expected = batches(lab, [path(name)])
    assert isinstance(expected, ReplaySummary)
    assert expected.reader.lines == LINES[name]
    for size in (3000, 1 << 20):
        assert pieces(lab, [path(name)], jobs, size) == expected
    if expected.reader.zoned:
        file = tmp_path / name
        file.write_bytes(zoneless(name))
        expected = batches(lab, [str(file)])
        for size in (3000, 1 << 20):
            assert pieces(lab, [str(file)], jobs, size) == expected


@pytest.mark.parametrize("jobs", [1, 2, 3])
@pytest.mark.parametrize("size", [700, 5000, 80_000, 1 << 20])
def test_samples_counts_and_suspects_of_many_files(
    lab: Any, tmp_path: Path, size: int, jobs: int
) -> None:
    guide = LAB.parent / "guide" / "flows.csv"
    texts = [PLAIN, PLAIN + EVENTS[:5000] + PLAIN[:20000], LINE, PLAIN[:-30], b"\n" + PLAIN]
    files = [str(guide)]
    for index, text in enumerate(texts):
        (tmp_path / f"{index}").write_bytes(text)
        files += [str(tmp_path / f"{index}"), str(guide)]
    expected = batches(lab, files)
    assert isinstance(expected, ReplaySummary)
    assert expected.reader.suspected_reversed
    assert len(expected.reader.samples) == 10
    assert expected.reader.repaired
    found = pieces(lab, files, jobs, size)
    assert isinstance(found, ReplaySummary)
    assert found == expected
    assert list(found.reader.skipped.items()) == list(expected.reader.skipped.items())


@pytest.mark.parametrize("jobs", [1, 2, 3])
@pytest.mark.parametrize("limit", [7, 40])
def test_pairs_beyond_the_limit_are_the_same(
    lab: Any, tmp_path: Path, jobs: int, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which pairs are kept, and the order of equal ones, follow from the text's order."""
    file = tmp_path / "dump"
    # Pieces after the one with events must wait for it, though they are scanned beside it.
    file.write_bytes(zoneless("n1.L.txt")[:30000] + EVENTS[:9000] + dump("bulk.proc.txt") + PLAIN)
    monkeypatch.setattr(netpol.questions.replay.replay, "Tally", partial(Tally, limit=limit))
    expected = batches(lab, [str(file)])
    assert isinstance(expected, ReplaySummary)
    assert expected.denied.capped
    for size in (700, 2000, 9000):
        assert pieces(lab, [str(file)], jobs, size) == expected


@pytest.mark.parametrize("jobs", [1, 2, 3])
@pytest.mark.parametrize("at", [0, 1, 40, 300])
def test_strict_names_the_first_bad_line(lab: Any, tmp_path: Path, at: int, jobs: int) -> None:
    file = tmp_path / "dump"
    lines = zoneless("n1.L.txt").splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[:at], b"first\n", *lines[at:], b"second\n"]))
    found = pieces(lab, [str(file)], jobs, 1500, strict=True)
    assert found == batches(lab, [str(file)], strict=True)
    assert isinstance(found, str)
    assert f"dump:{at + 1}: not a conntrack line: 'first'" in found


@pytest.mark.parametrize("jobs", [1, 2, 3])
@pytest.mark.parametrize("before", [0, 1, 200, WINDOW // 50])
def test_zones_wherever_they_begin(lab: Any, tmp_path: Path, before: int, jobs: int) -> None:
    """Text that names zones at its beginning is linked whole; that with late ones is told of."""
    hops = b"".join(
        line.replace(b" use=1", b" zone=%d use=1" % zone)
        for zone, line in ((7, LINE), (8, LINE_BEHIND))
    )
    file = tmp_path / "dump"
    file.write_bytes(LINE_BEHIND + dump("n1.L.noacct.txt") * (before // 11 + 1) + hops)
    expected = batches(lab, [str(file), str(file)])
    assert isinstance(expected, ReplaySummary)
    assert expected.reader.zoned == 4
    late = before > 1000
    assert expected.reader.zones_unlinked == (4 if late else 0)
    assert (expected.reader.linked > 0) != late
    for size in (3000, 1 << 20):
        assert pieces(lab, [str(file), str(file)], jobs, size) == expected


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_empty_dumps_among_others(lab: Any, tmp_path: Path, jobs: int) -> None:
    (tmp_path / "empty").write_bytes(b"\n")
    files = [str(tmp_path / "empty"), path("n1.L.txt"), str(tmp_path / "empty")]
    expected = batches(lab, files)
    assert isinstance(expected, ReplaySummary)
    assert len(expected.reader.empty) == 2
    assert pieces(lab, files, jobs, 3000) == expected
    assert pieces(lab, files[:1], jobs, 3000) == batches(lab, files[:1])


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_text_with_prefixes(lab: Any, tmp_path: Path, jobs: int) -> None:
    file = tmp_path / "log"
    prefix = b"2026-11-30T12:00:00.1Z stdout F "
    file.write_bytes(b"".join(prefix + line for line in PLAIN.splitlines(keepends=True)))
    expected = batches(lab, [str(file)])
    assert isinstance(expected, ReplaySummary)
    assert expected.outcomes == batches(lab, [str(_plain(tmp_path))]).outcomes  # type: ignore[union-attr]
    for size in (700, 5000, 1 << 20):
        assert pieces(lab, [str(file)], jobs, size) == expected


def _plain(folder: Path) -> Path:
    file = folder / "plain"
    file.write_bytes(PLAIN)
    return file


@pytest.mark.parametrize("jobs", [1, 2, 3])
@pytest.mark.parametrize("text", [b"", b"\n\n", b"nonsense\n", b"x" * 100_000])
def test_a_text_without_records(lab: Any, tmp_path: Path, text: bytes, jobs: int) -> None:
    file = tmp_path / "dump"
    file.write_bytes(text)
    found = pieces(lab, [str(file)], jobs, 900, format="conntrack")
    assert isinstance(found, str)
    assert found == batches(lab, [str(file)], format="conntrack")


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_what_a_damaged_file_held_before_comes_before_the_error(
    lab: Any, tmp_path: Path, jobs: int
) -> None:
    file = tmp_path / "dump.gz"
    file.write_bytes(Path(path("bulk.proc.txt")).read_bytes()[:-9000])
    found = pieces(lab, [str(file)], jobs, 4000)
    assert isinstance(found, str)
    assert found == batches(lab, [str(file)])
    assert "ends too early" in found


@pytest.mark.parametrize("jobs", [1, 2, 3])
@pytest.mark.parametrize("events", [b"", b"".join(EVENTS.splitlines(keepends=True)[:3])])
@pytest.mark.parametrize("bad", [b"", b"bad\n"])
@pytest.mark.parametrize("size", [300, 9000, 1 << 20])
def test_a_bad_line_before_the_damage_is_named_first(
    lab: Any, tmp_path: Path, size: int, bad: bytes, events: bytes, jobs: int
) -> None:
    file = tmp_path / "dump.gz"
    text = zoneless("n1.L.txt")[: 90 * len(LINE)].rpartition(b"\n")[0] + b"\n" + events + bad
    file.write_bytes(gzip.compress(text + LINE * 5000)[:-200])
    found = pieces(lab, [str(file)], jobs, size, strict=True)
    assert found == batches(lab, [str(file)], strict=True)
    assert isinstance(found, str)
    assert ("'bad'" if bad else "ends too early") in found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(parts=[b"\0\n", b"bad\n"], size=64, jobs=1, strict=False)
@given(
    parts=st.lists(
        st.one_of(
            st.sampled_from([LINE, LINE * 9, MESSAGE, LINE[:99] + MESSAGE + LINE[99:], b"bad\n"]),
            mutated(),
        ),
        min_size=1,
        max_size=8,
    ),
    size=st.integers(64, 3000),
    jobs=st.integers(1, 3),
    strict=st.booleans(),
)
def test_any_text_in_any_pieces(
    lab: Any, tmp_path_factory: Any, parts: list[bytes], size: int, jobs: int, strict: bool
) -> None:
    file = tmp_path_factory.getbasetemp() / "dump"
    file.write_bytes(b"".join(parts))
    options = {"format": "conntrack", "strict": strict}
    assert pieces(lab, [str(file)], jobs, size, **options) == batches(lab, [str(file)], **options)


@pytest.mark.parametrize("name", ["bulk.proc.txt", "n1.events.txt"])
def test_leaving_early_ends_the_threads(lab: Any, tmp_path: Path, name: str) -> None:
    file = tmp_path / "dump"
    file.write_bytes(dump(name) * 20)
    before = threading.active_count()

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replay(lab, open_flows([file]), jobs=2, on_batch=stop)
    assert threading.active_count() == before


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("step", ["_next", "_take_over"])
def test_no_failure_of_a_thread_is_lost(
    lab: Any, jobs: int, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise MemoryError("nothing left")

    monkeypatch.setattr(netpol.run.conntrack_sums._Work, step, fail)
    with pytest.raises(MemoryError, match="nothing left"):
        replay(lab, open_flows([path("bulk.proc.txt")]), jobs=jobs)


def test_suspects_count_the_same_in_parts() -> None:
    random = np.random.default_rng(1)
    protocol = random.choice(np.array([6, 17, 132, 1], np.uint8), 4000)
    client, server = (random.choice([80, 5000, 5001, 40000], 4000).astype(np.uint16) for _ in "12")
    expected = 0
    for kind in (6, 17, 132):
        mine = protocol == kind
        odd = mine & (server >= 32768) & (client < 32768)
        served = set(server[mine & ~odd].tolist())
        expected += sum(port < 1024 or port in served for port in client[odd].tolist())
    whole, parts = Suspects(), Suspects()
    whole.add(protocol, client, server)
    for start in range(0, 4000, 999):
        part = Suspects()
        rows = slice(start, start + 999)
        part.add(protocol[rows], client[rows], server[rows])
        parts.merge(part)
    assert whole.count() == parts.count() == expected > 0
    with pytest.raises(ValueError, match="client: length 3999, expected 4000"):
        whole.add(protocol, client[1:], server)


def test_has_ports_is_checked(lab: Any) -> None:
    with pytest.raises(ValueError, match="256"):
        FusedSums(Tally(lab).core, np.zeros(255, np.uint8))
