"""``--report``: written whole or not at all, and tells how it was made."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from cli_support import EXAMPLES, FLOWS, GUIDE, failure, golden, process, replay, run
from html_support import words

CHANGE = [
    "-c", "guide/cluster.yaml", "--before", "guide/policies.yaml",
    "--after", "guide/proposed.yaml", "-q",
]  # fmt: skip
COMMANDS = {
    "diff": ["diff", FLOWS, *CHANGE],
    "coverage": ["coverage", FLOWS, *GUIDE, "-q"],
    "matrix": ["matrix", "-c", "lab/cluster.json", "-p", "lab/policies", "-q"],
}

pytestmark = pytest.mark.usefixtures("in_examples")


@pytest.fixture(autouse=True)
def at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1769860805")


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return tmp_path / "report.html"


def text(page: Path) -> str:
    return words(page.read_bytes())


def digest(path: str | Path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_text_of_the_page(page: Path) -> None:
    result = replay("--report", str(page))
    assert result.exit_code == 0
    assert result.stdout == replay().stdout
    golden("report-guide.txt", _without_versions(text(page).replace(str(page), "report.html")))


def test_text_of_a_page_of_two_profiles(page: Path) -> None:
    dumps = ["lab/node1.conntrack.txt", "lab/node2.conntrack.txt", "--dedup"]
    words = ["-c", "lab/cluster.json", "-p", "lab/policies", "--compare-profiles", "calico,ovn"]
    result = run("replay", *dumps, *words, "--report", str(page))
    assert result.stdout == run("replay", *dumps, *words).stdout
    shown = _without_versions(text(page).replace(str(page), "report.html"))
    golden("report-profiles.txt", shown)


@pytest.mark.parametrize("command", list(COMMANDS))
def test_text_of_the_page_of_every_command(command: str, page: Path) -> None:
    result = run(*COMMANDS[command], "--report", str(page))
    assert result.exit_code == 0, result.output
    assert result.stdout == run(*COMMANDS[command]).stdout
    shown = _without_versions(text(page).replace(str(page), "report.html"))
    golden(f"report-{command}.txt", shown)


def test_a_page_is_written_whatever_the_exit_code(page: Path) -> None:
    never = ["coverage", "lab/node1.conntrack.txt", *GUIDE, "--fail-on", "never-hit"]
    for command in ([*COMMANDS["diff"], "--fail-on", "newly-denied"], never):
        result = run(*command, "--report", str(page))
        assert result.exit_code == 1
        assert page.read_bytes().endswith(b"</html>\n")
        page.unlink()


def test_a_page_of_flows_that_differ_says_when(page: Path, tmp_path: Path) -> None:
    flows = tmp_path / "flows.csv"
    rows = Path(FLOWS).read_text(encoding="utf-8").splitlines()
    timed = [f"2026-01-31T12:00:{n:02}Z,{row}" for n, row in enumerate(rows[1:])]
    flows.write_text("\n".join([f"time,{rows[0]}", *timed, ""]), encoding="utf-8")
    result = run("diff", str(flows), *CHANGE, "--report", str(page))
    assert result.exit_code == 0, result.output
    shown = text(page)
    # The first flow is newly denied, the last but three newly allowed.
    begin, allowed = "2026-01-31 12:00:00", f"2026-01-31 12:00:{_newly_allowed(result.stdout)}"
    over_time = shown.partition("Judged differently, over time: flows")[2].split("\n")
    table = over_time[over_time.index("Same verdict by another rule") + 1 :]
    assert table[:5] == [begin, "1", "0", "0", "0"]
    assert table[table.index(allowed) :][:5] == [allowed, "0", "1", "0", "0"]


def _newly_allowed(shown: str) -> str:
    """Give the second at which the flow was seen that is newly allowed."""
    found = re.search(r"Newly allowed.*?seen \S+:(\d\d)Z", shown, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_picture_of_a_matrix_is_whole_whatever_is_asked(page: Path) -> None:
    shown = []
    for options in ([], ["--verdict", "allow"], ["--exposure"]):
        assert run(*COMMANDS["matrix"], *options, "--report", str(page)).exit_code == 0
        picture, _, rest = text(page).partition("On which ports: ")
        shown.append((picture.partition("Reach\n")[2], rest.partition("\n")[0]))
    assert shown[0][0] == shown[1][0] == shown[2][0]
    assert "everything denied" in shown[0][0]
    assert shown[0][1] == shown[2][1] == "38 rows; 49 pairs of names with everything denied"
    assert shown[1][1] == "38 rows"


def _without_versions(shown: str) -> str:
    return re.sub(r"Made by netpol \S+", "Made by netpol", shown)


def test_top_is_that_of_the_summary_and_not_of_the_page(page: Path) -> None:
    result = replay("--report", str(page), "--top", "2")
    assert result.stdout == replay("--top", "2").stdout
    assert "Denied, by workload: 7 rows" in text(page)


@pytest.mark.parametrize("output", ["json", "csv"])
def test_beside_other_outputs(output: str, page: Path) -> None:
    assert replay("-o", output, "--report", str(page)).stdout == replay("-o", output).stdout
    assert page.read_bytes().endswith(b"</html>\n")


def test_digests_of_all_that_was_read(page: Path, tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()
    for name in ("a.yaml", "b.yaml"):
        shutil.copy("guide/policies.yaml", folder / name)
    (folder / "b.yaml").write_text(
        Path("guide/policies.yaml").read_text(encoding="utf-8").replace("name: ", "name: b-"),
        encoding="utf-8",
    )
    settings = tmp_path / "netpol.toml"
    settings.write_text("top = 3\n", encoding="utf-8")
    result = run(
        "--config", str(settings), "replay", FLOWS, "-c", "guide/cluster.yaml", "-p", str(folder),
        "--report", str(page), "-q",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    shown = text(page)
    inputs = (FLOWS, "guide/cluster.yaml", folder / "a.yaml", folder / "b.yaml", settings)
    for path in inputs:
        assert f"{path}\n{Path(path).stat().st_size:,}\n{digest(path)}" in shown
    assert "top = 3" in shown
    lines = sorted(f"{digest(path)}  {path}\n" for path in inputs)
    assert hashlib.sha256("".join(lines).encode()).hexdigest() in shown


@pytest.mark.parametrize("role", ["flows", "cluster"])
def test_digest_of_standard_input(role: str, page: Path) -> None:
    data = Path(FLOWS if role == "flows" else "guide/cluster.yaml").read_bytes()
    words = ["-", *GUIDE] if role == "flows" else [FLOWS, "-c", "-", "-p", "guide/policies.yaml"]
    result = process("replay", *words, "--report", str(page), input=data, capture_output=True)
    assert result.returncode == 0, result.stderr
    whole = f"{role}\n<stdin>\n{len(data):,}\n{hashlib.sha256(data).hexdigest()}\nas it was read"
    assert whole in text(page)


def test_digest_of_standard_input_that_is_read_twice(page: Path) -> None:
    data = Path("lab/node1.conntrack.txt").read_bytes()
    options = ["--dedup", "-c", "lab/cluster.json", "-p", "lab/policies", "--report", str(page)]
    result = process("replay", "-", *options, input=data, capture_output=True)
    assert result.returncode == 0, result.stderr
    assert hashlib.sha256(data).hexdigest() in text(page)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_read_again(page: Path) -> None:
    flows = Path(FLOWS).read_bytes()
    reader, writer = os.pipe()
    os.write(writer, flows)
    os.close(writer)
    words = [f"/dev/fd/{reader}", *GUIDE, "--report", str(page), "-q"]
    result = process("replay", *words, pass_fds=[reader], capture_output=True, timeout=60)
    os.close(reader)
    assert result.returncode == 0, result.stderr
    assert "no regular file: cannot be read again" in text(page)


def test_a_file_that_changes_meanwhile(page: Path, tmp_path: Path) -> None:
    from netpol.cli.digests import watched

    flows = tmp_path / "flows.csv"
    flows.write_text("a", encoding="utf-8")
    with watched({"flows": (str(flows), str(tmp_path / "gone"))}) as watch:
        flows.write_text("ab", encoding="utf-8")
        found, gone = watch.digests()
    assert (found.size, found.sha256) == (2, digest(flows))
    assert found.remark == "changed while it was read"
    assert gone.sha256 is None


def test_command_and_environment(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETPOL_TOP", "4")
    result = replay("--report", str(page), "--ignore-kinds", "cilium.io, kuma.io", "-q")
    assert result.exit_code == 0, result.output
    shown = text(page)
    assert "netpol replay guide/flows.csv -c guide/cluster.yaml" in shown
    assert "--ignore-kinds 'cilium.io, kuma.io' -q\n" in shown
    assert "NETPOL_TOP=4\n" in shown


def test_time_can_be_set(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replay("--report", str(page))
    assert b'<time datetime="2026-01-31T12:00:05Z">' in page.read_bytes()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "soon")
    assert "SOURCE_DATE_EPOCH: 'soon' is no time" in failure(
        replay("--report", str(page), "-o", "json", "--output-file", "/dev/null")
    )


# --- whole or not at all ------------------------------------------------------------------------


def test_without_the_extra(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    message = failure(replay("--report", str(page)))
    assert "--report needs the package jinja2, which is not installed" in message
    assert "pip install 'netpol-replay[report]'" in message
    assert not page.exists()


def test_an_error_leaves_the_old_page(page: Path, tmp_path: Path) -> None:
    page.write_text("old", encoding="utf-8")
    bad = tmp_path / "bad.csv"
    bad.write_text("src,dst,protocol,port\n1.2.3.4,nonsense,tcp,1\n", encoding="utf-8")
    failure(run("replay", str(bad), *GUIDE, "--strict", "--report", str(page)))
    assert page.read_text(encoding="utf-8") == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.csv", "report.html"]


def test_a_page_that_fails_leaves_the_old_output(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("no")

    monkeypatch.setattr("netpol.report.html.page.render", fail)
    output = tmp_path / "out.json"
    result = replay("--report", str(page), "-o", "json", "--output-file", str(output))
    assert result.exit_code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--report", "-"], "--report writes a file; name one"),
        (["--report", "no/such/folder/r.html"], "cannot be written: No such file or directory"),
        (["--report", "r.html", "--output-file", "./r.html"], "name the same file"),
    ],
)
@pytest.mark.parametrize("command", ["replay", "diff", "coverage", "matrix"])
def test_refused_before_anything_is_read(command: str, words: list[str], message: str) -> None:
    flows = [] if command == "matrix" else ["no-such-log"]
    sides = ["--after", "guide/proposed.yaml"] if command == "diff" else []
    assert message in failure(run(command, *flows, "-c", "no-such-cluster", *sides, *words))


def test_hostile_names_from_files(page: Path, tmp_path: Path) -> None:
    folder = tmp_path / "<script>alert(1)<"
    folder.mkdir()
    flows = folder / "\x1b[31m\u202e.csv"
    shutil.copy(EXAMPLES / FLOWS, flows)
    assert run("replay", str(flows), *GUIDE, "--report", str(page), "-q").exit_code == 0
    content = page.read_text(encoding="utf-8")
    assert content.count("<script>") == 1
    assert r"&lt;script&gt;alert(1)&lt;/\x1b[31m\u202e.csv" in content
