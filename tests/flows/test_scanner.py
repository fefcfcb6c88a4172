"""The conntrack scanner against an independent parser, and against itself."""

from __future__ import annotations

import calendar
import mmap
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.targets.conntrack import in_pieces
from netpol._core.conntrack import CAUSES, MAX_LINE, STATE_NAMES, Scanner

from . import strict_conntrack
from .support import LINES, dump, outcome, scan

LINE = (
    b"tcp      6 431986 ESTABLISHED src=10.244.1.10 dst=10.96.100.1 sport=42000 dport=80 "
    b"packets=4 bytes=222 src=10.244.1.20 dst=10.244.1.10 sport=8080 dport=42000 packets=3 "
    b"bytes=399 [ASSURED] mark=0 delta-time=14 use=1\n"
)
NO_TIME = np.iinfo(np.int64).min
PAD = b"\n" * 2048  # blank lines, so that the line under test is far enough from the end


@pytest.mark.parametrize("name", sorted(LINES))
def test_every_line_of_every_dump_agrees_with_the_strict_parser(name):
    text = dump(name)
    lines = text.decode().splitlines()
    assert len(lines) == LINES[name]
    for fast in (True, False):
        scanner = scan(text, fast=fast)
        assert (scanner.rows, scanner.lines) == (len(lines), len(lines))
        assert not any(scanner.counts)
        for i, line in enumerate(lines):
            expected = strict_conntrack.parse(line)
            assert expected is not None, line
            for column, value in expected.items():
                assert _field(scanner, column, i) == value, (column, line)
            assert scanner.columns["line"][i] == i + 1


def _field(scanner: Scanner, column: str, i: int) -> object:
    """One field as the strict parser gives it."""
    values = scanner.columns
    if column in ("orig_src", "orig_dst", "reply_src", "reply_dst"):
        wide = values[f"{column}_wide"][i].tobytes()
        if not values["flags"][i] & 32:
            assert wide[12:] == int(values[column][i]).to_bytes(4, "big")
        return wide
    value = int(values[column][i])
    if column == "state":
        return STATE_NAMES[value]
    if column == "time":
        return None if value == NO_TIME else value
    if column == "start":
        return None if value == NO_TIME else time.asctime(time.gmtime(value))
    return value


def test_all_state_names_are_known():
    for name in ("libfmt.L.txt", "n1.events.txt"):
        assert 255 not in scan(dump(name)).columns["state"]


@pytest.mark.parametrize("ending", [b"\r\n", b" \n", b"\r\n\r\n", b"\n\n"])
def test_line_ends_and_blank_lines(ending):
    text = dump("n1.L.txt")
    plain, other = scan(text), scan(text.replace(b"\n", ending) + PAD)
    assert other.rows == 344
    assert not any(other.counts)
    assert np.array_equal(plain.columns["reply_dport"][:344], other.columns["reply_dport"][:344])


@pytest.mark.parametrize("prefix", ["{}:", "{:6d}\t", "{} ", "{:>6}  "])
def test_line_number_prefixes_are_stripped(prefix):
    for name in ("n1.L.txt", "n1.events.timestamp.txt", "n1.proc.txt"):
        lines = dump(name).splitlines()
        text = b"".join(prefix.format(i).encode() + line + b"\n" for i, line in enumerate(lines))
        assert scan(text).rows == len(lines)


