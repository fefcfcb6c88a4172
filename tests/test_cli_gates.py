"""What a gate must have seen: no command passes, or writes anything, on nothing judged."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import netpol
from cli_support import GUIDE, failure, process, run
from netpol.cli.gates import GATE_LIMIT
from netpol.flows.limits import skip_limit
from netpol.model.errors import ConfigError, FlowError
from netpol.model.profiles import switches_of
from netpol.model.read_stats import ReadStats
from netpol.questions.compare.compare import compare
from netpol.questions.coverage.coverage import coverage
from netpol.questions.replay.replay import replay
from netpol.report.words.formats import CI_FORMATS

pytestmark = pytest.mark.usefixtures("in_examples")

HEADER = "src,dst,protocol,port\n"
GOOD = "10.244.0.11,10.244.0.10,tcp,6379\n"
DENIED = "10.244.0.12,10.244.0.10,tcp,6379\n"
BAD = "10.244.0.11,10.244.0.10,tcp,65536\n"
CLUSTER = ["-c", "guide/cluster.yaml"]
SIDES = ["--before", "guide/policies.yaml", "--after", "guide/proposed.yaml"]
RECORDS = ("csv", "jsonl", "arrow", "parquet")

COMMANDS = {
    "replay": (["replay", *GUIDE], ("table", "json", *RECORDS), "deny"),
    "compare": (
        ["replay", *GUIDE, "--compare-profiles", "spec,calico"],
        ("table", "json", *RECORDS),
        "differs",
    ),
    "coverage": (["coverage", *GUIDE], ("table", "json", "yaml", *CI_FORMATS), "never-hit"),
    "diff": (
        ["diff", *CLUSTER, *SIDES],
        ("table", "json", *RECORDS, *CI_FORMATS),
        "newly-denied,newly-allowed,newly-unknown,other-rule",
    ),
}
EVERY_WAY = [(name, output) for name, (_, outputs, _) in COMMANDS.items() for output in outputs]


def nothing(kind: str, folder: Path) -> Path:
    """Give a log of which no record can be judged."""
    log = folder / f"{kind}.log"
    if kind == "empty":
        log.write_bytes(b"")
    elif kind == "header":
        log.write_text(HEADER)
    elif kind == "bad csv":
        log.write_text(HEADER + BAD * 3)
    elif kind == "bad conntrack":
        log.write_text(
            "tcp 6 431999 ESTABLISHED src=10.244.0.11 dst=300.1.1.1 sport=1 dport=2\n" * 3
        )
    elif kind == "bad parquet":
        columns = {"src": ["here"], "dst": ["there"], "protocol": ["tcp"], "port": [80]}
        pq.write_table(pa.table(columns), log)
    else:
        columns = {"src": ["10.244.0.11"], "dst": ["10.244.0.10"], "flows": [0]}
        pq.write_table(pa.table(columns), log)
    return log


NOTHING = ["empty", "header", "bad csv", "bad conntrack", "bad parquet", "no weight"]


@pytest.mark.parametrize("kind", NOTHING)
@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_judged_is_an_error(name: str, kind: str, tmp_path: Path) -> None:
    words, _, gate = COMMANDS[name]
    log = nothing(kind, tmp_path)
    failure(run(*words, str(log), "-q"))
    failure(run(*words, str(log), "-q", "--fail-on", gate))
    failure(run(*words, str(log), "-q", "-j", "1"))


@pytest.mark.parametrize(("name", "output"), EVERY_WAY)
@pytest.mark.parametrize("kind", ["empty", "bad csv", "bad conntrack"])
def test_nothing_is_written_of_nothing(name: str, output: str, kind: str, tmp_path: Path) -> None:
    log, target = nothing(kind, tmp_path), tmp_path / "out"
    words = [*COMMANDS[name][0], str(log), "-q", "-o", output]
    failure(run(*words))
    failure(run(*words, "--output-file", str(target), "--fail-on", COMMANDS[name][2]))
    target.write_text("as it was")
    failure(run(*words, "--output-file", str(target)))
    assert target.read_text() == "as it was"
    assert sorted(tmp_path.iterdir()) == sorted((log, target))


def test_why_nothing_could_be_judged_is_said(tmp_path: Path) -> None:
    log = nothing("bad csv", tmp_path)
    message = failure(run("replay", str(log), *GUIDE))
    assert f"{log}: no records in 3 lines (3 bad port)" in message


def test_one_log_of_several_that_has_no_record_is_an_error(tmp_path: Path) -> None:
    log = nothing("bad csv", tmp_path)
    assert str(log) in failure(run("replay", "guide/flows.csv", str(log), *GUIDE))


def test_checking_nothing_is_an_error(tmp_path: Path) -> None:
    for content in ("", "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n"):
        manifest = tmp_path / "policies.yaml"
        manifest.write_text(content)
        for output in ("table", "json", *CI_FORMATS):
            assert run("check", str(manifest), "-o", output).exit_code == 2
    assert run("check", str(tmp_path / "nowhere")).exit_code == 2


@pytest.mark.long
def test_asking_about_no_pods_is_an_error(tmp_path: Path) -> None:
    """Also where pods are there, but none that policies select has an address."""
    cluster = tmp_path / "cluster.yaml"
    cluster.write_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n")
    words = ["diff", "--exhaustive", "-c", str(cluster), *SIDES, "-q"]
    assert "no pods" in failure(run(*words))
    head = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: a}\n"
    matrix = ["matrix", "-c", str(cluster), "-p", "guide/policies.yaml", "-q"]
    for rest in (
        "spec: {containers: []}\n",
        "spec: {containers: [], hostNetwork: true, nodeName: n1}\nstatus: {podIP: 192.0.2.1}\n",
        "spec: {containers: []}\nstatus: {podIP: 10.0.0.1, phase: Succeeded}\n",
    ):
        cluster.write_text(head + rest)
        for output in ("table", "json", "csv", *CI_FORMATS):
            assert "nothing to judge: no pod" in failure(run(*words, "-o", output))
        for output in ("table", "json", "csv"):
            assert "nothing to judge: no pod" in failure(run(*matrix, "-o", output))
            assert "nothing to judge" in failure(run(*matrix, "-o", output, "--exposure"))
        assert "nothing to judge" in failure(run(*matrix, "-o", "dot"))


def test_a_gate_about_no_pod_does_not_pass(tmp_path: Path) -> None:
    """Flows of another cluster are all allowed: no policy is about them."""
    log, target = tmp_path / "flows.csv", tmp_path / "out"
    log.write_text(HEADER + "192.0.2.1,192.0.2.2,tcp,80\n127.0.0.1,127.0.0.1,tcp,80\n")
    words = ["replay", str(log), *GUIDE, "-q"]
    assert run(*words).exit_code == 0
    for output in ("table", "json", *RECORDS):
        gate = [*words, "-o", output, "--fail-on", "deny", "--output-file", str(target)]
        assert "no flow has a pod of this snapshot" in failure(run(*gate))
    assert not target.exists()
    log.write_text(log.read_text() + GOOD)
    assert run(*words, "--fail-on", "deny").exit_code == 0


# --- --max-skipped --------------------------------------------------------------------------------


def log_with(good: int, bad: int, folder: Path) -> str:
    log = folder / "flows.csv"
    log.write_text(HEADER + GOOD * good + BAD * bad)
    return str(log)


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize(
    ("limit", "good", "bad", "passes"),
    [
        ("0", 9, 0, True),
        ("0", 9, 1, False),
        ("1", 9, 1, True),
        ("10%", 9, 1, True),
        ("10%", 8, 1, False),
        ("0.5%", 199, 1, True),
        ("0.5%", 198, 1, False),
        ("100%", 1, 9, True),
        (None, 1, 9, True),
    ],
)
def test_more_skipped_than_allowed_is_an_error(
    name: str, limit: str | None, good: int, bad: int, passes: bool, tmp_path: Path
) -> None:
    words = [*COMMANDS[name][0], log_with(good, bad, tmp_path), "-q"]
    target = tmp_path / "out"
    words += [] if limit is None else ["--max-skipped", limit]
    result = run(*words, "--output-file", str(target))
    assert target.exists() is passes
    if passes:
        assert result.exit_code == 0, result.output
    else:
        message = failure(result)
        assert f"{bad} of {good + bad} records could not be read ({bad} bad port)" in message
        assert f"more than the {limit} that --max-skipped allows" in message
        assert f"flows.csv:{good + 2}: " in message
        assert f"the first here: bad port: '{BAD[:-1]}" in message.replace("\n  ", "")


@pytest.mark.parametrize("output", RECORDS)
def test_records_that_are_out_are_not_made_whole(output: str, tmp_path: Path) -> None:
    """A stream has them already; its end is missing, and nothing is said but the error."""
    words = ["replay", *GUIDE, log_with(9, 1, tmp_path), "-q", "--max-skipped", "0", "-o", output]
    found = process(*words, capture_output=True)
    assert found.returncode == 2
    assert found.stderr.startswith(b"netpol: error: ")
    assert b"Exception ignored" not in found.stderr
    if output == "parquet":
        assert not found.stdout.endswith(b"PAR1") or found.stdout == b"PAR1"
    target = tmp_path / "out"
    found = process(*words, "--output-file", str(target), capture_output=True)
    assert (found.returncode, target.exists()) == (2, False)
    assert b"Exception ignored" not in found.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_gates_have_a_limit_unless_told(name: str, tmp_path: Path) -> None:
    words, _, gate = COMMANDS[name]
    assert GATE_LIMIT == "1%"
    strict = [*words, log_with(50, 1, tmp_path), "-q", "--fail-on", gate]
    message = failure(run(*strict))
    assert "1 of 51 records" in message
    assert "the 1% that --max-skipped allows with --fail-on, unless it is set" in message
    assert run(*strict, "--max-skipped", "2%").exit_code in (0, 1)
    assert run(*words, log_with(99, 1, tmp_path), "-q", "--fail-on", gate).exit_code in (0, 1)


def test_conntrack_text_has_the_same_limit(tmp_path: Path) -> None:
    """Whether it is added up piece by piece, read as batches, or read twice."""
    lines = Path("lab/node1.conntrack.txt").read_text().splitlines(keepends=True)[:30]
    log = tmp_path / "dump.txt"
    log.write_text("".join([*lines, "tcp 6 src=10.244.0.11 dst=300.1.1.1 sport=1 dport=2\n"]))
    lab = ["replay", str(log), "-c", "lab/cluster.json", "-p", "lab/policies", "-q"]
    for more in ([], ["-j", "1"], ["-o", "csv", "--output-file", str(tmp_path / "o")], ["--dedup"]):
        assert run(*lab, *more, "--max-skipped", "1").exit_code == 0
        assert "1 of 31 records" in failure(run(*lab, *more, "--max-skipped", "0"))
        assert "1 of 31 records" in failure(run(*lab, *more, "--fail-on", "unknown"))


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "101%", "1%%", "%", "1e3", "٣"])
def test_a_limit_that_is_none(text: str) -> None:
    message = failure(run("replay", "guide/flows.csv", *GUIDE, "--max-skipped", text))
    assert "--max-skipped" in message
    with pytest.raises(ConfigError, match="max_skipped"):
        skip_limit(text)


def test_limits_from_the_environment_and_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["replay", log_with(1, 1, tmp_path), *GUIDE, "-q"]
    settings = tmp_path / "netpol.toml"
    settings.write_text('[replay]\nmax-skipped = "10%"\n')
    assert "the 10% that --max-skipped" in failure(run("--config", str(settings), *words))
    settings.write_text("[replay]\nmax-skipped = 0\n")
    assert "the 0 that --max-skipped" in failure(run("--config", str(settings), *words))
    monkeypatch.setenv("NETPOL_MAX_SKIPPED", "25%")
    assert "the 25% that --max-skipped" in failure(run(*words))


# --- from Python ----------------------------------------------------------------------------------


def guide() -> tuple[netpol.PolicySet, netpol.Snapshot]:
    return netpol.read_policies("guide/policies.yaml"), netpol.read_snapshot("guide/cluster.yaml")


def test_python_knows_that_nothing_was_judged() -> None:
    policies, snapshot = guide()
    engine = netpol.compile(policies, snapshot)
    assert replay(engine, []).nothing_judged
    assert netpol.diff(engine, engine, []).nothing_judged
    assert coverage(policies, snapshot, []).nothing_judged
    spec, calico = switches_of("spec"), switches_of("calico")
    compiled = {spec: engine, calico: engine}
    assert compare(lambda switches: compiled.get(switches, engine), spec, calico, []).nothing_judged
    flows = netpol.open_flows("guide/flows.csv")
    assert not replay(engine, flows).nothing_judged


def test_python_knows_what_was_skipped(tmp_path: Path) -> None:
    engine = netpol.compile(*guide())
    log = log_with(3, 1, tmp_path)
    reader = replay(engine, netpol.open_flows(log)).reader
    assert (reader.skipped_total, reader.skipped_share) == (1, 0.25)
    assert replay(engine, []).reader.skipped_share == 0
    assert len(list(netpol.open_flows(log, max_skipped=1))) == 1
    for limit in (0, "24%"):
        with pytest.raises(FlowError, match="1 of 4 records could not be read"):
            list(netpol.open_flows(log, max_skipped=limit))
    with pytest.raises(ConfigError, match="max_skipped"):
        netpol.open_flows(log, max_skipped="some")


def test_a_limit_without_samples_still_speaks() -> None:
    stats = ReadStats(records=1)
    stats.skipped["bad port"] = 1
    with pytest.raises(FlowError, match="1 of 2 records"):
        skip_limit(0).check(stats)


def test_the_summary_still_counts_what_was_skipped(tmp_path: Path) -> None:
    result = run("replay", log_with(9, 1, tmp_path), *GUIDE, "-q", "-o", "json")
    assert json.loads(result.stdout)["reader"]["skipped"] == {"bad port": 1}
