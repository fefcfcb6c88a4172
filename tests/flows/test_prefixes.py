"""conntrack text as collectors of logs keep it, and what old and new versions of it add."""

from __future__ import annotations

import mmap
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netpol._core.conntrack import CAUSES
from netpol.flows.reader import open_flows
from netpol.model.errors import FlowError

from .support import dump, outcome, scan
from .test_scanner import GUARDED, LINE, MESSAGE, PAD, mutated

TIME = b"2026-11-30T12:00:00.123456789Z"
PREFIXES = {
    "cri": TIME + b" stdout F ",
    "cri partial": TIME + b" stderr P ",
    "cri with an offset": b"2026-11-30T13:00:00.1+01:00 stdout F ",
    "kubectl --timestamps": TIME + b" ",
    "kubectl --prefix": b"[pod/conntrack-x7k2p/dump] ",
    "kubectl --prefix --timestamps": b"[pod/conntrack-x7k2p/dump] " + TIME + b" ",
    "journald short": b"Nov 30 12:00:00 node-1 conntrack[123]: ",
    "journald short, first of the month": b"Dec  1 12:00:00 node-1 conntrack[123]: ",
    "journald short-precise": b"Nov 30 12:00:00.123456 node-1 conntrack[123]: ",
    "journald short-iso": b"2026-11-30T12:00:00+0000 node-1 conntrack[123]: ",
    "journald short-iso-precise": b"2026-11-30T12:00:00.123456-0330 node-1 sh[9]: ",
    "journald short-full": b"Mon 2026-11-30 12:00:00 UTC node-1 conntrack[123]: ",
    "journald --no-hostname": b"Nov 30 12:00:00 conntrack[123]: ",
    "rfc 3164": b"<13>Nov 30 12:00:00 node-1 conntrack: ",
    "rsyslog": b"2026-11-30T12:00:00.123456+00:00 node-1 conntrack[123]: ",
    "rfc 5424": b"<13>1 2026-11-30T12:00:00.123Z node-1 conntrack 123 - - ",
    "rfc 5424 with data": b'<13>1 - node-1 sh - ID47 [a@1 x="]\\"y"][b@2] \xef\xbb\xbf',
    "kubectl's before journald's": TIME + b" Nov 30 12:00:00 node-1 conntrack[123]: ",
    "numbers before a prefix": b"   12\t" + TIME + b" stdout F ",
    "numbers behind a prefix": TIME + b" stdout F     12\t",
}
DUMPS = ["n1.L.txt", "n1.proc.txt", "n1.events.timestamp.txt", "n1.L.extended_id_timestamp.txt"]


def prefixed(text: bytes, prefix: bytes) -> bytes:
    return b"".join(prefix + line for line in text.splitlines(keepends=True))


@pytest.mark.parametrize("name", DUMPS)
@pytest.mark.parametrize("prefix", PREFIXES.values(), ids=PREFIXES)
def test_a_prefix_changes_nothing(name: str, prefix: bytes) -> None:
    text = dump(name)
    for fast in (True, False):
        assert outcome(scan(prefixed(text, prefix), fast=fast)) == outcome(scan(text))


@pytest.mark.parametrize("prefix", PREFIXES.values(), ids=PREFIXES)
def test_a_log_with_a_prefix_is_recognised(tmp_path, prefix: bytes) -> None:
    file = tmp_path / "log"
    for text in (LINE, LINE[:-1], LINE * 9):
        file.write_bytes(prefixed(text, prefix))
        stream = open_flows(file)
        assert sum(len(batch) for batch in stream) == text.count(b"src=10.244.1.20")
        assert not stream.stats.skipped


def test_logs_in_which_only_some_lines_have_a_prefix() -> None:
    lines = [LINE, *(prefix + LINE for prefix in PREFIXES.values()), LINE]
    for fast in (True, False):
        scanner = scan(b"".join(lines) + PAD, fast=fast)
        assert scanner.rows == len(lines)
        assert not any(scanner.counts)


def test_what_is_no_record_behind_a_prefix_is_counted_as_without() -> None:
    cri = PREFIXES["cri"]
    text = LINE + b"hello\n" + LINE.replace(b"dport=80 ", b"dport=65536 ")
    plain, log = scan(text + PAD), scan(prefixed(text, cri) + PAD)
    assert log.counts == plain.counts
    (first, _) = log.errors()
    assert (first[0], CAUSES[first[3]]) == (2, "not a conntrack line")


def test_a_line_of_nothing_but_a_prefix_is_blank() -> None:
    for prefix in PREFIXES.values():
        if b"12\t" in prefix:
            continue
        for text in (prefix, prefix.rstrip(b" ")):
            scanner = scan(LINE + text + b"\n" + LINE + PAD)
            if not prefix.endswith(b": "):  # a tag needs the space behind it
                assert not any(scanner.counts), text
        scanner = scan(LINE + prefix + b"\n" + LINE)
        assert (scanner.rows, scanner.blank, sum(scanner.counts)) == (2, 1, 0), prefix


def test_trap_8_message_of_stderr_behind_a_prefix() -> None:
    for prefix in (PREFIXES["cri"], PREFIXES["kubectl --prefix"], PREFIXES["rfc 5424"]):
        scanner = scan(prefixed(MESSAGE + LINE + MESSAGE, prefix))
        assert (scanner.rows, scanner.notices, scanner.repaired) == (1, 2, 0)
        for cut in range(1, len(LINE) - 1):
            scanner = scan(prefixed(LINE + LINE[:cut] + MESSAGE + LINE[cut:] + LINE, prefix))
            assert (scanner.rows, scanner.repaired, sum(scanner.counts)) == (3, 1, 0), cut


