"""DNS logs: every format, what each column may be called, and what comes of bad records."""

from __future__ import annotations

import gzip
import io
import json
import random
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import netpol
from limits_support import limited_code
from netpol.model.dns_observations import DnsAnswer, DnsObservations, Window, merged_windows
from netpol.model.errors import ConfigError, FlowError
from netpol.model.read_stats import ReadStats

NS = 1_000_000_000
NOON = 1_764_072_000
HEADER = "time,name,address,ttl\n"
QUERY = (
    '[INFO] 10.244.1.10:43000 - 5 "A IN a.b.example.com. udp 40 false 512" '
    "NOERROR qr,rd,ra 90 0.0012s"
)


@pytest.fixture
def read(tmp_path: Path):
    def read_(text: str | bytes, **options: object) -> tuple[DnsObservations, ReadStats]:
        file = tmp_path / "dns"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        stats = ReadStats()
        return netpol.read_dns(file, stats=stats, **options), stats

    return read_


def answer(name: str, address: str, start: float | None = None, end: float | None = None):
    bounds = (None if value is None else round(value * 1000) * 10**6 for value in (start, end))
    return DnsAnswer(name, ip_address(address), Window(*bounds))


# --- CSV --------------------------------------------------------------------------------------


def test_csv(read) -> None:
    seen, stats = read(
        HEADER + f"{NOON},a.example.com,9.9.9.9,60\n"
        f"{NOON + 30},A.Example.COM.,::ffff:9.9.9.9,60\n"
        f"{NOON},a.example.com,2001:DB8::1,0.5\n"
        f",b.example.com,9.9.9.8,\n"
        f",b.example.com,9.9.9.7,60\n"
        f"{NOON},c.example.com,9.9.9.8,\n"
    )
    assert seen.answers == (
        answer("a.example.com", "9.9.9.9", NOON, NOON + 90),
        answer("a.example.com", "2001:db8::1", NOON, NOON + 0.5),
        answer("b.example.com", "9.9.9.8"),
        answer("b.example.com", "9.9.9.7"),
        answer("c.example.com", "9.9.9.8", NOON),
    )
    assert seen.asked == frozenset()
    assert (stats.records, stats.lines, stats.skipped_total) == (6, 6, 0)


@pytest.mark.parametrize(
    "text",
    [
        str(NOON), f"{NOON}.0", f"{NOON}000", f"{NOON}000000", f"{NOON}000000000",
        "2025-11-25T12:00:00Z", "2025-11-25T13:00:00.000+01:00", "2025-11-25 12:00:00Z",
    ],
)  # fmt: skip
def test_times(read, text: str) -> None:
    seen, _ = read(HEADER + f"{text},a.example.com,9.9.9.9,1\n")
    assert seen.answers == (answer("a.example.com", "9.9.9.9", NOON, NOON + 1),)


@pytest.mark.parametrize(
    "header",
    [
        "time,name,address,ttl", "ts,query,answer,TTL", "Timestamp,QName,IP,ttl",
        "timestamp;domain;rdata;ttl", "ts\tquery\tanswers\tTTLs", "\ufefftime,fqdn,addr,ttl",
    ],
)  # fmt: skip
def test_names_of_columns(read, header: str) -> None:
    delimiter = next(mark for mark in ",;\t" if mark in header)
    cells = (str(NOON), "a.example.com", "9.9.9.9", "60")
    rows = [header, delimiter.join(cells)]
    assert read("\n".join(rows))[0].answers == (
        answer("a.example.com", "9.9.9.9", NOON, NOON + 60),
    )


def test_other_columns_are_passed_over_and_some_may_lack(read) -> None:
    seen, _ = read("rcode,name,type,address\nNOERROR,a.example.com,A,9.9.9.9\n")
    assert seen.answers == (answer("a.example.com", "9.9.9.9"),)
    with pytest.raises(FlowError, match="both mean name"):
        read("name,query,address\na,b,9.9.9.9\n")


def test_the_header_decides_whatever_lines_follow(read) -> None:
    query = '[INFO] 10.0.0.1:5 - 9 "A IN a.example.com. udp 45 false 512" NOERROR qr 62 0.0001s'
    found, stats = read(f"time,name,address,ttl\n2024-05-01T10:00:00Z,a.b,10.0.0.1,30\n{query}\n")
    assert [answer.name for answer in found.answers] == ["a.b"]
    assert sum(stats.skipped.values()) == 1


