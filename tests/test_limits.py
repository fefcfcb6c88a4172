"""What a command may take and say, whatever it is given: threads, memory, length of its words."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

import netpol
from cli_support import EXAMPLES, run
from limits_support import limited, limited_code
from netpol.flows.reader import open_flows
from netpol.model.brevity import MAX_LINE, MAX_TEXT, MAX_WORD, shortened
from netpol.model.errors import ConfigError, FlowError, InputError, Location
from netpol.model.text import escape_controls
from netpol.questions.replay.replay import replay
from netpol.run.conntrack_sums import TextSums

GUIDE = EXAMPLES / "guide"
LAB = EXAMPLES / "lab"
CLUSTER = ["-c", str(LAB / "cluster.json"), "-p", str(LAB / "policies")]
RECORD = (
    "tcp      6 86389 ESTABLISHED src=10.244.1.{0} dst=10.244.1.9 sport={0} dport=80 "
    "src=10.244.1.9 dst=10.244.1.{0} sport=80 dport={0} [ASSURED] mark=0 use=1\n"
)


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give the path of 14 records of conntrack, which are read by threads."""
    path = tmp_path_factory.mktemp("dump") / "conntrack.txt"
    path.write_text("".join(RECORD.format(number) for number in range(1, 15)))
    return str(path)


# --- threads ------------------------------------------------------------------------------------


@pytest.mark.long
def test_a_thousand_threads_take_no_memory(dump: str) -> None:
    room = 1 << 30  # without a limit of threads it took 2.6 GB
    asked = limited("replay", "-j", "1000", dump, *CLUSTER, room=room)
    assert (asked.returncode, asked.stderr) == (0, "")
    assert asked.stdout == limited("replay", "-j", "1", dump, *CLUSTER, room=room).stdout


@pytest.mark.long
@pytest.mark.parametrize("command", ["replay", "coverage", "diff"])
def test_any_command_takes_a_thousand_threads(command: str, dump: str) -> None:
    words = [dump, *CLUSTER]
    if command == "diff":
        words = [dump, "-c", CLUSTER[1], "--before", CLUSTER[3], "--after", CLUSTER[3]]
    done = limited(command, "-j", "1000", *words, room=1 << 30)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("number", ["0", "-1", "x", "1.5", ""])
def test_a_number_of_threads_that_is_none(number: str, dump: str) -> None:
    done = run("replay", dump, *CLUSTER, "-j", number)
    assert done.exit_code == 2
    assert "'--jobs'" in done.stderr
    assert done.stdout == ""


def test_a_thread_gets_what_it_works_with_when_there_is_a_piece(
    monkeypatch: pytest.MonkeyPatch, dump: str
) -> None:
    made = []
    real = TextSums._new_worker

    def counted(self: TextSums) -> object:
        made.append(1)
        return real(self)

    monkeypatch.setattr(TextSums, "_new_worker", counted)
    monkeypatch.setattr("netpol.run.conntrack_sums.os.cpu_count", lambda: 64)
    engine = netpol.compile(netpol.read_policies(CLUSTER[3]), netpol.read_snapshot(CLUSTER[1]))
    replay(engine, open_flows([dump]), jobs=64)
    assert len(made) == 1  # the dump is one piece


# --- memory -------------------------------------------------------------------------------------


