"""The command line where a log says what the network did."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from cli_support import failure, golden, process, run
from html_support import words

pytestmark = pytest.mark.usefixtures("in_examples")

DATA = Path(__file__).parent / "data" / "recorded"
WORLD = ["-c", "cluster.yaml", "-p", "policies.yaml", "-q"]
HEADER = "src,dst,protocol,port,verdict\n"


@pytest.fixture(autouse=True)
def in_data(monkeypatch: pytest.MonkeyPatch, in_examples: None) -> None:
    monkeypatch.chdir(DATA)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1769860805")


@pytest.fixture
def log(tmp_path: Path) -> Callable[[str], str]:
    """Write a log, give its path."""

    def written(text: str) -> str:
        path = tmp_path / "log.csv"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return written


Log = Callable[[str], str]


def replay(*options: str, flows: str = "flows.csv") -> Result:
    return run("replay", flows, *WORLD, *options)


@pytest.mark.parametrize("width", [80, 120])
def test_text(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    golden(f"recorded-{width}.txt", replay("--top", "4").stdout)


def test_json() -> None:
    golden("recorded.json", replay("-o", "json", "--top", "2").stdout)


def test_json_says_null_where_no_log_has_verdicts(log: Log) -> None:
    flows = "src,dst,protocol,port\n10.0.0.2,10.0.0.1,tcp,80\n"
    result = replay("-o", "json", flows=log(flows))
    assert json.loads(result.stdout)["recorded"] is None


def test_page(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    assert replay("--report", str(page), "--top", "1").exit_code == 0
    shown = words(page.read_bytes())
    begin = shown.index("What the network said by the log")
    golden("recorded-page.txt", shown[begin : shown.index("\nDenied, by workload\n", begin) + 1])


def test_a_page_without_recorded_verdicts_has_no_section_of_them(tmp_path: Path, log: Log) -> None:
    page = tmp_path / "report.html"
    flows = "src,dst,protocol,port\n10.0.0.2,10.0.0.1,tcp,80\n"
    assert replay("--report", str(page), flows=log(flows)).exit_code == 0
    assert "Recorded" not in words(page.read_bytes())


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ("10.0.0.2,10.0.0.1,tcp,8080,pass\n", "of 1 flow, 100.0 % agree, 0.0 % differ"),
        ("10.0.0.2,10.0.0.1,tcp,8080,audit\n", "no flow has one that says allow or deny"),
    ],
)
def test_one_line_where_nothing_disagrees(rows: str, line: str, log: Log) -> None:
    text = replay(flows=log(HEADER + rows)).stdout
    assert f"\n\nRecorded verdicts: {line}\n\nPolicies and rules\n" in text


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("10.0.0.2,10.0.0.1,tcp,8080,allow", 0),
        ("10.0.0.2,10.0.0.1,tcp,8080,deny", 1),
        ("10.0.0.2,10.0.0.1,tcp,22,allow", 1),
        ("10.0.0.2,10.0.0.1,tcp,,allow", 0),  # unknown here is no disagreement
    ],
)
def test_the_gate(row: str, code: int, log: Log) -> None:
    result = replay("--fail-on", "disagree", flows=log(f"{HEADER}{row}\n"))
    assert (result.exit_code, result.stderr) == (code, "")


@pytest.mark.parametrize("verdict", ["-", "audit"])
def test_a_gate_without_anything_to_compare_is_an_error(
    verdict: str, tmp_path: Path, log: Log
) -> None:
    out, page = tmp_path / "out.json", tmp_path / "report.html"
    options = ["--fail-on", "disagree", "-o", "json", "--output-file", str(out)]
    flows = f"{HEADER}10.0.0.2,10.0.0.1,tcp,80,{verdict}\n"
    result = replay(*options, "--report", str(page), flows=log(flows))
    assert "no flow has a recorded verdict" in failure(result)
    assert not out.exists()
    assert not page.exists()


def test_the_gate_does_not_go_with_compared_profiles() -> None:
    result = replay("--fail-on", "disagree", "--compare-profiles", "calico,ovn")
    assert "without it" in failure(result)


def test_switches_set_beside_the_profile_hold_for_those_that_are_tried() -> None:
    def causes(*options: str) -> dict[str, int]:
        found = json.loads(replay("-o", "json", *options).stdout)["recorded"]["causes"]
        return {item["cause"]: item["flows"] for item in found}

    assert causes()["profile"] == 8
    assert causes("--profile", "calico")["profile"] == 8
    assert "profile" not in causes("--profile", "ovn")  # it agrees
    # Every profile has it then, so none says what was recorded.
    set_for_all = causes("--other-protocols", "match-portless")
    assert "profile" not in set_for_all
    assert set_for_all["unexplained"] == 67 + 8


def test_records_can_be_read_again(log: Log) -> None:
    first = replay("-o", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(first)))
    assert [row["recorded_verdict"] for row in rows[:4]] == ["allow", "deny", "", ""]
    assert list(rows[0])[-1] == "recorded_verdict"
    # What was recorded counts, not what was judged beside it.
    again = list(csv.DictReader(io.StringIO(replay("-o", "csv", flows=log(first)).stdout)))
    assert [row["recorded_verdict"] for row in again] == [row["recorded_verdict"] for row in rows]


@pytest.mark.parametrize("output", ["csv", "jsonl", "arrow", "parquet"])
def test_every_record_format_has_the_column(output: str, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = tmp_path / f"out.{output}"
    assert replay("-o", output, "--output-file", str(out)).exit_code == 0
    if output == "jsonl":
        found = [json.loads(line)["recorded_verdict"] for line in out.read_text().splitlines()]
    elif output == "csv":
        rows = csv.DictReader(io.StringIO(out.read_text()))
        found = [row["recorded_verdict"] or None for row in rows]
    else:
        with out.open("rb") as file:
            whole = (
                pq.read_table(file) if output == "parquet" else pa.ipc.open_stream(file).read_all()
            )
        found = whole["recorded_verdict"].to_pylist()
    assert found[:5] == ["allow", "deny", None, None, "allow"]


def test_a_summary_of_records_on_stderr_has_it() -> None:
    result = process("replay", "flows.csv", *WORLD[:-1], "-o", "csv", capture_output=True)
    assert b"Recorded verdicts: of 6,399 flows, 96.0 % agree" in result.stderr