def test_a_name_without_an_address_was_asked_for(read) -> None:
    seen, stats = read(
        HEADER + f"{NOON},a.example.com,,\n{NOON},b.example.com,9.9.9.9,0\n"
        f"{NOON},c.example.com,cdn.example.net.,60\n"
    )
    assert seen.answers == ()
    assert seen.asked == {"a.example.com", "b.example.com", "c.example.com"}
    assert stats.skipped == {"bad address": 1}


@pytest.mark.parametrize(
    ("row", "cause"),
    [
        (",,9.9.9.9,", "bad name"),
        (",.,9.9.9.9,", "bad name"),
        (",a..example.com,9.9.9.9,", "bad name"),
        (",a example.com,9.9.9.9,", "bad name"),
        (",*.example.com,9.9.9.9,", "bad name"),
        (",a\\032b.example.com,9.9.9.9,", "bad name"),
        (",b\u00fccher.example,9.9.9.9,", "bad name"),
        (",\u212a.example,9.9.9.9,", "bad name"),
        (",a\x1b[2J.example.com,9.9.9.9,", "bad name"),
        (",a\u202e.example.com,9.9.9.9,", "bad name"),
        ("," + "a." * 127 + "a,9.9.9.9,", "bad name"),
        ("," + "a" * 64 + ".com,9.9.9.9,", "bad name"),
        (",a.example.com,9.9.9.999,", "bad address"),
        (",a.example.com,9.9.9.0/24,", "bad address"),
        ("noon,a.example.com,9.9.9.9,60", "bad time"),
        ("2025-11-25T12:00:00,a.example.com,9.9.9.9,60", "bad time"),
        ("-5,a.example.com,9.9.9.9,60", "bad time"),
        (",a.example.com,9.9.9.9,-1", "bad ttl"),
        (",a.example.com,9.9.9.9,nan%", "bad ttl"),
        (",a.example.com,9.9.9.9,1e400", "bad ttl"),
        (",a.example.com,9.9.9.9,2147483648", "bad ttl"),
        (",a.example.com,9.9.9.9,60,60", "wrong number of cells"),
    ],
)
def test_bad_rows_are_counted_and_fatal_when_strict(read, row: str, cause: str) -> None:
    text = HEADER + f",ok.example.com,9.9.9.9,\n{row}\n"
    seen, stats = read(text)
    assert seen.answers == (answer("ok.example.com", "9.9.9.9"),)
    assert stats.skipped == {cause: 1}
    (sample,) = stats.samples
    assert sample.line == 3
    with pytest.raises(FlowError) as error:
        read(text, strict=True)
    assert error.value.location.line == 3


def test_a_name_of_just_253_is_one(read) -> None:
    name = "a." * 126 + "a"
    assert len(name) == 253
    assert read(HEADER + f",{name}.,9.9.9.9,\n")[0].answers == (answer(name, "9.9.9.9"),)


def test_no_window_wraps(read) -> None:
    seen, _ = read(HEADER + "9223372036854775807,a.example.com,9.9.9.9,2147483647\n")
    assert [a.window for a in seen.answers] == []  # nothing is left after the last moment
    seen, _ = read(HEADER + "9223372036854775000,a.example.com,9.9.9.9,2147483647\n")
    assert [a.window for a in seen.answers] == [Window(9223372036854775000, None)]
    seen, _ = read(HEADER + "1960-01-01T00:00:00Z,a.example.com,9.9.9.9,2147483647\n")
    start = -315_619_200 * NS
    assert [a.window for a in seen.answers] == [Window(start, start + 2147483647 * NS)]


names = st.sampled_from(["a.example.com", "b.example.com", "c.org"])
addresses = st.sampled_from(["9.9.9.9", "9.9.9.8", "2001:db8::1"])
records = st.lists(
    st.tuples(
        st.one_of(st.none(), st.integers(0, 50)),
        names,
        addresses,
        st.one_of(st.none(), st.integers(1, 20)),
    ),
    min_size=1,
    max_size=30,
)


