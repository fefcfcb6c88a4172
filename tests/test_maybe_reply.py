"""Records from a server's port to a client's that nothing marks as replies: noted (A16.1)."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

import netpol
from cli_support import failure, run
from netpol.flows.columns.normalise import batch_from
from netpol.model.flow import Flow
from netpol.model.verdict import Note
from netpol.reference import ReferenceEvaluator
from worlds import adapt_engine, adapt_reference, load, namespace, node, pod, policy

WEB, BACKEND = "10.0.74.123", "10.0.68.172"
OBJECTS = [
    namespace("web"),
    namespace("backend", **{"kubernetes.io/metadata.name": "backend"}),
    node("n1", "192.168.0.11"),
    pod("web/w", WEB),
    pod("backend/b", BACKEND),
]
POLICIES = [
    policy("web", "{podSelector: {}, policyTypes: [Ingress, Egress]}", "deny"),
    policy(
        "web",
        "{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 4000}], "
        "to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: backend}}}]}]}",
        "to-backend",
    ),
]
HINTS = [
    ({"sport": 4000, "dport": 39816}, True),
    ({"sport": 32767, "dport": 32768}, True),
    ({"sport": 0, "dport": 65535}, True),
    ({"sport": 4000, "dport": 39816, "protocol": 17}, True),
    ({"sport": 4000, "dport": 39816, "protocol": 132}, True),
    ({"sport": 32768, "dport": 32768}, False),
    ({"sport": 32767, "dport": 32767}, False),
    ({"sport": 39816, "dport": 4000}, False),
    ({"dport": 39816}, False),  # not recorded
    ({"sport": 4000}, False),
    ({"sport": 4000, "dport": 39816, "protocol": 1}, False),
    ({"sport": 4000, "dport": 39816, "protocol": None}, False),
    ({"sport": 4000, "dport": 39816, "is_reply": True}, False),  # marked
    ({"sport": 39816, "dport": 4000, "is_reply": True}, False),
]
FLOWS = [Flow(**({"src": BACKEND, "dst": WEB, "protocol": 6} | more)) for more, _ in HINTS]
NOTED = [noted for _, noted in HINTS]


@pytest.fixture(scope="module")
def engine() -> netpol.Engine:
    policies, snapshot = load(POLICIES, OBJECTS, None)
    return netpol.compile(policies, snapshot)


def test_what_is_noted(engine: netpol.Engine) -> None:
    together = engine.evaluate(FLOWS)
    assert [bool(bits & Note.MAYBE_REPLY) for bits in together.notes] == NOTED
    alone = adapt_engine(engine, FLOWS)
    assert ["maybe-reply" in answer.notes for answer in alone] == NOTED
    reference = ReferenceEvaluator(*engine.source)
    assert ["maybe-reply" in adapt_reference(reference.judge(f)).notes for f in FLOWS] == NOTED


def test_a_row_is_explained_as_it_is_noted(engine: netpol.Engine) -> None:
    """What a row does not record is not recorded in the flow that is explained, either."""
    found = engine.evaluate(FLOWS)
    for row, flow in enumerate(FLOWS):
        assert found.flow(row) == flow
        told = found.explain(row)
        assert ("maybe-reply" in told) is NOTED[row]


def test_a_big_batch_without_any_has_no_note(engine: netpol.Engine) -> None:
    batch = batch_from(
        {"src": [WEB] * 3000, "dst": [BACKEND] * 3000, "protocol": ["tcp"] * 3000,
         "port": [4000] * 3000, "sport": [39816] * 3000}
    )  # fmt: skip
    assert not engine.evaluate(batch).notes.any()


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Write the cluster and a table whose third row is an unmarked reply."""
    monkeypatch.chdir(tmp_path)
    Path("cluster.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List",
                                                "items": OBJECTS}))  # fmt: skip
    Path("policies.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List",
                                                 "items": POLICIES}))  # fmt: skip
    Path("flows.csv").write_text(
        "src,dst,protocol,port,sport,is_reply\n"
        f"{WEB},{BACKEND},tcp,4000,39816,\n"
        f"{BACKEND},{WEB},tcp,39816,4000,true\n"
        f"{BACKEND},{WEB},tcp,39816,4000,\n"
    )
    return ["-c", "cluster.json", "-p", "policies.json"]


def test_unmarked_reply_row_is_denied_with_a_note(files: list[str]) -> None:
    """As AWS's network policy agent logs both directions of a connection (its issue 175)."""
    result = run("replay", "flows.csv", *files, "-o", "csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["verdict"] for row in rows] == ["allow", "allow", "deny"]
    assert [row["notes"] for row in rows] == ["", "", "maybe-reply"]
    summary = run("replay", "flows.csv", *files)
    assert "1 maybe-reply: it goes from a server's port to a client's" in summary.output
    assert "1 record may be reversed: from a server's port to a client's" in summary.output
    document = json.loads(run("replay", "flows.csv", *files, "-o", "json").stdout)
    (note,) = document["notes"]
    assert (note["note"], note["flows"]) == ("maybe-reply", 1)
    assert document["reader"]["suspected_reversed"] == 1


@pytest.mark.parametrize("command", ["replay", "coverage", "diff"])
def test_without_the_mark_the_table_is_refused(files: list[str], command: str) -> None:
    lines = [line.rsplit(",", 1)[0] for line in Path("flows.csv").read_text().splitlines()]
    Path("flows.csv").write_text("\n".join([*lines, ""]))
    words = [command, "flows.csv", *files]
    if command == "diff":
        words = ["diff", "flows.csv", "-c", "cluster.json", "--before", "policies.json",
                 "--after", "policies.json"]  # fmt: skip
    message = failure(run(*words))
    assert "flows.csv:3: no column is_reply says which rows are answers" in message
    result = run(*words, "--one-way")
    assert result.exit_code == 0, result.output


def test_values_that_were_not_read_are_told(files: list[str]) -> None:
    Path("flows.csv").write_text(
        "src,dst,protocol,port,time,bytes\n"
        f"{WEB},{BACKEND},tcp,4000,2020-06-21 00:00:02.892702,many\x1b[31m\n"
        f"{WEB},{BACKEND},tcp,4000,2020-06-21 00:00:03,7\n"
    )
    text = run("replay", "flows.csv", *files).output
    assert "2 flows judged" in text
    assert "2 values not read, the records judged without: column time: a time without a" in text
    assert "flows.csv:2: many\\x1b[31m" in text
    lost = json.loads(run("replay", "flows.csv", *files, "-o", "json").stdout)["reader"]["lost"]
    assert lost[0] == {
        "cause": "column bytes: bad bytes", "number": 1, "file": "flows.csv", "line": 2,
        "text": "many\x1b[31m",
    }  # fmt: skip
    assert lost[1]["number"] == 2
    assert "flows.csv:2: column bytes" in failure(run("replay", "flows.csv", *files, "--strict"))


def test_nothing_read_is_a_failure_in_every_format(files: list[str]) -> None:
    Path("flows.csv").write_text("src,dst,protocol,port\nx,y,tcp,80\n")
    for kind in ("table", "json", "csv", "markdown", "sarif", "junit", "github"):
        result = run("replay", "flows.csv", *files, "-o", kind)
        if "is not one of" not in result.stderr:
            assert "no records in 1 line" in result.stderr
            assert result.exit_code == 2