CAUSE_OF = {
    b"hello world": "not a conntrack line",
    b"[12.5]\ttcp      6 1 NONE": "bad timestamp",
    b"tcp      17 1 src=1.2.3.4": "bad protocol",
    b"unknown  256 1 src=1.2.3.4": "bad protocol",
    b"tcp      6 4294967296 NONE src=1.2.3.4 ": "bad timeout",
    b"udp      17 3 NONE src=1.2.3.4 ": "bad state",
    LINE.replace(b"src=10.244.1.10", b"src=10.244.1.256"): "bad src address",
    LINE.replace(b"src=10.244.1.10", b"src=10.244.01.10"): "bad src address",
    LINE.replace(b"dst=10.244.1.10", b"dst=10.244.1"): "bad dst address",
    LINE.replace(b"dport=80 ", b"dport=65536 "): "bad port",
    LINE.replace(b"sport=8080", b"sport="): "bad port",
    b"icmp     1 2 src=1.2.3.4 dst=1.2.3.4 type=256 code=0 id=1 ": "bad icmp type, code or id",
    b"gre      47 2 src=1.2.3.4 dst=1.2.3.4 srckey=1 dstkey=0x0 ": "bad gre key",
    LINE.replace(b"dport=80 ", b"dport=80 zone-orig=65536 "): "bad zone",
    LINE.replace(b"packets=4", b"packets=18446744073709551616"): "bad counter",
    b"ipv6     10 " + LINE: "address family mismatch",
    b"ipv4     10 " + LINE: "address family mismatch",
    LINE.replace(b"src=10.244.1.20", b"src=fd00::1"): "address family mismatch",
    LINE[: LINE.index(b" src=10.244.1.20")] + b" mark=0": "no reply tuple",
    LINE.replace(b"mark=0", b"mark=0 mark=0"): "unexpected text after the reply tuple",
    LINE.replace(b"use=1", b"Nonsense=1"): "unexpected text after the reply tuple",
    LINE.replace(b"use=1", b"nonsense= use=1"): "unexpected text after the reply tuple",
    LINE.replace(b"use=1", b"src=10.0.0.1"): "unexpected text after the reply tuple",
    LINE.replace(b"use=1", b"zone-orig=7"): "unexpected text after the reply tuple",
    LINE.replace(b"use=1", b"use=x"): "unexpected text after the reply tuple",
    LINE.replace(b"use=1", b"[start=Mon Nov 23 25:10:15 2026]"):
        "unexpected text after the reply tuple",
    LINE[: LINE.index(b"80 packets")]: "line cut short",
    LINE.replace(b"ESTAB", b"EST\0B"): "binary data",
    b"\x7fELF\x02\x01\x01": "binary data",
    b"x" * (MAX_LINE + 1): "line too long",
}  # fmt: skip


@pytest.mark.parametrize("bad", CAUSE_OF, ids=[f"{i}" for i in range(len(CAUSE_OF))])
def test_bad_line_is_counted_by_cause_and_place(bad):
    text = LINE + bad.rstrip(b"\n") + b"\n" + LINE
    for padding in (b"", PAD):
        scanner = scan(text + padding)
        assert scanner.rows == 2
        assert {CAUSES[c]: n for c, n in enumerate(scanner.counts) if n} == {CAUSE_OF[bad]: 1}
        (error,) = scanner.errors()
        assert error[:2] == (2, len(LINE))
        assert scanner.columns["line"][:2].tolist() == [1, 3]


def test_first_64_errors_are_recorded_and_all_counted():
    scanner = scan(b"nonsense\n" * 1000)
    assert sum(scanner.counts) == 1000
    assert [line for line, *_ in scanner.errors()] == list(range(1, 65))


@pytest.mark.parametrize(
    ("line", "complete"),
    [
        (LINE.rstrip(b"\n"), True),
        (LINE.rstrip(b"\n")[:-4], False),  # ends in " use" without its number
        (LINE[: LINE.index(b" packets=3")], True),  # mirrors the original tuple
        (LINE[: LINE.index(b" packets=3")].replace(b"dport=42000", b"dport=4200"), False),
        (LINE[: LINE.index(b" [ASS") - 1], False),  # bytes=39 of 399
        (LINE[: LINE.index(b" [ASS")], False),  # cannot be told from the one above
        (LINE[: LINE.index(b" [ASS") + 1], True),
    ],
)  # fmt: skip
def test_last_line_without_newline_is_read_only_if_complete(line, complete):
    scanner = scan(LINE + line)
    assert scanner.rows == 1 + complete
    assert sum(scanner.counts) == 1 - complete
    assert scanner.lines == 2
    if not complete:
        assert CAUSES[scanner.errors()[0][3]] == "line cut short"


MESSAGE = b"conntrack v1.4.7 (conntrack-tools): 3 flow entries have been shown.\n"


