"""The command line: exit codes, settings, outputs, and one message for whatever goes wrong."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.ipc
import pyarrow.parquet
import pytest
from click.testing import CliRunner

from cli_support import EXAMPLES, FLOWS, GUIDE, failure, golden, process, replay, run
from netpol.cli.main import main
from netpol.cli.options import Size
from netpol.cli.registry import COMMANDS
from netpol.flows.detect import FORMATS
from netpol.model.switches import Switches

pytestmark = pytest.mark.usefixtures("in_examples")

COLUMNS = [
    "src", "dst", "protocol", "port", "verdict", "side", "egress_verdict", "ingress_verdict",
    "egress_policy", "egress_rule", "ingress_policy", "ingress_rule", "reason", "notes",
    "src_identity", "dst_identity", "recorded_verdict",
]  # fmt: skip


# --- what it prints ---------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help(command: str) -> None:
    result = CliRunner().invoke(
        main, [*command.split(), "--help"], prog_name="netpol", terminal_width=80
    )
    assert result.exit_code == 0
    golden(f"help{'-' if command else ''}{command}.txt", result.stdout)


@pytest.mark.parametrize("width", [80, 120])
def test_table(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    golden(f"guide-{width}.txt", replay().stdout)


def test_table_of_the_lab() -> None:
    dumps = ["lab/node1.conntrack.txt", "lab/node2.conntrack.txt", "--dedup"]
    result = run("replay", *dumps, "-c", "lab/cluster.json", "-p", "lab/policies")
    assert result.stderr == ""
    golden("lab.txt", result.stdout)


def test_json() -> None:
    golden("guide.json", replay("-o", "json").stdout)


def test_version() -> None:
    assert run("--version").stdout.startswith("netpol, version 0.")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    result = run("completion", shell)
    assert result.exit_code == 0
    assert "_NETPOL_COMPLETE" in result.stdout


def test_completion_completes(tmp_path: Path) -> None:
    words = {"COMP_WORDS": "netpol replay --me", "COMP_CWORD": "2"}
    result = process(
        env={**os.environ, "_NETPOL_COMPLETE": "bash_complete", **words}, capture_output=True
    )
    assert b"--memory-budget" in result.stdout


def test_every_listed_command_says_what_it_is() -> None:
    for name, (_, text) in COMMANDS.items():
        result = run(name, "--help")
        assert result.exit_code == 0
        assert text.split()[0] in result.stdout


def test_help_names_every_format_of_the_reader() -> None:
    words = run("replay", "--help").stdout.split()
    assert {f"{name}," for name in FORMATS[:-1]} <= set(words)


# --- records ----------------------------------------------------------------------------------


def test_csv_on_stdout_and_the_summary_on_stderr() -> None:
    result = replay("-o", "csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert list(rows[0]) == COLUMNS
    assert len(rows) == 14
    assert rows[0]["src"] == "172.17.5.9"
    assert rows[-1]["verdict"] == "deny"
    assert rows[-1]["ingress_policy"] == "open/allow-all-egress"
    assert rows[-1]["ingress_rule"] == ""
    assert "14 flows judged" in result.stderr
    assert replay("-o", "csv", "--quiet").stderr == ""


@pytest.mark.parametrize("kind", ["csv", "jsonl", "arrow", "parquet"])
def test_every_format_has_the_same_records(kind: str, tmp_path: Path) -> None:
    reference = [json.loads(line) for line in replay("-o", "jsonl").stdout.splitlines()]
    assert list(reference[0]) == COLUMNS
    path = tmp_path / "out"
    result = replay("-o", kind, "--output-file", str(path))
    assert (result.exit_code, result.stdout) == (0, "")
    if kind == "arrow":
        rows = pyarrow.ipc.open_stream(path.read_bytes()).read_all().to_pylist()
    elif kind == "parquet":
        rows = pyarrow.parquet.read_table(path).to_pylist()
    elif kind == "jsonl":
        rows = [json.loads(line) for line in path.read_text().splitlines()]
    else:
        assert path.read_text() == replay("-o", "csv").stdout
        return
    assert rows == reference


@pytest.mark.parametrize("kind", ["table", "json"])
def test_a_summary_to_a_file_is_that_of_stdout(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "out"
    assert replay("-o", kind, "--output-file", str(path)).stdout == ""
    assert path.read_text() == replay("-o", kind).stdout


def test_a_log_on_stdin() -> None:
    words = ["replay", "-", *GUIDE, "-o", "json"]
    with (EXAMPLES / FLOWS).open("rb") as log:
        result = process(*words, stdin=log, capture_output=True)
    assert result.stdout.decode() == replay("-o", "json").stdout


def test_policies_among_the_cluster_and_all_of_it_on_stdin(tmp_path: Path) -> None:
    text = "---\n".join(
        (EXAMPLES / "guide" / f"{n}.yaml").read_text() for n in ("cluster", "policies")
    )
    mixed = tmp_path / "all.yaml"
    mixed.write_text(text)
    separate = json.loads(replay("-o", "json").stdout)
    for result in (
        run("replay", FLOWS, "-c", str(mixed), "-o", "json"),
        run("replay", FLOWS, "-c", "-", "-o", "json", stdin=text),
    ):
        assert result.exit_code == 0, result.stderr
        assert json.loads(result.stdout)["verdicts"] == separate["verdicts"]


# --- exit codes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([], 0),
        (["--fail-on", "deny"], 1),
        (["--fail-on", "unknown"], 0),
        (["--fail-on", "unknown,deny"], 1),
        (["--fail-on", "deny", "-o", "json"], 1),
        (["--fail-on", "deny", "-o", "csv", "-q"], 1),
    ],
)
def test_fail_on(words: list[str], code: int) -> None:
    result = replay(*words)
    assert result.exit_code == code
    assert result.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--fail-on", "allow"], "'allow' is not one of deny, unknown, disagree, differs"),
        (["--memory-budget", "lots"], "'lots' is not a size"),
        (["--memory-budget", "0"], "more than nothing"),
        (["--host-network", "both"], "--host-network"),
        (["--node-address", "node1"], "'node1' is not NODE=IP"),
        (["--output-file", "."], "is a directory"),
        (["--output-file", "/nowhere/out"], "/nowhere/out: cannot be written: No such file"),
        (["--output-file", "/dev/full"], "No space left"),
        (["--format", "pcap"], "pcap"),
        (["-p", "guide/none.yaml"], "guide/none.yaml"),
        (["-c", "guide/none.yaml"], "guide/none.yaml"),
        (["guide/none.csv"], "guide/none.csv"),
        (["-", "-c", "-"], "stdin (-) can be read only once"),
        (["--dns", "-", "--dns", "-"], "stdin (-) can be read only once"),
        (["--dns", "guide/none.csv"], "guide/none.csv: no such file"),
        (["--dns", "guide/cluster.yaml"], "guide/cluster.yaml: not a DNS log that netpol knows"),
        (["--profile", "antrea"], "'antrea' is not one of 'spec', 'calico'"),
        (["--compare-profiles", "calico"], "'calico' is not two different profiles"),
        (["--compare-profiles", "calico,calico"], "is not two different profiles"),
        (["--compare-profiles", "calico,antrea"], "'antrea' is not one of spec, calico"),
        (["--compare-profiles", "spec,ovn", "--profile", "ovn"], "exclude each other"),
        (["--compare-profiles", "spec,ovn", "--fail-on", "deny"], "--fail-on differs goes with"),
        (["--fail-on", "differs"], "--fail-on differs goes with"),
        (["--fail-on", "deny,differs"], "--fail-on differs goes with"),
        (["--config", "none.toml"], "none.toml: No such file"),
        (["--memory-budget", "1"], "memory-budget"),
    ],
)
def test_what_is_wrong_is_said_in_one_message(words: list[str], message: str) -> None:
    config = words if words[0] == "--config" else []
    rest = [] if config else words
    result = run(*config, "replay", FLOWS, *GUIDE, *rest)
    assert message in failure(result)


def test_a_cluster_without_policies_is_not_taken_for_allow_all() -> None:
    message = failure(run("replay", FLOWS, "-c", "guide/cluster.yaml"))
    assert "no network policy found" in message
    assert "--policies" in message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"\x00\x01\x02\x03" * 100, ""),
        (b"\x1f\x8b\x08\x00cut short", ""),
        (b"hello\nworld\n", ""),
    ],
)
def test_a_log_that_is_none(content: bytes, message: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(content)
    out = tmp_path / "out.csv"
    result = run("replay", str(log), *GUIDE, "-o", "csv", "--output-file", str(out))
    text = failure(result)
    assert str(log) in text
    assert message in text
    assert sorted(tmp_path.iterdir()) == [log]


def test_bad_lines_are_counted_and_fatal_when_strict(tmp_path: Path) -> None:
    lines = (EXAMPLES / "lab/node1.conntrack.txt").read_text().splitlines(keepends=True)[:20]
    lines.insert(7, "udp 17 29 src=10.244.1.10 dst=300.1.1.1\u202e sport=1 dport=2\n")
    log = tmp_path / "log"
    log.write_text("".join(lines))
    lab = ["-c", "lab/cluster.json", "-p", "lab/policies"]
    result = run("replay", str(log), *lab)
    assert result.exit_code == 0
    assert "1 line skipped: binary data" in result.stdout
    assert f"{log}:8" in result.stdout.replace("\n", "").replace(" ", "")
    assert "\u202e" not in result.stdout
    assert f"{log}:8" in failure(run("replay", str(log), *lab, "--strict"))


def test_a_broken_policy_names_file_line_and_field(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\n"
        "spec:\n  podSelector: {}\n  ingress:\n"
        "    - from:\n        - ipBlock: {cidr: 10.0.0.0/99}\n"
    )
    message = failure(run("replay", FLOWS, "-c", "guide/cluster.yaml", "-p", str(policy)))
    assert f"{policy}:8: spec.ingress[0].from[0].ipBlock.cidr" in message


def test_a_bug_is_one_message_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def boom(*_: object, **__: object) -> None:
        raise RuntimeError("odd")

    monkeypatch.setattr("netpol.questions.replay.replay.replay", boom)
    result = replay()
    assert result.exit_code == 2
    assert "this is a bug: RuntimeError: odd" in result.stderr
    monkeypatch.setenv("NETPOL_DEBUG", "1")
    assert isinstance(replay().exception, RuntimeError)


def test_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("netpol.questions.replay.replay.replay", interrupt)
    result = replay()
    assert (result.exit_code, result.stdout) == (130, "")
    assert result.stderr.endswith("netpol: error: interrupted\n")


# --- settings ---------------------------------------------------------------------------------


def in_folder(folder: Path, monkeypatch: pytest.MonkeyPatch, toml: str) -> None:
    for name in ("cluster.yaml", "policies.yaml", "flows.csv"):
        shutil.copy(EXAMPLES / "guide" / name, folder)
    (folder / "netpol.toml").write_text(toml)
    monkeypatch.chdir(folder)


BASE = 'cluster = "cluster.yaml"\npolicies = ["policies.yaml"]\n'


def test_flag_beats_environment_beats_file_beats_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_folder(tmp_path, monkeypatch, BASE)
    assert "top" not in run("replay", "flows.csv").stdout
    in_folder(tmp_path, monkeypatch, BASE + "top = 3\n")
    assert "(top 3 of 7)" in run("replay", "flows.csv").stdout
    monkeypatch.setenv("NETPOL_TOP", "2")
    assert "(top 2 of 7)" in run("replay", "flows.csv").stdout
    assert "(top 1 of 7)" in run("replay", "flows.csv", "--top", "1").stdout


def test_a_commands_table_beats_the_top_level(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_folder(tmp_path, monkeypatch, BASE + "top = 3\n[replay]\ntop = 4\nfail-on = 'deny'\n")
    result = run("replay", "flows.csv")
    assert "(top 4 of 7)" in result.stdout
    assert result.exit_code == 1


def test_a_shared_file_does_not_disturb_other_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_folder(tmp_path, monkeypatch, BASE + "fail-on = 'deny'\ntop = 3\n[replay]\ntop = 4\n")
    assert run("check", "policies.yaml").exit_code == 0


def test_paths_of_the_file_are_relative_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_folder(tmp_path, monkeypatch, BASE)
    monkeypatch.chdir("/")
    result = run("--config", str(tmp_path / "netpol.toml"), "replay", str(tmp_path / "flows.csv"))
    assert result.exit_code == 0, result.stderr


def test_several_paths_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETPOL_CLUSTER", "guide/cluster.yaml")
    monkeypatch.setenv("NETPOL_POLICIES", "guide/policies.yaml:lab/policies/data.yaml")
    assert "against 5 policies" in run("replay", FLOWS).stdout


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("top = ", "netpol.toml: not TOML: "),
        ("tops = 3\n", "netpol.toml:1: tops: no such setting"),
        ("[replay]\ntops = 3\n", "netpol.toml:2: replay.tops: no such setting"),
        ("[replay]\nshell = 3\n", "netpol.toml:2: replay.shell: no such setting"),
        ("replay = 3\n", "netpol.toml:1: replay: is not a table"),
        ("top = [3]\n", "netpol.toml:1: top: is not a single value"),
        ("cluster = [3]\n", "netpol.toml:1: cluster: 3 is not a path"),
        ("top = 'x'\n", "netpol.toml:1: top: 'x' is not a whole number"),
    ],
)
def test_a_wrong_settings_file(
    toml: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_folder(tmp_path, monkeypatch, toml)
    words = ["flows.csv", "-c", "cluster.yaml", "-p", "policies.yaml"]
    assert message in failure(run("replay", *words))


def test_every_switch_is_an_option_and_reaches_the_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: dict[str, object] = {}

    def fake_compile(policies: object, snapshot: object, **options: object) -> None:
        seen.update(options)
        raise KeyboardInterrupt

    monkeypatch.setattr("netpol.compile", fake_compile, raising=False)
    replay(
        "--host-network=pod", "--own-node-ingress=enforce", "--own-node-egress=allow",
        "--node-port-egress=node", "--np-service-hairpin=enforce", "--ipblock-scope=non-pod",
        "--other-protocols=unknown",
        "--named-port-init=none", "--cnp-tie=error", "--baseline-gate=any-direction",
        "--missing-namespace=name-label-only", "--strict-cidr=reject", "--unknown-fields=warn",
        "--node-address=node1=1.2.3.4", "--memory-budget=2KiB",
    )  # fmt: skip
    assert seen.pop("memory_budget") == 2048
    default = Switches()
    assert set(seen) == set(Switches.__slots__)
    assert [name for name in seen if seen[name] == getattr(default, name)] == []
    assert seen["node_addresses"] == (("node1", "1.2.3.4"),)


@pytest.mark.parametrize(
    ("text", "octets"),
    [("1GiB", 2**30), ("1G", 10**9), ("512 MiB", 2**29), ("1024", 1024), ("3b", 3), ("2KB", 2000)],
)
def test_sizes(text: str, octets: int) -> None:
    assert Size().convert(text, None, None) == octets


# --- as a process -----------------------------------------------------------------------------


def test_a_reader_that_goes_away_is_no_error() -> None:
    words = ["replay", "lab/node1.conntrack.txt", "-c", "lab/cluster.json", "-p", "lab/policies"]
    command = [sys.executable, "-m", "netpol", *words, "-o", "csv", "-q"]
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        result = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, check=False)
    assert (result.returncode, result.stderr) == (141, b"")


@pytest.mark.parametrize("kind", ["table", "json", "csv", "parquet"])
def test_stdout_on_a_full_disk(kind: str) -> None:
    with Path("/dev/full").open("wb") as full:
        result = process(
            "replay", FLOWS, *GUIDE, "-q", "-o", kind, stdout=full, stderr=subprocess.PIPE
        )
    assert result.returncode == 2
    assert result.stderr == (
        b"netpol: error: standard output: cannot be written: No space left on device\n"
    )


def on_a_terminal(*words: str, columns: int = 100, **setting: str) -> tuple[int, bytes]:
    """Run with a pseudo-terminal as stdout and stderr; give the exit code and what was shown."""
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns)} | setting
    with subprocess.Popen(
        [sys.executable, "-m", "netpol", *words], stdout=slave, stderr=slave, env=environment
    ) as child:
        os.close(slave)
        shown = b""
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:  # what Linux says when the other end is closed
                break
            shown += part
    os.close(master)
    return child.returncode, shown


@pytest.mark.parametrize("kind", ["arrow", "parquet"])
def test_binary_records_are_kept_off_the_terminal(kind: str) -> None:
    code, shown = on_a_terminal("replay", FLOWS, *GUIDE, "-o", kind)
    assert code == 2
    assert b"would garble the terminal" in shown


EVERY_COMMAND = {
    "replay": ["replay", FLOWS, *GUIDE],
    "records": ["replay", FLOWS, *GUIDE, "-o", "csv"],
    "compare": ["replay", FLOWS, *GUIDE, "--compare-profiles", "spec,calico"],
    "coverage": ["coverage", FLOWS, *GUIDE],
    "diff": ["diff", FLOWS, *GUIDE, "--after", "guide/proposed.yaml"],
    "exhaustive": ["diff", "--exhaustive", *GUIDE, "--after", "guide/proposed.yaml"],
    "explain": ["explain", "default/batch", "default/db", "6379", *GUIDE],
    "matrix": ["matrix", *GUIDE],
    "exposure": ["matrix", *GUIDE, "--exposure"],
    "check": ["check", "guide/policies.yaml", "-c", "guide/cluster.yaml"],
    "an error": ["replay", "nowhere", *GUIDE],
    "help": ["replay", "--help"],
}


@pytest.mark.parametrize("name", EVERY_COMMAND)
def test_without_colour_no_escape_at_all(name: str) -> None:
    _, shown = on_a_terminal(*EVERY_COMMAND[name], NO_COLOR="1")
    assert shown
    assert b"\x1b" not in shown


@pytest.mark.parametrize("name", ["replay", "explain"])
@pytest.mark.parametrize("setting", [{"NO_COLOR": "0"}, {"TERM": "dumb"}])
def test_whatever_asks_for_no_colour(name: str, setting: dict[str, str]) -> None:
    assert b"\x1b" not in on_a_terminal(*EVERY_COMMAND[name], **setting)[1]


def test_an_empty_no_color_means_nothing() -> None:
    assert b"\x1b[31m" in on_a_terminal(*EVERY_COMMAND["replay"], NO_COLOR="")[1]
    assert b"\x1b[31m" in on_a_terminal(*EVERY_COMMAND["explain"], NO_COLOR="")[1]


def test_what_is_no_terminal_gets_no_escape() -> None:
    forced = {**os.environ, "FORCE_COLOR": "1", "TTY_COMPATIBLE": "1"}
    for name in ("replay", "diff", "explain", "matrix"):
        found = process(*EVERY_COMMAND[name], env=forced, capture_output=True)
        assert b"\x1b" not in found.stdout + found.stderr


def test_colour_and_no_progress_left_behind_on_a_terminal() -> None:
    code, shown = on_a_terminal("replay", FLOWS, *GUIDE)
    assert code == 0
    assert b"\x1b[31m" in shown
    assert b"VERDICT" in shown