@pytest.mark.parametrize(
    "start",
    [
        b"2026-11-30 12:00:00 ",
        b"2026-11-30T12:00:00 ",
        b"2026-11-30T12:00:00.Z ",
        b"Nov 30 12:00 host tag: ",
        b"Nov 300 12:00:00 host tag: ",
        b"Nov 30 12:00:00 three words here: ",
        b"<192>1 - - - - - - ",
        b"<13>2 - - - - - - ",
        b"<13>1 - - - - - [a ",
        b'<13>1 - - - - - [a x="] ',
        b"[pod/a/b ",
        b"[pods/a/b] ",
        b"pod/a/b: ",
    ],
)
def test_what_is_no_prefix_stays_part_of_the_line(start: bytes) -> None:
    for fast in (True, False):
        scanner = scan(PREFIXES["cri"] + LINE + start + LINE + PAD, fast=fast)
        assert (scanner.rows, sum(scanner.counts)) == (1, 1)


PARTS = [
    *PREFIXES.values(),
    *(prefix[:9] for prefix in PREFIXES.values()),
    b"<",
    b"[a",
    b'"',
    b": ",
]


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PARTS), mutated()), min_size=1, max_size=3))
def test_fast_and_careful_parser_agree_behind_mutated_prefixes(parts) -> None:
    text = b"".join(prefix + lines for prefix, lines in parts)
    # The second time the fast parser knows that there are prefixes.
    for again in (b"", PREFIXES["cri"] + LINE):
        fast, careful = (scan(again + text + PAD, fast=fast, capacity=64) for fast in (True, False))
        assert outcome(fast) == outcome(careful)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(PARTS), st.binary(max_size=9)), max_size=9))
def test_any_bytes_behind_prefixes_are_read_without_a_crash(parts) -> None:
    text = PREFIXES["cri"] + LINE + b"".join(parts)
    for padding in (b"", PAD):
        scanner = scan(text + padding)
        assert scanner.rows + scanner.blank + sum(scanner.counts) <= scanner.lines


@pytest.mark.skipif(sys.platform != "linux", reason="needs mprotect of libc")
@pytest.mark.parametrize("prefix", PREFIXES.values(), ids=PREFIXES)
def test_nothing_before_or_after_text_with_prefixes_is_read(prefix: bytes) -> None:
    text = prefixed(LINE * 40, prefix)[: 2 * mmap.PAGESIZE][-8000:]
    done = subprocess.run(
        [sys.executable, "-c", GUARDED], input=text, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, b"read\n"), done.stderr.decode()[-500:]


# --- old times, new keys, the other table -------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        (b"[1795400074.480106]\t", 1795400074480106000),
        (b"[1795400074.480   ]\t", 1795400074000480000),
        (b"[1795400074.7     ]\t", 1795400074000007000),
        (b"[123456  .5     ]\t", 123456000005000),
    ],
)
def test_times_padded_with_blanks(text: bytes, ns: int) -> None:
    event = b"    [NEW] " + LINE
    for prefix in (b"", PREFIXES["cri"]):
        scanner = scan(prefix + text + event + PAD)
        assert scanner.columns["time"][0] == ns
        assert scanner.columns["event"][0] == 1


@pytest.mark.parametrize(
    "text",
    [
        b"[17954.48]\t",
        b"[17954.48    \t",
        b"[17954. 48   ]\t",
        b"[17954.1234567]\t",
        b"[1 7.000001]",
    ],
)
def test_times_that_are_none(text: bytes) -> None:
    scanner = scan(text + LINE + LINE)
    assert (scanner.rows, scanner.counts[CAUSES.index("bad timestamp")]) == (1, 1)


@pytest.mark.parametrize(
    "keys", [b"offload=1 ", b"nat_helper=ftp ", b"x-y=[1] ", b"timeout=30, ", b"a=b c=d e=f "]
)
def test_keys_of_later_versions_are_passed_over(keys: bytes) -> None:
    for at in (b"mark=0", b"delta-time=14", b"use=1\n"):
        scanner = scan(LINE.replace(at, keys + at) + PAD)
        assert (scanner.rows, scanner.columns["delta_time"][0]) == (1, 14)
    assert scan(LINE[:-1] + b" " + keys + b"\n" + PAD).rows == 1


EXPECTED = [
    dump("n1.L.expect.txt"),
    b"295 l3proto = 2 proto=6 src=10.244.2.40 dst=10.244.1.10 sport=0 dport=51210 ftp\n",
    b"- l3proto = 10 proto=6 src=fd00::1 dst=fd00::2 sport=0 dport=5 PERMANENT\n",
    b"    [NEW] 300 proto=6 src=10.0.0.1 dst=10.0.0.2 sport=0 dport=5 mask-src=255.255.255.255\n",
    b"[1795400074.480106]\t[DESTROY] 300 proto=6 src=10.0.0.1 dst=10.0.0.2 sport=0 dport=5\n",
]


@pytest.mark.parametrize("line", EXPECTED)
@pytest.mark.parametrize("prefix", [b"", *list(PREFIXES.values())[:6]])
def test_expected_connections_are_told_from_bad_lines(tmp_path, line: bytes, prefix: bytes) -> None:
    scanner = scan(prefix + line + LINE + PAD)
    assert (scanner.rows, scanner.expectations, sum(scanner.counts)) == (1, 1, 0)
    file = tmp_path / "dump"
    file.write_bytes(prefix + line)
    with pytest.raises(FlowError, match=r"dump: no records in 1 line: 1 of .*conntrack -L lists"):
        list(open_flows(file))
    file.write_bytes(line + LINE)
    stream = open_flows(file, strict=True)
    assert sum(len(batch) for batch in stream) == 1
    assert stream.stats.expectations == 1