def test_trap_8_message_of_stderr_at_every_place():
    whole = outcome(scan(LINE * 3))
    del whole["counts"], whole["line"]
    for cut in range(1, len(LINE) - 1):
        text = LINE + LINE[:cut] + MESSAGE + LINE[cut:] + LINE
        for padding in (b"", PAD):
            scanner = scan(text + padding)
            assert scanner.repaired == 1
            assert scanner.columns["line"][:3].tolist() == [1, 2, 4]
            found = outcome(scanner)
            assert {name: found[name] for name in whole} == whole, cut


def test_trap_8_message_as_a_line_of_its_own_or_last():
    scanner = scan(MESSAGE + LINE + MESSAGE + LINE + MESSAGE)
    assert (scanner.rows, scanner.notices, scanner.repaired) == (2, 3, 0)
    scanner = scan(LINE + LINE[:-1] + MESSAGE)
    assert (scanner.rows, scanner.repaired, sum(scanner.counts)) == (2, 1, 0)
    scanner = scan(LINE + LINE[:100] + MESSAGE)
    assert (scanner.rows, CAUSES[scanner.errors()[0][3]]) == (1, "line broken by a message")


def test_trap_8_real_mixed_dump():
    scanner = scan(dump("n1.L.with_stderr_mixed_in.txt"))
    assert (scanner.rows, scanner.lines, scanner.repaired) == (344, 345, 1)
    whole = scan(dump("n1.L.txt"))
    for name in ("orig_src", "reply_src", "orig_sport", "reply_sport"):
        assert sorted(scanner.columns[name][:344]) == sorted(whole.columns[name][:344])
    scanner = scan(dump("n1.D.output.txt"))
    assert (scanner.rows, scanner.repaired, sum(scanner.counts)) == (27, 1, 0)


MIXED = (
    dump("n1.L.with_stderr_mixed_in.txt")[60000:]
    + dump("libfmt.events_DESTROY.txt")[:3000]
    + b"\r\n\n nonsense\n"
    + b"y" * 70000
    + b"\n"
    + dump("n1.proc.txt")[-6000:]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, len(MIXED)), max_size=12), st.integers(1, 90), st.booleans())
def test_any_split_of_the_input_gives_the_same(cuts, capacity, fast):
    expected = in_pieces(MIXED, [], len(MIXED), fast=True)
    assert in_pieces(MIXED, sorted(cuts), capacity, fast=fast) == expected


def test_split_at_every_byte_of_a_few_lines():
    text = LINE + LINE[:100] + MESSAGE + LINE[100:] + b"bad\n" + LINE
    expected = in_pieces(text, [], len(text), fast=True)
    for cut in range(len(text)):
        assert in_pieces(text, [cut], 2, fast=True) == expected