@given(records)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_format_gives_the_windows_of_a_brute_force(
    read, rows: list[tuple[int | None, str, str, int | None]]
) -> None:
    def window(moment: int | None, ttl: int | None) -> Window:
        if moment is None:
            return Window(None, None)
        start = (NOON + moment) * NS
        return Window(start, None if ttl is None else start + ttl * NS)

    expected = {
        (name, ip_address(address), merged)
        for name in {row[1] for row in rows}
        for address in {row[2] for row in rows}
        for merged in merged_windows(
            window(t, ttl) for t, n, a, ttl in rows if (n, a) == (name, address)
        )
    }
    moments = [None if t is None else datetime.fromtimestamp(NOON, UTC) + timedelta(seconds=t)
               for t, *_ in rows]  # fmt: skip
    csv = HEADER + "".join(
        f"{'' if m is None else m.isoformat()},{n},{a},{'' if ttl is None else ttl}\n"
        for m, (_, n, a, ttl) in zip(moments, rows, strict=True)
    )
    lines = "".join(
        json.dumps({"ts": None if t is None else NOON + t, "query": n, "ip": a, "ttl": ttl}) + "\n"
        for t, n, a, ttl in rows
    )
    for text in (csv, lines):
        seen, stats = read(text)
        assert set(seen.answers) == expected
        assert len(seen.answers) == len(expected)
        assert stats.records == len(rows)


# --- JSON lines -------------------------------------------------------------------------------


def test_json_lines(read) -> None:
    seen, stats = read(
        f'{{"time": "2025-11-25T12:00:00Z", "name": "a.example.com.", "address": "9.9.9.9", '
        f'"ttl": 60, "other": [1]}}\n\n'
        f'{{"ts": {NOON}.25, "query": "b.example.com", "addresses": ["9.9.9.8", "2001:db8::1"]}}\n'
        f'{{"name": "c.example.com"}}\n'
    )
    assert seen.answers == (
        answer("a.example.com", "9.9.9.9", NOON, NOON + 60),
        answer("b.example.com", "9.9.9.8", NOON + 0.25),
        answer("b.example.com", "2001:db8::1", NOON + 0.25),
    )
    assert seen.asked == {"c.example.com"}
    assert (stats.records, stats.lines, stats.blank) == (4, 4, 1)


def test_a_list_of_answers_with_the_aliases_on_the_way(read) -> None:
    """As Zeek writes them: the TTLs stand beside the answers."""
    seen, stats = read(
        f'{{"ts": {NOON}, "query": "a.example.com", "answers": ["x.cdn.example.net", "9.9.9.9", '
        '"9.9.9.8"], "TTLs": [300.0, 60.0, 30.0]}\n'
        '{"query": "b.example.com", "answers": ["x.cdn.example.net"]}\n'
    )
    assert seen.answers == (
        answer("a.example.com", "9.9.9.9", NOON, NOON + 60),
        answer("a.example.com", "9.9.9.8", NOON, NOON + 30),
    )
    assert seen.asked == {"b.example.com"}
    assert not stats.skipped


def test_of_several_keys_for_one_column_the_commonest_counts(read) -> None:
    seen, _ = read('{"ip": "9.9.9.9", "address": "9.9.9.8", "Name": "a.example.com"}\n')
    assert seen.answers == (answer("a.example.com", "9.9.9.8"),)


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ('{"name": "a.example.com", "address": "9.9.9.9"', "bad JSON"),
        ('["a.example.com", "9.9.9.9"]', "bad JSON"),
        ("[" * 50_000, "bad JSON"),
        ('{"name": ' + '{"a":' * 10_000, "bad JSON"),
        ('{"name": 5, "address": true}', "bad address"),
        ('{"name": "", "address": "9.9.9.9"}', "bad name"),
        ('{"name": {"a": 1}, "address": "9.9.9.9"}', "bad name"),
        ('{"name": "a\\u001b.example.com", "address": "9.9.9.9"}', "bad name"),
        ('{"name": "a.example.com", "address": "9.9.9.9", "ttl": -1}', "bad ttl"),
        ('{"name": "a.example.com", "addresses": ["9.9.9.9.9"]}', "bad address"),
        ('{"name": "a.example.com", "pad": "' + "x" * 70_000 + '"}', "line too long"),
    ],
)
def test_bad_json(read, line: str, cause: str) -> None:
    text = f'{{"name": "ok.example.com", "address": "9.9.9.9"}}\n{line}\n'
    seen, stats = read(text)
    assert seen.answers == (answer("ok.example.com", "9.9.9.9"),)
    assert stats.skipped == {cause: 1}
    assert all(len(sample.text) <= 200 for sample in stats.samples)
    with pytest.raises(FlowError) as error:
        read(text, strict=True)
    assert error.value.location.line == 2