def test_out_of_memory_is_one_sentence(tmp_path: Path, dump: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("a: 1\n" * 40_000_000)  # 200 MB, and several times that as YAML
    out = tmp_path / "out"
    done = limited("replay", dump, "-c", str(path), "--output-file", str(out), room=250 << 20)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "netpol: error: out of memory; give less, or a smaller --memory-budget\n"
    assert not out.exists()


def test_a_line_without_end_takes_no_memory(dump: str) -> None:
    code = (
        "import sys, resource\n"
        "from netpol.dns.read import read_dns\n"
        "from netpol.flows.reader import open_flows\n"
        "def lines(path, head, size):\n"
        "    with open(path, 'wb') as file:\n"
        "        file.write(head)\n"
        "        for _ in range(size): file.write(b'x' * (1 << 20))\n"
        "    return path\n"
        "folder = sys.argv[1]\n"
        f"head = open({dump!r}, 'rb').read()\n"
        "stream = open_flows([lines(folder + '/a', head, 600)])\n"
        "print(sum(len(batch) for batch in stream), stream.stats.skipped_total)\n"
        'head = b\'{"name":"a.b","address":"1.1.1.1"}\\n\'\n'
        "print(len(read_dns(lines(folder + '/b', head, 600)).answers))\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        done = limited_code(code, folder, room=200 << 20)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[1:] == ["1", "1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("src,dst,dport,protocol," + "x" * (6 << 20), "a header of more than 64 KiB"),
        (
            "src,dst,dport,protocol\n10.0.0.1,10.0.0.2,80,tcp\n" + '"' + "x" * (12 << 20),
            "a row of more than 4 MiB",
        ),
    ],
)
def test_a_row_of_a_table_is_bounded(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "flows.csv"
    path.write_text(text)
    with pytest.raises(FlowError, match=message) as caught:
        list(open_flows([path], format="csv"))
    assert caught.value.location.file == str(path)
    assert caught.value.location.line is not None
    done = limited("replay", "--format", "csv", str(path), *CLUSTER, room=1 << 30)
    assert done.returncode == 2  # and no abort of a thread that still reads
    assert message in done.stderr


# --- length of words ----------------------------------------------------------------------------


def test_what_is_short_is_left_alone() -> None:
    for text in ("", "a" * MAX_WORD, "a " * (MAX_LINE // 2), "a\n" * (MAX_TEXT // 2)):
        assert shortened(text) == text


@pytest.mark.parametrize(
    ("text", "limit"),
    [("a" * 10_000_000, MAX_WORD), ("a " * 5_000_000, MAX_LINE), ("a\n" * 5_000_000, MAX_TEXT)],
)
def test_what_is_long_is_cut_and_says_how_much(text: str, limit: int) -> None:
    short = shortened(text)
    assert len(short) < limit
    assert short.startswith(text[:400])
    assert short.endswith(text[-200:])
    missing = len(text) - limit // 2 - limit // 4
    assert f"…({missing} more characters)…" in short


def test_errors_quote_no_more_than_can_be_read() -> None:
    long = "x" * 10_000_000
    for error in (
        ConfigError(f"{long}: no such thing"),
        InputError(f"duplicate key {long!r}", Location(long, 1, long)),
    ):
        assert len(str(error)) < 4 * MAX_WORD
        assert "more characters)…" in str(error)
    assert InputError("short", Location("f", 3, "a.b")).message == "short"


def test_records_keep_what_text_cuts() -> None:
    assert len(escape_controls("x" * 5000)) < MAX_WORD
    assert escape_controls("x\0" * 5000, whole=True) == "x\\x00" * 5000


LONG = "n" * (2 << 20)


@pytest.fixture(scope="module")
def swollen(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Give options naming the guide's cluster and policies, with a name of 2 MB each."""
    folder = tmp_path_factory.mktemp("swollen")
    cluster, policies = folder / "cluster.yaml", folder / "policies.yaml"
    for source, target in ((GUIDE / "cluster.yaml", cluster), (GUIDE / "policies.yaml", policies)):
        text = source.read_text().replace("frontend", LONG)
        target.write_text(text.replace("my-network-policy", LONG))
    return "-c", str(cluster), "-p", str(policies)


@pytest.mark.parametrize(
    "words",
    [
        ["replay", str(GUIDE / "flows.csv")],
        ["replay", str(GUIDE / "flows.csv"), "--report", "page.html"],
        ["coverage", str(GUIDE / "flows.csv")],
        ["matrix"],
    ],
    ids=" ".join,
)
def test_no_output_for_people_echoes_a_long_name(
    words: list[str], swollen: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*words, *swollen)
    said = [done.stdout, done.stderr]
    said += [page.read_text() for page in tmp_path.glob("*.html")]
    for text in said:
        assert LONG[:10_000] not in text
    assert sum(map(len, said)) < (8 << 20 if len(said) == 3 else 1 << 20)


def test_a_long_name_in_check_and_options(tmp_path: Path, dump: str) -> None:
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": LONG, "namespace": "x", LONG: 1},
        "spec": {"podSelector": {"matchLabels": {LONG: "x"}}, "policyTypes": [LONG]},
    }
    path = tmp_path / "p.json"
    path.write_text(json.dumps(policy))
    for words in (["-o", "text"], ["-o", "json"], ["-o", "github"], ["-o", "sarif"]):
        done = run("check", str(path), *words)
        assert done.exit_code == 2
        if words[1] != "json":
            assert len(done.stdout) < 100_000, words
    config = tmp_path / "netpol.toml"
    for text in (f'[replay]\nformat = "{LONG}"\n', f"{LONG} = 1\n", f'[replay]\ntop = "{LONG}"\n'):
        config.write_text(text)
        done = run("--config", str(config), "replay", dump, *CLUSTER)
        assert done.exit_code == 2
        assert len(done.stderr) < 10_000
    for words in (
        ["replay", LONG],
        ["check", LONG],
        ["explain", LONG, LONG],
        [LONG],
        ["--" + LONG],
    ):
        done = run(*words)
        assert done.exit_code == 2
        assert len(done.stderr + done.stdout) < 10_000, words[0][:10]