SEEDS = sorted(
    {line for name in LINES if name != "bulk.proc.txt" for line in dump(name).splitlines()[:60]}
)
TOKENS = [
    b" ", b"  ", b"\t", b"\n", b"\r", b"\0", b"=", b"[", b"]", b":", b"::", b".", b"0", b"00", b"9",
    b"255", b"256", b"65535", b"65536", b"4294967296", b"99999999", b"100000000", b"src=",
    b" mark=1", b" zone=7", b" use=2", b" id=3", b"[UNREPLIED] ", b" [ASSURED]", b" [OFFLOAD]",
    b"packets=1 bytes=2 ", b"ipv4     2 ", b"ipv6     10 ", b"::ffff:1.2.3.4",
    b"18446744073709551615", b"9999999999999999", b"ESTABLISHED ", b"CLOSE ",
    b"(conntrack-tools): ", MESSAGE,
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A few real lines with bytes and tokens replaced, inserted and removed."""
    lines = draw(st.lists(st.sampled_from(SEEDS), min_size=1, max_size=3))
    text = bytearray(b"\n".join(lines) + b"\n")
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(text) - 1, 0)))
        piece = draw(st.one_of(st.sampled_from(TOKENS), st.binary(min_size=1, max_size=2)))
        width = draw(st.integers(0, 6))
        text[at : at + width] = piece
    return bytes(text)


@settings(max_examples=800, deadline=None)
@given(mutated())
def test_fast_and_careful_parser_agree_on_mutated_lines(text):
    text += PAD
    fast, careful = (scan(text, fast=fast, capacity=64) for fast in (True, False))
    assert outcome(fast) == outcome(careful)


#: Scans text between two pages that may not be touched, from every start and to every end.
GUARDED = """
import ctypes, mmap, sys
from netpol._core.conntrack import Scanner
text, page = sys.stdin.buffer.read(), mmap.PAGESIZE
memory = mmap.mmap(-1, 4 * page)
start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
protect = ctypes.CDLL(None, use_errno=True).mprotect
protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
for guard in (0, 3):
    assert protect(start + guard * page, page, 0) == 0
for cut in range(0, 600, 7):
    for part in (text[cut:], text[: len(text) - cut]):
        for at in (page, 3 * page - len(part)):
            memory[at : at + len(part)] = part
            scanner = Scanner(64)
            assert scanner.scan(memoryview(memory)[at:at + len(part)], 0, len(part), True)
print("read")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs mprotect of libc")
def test_nothing_before_or_after_the_text_is_read():
    text = (LINE * 40)[: 2 * mmap.PAGESIZE][-8000:]
    done = subprocess.run(
        [sys.executable, "-c", GUARDED], input=text, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, b"read\n"), done.stderr.decode()[-500:]


FIELDS = [b"10.244.1.10", b"10.96.100.1", b"42000", b"80", b"4", b"222", b"8080", b"3", b"399"]
VALUES = [
    *(b"9876543210987654321"[:digits] for digits in range(20)),
    *(b"0" * zeros + b"7" for zeros in range(9)),
    *(b".".join(parts) for parts in [(b"1", b"2", b"3", b"4"), (b"255",) * 4, (b"10",) * 3]),
    b"1.2.3.256", b"1.02.3.4", b"1.2.3.4.", b"1.2.3.4.5", b"12345:", b"65535", b"65536", b"1 ",
]  # fmt: skip


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("flag", [b"[UNREPLIED] ", b"(UNREPLIED) ", b"x] ", b"] ", b""])
def test_fast_and_careful_parser_agree_on_every_width_of_a_field(field, flag):
    line = LINE.replace(b"src=10.244.1.20", flag + b"src=10.244.1.20")
    text = b"".join(line.replace(b"=" + field, b"=" + value, 1) for value in VALUES) + PAD
    fast, careful = (scan(text, fast=fast, capacity=64) for fast in (True, False))
    assert outcome(fast) == outcome(careful)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_a_crash(data):
    scanner = scan(data)
    assert scanner.rows + scanner.blank + scanner.notices + sum(scanner.counts) <= scanner.lines


@settings(max_examples=250, deadline=None)
@given(mutated())
def test_what_the_strict_parser_takes_the_scanner_reads_alike(text):
    lines = text.decode("latin-1").split("\n")
    for line in lines:
        try:
            expected = strict_conntrack.parse(line)
        except ValueError:
            continue
        if expected is None or not line.isascii():
            continue
        scanner = scan(line.encode("latin-1") + b"\n" + PAD, capacity=2)
        if scanner.rows:
            for column in ("orig_src", "reply_src", "reply_dst", "protocol", "reply_sport"):
                assert _field(scanner, column, 0) == expected[column]


def test_start_time_is_the_civil_time_printed():
    for year in (1970, 1999, 2000, 2024, 2100):
        for month in (1, 2, 3, 12):
            day = calendar.monthrange(year, month)[1]
            seconds = calendar.timegm((year, month, day, 23, 59, 58))
            text = time.asctime(time.gmtime(seconds)).encode()
            scanner = scan(LINE.replace(b" use=1", b" [start=" + text + b"] use=1"))
            assert scanner.columns["start"][0] == seconds


def test_counters_saturate():
    top = str((1 << 64) - 1).encode()
    scanner = scan(LINE.replace(b"bytes=222", b"bytes=" + top))
    assert scanner.columns["bytes"][0] == (1 << 64) - 1
    assert scanner.columns["packets"][0] == 7


def test_bounds_are_checked():
    scanner = Scanner(4)
    for start, stop in ((-1, 2), (3, 2), (0, 99)):
        with pytest.raises(IndexError):
            scanner.scan(b"tcp", start, stop, True)
    with pytest.raises(ValueError, match="capacity"):
        Scanner(0)