def test_strict_complains_of_the_first_bad_record(read) -> None:
    text = '{"name": "", "address": "9.9.9.9"}\n{broken\n'
    with pytest.raises(FlowError, match="bad name"):
        read(text, strict=True)


# --- CoreDNS ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        QUERY,
        f"2025-11-25T12:00:00.000000000Z {QUERY}",
        f"[pod/coredns-5d78c9869d-abcde/coredns] {QUERY}",
        f"[pod/coredns-5d78c9869d-abcde/coredns] 2025-11-25T12:00:00Z {QUERY}",
        f"2025-11-25T12:00:00.000000000Z stdout F {QUERY}",
        f'{QUERY} "0"',
        QUERY.replace("10.244.1.10", "[fd00::1]"),
        QUERY.replace("A IN", "AAAA IN").replace("udp", "tcp"),
        QUERY.replace("a.b.example.com", "A.b.EXAMPLE.com"),
        QUERY.replace("- 5 ", "- [25/Nov/2025:12:00:00 +0000] "),
        json.dumps({"log": QUERY + "\n", "stream": "stdout", "time": "2025-11-25T12:00:00Z"}),
        json.dumps({"message": QUERY, "kubernetes": {"pod": "coredns"}}),
    ],
)
def test_coredns(read, line: str) -> None:
    seen, stats = read(f"{line}\n")
    assert seen == DnsObservations((), frozenset({"a.b.example.com"}))
    assert (stats.records, stats.skipped_total) == (1, 0)


@pytest.mark.parametrize(
    "line",
    [
        QUERY.replace("NOERROR", "NXDOMAIN"),
        QUERY.replace("NOERROR", "SERVFAIL"),
        QUERY.replace("NOERROR qr,rd,ra", "NOERROR -"),  # nothing was answered: coredns#4724
        QUERY.replace("NOERROR qr,rd,ra", "- -"),
        QUERY.replace("A IN", "SRV IN"),
        QUERY.replace("A IN", "CNAME IN"),
    ],
)
def test_queries_that_learned_no_address(read, line: str) -> None:
    seen, stats = read(f"{line}\n")
    assert seen.asked == frozenset()
    assert (stats.records, stats.notices, stats.skipped_total) == (1, 0, 0)


def test_what_else_coredns_says_is_a_notice(read) -> None:
    seen, stats = read(
        ".:53\n[INFO] plugin/reload: Running configuration SHA512 = 12ab\nCoreDNS-1.11.1\n"
        f"linux/amd64, go1.20.7, ae2bbc2\n{QUERY}\n"
        "[ERROR] plugin/errors: 2 x.example.com. A: read udp 10.0.0.2:5->10.0.0.1:53: timeout\n"
    )
    assert seen.asked == {"a.b.example.com"}
    assert (stats.lines, stats.records, stats.notices, stats.skipped_total) == (6, 1, 5, 0)


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (QUERY[:60], "bad query"),
        (QUERY.replace("a.b.example.com", "a\\ b"), "bad query"),
        (QUERY.replace("a.b.example.com", "a\\032b"), "bad name"),
        (QUERY.replace("a.b.example.com", "a\x1b[2J"), "bad name"),
        (QUERY + "x" * 70_000, "line too long"),
    ],
)
def test_bad_queries(read, line: str, cause: str) -> None:
    text = f"{QUERY}\n{line}\n"
    seen, stats = read(text)
    assert seen.asked == {"a.b.example.com"}
    assert stats.skipped == {cause: 1}
    with pytest.raises(FlowError) as error:
        read(text, strict=True)
    assert error.value.location.line == 2


def test_a_name_cannot_pose_as_the_rest_of_its_line(read) -> None:
    hostile = 'x\\"\\ udp\\ 40\\ false\\ 512\\"\\ NOERROR\\ qr'
    line = QUERY.replace("a.b.example.com.", hostile).replace("NOERROR qr", "NXDOMAIN qr")
    seen, _ = read(f"{QUERY}\n{line}\n")
    assert seen.asked == {"a.b.example.com"}


_SEARCHES = r"""
import sys, netpol
from netpol.model.errors import FlowError
query, file = sys.argv[1:3]
for piece in sys.argv[3:]:
    line = (piece * 70_000)[:65_000]
    for text in (f"{query}\n{line}\n{line}\n", line):
        with open(file, "w") as log:
            log.write(text)
        try:
            print(netpol.read_dns(file).asked)
        except FlowError:
            print("refused")
"""


def test_no_line_takes_long_to_search(tmp_path: Path) -> None:
    """A search that goes back at each character would take hours, not the 2 s that all take."""
    pieces = ["a", "1:", "[1", '1:1 - "', "[INFO] ", "1:1 - [", "\\"]
    done = limited_code(_SEARCHES, QUERY, str(tmp_path / "dns"), *pieces, seconds=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:-1] == [
        "frozenset({'a.b.example.com'})", "refused"
    ] * len(pieces)  # fmt: skip


def test_numbers_beyond_all_bounds(read) -> None:
    huge = "9" * 400
    for record in (
        f'"time": {huge}',
        f'"ttl": {huge}',
        '"time": 1e300',
        '"ttl": 1e300',
        '"time": -1',
    ):
        seen, stats = read(
            '{"name": "ok.example.com", "address": "9.9.9.9"}\n'
            f'{{"name": "a.example.com", "address": "9.9.9.9", {record}}}\n'
        )
        assert [a.name for a in seen.answers] == ["ok.example.com"]
        assert stats.skipped_total == 1


# --- inputs -----------------------------------------------------------------------------------


def test_compressed_and_on_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (HEADER + ",a.example.com,9.9.9.9,\n").encode()
    packed = tmp_path / "dns.gz"
    packed.write_bytes(gzip.compress(text))
    zstd = tmp_path / "dns.zst"
    zstd.write_bytes(pa.compress(QUERY.encode(), "zstd", asbytes=True))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(text))))
    one = (answer("a.example.com", "9.9.9.9"),)
    assert netpol.read_dns(packed).answers == one
    assert netpol.read_dns("-").answers == one
    both = netpol.read_dns([packed, zstd])
    assert (both.answers, both.asked) == (one, {"a.b.example.com"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b" \n\n", "the file is empty"),
        (HEADER.encode(), "no records"),
        (HEADER.encode() + b",,1,\n", "no records in 1 line .1 bad name"),
        (b"hello\nworld\n", "not a DNS log that netpol knows .it begins 'hello'"),
        (b"time,name\n1,a\n", "time,name,address,ttl"),
        (b'[{"name": "a"}]', "a JSON array"),
        (b"[]", "a JSON array"),
        (b"\x00\x01\x02\x03" * 100, "binary data"),
        (random.Random(1).randbytes(5000), "binary data"),
        (b"\x1f\x8b\x08\x00cut short", "ompressed data"),
        (b"BZh91AY&SY", "compressed with bzip2"),
        (b"CoreDNS-1.11.1\n", "no records in 1 line"),
    ],
)
def test_a_log_that_is_none(read, content: bytes, message: str) -> None:
    with pytest.raises(FlowError, match=message):
        read(content)


def test_paths_that_are_none(tmp_path: Path) -> None:
    for path, message in ((tmp_path, "is a directory"), (tmp_path / "none", "no such file")):
        with pytest.raises(FlowError, match=message):
            netpol.read_dns(path)
    with pytest.raises(ConfigError, match="only once"):
        netpol.read_dns(["-", "-"])
    with pytest.raises(ConfigError, match="no DNS logs"):
        netpol.read_dns([])


@given(st.binary(max_size=300))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_follows_is_read_or_refused_but_never_breaks(read, rest: bytes) -> None:
    for head in (
        HEADER.encode(),
        b'{"name": "a.b", "address": "1.1.1.1"}\n',
        QUERY.encode() + b"\n",
    ):
        try:
            seen, _ = read(head + rest)
        except FlowError:
            continue
        for name in {a.name for a in seen.answers} | seen.asked:
            assert name.isascii()
            assert name.isprintable()
            assert name == name.lower()


def test_many_lookups_of_few_names_stay_few(read) -> None:
    rows = "".join(f"{NOON + i},a{i % 7}.example.com,9.9.9.{i % 7},60\n" for i in range(200_000))
    seen, stats = read(HEADER + rows)
    assert stats.records == 200_000
    assert len(seen.answers) == 7
    assert seen.answers[0].window == Window(NOON * NS, (NOON + 199_997 + 60 - (199_997 % 7)) * NS)


def test_a_line_end_within_the_first_line_is_an_error_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "dns.log"
    path.write_bytes(b"x\ry\nz\n")
    with pytest.raises(FlowError, match="not a DNS log"):
        netpol.read_dns(path)
